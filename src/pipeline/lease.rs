//! Signs of life: an intent is a lease, and whoever writes its files renews it.

use outlay_model::PartId;
use outlay_model::part::PartFile;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, now};

/// How long a part that is being staged belongs to a process that gives no sign of life. Longer than clocks of several machines
/// differ, and than a busy catalog keeps anybody waiting; short enough that what a killed import left does not stay for long.
pub(super) const LEASE: chrono::Duration = chrono::Duration::minutes(15);

/// How often a sign of life is given.
const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits for work on parts, and gives signs of life until it is done.
pub(super) async fn alive<T>(app: &App, parts: &[PartId], work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes at once.
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                for part in parts {
                    if let Err(error) = app.catalog.renew(part, now() + LEASE).await {
                        tracing::warn!(%error, "the lease of a part could not be renewed; that is tried again");
                    }
                }
            }
        }
    }
}

/// Removes what was written for an intent that has been swept meanwhile: the catalog has forgotten the names by now.
pub(super) async fn clear_away(app: &App, files: &[PartFile]) {
    for file in files {
        if let Err(error) = app.store.remove(file).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(error, "a file that nobody needs could not be removed; outlay recover would name it");
        }
    }
}
