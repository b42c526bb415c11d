//! What is said of ownership, and its changes.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{Changed, Defined, SettlingReport, Stale};
use outlay_model::ownership::{Audited, Definition, Kind, Origin, ValueMap};
use serde::Serialize;
use utoipa::ToSchema;

use super::lists::{List, Page};

/// What is said of a name. The document has one schema for each kind, made from the model's types.
#[derive(Serialize)]
struct DefinitionLine<'a> {
    name: &'a str,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<usize>,
    #[serde(flatten)]
    said: Shape<'a>,
}

/// A map's names are no properties of its own, all else is.
#[derive(Serialize)]
#[serde(untagged)]
enum Shape<'a> {
    Properties(&'a Definition),
    Names { names: &'a ValueMap },
}

fn line(defined: &Defined) -> DefinitionLine<'_> {
    let said = match &defined.definition {
        Definition::Map(names) => Shape::Names { names },
        other => Shape::Properties(other),
    };
    DefinitionLine { name: &defined.name, origin: defined.origin, place: defined.place, said }
}

/// What is said of a name.
pub fn definition_json(defined: &Defined) -> impl Serialize {
    line(defined)
}

/// What is said of names, in the order given.
pub fn definitions_json(defined: &[Defined]) -> impl Serialize {
    List { data: defined.iter().map(line).collect() }
}

#[derive(Serialize)]
struct ChangedLine<'a> {
    data: DefinitionLine<'a>,
    generation: u64,
    settling: bool,
}

/// What is said of a name since a change.
pub fn changed_json(changed: &Changed, defined: &Defined) -> impl Serialize {
    ChangedLine { data: line(defined), generation: changed.generation, settling: changed.settling }
}

/// Nothing is said of a name any more.
#[derive(Serialize, ToSchema)]
pub struct Removed {
    /// The generation since which that is so.
    generation: u64,
    /// Whether charges have other owners than they should have now, or pools another split: that follows in the background.
    settling: bool,
}

/// Nothing is said of a name since a change.
pub fn removed_json(changed: &Changed) -> Removed {
    Removed { generation: changed.generation, settling: changed.settling }
}

/// One change of ownership.
#[derive(Serialize, ToSchema)]
#[schema(as = Audited)]
pub struct AuditLine<'a> {
    /// When.
    at: DateTime<Utc>,
    /// Who made it, such as `api`, `cli` or the file's name.
    #[schema(example = "api")]
    by: &'a str,
    /// What it was about: `team`, `component`, `map`, `pool`, `series` or `rule`.
    #[schema(value_type = String, example = "rule")]
    kind: Kind,
    /// Its name.
    #[schema(example = "network")]
    name: &'a str,
    /// What was said before; null where nothing was.
    #[schema(value_type = Option<Object>, required)]
    before: Option<&'a serde_json::Value>,
    /// What is said since; null where nothing is.
    #[schema(value_type = Option<Object>, required)]
    after: Option<&'a serde_json::Value>,
    /// The generation it holds from.
    generation: u64,
}

/// Changes of ownership, in the order given, and where the next page starts.
pub fn audit_json(changes: &[Audited], next_cursor: Option<String>) -> impl Serialize {
    fn line(change: &Audited) -> AuditLine<'_> {
        let Audited { at, by, kind, name, before, after, generation } = change;
        let (before, after) = (before.as_ref(), after.as_ref());
        AuditLine { at: *at, by, kind: *kind, name, before, after, generation: *generation }
    }
    Page { data: changes.iter().map(line).collect(), next_cursor }
}

/// What came of points that were told.
#[derive(Serialize, ToSchema)]
pub struct PointsTold {
    /// Points in the body.
    points: usize,
    /// The generation they count from.
    generation: u64,
    /// Whether pools are split by them: that follows in the background.
    settling: bool,
}

/// What came of points that were told.
pub fn points_told_json(points: usize, told: &outlay_insights::PointsTold) -> PointsTold {
    PointsTold { points, generation: told.generation, settling: told.settling }
}

/// Points of a series, in the order given.
pub fn points_json<T: Serialize>(points: Vec<T>) -> impl Serialize {
    List { data: points }
}

/// What came of events that were told.
#[derive(Serialize, ToSchema)]
pub struct EventsTold {
    /// Those that were not known yet.
    recorded: u64,
    /// Those that were.
    known: u64,
}

/// What came of events that were told.
pub fn events_told_json(told: &outlay_insights::EventsTold) -> EventsTold {
    EventsTold { recorded: told.recorded, known: told.known }
}

/// How far charges have the owners, and pools the splits, that they should have.
#[derive(Serialize, ToSchema)]
#[schema(as = Settling)]
pub struct SettlingLine<'a> {
    /// The generation of the catalog.
    generation: u64,
    /// The generation up to which every charge has its owner and every pool its split.
    settled: u64,
    /// Whether something is still to be done.
    settling: bool,
    /// Which server is at it, or was when it was last heard of.
    #[schema(required)]
    holder: Option<&'a str>,
    /// When it was last begun.
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When that ended; null while it goes on.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// How far it is, or was when it ended.
    progress: SettlingProgress,
    /// What went wrong the last time it ended. It is tried again.
    #[schema(required)]
    message: Option<&'a str>,
    /// What is to be looked at.
    stale: StaleLine,
    /// What stays as it is, because its charges are kept no longer (`[retention]`).
    expired: StaleLine,
}

/// How far settling is.
#[derive(Serialize, ToSchema)]
pub struct SettlingProgress {
    /// Deliveries whose charges may have another owner.
    parts: u64,
    /// Those that are done.
    parts_done: u64,
    /// Charges in those deliveries.
    charges: u64,
    /// Those that are done.
    charges_done: u64,
    /// The first day of the month that is at work.
    #[schema(required)]
    month: Option<NaiveDate>,
}

/// Deliveries whose charges may have other owners than they should have.
#[derive(Serialize, ToSchema)]
#[schema(as = Stale)]
pub struct StaleLine {
    /// How many.
    parts: u64,
    /// Charges in them.
    charges: u64,
    /// Their first day.
    #[schema(required)]
    from: Option<NaiveDate>,
    /// The day after their last.
    #[schema(required)]
    to: Option<NaiveDate>,
}

impl From<&Stale> for StaleLine {
    fn from(Stale { parts, charges, days }: &Stale) -> Self {
        let (from, to) = (days.map(|days| days.from()), days.map(|days| days.to()));
        Self { parts: *parts, charges: *charges, from, to }
    }
}

/// How far settling is.
pub fn settling_json(report: &SettlingReport) -> SettlingLine<'_> {
    let SettlingReport { settling, stale, expired } = report;
    let progress = settling.progress;
    SettlingLine {
        generation: settling.generation,
        settled: settling.settled,
        settling: !settling.is_settled(),
        holder: settling.holder.as_deref(),
        started_at: settling.started_at,
        finished_at: settling.finished_at,
        progress: SettlingProgress {
            parts: progress.parts,
            parts_done: progress.parts_done,
            charges: progress.charges,
            charges_done: progress.charges_done,
            month: progress.month,
        },
        message: settling.message.as_deref(),
        stale: stale.into(),
        expired: expired.into(),
    }
}
