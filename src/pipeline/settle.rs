//! Settles: makes every charge have the owner, and every pool the split, that it should have by now.
//!
//! It is told by nobody. One row of the catalog says up to which generation all is settled; whoever finds the catalog further on
//! takes it on, looks for what is stale, mends it, and says how far it came. Whatever interrupts it, the next one finds the rest;
//! done twice, it changes nothing. What fails is told, keeps nothing else from being done, and is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use outlay_catalog::CatalogError;
use outlay_model::ownership::{SettlingFence, SettlingProgress};
use outlay_model::part::Part;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::reown::{Far, ToDo, is_superseded, reown, to_do};
use super::share::share;
use crate::app::{App, now};
use crate::scheduler::holder;

/// How often progress is told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often another replica is looked at that is at it.
const WAIT: Duration = Duration::from_millis(100);
/// How long settling belongs to a process that gives no sign of life, at most. Commands wait for it, so what was killed must not
/// keep them long; and should somebody lose it who only stood still, what he does is found done, or is undone.
const LEASE: Duration = Duration::from_secs(15);
/// Bills may be restated while their charges get other owners; each time it is begun anew with what is there then.
const ROUNDS: usize = 8;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Parts whose charges were written again.
    pub parts: u64,
    /// Charges in them that have another owner now, or have it by another rule.
    pub charges: u64,
    /// Parts for which other rules came to the owners that were there.
    pub unchanged: u64,
    /// Parts that keep the owners they had, because their charges are kept no longer.
    pub left: Vec<Part>,
    /// What could not be done, by month.
    pub failed: BTreeMap<NaiveDate, String>,
    /// Months of pools that were split anew.
    pub shared: u64,
    /// Pools that could not be split, with their months and why.
    pub unshared: Vec<String>,
    /// Whether it was stopped before it was done.
    pub stopped: bool,
    /// The generation at which all of it was as it should be but for what failed.
    generation: u64,
}

impl Settled {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.failed.is_empty() && self.unshared.is_empty() && !self.stopped
    }

    /// What a person should know about what was not done.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let mut said: Vec<String> =
            self.failed.iter().map(|(month, why)| format!("{}: {why}", month.format("%Y-%m"))).collect();
        said.extend(self.unshared.iter().cloned());
        if let Some(first) = self.left.first() {
            said.push(format!(
                "{} deliveries, such as {} {}, keep the owners they had: their charges are kept no longer ([retention])",
                self.left.len(),
                first.source,
                first.delivery
            ));
        }
        if self.stopped {
            said.push("it was stopped; it is gone on with".to_owned());
        }
        Some(said.join("; ")).filter(|said| !said.is_empty())
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parts, charges, unchanged, .. } = self;
        write!(
            f,
            "{charges} charges in {parts} deliveries have another owner or rule, {unchanged} deliveries stay as they are"
        )
    }
}

/// Settles, unless there is nothing to settle; where another replica is at it, waits until it has settled what there is now.
/// `watch` hears how far it is, whoever does it.
///
/// # Errors
/// When the catalog fails. What keeps a month from being settled is told in what is given.
pub async fn settle(
    app: &App,
    stop: &CancellationToken,
    watch: &(dyn Fn(&SettlingProgress) + Send + Sync),
) -> anyhow::Result<Settled> {
    let wanted = app.catalog.generation().await?;
    let mut waits_for: Option<String> = None;
    loop {
        let begun = now();
        if let Some(fence) = app.catalog.claim_settling(&holder(), begun, begun + lease(app)).await? {
            if let Some(settled) = at_it(app, &fence, stop, watch).await? {
                return Ok(settled);
            }
            tracing::warn!("another replica has taken settling on");
        }
        let there = app.catalog.settling().await?;
        let stopped = stop.is_cancelled();
        if there.settled >= wanted || stopped {
            return Ok(Settled { stopped, ..Settled::default() });
        }
        if let Some(holder) = there.holder.filter(|holder| waits_for.as_ref() != Some(holder)) {
            tracing::debug!(holder, "waiting for another replica, which gives charges their owners");
            waits_for = Some(holder);
        }
        watch(&there.progress);
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(WAIT) => {}
        }
    }
}

fn lease(app: &App) -> Duration {
    app.lease().min(LEASE)
}

/// Does it, and gives signs of life meanwhile. `None` when another replica has it by now.
async fn at_it(
    app: &App,
    fence: &SettlingFence,
    stop: &CancellationToken,
    watch: &(dyn Fn(&SettlingProgress) + Send + Sync),
) -> anyhow::Result<Option<Settled>> {
    let (far, mut so_far) = watch::channel(SettlingProgress::default());
    let (far, stop_here) = (Arc::new(far), stop.child_token());
    let mut work = std::pin::pin!(rounds(app, &far, &stop_here));
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Beside the work, not between its steps: it may be within a transaction that this one has to wait for.
    let alive = async {
        let mut told_at = Instant::now();
        loop {
            looks.tick().await;
            let changed = so_far.has_changed().unwrap_or_default();
            if !changed && told_at.elapsed() < lease(app) / 4 {
                continue;
            }
            told_at = Instant::now();
            let progress = *so_far.borrow_and_update();
            watch(&progress);
            let at = now();
            match app.catalog.renew_settling(fence, &progress, at, at + lease(app)).await {
                Ok(()) => {}
                Err(CatalogError::SettlingLost { .. }) => {
                    // Whatever is under way is given up in an orderly way; the other one finds it undone.
                    stop_here.cancel();
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease of settling could not be renewed; that is tried again");
                }
            }
        }
    };
    let done = {
        let mut alive = std::pin::pin!(alive);
        tokio::select! {
            done = &mut work => done,
            () = &mut alive => work.await,
        }
    };
    let progress = *so_far.borrow();
    watch(&progress);
    if progress != SettlingProgress::default() {
        // How far it came stays to be seen. Where it is another one's by now, that is told below.
        let at = now();
        if let Err(error) = app.catalog.renew_settling(fence, &progress, at, at + lease(app)).await {
            tracing::warn!(%error, "how far settling came cannot be told");
        }
    }
    let told = match &done {
        // What was not done is not settled.
        Ok(settled) => {
            let generation = if settled.is_done() { settled.generation } else { 0 };
            app.catalog.finish_settling(fence, generation, settled.trouble().as_deref(), now()).await
        }
        Err(error) => app.catalog.finish_settling(fence, 0, Some(&format!("{error:#}")), now()).await,
    };
    match (done, told) {
        (Err(error), _) => Err(error),
        (Ok(_), Err(CatalogError::SettlingLost { .. })) => Ok(None),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(settled), Ok(())) => Ok(Some(settled)),
    }
}

/// Looks for what is stale and mends it, until there is nothing left but what fails.
async fn rounds(app: &App, far: &Far, stop: &CancellationToken) -> anyhow::Result<Settled> {
    let mut settled = Settled::default();
    let mut restated: BTreeMap<NaiveDate, String> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let snapshot = app.catalog.snapshot().await?;
        let ToDo { mut months, left } = to_do(&snapshot);
        months.retain(|month, _| !settled.failed.contains_key(month));
        (settled.left, settled.generation) = (left, snapshot.generation);
        restated.clear();
        if months.is_empty() {
            let shared = share(app, None).await?;
            settled.unshared = shared.failed.iter().map(ToString::to_string).collect();
            settled.shared += shared.recomputed as u64;
            if shared.recomputed == 0 {
                return Ok(settled);
            }
            // Owners may have changed meanwhile, and with them what is shared.
            continue;
        }
        let keys = app.settings.tags.daily_keys_with(&snapshot.ownership.tag_keys());
        let parts = months.values().flatten();
        far.send_modify(|far| {
            far.parts = far.parts_done + parts.clone().count() as u64;
            far.charges = far.charges_done + parts.map(|unsettled| unsettled.part.rows).sum::<u64>();
        });
        // The newest first: that is what people look at.
        for (month, parts) in months.iter().rev() {
            far.send_modify(|far| far.month = Some(*month));
            match reown(app, parts, &keys, far, stop).await {
                Ok(done) => {
                    settled.parts += done.parts;
                    settled.charges += done.charges;
                    settled.unchanged += done.unchanged;
                }
                Err(_) if stop.is_cancelled() => {
                    settled.stopped = true;
                    return Ok(settled);
                }
                Err(error) if is_superseded(&error) => {
                    restated.insert(*month, format!("{error:#}"));
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::error!(month = %month.format("%Y-%m"), error = why, "charges keep their owners; that is tried again");
                    settled.failed.insert(*month, why);
                }
            }
        }
    }
    settled.failed.append(&mut restated);
    // The last round may have left nothing, and did not look.
    let snapshot = app.catalog.snapshot().await?;
    let open: BTreeSet<NaiveDate> = to_do(&snapshot).months.into_keys().collect();
    for month in open {
        settled.failed.entry(month).or_insert_with(|| "its bills are restated all the time".to_owned());
    }
    settled.generation = snapshot.generation;
    let shared = share(app, None).await?;
    settled.unshared = shared.failed.iter().map(ToString::to_string).collect();
    settled.shared += shared.recomputed as u64;
    Ok(settled)
}
