//! `outlay collect`.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_model::part::Force;
use outlay_model::query::ParameterError;
use outlay_model::{DateRange, Request};
use tokio_util::sync::CancellationToken;

use super::import::{Bar, is_in, show};
use super::output::{TextFormat, print};
use crate::app::App;
use crate::config::Source;
use crate::pipeline::{Collection, Progress, Wanted, collect, connect, wanted};

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
    let bar = Arc::new(Bar::new());
    let progress: Arc<dyn Progress> = Arc::<Bar>::clone(&bar);
    let collection = Collection { source, request, stop, progress, watch: &|_| () };
    let done = collect(app, &collection).await;
    bar.0.finish_and_clear();
    let done = done?;
    if done.runs.is_empty() && matches!(arguments.format, TextFormat::Table) {
        print(&format!("{}: nothing new, {} deliveries are here already", source.name, done.progress.skipped))?;
    } else {
        show(app, &done.runs, arguments.format).await?;
    }
    Ok(!done.stopped && done.runs.iter().all(is_in))
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
