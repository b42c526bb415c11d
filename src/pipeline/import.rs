//! Imports bills that lie on disk.

use std::sync::Arc;

use anyhow::Context;
use outlay_catalog::{Rejects, Run};
use outlay_collectors::{CollectError, Delivery, Format, deliveries, input, surveys};
use outlay_model::ownership::SettlingProgress;
use outlay_model::part::RunState;
use outlay_model::{DeliveryKey, SourceName};
use tokio_util::sync::CancellationToken;

use super::arrive::{Arrival, Origin, arrive};
use crate::app::{App, now};
use crate::id::new_run;

pub use outlay_model::part::Force;

/// Bills to import.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Whose they are.
    pub source: SourceName,
    /// What they are.
    pub format: &'static dyn Format,
    /// Files, folders and patterns.
    pub files: Vec<String>,
    /// What a later import of them replaces; by default their main billing period.
    pub delivery: Option<DeliveryKey>,
    /// What the operator lets in.
    pub force: Force,
}

/// Hears how long work gets on. Called from the threads that do it.
pub trait Progress: Send + Sync {
    /// So many rows were surveyed.
    fn surveyed(&self, rows: u64);
    /// A delivery of so many rows is being staged.
    fn staging(&self, key: &DeliveryKey, rows: u64);
    /// So many of them are done.
    fn staged(&self, rows: u64);
    /// Charges get the owners they should have by now; so far it is.
    fn settling(&self, _so_far: &SettlingProgress) {}
}

/// Nobody watches.
pub struct Quiet;

impl Progress for Quiet {
    fn surveyed(&self, _rows: u64) {}
    fn staging(&self, _key: &DeliveryKey, _rows: u64) {}
    fn staged(&self, _rows: u64) {}
}

/// Imports the bills, delivery by delivery, and gives the run of each. A delivery that is refused or fails does not stop
/// the others.
///
/// # Errors
/// When the files cannot be told apart into deliveries, or the catalog fails.
pub async fn import(app: &App, request: &ImportRequest, progress: Arc<dyn Progress>) -> anyhow::Result<Vec<Run>> {
    let files = input::find(&request.files)?;
    super::record::same_history(app).await?;
    app.store.probe().await.context("the store cannot be written")?;
    let (settings, format) = (Arc::clone(&app.settings), request.format);
    let (key, watcher) = (request.delivery.clone(), Arc::clone(&progress));
    let survey = tokio::task::spawn_blocking(move || -> Result<Vec<Delivery>, CollectError> {
        let surveys = surveys(format, &files, &settings, &|rows| watcher.surveyed(rows))?;
        deliveries(surveys, key.as_ref(), format, &settings)
    });
    let deliveries = match survey.await? {
        Ok(deliveries) => deliveries,
        Err(error) => {
            // Nothing can be told apart into deliveries, but that somebody tried is worth knowing.
            let mut run = Run::started(new_run(), request.source.clone(), format.kind().to_owned(), now());
            app.catalog.start_run(&run).await?;
            let error = anyhow::Error::from(error);
            (run.state, run.finished_at, run.message) = (RunState::Failed, Some(now()), Some(format!("{error:#}")));
            app.catalog.finish_run(&run, &Rejects::default()).await?;
            return Err(error);
        }
    };
    let mut runs = Vec::new();
    for delivery in deliveries {
        let mut run = Run::started(new_run(), request.source.clone(), format.kind().to_owned(), now());
        run.delivery = Some(delivery.key.clone());
        app.catalog.start_run(&run).await?;
        let arrival = Arrival {
            source: request.source.clone(),
            format,
            delivery,
            force: request.force,
            origin: Origin::default(),
            fence: None,
            stop: CancellationToken::new(),
        };
        runs.push(arrive(app, arrival, run, &progress).await?);
    }
    settled(app, &*progress).await;
    if let Err(error) = keep_house(app).await {
        // The bills are in; this is only about what they replaced.
        tracing::warn!(error = format!("{error:#}"), "not all old files could be removed; the next import tries again");
    }
    Ok(runs)
}

/// The bills are in with the owners that held when they were read; what follows from them, or changed meanwhile, is settled.
async fn settled(app: &App, progress: &dyn Progress) {
    match super::settle(app, &CancellationToken::new(), &|so_far| progress.settling(so_far)).await {
        Ok(settled) => {
            if let Some(trouble) = settled.trouble().filter(|_| !settled.is_done()) {
                tracing::warn!(trouble, "not all charges have the owners they should have");
            }
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "charges could not be given their owners; the next import or outlay serve tries again"
            );
        }
    }
}

pub(super) async fn keep_house(app: &App) -> anyhow::Result<()> {
    super::keep_in_shape(app).await?;
    super::sweep(app).await?;
    Ok(())
}
