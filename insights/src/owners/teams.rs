//! Teams: those that are registered, and those that only charges name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::{Kind, Lineage, Origin, SHARED, Team};
use outlay_model::report::Scope;
use outlay_model::{ComponentId, Dimension, Filter, Granularity, Money, TeamId, UNALLOCATED};

use super::{About, Ask, OwnedQuery, day, share, total};
use crate::convert::{Cells, add};
use crate::lineage::{Counts, visible};
use crate::{InsightError, Insights};

/// A team, as it is today, and what it spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamLine {
    /// Its name.
    pub id: TeamId,
    /// What is said of it; `None` for one that only charges name.
    pub said: Option<Team>,
    /// Who says so.
    pub origin: Option<Origin>,
    /// Its accountable owner.
    pub owner: Option<String>,
    /// How many people work in it.
    pub people: Option<u32>,
    /// What it is part of.
    pub parent: Option<TeamId>,
    /// The top of what it is part of.
    pub department: TeamId,
    /// What it spent itself.
    pub own: Option<Money>,
    /// What it spent with all that was part of it on the day.
    pub with_descendants: Option<Money>,
    /// How much of everything that is.
    pub share: Option<Money>,
}

/// All teams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teams {
    /// What there is to know of the figures.
    pub about: About,
    /// What cost most with its descendants, first.
    pub teams: Vec<TeamLine>,
    /// Everything that was spent: by teams themselves, by nobody and by pools.
    pub total: Option<Money>,
    /// What no rule claims.
    pub unallocated: Option<Money>,
    /// What waits in pools to be split.
    pub in_pools: Option<Money>,
}

/// One team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamReport {
    /// What there is to know of the figures.
    pub about: About,
    /// The team.
    pub team: TeamLine,
    /// Everything that was spent.
    pub total: Option<Money>,
    /// The teams that are part of it today, without those that are part of them.
    pub children: Vec<TeamId>,
    /// The components it owns today.
    pub components: Vec<ComponentId>,
}

impl Insights {
    /// Every team that the caller may know of, and what each spent.
    ///
    /// # Errors
    /// As [`Insights::spend`].
    pub async fn teams(&self, query: &OwnedQuery, today: NaiveDate, scope: &Scope) -> Result<Teams, InsightError> {
        self.teams_of(&*self.catalog.snapshot().await?, query, today, scope).await
    }

    /// One team; `None` when neither the registry nor any charge names it, or nobody who is the caller's affair.
    ///
    /// # Errors
    /// As [`Insights::spend`].
    pub async fn team(
        &self,
        id: &TeamId,
        query: &OwnedQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<TeamReport>, InsightError> {
        if !is_team(id.as_str()) {
            return Ok(None);
        }
        let snapshot = self.catalog.snapshot().await?;
        let Teams { about, teams, total, .. } = self.teams_of(&snapshot, query, today, scope).await?;
        let lineage = snapshot.ownership.lineage(day(today));
        let team = match teams.into_iter().find(|team| team.id == *id) {
            Some(team) => team,
            None if self.known(&Dimension::Fixed(Fixed::Team), id.as_str(), scope).await? => {
                let nothing = Spent::default();
                line(&snapshot, &lineage, id.clone(), today, (&nothing, &nothing), total)?
            }
            None => return Ok(None),
        };
        let children = lineage.parents().filter(|(_, parent)| *parent == id).map(|(child, _)| child.clone()).collect();
        let components = snapshot.ownership.components.iter();
        let owned = components.filter(|(_, component)| component.team.on(today) == Some(id));
        let components = owned.map(|(component, _)| component.clone()).collect();
        Ok(Some(TeamReport { about, team, total, children, components }))
    }

    async fn teams_of(
        &self,
        snapshot: &Snapshot,
        query: &OwnedQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Teams, InsightError> {
        let by_team = |counts| Ask {
            granularity: Granularity::Total,
            filter: Filter::everything(),
            group_by: &[Fixed::Team],
            counts,
        };
        let own = self.figures(snapshot, query, &by_team(Counts::Once), scope).await?;
        let about = self.about(snapshot, query, &own, today).await?;
        let everything = total(&own)?;
        let own = spent(own);
        let families = spent(self.figures(snapshot, query, &by_team(Counts::ForAncestorsToo), scope).await?);
        let mut names: BTreeSet<TeamId> = visible(&snapshot.ownership, scope);
        names.retain(|name| snapshot.ownership.teams.contains_key(name));
        names.extend(own.keys().filter(|name| is_team(name)).map(TeamId::new));
        let lineage = snapshot.ownership.lineage(day(today));
        let lines = names.into_iter().map(|name| line(snapshot, &lineage, name, today, (&own, &families), everything));
        let mut teams: Vec<TeamLine> = lines.collect::<Result<_, _>>()?;
        teams.sort_by(|a, b| b.with_descendants.cmp(&a.with_descendants).then_with(|| a.id.cmp(&b.id)));
        let mut in_pools = Some(Money::ZERO);
        for (_, cost) in own.iter().filter(|(name, _)| name.starts_with(SHARED)) {
            in_pools = add(in_pools, *cost)?;
        }
        let unallocated = own.get(UNALLOCATED).copied().unwrap_or(Some(Money::ZERO));
        Ok(Teams { about, teams, total: everything, unallocated, in_pools })
    }
}

/// Whether a team of charges is one, rather than what stands in the place of one.
pub(super) fn is_team(name: &str) -> bool {
    name != UNALLOCATED && !name.starts_with(SHARED)
}

/// What each spent.
type Spent = BTreeMap<String, Option<Money>>;

fn spent(cells: Cells) -> Spent {
    let named = |keys: Vec<Option<std::sync::Arc<str>>>| {
        keys.into_iter().next().flatten().map_or_else(|| UNALLOCATED.to_owned(), |name| name.to_string())
    };
    cells.into_iter().map(|(place, cell)| (named(place.keys), cell.cost)).collect()
}

/// What is known of a team, and what it spent: itself, and with its descendants.
fn line(
    snapshot: &Snapshot,
    lineage: &Lineage,
    id: TeamId,
    today: NaiveDate,
    (own, families): (&Spent, &Spent),
    everything: Option<Money>,
) -> Result<TeamLine, InsightError> {
    // Nothing spent is nothing; spent without a figure is not known.
    let cost = |spent: &Spent| spent.get(id.as_str()).copied().unwrap_or(Some(Money::ZERO));
    let said = snapshot.ownership.teams.get(&id).cloned();
    let with_descendants = cost(families);
    Ok(TeamLine {
        origin: snapshot.ownership.origin(Kind::Team, id.as_str()),
        owner: lineage.owner(id.as_str()).map(ToOwned::to_owned),
        people: said.as_ref().and_then(|team| team.people.on(today).copied()),
        parent: lineage.parent(id.as_str()).cloned(),
        department: TeamId::new(lineage.department(id.as_str())),
        own: cost(own),
        with_descendants,
        share: share(with_descendants, everything)?,
        said,
        id,
    })
}
