//! A file of daily rows being written, piece by piece, with what its rows add up to.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use outlay_ledger::schema::{self, CHARGE_DATE, PART_ID, ROWS};
use outlay_ledger::{decimal, rollup};
use outlay_model::part::DaySum;
use outlay_model::query::Metric;
use outlay_model::{Money, TagKey};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{ChunkAgg, DataFrame, IntoLazy, col};

use crate::StoreError;
use crate::sink::{Sink, Why};
use crate::stage::{ROW_GROUP, StageSpec, Staged, dates, streamed, sync, texts, writer};

/// The columns of a daily file, in their order.
pub(crate) fn columns<'a>(tags: impl IntoIterator<Item = &'a TagKey>) -> Vec<String> {
    let values = schema::daily_values().into_iter().chain([PART_ID]);
    schema::daily_keys(tags).into_iter().chain(values.map(ToOwned::to_owned)).collect()
}

/// A file of daily rows that is being written.
pub(crate) struct DailyFile {
    writer: BatchedWriter<Sink>,
    why: Why,
    path: PathBuf,
    pending: Option<DataFrame>,
    sums: DailySums,
}

impl DailyFile {
    /// Makes the file. Its footer says what `staged` says, which must be known by now.
    pub(crate) fn create(
        path: &Path,
        spec: &StageSpec,
        staged: &Staged,
        columns: &[String],
    ) -> Result<Self, StoreError> {
        let (sink, why) = Sink::create(path)?;
        let schema = schema::of(columns.iter().map(String::as_str));
        let writer = writer(sink, spec, Some(staged)).batched(&schema).map_err(|error| why.explain(error))?;
        Ok(Self { writer, why, path: path.to_owned(), pending: None, sums: DailySums::default() })
    }

    /// Writes rows, which have exactly the columns of the file and come in its order.
    pub(crate) fn write(&mut self, rows: DataFrame) -> Result<(), StoreError> {
        self.sums.add(&rows)?;
        let mut pending = match self.pending.take() {
            Some(pending) => pending.vstack(&rows)?,
            None => rows,
        };
        while pending.height() >= ROW_GROUP {
            self.write_group(&pending.slice(0, ROW_GROUP))?;
            pending = pending.slice(ROW_GROUP as i64, pending.height() - ROW_GROUP);
        }
        self.pending = Some(pending).filter(|pending| pending.height() > 0);
        Ok(())
    }

    fn write_group(&mut self, rows: &DataFrame) -> Result<(), StoreError> {
        let mut rows = rows.clone();
        rows.rechunk_mut();
        self.writer.write_batch(&rows).map_err(|error| self.why.explain(error))
    }

    /// Writes the rest, syncs, and says what the rows add up to.
    pub(crate) fn finish(mut self) -> Result<DailySums, StoreError> {
        if let Some(pending) = self.pending.take() {
            self.write_group(&pending)?;
        }
        self.writer.finish().map_err(|error| self.why.explain(error))?;
        sync(&self.path)?;
        Ok(self.sums)
    }
}

/// A day of a provider's billing account in a currency.
type Day = (NaiveDate, Option<String>, Option<String>, Option<String>);

/// What daily rows add up to.
#[derive(Debug, Default)]
pub(crate) struct DailySums {
    /// Charges behind them.
    pub(crate) rows: u64,
    /// Σ of each cost.
    pub(crate) costs: BTreeMap<Metric, BigDecimal>,
    /// Charges that leave a cost out.
    pub(crate) null_rows: BTreeMap<Metric, u64>,
    days: BTreeMap<Day, DaySum>,
}

impl DailySums {
    /// Day by day, in order.
    pub(crate) fn into_days(self) -> Vec<DaySum> {
        self.days.into_values().collect()
    }

    fn add(&mut self, rows: &DataFrame) -> Result<(), StoreError> {
        let count = |column: &str| -> Result<u64, StoreError> {
            let sum = rows.column(column)?.as_materialized_series().i64()?.sum().unwrap_or(0);
            Ok(u64::try_from(sum).unwrap_or(0))
        };
        self.rows += count(ROWS)?;
        for metric in Metric::ALL {
            *self.null_rows.entry(*metric).or_default() += count(schema::nulls_column(*metric))?;
            let amounts = decimal::amounts(rows.column(metric.column())?.as_materialized_series())?;
            let sum: BigDecimal = amounts.into_iter().flatten().map(Money::to_exact).sum();
            *self.costs.entry(*metric).or_default() += sum;
        }
        for (currency, more) in day_sums(rows)? {
            let key = (more.day, more.provider.clone(), more.billing_account.clone(), currency);
            match self.days.entry(key) {
                Entry::Vacant(day) => {
                    day.insert(more);
                }
                Entry::Occupied(mut day) => {
                    let day = day.get_mut();
                    day.rows += more.rows;
                    day.billed = both(day.billed, more.billed)?;
                    day.effective = both(day.effective, more.effective)?;
                }
            }
        }
        Ok(())
    }
}

/// The sum of what is stated; null when neither is.
fn both(one: Option<Money>, other: Option<Money>) -> Result<Option<Money>, StoreError> {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.checked_add(other).map(Some).ok_or(StoreError::Corrupt { what: "sum of a day" })
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// The sums of each day, with its currency as it is stored.
fn day_sums(daily: &DataFrame) -> Result<Vec<(Option<String>, DaySum)>, StoreError> {
    let keys = [CHARGE_DATE, "ServiceProviderName", "BillingAccountId", "BillingCurrency"];
    let sums = [
        col(ROWS).sum(),
        rollup::sum_or_null(Metric::Billed.column()),
        rollup::sum_or_null(Metric::Effective.column()),
    ];
    let frame = streamed(daily.clone().lazy().group_by(keys.map(col)).agg(sums))?;
    let amounts = |metric: Metric| -> Result<_, StoreError> {
        Ok(decimal::amounts(frame.column(metric.column())?.as_materialized_series())?)
    };
    let (days, rows) = (dates(frame.column(CHARGE_DATE)?)?, frame.column(ROWS)?.i64()?.clone());
    let (providers, accounts) = (texts(frame.column(keys[1])?)?, texts(frame.column(keys[2])?)?);
    let currencies = texts(frame.column(keys[3])?)?;
    let (billed, effective) = (amounts(Metric::Billed)?, amounts(Metric::Effective)?);
    (0..frame.height())
        .map(|row| {
            let currency = currencies[row].as_deref().and_then(|code| code.parse().ok());
            let sum = DaySum {
                day: days[row].ok_or(StoreError::Corrupt { what: "day" })?,
                provider: providers[row].clone(),
                billing_account: accounts[row].clone(),
                currency: currency.ok_or(StoreError::Corrupt { what: "currency" })?,
                rows: rows.get(row).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0),
                billed: billed[row],
                effective: effective[row],
            };
            Ok((currencies[row].clone(), sum))
        })
        .collect()
}
