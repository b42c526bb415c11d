//! Components: those that are registered, and those that only charges name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::{Component, Kind, Origin, Ownership};
use outlay_model::report::Scope;
use outlay_model::{ComponentId, Dimension, Filter, Granularity, Money, TeamId};

use super::{About, Ask, OwnedQuery, share, total};
use crate::lineage::{Counts, visible};
use crate::{InsightError, Insights};

/// A component, as it is today, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentLine {
    /// Its name.
    pub id: ComponentId,
    /// What is said of it; `None` for one that only charges name.
    pub said: Option<Component>,
    /// Who says so.
    pub origin: Option<Origin>,
    /// The team that owns it.
    pub team: Option<TeamId>,
    /// What it cost.
    pub cost: Option<Money>,
    /// How much of everything that is.
    pub share: Option<Money>,
}

/// All components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// What there is to know of the figures.
    pub about: About,
    /// What cost most, first.
    pub components: Vec<ComponentLine>,
    /// Everything that was spent.
    pub total: Option<Money>,
    /// What was spent on no component.
    pub without: Option<Money>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentReport {
    /// What there is to know of the figures.
    pub about: About,
    /// The component.
    pub component: ComponentLine,
    /// Everything that was spent.
    pub total: Option<Money>,
}

impl Insights {
    /// Every component that the caller may know of, and what each cost.
    ///
    /// # Errors
    /// As [`Insights::spend`].
    pub async fn components(
        &self,
        query: &OwnedQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Components, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let by_component = Ask {
            granularity: Granularity::Total,
            filter: Filter::everything(),
            group_by: &[Fixed::Component],
            counts: Counts::Once,
        };
        let cells = self.figures(&snapshot, query, &by_component, scope).await?;
        let about = self.about(&snapshot, query, &cells, today).await?;
        let everything = total(&cells)?;
        let mut without = Some(Money::ZERO);
        let mut costs: BTreeMap<ComponentId, Option<Money>> = BTreeMap::new();
        for (place, cell) in cells {
            match place.keys.into_iter().next().flatten() {
                Some(name) => drop(costs.insert(ComponentId::new(name.as_ref()), cell.cost)),
                None => without = cell.cost,
            }
        }
        let seen: BTreeSet<ComponentId> = seen(&snapshot.ownership, scope).into_iter().collect();
        let names: BTreeSet<ComponentId> = costs.keys().chain(&seen).cloned().collect();
        let lines = names.into_iter().map(|id| {
            let cost = costs.get(&id).copied().unwrap_or(Some(Money::ZERO));
            line(&snapshot.ownership, &seen, id, today, cost, everything)
        });
        let mut components: Vec<ComponentLine> = lines.collect::<Result<_, _>>()?;
        components.sort_by(|a, b| b.cost.cmp(&a.cost).then_with(|| a.id.cmp(&b.id)));
        Ok(Components { about, components, total: everything, without })
    }

    /// One component; `None` when neither the registry nor any charge names it, or nothing that is the caller's affair does.
    ///
    /// # Errors
    /// As [`Insights::spend`].
    pub async fn component(
        &self,
        id: &ComponentId,
        query: &OwnedQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<ComponentReport>, InsightError> {
        let Components { about, components, total, .. } = self.components(query, today, scope).await?;
        let component = match components.into_iter().find(|component| component.id == *id) {
            Some(component) => component,
            None if self.known(&Dimension::Fixed(Fixed::Component), id.as_str(), scope).await? => {
                let snapshot = self.catalog.snapshot().await?;
                let seen = seen(&snapshot.ownership, scope).into_iter().collect();
                line(&snapshot.ownership, &seen, id.clone(), today, Some(Money::ZERO), total)?
            }
            None => return Ok(None),
        };
        Ok(Some(ComponentReport { about, component, total }))
    }
}

/// The registered components that a caller may know of: those that one of their teams owns on some day (P8).
pub(super) fn seen(ownership: &Ownership, scope: &Scope) -> Vec<ComponentId> {
    let teams = visible(ownership, scope);
    let owned = |component: &Component| component.team.values().any(|team| teams.contains(team));
    ownership.components.iter().filter(|(_, component)| owned(component)).map(|(id, _)| id.clone()).collect()
}

/// What is known of a component, and what it cost. Of others' there is no more to know than that charges name it.
fn line(
    ownership: &Ownership,
    seen: &BTreeSet<ComponentId>,
    id: ComponentId,
    today: NaiveDate,
    cost: Option<Money>,
    everything: Option<Money>,
) -> Result<ComponentLine, InsightError> {
    let said = ownership.components.get(&id).filter(|_| seen.contains(&id)).cloned();
    Ok(ComponentLine {
        origin: ownership.origin(Kind::Component, id.as_str()).filter(|_| said.is_some()),
        team: said.as_ref().and_then(|component| component.team.on(today).cloned()),
        cost,
        share: share(cost, everything)?,
        said,
        id,
    })
}
