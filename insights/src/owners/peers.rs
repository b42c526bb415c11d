//! How a team compares with teams of its kind: as a range, never a ranking, and never with another team's name or figure.
//!
//! This is the one answer to a team that is made of what others spend (P8), so it is the same for everybody who may ask it: the
//! last whole month or quarter, effective cost, the reporting currency; no filter and no group, so that nobody can ask twice and
//! take the difference. There are at least five others, and what is told of them is rounded to two digits: a median of five
//! would otherwise be the figure of one.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::Ownership;
use outlay_model::query::Metric;
use outlay_model::report::Scope;
use outlay_model::{DateRange, Dimension, Filter, Granularity, Money, Ratio, TeamId};

use super::unit_cost::{mean, people};
use super::{About, Ask, OwnedQuery, rounded};
use crate::lineage::{Counts, visible};
use crate::{InsightError, Insights};

/// How many others there have to be.
const LEAST: usize = 5;

/// Which days teams are compared over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeersPeriod {
    /// The last month that is over.
    LastMonth,
    /// The last quarter that is over.
    LastQuarter,
}

impl PeersPeriod {
    /// All there are, what is taken where nothing is said first.
    pub const ALL: [Self; 2] = [Self::LastMonth, Self::LastQuarter];

    /// Its word, as of any period.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastMonth => "last_month",
            Self::LastQuarter => "last_quarter",
        }
    }

    /// Its days.
    #[must_use]
    pub fn days(self, today: NaiveDate) -> DateRange {
        DateRange::parse_period(self.as_str(), today).expect("both words are periods")
    }
}

/// Where a figure stands among those of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Below the first quartile.
    BelowQuartile1,
    /// From there to the median.
    Quartile1ToMedian,
    /// From the median to the third quartile.
    MedianToQuartile3,
    /// Above the third quartile.
    AboveQuartile3,
}

impl Position {
    /// All of them, from the lowest.
    pub const ALL: [Self; 4] =
        [Self::BelowQuartile1, Self::Quartile1ToMedian, Self::MedianToQuartile3, Self::AboveQuartile3];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BelowQuartile1 => "below_quartile_1",
            Self::Quartile1ToMedian => "quartile_1_to_median",
            Self::MedianToQuartile3 => "median_to_quartile_3",
            Self::AboveQuartile3 => "above_quartile_3",
        }
    }
}

/// A figure of a team among those of its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Among {
    /// The team's own, exact.
    pub own: Money,
    /// What a quarter of the others is below, to two digits.
    pub quartile_1: Money,
    /// What half of them is below, likewise.
    pub median: Money,
    /// What three quarters of them are below, likewise.
    pub quartile_3: Money,
    /// Between which of these the own one is.
    pub position: Position,
}

/// How a team compares with teams of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// What there is to know of the figures.
    pub about: About,
    /// Their kind.
    pub kind: String,
    /// How many others there are.
    pub others: usize,
    /// The team's size: the mean of its days, with all that was part of it.
    pub people: Option<Money>,
    /// The cost of the period.
    pub cost: Among,
    /// The same for each person.
    pub cost_per_person: Among,
}

/// What of a team is compared.
struct Compared {
    people: Ratio,
    cost: Ratio,
    cost_per_person: Ratio,
}

impl Insights {
    /// How a team compares with teams of its kind; `None` when there is no such team, or it is not the caller's affair.
    ///
    /// # Errors
    /// [`InsightError::TooFewPeers`]; else as [`Insights::spend`].
    pub async fn peers(
        &self,
        id: &TeamId,
        period: PeersPeriod,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<Peers>, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let ownership = &snapshot.ownership;
        let Some(team) = ownership.teams.get(id).filter(|_| visible(ownership, scope).contains(id)) else {
            if self.known(&Dimension::Fixed(Fixed::Team), id.as_str(), scope).await? {
                return Err(too_few(format!("{id} is not registered: it has no kind and no size to be compared by")));
            }
            return Ok(None);
        };
        let range = period.days(today);
        let Some(kind) = &team.kind else {
            return Err(too_few(format!("{id} has no kind; say which kind of team it is")));
        };
        let query = OwnedQuery { range, metric: Metric::Effective, currency: self.reporting };
        let ask = Ask {
            granularity: Granularity::Total,
            filter: Filter::everything(),
            group_by: &[Fixed::Team],
            counts: Counts::ForAncestorsToo,
        };
        let families = self.figures(&snapshot, &query, &ask, &Scope::Company).await?;
        let costs: BTreeMap<String, Option<Money>> = families
            .into_iter()
            .filter_map(|(place, cell)| Some((place.keys.into_iter().next()??.to_string(), cell.cost)))
            .collect();
        let compared = |id: &TeamId| compared(ownership, id, range, &costs);
        let Some(own) = compared(id)? else {
            let lacking = format!(
                "{id} does not say how many people work in it on every day of {range}, or its cost is not stated"
            );
            return Err(too_few(lacking));
        };
        let lineages = ownership.lineages(range);
        let related = |other: &TeamId| {
            lineages.iter().any(|lineage| {
                lineage.family(id.as_str()).contains(other) || lineage.family(other.as_str()).contains(id)
            })
        };
        let mut others = Vec::new();
        for (other, said) in &ownership.teams {
            if said.kind.as_ref() != Some(kind) || related(other) {
                continue;
            }
            if let Some(other) = compared(other)?.filter(|other| alike(&own.people, &other.people)) {
                others.push(other);
            }
        }
        if others.len() < LEAST {
            let count = others.len();
            let lacking = format!(
                "{count} other teams of kind {kind:?} had half to twice as many people on average over {range}, with their number \
                 stated for every day; it takes {LEAST}"
            );
            return Err(too_few(lacking));
        }
        let own_ask = Ask::total(Filter::equals(Fixed::Team, id.as_str()));
        let own_cells = self.figures(&snapshot, &query, &own_ask, &Scope::Company).await?;
        Ok(Some(Peers {
            about: self.about(&snapshot, &query, &own_cells, today).await?,
            kind: kind.clone(),
            others: others.len(),
            people: rounded(Some(own.people))?,
            cost: among(&own.cost, others.iter().map(|other| &other.cost))?,
            cost_per_person: among(&own.cost_per_person, others.iter().map(|other| &other.cost_per_person))?,
        }))
    }
}

fn too_few(lacking: String) -> InsightError {
    InsightError::TooFewPeers { lacking }
}

/// What of a team is compared; `None` where a day has no size, or the cost is not known.
fn compared(
    ownership: &Ownership,
    id: &TeamId,
    range: DateRange,
    costs: &BTreeMap<String, Option<Money>>,
) -> Result<Option<Compared>, InsightError> {
    let counted = people(ownership, range, |_| Some(id))?;
    let every_day = u64::try_from(counted.len()) == Ok(range.days());
    let Some(Some(cost)) = every_day.then(|| costs.get(id.as_str()).copied().unwrap_or(Some(Money::ZERO))) else {
        return Ok(None);
    };
    let sum = counted.values().try_fold(Money::ZERO, |sum, count| sum.checked_add(*count));
    let people = mean(sum.ok_or(InsightError::Overflow)?, counted.len());
    let cost = Ratio::whole(cost);
    Ok(people.and_then(|people| Some(Compared { cost_per_person: cost.over(&people)?, people, cost })))
}

/// Whether neither is more than twice the other.
fn alike(a: &Ratio, b: &Ratio) -> bool {
    *a <= b.and(b) && *b <= a.and(a)
}

fn among<'a>(own: &Ratio, others: impl Iterator<Item = &'a Ratio>) -> Result<Among, InsightError> {
    let mut others: Vec<&Ratio> = others.collect();
    others.sort();
    let quarter = |quarters: u64| quantile(&others, quarters);
    let (Some(first), Some(median), Some(third)) = (quarter(1), quarter(2), quarter(3)) else {
        return Err(too_few("there are no others".to_owned()));
    };
    let position = if *own < first {
        Position::BelowQuartile1
    } else if *own < median {
        Position::Quartile1ToMedian
    } else if *own <= third {
        Position::MedianToQuartile3
    } else {
        Position::AboveQuartile3
    };
    let about = |ratio: &Ratio| ratio.about().map_err(|_| InsightError::Overflow);
    Ok(Among {
        own: own.rounded().map_err(|_| InsightError::Overflow)?,
        quartile_1: about(&first)?,
        median: about(&median)?,
        quartile_3: about(&third)?,
        position,
    })
}

/// What so many quarters of sorted values are below, between two of them in proportion (as spreadsheets have it).
fn quantile(sorted: &[&Ratio], quarters: u64) -> Option<Ratio> {
    let steps = u64::try_from(sorted.len().checked_sub(1)?).ok()? * quarters;
    let place = usize::try_from(steps / 4).ok()?;
    let low = sorted.get(place)?;
    let high = sorted.get(place + 1).unwrap_or(low);
    // low + (high - low) × rest / 4, in quarters so that nothing is rounded.
    let quarter = high.less(low).over(&Ratio::of_counts(4, 1)?)?;
    Some((0..steps % 4).fold((*low).clone(), |sum, _| sum.and(&quarter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(amount: &str) -> Ratio {
        Ratio::whole(amount.parse().expect("money"))
    }

    #[test]
    fn quartiles_lie_between_values() {
        let check = |values: &[&str], expected: [&str; 3]| {
            let values: Vec<Ratio> = values.iter().map(|value| ratio(value)).collect();
            let sorted: Vec<&Ratio> = values.iter().collect();
            let quartiles = [1, 2, 3].map(|quarters| quantile(&sorted, quarters).expect("some"));
            assert_eq!(quartiles, expected.map(ratio));
        };
        check(&["1", "2", "3", "4", "5"], ["2", "3", "4"]);
        check(&["1", "2", "3", "4", "5", "6"], ["2.25", "3.5", "4.75"]);
        check(&["1", "2", "4", "8", "16", "32", "64"], ["3", "8", "24"]);
        check(&["7"], ["7", "7", "7"]);
        assert_eq!(quantile(&[], 2), None);
    }

    #[test]
    fn a_position_is_a_range() {
        let others = ["100", "200", "300", "400", "500"].map(ratio);
        let position = |own: &str| among(&ratio(own), others.iter()).expect("fits").position;
        assert_eq!(position("199.99"), Position::BelowQuartile1);
        assert_eq!(position("200"), Position::Quartile1ToMedian);
        assert_eq!(position("300"), Position::MedianToQuartile3);
        assert_eq!(position("400"), Position::MedianToQuartile3);
        assert_eq!(position("400.01"), Position::AboveQuartile3);
    }

    #[test]
    fn half_to_twice_is_alike() {
        assert!(alike(&ratio("5"), &ratio("10")) && alike(&ratio("10"), &ratio("5")));
        assert!(!alike(&ratio("5"), &ratio("10.1")) && !alike(&ratio("4.9"), &ratio("10")));
    }
}
