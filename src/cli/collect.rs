//! `outlay collect`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use outlay_catalog::Which;
use outlay_model::part::Force;
use outlay_model::query::ParameterError;
use outlay_model::{DateRange, Job, JobProgress, JobState, Request, RequestedBy};
use tokio_util::sync::CancellationToken;

use super::import::{Bar, show};
use super::output::{TextFormat, print};
use crate::app::{App, now};
use crate::config::Source;
use crate::id::new_job;
use crate::pipeline::{Progress, Wanted, connect, wanted};
use crate::scheduler::{LEASE, holder, work};

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
        arguments.sources.iter().map(|name| app.source(name)).collect::<anyhow::Result<_>>()?
    };
    app.know_sources().await?;
    let mut fine = true;
    for source in sources {
        // One source that cannot be reached keeps no other from being collected.
        match one(arguments, app, source, request).await {
            Ok(done) => fine &= done,
            Err(error) => {
                fine = false;
                eprintln!("outlay: {}: {error:#}", source.name);
            }
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn one(arguments: &CollectArguments, app: &App, source: &Source, request: Request) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    if arguments.dry_run {
        let collector = connect(app, source, &stop)?;
        print(&plan(source, &wanted(app, source, collector.as_ref(), &request).await?))?;
        return Ok(true);
    }
    let wanted = outlay_catalog::Wanted { id: new_job(), source: source.name.clone(), by: RequestedBy::Cli, request };
    let asked = app.catalog.request(&wanted, now()).await?;
    let bar = Arc::new(Bar::new());
    stop_on_interrupt(stop.clone());
    let over = do_or_follow(app, &asked, &stop, &bar).await;
    bar.0.finish_and_clear();
    let job = over?;
    let runs = app.catalog.runs_of(&job.id).await?;
    if runs.is_empty() && job.state == JobState::Done && matches!(arguments.format, TextFormat::Table) {
        print(&format!("{}: nothing new, {} deliveries are here already", source.name, job.progress.skipped))?;
    } else {
        show(app, &runs, arguments.format).await?;
    }
    if job.state == JobState::Queued {
        eprintln!("outlay: {}: stopped; the next outlay collect or outlay serve goes on", source.name);
    }
    if let Some(message) = &job.message {
        eprintln!("outlay: {}: {message}", source.name);
    }
    Ok(job.state == JobState::Done)
}

/// How often a job that another process does is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does the job, unless a server is faster; then waits until that is done.
async fn do_or_follow(app: &App, asked: &Job, stop: &CancellationToken, bar: &Arc<Bar>) -> anyhow::Result<Job> {
    loop {
        // What a killed process left behind comes first.
        let latest = app.catalog.jobs(Some(&asked.source), 2).await?;
        for job in latest.iter().rev().chain([asked]) {
            let claimed = app.catalog.claim(Which::Only(&job.id), &holder(), now(), now() + LEASE).await?;
            if let Some(job) = claimed {
                let progress: Arc<dyn Progress> = Arc::<Bar>::clone(bar);
                work(app, &job, stop, progress).await?;
            }
        }
        let job = app.catalog.job(&asked.id).await?.context("the job is not known any more")?;
        if job.state.is_over() || stop.is_cancelled() {
            return Ok(job);
        }
        if let Some(holder) = &job.holder {
            let JobProgress { listed, skipped, done, failed } = job.progress;
            bar.0.set_message(format!("{holder} collects: {} of {listed} deliveries,", skipped + done + failed));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Gives the job back when somebody presses Ctrl-C.
fn stop_on_interrupt(stop: CancellationToken) {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
}

fn plan(source: &Source, wanted: &Wanted) -> String {
    let Wanted { window, missing, known, gone } = wanted;
    let mut text = vec![format!(
        "{} {}..{}: {} to collect, {} here already",
        source.name,
        window.from(),
        window.to(),
        missing.len(),
        known.len()
    )];
    text.extend(missing.iter().map(|listed| format!("  {}  {}", listed.key, listed.place)));
    text.extend(gone.iter().map(|part| format!("  {}  is gone from the provider", part.delivery)));
    text.join("\n")
}
