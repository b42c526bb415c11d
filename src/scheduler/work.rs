//! Doing a job that has been taken on: collect its source, give signs of life, and say what became of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outlay_catalog::CatalogError;
use outlay_model::{Fence, Job, JobProgress, JobState};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::{App, now};
use crate::pipeline::{Collection, Progress, collect};

/// How long a job belongs to a replica that gives no sign of life.
pub const LEASE: chrono::Duration = chrono::Duration::minutes(2);

/// How often a sign of life is given.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// What this process calls itself: which machine, which process.
#[must_use]
pub fn holder() -> String {
    let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let machine = Some(machine.trim()).filter(|name| !name.is_empty()).unwrap_or("outlay");
    format!("{machine}:{}", std::process::id())
}

/// Does a job that was claimed, and ends it; gives it back when `stop` is cancelled. Whatever is wrong with the source is in the
/// job.
///
/// # Errors
/// [`CatalogError::LeaseLost`] when another replica has it by now, or the catalog cannot be told how it ended.
pub async fn work(
    app: &App,
    job: &Job,
    stop: &CancellationToken,
    progress: Arc<dyn Progress>,
) -> Result<(), CatalogError> {
    let fence = job.fence();
    let far = Mutex::new(job.progress);
    // Ends when asked to, or when the lease is lost.
    let stop_here = stop.child_token();
    let watch = |progress| *far.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    let collecting = async {
        let source = app.source(job.source.as_str())?;
        let (fence, stop) = (fence.clone(), stop_here.clone());
        collect(app, &Collection { source, request: job.request, fence, stop, progress, watch: &watch }).await
    };
    let so_far = || *far.lock().unwrap_or_else(PoisonError::into_inner);
    let result = alive(app, &fence, &so_far, &stop_here, collecting).await?;
    let (state, message) = match result {
        Ok(done) if done.stopped => return app.catalog.release_job(&fence, so_far(), now()).await,
        Err(_) if stop.is_cancelled() => return app.catalog.release_job(&fence, so_far(), now()).await,
        Ok(done) => {
            let JobProgress { listed, failed, .. } = done.progress;
            let state = if failed == 0 { JobState::Done } else { JobState::Failed };
            let failed = (failed > 0).then(|| format!("{failed} of {listed} deliveries failed"));
            let said: Vec<String> = failed.into_iter().chain(done.notes).collect();
            (state, Some(said.join("; ")).filter(|said| !said.is_empty()))
        }
        Err(error) => (JobState::Failed, Some(format!("{error:#}"))),
    };
    app.catalog.finish_job(&fence, state, so_far(), message.as_deref(), now()).await
}

/// Waits for the work on a job and gives signs of life until it is done. Stops the work when the job is somebody else's.
async fn alive<T>(
    app: &App,
    fence: &Fence,
    so_far: &dyn Fn() -> JobProgress,
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, CatalogError> {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes at once.
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = ticks.tick() => match app.catalog.renew_job(fence, so_far(), now(), now() + LEASE).await {
                Ok(()) => {}
                Err(lost @ CatalogError::LeaseLost { .. }) => {
                    stop.cancel();
                    // It cannot commit any more; what it has staged is given up in an orderly way.
                    work.await;
                    return Err(lost);
                }
                Err(error) => tracing::warn!(%error, job = %fence.job, "the lease of a job could not be renewed; that is tried again"),
            },
        }
    }
}
