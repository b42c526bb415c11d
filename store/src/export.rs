//! Charges, and the transfers that share some of them out, on their way out: read part by part, looked at, added up and
//! written as they come.
//!
//! However many charges there are, memory holds a row group on its way in and one on its way out. Rows come out in the
//! order of the parts and of the lines in them, so the same question of the same generation gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use outlay_ledger::export::checks::Checks;
use outlay_ledger::export::{add_up, csv, expressions};
use outlay_ledger::schema::{self, CHARGE_DATE};
use outlay_model::DateRange;
use outlay_model::export::{ExportColumn, ExportSums, Exported, FileKind, Gap};
use outlay_model::filter::Filter;
use outlay_model::query::{Basis, Metric};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    DataFrame, DataType, Expr, LazyFrame, ParquetCompression, ParquetWriter, PolarsError, col, len, lit,
};

use crate::cache::Held;
use crate::scan::{Rows, Scan, scan_files};
use crate::stage::{ROW_GROUP, streamed, texts};
use crate::{Store, StoreError};

const PROVIDER: &str = "ServiceProviderName";

/// The charges of one part.
#[derive(Debug, Clone)]
pub struct ExportScan {
    /// How they are read.
    pub scan: Scan,
    /// How many there are, before any are left out.
    pub rows: u64,
}

/// What to export.
#[derive(Debug, Clone)]
pub struct ExportPlan {
    /// What to read, in the order of the rows.
    pub scans: Vec<ExportScan>,
    /// The transfers of pools, a scan each, which come behind them.
    pub transfers: Vec<Scan>,
    /// The days.
    pub range: DateRange,
    /// Which time counts.
    pub basis: Basis,
    /// Which charges.
    pub filter: Filter,
    /// Which of these on which days, in order; empty where the day makes no difference.
    pub by_day: Vec<(DateRange, Filter)>,
    /// The columns.
    pub columns: Vec<ExportColumn>,
    /// Stored columns that have to stay behind.
    pub left_out: Vec<&'static str>,
}

impl ExportPlan {
    /// Every scan in order, and the charges of it; `None` for transfers, which are none.
    fn all(&self) -> impl Iterator<Item = (&Scan, Option<u64>)> {
        let charges = self.scans.iter().map(|ExportScan { scan, rows }| (scan, Some(*rows)));
        charges.chain(self.transfers.iter().map(|scan| (scan, None)))
    }

    fn rows(&self, only: Option<(u64, usize)>) -> Rows<'_> {
        Rows { range: self.range, basis: self.basis, filter: &self.filter, by_day: &self.by_day, only }
    }
}

/// What there is to know of an export before it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// Charges and transfers.
    pub rows: u64,
    /// How many of them are transfers.
    pub transfers: u64,
    /// Columns that transfers leave out although FOCUS allows no null in them: no gap that a bill could close.
    pub transfers_lack: BTreeSet<String>,
    /// Nulls where FOCUS allows none.
    pub gaps: Vec<Gap>,
    /// Charges that state a column which has to stay behind. For ServiceProviderName only those where ProviderName says
    /// something else: for the others nothing is lost.
    pub left_out: BTreeMap<&'static str, u64>,
    /// The exported columns that some charge states.
    pub stated: BTreeSet<String>,
}

impl Store {
    /// Counts the charges of an export, and what they leave out. Reads no more columns than that takes.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the disk fails.
    pub async fn export_counts(self: &Arc<Self>, plan: ExportPlan) -> Result<ExportCounts, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            store.export_counts_now(&plan)
        });
        work.await.map_err(|_| StoreError::Stopped)?
    }

    /// Exports charges into a file of this kind, or, without one, only looks at them; the file is flushed as that goes on,
    /// so that it can put an end to it. Takes as long as the file takes to be written, so exports have permits of their
    /// own: a slow reader of one must not keep queries waiting.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the disk fails; [`StoreError::Output`] when the file cannot be written.
    pub async fn export<W: Write + Send + 'static>(
        self: &Arc<Self>,
        plan: ExportPlan,
        kind: Option<FileKind>,
        file: W,
    ) -> Result<Exported, StoreError> {
        let permit = Arc::clone(&self.exports).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            store.export_now(&plan, kind, file)
        });
        work.await.map_err(|_| StoreError::Stopped)?
    }

    fn export_counts_now(&self, plan: &ExportPlan) -> Result<ExportCounts, StoreError> {
        let mut needed: BTreeSet<String> = plan.columns.iter().flat_map(|column| column.from.clone()).collect();
        needed.insert(PROVIDER.to_owned());
        needed.extend(plan.left_out.iter().map(|name| (*name).to_owned()));
        let mut counts = ExportCounts::default();
        let mut providers: BTreeMap<Option<String>, (u64, BTreeMap<&str, u64>)> = BTreeMap::new();
        for (scan, charges) in plan.all() {
            let of_bill = charges.is_some();
            let held = self.hold_now(scan)?;
            let rows = self.read(scan, &held, needed.clone(), &plan.rows(None))?;
            let frame = streamed(counting(rows, plan))?;
            let (names, all) = (texts(frame.column("provider")?)?, numbers(&frame, "rows")?);
            for (provider, rows) in names.iter().zip(&all) {
                counts.rows += rows;
                if of_bill {
                    providers.entry(provider.clone()).or_default().0 += rows;
                } else {
                    counts.transfers += rows;
                }
            }
            for (place, column) in plan.columns.iter().enumerate() {
                let stated = numbers(&frame, &format!("stated{place}"))?;
                if stated.iter().any(|count| *count > 0) {
                    counts.stated.insert(column.name.clone());
                }
                if !of_bill && column.required() && stated.iter().sum::<u64>() < all.iter().sum() && !is_cost(column) {
                    counts.transfers_lack.insert(column.name.clone());
                }
                for ((provider, rows), stated) in
                    names.iter().zip(&all).zip(stated).filter(|_| column.required() && of_bill)
                {
                    let nulls = &mut providers.entry(provider.clone()).or_default().1;
                    *nulls.entry(column.name.as_str()).or_default() += rows - stated;
                }
            }
            for (place, name) in plan.left_out.iter().enumerate() {
                let lost: u64 = numbers(&frame, &format!("left{place}"))?.iter().sum();
                *counts.left_out.entry(*name).or_default() += lost;
            }
        }
        counts.left_out.retain(|_, rows| *rows > 0);
        for (provider, (of, nulls)) in providers {
            let gaps = nulls.into_iter().filter(|(_, rows)| *rows > 0);
            let gap =
                |(column, rows): (&str, u64)| Gap { column: column.to_owned(), provider: provider.clone(), rows, of };
            counts.gaps.extend(gaps.map(gap));
        }
        counts.gaps.sort();
        Ok(counts)
    }

    /// Makes the files of one scan local, and no more: an export may be larger than this machine's disk.
    fn hold_now(&self, scan: &Scan) -> Result<Held, StoreError> {
        tokio::runtime::Handle::current().block_on(self.home.hold(scan.files.iter().cloned().collect()))
    }

    fn export_now<W: Write>(&self, plan: &ExportPlan, kind: Option<FileKind>, file: W) -> Result<Exported, StoreError> {
        let mut writer = Writer::start(kind, file, &plan.columns)?;
        let (mut checks, mut sums) = (Checks::new(&plan.columns), ExportSums::new());
        let needed: BTreeSet<String> = plan.columns.iter().flat_map(|column| column.from.clone()).collect();
        for (scan, rows) in plan.all() {
            let held = self.hold_now(scan)?;
            let rows = match rows {
                Some(rows) => rows,
                None => {
                    let files = scan_files(&scan.files, &held, schema::of([CHARGE_DATE]))?;
                    let count = streamed(files.select([len().cast(DataType::UInt64).alias("rows")]))?;
                    numbers(&count, "rows")?.iter().sum()
                }
            };
            // A scan of the whole part would decode row groups far ahead of what is written.
            for first in (0..rows).step_by(ROW_GROUP) {
                let some = self.read(scan, &held, needed.clone(), &plan.rows(Some((first, ROW_GROUP))))?;
                let mut batch = streamed(some.select(expressions(&plan.columns)))?;
                batch.rechunk_mut();
                checks.see(&batch)?;
                add_up(&mut sums, &batch)?;
                writer.write(batch, &plan.columns)?;
            }
        }
        writer.finish()?;
        let rows = checks.rows();
        let (findings, longest) = checks.finish();
        Ok(Exported { rows, sums, findings, longest })
    }
}

/// What a cost lacks, the charges behind it lack: that is their gap.
fn is_cost(column: &ExportColumn) -> bool {
    Metric::ALL.iter().any(|metric| metric.column() == column.name)
}

/// Per provider: the charges, those that state each exported column, and those that state what is left behind.
fn counting(rows: LazyFrame, plan: &ExportPlan) -> LazyFrame {
    let mut values = vec![col(PROVIDER).alias("provider")];
    let mut counts = vec![len().cast(DataType::UInt64).alias("rows")];
    for (place, value) in expressions(&plan.columns).into_iter().enumerate() {
        let name = format!("stated{place}");
        values.push(value.is_not_null().alias(name.as_str()));
        counts.push(col(name.as_str()).sum().cast(DataType::UInt64));
    }
    for (place, left_out) in plan.left_out.iter().enumerate() {
        let name = format!("left{place}");
        let kept = plan.columns.iter().find(|column| *left_out == PROVIDER && column.name == "ProviderName");
        let lost: Expr = match kept {
            Some(kept) => expressions(std::slice::from_ref(kept))
                .into_iter()
                .fold(lit(false), |lost, provider| lost.or(provider.neq(col(PROVIDER)).fill_null(lit(false)))),
            None => col(*left_out).is_not_null(),
        };
        values.push(lost.alias(name.as_str()));
        counts.push(col(name.as_str()).sum().cast(DataType::UInt64));
    }
    rows.select(values).group_by([col("provider")]).agg(counts)
}

fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<u64>, StoreError> {
    Ok(frame.column(name)?.u64()?.iter().map(|number| number.unwrap_or(0)).collect())
}

/// The file being written.
enum Writer<W: Write> {
    Nothing(W),
    Csv(W),
    Parquet { file: Box<BatchedWriter<W>>, pending: Option<DataFrame> },
}

impl<W: Write> Writer<W> {
    fn start(kind: Option<FileKind>, mut file: W, columns: &[ExportColumn]) -> Result<Self, StoreError> {
        match kind {
            None => Ok(Self::Nothing(file)),
            Some(FileKind::Csv) => {
                file.write_all(&csv::header(columns)).map_err(StoreError::Output)?;
                Ok(Self::Csv(file))
            }
            Some(FileKind::Parquet) => {
                // The one compression that every reader of Parquet knows.
                let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Snappy);
                let file = writer.batched(&outlay_ledger::export::schema(columns)).map_err(output)?;
                Ok(Self::Parquet { file: Box::new(file), pending: None })
            }
        }
    }

    fn write(&mut self, batch: DataFrame, columns: &[ExportColumn]) -> Result<(), StoreError> {
        match self {
            Self::Nothing(file) => file.flush().map_err(StoreError::Output),
            Self::Csv(file) => file.write_all(&csv::lines(columns, &batch)?).map_err(StoreError::Output),
            Self::Parquet { file, pending } => {
                match pending {
                    Some(pending) => {
                        pending.vstack_mut_owned(batch)?;
                    }
                    None => *pending = Some(batch),
                }
                match pending.take_if(|pending| pending.height() >= ROW_GROUP) {
                    Some(group) => write_group(file, group),
                    None => Ok(()),
                }
            }
        }
    }

    fn finish(self) -> Result<(), StoreError> {
        match self {
            Self::Nothing(mut file) | Self::Csv(mut file) => file.flush().map_err(StoreError::Output),
            Self::Parquet { mut file, pending } => {
                pending.map_or(Ok(()), |group| write_group(&mut file, group))?;
                file.finish().map(drop).map_err(output)
            }
        }
    }
}

fn write_group<W: Write>(file: &mut BatchedWriter<W>, mut group: DataFrame) -> Result<(), StoreError> {
    group.rechunk_mut();
    if group.height() > 0 { file.write_batch(&group).map_err(output) } else { Ok(()) }
}

/// Tells a file that cannot be written from an engine that fails.
fn output(error: PolarsError) -> StoreError {
    match error {
        PolarsError::IO { error, .. } => StoreError::Output(std::io::Error::new(error.kind(), error)),
        error => StoreError::Engine(error),
    }
}
