//! Collects sources when their schedules say so, or somebody asks (docs/adr/0009-jobs-are-leases.md).
//!
//! Whatever is to be collected is a job in the catalog. `ticks` adds one when a source's time comes, the API and the
//! command line when somebody wants one; the worker of whichever replica has room takes it on, and goes on giving signs of
//! life until it is done. A replica that is killed, or stands still for too long, loses its jobs to the others and can
//! commit nothing more on their behalf.
//!
//! Invariants: of each source at most one job is under way, whatever the number of replicas; what goes wrong in one
//! source's job ends that job and no other; nothing here decides what is collected.

mod settling;
mod ticks;
mod work;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;

pub use work::{Ended, Stop, holder, work};

/// Collects in the background.
pub struct Scheduler {
    ticks: ticks::Ticks,
    worker: JoinHandle<()>,
    settling: JoinHandle<()>,
    stop: CancellationToken,
}

impl Scheduler {
    /// Makes the configured sources known, and begins to collect them: at once what is overdue, the rest when its time
    /// comes. Jobs that are under way when it is stopped may take `stop_within` to end.
    ///
    /// # Errors
    /// When the catalog fails, or what is configured would be counted twice.
    pub async fn start(app: &App, stop_within: Duration) -> anyhow::Result<Self> {
        app.know_sources().await.context("the sources cannot be collected as they are configured")?;
        let (stop, bell) = (CancellationToken::new(), Arc::new(Notify::new()));
        let ticks = ticks::Ticks::start(app, &bell, &stop).await?;
        let asked = Stop { asked: stop.clone(), within: stop_within };
        let settling = tokio::spawn(settling::run(app.clone(), asked.clone()));
        let worker = tokio::spawn(worker::run(app.clone(), bell, asked));
        Ok(Self { ticks, worker, settling, stop })
    }

    /// Takes nothing on any more, and asks what is under way to end.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until what was under way has ended or been given back.
    pub async fn stopped(self) {
        self.stop.cancel();
        self.ticks.stop().await;
        for task in [self.worker, self.settling] {
            if let Err(error) = task.await {
                tracing::error!(%error, "the scheduler did not end as it should");
            }
        }
    }
}
