//! Who spent what: the query everything else is made of (docs/ARCHITECTURE.md, `/spend`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::part::Layer;
use outlay_model::query::{Basis, Compare, Cursor, MAX_ROWS, OrderBy, ParameterError, SpendQuery, TargetCurrency};
use outlay_model::report::{Compared, Scope, SpendReport, SpendRow, Warning};
use outlay_model::{Currency, DateRange, Dimension, Granularity, Money};
use outlay_store::{Group, GroupQuery, Keys, Segments, StoreError};

use crate::buckets::Buckets;
use crate::convert::{Cell, Cells, Place, Sums, add};
use crate::coverage::{complete_until, runs_of, spell};
use crate::plan::{Need, Plan, scoped};
use crate::{InsightError, Insights};

/// Groups one query may make before they are folded, ordered and cut into pages.
const MAX_GROUPS: usize = 1_000_000;
/// What the groups beyond `top` are called.
const OTHER: &str = "other";

/// A figure and its counterpart.
#[derive(Debug, Clone, Default)]
struct Pair {
    now: Option<Cell>,
    then: Option<Cell>,
}

/// The figures of an answer, one a place, in no order yet.
type Table = Vec<(Place, Pair)>;

impl Insights {
    /// Answers a spend query. The figures are the same on every day it may be asked; what is said of how sure they are
    /// is not.
    ///
    /// # Errors
    /// [`InsightError`]: a wrong question, one too big, data that is lacking, or a failure of ours.
    pub async fn spend(
        &self,
        query: &SpendQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<SpendReport, InsightError> {
        let snapshot = self.snapshot_for(query, scope).await?;
        let compared_with = match query.compare {
            None => None,
            Some(compare) => {
                let range = match compare {
                    Compare::PreviousPeriod => query.range.previous(),
                    Compare::PreviousYear => query.range.previous_year(),
                };
                Some(range.ok_or_else(|| ParameterError::new("compare", "there are no days that far back"))?)
            }
        };
        let mut warnings = Vec::new();
        let (now, layers) = self.table(&snapshot, query, query.range, scope, &mut warnings).await?;
        let mut table: Table =
            now.into_iter().map(|(place, cell)| (place, Pair { now: Some(cell), then: None })).collect();
        let mut then_stated = true;
        if let Some(range) = compared_with {
            let (then, stated) = self.table(&snapshot, query, range, scope, &mut warnings).await?;
            then_stated = !stated.is_empty();
            if !then_stated {
                let message = format!("nothing was stated for {range}: there is nothing to compare with");
                warnings.push(Warning { code: "nothing_to_compare", message });
            }
            pair_up(&mut table, then, query, range, &mut warnings)?;
        }
        let now = table.iter().filter_map(|(_, pair)| pair.now.as_ref());
        warnings.extend(warning_of_nulls(now, query, query.range));
        if let Some(range) = compared_with {
            let then = table.iter().filter_map(|(_, pair)| pair.then.as_ref());
            warnings.extend(warning_of_nulls(then, query, range));
        }
        if let Some(having) = &query.having {
            let totals = group_totals(&table)?;
            let left_out: HashSet<_> =
                totals.iter().filter(|(_, cost)| !having.holds(**cost)).map(|(group, _)| group.clone()).collect();
            table.retain(|(place, _)| !left_out.contains(&group_of(place)));
            if !left_out.is_empty() {
                let message = format!("having left out {} groups; they are in no figure here", left_out.len());
                warnings.push(Warning { code: "having", message });
            }
        }
        if let Some(top) = query.top {
            table = fold(table, top)?;
        }
        let totals = totals(&table)?;
        sort(&mut table, query);
        let next_cursor = page(&mut table, query, |offset| self.cursor(query, scope, snapshot.generation, offset))?;
        let rows = rows(table, query, then_stated)?;
        let sources = self.configured().await?;
        let (complete_until, gaps) = complete_until(&sources, &snapshot.parts, query.range, today);
        warnings.extend(gaps);
        let native = query.currency == TargetCurrency::Native;
        Ok(SpendReport {
            range: query.range,
            compared_with,
            granularity: query.granularity,
            basis: query.basis,
            metric: query.metric,
            group_by: query.group_by.clone(),
            currency: match query.currency {
                TargetCurrency::Native => None,
                TargetCurrency::To(currency) => Some(currency),
            },
            rows,
            total: if native { None } else { totals.get(&None).copied().flatten() },
            totals: native.then(|| totals.iter().filter_map(|(currency, cost)| Some(((*currency)?, *cost))).collect()),
            complete_until,
            generation: snapshot.generation,
            warnings,
            next_cursor,
            plan: layers,
        })
    }

    /// The parts the answer is made of: those of the cursor's generation, or the latest.
    async fn snapshot_for(&self, query: &SpendQuery, scope: &Scope) -> Result<Arc<Snapshot>, InsightError> {
        match query.cursor {
            None => Ok(self.catalog.snapshot().await?),
            Some(cursor) if cursor != self.cursor(query, scope, cursor.generation, cursor.offset) => {
                let message = "it belongs to another query (a period such as today is another one tomorrow), another \
                    configuration or another version of outlay, or was altered: repeat the query that gave it, or start \
                    again without it";
                Err(ParameterError::new("cursor", message).into())
            }
            Some(cursor) => Ok(self.catalog.snapshot_at(cursor.generation).await?),
        }
    }

    /// The cursor of a page of this query. The seal has everything in it that the order of the rows depends on.
    fn cursor(&self, query: &SpendQuery, scope: &Scope, generation: u64, offset: usize) -> Cursor {
        let query = SpendQuery { cursor: None, limit: None, ..query.clone() };
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), self.fingerprint, query, scope, generation, offset).hash(&mut hasher);
        Cursor { generation, offset, seal: hasher.finish() }
    }

    /// The cells of one range.
    async fn table(
        &self,
        snapshot: &Snapshot,
        query: &SpendQuery,
        range: DateRange,
        scope: &Scope,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Cells, BTreeMap<Layer, usize>), InsightError> {
        let canonical = |dimension: &_| self.tags.canonical_dimension(dimension);
        let filter = scoped(&query.filter, scope).renamed(&canonical);
        let group_by: Vec<Dimension> = query.group_by.iter().map(canonical).collect();
        let need = Need {
            range,
            basis: query.basis,
            granularity: query.granularity,
            filter: &filter,
            group_by: &group_by,
            metric: Some(query.metric),
        };
        let plan = Plan::new(snapshot, &need)?;
        if query.granularity == Granularity::Hour {
            match plan.hourly {
                (0, parts) if parts > 0 => return Err(InsightError::NoHours { range }),
                (_, 0) => {}
                (_, days) => warnings.push(Warning {
                    code: "daily_sources",
                    message: format!(
                        "{days} deliveries state days, not hours: their charges stand at the hour they start"
                    ),
                }),
            }
        }
        let (days, rates) = (charge_days(snapshot, query.basis, range), self.rates_of(snapshot));
        let others = match query.currency {
            TargetCurrency::Native => BTreeSet::new(),
            TargetCurrency::To(target) => rates.changes(&plan.currencies, target, days),
        };
        let segments = Segments { first: days.from(), others };
        let layers = plan.layers.clone();
        let (mut sums, buckets) = (Sums::new(query.currency, &rates), Buckets::new(query.granularity, range));
        let bucket = |group: &Group| group.time.and_then(|time| buckets.number(time));
        match self.groups(plan, &need, &segments).await {
            Ok(groups) => sums.take(groups, bucket)?,
            // A rate a day makes many groups of one cell. A month of them at a time, there may be as many as of any other.
            Err(StoreError::TooManyGroups { .. }) if segments.others.len() > 31 => {
                for month in months(range) {
                    let need = Need { range: month, ..need };
                    let groups = self.groups(Plan::new(snapshot, &need)?, &need, &segments).await.map_err(too_many)?;
                    sums.take(groups, bucket)?;
                    if sums.len() > MAX_GROUPS {
                        return Err(InsightError::TooManyRows { rows: sums.len(), most: MAX_ROWS });
                    }
                }
            }
            Err(error) => return Err(too_many(error)),
        }
        let (cells, without_rate) = sums.finish()?;
        match (without_rate.iter().min(), query.currency) {
            (Some(currency), TargetCurrency::To(target)) => {
                Err(self.missing_rate(snapshot, query, &filter, range, *currency, target).await?)
            }
            _ => Ok((cells, layers)),
        }
    }

    /// The sums of a plan, by group and stretch of equal rates.
    async fn groups(&self, plan: Plan, need: &Need<'_>, segments: &Segments) -> Result<Vec<Group>, StoreError> {
        let only_currency = plan.currencies.first().copied().filter(|_| plan.currencies.len() == 1);
        let query = GroupQuery {
            scans: plan.scans,
            range: need.range,
            basis: need.basis,
            granularity: need.granularity,
            filter: need.filter.clone(),
            group_by: need.group_by.to_vec(),
            metric: need.metric,
            may_be_null: plan.may_be_null,
            only_currency,
            segments: segments.clone(),
            max_groups: MAX_GROUPS,
        };
        self.store.group(query).await
    }

    /// Names the days and the amount that a missing rate leaves unconverted.
    async fn missing_rate(
        &self,
        snapshot: &Snapshot,
        query: &SpendQuery,
        filter: &Filter,
        range: DateRange,
        currency: Currency,
        target: Currency,
    ) -> Result<InsightError, InsightError> {
        let filter = filter.clone().and(Filter::equals(Fixed::Currency, currency.as_str()));
        let need = Need {
            range,
            basis: query.basis,
            granularity: Granularity::Total,
            filter: &filter,
            group_by: &[],
            metric: Some(query.metric),
        };
        let plan = Plan::new(snapshot, &need)?;
        let days = charge_days(snapshot, query.basis, range);
        let every_day = Segments { first: days.from(), others: days.iter().skip(1).collect() };
        let groups = self.groups(plan, &need, &every_day).await?;
        let rates = self.rates_of(snapshot);
        let mut days = BTreeSet::new();
        let mut amount = None;
        for group in groups {
            if rates.rate(currency, target, group.segment).is_none() && group.sum.is_some() {
                days.insert(group.segment);
                amount = add(amount, group.sum)?;
            }
        }
        let days: Vec<_> = days.into_iter().collect();
        Ok(InsightError::RateMissing {
            from: currency,
            to: target,
            days: spell(&runs_of(&days)),
            amount: amount.unwrap_or_default(),
        })
    }
}

fn too_many(error: StoreError) -> InsightError {
    match error {
        StoreError::TooManyGroups { groups, .. } => InsightError::TooManyRows { rows: groups, most: MAX_ROWS },
        error => error.into(),
    }
}

/// A range, month by month.
fn months(range: DateRange) -> impl Iterator<Item = DateRange> {
    let next = move |from: NaiveDate| {
        let month = Granularity::Month.next(Granularity::Month.start_of(from));
        month.map_or(range.to(), |next| next.min(range.to()))
    };
    let first = DateRange::new(range.from(), next(range.from()));
    std::iter::successors(first, move |last| DateRange::new(last.to(), next(last.to())))
        .take_while(move |month| month.from() < range.to())
}

/// The days that charges of an answer can start on: those of the range, or on the billing basis any the parts have.
fn charge_days(snapshot: &Snapshot, basis: Basis, range: DateRange) -> DateRange {
    if basis == Basis::Charge {
        return range;
    }
    let from = snapshot.parts.iter().filter_map(|part| part.days).map(DateRange::from).min();
    let to = snapshot.parts.iter().filter_map(|part| part.days).map(DateRange::to).max();
    from.zip(to).and_then(|(from, to)| DateRange::new(from.min(range.from()), to.max(range.to()))).unwrap_or(range)
}

/// Puts the figures of the range compared with beside those of the range, bucket by bucket.
fn pair_up(
    table: &mut Table,
    then: Cells,
    query: &SpendQuery,
    range: DateRange,
    warnings: &mut Vec<Warning>,
) -> Result<(), InsightError> {
    let buckets = Buckets::new(query.granularity, query.range);
    let mut known: HashMap<Place, usize> =
        table.iter().enumerate().map(|(number, (place, _))| (place.clone(), number)).collect();
    let mut uneven = None;
    for (place, cell) in then {
        if place.bucket.is_some_and(|bucket| bucket >= buckets.count()) {
            uneven = add(uneven, cell.cost)?;
            continue;
        }
        let number = *known.entry(place).or_insert_with_key(|place| {
            table.push((place.clone(), Pair::default()));
            table.len() - 1
        });
        table[number].1.then = Some(cell);
    }
    if let Some(cost) = uneven {
        let message = format!("{range} is longer than {}: {cost} of it has nothing to be compared with", query.range);
        warnings.push(Warning { code: "compare_uneven", message });
    }
    Ok(())
}

/// Says where a cost is stated for only some charges, with both figures (P6).
fn warning_of_nulls<'a>(
    cells: impl Iterator<Item = &'a Cell>,
    query: &SpendQuery,
    range: DateRange,
) -> Option<Warning> {
    let (mut nulls, mut partly, mut stated) = (0, 0, Some(Money::ZERO));
    let mut billed = BTreeMap::<Currency, Money>::new();
    for cell in cells {
        nulls += cell.nulls;
        partly += u64::from(cell.nulls > 0 && cell.cost.is_some());
        stated = stated.and_then(|sum| sum.checked_add(cell.cost.unwrap_or_default()));
        for (currency, amount) in &cell.nulls_billed {
            let sum = billed.entry(*currency).or_default();
            *sum = sum.checked_add(*amount)?;
        }
    }
    if nulls == 0 {
        return None;
    }
    let billed: Vec<_> = billed.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
    let stated = match query.currency {
        TargetCurrency::To(currency) => format!("; the charges that state it come to {} {currency}", stated?),
        TargetCurrency::Native => String::new(),
    };
    let column = query.metric.column();
    let message = format!(
        "in {range}, {nulls} charges do not state {column} ({partly} figures are partly known); their BilledCost is {}{stated}",
        billed.join(" + ")
    );
    Some(Warning { code: "partly_null", message })
}

type GroupOf = (Keys, Option<Currency>);

fn group_of(place: &Place) -> GroupOf {
    (place.keys.clone(), place.currency)
}

fn group_totals(table: &Table) -> Result<HashMap<GroupOf, Option<Money>>, InsightError> {
    let mut totals = HashMap::new();
    for (place, pair) in table {
        let total: &mut Option<Money> = totals.entry(group_of(place)).or_default();
        *total = add(*total, cost(pair.now.as_ref()))?;
    }
    Ok(totals)
}

/// Keeps the largest groups over the whole range, so that a series is there on all days or on none; the rest is one
/// group. Currencies that are kept apart each keep their own largest.
fn fold(table: Table, top: usize) -> Result<Table, InsightError> {
    let mut by_currency: BTreeMap<Option<Currency>, Vec<(Option<Money>, Keys)>> = BTreeMap::new();
    for ((keys, currency), total) in group_totals(&table)? {
        by_currency.entry(currency).or_default().push((total, keys));
    }
    let mut kept: HashSet<GroupOf> = HashSet::new();
    for (currency, mut groups) in by_currency {
        groups.sort_by(|(a, a_keys), (b, b_keys)| b.cmp(a).then_with(|| a_keys.cmp(b_keys)));
        kept.extend(groups.into_iter().take(top).map(|(_, keys)| (keys, currency)));
    }
    // A kept group may itself be called so; the rest then takes another name.
    let mut rest = OTHER.to_owned();
    let named =
        |(keys, _): &GroupOf, name: &str| !keys.is_empty() && keys.iter().all(|key| key.as_deref() == Some(name));
    while kept.iter().any(|group| named(group, &rest)) {
        rest.insert_str(0, "all ");
    }
    let rest: Arc<str> = rest.into();
    let mut folded: HashMap<Place, Pair> = HashMap::new();
    for (mut place, pair) in table {
        if !kept.contains(&group_of(&place)) {
            place.keys.iter_mut().for_each(|key| *key = Some(Arc::clone(&rest)));
        }
        let sum = folded.entry(place).or_default();
        for (side, more) in [(&mut sum.now, pair.now), (&mut sum.then, pair.then)] {
            if let Some(more) = more {
                side.get_or_insert_default().add(&more)?;
            }
        }
    }
    Ok(folded.into_iter().collect())
}

fn totals(table: &Table) -> Result<BTreeMap<Option<Currency>, Option<Money>>, InsightError> {
    let mut totals = BTreeMap::new();
    for (place, pair) in table {
        let total: &mut Option<Money> = totals.entry(place.currency).or_default();
        *total = add(*total, cost(pair.now.as_ref()))?;
    }
    Ok(totals)
}

/// What a side of a figure says: a place with no charge cost nothing, one whose charges leave the metric out is unknown.
fn cost(cell: Option<&Cell>) -> Option<Money> {
    cell.map_or(Some(Money::ZERO), |cell| cell.cost)
}

fn rows(table: Table, query: &SpendQuery, then_stated: bool) -> Result<Vec<SpendRow>, InsightError> {
    let buckets = Buckets::new(query.granularity, query.range);
    let row = |(place, pair): (Place, Pair)| {
        let now = cost(pair.now.as_ref());
        let compared = match query.compare {
            None => None,
            Some(_) => {
                let previous = if then_stated { cost(pair.then.as_ref()) } else { None };
                let change = match (now, previous) {
                    (Some(now), Some(then)) => Some(now.checked_sub(then).ok_or(InsightError::Overflow)?),
                    _ => None,
                };
                Some(Compared { previous, change })
            }
        };
        Ok(SpendRow {
            time: place.bucket.and_then(|bucket| buckets.start(bucket)),
            keys: place.keys.iter().map(|key| key.as_deref().map(ToOwned::to_owned)).collect(),
            currency: place.currency,
            cost: now,
            compared,
        })
    };
    table.into_iter().map(row).collect()
}

/// Puts the page asked for in order: by what was asked for; then by time, largest cost first, and by key, so that equal questions get equal answers.
fn sort(table: &mut Table, query: &SpendQuery) {
    let asked = |(a, a_pair): &(Place, Pair), (b, b_pair): &(Place, Pair)| {
        query.order_by.iter().fold(Ordering::Equal, |order, key| {
            let compared = || match key.by {
                OrderBy::Time => a.bucket.cmp(&b.bucket),
                OrderBy::Cost => cost(a_pair.now.as_ref()).cmp(&cost(b_pair.now.as_ref())),
                OrderBy::Key(place) => a.keys[place].cmp(&b.keys[place]),
            };
            order.then_with(|| if key.descending { compared().reverse() } else { compared() })
        })
    };
    let order = |one: &(Place, Pair), other: &(Place, Pair)| {
        let ((a, a_pair), (b, b_pair)) = (one, other);
        asked(one, other)
            .then_with(|| a.bucket.cmp(&b.bucket))
            .then_with(|| cost(b_pair.now.as_ref()).cmp(&cost(a_pair.now.as_ref())))
            .then_with(|| a.keys.cmp(&b.keys))
            .then_with(|| a.currency.cmp(&b.currency))
    };
    // What lies behind the page need not be in order.
    let end = query.limit.map(|limit| query.cursor.map_or(0, |cursor| cursor.offset).saturating_add(limit));
    match end.filter(|end| *end < table.len()) {
        Some(end) => {
            table.select_nth_unstable_by(end, order);
            table[..end].sort_unstable_by(order);
        }
        None => table.sort_unstable_by(order),
    }
}

/// Cuts the page out of the rows. Without `limit` an answer that does not fit is refused, never cut (P6).
fn page(
    rows: &mut Table,
    query: &SpendQuery,
    cursor: impl Fn(usize) -> Cursor,
) -> Result<Option<String>, InsightError> {
    let Some(limit) = query.limit else {
        return match rows.len() {
            rows if rows > MAX_ROWS => Err(InsightError::TooManyRows { rows, most: MAX_ROWS }),
            _ if query.cursor.is_some() => {
                Err(ParameterError::new("limit", "give the limit of the page before").into())
            }
            _ => Ok(None),
        };
    };
    let start = query.cursor.map_or(0, |cursor| cursor.offset).min(rows.len());
    let end = start.saturating_add(limit).min(rows.len());
    let more = end < rows.len();
    rows.truncate(end);
    rows.drain(..start);
    Ok(more.then(|| cursor(end).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_a_range_are_all_of_it() {
        let range = |from: &str, to: &str| DateRange::new(from.parse().expect("a day"), to.parse().expect("a day"));
        let check = |from, to, expected: &[&str]| {
            let months: Vec<String> = months(range(from, to).expect("days")).map(|month| month.to_string()).collect();
            assert_eq!(months, expected);
        };
        check("2025-11-15", "2026-01-01", &["2025-11-15..2025-12-01", "2025-12-01..2026-01-01"]);
        check("2025-12-31", "2026-01-02", &["2025-12-31..2026-01-01", "2026-01-01..2026-01-02"]);
        check("2025-02-03", "2025-02-04", &["2025-02-03..2025-02-04"]);
    }
}
