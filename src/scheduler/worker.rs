//! Takes jobs on, as many at once as there is room for.

use std::sync::Arc;
use std::time::Duration;

use outlay_catalog::Which;
use outlay_model::{Job, JobProgress, JobState, SourceName};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::work::{Ended, Stop, holder, work};
use crate::app::{App, now};
use crate::pipeline::Quiet;

/// How often to look for jobs that others have asked for, or lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Works until it is asked to stop, and then until what is under way has ended.
pub(super) async fn run(app: App, bell: Arc<Notify>, stop: Stop) {
    let room = app.collect.sources_at_once as usize;
    // Others may be configured where this configuration is older.
    let sources: Vec<SourceName> = app.sources.iter().map(|source| source.name.clone()).collect();
    let mut under_way = JoinSet::new();
    let mut away = false;
    while !stop.asked.is_cancelled() {
        while under_way.len() < room {
            let now = now();
            match app.catalog.claim(Which::Of(&sources), &holder(), now, now + app.lease()).await {
                Ok(Some(job)) => {
                    under_way.spawn(one(app.clone(), job, stop.clone()));
                    away = false;
                }
                Ok(None) => {
                    away = false;
                    break;
                }
                Err(error) => {
                    // Once, not every second.
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(%error, "nothing can be collected until the catalog is back");
                    }
                    break;
                }
            }
        }
        tokio::select! {
            () = stop.asked.cancelled() => {}
            () = bell.notified() => {}
            Some(_) = under_way.join_next() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn one(app: App, job: Job, stop: Stop) {
    let Job { id, source, fence, .. } = &job;
    tracing::info!(%source, job = %id, fence, "collecting");
    match work(&app, &job, &stop, Arc::new(Quiet)).await {
        Ok(Ended { state, progress, message }) => {
            let JobProgress { listed, skipped, done, failed } = progress;
            let said = message.as_deref();
            match state {
                JobState::Failed => {
                    tracing::warn!(%source, job = %id, listed, skipped, done, failed, error = said, "collecting failed");
                }
                JobState::Queued => {
                    tracing::info!(%source, job = %id, listed, skipped, done, "stopped; it is gone on with")
                }
                _ => tracing::info!(%source, job = %id, listed, skipped, done, note = said, "collected"),
            }
        }
        Err(error) => tracing::warn!(%source, job = %id, %error, "left to whoever takes it on next"),
    }
}
