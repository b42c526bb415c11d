//! `outlay collect`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use outlay_api::wire;
use outlay_catalog::{CatalogError, JobsQuery, Which};
use outlay_collectors::Listed;
use outlay_model::part::Force;
use outlay_model::query::ParameterError;
use outlay_model::{DateRange, Job, JobProgress, JobState, Request, RequestedBy};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::import::{Bar, show};
use super::output::{TextFormat, count, inclusive, print};
use super::table::table;
use crate::app::{App, now};
use crate::config::Source;
use crate::id::new_job;
use crate::pipeline::{self, Link, Progress, Wanted, WantedRates, connect, said, wanted, wanted_rates};
use crate::scheduler::{Stop, holder, work};

#[derive(Debug, clap::Args)]
pub(super) struct CollectArguments {
    /// Which sources [default: all]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Collect what is stated about days from this one on, known or not
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<NaiveDate>,
    /// Up to but not including this one
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<NaiveDate>,
    /// Only show what would be collected
    #[arg(long)]
    dry_run: bool,
    /// Let deliveries in although they are much smaller than their last copies
    #[arg(long)]
    accept_shrink: bool,
    /// Let deliveries in although too many of their lines are rejected
    #[arg(long)]
    accept_rejects: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

impl CollectArguments {
    /// Whether nothing is to change.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    fn request(&self) -> Result<Request, ParameterError> {
        let window = match self.from.zip(self.to) {
            None => None,
            Some((from, to)) => {
                let empty = || ParameterError::new("to", format!("must come after --from {from}: it is not included"));
                Some(DateRange::new(from, to).ok_or_else(empty)?)
            }
        };
        Ok(Request { window, force: Force { shrink: self.accept_shrink, rejects: self.accept_rejects } })
    }
}

pub(super) async fn run(arguments: &CollectArguments, app: &App) -> anyhow::Result<ExitCode> {
    let request = arguments.request()?;
    let sources: Vec<&Source> = if arguments.sources.is_empty() {
        anyhow::ensure!(!app.sources.is_empty(), "there is nothing to collect: the configuration has no [[source]]");
        app.sources.iter().collect()
    } else {
        let asked = arguments.sources.iter().map(|name| app.source(name));
        asked.collect::<anyhow::Result<_>>().map_err(|error| ParameterError::new("SOURCE", error))?
    };
    let stop = stop_on_interrupt();
    let (mut fine, mut data) = (true, Vec::new());
    for source in sources {
        if stop.asked.is_cancelled() {
            fine = false;
            break;
        }
        // One source that cannot be reached keeps no other from being collected.
        match one(arguments, app, source, request, &stop).await {
            Ok((done, said)) => {
                fine &= done;
                data.push(said);
            }
            Err(error) => {
                fine = false;
                eprintln!("outlay: {}: {error:#}", source.name);
            }
        }
    }
    if !arguments.dry_run && !stop.asked.is_cancelled() {
        // What came of each source stands; whose cost it is now is told when it cannot be said.
        let bar = Bar::new();
        let settled = pipeline::settle(app, &stop.asked, &|so_far| bar.settling(so_far)).await;
        bar.0.finish_and_clear();
        let settled = settled?;
        if let Some(trouble) = settled.trouble().filter(|_| !settled.is_done()) {
            eprintln!("outlay: not all charges have the owners they should have: {trouble}");
            fine = false;
        }
    }
    if arguments.format == TextFormat::Json {
        print(&serde_json::to_string_pretty(&json!({ "data": data }))?)?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Collects one source: whether all of it is in, and what came of it for programs. People are told here.
async fn one(
    arguments: &CollectArguments,
    app: &App,
    source: &Source,
    request: Request,
    stop: &Stop,
) -> anyhow::Result<(bool, Value)> {
    let to_people = arguments.format == TextFormat::Table;
    if arguments.dry_run {
        let (text, json) = match connect(app, source, &stop.asked)? {
            Link::Charges(collector) => {
                let wanted = wanted(app, source, collector.as_ref(), &request).await?;
                (plan(source, &wanted), plan_json(source, &wanted))
            }
            Link::Rates(collector) => {
                let wanted = wanted_rates(app, source, collector.as_ref(), &request).await?;
                (rates_plan(source, &wanted), rates_plan_json(source, &wanted))
            }
        };
        if to_people {
            print(&text)?;
        }
        return Ok((true, json));
    }
    let job = done(app, source, request, stop).await?;
    let runs = app.catalog.runs_of(&job.id).await?;
    if to_people && !runs.is_empty() {
        show(app, &runs).await?;
    } else if to_people && job.state == JobState::Done {
        print(&format!("{}: nothing new, {} deliveries are here already", source.name, job.progress.skipped))?;
    }
    if job.state == JobState::Queued {
        eprintln!("outlay: {}: stopped; the next outlay collect or outlay serve goes on", source.name);
    }
    if let Some(message) = &job.message {
        eprintln!("outlay: {}: {message}", source.name);
    }
    let mut said = serde_json::to_value(wire::job_json(&job))?;
    said["runs"] = serde_json::to_value(runs.iter().map(wire::run_json).collect::<Vec<_>>())?;
    Ok((job.state == JobState::Done, said))
}

/// Asks for a source to be collected, and does it, unless another process is at it: then waits for that one.
///
/// # Errors
/// When the catalog fails. What keeps a source from being collected is told by the job.
pub(super) async fn done(app: &App, source: &Source, request: Request, stop: &Stop) -> anyhow::Result<Job> {
    // Only this one: the configuration of whoever serves may have others.
    app.catalog.put_source(&source.described()).await?;
    let wanted = outlay_catalog::Wanted { id: new_job(), source: source.name.clone(), by: RequestedBy::Cli, request };
    let asked = app.catalog.request(&wanted, now()).await?;
    let bar = Arc::new(Bar::new());
    let over = do_or_follow(app, &asked, stop, &bar).await;
    bar.0.finish_and_clear();
    over
}

/// How often a job that another process does is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does the job, unless a server is faster; then waits until that is done.
async fn do_or_follow(app: &App, asked: &Job, stop: &Stop, bar: &Arc<Bar>) -> anyhow::Result<Job> {
    let mut told = false;
    let of_source = JobsQuery { source: Some(asked.source.clone()), before: None };
    loop {
        // What a killed process left behind comes first.
        let latest = app.catalog.jobs(&of_source, 2).await?;
        for job in latest.iter().rev().chain([asked]) {
            let claimed = app.catalog.claim(Which::Only(&job.id), &holder(), now(), now() + app.lease()).await?;
            if let Some(job) = claimed {
                let progress: Arc<dyn Progress> = Arc::<Bar>::clone(bar);
                match work(app, &job, stop, progress).await {
                    Ok(_) => {}
                    Err(lost @ CatalogError::LeaseLost { .. }) => tracing::warn!("{lost}"),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let job = app.catalog.job(&asked.id).await?.context("the job is not known any more")?;
        if job.state.is_over() || stop.asked.is_cancelled() {
            return Ok(job);
        }
        let under_way = app.catalog.jobs(&of_source, 9).await?;
        if let Some(Job { holder: Some(holder), expires_at: Some(until), progress, source, .. }) =
            under_way.iter().find(|job| job.state == JobState::Running)
        {
            let JobProgress { listed, skipped, done, failed } = progress;
            bar.0.set_message(format!("{holder} collects: {} of {listed} deliveries,", skipped + done + failed));
            if !std::mem::replace(&mut told, true) {
                let until = until.format("%H:%M:%S");
                bar.0.suspend(|| {
                    eprintln!(
                        "outlay: {source}: waiting for {holder}, which collects it; if it does not go on, this goes on \
                         after {until} UTC"
                    );
                });
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How long a delivery that cannot be cut off is waited for.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Gives the job back when somebody presses Ctrl-C, and ends at once when he does it again.
fn stop_on_interrupt() -> Stop {
    let stop = Stop { asked: CancellationToken::new(), within: STOP_WITHIN };
    let asked = stop.asked.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            asked.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(1);
        }
    });
    stop
}

fn plan(source: &Source, wanted: &Wanted) -> String {
    let Wanted { window, missing, known, gone } = wanted;
    let days = inclusive(*window);
    let mut text = format!("{} {days}: {} to collect, {} here already", source.name, missing.len(), known.len());
    if !missing.is_empty() {
        let rows = missing.iter().map(|listed| {
            vec![
                format!("  {}", listed.key),
                listed.days.map(inclusive).unwrap_or_default(),
                listed.bytes.map(|bytes| format!("{} kB", count(bytes.div_ceil(1000)))).unwrap_or_default(),
                listed.place.clone(),
            ]
        });
        let header = ["  delivery", "days", "size", "place"].map(ToOwned::to_owned).into();
        text.push_str(&format!("\n{}", table(header, rows.collect(), &[2])));
    }
    text.extend(gone.iter().map(|part| format!("\n  {} is gone from the provider, and would go here", part.delivery)));
    text
}

fn plan_json(source: &Source, wanted: &Wanted) -> Value {
    let listed = |listed: &[Listed]| {
        let each = listed.iter().map(|listed| {
            json!({
                "delivery": listed.key,
                "from": listed.days.map(DateRange::from),
                "to": listed.days.map(DateRange::to),
                "edition": listed.edition,
                "place": listed.place,
                "bytes": listed.bytes,
            })
        });
        each.collect::<Vec<_>>()
    };
    json!({
        "source": source.name,
        "from": wanted.window.from(),
        "to": wanted.window.to(),
        "to_collect": listed(&wanted.missing),
        "here_already": listed(&wanted.known),
        "gone": wanted.gone.iter().map(|part| &part.delivery).collect::<Vec<_>>(),
    })
}

fn rates_plan(source: &Source, wanted: &WantedRates) -> String {
    let WantedRates { window, news, notes, .. } = wanted;
    let new = if news.is_empty() { "nothing new".to_owned() } else { said(news) };
    let text = format!("{} {}: {new}", source.name, inclusive(*window));
    notes.iter().fold(text, |text, note| format!("{text}\n  {note}"))
}

fn rates_plan_json(source: &Source, wanted: &WantedRates) -> Value {
    let WantedRates { window, news, notes, .. } = wanted;
    json!({
        "source": source.name,
        "from": window.from(),
        "to": window.to(),
        "new_days": news.added.iter().map(|fixing| fixing.day).collect::<Vec<_>>(),
        "restated_days": news.restated.iter().map(|fixing| fixing.day).collect::<Vec<_>>(),
        "notes": notes,
    })
}
