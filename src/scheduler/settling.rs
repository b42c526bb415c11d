//! Settles whenever bills or rules have changed, whichever replica or command changed them.
//!
//! Rules are carried out at once. Where only bills have come in, more of them are likely to follow, and a command that brings
//! them settles at its own end: so that waits for a moment in which nothing changes.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use outlay_model::ownership::Settling;
use tokio_util::sync::CancellationToken;

use super::work::Stop;
use crate::app::App;
use crate::pipeline::{Settled, settle};

/// How often to look whether something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long nothing may have changed before bills are settled.
const CALM: Duration = Duration::from_secs(3);
/// How long they wait for such a moment at most.
const AT_MOST: Duration = Duration::from_secs(30);
/// When what failed is tried again although nothing has changed.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Settles until it is asked to stop, and then ends what is under way.
pub(super) async fn run(app: App, stop: Stop) {
    // What failed, fails again a second later: it is tried again when something has changed, or after a while.
    let mut failed: Option<(u64, Instant)> = None;
    let (mut away, mut changes) = (false, None);
    while !stop.asked.is_cancelled() {
        match app.catalog.settling().await {
            Ok(there) => {
                away = false;
                let is_due =
                    failed.is_none_or(|(generation, at)| generation != there.generation || at.elapsed() >= AGAIN_AFTER);
                if there.is_settled() {
                    changes = None;
                } else if is_due && is_time(&app, &there, &mut changes).await {
                    changes = None;
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

/// What is seen to change.
struct Changes {
    /// Since when something is not settled.
    first: Instant,
    /// The latest generation, and since when it is that.
    latest: (u64, Instant),
}

/// Whether it is time to settle.
async fn is_time(app: &App, there: &Settling, changes: &mut Option<Changes>) -> bool {
    let now = Instant::now();
    let changes = changes.get_or_insert(Changes { first: now, latest: (there.generation, now) });
    if changes.latest.0 != there.generation {
        changes.latest = (there.generation, now);
    }
    let is_calm = changes.latest.1.elapsed() >= CALM || changes.first.elapsed() >= AT_MOST;
    // What keeps this from being read keeps settling from being done as well, and is told there.
    is_calm || app.catalog.snapshot().await.is_ok_and(|snapshot| snapshot.ownership_since > there.settled)
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
