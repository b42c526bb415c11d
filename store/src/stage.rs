//! Writes a part: every charge first, then the daily roll-up from the file just written.
//!
//! What is reported about a part is read back from its files, never from what was meant to be written, so that the
//! conservation check covers the writing too. Files and folders are synced before `finish` returns, and published
//! after it: when the catalog commits, the bytes are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use chrono::{Days, NaiveDate};
use outlay_ledger::decimal;
use outlay_ledger::own::Owner;
use outlay_ledger::schema::{self, BILLING_PERIOD, LAYOUT, PART_ID, ROWS};
use outlay_model::ownership::Book;
use outlay_model::part::{BalanceKey, DaySum, Layer};
use outlay_model::query::Metric;
use outlay_model::{Currency, DeliveryKey, PartId, SourceName, TagKey};
use polars::io::parquet::write::BatchedWriter;
use polars::polars_utils::compression::ZstdLevel;
use polars::prelude::{
    Column, DataFrame, DataType, Engine, Expr, IntoColumn, IntoLazy, KeyValueMetadata, LazyFrame, NewChunkedArray,
    ParquetCompression, ParquetWriter, PlRefPath, PlSmallStr, ScanArgsParquet, StatisticsOptions, StringChunked, col,
    lit,
};

use crate::daily::{self, DailyFile};
use crate::footer::key;
use crate::gather;
use crate::reshape::PartSums;
use crate::sink::{Sink, Why};
use crate::{Store, StoreError};

/// Rows of a row group: enough to compress well, few enough to hold in memory.
pub(crate) const ROW_GROUP: usize = 1 << 17;

/// What is about to be staged.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// The part.
    pub part: PartId,
    /// Whose.
    pub source: SourceName,
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// Its hash.
    pub fingerprint: String,
    /// The columns of the normalised charges.
    pub columns: BTreeSet<String>,
    /// The tag keys among them.
    pub tag_keys: BTreeSet<TagKey>,
}

/// A part being written.
pub struct Stage<'a> {
    store: &'a Store,
    spec: StageSpec,
    owner: Owner,
    /// Its columns, in their order.
    columns: Vec<String>,
    writer: BatchedWriter<Sink>,
    why: Why,
    path: PathBuf,
    pending: Option<DataFrame>,
    rows: u64,
}

/// What the files of a staged part hold, read back from them.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Charges.
    pub rows: u64,
    /// The columns of `charges`.
    pub columns: BTreeSet<String>,
    /// The tag keys of `daily`.
    pub daily_tags: BTreeSet<TagKey>,
    /// Σ per invoice and cost.
    pub sums: BTreeMap<(BalanceKey, Metric), BigDecimal>,
    /// Sums per day.
    pub days: Vec<DaySum>,
    /// First days of its billing periods.
    pub billing_periods: BTreeSet<NaiveDate>,
    /// Its currencies.
    pub currencies: BTreeSet<Currency>,
    /// Charges that leave a metric out.
    pub null_rows: BTreeMap<Metric, u64>,
}

impl Staged {
    /// A file with the daily rows of several parts: only what all of it adds up to. Each part's own commit says the rest.
    pub(crate) fn of_several<'a>(parts: impl Iterator<Item = &'a PartSums>) -> Self {
        let all = BalanceKey { billing_period: None, invoice: None, currency: String::new() };
        let (mut rows, mut sums) = (0, BTreeMap::new());
        for (more, costs) in parts {
            rows += more;
            for (metric, cost) in costs {
                let sum: &mut BigDecimal = sums.entry((all.clone(), *metric)).or_default();
                *sum += cost.unwrap_or_default().to_exact();
            }
        }
        Self {
            rows,
            sums,
            columns: BTreeSet::new(),
            daily_tags: BTreeSet::new(),
            days: Vec::new(),
            billing_periods: BTreeSet::new(),
            currencies: BTreeSet::new(),
            null_rows: BTreeMap::new(),
        }
    }

    /// From the first day of its charges to the day after the last.
    #[must_use]
    pub fn span(&self) -> Option<outlay_model::DateRange> {
        let first = self.days.iter().map(|sum| sum.day).min()?;
        let last = self.days.iter().map(|sum| sum.day).max()?;
        outlay_model::DateRange::new(first, last.checked_add_days(Days::new(1))?)
    }
}

impl Store {
    /// Starts writing a part whose charges find their owners by this book. With `more_tags`, their `Tags` hold keys that have no
    /// column. Its files must already be named in the catalog.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be created, or the book cannot be used.
    pub fn stage(&self, spec: StageSpec, book: &Book, more_tags: bool) -> Result<Stage<'_>, StoreError> {
        let owner = Owner::new(book, &spec.source, &self.tags, &self.privacy, more_tags)?;
        let path = self.home.staging(&file_path(&spec, Layer::Charges));
        let (sink, why) = Sink::create(&path)?;
        let columns = schema::ordered(owned_columns(&spec).iter().map(String::as_str));
        let schema = schema::of(columns.iter().map(String::as_str));
        let writer = writer(sink, &spec, None).batched(&schema).map_err(|error| why.explain(error))?;
        Ok(Stage { store: self, spec, owner, columns, writer, why, path, pending: None, rows: 0 })
    }
}

impl Stage<'_> {
    /// Gives the charges an owner and writes them. The frame has exactly the columns of the spec.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the disk fails.
    pub fn write(&mut self, charges: DataFrame) -> Result<(), StoreError> {
        let part = std::iter::repeat_n(self.spec.part.as_str(), charges.height());
        let part = StringChunked::from_iter_values(PlSmallStr::from_static(PART_ID), part).into_column();
        let mut owned = self.owner.own(charges)?;
        owned.with_column(part)?;
        let owned = owned.select(self.columns.iter().map(String::as_str))?;
        self.rows += owned.height() as u64;
        match &mut self.pending {
            Some(pending) => {
                pending.vstack_mut(&owned)?;
            }
            None => self.pending = Some(owned),
        }
        if self.pending.as_ref().is_some_and(|pending| pending.height() >= ROW_GROUP) { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if let Some(mut pending) = self.pending.take().filter(|pending| pending.height() > 0) {
            pending.rechunk_mut();
            self.writer.write_batch(&pending).map_err(|error| self.why.explain(error))?;
        }
        Ok(())
    }

    /// Writes the rest, rolls up, syncs, and says what the files hold.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the disk fails, or the roll-up does not add up.
    pub fn finish(mut self, daily_keys: &[TagKey]) -> Result<Staged, StoreError> {
        self.flush()?;
        self.writer.finish().map_err(|error| self.why.explain(error))?;
        sync(&self.path)?;

        let columns = owned_columns(&self.spec);
        let daily_tags: BTreeSet<TagKey> =
            daily_keys.iter().filter(|key| self.spec.tag_keys.contains(*key)).cloned().collect();
        let mut staged = read_back(self.rows, &self.path, &columns, daily_tags)?;
        let daily = self.store.home.staging(&file_path(&self.spec, Layer::Daily));
        roll_up(&self.path, &daily, &self.spec, &mut staged)?;
        Ok(staged)
    }
}

/// Rolls the charges of a part up into a file, which must add up to them, and says what it holds.
pub(crate) fn roll_up(charges: &Path, daily: &Path, spec: &StageSpec, staged: &mut Staged) -> Result<(), StoreError> {
    let mut file = DailyFile::create(daily, spec, staged, &daily::columns(&staged.daily_tags))?;
    let part = lit(spec.part.as_str()).alias(PART_ID);
    gather::roll_up(charges, &staged.columns, &staged.daily_tags, |rows| {
        file.write(rows.lazy().with_column(part.clone()).collect()?)
    })?;
    let sums = file.finish()?;
    if sums.rows != staged.rows {
        return Err(StoreError::NotConserved { column: ROWS });
    }
    for metric in Metric::ALL {
        let charged: BigDecimal = staged.sums.iter().filter(|((_, m), _)| m == metric).map(|(_, sum)| sum).sum();
        if sums.costs.get(metric).cloned().unwrap_or_default() != charged {
            return Err(StoreError::NotConserved { column: metric.column() });
        }
    }
    staged.null_rows.clone_from(&sums.null_rows);
    staged.days = sums.into_days();
    Ok(())
}

/// What a part's charges on disk add up to. What its roll-up says is not known yet.
pub(crate) fn read_back(
    rows: u64,
    charges: &Path,
    columns: &BTreeSet<String>,
    daily_tags: BTreeSet<TagKey>,
) -> Result<Staged, StoreError> {
    let metrics: Vec<Metric> = Metric::ALL.iter().copied().filter(|m| columns.contains(m.column())).collect();
    let invoice = if columns.contains("InvoiceId") { col("InvoiceId") } else { lit("").alias("InvoiceId") };
    let keys = [col(BILLING_PERIOD), invoice, col("BillingCurrency")];
    let sums: Vec<Expr> = metrics.iter().map(|metric| col(metric.column()).sum()).collect();
    let by_invoice = streamed(scan(charges)?.group_by(keys).agg(sums))?;
    let mut staged = Staged {
        rows,
        columns: columns.clone(),
        daily_tags,
        sums: BTreeMap::new(),
        days: Vec::new(),
        billing_periods: BTreeSet::new(),
        currencies: BTreeSet::new(),
        null_rows: BTreeMap::new(),
    };
    let periods = dates(by_invoice.column(BILLING_PERIOD)?)?;
    let invoices = texts(by_invoice.column("InvoiceId")?)?;
    let currencies = texts(by_invoice.column("BillingCurrency")?)?;
    for metric in &metrics {
        let sums = decimal::amounts(by_invoice.column(metric.column())?.as_materialized_series())?;
        for (row, sum) in sums.into_iter().enumerate() {
            let sum = sum.unwrap_or_default().to_exact();
            let key = BalanceKey {
                billing_period: periods[row],
                invoice: invoices[row].clone().filter(|invoice| !invoice.is_empty()),
                currency: currencies[row].clone().unwrap_or_default(),
            };
            *staged.sums.entry((key, *metric)).or_default() += sum;
        }
    }
    staged.billing_periods = periods.into_iter().flatten().collect();
    for currency in currencies.iter().flatten() {
        staged.currencies.insert(currency.parse().map_err(|_| StoreError::Corrupt { what: "currency" })?);
    }
    Ok(staged)
}

/// The columns of `charges` once they are owned.
pub(crate) fn owned_columns(spec: &StageSpec) -> BTreeSet<String> {
    let added = [schema::SOURCE, schema::TEAM, schema::COMPONENT, schema::ENVIRONMENT, schema::OWNERSHIP_RULE, PART_ID];
    spec.columns.iter().cloned().chain(added.map(ToOwned::to_owned)).collect()
}

fn file_path(spec: &StageSpec, layer: Layer) -> String {
    let files = Store::files_of(&spec.source, &spec.part);
    files.into_iter().find(|file| file.layer == layer).map(|file| file.path).unwrap_or_default()
}

/// Makes sure a file's bytes and its name survive a power cut.
pub(crate) fn sync(path: &Path) -> Result<(), StoreError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(path).map_err(|source| StoreError::io(path, source))?;
    for folder in path.ancestors().skip(1).take(3) {
        sync(folder).map_err(|source| StoreError::io(folder, source))?;
    }
    Ok(())
}

/// A writer whose footer says what the file is, so that the catalog could be rebuilt from the store.
pub(crate) fn writer(sink: Sink, spec: &StageSpec, staged: Option<&Staged>) -> ParquetWriter<Sink> {
    let mut footer = vec![
        (key::PART.to_owned(), spec.part.to_string()),
        (key::SOURCE.to_owned(), spec.source.to_string()),
        (key::DELIVERY.to_owned(), spec.delivery.to_string()),
        (key::FINGERPRINT.to_owned(), spec.fingerprint.clone()),
        (key::LAYOUT.to_owned(), LAYOUT.to_string()),
    ];
    if let Some(staged) = staged {
        footer.push((key::ROWS.to_owned(), staged.rows.to_string()));
        for metric in Metric::ALL {
            let sum: BigDecimal = staged.sums.iter().filter(|((_, m), _)| m == metric).map(|(_, sum)| sum).sum();
            footer.push((key::sum(*metric), outlay_model::money::plain(&sum)));
        }
    }
    // `charges` is most of the disk, `daily` is what every page waits for: the one is packed tightly (level 1 is nearly
    // as tight as the rest), the other unpacks three times as fast.
    let compression = match staged {
        None => ParquetCompression::Zstd(ZstdLevel::try_new(1).ok()),
        Some(_) => ParquetCompression::Lz4Raw,
    };
    ParquetWriter::new(sink)
        .with_compression(compression)
        .with_statistics(StatisticsOptions::default())
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(footer)))
}

pub(crate) fn scan(path: &Path) -> Result<LazyFrame, StoreError> {
    let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    Ok(LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), args)?)
}

/// Runs a plan on the streaming engine, which is the faster and the leaner one on these plans.
pub(crate) fn streamed(plan: LazyFrame) -> Result<DataFrame, StoreError> {
    // A plan with one sink gives one frame.
    Ok(plan.collect_with_engine(Engine::Streaming)?.unwrap_single())
}

pub(crate) fn dates(column: &Column) -> Result<Vec<Option<NaiveDate>>, StoreError> {
    let days = column.cast(&DataType::Date)?.cast(&DataType::Int32)?;
    Ok(days.i32()?.iter().map(|day| day.and_then(NaiveDate::from_epoch_days)).collect())
}

pub(crate) fn texts(column: &Column) -> Result<Vec<Option<String>>, StoreError> {
    Ok(column.str()?.iter().map(|text| text.map(ToOwned::to_owned)).collect())
}
