//! `outlay sources`: how fresh each source is.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use outlay_api::wire;
use outlay_insights::{SourceDetail, SourceReport};
use outlay_model::query::{ParameterError, days};
use outlay_model::report::Scope;
use outlay_model::{Job, JobState, Role, SourceName, Yields};

use super::import::describe;
use super::output::{TextFormat, count, inclusive, print};
use super::table::table;
use crate::app::{App, now};
use crate::schedule::next_tick;

/// Deliveries of one source that are shown before the rest is only counted.
const SHOWN: usize = 15;

#[derive(Debug, clap::Args)]
pub(super) struct SourcesArguments {
    /// One source, with all there is to know about it [default: a line for each]
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// Of one source, only these days: 2026-10, last_30_days, …
    #[arg(long, requires = "source")]
    period: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

pub(super) async fn run(arguments: &SourcesArguments, app: &App) -> anyhow::Result<ExitCode> {
    make_known(app).await?;
    let now = now();
    let today = now.date_naive();
    let next = |schedule: &str| next_tick(schedule, now);
    if let Some(name) = &arguments.source {
        let range = days(arguments.period.as_deref(), None, None, today)?;
        let detail = app.insights.source(&SourceName::new(name), range, today, &Scope::Company).await?;
        let detail = detail.ok_or_else(|| {
            ParameterError::new("source", format!("there is no source {name:?}; outlay sources lists them"))
        })?;
        return match arguments.format {
            TextFormat::Json => print(&serde_json::to_string_pretty(&wire::source_json(&detail, &next))?),
            TextFormat::Table => print(&one(&detail, now)),
        };
    }
    let sources = app.insights.sources(today, &Scope::Company).await?;
    match arguments.format {
        TextFormat::Json => print(&serde_json::to_string_pretty(&wire::sources_json(&sources, &next))?),
        TextFormat::Table if sources.is_empty() => {
            print("there are no sources yet: add [[source]] to the configuration, or import bills with outlay import")
        }
        TextFormat::Table => print(&all(&sources, now)),
    }
}

/// Sources that nobody has collected yet are sources, too. What is known of the others is left to who collects them.
async fn make_known(app: &App) -> anyhow::Result<()> {
    let known = app.catalog.sources().await?;
    for source in app.sources.iter().filter(|source| known.iter().all(|known| known.source.name != source.name)) {
        app.catalog.put_source(&source.described()).await?;
    }
    Ok(())
}

fn all(sources: &[SourceReport], now: DateTime<Utc>) -> String {
    let header = [
        "source",
        "kind",
        "state",
        "last success",
        "complete until",
        "missing days",
        "deliveries",
        "charges",
        "next (UTC)",
    ];
    let rows = sources.iter().map(|source| {
        vec![
            source.name.to_string(),
            kind(source),
            state(source),
            source.last_success.map(minute).unwrap_or_default(),
            source.complete_until.map(|day| day.to_string()).unwrap_or_default(),
            Some(source.missing_days).filter(|days| *days > 0).map(count).unwrap_or_default(),
            of_bills(source, source.deliveries),
            of_bills(source, source.charges),
            next(source, now).map(minute).unwrap_or_default(),
        ]
    });
    let mut text = table(header.map(ToOwned::to_owned).into(), rows.collect(), &[5, 6, 7]);
    let failed = sources.iter().filter_map(|source| Some((source, failure(source)?)));
    for (place, (source, message)) in failed.enumerate() {
        text.push_str(if place == 0 { "\n\n" } else { "\n" });
        text.push_str(&format!("{}: {message}", source.name));
    }
    text
}

/// A count of what only bills have.
fn of_bills(source: &SourceReport, number: u64) -> String {
    if source.yields() == Yields::Rates && number == 0 { String::new() } else { count(number) }
}

fn one(detail: &SourceDetail, now: DateTime<Utc>) -> String {
    let report = &detail.report;
    let mut text = format!("{}: {}\n", report.name, kind(report));
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("  {name:<15} {value}\n"));
        }
    };
    line("place", report.source.as_ref().map(|source| source.place.clone()));
    line("schedule", report.schedule().map(ToOwned::to_owned));
    line("next", next(report, now).map(minute));
    line("last success", report.last_success.map(minute));
    line("complete until", report.complete_until.map(|day| day.to_string()));
    line("missing days", Some(report.missing_days).filter(|days| *days > 0).map(count));
    if report.yields() == Yields::Charges || report.deliveries > 0 {
        line("deliveries", Some(format!("{}, {} charges", count(report.deliveries), count(report.charges))));
    }
    line(
        "rates",
        report
            .rates
            .map(|rates| format!("{} of {} days, {}", count(rates.quotes), count(rates.days), inclusive(rates.span))),
    );
    if !detail.days.is_empty() {
        text.push_str("\ndays\n");
        let runs = detail.days.iter().map(|run| format!("  {}  {}\n", inclusive(run.days), run.state.as_str()));
        text.extend(runs);
    }
    if !detail.live.is_empty() {
        let header = ["delivery", "charges", "days", "edition"].map(ToOwned::to_owned).into();
        // The newest ones are looked at most.
        let rows = detail.live.iter().rev().take(SHOWN).map(|part| {
            vec![
                part.delivery.to_string(),
                count(part.rows),
                part.days.map(inclusive).unwrap_or_default(),
                part.edition.as_deref().map(short).unwrap_or_default(),
            ]
        });
        text.push_str(&format!("\n{}\n", table(header, rows.collect(), &[1])));
        if let Some(more) = detail.live.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text.push_str(&format!("… and {more} more: --period narrows them, --format json has all\n"));
        }
    }
    if !report.jobs.is_empty() {
        text.push_str("\njobs\n");
        text.extend(report.jobs.iter().map(|job| format!("  {}\n", describe_job(job))));
    }
    if !report.runs.is_empty() {
        text.push_str("\nruns\n");
        for run in &report.runs {
            let lines = describe(run).replace('\n', "\n  ");
            text.push_str(&format!("  {}  {lines}\n", minute(run.started_at)));
        }
    }
    text
}

fn kind(source: &SourceReport) -> String {
    let kind = source.source.as_ref().map_or("imported", |source| source.kind.as_str());
    match source.role() {
        Role::Primary => kind.to_owned(),
        Role::Shadow => format!("{kind}, shadow"),
    }
}

/// What is being done about a source, or was done last.
fn state(source: &SourceReport) -> String {
    match (source.last_job(), &source.source) {
        (Some(job), Some(_)) if source.configured => job.state.as_str().to_owned(),
        (None, Some(_)) if source.configured => "not collected yet".to_owned(),
        (_, Some(_)) => "not configured".to_owned(),
        (_, None) => String::new(),
    }
}

/// Why a source is not as fresh as it should be.
fn failure(source: &SourceReport) -> Option<&str> {
    source.last_over().filter(|job| source.configured && job.state == JobState::Failed)?.message.as_deref()
}

/// A job in a line.
fn describe_job(job: &Job) -> String {
    let progress = &job.progress;
    let at = job.finished_at.or(job.started_at).unwrap_or(job.requested_at);
    let window = job.request.window.map(|days| format!(" {}", inclusive(days))).unwrap_or_default();
    let mut text =
        format!("{}  {}{window}, asked for by {}", minute(at), job.state.as_str(), job.requested_by.as_str());
    if progress.listed > 0 {
        let (skipped, done, failed) = (progress.skipped, progress.done, progress.failed);
        text.push_str(&format!(": {done} collected, {skipped} here already"));
        if failed > 0 {
            text.push_str(&format!(", {failed} failed"));
        }
        match progress.listed.saturating_sub(skipped + done + failed) {
            0 => {}
            left => text.push_str(&format!(", {left} to go")),
        }
    }
    if let Some(message) = &job.message {
        text.push_str(&format!("\n    {message}"));
    }
    text
}

fn next(source: &SourceReport, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    next_tick(source.schedule()?, now)
}

/// A time for people, in UTC as everything is.
fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    const MOST: usize = 24;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
