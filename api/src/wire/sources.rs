//! Sources, and how fresh each is.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{SourceDetail, SourceReport};
use outlay_model::part::Part;
use outlay_model::report::DayRun;
use outlay_model::{DateRange, DayState, DeliveryKey, PartId, Role, SourceName, Yields};
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::{JobLine, job_json};
use super::lists::List;
use super::runs::{RunLine, run_json};

/// A source, and how fresh it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Source)]
pub struct SourceLine<'a> {
    /// Its name.
    #[schema(value_type = String, example = "aws-prod")]
    name: &'a SourceName,
    /// What it collects; null where its bills were only ever imported.
    #[schema(required, example = "aws_data_export")]
    kind: Option<&'a str>,
    /// What it brings: `charges`, or `rates`: exchange rates, of which no day is missing.
    #[schema(value_type = String, example = "charges")]
    yields: Yields,
    /// `primary`, or `shadow`: reconciled, and in no total.
    #[schema(value_type = String, example = "primary")]
    role: Role,
    /// Whether the configuration names it: only then is it collected.
    configured: bool,
    /// Where its bills are.
    #[schema(required, example = "s3://billing/exports/focus-daily")]
    place: Option<&'a str>,
    /// When it is collected, as a cron expression with seconds, in UTC; null where only on demand.
    #[schema(required, example = "0 15 */6 * * *")]
    schedule: Option<&'a str>,
    /// When that will be next.
    #[schema(required)]
    next_tick: Option<DateTime<Utc>>,
    /// The job it was last asked for, or is at.
    #[schema(value_type = Option<JobLine>, required)]
    last_job: Option<JobLine<'a>>,
    /// When everything was last found to be as the provider states it.
    #[schema(required)]
    last_success: Option<DateTime<Utc>>,
    /// The first day it states.
    #[schema(required)]
    first_day: Option<NaiveDate>,
    /// The last day it states.
    #[schema(required)]
    last_day: Option<NaiveDate>,
    /// The last day up to which it states every day since its first.
    #[schema(required)]
    complete_until: Option<NaiveDate>,
    /// Days without a statement, since its first and, if it is collected, up to yesterday.
    missing_days: u64,
    /// Deliveries that are live.
    deliveries: u64,
    /// Charges in them.
    charges: u64,
    /// The exchange rates it has brought and that hold.
    rates: u64,
}

/// Days that are equally sure.
#[derive(Serialize, ToSchema)]
#[schema(as = DayRun)]
pub struct DayRunLine {
    /// `missing`, `provisional`, `settling` or `final`.
    #[schema(value_type = String, example = "final")]
    state: DayState,
    /// The first of them.
    from: NaiveDate,
    /// The day after the last.
    to: NaiveDate,
}

/// A delivery that is live.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryLine<'a> {
    /// What a later copy of it replaces.
    #[schema(value_type = String, example = "2026-10")]
    delivery: &'a DeliveryKey,
    /// The part that is this copy of it.
    #[schema(value_type = String)]
    part: &'a PartId,
    /// What the provider tells this copy from others by, where it does.
    #[schema(required)]
    edition: Option<&'a str>,
    /// Charges.
    rows: u64,
    /// The first day its charges start on.
    #[schema(required)]
    from: Option<NaiveDate>,
    /// The day after the last.
    #[schema(required)]
    to: Option<NaiveDate>,
    /// The first days of its billing periods.
    #[schema(value_type = Vec<NaiveDate>)]
    billing_periods: &'a BTreeSet<NaiveDate>,
}

/// All there is to know about a source.
#[derive(Serialize, ToSchema)]
pub struct SourceDetails<'a> {
    #[serde(flatten)]
    source: SourceLine<'a>,
    /// How sure its days are, in order. A day before its first has no state, nor has one that is not over.
    days: Vec<DayRunLine>,
    /// What is live of it, by key.
    #[schema(value_type = Vec<DeliveryLine>)]
    live: Vec<DeliveryLine<'a>>,
    /// Its last ten jobs, the newest first.
    #[schema(value_type = Vec<JobLine>)]
    jobs: Vec<JobLine<'a>>,
    /// Its last ten runs, the newest first.
    #[schema(value_type = Vec<RunLine>)]
    runs: Vec<RunLine<'a>>,
}

/// Sources, in the order given.
pub fn sources_json<'a>(
    sources: &'a [SourceReport],
    next_tick: &dyn Fn(&str) -> Option<DateTime<Utc>>,
) -> impl Serialize + use<'a> {
    List { data: sources.iter().map(|source| source_line(source, next_tick)).collect() }
}

/// One source.
pub fn source_json<'a>(
    detail: &'a SourceDetail,
    next_tick: &dyn Fn(&str) -> Option<DateTime<Utc>>,
) -> SourceDetails<'a> {
    SourceDetails {
        source: source_line(&detail.report, next_tick),
        days: detail.days.iter().map(day_run).collect(),
        live: detail.live.iter().map(delivery).collect(),
        jobs: detail.report.jobs.iter().map(job_json).collect(),
        runs: detail.report.runs.iter().map(run_json).collect(),
    }
}

fn source_line<'a>(report: &'a SourceReport, next_tick: &dyn Fn(&str) -> Option<DateTime<Utc>>) -> SourceLine<'a> {
    let schedule = report.schedule();
    SourceLine {
        name: &report.name,
        kind: report.source.as_ref().map(|source| source.kind.as_str()),
        yields: report.yields(),
        role: report.role(),
        configured: report.configured,
        place: report.source.as_ref().map(|source| source.place.as_str()),
        schedule,
        next_tick: schedule.and_then(next_tick),
        last_job: report.last_job().map(job_json),
        last_success: report.last_success,
        first_day: report.stated.map(DateRange::from),
        last_day: report.stated.and_then(|stated| stated.to().pred_opt()),
        complete_until: report.complete_until,
        missing_days: report.missing_days,
        deliveries: report.deliveries,
        charges: report.charges,
        rates: report.rates.map_or(0, |rates| rates.quotes),
    }
}

fn day_run(run: &DayRun) -> DayRunLine {
    DayRunLine { state: run.state, from: run.days.from(), to: run.days.to() }
}

fn delivery(part: &Part) -> DeliveryLine<'_> {
    DeliveryLine {
        delivery: &part.delivery,
        part: &part.id,
        edition: part.edition.as_deref(),
        rows: part.rows,
        from: part.days.map(DateRange::from),
        to: part.days.map(DateRange::to),
        billing_periods: &part.billing_periods,
    }
}
