//! The times of the sources' schedules.
//!
//! Every replica hears of every time, each a little later than another, and says so to the catalog by the time that the
//! schedule names: one of them is given the job. What was missed while nobody ran is caught up with once, at the start.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use outlay_model::SourceName;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use super::work::holder;
use crate::app::{App, now};
use crate::id::new_job;
use crate::schedule::Schedule;

/// How long to wait before the catalog is told again of a time that it could not be told of.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Fires while it lives.
pub(super) struct Ticks {
    timers: JobScheduler,
}

impl Ticks {
    /// Takes up what is overdue, and from then on each time when it comes.
    pub(super) async fn start(app: &App, bell: &Arc<Notify>, stop: &CancellationToken) -> anyhow::Result<Self> {
        let timers = JobScheduler::new().await.context("the timers cannot be made")?;
        for source in app.sources.iter() {
            let outlay_model::Source { name, schedule: Some(text), .. } = source.described() else { continue };
            let schedule = Schedule::parse(&text).with_context(|| format!("{name}: the schedule {text:?}"))?;
            let timer = Timer {
                app: app.clone(),
                late_by: lateness(&name, &schedule, app.collect.jitter_seconds),
                name,
                schedule,
                bell: Arc::clone(bell),
                stop: stop.clone(),
            };
            if let Some(nominal) = timer.schedule.last_until(now()) {
                timer.tick(nominal).await?;
            }
            let timer = Arc::new(timer);
            let job = Job::new_async(text.as_str(), move |_, _| {
                let timer = Arc::clone(&timer);
                Box::pin(async move { timer.fire().await })
            });
            timers
                .add(job.with_context(|| format!("the schedule {text:?}"))?)
                .await
                .context("a timer cannot be set")?;
        }
        timers.start().await.context("the timers cannot be started")?;
        Ok(Self { timers })
    }

    pub(super) async fn stop(mut self) {
        if let Err(error) = self.timers.shutdown().await {
            tracing::warn!(%error, "the timers did not stop");
        }
    }
}

struct Timer {
    app: App,
    name: SourceName,
    schedule: Schedule,
    late_by: Duration,
    bell: Arc<Notify>,
    stop: CancellationToken,
}

impl Timer {
    /// Its time has come. The catalog is told until it has heard, or the next time has come.
    async fn fire(&self) {
        let Some(nominal) = self.schedule.last_until(now()) else { return };
        let mut wait = self.late_by;
        while self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            let Err(error) = self.tick(nominal).await else { return };
            let error = format!("{error:#}");
            if self.schedule.last_until(now()) != Some(nominal) {
                tracing::error!(source = %self.name, error, "a time of the schedule is lost; the next one does for it");
                return;
            }
            tracing::warn!(source = %self.name, error, "the catalog cannot be told to collect; that is tried again");
            wait = TELL_AGAIN;
        }
    }

    async fn tick(&self, nominal: DateTime<Utc>) -> anyhow::Result<()> {
        let job = self.app.catalog.tick(&self.name, nominal, new_job(), now()).await;
        if job.with_context(|| format!("{} cannot be scheduled", self.name))?.is_some() {
            self.bell.notify_one();
        }
        Ok(())
    }
}

/// How long after its time a source is begun: always the same for one source in one replica, so that sources with the same
/// schedule do not all begin at once, nor all replicas ask at once; and little, held against the time between two times.
fn lateness(source: &SourceName, schedule: &Schedule, most_seconds: u32) -> Duration {
    let next = schedule.next_after(now());
    let gap = next.and_then(|next| (schedule.next_after(next)? - next).to_std().ok());
    let most = Duration::from_secs(most_seconds.into()).min(gap.unwrap_or_default() / 10);
    let mut hasher = DefaultHasher::new();
    (source, holder()).hash(&mut hasher);
    Duration::from_millis(hasher.finish() % (most.as_secs() * 1000 + u64::from(most.subsec_millis()) + 1))
}
