//! What one of something costs: a person of the team, a build, a thousand requests.
//!
//! A bucket's cost is divided once, by exact counts, and rounded once. What is not stated is not guessed: days for which nobody
//! stated a count are named, and of nothing there is no unit cost.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::{Ownership, Point};
use outlay_model::query::ParameterError;
use outlay_model::report::Scope;
use outlay_model::{ComponentId, DateRange, Dimension, Filter, Granularity, Money, Ratio, SeriesId, TeamId};

use super::components::seen;
use super::{About, Ask, OwnedQuery, rounded};
use crate::buckets::Buckets;
use crate::coverage::runs_of;
use crate::lineage::Counts;
use crate::{InsightError, Insights};

/// Whose cost is divided.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnitCostOf {
    /// A team's, with all that was part of it on the day.
    Team(TeamId),
    /// A component's.
    Component(ComponentId),
}

/// Asks what one of something costs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitCostQuery {
    /// Whose cost.
    pub whose: UnitCostOf,
    /// Which spend.
    pub owned: OwnedQuery,
    /// By which series; without, by people.
    pub series: Option<SeriesId>,
    /// How finely time is cut; not by the hour.
    pub granularity: Granularity,
}

/// One of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Per {
    /// A person.
    Person,
    /// A unit of a series.
    Unit {
        /// The series.
        series: SeriesId,
        /// What one of it is.
        unit: String,
    },
}

/// What one of something costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitCost {
    /// What there is to know of the figures.
    pub about: About,
    /// One of what.
    pub per: Per,
    /// By time, where it is cut.
    pub rows: Vec<UnitCostRow>,
    /// All of it: its cost is Σ of the rows'.
    pub total: UnitCostRow,
}

/// What one of something costs in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitCostRow {
    /// The start of the bucket; `None` for a total.
    pub time: Option<DateTime<Utc>>,
    /// The cost.
    pub cost: Option<Money>,
    /// How many: of a series Σ of its points; of people the mean of the days for which their number is stated, half-even at 12
    /// decimals. `None` where nobody stated any.
    pub units: Option<Money>,
    /// Cost over units, half-even at 12 decimals; `None` where either is not known, or there are no units.
    pub unit_cost: Option<Money>,
    /// The days for which nobody stated a count.
    pub unstated: Vec<DateRange>,
}

/// How many there are on each day for which that is stated.
pub(super) type Counted = BTreeMap<NaiveDate, Money>;

impl Insights {
    /// What one of something costs; `None` when there is no such team or component that is the caller's affair.
    ///
    /// # Errors
    /// As [`Insights::spend`], and [`InsightError::Parameter`] for a series that there is not.
    pub async fn unit_cost(
        &self,
        query: &UnitCostQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<UnitCost>, InsightError> {
        let (dimension, name) = match &query.whose {
            UnitCostOf::Team(team) => (Fixed::Team, team.as_str()),
            UnitCostOf::Component(component) => (Fixed::Component, component.as_str()),
        };
        if !self.known(&Dimension::Fixed(dimension), name, scope).await? {
            return Ok(None);
        }
        let snapshot = self.catalog.snapshot().await?;
        if let UnitCostOf::Component(component) = &query.whose
            && snapshot.ownership.components.contains_key(component)
            && !seen(&snapshot.ownership, scope).contains(component)
        {
            // Charges of the caller name it, but its people and what is counted of it are others' affair (P8).
            return Ok(None);
        }
        let (per, counted) = self.counted(&snapshot, query).await?;
        let ask = Ask {
            granularity: query.granularity,
            filter: Filter::equals(dimension, name),
            group_by: &[],
            counts: Counts::Once,
        };
        let cells = self.figures(&snapshot, &query.owned, &ask, scope).await?;
        let about = self.about(&snapshot, &query.owned, &cells, today).await?;
        let range = query.owned.range;
        let buckets = Buckets::new(query.granularity, range);
        let costs: BTreeMap<Option<usize>, Option<Money>> =
            cells.into_iter().map(|(place, cell)| (place.bucket, cell.cost)).collect();
        let mut rows = Vec::new();
        for number in 0..buckets.count() {
            let Some(time) = buckets.start(number) else { continue };
            let next = query.granularity.next(time.date_naive()).unwrap_or(range.to());
            let Some(days) = DateRange::new(time.date_naive().max(range.from()), next.min(range.to())) else {
                continue;
            };
            let stated = counted.range(days.from()..days.to()).next().is_some();
            if stated || costs.contains_key(&Some(number)) {
                let cost = costs.get(&Some(number)).copied().unwrap_or(Some(Money::ZERO));
                rows.push(row(Some(time), days, cost, &counted, &per)?);
            }
        }
        let nothing = costs.is_empty().then_some(Money::ZERO);
        let cost = super::sum(costs.values())?.or(nothing);
        let total = row(None, range, cost, &counted, &per)?;
        Ok(Some(UnitCost { about, per, rows, total }))
    }

    /// One of what, and how many there were on each day.
    async fn counted(&self, snapshot: &Snapshot, query: &UnitCostQuery) -> Result<(Per, Counted), InsightError> {
        let (ownership, range) = (&snapshot.ownership, query.owned.range);
        let Some(id) = &query.series else {
            let counted = match &query.whose {
                UnitCostOf::Team(team) => people(ownership, range, |_| Some(team)),
                UnitCostOf::Component(component) => {
                    let component = ownership.components.get(component);
                    people(ownership, range, |day| component.and_then(|component| component.team.on(day)))
                }
            };
            return Ok((Per::Person, counted?));
        };
        let Some(series) = ownership.series.get(id) else {
            let known: Vec<_> = ownership.series.keys().map(ToString::to_string).collect();
            let message = match known.as_slice() {
                [] => format!("there is no series {:?}, nor any other", id.as_str()),
                known => format!("there is no series {:?}; there are {}", id.as_str(), known.join(", ")),
            };
            return Err(ParameterError::new("series", message).into());
        };
        let points = self.catalog.points(id, range).await?;
        let counted = match &query.whose {
            UnitCostOf::Team(team) => of_team(ownership, range, team, &points),
            UnitCostOf::Component(component) => of_component(component, &points),
        };
        Ok((Per::Unit { series: id.clone(), unit: series.unit.clone() }, counted?))
    }
}

fn row(
    time: Option<DateTime<Utc>>,
    days: DateRange,
    cost: Option<Money>,
    counted: &Counted,
    per: &Per,
) -> Result<UnitCostRow, InsightError> {
    let stated: Vec<(&NaiveDate, &Money)> = counted.range(days.from()..days.to()).collect();
    let sum = stated.iter().try_fold(Money::ZERO, |sum, (_, count)| add(sum, **count))?;
    let units = match per {
        _ if stated.is_empty() => None,
        Per::Unit { .. } => Some(Ratio::whole(sum)),
        Per::Person => mean(sum, stated.len()),
    };
    let unit_cost = cost.zip(units.as_ref()).and_then(|(cost, units)| Ratio::whole(cost).over(units));
    // A series may count more finely than a mean is rounded to.
    let units = match per {
        Per::Unit { .. } => units.map(|_| sum),
        Per::Person => rounded(units)?,
    };
    let stated: BTreeSet<NaiveDate> = stated.into_iter().map(|(day, _)| *day).collect();
    let unstated: Vec<NaiveDate> = days.iter().filter(|day| !stated.contains(day)).collect();
    Ok(UnitCostRow { time, cost, units, unit_cost: rounded(unit_cost)?, unstated: runs_of(&unstated) })
}

/// Σ over some days.
pub(super) fn mean(sum: Money, days: usize) -> Option<Ratio> {
    Ratio::whole(sum).over(&Ratio::of_counts(u64::try_from(days).ok()?, 1)?)
}

fn add(a: Money, b: Money) -> Result<Money, InsightError> {
    a.checked_add(b).ok_or(InsightError::Overflow)
}

/// How many people work in the team of each day and in all that is part of it then, where anybody says so.
pub(super) fn people<'a>(
    ownership: &'a Ownership,
    range: DateRange,
    team_on: impl Fn(NaiveDate) -> Option<&'a TeamId>,
) -> Result<Counted, InsightError> {
    let mut counted = Counted::new();
    for lineage in ownership.lineages(range) {
        let mut families: BTreeMap<&TeamId, BTreeSet<TeamId>> = BTreeMap::new();
        for day in lineage.days.iter() {
            let Some(team) = team_on(day) else { continue };
            let family = families.entry(team).or_insert_with(|| lineage.family(team.as_str()));
            let sizes = family.iter().filter_map(|team| ownership.teams.get(team)?.people.on(day));
            if let Some(people) = sizes.copied().map(u64::from).reduce(|sum, more| sum.saturating_add(more)) {
                let people = Money::from_units(i128::from(people) * 10_i128.pow(outlay_model::money::SCALE));
                counted.insert(day, people.ok_or(InsightError::Overflow)?);
            }
        }
    }
    Ok(counted)
}

/// What a series counts for a team and all that is part of it on the day: points of these teams, and points of components that
/// name no team, where one of these teams owns the component.
fn of_team(ownership: &Ownership, range: DateRange, team: &TeamId, points: &[Point]) -> Result<Counted, InsightError> {
    let mut counted = Counted::new();
    for lineage in ownership.lineages(range) {
        let family = lineage.family(team.as_str());
        for point in points.iter().filter(|point| lineage.days.contains(point.day)) {
            let whose = point.team.as_ref().or_else(|| {
                let component = ownership.components.get(point.component.as_ref()?)?;
                component.team.on(point.day)
            });
            if whose.is_some_and(|whose| family.contains(whose)) {
                count(&mut counted, point)?;
            }
        }
    }
    Ok(counted)
}

/// What a series counts for a component: its point that names no team, or else Σ of what it counts there for teams.
fn of_component(component: &ComponentId, points: &[Point]) -> Result<Counted, InsightError> {
    let own = || points.iter().filter(|point| point.component.as_ref() == Some(component));
    let whole: BTreeSet<NaiveDate> = own().filter(|point| point.team.is_none()).map(|point| point.day).collect();
    let mut counted = Counted::new();
    for point in own().filter(|point| point.team.is_none() || !whole.contains(&point.day)) {
        count(&mut counted, point)?;
    }
    Ok(counted)
}

fn count(counted: &mut Counted, point: &Point) -> Result<(), InsightError> {
    let sum = counted.entry(point.day).or_default();
    *sum = add(*sum, point.value)?;
    Ok(())
}
