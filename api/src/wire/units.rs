//! What one of something costs, how a team stands among its peers, and what releases did.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights as insights;
use outlay_model::ownership::Event;
use outlay_model::{ComponentId, DateRange, Granularity, Money, TeamId};
use serde::Serialize;
use utoipa::ToSchema;

use super::lists::Page;
use super::{Amount, Grounds};

/// Days, one after the other; the end is exclusive.
#[derive(Serialize, ToSchema)]
#[schema(as = Days)]
pub struct DaysLine {
    /// The first.
    from: NaiveDate,
    /// The day after the last.
    to: NaiveDate,
}

impl From<&DateRange> for DaysLine {
    fn from(days: &DateRange) -> Self {
        Self { from: days.from(), to: days.to() }
    }
}

/// What one of something costs, at one time or over all.
#[derive(Serialize, ToSchema)]
pub struct UnitCostLine {
    /// The start of its bucket; not there where time is not cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    time: Option<DateTime<Utc>>,
    /// The cost; null when no charge states the metric.
    #[schema(value_type = Option<Amount>, required)]
    cost: Option<Money>,
    /// How many: Σ of a series; of people the mean of the days for which their number is stated. Null where nobody states any.
    #[schema(value_type = Option<Amount>, required)]
    units: Option<Money>,
    /// Cost over units, half-even at 12 decimals; null where one of them is not known, or there are no units.
    #[schema(value_type = Option<Amount>, required)]
    unit_cost: Option<Money>,
    /// The days for which nobody states how many.
    unstated: Vec<DaysLine>,
}

impl From<&insights::UnitCostRow> for UnitCostLine {
    fn from(row: &insights::UnitCostRow) -> Self {
        Self {
            time: row.time,
            cost: row.cost,
            units: row.units,
            unit_cost: row.unit_cost,
            unstated: row.unstated.iter().map(Into::into).collect(),
        }
    }
}

/// What one of something costs.
#[derive(Serialize, ToSchema)]
#[schema(as = UnitCost)]
pub struct UnitCost<'a> {
    /// By time; one line where it is not cut.
    data: Vec<UnitCostLine>,
    /// Over all days.
    total: UnitCostLine,
    /// The team; not there for a component.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    team: Option<&'a TeamId>,
    /// The component; not there for a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    component: Option<&'a ComponentId>,
    /// The series that counts the units; null where people are counted.
    #[schema(required)]
    series: Option<&'a str>,
    /// One of what: `person`, or what the series says of itself.
    #[schema(example = "build")]
    unit: &'a str,
    /// How finely time is cut.
    #[schema(example = "month")]
    granularity: &'static str,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// What one of something costs.
#[must_use]
pub fn unit_cost_json<'a>(query: &'a insights::UnitCostQuery, answer: &'a insights::UnitCost) -> UnitCost<'a> {
    let (series, unit) = match &answer.per {
        insights::Per::Person => (None, "person"),
        insights::Per::Unit { series, unit } => (Some(series.as_str()), unit.as_str()),
    };
    let (team, component) = match &query.whose {
        insights::UnitCostOf::Team(team) => (Some(team), None),
        insights::UnitCostOf::Component(component) => (None, Some(component)),
    };
    let whole = (query.granularity == Granularity::Total).then_some(&answer.total);
    UnitCost {
        data: whole.into_iter().chain(&answer.rows).map(Into::into).collect(),
        total: (&answer.total).into(),
        team,
        component,
        series,
        unit,
        granularity: query.granularity.as_str(),
        grounds: Grounds::of(&answer.about),
    }
}

/// A figure of a team among those of its peers.
#[derive(Serialize, ToSchema)]
pub struct AmongPeers {
    /// The team's own.
    #[schema(value_type = Amount)]
    own: Money,
    /// What a quarter of the others is below, to two significant digits.
    #[schema(value_type = Amount)]
    quartile_1: Money,
    /// What half of them is below, likewise.
    #[schema(value_type = Amount)]
    median: Money,
    /// What three quarters of them are below, likewise.
    #[schema(value_type = Amount)]
    quartile_3: Money,
    /// Where the own figure stands: `below_quartile_1`, `quartile_1_to_median`, `median_to_quartile_3` or `above_quartile_3`.
    #[schema(example = "quartile_1_to_median")]
    position: &'static str,
}

impl From<&insights::Among> for AmongPeers {
    fn from(among: &insights::Among) -> Self {
        Self {
            own: among.own,
            quartile_1: among.quartile_1,
            median: among.median,
            quartile_3: among.quartile_3,
            position: among.position.as_str(),
        }
    }
}

/// How a team compares with teams of its kind.
#[derive(Serialize, ToSchema)]
#[schema(as = Peers)]
pub struct Peers<'a> {
    /// The team.
    #[schema(value_type = String)]
    team: &'a TeamId,
    /// The kind of all of them.
    kind: &'a str,
    /// `last_month` or `last_quarter`.
    #[schema(example = "last_month")]
    period: &'static str,
    /// How many others there are.
    others: usize,
    /// The mean size of the team, with its descendants.
    #[schema(value_type = Option<Amount>, required)]
    people: Option<Money>,
    /// The cost of the period, with descendants.
    cost: AmongPeers,
    /// The same for each person.
    cost_per_person: AmongPeers,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// How a team compares with teams of its kind.
#[must_use]
pub fn peers_json<'a>(team: &'a TeamId, period: insights::PeersPeriod, peers: &'a insights::Peers) -> Peers<'a> {
    Peers {
        team,
        kind: &peers.kind,
        period: period.as_str(),
        others: peers.others,
        people: peers.people,
        cost: (&peers.cost).into(),
        cost_per_person: (&peers.cost_per_person).into(),
        grounds: Grounds::of(&peers.about),
    }
}

/// Something that happened to a component.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventLine<'a> {
    /// Which component.
    #[schema(value_type = String, example = "checkout")]
    component: &'a ComponentId,
    /// What happened.
    #[schema(example = "release")]
    kind: &'a str,
    /// What is running from then on.
    #[schema(example = "2.4.0")]
    version: &'a str,
    /// When.
    at: DateTime<Utc>,
    /// Where, when not everywhere.
    #[schema(required)]
    environment: Option<&'a str>,
    /// Where to read on.
    #[schema(required)]
    url: Option<&'a str>,
}

impl<'a> From<&'a Event> for EventLine<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            component: &event.component,
            kind: &event.kind,
            version: &event.version,
            at: event.at,
            environment: event.environment.as_deref(),
            url: event.url.as_deref(),
        }
    }
}

/// Events, in the order given, and where the next page starts.
pub fn events_json(events: &[Event], next_cursor: Option<String>) -> impl Serialize {
    Page { data: events.iter().map(EventLine::from).collect(), next_cursor }
}

/// Days that are held against others.
#[derive(Serialize, ToSchema)]
pub struct WindowLine {
    /// The first; null where there are none.
    #[schema(required)]
    from: Option<NaiveDate>,
    /// The day after the last.
    #[schema(required)]
    to: Option<NaiveDate>,
    /// How many.
    days: u64,
    /// What they cost.
    #[schema(value_type = Option<Amount>, required)]
    cost: Option<Money>,
    /// The same over how many there are, half-even at 12 decimals.
    #[schema(value_type = Option<Amount>, required)]
    cost_per_day: Option<Money>,
}

impl From<&insights::Window> for WindowLine {
    fn from(window: &insights::Window) -> Self {
        Self {
            from: window.days.map(DateRange::from),
            to: window.days.map(DateRange::to),
            days: window.days.map_or(0, DateRange::days),
            cost: window.cost,
            cost_per_day: window.cost_per_day,
        }
    }
}

/// What a release did.
#[derive(Serialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseLine<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    event: EventLine<'a>,
    /// The days before its own.
    before: WindowLine,
    /// The days after its own, up to the next release and as far as they are complete.
    after: WindowLine,
    /// Why there are fewer days after than asked for: `next_release`, or `incomplete_days`; null where there are all.
    #[schema(required, example = "next_release")]
    shortened: Option<&'static str>,
    /// Cost a day after less cost a day before, half-even at 12 decimals.
    #[schema(value_type = Option<Amount>, required)]
    change: Option<Money>,
    /// That over the cost a day before; null where that was nothing.
    #[schema(value_type = Option<Amount>, required)]
    relative_change: Option<Money>,
}

/// What the releases of a component did to its cost.
#[derive(Serialize, ToSchema)]
#[schema(as = Releases)]
pub struct Releases<'a> {
    #[schema(value_type = Vec<ReleaseLine>)]
    data: Vec<ReleaseLine<'a>>,
    /// The component.
    #[schema(value_type = String)]
    component: &'a ComponentId,
    /// How many days before and after were asked for.
    days: u32,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// What the releases of a component did to its cost.
#[must_use]
pub fn releases_json<'a>(query: &'a insights::ReleasesQuery, releases: &'a insights::Releases) -> Releases<'a> {
    let line = |release: &'a insights::Release| ReleaseLine {
        event: (&release.event).into(),
        before: (&release.before).into(),
        after: (&release.after).into(),
        shortened: release.shortened.map(insights::Shortened::as_str),
        change: release.change,
        relative_change: release.relative_change,
    };
    Releases {
        data: releases.releases.iter().map(line).collect(),
        component: &query.component,
        days: query.days,
        grounds: Grounds::of(&releases.about),
    }
}
