//! Reading some parts in one way: their rows inside the range that pass the filter.
//!
//! Files of differing columns are scanned under one explicit schema: a column a file lacks is null there.

use std::collections::BTreeSet;
use std::sync::Arc;

use outlay_ledger::schema::{BILLING_PERIOD, CHARGE_DATE, PART_ID};
use outlay_ledger::tags::TagReader;
use outlay_ledger::{filter, schema};
use outlay_model::dimension::tag_column;
use outlay_model::filter::Filter;
use outlay_model::part::Layer;
use outlay_model::query::Basis;
use outlay_model::{DateRange, PartId, TagKey};
use polars::prelude::{
    Column, DataType, DslBuilder, Expr, ExtraColumnsPolicy, Field, IdxSize, IntoColumn, LazyFrame,
    MissingColumnsPolicy, ParquetOptions, PlRefPath, PlSmallStr, PolarsResult, ScanSources, SchemaRef,
    StringChunkedBuilder, UnifiedScanArgs, col, lit,
};

use crate::cache::Held;
use crate::{Store, StoreError};

/// Some parts to read in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// From which layer.
    pub layer: Layer,
    /// Their files.
    pub files: Vec<String>,
    /// Whether every row of them lies inside the range, so that it need not be looked at.
    pub inside: bool,
    /// Tag keys that have no column in them and must be read from `Tags`.
    pub tags_from_text: BTreeSet<TagKey>,
    /// The parts whose rows count, where the files hold those of others too; empty for all.
    pub only_parts: BTreeSet<PartId>,
}

/// Which rows of a scan count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// The days.
    pub range: DateRange,
    /// Which time counts.
    pub basis: Basis,
    /// Which charges.
    pub filter: &'a Filter,
    /// Which of these on which days; empty where the day makes no difference.
    pub by_day: &'a [(DateRange, Filter)],
    /// No more than so many from one on, in the order they are stored.
    pub only: Option<(u64, usize)>,
}

/// The column of the time that counts.
pub(crate) const fn time_column(basis: Basis) -> &'static str {
    match basis {
        Basis::Charge => CHARGE_DATE,
        Basis::Billing => BILLING_PERIOD,
    }
}

impl Store {
    /// The `needed` columns of the rows that lie in the range and pass the filter, and what it takes to tell which do.
    pub(crate) fn read(
        &self,
        scan: &Scan,
        held: &Held,
        mut needed: BTreeSet<String>,
        rows: &Rows<'_>,
    ) -> Result<LazyFrame, StoreError> {
        let Rows { range, basis, filter, by_day, only } = *rows;
        for filter in std::iter::once(filter).chain(by_day.iter().map(|(_, filter)| filter)) {
            filter.each_dimension(&mut |dimension| {
                needed.insert(dimension.column());
            });
        }
        for key in &scan.tags_from_text {
            needed.remove(&tag_column(key));
            needed.insert("Tags".to_owned());
        }
        if !scan.inside || !by_day.is_empty() {
            needed.insert(time_column(basis).to_owned());
        }
        if !scan.only_parts.is_empty() {
            needed.insert(PART_ID.to_owned());
        }
        let mut plan = scan_files(&scan.files, held, schema::of(needed.iter().map(String::as_str)))?;
        if let Some((first, rows)) = only {
            plan = plan.slice(i64::try_from(first).unwrap_or(i64::MAX), rows as IdxSize);
        }
        for key in &scan.tags_from_text {
            plan = plan.with_column(self.tag_from_text(key));
        }
        if !scan.only_parts.is_empty() {
            plan = plan.filter(filter::one_of(PART_ID, scan.only_parts.iter().map(PartId::as_str)));
        }
        let within = |days: DateRange| {
            let time = col(time_column(basis));
            time.clone().gt_eq(lit(days.from())).and(time.lt(lit(days.to())))
        };
        if !scan.inside {
            plan = plan.filter(within(range));
        }
        let some_days = by_day.iter().map(|(days, filter)| within(*days).and(filter::expression(filter)));
        if let Some(passes) = some_days.reduce(Expr::or) {
            plan = plan.filter(passes);
        }
        if !filter.is_everything() {
            plan = plan.filter(filter::expression(filter));
        }
        Ok(plan)
    }

    /// The value of a tag key that has no column: read from the text, as it was when the charges were normalised.
    fn tag_from_text(&self, key: &TagKey) -> Expr {
        let (name, tags, privacy, wanted) =
            (PlSmallStr::from_str(&tag_column(key)), self.tags.clone(), self.privacy.clone(), key.clone());
        let output = Field::new(name.clone(), DataType::String);
        let read = move |column: Column| -> PolarsResult<Column> {
            let mut reader = TagReader::new(tags.clone(), privacy.clone());
            let mut values = StringChunkedBuilder::new(name.clone(), column.len());
            for text in column.str()?.iter() {
                let tags = text.map(|text| reader.read(text));
                let found = tags.as_ref().and_then(|tags| tags.pairs.iter().find(|(key, _)| key == wanted.as_str()));
                values.append_option(found.map(|(_, value)| value.as_str()));
            }
            Ok(values.finish().into_column())
        };
        col("Tags").map(read, move |_, _| Ok(output.clone())).alias(tag_column(key))
    }
}

/// These columns of these files.
pub(crate) fn scan_files(files: &[String], held: &Held, schema: SchemaRef) -> Result<LazyFrame, StoreError> {
    let paths = files.iter().map(|file| PlRefPath::new(held.path(file).to_string_lossy()));
    let options =
        ParquetOptions { schema: Some(Arc::clone(&schema)), use_statistics: true, ..ParquetOptions::default() };
    let args = UnifiedScanArgs {
        schema: Some(schema),
        glob: false,
        cache: false,
        missing_columns_policy: MissingColumnsPolicy::Insert,
        extra_columns_policy: ExtraColumnsPolicy::Ignore,
        hive_options: polars::prelude::HiveOptions::new_disabled(),
        ..UnifiedScanArgs::default()
    };
    let plan = DslBuilder::scan_parquet(ScanSources::Paths(paths.collect()), options, args)?.build();
    Ok(LazyFrame::from(plan))
}
