//! The cells of one range: what is stored, added up stretch by stretch, converted and rounded once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::filter::Filter;
use outlay_model::part::Layer;
use outlay_model::query::{Basis, MAX_ROWS, SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, Warning};
use outlay_model::{Currency, DateRange, Dimension, Granularity};
use outlay_store::{Group, GroupQuery, Segments, StoreError};

use crate::buckets::Buckets;
use crate::convert::{Cells, Sums, add};
use crate::coverage::{runs_of, spell};
use crate::lineage::{Asked, Counts};
use crate::plan::{Need, Plan, scoped};
use crate::{InsightError, Insights};

/// Groups one query may make before they are folded, ordered and cut into pages.
const MAX_GROUPS: usize = 1_000_000;

impl Insights {
    /// The cells of one range.
    pub(crate) async fn table(
        &self,
        snapshot: &Snapshot,
        query: &SpendQuery,
        range: DateRange,
        scope: &Scope,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Cells, BTreeMap<Layer, usize>), InsightError> {
        self.table_of(snapshot, query, range, scope, Counts::Once, warnings).await
    }

    /// The same, where a team's charges may count for those above it as well.
    pub(crate) async fn table_of(
        &self,
        snapshot: &Snapshot,
        query: &SpendQuery,
        range: DateRange,
        scope: &Scope,
        counts: Counts,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Cells, BTreeMap<Layer, usize>), InsightError> {
        let canonical = |dimension: &_| self.tags.canonical_dimension(dimension);
        let filter = scoped(&query.filter, scope).renamed(&canonical);
        let group_by: Vec<Dimension> = query.group_by.iter().map(canonical).collect();
        let asked = Asked::new(&snapshot.ownership, range, &filter, &group_by, counts);
        let filter = asked.filter();
        let need = Need {
            range,
            basis: query.basis,
            granularity: query.granularity,
            filter: &filter,
            group_by: &asked.group_by,
            metric: Some(query.metric),
        };
        let whole = Plan::new(snapshot, &need)?;
        if query.granularity == Granularity::Hour {
            match whole.hourly {
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
            TargetCurrency::To(target) => rates.changes(&whole.currencies, target, days),
        };
        let segments = Segments { first: days.from(), others };
        let (mut sums, buckets) = (Sums::new(query.currency, &rates), Buckets::new(query.granularity, range));
        let bucket = |group: &Group| group.time.and_then(|time| buckets.number(time));
        for stretch in &asked.stretches {
            let need = Need { range: stretch.days, filter: &stretch.filter, ..need };
            match self.groups(Plan::new(snapshot, &need)?, &need, &segments).await {
                Ok(groups) => sums.take(asked.keyed(stretch, groups), bucket)?,
                // A rate a day makes many groups of one cell. A month of them at a time, there may be as many as of any other.
                Err(StoreError::TooManyGroups { .. }) if segments.others.len() > 31 => {
                    for month in months(stretch.days) {
                        let need = Need { range: month, ..need };
                        let plan = Plan::new(snapshot, &need)?;
                        let groups = self.groups(plan, &need, &segments).await.map_err(too_many)?;
                        sums.take(asked.keyed(stretch, groups), bucket)?;
                        at_most(sums.len())?;
                    }
                }
                Err(error) => return Err(too_many(error)),
            }
            at_most(sums.len())?;
        }
        let (cells, without_rate) = sums.finish()?;
        match (without_rate.iter().min(), query.currency) {
            (Some(currency), TargetCurrency::To(target)) => {
                Err(self.missing_rate(snapshot, query, &asked, range, *currency, target).await?)
            }
            _ => Ok((cells, whole.layers)),
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
        asked: &Asked,
        range: DateRange,
        currency: Currency,
        target: Currency,
    ) -> Result<InsightError, InsightError> {
        let days = charge_days(snapshot, query.basis, range);
        let every_day = Segments { first: days.from(), others: days.iter().skip(1).collect() };
        let rates = self.rates_of(snapshot);
        let mut days = BTreeSet::new();
        let mut amount = None;
        for stretch in &asked.stretches {
            let filter = stretch.filter.clone().and(Filter::equals(Fixed::Currency, currency.as_str()));
            let need = Need {
                range: stretch.days,
                basis: query.basis,
                granularity: Granularity::Total,
                filter: &filter,
                group_by: &[],
                metric: Some(query.metric),
            };
            for group in self.groups(Plan::new(snapshot, &need)?, &need, &every_day).await? {
                if rates.rate(currency, target, group.segment).is_none() && group.sum.is_some() {
                    days.insert(group.segment);
                    amount = add(amount, group.sum)?;
                }
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

fn at_most(groups: usize) -> Result<(), InsightError> {
    if groups > MAX_GROUPS {
        return Err(InsightError::TooManyRows { rows: groups, most: MAX_ROWS });
    }
    Ok(())
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
