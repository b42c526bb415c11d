//! Settles whenever bills or rules have changed, whichever replica or command changed them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::work::Stop;
use crate::app::App;
use crate::pipeline::{Settled, settle};

/// How often to look whether something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When what failed is tried again although nothing has changed.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Settles until it is asked to stop, and then ends what is under way.
pub(super) async fn run(app: App, stop: Stop) {
    // What failed, fails again a second later: it is tried again when something has changed, or after a while.
    let mut failed: Option<(u64, Instant)> = None;
    let mut away = false;
    while !stop.asked.is_cancelled() {
        match app.catalog.settling().await {
            Ok(there) => {
                away = false;
                let is_due =
                    failed.is_none_or(|(generation, at)| generation != there.generation || at.elapsed() >= AGAIN_AFTER);
                if !there.is_settled() && is_due {
                    let done = one(&app, &stop).await;
                    failed = match app.catalog.generation().await {
                        Ok(generation) if !done => Some((generation, Instant::now())),
                        _ => None,
                    };
                }
            }
            Err(error) => {
                // Once, not every second.
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "charges cannot be given their owners until the catalog is back");
                }
            }
        }
        tokio::select! {
            () = stop.asked.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Settles once: whether all is as it should be. It is a task of its own: should it panic, the next one tries.
async fn one(app: &App, stop: &Stop) -> bool {
    let (app, asked) = (app.clone(), stop.asked.clone());
    let mut task = tokio::spawn(async move { settle(&app, &asked, &|_| {}).await });
    let settled = tokio::select! {
        settled = &mut task => settled.context("it broke off, which is a bug").flatten(),
        () = out_of_time(&stop.asked, stop.within) => {
            // What is being written cannot be cut off. Nothing of it counts, and it is swept.
            task.abort();
            return false;
        }
    };
    match settled {
        Ok(settled) => {
            let Settled { parts, charges, unchanged, .. } = settled;
            let is_news = parts + unchanged > 0 || !settled.is_done();
            if parts + unchanged > 0 {
                tracing::info!(parts, charges, unchanged, "charges have their owners");
            }
            if let Some(trouble) = settled.trouble().filter(|_| is_news) {
                tracing::warn!(trouble, "not all charges have the owners they should have");
            }
            settled.is_done()
        }
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "charges could not be given their owners; that is tried again"
            );
            false
        }
    }
}

async fn out_of_time(asked: &CancellationToken, within: Duration) {
    asked.cancelled().await;
    tokio::time::sleep(within).await;
}
