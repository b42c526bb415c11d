//! What the transfers of a month are made from, and what tells whether those there are were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Months, NaiveDate};
use outlay_catalog::Snapshot;
use outlay_ledger::schema::LAYOUT;
use outlay_model::ownership::{Dated, Ownership, Point, Split, pool_of_team, team_of_pool};
use outlay_model::part::{Layer, Part};
use outlay_model::query::Metric;
use outlay_model::rates::RateTable;
use outlay_model::{Currency, DateRange, DeliveryKey, Money, PoolId, SeriesId, TagKey};
use outlay_store::{DailyRows, PoolPlan};
use sha2::{Digest as _, Sha256};

use super::VERSION;
use crate::app::App;

/// A calendar month of charges.
pub(super) struct Month<'a> {
    /// Its days.
    pub days: DateRange,
    /// The live parts with charges on some of them.
    pub parts: Vec<&'a Part>,
    /// The transfers there are, by pool.
    pub live: BTreeMap<PoolId, &'a Part>,
}

/// Every month that has charges or transfers, in order.
pub(super) fn months(snapshot: &Snapshot) -> Vec<Month<'_>> {
    let mut months: BTreeMap<NaiveDate, (Vec<&Part>, BTreeMap<PoolId, &Part>)> = BTreeMap::new();
    for part in &snapshot.parts {
        for month in part.days.into_iter().flat_map(months_of) {
            months.entry(month).or_default().0.push(part);
        }
    }
    for part in &snapshot.shared {
        let month = format!("{}-01", part.delivery).parse();
        if let (Some(pool), Ok(month)) = (&part.pool, month) {
            months.entry(month).or_default().1.insert(pool.clone(), part);
        }
    }
    let month = |(first, (parts, live)): (NaiveDate, _)| {
        let days = DateRange::new(first, first.checked_add_months(Months::new(1))?)?;
        Some(Month { days, parts, live })
    };
    months.into_iter().filter_map(month).collect()
}

/// The first days of the months that a range touches.
fn months_of(days: DateRange) -> impl Iterator<Item = NaiveDate> {
    let first = outlay_model::Granularity::Month.start_of(days.from());
    std::iter::successors(Some(first), |month| month.checked_add_months(Months::new(1)))
        .take_while(move |month| *month < days.to())
}

impl Month<'_> {
    /// The delivery that its transfers are.
    pub(super) fn delivery(&self) -> DeliveryKey {
        DeliveryKey::new(self.days.from().format("%Y-%m").to_string())
    }

    /// Whether it has rows by day: not when there are no charges, or all are kept no longer.
    pub(super) fn has_rows(&self) -> bool {
        self.parts.iter().any(|part| part.files(Layer::Daily).next().is_some())
    }

    /// Whether some of its rows by day are kept no longer, and others are.
    pub(super) fn is_partly_expired(&self) -> bool {
        self.has_rows() && self.parts.iter().any(|part| part.files(Layer::Daily).next().is_none())
    }

    /// The tag keys that its rows by day have.
    pub(super) fn tags(&self) -> BTreeSet<TagKey> {
        self.parts.iter().flat_map(|part| part.daily_tags.iter().cloned()).collect()
    }

    /// The currencies of its parts.
    fn currencies(&self) -> BTreeSet<Currency> {
        self.parts.iter().flat_map(|part| part.currencies.iter().copied()).collect()
    }

    /// The files of its rows by day, those of the parts and of the transfers that stay as they are while these pools are split.
    pub(super) fn rows<'p>(&self, split: impl Iterator<Item = &'p PoolId>) -> anyhow::Result<Vec<DailyRows>> {
        let split: BTreeSet<&PoolId> = split.collect();
        let staying = self.live.iter().filter(|(pool, _)| !split.contains(pool)).map(|(_, part)| *part);
        let all: Vec<&Part> = self.parts.iter().copied().chain(staying).collect();
        // The engine wraps where a sum overflows (P2). A pool may get what others have been sent, which is no more each time.
        for metric in Metric::ALL {
            let add =
                |sum: Money, part: &&Part| sum.checked_add(part.magnitude.get(metric).copied().unwrap_or_default());
            let sum = all.iter().try_fold(Money::ZERO, add);
            let often = i128::try_from(2 * split.len() + 2).unwrap_or(i128::MAX);
            let fits = sum.and_then(|sum| sum.units().checked_mul(often)).and_then(Money::from_units).is_some();
            anyhow::ensure!(fits, "the {metric} costs of {} are too large to be split exactly", self.delivery());
        }
        let mut files: BTreeMap<&str, DailyRows> = BTreeMap::new();
        for part in all {
            let Some(days) = part.days else { continue };
            for file in part.files(Layer::Daily) {
                let new = DailyRows { file: file.to_owned(), days, only_parts: BTreeSet::new() };
                let rows = files.entry(file).or_insert(new);
                rows.days = rows.days.and(days);
                rows.only_parts.extend(part.bundle.as_ref().map(|_| part.id.clone()));
            }
        }
        Ok(files.into_values().collect())
    }
}

/// What is said of pools, and what they are split by.
pub(super) struct Facts {
    pub ownership: Arc<Ownership>,
    pub rates: RateTable,
    /// The currency that spend is compared in.
    pub currency: Currency,
    pub points: BTreeMap<SeriesId, BTreeMap<NaiveDate, Vec<Point>>>,
}

impl Facts {
    pub(super) async fn read(app: &App, snapshot: &Snapshot, months: &[Month<'_>]) -> anyhow::Result<Self> {
        let ownership = Arc::clone(&snapshot.ownership);
        let splits = ownership.pools.values().flat_map(|pool| pool.split.values());
        let series: BTreeSet<&SeriesId> = splits
            .filter_map(|split| match split {
                Split::Metric(metric) => Some(&metric.series),
                _ => None,
            })
            .collect();
        let mut points = BTreeMap::new();
        let all = months.iter().map(|month| month.days).reduce(DateRange::and);
        for series in series {
            let mut by_day: BTreeMap<NaiveDate, Vec<Point>> = BTreeMap::new();
            if let Some(days) = all {
                for point in app.catalog.points(series, days).await? {
                    by_day.entry(point.day).or_default().push(point);
                }
            }
            by_day.values_mut().for_each(|points| points.sort());
            points.insert(series.clone(), by_day);
        }
        let rates = app.insights.rates().await?;
        Ok(Self { ownership, rates, currency: app.insights.reporting_currency(), points })
    }

    /// How a pool is split in a month.
    pub(super) fn split(&self, pool: &PoolId, month: &Month<'_>) -> Dated<Split> {
        self.ownership.pools.get(pool).map(|pool| pool.split.within(month.days)).unwrap_or_default()
    }

    /// Whether the transfers there are were made from what there is.
    pub(super) fn is_made(&self, month: &Month<'_>, pool: &PoolId, failed: &BTreeSet<PoolId>) -> bool {
        month.live.get(pool).is_some_and(|live| live.fingerprint == self.fingerprint(month, pool, failed))
    }

    /// Tells transfers of a pool apart that may be others: by all they are made from, and by what the pools are that it has a
    /// share of. Of those that cannot be split, what there is of them.
    pub(super) fn fingerprint(&self, month: &Month<'_>, pool: &PoolId, failed: &BTreeSet<PoolId>) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{VERSION}\0{LAYOUT}\0{}\0{pool}\n", month.delivery()));
        let ids: BTreeSet<_> = month.parts.iter().map(|part| &part.id).collect();
        ids.iter().for_each(|id| hash.update(format!("{id}\n")));
        month.tags().iter().for_each(|key| hash.update(format!("{key}\0\n")));
        for of in self.upstream(month, pool) {
            match month.live.get(&of).filter(|_| of != *pool && failed.contains(&of)) {
                Some(live) => hash.update(format!("{of}\0as it is\0{}\n", live.fingerprint)),
                None if of != *pool && failed.contains(&of) => hash.update(format!("{of}\0not split\n")),
                None => self.hash(&mut hash, month, &of),
            }
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a pool is split by in a month.
    fn hash(&self, hash: &mut Sha256, month: &Month<'_>, pool: &PoolId) {
        let split = self.split(pool, month);
        let text = serde_json::to_string(&split).expect("days and names are JSON");
        hash.update(format!("{pool}\0{text}\n"));
        let currencies = month.currencies();
        for split in split.values() {
            match split {
                Split::Even(_) | Split::Fixed(_) => {}
                // Spend in one currency is compared as it is.
                Split::Spend(_) if currencies.len() < 2 => {}
                Split::Spend(_) => {
                    hash.update(format!("{}\n", self.currency));
                    for (currency, day) in
                        currencies.iter().flat_map(|code| month.days.iter().map(move |day| (code, day)))
                    {
                        let rate = self.rates.rate(*currency, self.currency, day).map(|rate| rate.ratio());
                        hash.update(format!("{currency}\0{day}\0{rate:?}\n"));
                    }
                }
                Split::Metric(metric) => {
                    let unit = self.ownership.series.get(&metric.series).map(|series| series.unit.as_str());
                    hash.update(format!("{unit:?}\n"));
                    let by_day = self.points.get(&metric.series);
                    for point in by_day
                        .into_iter()
                        .flat_map(|days| days.range(month.days.from()..month.days.to()))
                        .flat_map(|(_, points)| points)
                    {
                        let component = point.component.as_ref().filter(|_| point.team.is_none());
                        let component = component.and_then(|component| self.ownership.components.get(component));
                        let team = component.and_then(|component| component.team.on(point.day));
                        hash.update(format!("{}\0{:?}\0{team:?}\0{}\n", point.day, point.team, point.value));
                    }
                }
            }
        }
    }

    /// The pool, and those that send something to it in a month, however far around.
    fn upstream(&self, month: &Month<'_>, pool: &PoolId) -> BTreeSet<PoolId> {
        let mut found = BTreeSet::from([pool.clone()]);
        let mut open = vec![pool.clone()];
        while let Some(to) = open.pop() {
            let to = team_of_pool(&to);
            for from in self.ownership.pools.keys() {
                let sends = self.split(from, month).values().any(|split| split.targets().contains(&&to));
                if sends && found.insert(from.clone()) {
                    open.push(from.clone());
                }
            }
        }
        found
    }

    /// On each day, the places of the pools in an order in which none comes before one that sends something to it.
    pub(super) fn order(&self, month: &Month<'_>, plans: &[PoolPlan]) -> BTreeMap<NaiveDate, Vec<usize>> {
        month.days.iter().map(|day| (day, self.order_on(day, plans))).collect()
    }

    fn order_on(&self, day: NaiveDate, plans: &[PoolPlan]) -> Vec<usize> {
        let sends = |from: usize, to: usize| {
            let split = self.ownership.pools.get(&plans[from].pool).and_then(|pool| pool.split.on(day));
            let targets = split.map(Split::targets).unwrap_or_default();
            targets.into_iter().filter_map(|target| pool_of_team(target.as_str())).any(|pool| pool == plans[to].pool)
        };
        let mut waiting: Vec<usize> = (0..plans.len()).collect();
        let mut order = Vec::with_capacity(plans.len());
        while !waiting.is_empty() {
            let next = waiting.iter().position(|to| !waiting.iter().any(|from| from != to && sends(*from, *to)));
            // There are no circles (`Ownership::problems`), so there always is a next one.
            order.push(waiting.remove(next.unwrap_or(0)));
        }
        order
    }
}
