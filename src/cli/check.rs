//! `outlay check`: whether everything is where it should be, and what to do where it is not.

use std::collections::BTreeSet;
use std::process::ExitCode;

use outlay_model::JobState;
use outlay_model::part::Layer;
use outlay_model::report::Scope;
use tokio_util::sync::CancellationToken;

use super::output::{count, print};
use super::rebuild::STALE_CHARGES;
use crate::app::{App, now};
use crate::config::Source;
use crate::pipeline::{self, Stale, Which};

pub(super) async fn run(app: &App) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    let mut fine = true;
    let mut problem = |text: &mut Vec<String>, line: String| {
        fine = false;
        text.push(format!("PROBLEM  {line}"));
    };
    let snapshot = app.catalog.snapshot().await?;
    let (deliveries, charges) = (snapshot.all().count(), snapshot.all().map(|part| part.rows).sum());
    text.push(format!("ok       catalog: {deliveries} deliveries, {} charges", count(charges)));
    let forgotten = pipeline::forgotten(app).await?;
    if forgotten > 0 {
        problem(
            &mut text,
            format!("the store holds the records of {forgotten} commits: outlay recover brings them back"),
        );
    }
    match app.store.probe().await {
        Ok(()) => text.push("ok       store: can be read and written".to_owned()),
        Err(error) => problem(&mut text, format!("store: {:#}", anyhow::Error::from(error))),
    }
    let mut there: BTreeSet<String> = BTreeSet::new();
    for layer in ["charges", "daily", "raw"] {
        there.extend(app.store.list(layer).await?);
    }
    for part in snapshot.all() {
        for file in part.files.iter().filter(|file| !there.contains(&file.path)) {
            let (source, delivery, path) = (&part.source, &part.delivery, &file.path);
            let line = format!(
                "{source} {delivery}: {path} is missing from the store: restore it from a backup, or import the bill again"
            );
            problem(&mut text, line);
        }
    }
    for part in pipeline::lost_transfers(app).await? {
        let (source, month) = (&part.source, &part.delivery);
        problem(
            &mut text,
            format!("{source} {month}: its transfers are missing from the store: outlay rebuild makes them anew"),
        );
    }
    let unrecorded = app.catalog.unrecorded().await?.len();
    if unrecorded > 0 {
        text.push(format!("note     {unrecorded} commits are not recorded in the store yet; the next sweep does it"));
    }
    for (part, stale) in pipeline::stale(app, &Which::default()).await? {
        let what = match stale {
            Stale::Daily => "its daily totals are stale: outlay rebuild",
            Stale::Charges if part.files(Layer::Raw).next().is_some() => {
                "its charges were read by an older version: outlay rebuild reads its kept answers anew"
            }
            Stale::Charges => STALE_CHARGES,
        };
        text.push(format!("stale    {} {}: {what}", part.source, part.delivery));
    }
    for source in app.sources.iter() {
        match ask(app, source).await {
            Ok(notes) => text.extend(notes.iter().map(|note| format!("ok       {}: {note}", source.name))),
            Err(error) => problem(&mut text, format!("{}: {error:#}", source.name)),
        }
    }
    for source in app.insights.sources(now().date_naive(), &Scope::Company).await? {
        let name = &source.name;
        match source.last_over() {
            // Why, also where it would have been counted twice (P4).
            Some(job) if source.configured && job.state == JobState::Failed => {
                let why = job.message.as_deref().unwrap_or("nothing is known of why");
                problem(&mut text, format!("{name}: its last collection failed: {why}"));
            }
            None if source.configured => {
                text.push(format!("note     {name}: not collected yet: outlay collect {name}"))
            }
            _ => {}
        }
    }
    print(&text.join("\n"))?;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a source's provider answers.
async fn ask(app: &App, source: &Source) -> anyhow::Result<Vec<String>> {
    Ok(pipeline::connect(app, source, &CancellationToken::new())?.check().await?.notes)
}
