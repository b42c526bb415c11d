//! Who answers for what: teams and components with what they spend, how much of all spend has an owner, what one of something
//! costs, how a team stands among its peers, and what a release did.
//!
//! Every figure is one that `/spend` gives as well, or is made of such: nothing here adds up charges in another way.

mod claimed;
mod components;
mod peers;
mod releases;
mod teams;
mod unit_cost;

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::query::{Metric, SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, Warning};
use outlay_model::{Currency, DateRange, Filter, Granularity, Money, Ratio};

use crate::convert::{Cells, add};
use crate::coverage::complete_until;
use crate::lineage::Counts;
use crate::spend::warning_of_nulls;
use crate::{InsightError, Insights};

pub use claimed::{Claimed, ClaimedQuery, Part, TagPart, Unclaimed, UnclaimedLine};
pub use components::{ComponentLine, ComponentReport, Components};
pub use peers::{Among, Peers, PeersPeriod, Position};
pub use releases::{Release, Releases, ReleasesQuery, Shortened, Window};
pub use teams::{TeamLine, TeamReport, Teams};
pub use unit_cost::{Per, UnitCost, UnitCostOf, UnitCostQuery, UnitCostRow};

/// Which spend a report is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnedQuery {
    /// The days.
    pub range: DateRange,
    /// Which cost.
    pub metric: Metric,
    /// In which currency. It is one, because shares are of a whole.
    pub currency: Currency,
}

/// What there is to know of a report beside its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Which spend it is made of.
    pub query: OwnedQuery,
    /// The last day up to which every source has stated everything, where that is known.
    pub complete_until: Option<NaiveDate>,
    /// The generation of the catalog it was answered from.
    pub generation: u64,
    /// What to know.
    pub warnings: Vec<Warning>,
}

/// Which charges, cut how.
struct Ask<'a> {
    granularity: Granularity,
    filter: Filter,
    group_by: &'a [Fixed],
    counts: Counts,
}

impl Ask<'_> {
    /// All of these charges, as one figure.
    const fn total(filter: Filter) -> Self {
        Self { granularity: Granularity::Total, filter, group_by: &[], counts: Counts::Once }
    }
}

impl OwnedQuery {
    fn spend(&self, Ask { granularity, filter, group_by, .. }: &Ask<'_>) -> SpendQuery {
        SpendQuery {
            granularity: *granularity,
            filter: filter.clone(),
            group_by: group_by.iter().map(|fixed| (*fixed).into()).collect(),
            metric: self.metric,
            ..SpendQuery::new(self.range, TargetCurrency::To(self.currency))
        }
    }
}

impl Insights {
    /// The figures of a report, as `/spend` has them.
    async fn figures(
        &self,
        snapshot: &Snapshot,
        query: &OwnedQuery,
        ask: &Ask<'_>,
        scope: &Scope,
    ) -> Result<Cells, InsightError> {
        let spend = query.spend(ask);
        Ok(self.table_of(snapshot, &spend, query.range, scope, ask.counts, &mut Vec::new()).await?.0)
    }

    /// What is to be said of a report whose figures are made of these, each charge in one of them.
    async fn about(
        &self,
        snapshot: &Snapshot,
        query: &OwnedQuery,
        figures: &Cells,
        today: NaiveDate,
    ) -> Result<About, InsightError> {
        let (complete_until, gaps) = complete_until(&self.configured().await?, &snapshot.parts, query.range, today);
        let spend = query.spend(&Ask::total(Filter::everything()));
        let mut warnings: Vec<Warning> =
            warning_of_nulls(figures.iter().map(|(_, cell)| cell), &spend, query.range).into_iter().collect();
        warnings.extend(gaps);
        Ok(About { query: *query, complete_until, generation: snapshot.generation, warnings })
    }
}

/// Σ of figures; `None` when there are none, or none is known.
fn sum<'a>(costs: impl IntoIterator<Item = &'a Option<Money>>) -> Result<Option<Money>, InsightError> {
    costs.into_iter().try_fold(None, |sum, cost| add(sum, *cost))
}

/// Σ of cells, likewise.
fn total(cells: &Cells) -> Result<Option<Money>, InsightError> {
    sum(cells.iter().map(|(_, cell)| &cell.cost))
}

/// What part of a whole it is, half-even at 12 decimals; `None` of nothing, or of what is not known.
fn share(part: Option<Money>, whole: Option<Money>) -> Result<Option<Money>, InsightError> {
    rounded(part.zip(whole).and_then(|(part, whole)| Ratio::of(part, whole)))
}

fn rounded(ratio: Option<Ratio>) -> Result<Option<Money>, InsightError> {
    ratio.map(|ratio| ratio.rounded().map_err(|_| InsightError::Overflow)).transpose()
}

/// One day.
fn day(day: NaiveDate) -> DateRange {
    // The last day there can be has none after it; nothing happens on it.
    let after = day.succ_opt().and_then(|after| DateRange::new(day, after));
    after.or_else(|| DateRange::new(day.pred_opt()?, day)).expect("one of the two days around a day exists")
}
