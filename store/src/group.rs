//! The one query of the store: add up charges by group, exactly.
//!
//! The caller has already decided which parts are read from which layer.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use outlay_ledger::schema::{CHARGE_DATE, ROWS, nulls_billed_column, nulls_column};
use outlay_ledger::{decimal, rollup};
use outlay_model::filter::Filter;
use outlay_model::part::Layer;
use outlay_model::query::{Basis, Metric};
use outlay_model::{Currency, DateRange, Dimension, Granularity, Money};
use polars::prelude::{
    ChunkApply, Column, DataFrame, DataType, Expr, IntoColumn, LazyFrame, PlHashMap, PolarsResult, col, len, lit, when,
};

use crate::cache::Held;
use crate::scan::{Rows, Scan, time_column};
use crate::stage::{dates, streamed};
use crate::{Store, StoreError};

/// What to add up.
#[derive(Debug, Clone)]
pub struct GroupQuery {
    /// What to read.
    pub scans: Vec<Scan>,
    /// The days.
    pub range: DateRange,
    /// Which time counts.
    pub basis: Basis,
    /// How finely time is cut.
    pub granularity: Granularity,
    /// Which charges count.
    pub filter: Filter,
    /// What to group by.
    pub group_by: Vec<Dimension>,
    /// Which cost; only charges are counted when it is `None`.
    pub metric: Option<Metric>,
    /// Whether some charge may leave the metric out.
    pub may_be_null: bool,
    /// The currency, when there is only one.
    pub only_currency: Option<Currency>,
    /// Stretches of charge days with equal exchange rates; sums of different stretches are kept apart.
    pub segments: Segments,
    /// The most groups to give.
    pub max_groups: usize,
}

/// Stretches of days. The first starts on or before every charge of the answer, whatever basis its range is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// Where the first one starts.
    pub first: NaiveDate,
    /// Where the others do.
    pub others: BTreeSet<NaiveDate>,
}

impl Segments {
    /// One stretch, for sums that need not be kept apart.
    #[must_use]
    pub const fn one(first: NaiveDate) -> Self {
        Self { first, others: BTreeSet::new() }
    }
}

/// A group's values of the dimensions, in their order; `None` where its charges have none. Equal texts are shared.
pub type Keys = Vec<Option<Arc<str>>>;

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The start of its time bucket.
    pub time: Option<NaiveDateTime>,
    /// The first day of its stretch of equal exchange rates.
    pub segment: NaiveDate,
    /// Its currency.
    pub currency: Currency,
    /// Its values of the dimensions.
    pub keys: Keys,
    /// The sum; `None` when every charge leaves the metric out.
    pub sum: Option<Money>,
    /// Charges in it (known when they were asked for, or some may leave the metric out).
    pub rows: u64,
    /// Charges that leave the metric out.
    pub nulls: u64,
    /// Their billed cost.
    pub nulls_billed: Money,
}

impl GroupQuery {
    /// Whether charges have to be counted: because that is the question, because some may leave the metric out, or
    /// because a sum without keys is one row even of no charge at all.
    fn needs_count(&self) -> bool {
        let keyless = self.group_by.is_empty() && self.granularity == Granularity::Total;
        self.metric.is_none() || self.may_be_null || keyless
    }
}

const TIME: &str = "x__time";
const SEGMENT: &str = "x__segment";
const COUNT: &str = "x__rows";
const NULLS: &str = "x__nulls";
const NULLS_BILLED: &str = "x__nulls_billed";
const SUM: &str = "x__sum";

impl Store {
    /// Adds up charges by group. Runs on a blocking thread; only so many run at once.
    ///
    /// # Errors
    /// [`StoreError`]; in particular [`StoreError::TooManyGroups`].
    pub async fn group(self: &Arc<Self>, query: GroupQuery) -> Result<Vec<Group>, StoreError> {
        let files = query.scans.iter().flat_map(|scan| scan.files.iter().cloned()).collect();
        let held = self.home.hold(files).await?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            store.group_now(&query, &held)
        });
        work.await.map_err(|_| StoreError::Stopped)?
    }

    fn group_now(&self, query: &GroupQuery, held: &Held) -> Result<Vec<Group>, StoreError> {
        let mut groups: PlHashMap<GroupKey, Group> = PlHashMap::default();
        let scans: Vec<_> = query.scans.iter().filter(|scan| !scan.files.is_empty()).collect();
        for scan in &scans {
            let frame = streamed(self.plan(query, scan, held)?)?;
            if frame.height() > query.max_groups {
                return Err(StoreError::TooManyGroups { groups: frame.height(), most: query.max_groups });
            }
            let more = read_groups(query, &frame)?;
            if scans.len() == 1 {
                return Ok(more);
            }
            for group in more {
                match groups.get_mut(&key_of(&group)) {
                    Some(sum) => merge(sum, &group)?,
                    None => {
                        groups.insert(key_of(&group), group);
                    }
                }
            }
        }
        Ok(groups.into_values().collect())
    }

    fn plan(&self, query: &GroupQuery, scan: &Scan, held: &Held) -> Result<LazyFrame, StoreError> {
        let mut needed: BTreeSet<String> = query.group_by.iter().map(Dimension::column).collect();
        needed.extend(value_columns(query, scan.layer).into_iter().map(ToOwned::to_owned));
        needed.extend([CHARGE_DATE, time_column(query.basis)].map(ToOwned::to_owned));
        if query.only_currency.is_none() {
            needed.insert("BillingCurrency".to_owned());
        }
        if query.granularity == Granularity::Hour {
            needed.insert("ChargePeriodStart".to_owned());
        }
        let rows = Rows { range: query.range, basis: query.basis, filter: &query.filter, by_day: &[], only: None };
        let mut plan = self.read(scan, held, needed, &rows)?;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        keys.extend(time_key(query));
        keys.extend(segment_key(&query.segments.others));
        if query.only_currency.is_none() {
            keys.push(col("BillingCurrency").alias("x__currency"));
        }
        for (place, dimension) in query.group_by.iter().enumerate() {
            keys.push(col(dimension.column()).alias(key_name(place)));
        }
        let from_charges = scan.layer == Layer::Charges;
        if let (Some(metric), true, true) = (query.metric, from_charges, query.may_be_null) {
            plan = plan.with_column(rollup::billed_where_null(metric));
        }
        values.extend(aggregates(query, from_charges));
        Ok(if keys.is_empty() { plan.select(values) } else { plan.group_by(keys).agg(values) })
    }
}

fn key_name(place: usize) -> String {
    format!("x__key{place}")
}

fn value_columns(query: &GroupQuery, layer: Layer) -> Vec<&'static str> {
    let Some(metric) = query.metric else {
        return if layer == Layer::Daily { vec![ROWS] } else { Vec::new() };
    };
    match (layer, query.may_be_null) {
        (Layer::Daily, false) if query.needs_count() => vec![metric.column(), ROWS],
        (_, false) => vec![metric.column()],
        (Layer::Charges | Layer::Raw, true) => vec![metric.column(), Metric::Billed.column()],
        (Layer::Daily, true) => vec![metric.column(), ROWS, nulls_column(metric), nulls_billed_column(metric)],
    }
}

fn aggregates(query: &GroupQuery, from_charges: bool) -> Vec<Expr> {
    let count = || if from_charges { len().cast(DataType::Int64) } else { col(ROWS).sum() };
    let Some(metric) = query.metric else { return vec![count().alias(COUNT)] };
    let sum = col(metric.column()).sum().alias(SUM);
    if !query.may_be_null {
        return if query.needs_count() { vec![sum, count().alias(COUNT)] } else { vec![sum] };
    }
    let nulls = if from_charges {
        col(metric.column()).null_count().cast(DataType::Int64)
    } else {
        col(nulls_column(metric)).sum()
    };
    vec![sum, count().alias(COUNT), nulls.alias(NULLS), col(nulls_billed_column(metric)).sum().alias(NULLS_BILLED)]
}

fn time_key(query: &GroupQuery) -> Option<Expr> {
    let day = col(time_column(query.basis));
    let key = match query.granularity {
        Granularity::Total => return None,
        Granularity::Hour => col("ChargePeriodStart").dt().truncate(lit("1h")),
        Granularity::Day => day,
        granularity => bucket_start(day, granularity, query.range),
    };
    Some(key.alias(TIME))
}

/// The first day of each day's bucket, looked up: the days of a range are few, and working the calendar out for every
/// row costs more than all the adding up.
fn bucket_start(day: Expr, granularity: Granularity, range: DateRange) -> Expr {
    let first = range.from().to_epoch_days();
    let starts: Arc<[i32]> = range.iter().map(|day| granularity.start_of(day).to_epoch_days()).collect();
    let look_up = move |days: Column| -> PolarsResult<Column> {
        let days = days.cast(&DataType::Int32)?;
        // A day outside the range, which the rows read have none of, stays itself: no bucket starts then.
        let place = |day: i32| usize::try_from(day.checked_sub(first)?).ok();
        let start = |day| place(day).and_then(|place| starts.get(place).copied()).unwrap_or(day);
        let found = days.i32()?.apply_values(start);
        found.with_name(days.name().clone()).into_column().cast(&DataType::Date)
    };
    day.map(look_up, |_, field| Ok(field.clone()))
}

/// Stretches of equal exchange rates: numbered for a few, days themselves for many.
fn segment_key(segments: &BTreeSet<NaiveDate>) -> Option<Expr> {
    if segments.is_empty() {
        return None;
    }
    if segments.len() > 24 {
        return Some(col(CHARGE_DATE).alias(SEGMENT));
    }
    let null = lit(polars::prelude::NULL).cast(DataType::Date);
    let key = segments
        .iter()
        .fold(null, |before, start| when(col(CHARGE_DATE).gt_eq(lit(*start))).then(lit(*start)).otherwise(before));
    Some(key.alias(SEGMENT))
}

type GroupKey = (Option<NaiveDateTime>, NaiveDate, Currency, Keys);

fn key_of(group: &Group) -> GroupKey {
    (group.time, group.segment, group.currency, group.keys.clone())
}

fn merge(sum: &mut Group, more: &Group) -> Result<(), StoreError> {
    let overflow = StoreError::Corrupt { what: "sum" };
    sum.sum = match (sum.sum, more.sum) {
        (Some(a), Some(b)) => Some(a.checked_add(b).ok_or(overflow)?),
        (a, b) => a.or(b),
    };
    sum.rows += more.rows;
    sum.nulls += more.nulls;
    sum.nulls_billed = sum.nulls_billed.checked_add(more.nulls_billed).ok_or(StoreError::Corrupt { what: "sum" })?;
    Ok(())
}

fn read_groups(query: &GroupQuery, frame: &DataFrame) -> Result<Vec<Group>, StoreError> {
    let height = frame.height();
    let counts = |name: &str| -> Result<Vec<u64>, StoreError> {
        match frame.column(name) {
            Ok(column) => {
                Ok(column.i64()?.iter().map(|n| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)).collect())
            }
            Err(_) => Ok(vec![0; height]),
        }
    };
    let amounts = |name: &str| -> Result<Vec<Option<Money>>, StoreError> {
        match frame.column(name) {
            Ok(column) => Ok(decimal::amounts(column.as_materialized_series())?),
            Err(_) => Ok(vec![None; height]),
        }
    };
    let times = match (query.granularity, frame.column(TIME)) {
        (Granularity::Hour, Ok(column)) => instants(column)?,
        (_, Ok(column)) => {
            dates(column)?.into_iter().map(|day| day.map(|day| day.and_time(Default::default()))).collect()
        }
        _ => vec![None; height],
    };
    let segments = match frame.column(SEGMENT) {
        Ok(column) => dates(column)?,
        Err(_) => vec![None; height],
    };
    let currencies: Vec<Option<Currency>> = match frame.column("x__currency") {
        Ok(column) => column.str()?.iter().map(|code| code?.parse().ok()).collect(),
        Err(_) => vec![query.only_currency; height],
    };
    let keys = (0..query.group_by.len())
        .map(|place| shared_texts(&frame.column(&key_name(place))?.cast(&DataType::String)?))
        .collect::<Result<Vec<_>, _>>()?;
    let (sums, rows, nulls, nulls_billed) = (amounts(SUM)?, counts(COUNT)?, counts(NULLS)?, amounts(NULLS_BILLED)?);
    let mut groups = Vec::with_capacity(height);
    for row in 0..height {
        if query.needs_count() && rows[row] == 0 {
            continue;
        }
        groups.push(Group {
            time: times[row],
            segment: segments[row].unwrap_or(query.segments.first),
            currency: currencies[row].ok_or(StoreError::Corrupt { what: "currency" })?,
            keys: keys.iter().map(|column| column[row].clone()).collect(),
            sum: if query.may_be_null && nulls[row] == rows[row] { None } else { sums[row] },
            rows: rows[row],
            nulls: nulls[row],
            nulls_billed: nulls_billed[row].unwrap_or_default(),
        });
    }
    Ok(groups)
}

/// Texts that repeat a few values many times.
fn shared_texts(column: &Column) -> Result<Keys, StoreError> {
    let mut known: PlHashMap<&str, Arc<str>> = PlHashMap::default();
    let mut keys = Keys::with_capacity(column.len());
    for text in column.str()?.iter() {
        keys.push(text.map(|text| Arc::clone(known.entry(text).or_insert_with(|| text.into()))));
    }
    Ok(keys)
}

fn instants(column: &Column) -> Result<Vec<Option<NaiveDateTime>>, StoreError> {
    let micros = column.cast(&DataType::Int64)?;
    let read = |micros: i64| DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc());
    Ok(micros.i64()?.iter().map(|micros| micros.and_then(read)).collect())
}
