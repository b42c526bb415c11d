//! Doing a job that has been taken on: collect its source, give signs of life, and say what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use outlay_catalog::CatalogError;
use outlay_model::{Fence, Job, JobProgress, JobState};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::{App, now};
use crate::pipeline::{Collection, Collections, Progress, collect};

/// How often progress is told, where there is any. A quarter of the lease without is told as well.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What this process calls itself: which machine, which process.
#[must_use]
pub fn holder() -> String {
    let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let machine = Some(machine.trim()).filter(|name| !name.is_empty()).unwrap_or("outlay");
    format!("{machine}:{}", std::process::id())
}

/// How work is asked to end.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Asks for it.
    pub asked: CancellationToken,
    /// How long it may take from then on.
    pub within: Duration,
}

/// What became of a job: it is done, it failed, or it waits for whoever goes on with it.
#[derive(Debug)]
pub struct Ended {
    /// Which of these.
    pub state: JobState,
    /// How far it came.
    pub progress: JobProgress,
    /// What to tell a person.
    pub message: Option<String>,
}

/// Does a job that was claimed, and ends it; gives it back when it is asked to stop. Whatever is wrong with the source is in
/// the job.
///
/// # Errors
/// [`CatalogError::LeaseLost`] when another replica has it by now, or may have it any moment; or the catalog cannot be told
/// how it ended, and it is taken on again once its lease has ended.
pub async fn work(app: &App, job: &Job, stop: &Stop, progress: Arc<dyn Progress>) -> Result<Ended, CatalogError> {
    let fence = job.fence();
    let begun = Instant::now();
    let (collected, so_far) = match collecting(app, job, stop, progress).await? {
        (Some(collected), so_far) => (collected, so_far),
        // What it does cannot be cut off. Without its job it commits nothing.
        (None, so_far) => return give_back(app, &fence, so_far).await,
    };
    app.metrics.collected(&job.source, begun.elapsed());
    let (state, message) = match collected {
        Ok(done) if done.stopped => return give_back(app, &fence, so_far).await,
        Err(_) if stop.asked.is_cancelled() => return give_back(app, &fence, so_far).await,
        Ok(done) => {
            let JobProgress { listed, failed, .. } = done.progress;
            let state = if failed == 0 { JobState::Done } else { JobState::Failed };
            let failed = done.failure.map(|first| format!("{failed} of {listed} deliveries failed; {first}"));
            let said: Vec<String> = failed.into_iter().chain(done.notes).collect();
            (state, Some(said.join("; ")).filter(|said| !said.is_empty()))
        }
        Err(error) => (JobState::Failed, Some(format!("{error:#}"))),
    };
    app.catalog.finish_job(&fence, state, so_far, message.as_deref(), now()).await?;
    Ok(Ended { state, progress: so_far, message })
}

async fn give_back(app: &App, fence: &Fence, progress: JobProgress) -> Result<Ended, CatalogError> {
    app.catalog.release_job(fence, progress, now()).await?;
    Ok(Ended { state: JobState::Queued, progress, message: None })
}

/// Collects and gives signs of life meanwhile. What came of it, or nothing when its time to stop is over; and how far it is.
/// It is a task of its own: should it panic, this job has failed and no other.
async fn collecting(
    app: &App,
    job: &Job,
    stop: &Stop,
    progress: Arc<dyn Progress>,
) -> Result<(Option<anyhow::Result<Collections>>, JobProgress), CatalogError> {
    let fence = job.fence();
    let (tell, mut so_far) = watch::channel(job.progress);
    // Ends when asked to, or when the lease is lost.
    let stop_here = stop.asked.child_token();
    let mut task = tokio::spawn({
        let (app, job, fence, stop) = (app.clone(), job.clone(), fence.clone(), stop_here.clone());
        async move {
            let source = app.source(job.source.as_str())?;
            let watch = move |progress| {
                tell.send_replace(progress);
            };
            collect(&app, &Collection { source, request: job.request, fence, stop, progress, watch: &watch }).await
        }
    });
    let mut out_of_time = std::pin::pin!(async {
        stop_here.cancelled().await;
        sleep(stop.within).await;
    });
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut lost, mut told_at) = (None, Instant::now());
    let collected = loop {
        tokio::select! {
            collected = &mut task => break Some(collected.context(BROKE_OFF).flatten()),
            () = &mut out_of_time => break None,
            _ = looks.tick(), if lost.is_none() => {
                if told_at.elapsed() < app.lease() / 4 && !so_far.has_changed().unwrap_or_default() {
                    continue;
                }
                told_at = Instant::now();
                let far = *so_far.borrow_and_update();
                match app.catalog.renew_job(&fence, far, now(), now() + app.lease()).await {
                    Ok(()) => {}
                    Err(error @ CatalogError::LeaseLost { .. }) => {
                        // It cannot commit any more; what it has staged is given up in an orderly way.
                        stop_here.cancel();
                        lost = Some(error);
                    }
                    Err(error) => tracing::warn!(
                        %error, job = %fence.job, "the lease of a job could not be renewed; that is tried again"
                    ),
                }
            }
        }
    };
    let far = *so_far.borrow();
    lost.map_or(Ok((collected, far)), Err)
}

const BROKE_OFF: &str = "it broke off, which is a bug: report it, with what the log says";
