//! Files of transfers: what splits the pools of a month, for each pool a `daily` file of its own and nothing else.
//!
//! A month is gone through day by day, and within a day pool by pool in an order in which none comes before one that it has a
//! share of: however many rows there are, memory holds those of a day, and of their transfers a row group. What was written is read
//! back and must come to nothing, per day, currency and cost, before anybody is told to use it (P1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use outlay_ledger::schema::{self, BILLING_PERIOD, CHARGE_DATE, PART_ID, TEAM};
use outlay_ledger::transfer::{self, Method, Shares};
use outlay_ledger::{decimal, filter, rollup};
use outlay_model::ownership::{source_of_pool, team_of_pool};
use outlay_model::part::{Layer, PartFile};
use outlay_model::query::Metric;
use outlay_model::{Currency, DateRange, DeliveryKey, Money, PartId, PoolId, TagKey};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame, col, len, lit};

use crate::cache::Held;
use crate::daily::{self, DailyFile};
use crate::home::blocking;
use crate::scan::scan_files;
use crate::stage::{ROW_GROUP, StageSpec, Staged, dates, scan, streamed, texts};
use crate::{Store, StoreError};

/// The pools of a month that are to be split.
#[derive(Debug, Clone)]
pub struct SharePlan {
    /// The delivery that the transfers are of: the month.
    pub delivery: DeliveryKey,
    /// Its days.
    pub days: DateRange,
    /// The daily rows of the parts, and of other pools' transfers that stay as they are.
    pub rows: Vec<DailyRows>,
    /// Tag keys that the parts have by day.
    pub tags: BTreeSet<TagKey>,
    /// The pools.
    pub pools: Vec<PoolPlan>,
    /// In which order pools are split on each day, by their places above.
    pub order: BTreeMap<NaiveDate, Vec<usize>>,
}

/// A file of daily rows.
#[derive(Debug, Clone)]
pub struct DailyRows {
    /// Its path.
    pub file: String,
    /// The days its rows lie on.
    pub days: DateRange,
    /// The parts whose rows count, where it holds those of others too; empty for all.
    pub only_parts: BTreeSet<PartId>,
}

/// A pool that is to be split.
#[derive(Debug, Clone)]
pub struct PoolPlan {
    /// The pool.
    pub pool: PoolId,
    /// The part its transfers will be.
    pub part: PartId,
    /// What tells them from those of other inputs.
    pub fingerprint: String,
    /// How each day is split. On days without, its cost stays.
    pub days: BTreeMap<NaiveDate, (Method, Shares)>,
}

/// The transfers of a pool, read back.
#[derive(Debug, Clone, Default)]
pub struct SharedPart {
    /// How many there are.
    pub transfers: u64,
    /// The days they lie on.
    pub days: Option<DateRange>,
    /// First days of their billing periods.
    pub billing_periods: BTreeSet<NaiveDate>,
    /// Their currencies.
    pub currencies: BTreeSet<Currency>,
    /// How many of the charges behind them leave each cost out.
    pub null_rows: BTreeMap<Metric, u64>,
    /// Σ|cost| of each metric.
    pub magnitude: BTreeMap<Metric, Money>,
    /// The effective cost that stays in the pool because its day is not split.
    pub left: BTreeMap<(NaiveDate, Currency), Money>,
}

impl Store {
    /// The file of a pool's transfers. It is named in the catalog before its first byte is written.
    #[must_use]
    pub fn file_of_transfers(pool: &PoolId, part: &PartId) -> PartFile {
        PartFile::new(Layer::Daily, &source_of_pool(pool), part)
    }

    /// The columns of its rows that charges have as well, but for those of tags.
    #[must_use]
    pub fn columns_of_transfers() -> BTreeSet<String> {
        let dimensions = schema::daily_keys(&BTreeSet::new()).into_iter();
        let costs = Metric::ALL.iter().map(|metric| metric.column().to_owned());
        let described = transfer::DESCRIBED.iter().map(|name| (*name).to_owned());
        dimensions.chain(costs).chain(described).chain([PART_ID.to_owned()]).collect()
    }

    /// Splits pools, and says what their files hold, in their order. The files last when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the store fails, or what was written does not come to nothing.
    pub async fn share(self: &Arc<Self>, plan: SharePlan) -> Result<Vec<SharedPart>, StoreError> {
        let held = self.home.hold(plan.rows.iter().map(|rows| rows.file.clone()).collect()).await?;
        let files: Vec<PartFile> =
            plan.pools.iter().map(|pool| Self::file_of_transfers(&pool.pool, &pool.part)).collect();
        let store = Arc::clone(self);
        let shared = blocking(move || store.share_now(&plan, &held)).await?;
        self.publish(&files).await?;
        Ok(shared)
    }

    fn share_now(&self, plan: &SharePlan, held: &Held) -> Result<Vec<SharedPart>, StoreError> {
        let columns: Vec<String> = daily::columns(&plan.tags)
            .into_iter()
            .chain(transfer::DESCRIBED.iter().map(|name| (*name).to_owned()))
            .collect();
        let mut writing =
            plan.pools.iter().map(|pool| Writing::start(self, plan, pool, &columns)).collect::<Result<Vec<_>, _>>()?;
        for day in plan.days.iter() {
            let mut rows = read_day(plan, day, held)?;
            for place in plan.order.get(&day).into_iter().flatten() {
                let Some(writing) = writing.get_mut(*place) else { continue };
                let team = team_of_pool(&writing.plan.pool);
                let of_pool = rows.clone().lazy().filter(col(TEAM).eq(lit(team.as_str())));
                let of_pool = streamed(rollup::in_order(rollup::combine(of_pool, &plan.tags), &plan.tags))?;
                for sent_on in writing.split(plan, day, of_pool, &columns)? {
                    rows.vstack_mut(&sent_on)?;
                }
            }
        }
        writing.into_iter().map(Writing::finish).collect()
    }
}

/// The columns of daily rows that are split.
fn row_columns(tags: &BTreeSet<TagKey>) -> Vec<String> {
    schema::daily_keys(tags).into_iter().chain(schema::daily_values().into_iter().map(ToOwned::to_owned)).collect()
}

/// The rows of a day that are in one of the pools.
fn read_day(plan: &SharePlan, day: NaiveDate, held: &Held) -> Result<DataFrame, StoreError> {
    let columns = row_columns(&plan.tags);
    let teams: Vec<String> = plan.pools.iter().map(|pool| team_of_pool(&pool.pool).to_string()).collect();
    let (some, whole): (Vec<&DailyRows>, Vec<_>) =
        plan.rows.iter().filter(|rows| rows.days.contains(day)).partition(|rows| !rows.only_parts.is_empty());
    let whole: Vec<String> = whole.into_iter().map(|rows| rows.file.clone()).collect();
    let none = BTreeSet::new();
    let scans = (!whole.is_empty()).then_some((whole, &none)).into_iter();
    let scans = scans.chain(some.into_iter().map(|rows| (vec![rows.file.clone()], &rows.only_parts)));
    let mut all = DataFrame::empty_with_schema(&schema::of(columns.iter().map(String::as_str)));
    for (files, only_parts) in scans {
        let needed = columns.iter().map(String::as_str).chain([PART_ID]);
        let mut rows = scan_files(&files, held, schema::of(needed))?
            .filter(col(CHARGE_DATE).eq(lit(day)))
            .filter(filter::one_of(TEAM, teams.iter().map(String::as_str)));
        if !only_parts.is_empty() {
            rows = rows.filter(filter::one_of(PART_ID, only_parts.iter().map(PartId::as_str)));
        }
        all.vstack_mut(&streamed(select(rows, &columns))?)?;
    }
    Ok(all)
}

fn select(rows: LazyFrame, columns: &[String]) -> LazyFrame {
    rows.select(columns.iter().map(|name| col(name.as_str())).collect::<Vec<_>>())
}

/// A file of transfers that is being written.
struct Writing<'a> {
    plan: &'a PoolPlan,
    file: DailyFile,
    path: std::path::PathBuf,
    shared: SharedPart,
}

impl<'a> Writing<'a> {
    fn start(store: &Store, plan: &SharePlan, pool: &'a PoolPlan, columns: &[String]) -> Result<Self, StoreError> {
        let spec = StageSpec {
            part: pool.part.clone(),
            source: source_of_pool(&pool.pool),
            delivery: plan.delivery.clone(),
            fingerprint: pool.fingerprint.clone(),
            columns: columns.iter().cloned().collect(),
            tag_keys: plan.tags.clone(),
        };
        let path = store.home.staging(&Store::file_of_transfers(&pool.pool, &pool.part).path);
        // There are no charges in it, and it adds up to nothing.
        let file = DailyFile::create(&path, &spec, &Staged::of_several(std::iter::empty()), columns)?;
        let magnitude = Metric::ALL.iter().map(|metric| (*metric, Money::ZERO)).collect();
        Ok(Self { plan: pool, file, path, shared: SharedPart { magnitude, ..SharedPart::default() } })
    }

    /// Splits the pool's rows of a day, and gives the rows that other pools of the plan get.
    fn split(
        &mut self,
        plan: &SharePlan,
        day: NaiveDate,
        mut rows: DataFrame,
        columns: &[String],
    ) -> Result<Vec<DataFrame>, StoreError> {
        let PoolPlan { pool, part, days, .. } = self.plan;
        if rows.height() == 0 {
            return Ok(Vec::new());
        }
        let Some((method, shares)) = days.get(&day) else {
            self.leave(day, &rows)?;
            return Ok(Vec::new());
        };
        self.count(day, &rows)?;
        transfer::prepare(&mut rows, &plan.tags)?;
        let team = team_of_pool(pool);
        let pools: Vec<String> = plan.pools.iter().map(|pool| team_of_pool(&pool.pool).to_string()).collect();
        let pools: Vec<&str> = pools
            .iter()
            .map(String::as_str)
            .filter(|name| shares.targets().iter().any(|to| to.as_str() == *name))
            .collect();
        let daily = row_columns(&plan.tags);
        let at_once = (ROW_GROUP / (shares.targets().len() + 1)).max(1);
        let mut sent_on = Vec::new();
        for first in (0..rows.height()).step_by(at_once) {
            let some = rows.slice(first as i64, at_once);
            let mut transfers = transfer::transfers(&some, &team, shares)?;
            transfer::describe(&mut transfers, day, pool, method, shares)?;
            self.shared.transfers += transfers.height() as u64;
            if !pools.is_empty() {
                let to_pools = transfers.clone().lazy().filter(filter::one_of(TEAM, pools.iter().copied()));
                sent_on.push(streamed(select(to_pools, &daily))?);
            }
            let transfers = transfers.lazy().with_column(lit(part.as_str()).alias(PART_ID));
            self.file.write(streamed(select(rollup::in_order(transfers, &plan.tags), columns))?)?;
        }
        Ok(sent_on)
    }

    /// A day that is not split.
    fn leave(&mut self, day: NaiveDate, rows: &DataFrame) -> Result<(), StoreError> {
        let amounts = decimal::amounts(rows.column(Metric::Effective.column())?.as_materialized_series())?;
        for (currency, amount) in currencies(rows)?.into_iter().zip(amounts) {
            let left = self.shared.left.entry((day, currency)).or_default();
            *left = left.checked_add(amount.unwrap_or_default()).ok_or(StoreError::Corrupt { what: "sum" })?;
        }
        Ok(())
    }

    /// What is known of the transfers of these rows.
    fn count(&mut self, day: NaiveDate, rows: &DataFrame) -> Result<(), StoreError> {
        let days = day.checked_add_days(Days::new(1)).and_then(|next| DateRange::new(day, next));
        self.shared.days = self.shared.days.map_or(days, |before| days.map(|days| before.and(days)));
        self.shared.billing_periods.extend(dates(rows.column(BILLING_PERIOD)?)?.into_iter().flatten());
        self.shared.currencies.extend(currencies(rows)?);
        for (metric, magnitude) in &mut self.shared.magnitude {
            for amount in
                decimal::amounts(rows.column(metric.column())?.as_materialized_series())?.into_iter().flatten()
            {
                // Once for what is taken away, once for all that is given.
                let more = magnitude.checked_add(amount.abs()).and_then(|sum| sum.checked_add(amount.abs()));
                *magnitude = more.ok_or(StoreError::Corrupt { what: "sum" })?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<SharedPart, StoreError> {
        let Self { file, path, mut shared, .. } = self;
        let sums = file.finish()?;
        if let Some((metric, _)) = sums.costs.iter().find(|(_, sum)| **sum != bigdecimal::BigDecimal::default()) {
            return Err(StoreError::NotConserved { column: metric.column() });
        }
        shared.null_rows = sums.null_rows;
        come_to_nothing(&path, shared.transfers)?;
        Ok(shared)
    }
}

fn currencies(rows: &DataFrame) -> Result<Vec<Currency>, StoreError> {
    let codes = texts(rows.column("BillingCurrency")?)?.into_iter();
    let read =
        |code: Option<String>| code.and_then(|code| code.parse().ok()).ok_or(StoreError::Corrupt { what: "currency" });
    codes.map(read).collect()
}

/// So many rows are in the file, and on no day, in no currency does anything but nothing come of any cost.
fn come_to_nothing(path: &std::path::Path, transfers: u64) -> Result<(), StoreError> {
    let mut sums: Vec<_> = transfer::split_columns().map(|name| col(name).sum()).collect();
    sums.push(len().alias("rows"));
    let found = streamed(scan(path)?.group_by([col(CHARGE_DATE), col("BillingCurrency")]).agg(sums))?;
    for name in transfer::split_columns() {
        let sums = decimal::amounts(found.column(name)?.as_materialized_series())?;
        if sums.into_iter().flatten().any(|sum| !sum.is_zero()) {
            return Err(StoreError::NotConserved { column: name });
        }
    }
    let rows = found.column("rows")?.cast(&polars::prelude::DataType::UInt64)?;
    let rows: u64 = rows.u64()?.iter().flatten().sum();
    if rows == transfers { Ok(()) } else { Err(StoreError::NotConserved { column: schema::ROWS }) }
}
