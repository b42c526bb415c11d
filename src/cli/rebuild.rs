//! `outlay rebuild`.

use std::process::ExitCode;
use std::sync::Arc;

use outlay_model::part::{Layer, RunState};
use outlay_model::{DateRange, SourceName};
use tokio_util::sync::CancellationToken;

use super::import::{Bar, describe, is_in};
use super::output::{count, print};
use crate::app::{App, now};
use crate::pipeline::{self, Progress, Stale, Which};

#[derive(Debug, clap::Args)]
pub(super) struct RebuildArguments {
    /// Only deliveries with charges in this period, such as 2026-10
    #[arg(long, value_name = "PERIOD", value_parser = |text: &str| DateRange::parse_period(text, now().date_naive()))]
    period: Option<DateRange>,
    /// Only this source
    #[arg(long, value_name = "NAME", value_parser = |text: &str| SourceName::parse(text))]
    source: Option<SourceName>,
}

pub(super) async fn run(arguments: &RebuildArguments, app: &App) -> anyhow::Result<ExitCode> {
    let which = Which { source: arguments.source.clone(), days: arguments.period };
    let stale = pipeline::stale(app, &which).await?;
    let lost = pipeline::lost_transfers(app).await?;
    if stale.is_empty() && lost.is_empty() {
        return print("nothing is stale");
    }
    let bar: Arc<dyn Progress> = Arc::new(Bar::new());
    let mut failed = false;
    for (part, kind) in stale {
        let name = format!("{} {}", part.source, part.delivery);
        match kind {
            Stale::Charges if part.files(Layer::Raw).next().is_none() => print(&format!("{name}: {}", STALE_CHARGES))?,
            Stale::Charges => match pipeline::reread(app, &part, &bar).await {
                Ok(run) => {
                    failed |= !is_in(&run);
                    print(&describe(&run))?
                }
                Err(error) => {
                    failed = true;
                    print(&format!("{name}: failed: {error:#}"))?
                }
            },
            Stale::Daily => match pipeline::rebuild(app, &part).await {
                Ok(run) if run.state == RunState::Committed => {
                    print(&format!("{name}: rolled up anew, {} charges", count(run.rows)))?
                }
                Ok(_) => print(&format!(
                    "{name}: was restated or given other files meanwhile; run it again if outlay check still names it"
                ))?,
                Err(error) => {
                    failed = true;
                    print(&format!("{name}: failed: {error:#}"))?
                }
            },
        };
    }
    for part in &lost {
        print(&format!("{} {}: its transfers are made anew", part.source, part.delivery))?;
    }
    pipeline::forget_transfers(app, lost).await?;
    // What was read anew may have other owners, and pools are split by what there is now.
    if let Some(trouble) = pipeline::settle(app, &CancellationToken::new(), &|_| {}).await?.trouble() {
        failed = true;
        print(&format!("not all charges have the owners they should have: {trouble}"))?;
    }
    pipeline::sweep(app).await?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What to do about charges that an older version read.
pub(super) const STALE_CHARGES: &str =
    "its charges were read by an older version: import or collect the bill again to have them as this one reads them";
