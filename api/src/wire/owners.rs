//! Who answers for what: teams, components, and how much has an owner.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights as insights;
use outlay_model::ownership::{Component, Origin, Team};
use outlay_model::query::Metric;
use outlay_model::{ComponentId, Currency, Money, TeamId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, Instants, Warning};

/// What there is to know of figures.
#[derive(Serialize, ToSchema)]
pub struct Grounds<'a> {
    /// The currency of every figure.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// Which cost.
    #[schema(value_type = String, example = "effective")]
    metric: Metric,
    /// The start of the range.
    from: DateTime<Utc>,
    /// Its end, exclusive.
    to: DateTime<Utc>,
    /// The last day up to which every source has stated everything, where that is known.
    #[schema(required)]
    complete_until: Option<NaiveDate>,
    /// Rises with everything that can change an answer.
    generation: u64,
    /// What to know about the figures.
    #[schema(value_type = Vec<Warning>)]
    warnings: Vec<Warning<'a>>,
}

impl<'a> Grounds<'a> {
    pub(super) fn of(about: &'a insights::About) -> Self {
        let Instants { from, to } = about.query.range.into();
        let warnings = about.warnings.iter();
        Self {
            currency: about.query.currency,
            metric: about.query.metric,
            from,
            to,
            complete_until: about.complete_until,
            generation: about.generation,
            warnings: warnings.map(|warning| Warning { code: warning.code, message: &warning.message }).collect(),
        }
    }
}

/// What a team spent.
#[derive(Serialize, ToSchema)]
pub struct TeamSpend {
    /// What it spent itself; null when no charge states the metric.
    #[schema(value_type = Option<Amount>, required)]
    own: Option<Money>,
    /// What it spent with all that was part of it on the day.
    #[schema(value_type = Option<Amount>, required)]
    with_descendants: Option<Money>,
    /// That over `total`, half-even at 12 decimals; null of nothing.
    #[schema(value_type = Option<Amount>, required)]
    share: Option<Money>,
}

/// A team, as it is today.
#[derive(Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamLine<'a> {
    /// Its name.
    #[schema(value_type = String, example = "payments")]
    name: &'a TeamId,
    /// Its name for people, where that is another.
    #[schema(required)]
    title: Option<&'a str>,
    /// Whether only charges name it: then nobody is accountable for it.
    discovered: bool,
    /// Who says what it is: `api`, `file` or `backstage`; null where nobody does.
    #[schema(value_type = Option<String>, required, example = "file")]
    origin: Option<Origin>,
    /// Who is accountable for what it spends.
    #[schema(required)]
    owner: Option<&'a str>,
    /// What kind of team it is.
    #[schema(required)]
    kind: Option<&'a str>,
    /// How many people work in it, without those of its descendants.
    #[schema(required)]
    people: Option<u32>,
    /// The team it is part of.
    #[schema(value_type = Option<String>, required)]
    parent: Option<&'a TeamId>,
    /// The top of what it is part of: itself, where it is part of none.
    #[schema(value_type = String)]
    department: &'a TeamId,
    /// Where it is told something.
    channels: &'a [String],
    /// The currency it thinks in, where that is not the reporting currency.
    #[schema(value_type = Option<String>, required)]
    currency: Option<Currency>,
    /// What it spent.
    spend: TeamSpend,
}

impl<'a> TeamLine<'a> {
    fn of(line: &'a insights::TeamLine) -> Self {
        let said = line.said.as_ref();
        Self {
            name: &line.id,
            title: said.and_then(|team| team.title.as_deref()),
            discovered: said.is_none(),
            origin: line.origin,
            owner: line.owner.as_deref(),
            kind: said.and_then(|team| team.kind.as_deref()),
            people: line.people,
            parent: line.parent.as_ref(),
            department: &line.department,
            channels: said.map_or(&[], |team| team.channels.as_slice()),
            currency: said.and_then(|team| team.currency),
            spend: TeamSpend { own: line.own, with_descendants: line.with_descendants, share: line.share },
        }
    }
}

/// All teams. Σ of their own spend, `unallocated` and `in_pools` is `total`.
#[derive(Serialize, ToSchema)]
#[schema(as = Teams)]
pub struct Teams<'a> {
    #[schema(value_type = Vec<TeamLine>)]
    data: Vec<TeamLine<'a>>,
    /// Everything that was spent.
    #[schema(value_type = Option<Amount>, required)]
    total: Option<Money>,
    /// What no rule claims.
    #[schema(value_type = Option<Amount>, required)]
    unallocated: Option<Money>,
    /// What waits in pools to be split.
    #[schema(value_type = Option<Amount>, required)]
    in_pools: Option<Money>,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// Teams, in the order given.
#[must_use]
pub fn teams_json(teams: &insights::Teams) -> Teams<'_> {
    Teams {
        data: teams.teams.iter().map(TeamLine::of).collect(),
        total: teams.total,
        unallocated: teams.unallocated,
        in_pools: teams.in_pools,
        grounds: Grounds::of(&teams.about),
    }
}

/// A team with all there is to know of it.
#[derive(Serialize, ToSchema)]
pub struct WholeTeam<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    line: TeamLine<'a>,
    /// What is said of it, by the day; null where nothing is.
    #[schema(value_type = Option<Object>, required)]
    definition: Option<&'a Team>,
    /// The teams that are part of it.
    #[schema(value_type = Vec<String>)]
    children: &'a [TeamId],
    /// The components it owns.
    #[schema(value_type = Vec<String>)]
    components: &'a [ComponentId],
}

/// One team.
#[derive(Serialize, ToSchema)]
#[schema(as = TeamDetails)]
pub struct TeamDetails<'a> {
    #[schema(value_type = WholeTeam)]
    data: WholeTeam<'a>,
    /// Everything that was spent, by whomever.
    #[schema(value_type = Option<Amount>, required)]
    total: Option<Money>,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// One team.
#[must_use]
pub fn team_json(report: &insights::TeamReport) -> TeamDetails<'_> {
    TeamDetails {
        data: WholeTeam {
            line: TeamLine::of(&report.team),
            definition: report.team.said.as_ref(),
            children: &report.children,
            components: &report.components,
        },
        total: report.total,
        grounds: Grounds::of(&report.about),
    }
}

/// A component, as it is today.
#[derive(Serialize, ToSchema)]
#[schema(as = Component)]
pub struct ComponentLine<'a> {
    /// Its name.
    #[schema(value_type = String, example = "checkout")]
    name: &'a ComponentId,
    /// Its name for people, where that is another.
    #[schema(required)]
    title: Option<&'a str>,
    /// Whether only charges name it.
    discovered: bool,
    /// Who says what it is: `api`, `file` or `backstage`; null where nobody does.
    #[schema(value_type = Option<String>, required, example = "backstage")]
    origin: Option<Origin>,
    /// The team that owns it.
    #[schema(value_type = Option<String>, required)]
    team: Option<&'a TeamId>,
    /// The environment it runs in, where there is only one.
    #[schema(required)]
    environment: Option<&'a str>,
    /// The system it is part of.
    #[schema(required)]
    system: Option<&'a str>,
    /// Where to read on: titles and their URLs.
    links: BTreeMap<&'a str, &'a str>,
    /// What it cost; null when no charge states the metric.
    #[schema(value_type = Option<Amount>, required)]
    cost: Option<Money>,
    /// That over `total`, half-even at 12 decimals; null of nothing.
    #[schema(value_type = Option<Amount>, required)]
    share: Option<Money>,
}

impl<'a> ComponentLine<'a> {
    fn of(line: &'a insights::ComponentLine) -> Self {
        let said = line.said.as_ref();
        let links = said.into_iter().flat_map(|component| &component.links);
        Self {
            name: &line.id,
            title: said.and_then(|component| component.title.as_deref()),
            discovered: said.is_none(),
            origin: line.origin,
            team: line.team.as_ref(),
            environment: said.and_then(|component| component.environment.as_deref()),
            system: said.and_then(|component| component.system.as_deref()),
            links: links.map(|(title, url)| (title.as_str(), url.as_str())).collect(),
            cost: line.cost,
            share: line.share,
        }
    }
}

/// All components. Σ of their cost and `without_component` is `total`.
#[derive(Serialize, ToSchema)]
#[schema(as = Components)]
pub struct Components<'a> {
    #[schema(value_type = Vec<ComponentLine>)]
    data: Vec<ComponentLine<'a>>,
    /// Everything that was spent.
    #[schema(value_type = Option<Amount>, required)]
    total: Option<Money>,
    /// What was spent on no component.
    #[schema(value_type = Option<Amount>, required)]
    without_component: Option<Money>,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// Components, in the order given.
#[must_use]
pub fn components_json(components: &insights::Components) -> Components<'_> {
    Components {
        data: components.components.iter().map(ComponentLine::of).collect(),
        total: components.total,
        without_component: components.without,
        grounds: Grounds::of(&components.about),
    }
}

/// A component with all there is to know of it.
#[derive(Serialize, ToSchema)]
pub struct WholeComponent<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    line: ComponentLine<'a>,
    /// What is said of it, by the day; null where nothing is.
    #[schema(value_type = Option<Object>, required)]
    definition: Option<&'a Component>,
}

/// One component.
#[derive(Serialize, ToSchema)]
#[schema(as = ComponentDetails)]
pub struct ComponentDetails<'a> {
    #[schema(value_type = WholeComponent)]
    data: WholeComponent<'a>,
    /// Everything that was spent, on whatever.
    #[schema(value_type = Option<Amount>, required)]
    total: Option<Money>,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// One component.
#[must_use]
pub fn component_json(report: &insights::ComponentReport) -> ComponentDetails<'_> {
    ComponentDetails {
        data: WholeComponent { line: ComponentLine::of(&report.component), definition: report.component.said.as_ref() },
        total: report.total,
        grounds: Grounds::of(&report.about),
    }
}
