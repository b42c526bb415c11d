//! A delivery whose files are here: staged, checked, and committed in the place of its last copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::{CatalogError, Commit, Intent, Rejects, Run};
use outlay_collectors::{CollectError, Coverage, Delivery, Format, Normaliser, Settings};
use outlay_ledger::own::RULE_BOOK;
use outlay_ledger::schema::LAYOUT;
use outlay_model::ownership::Ownership;
use outlay_model::part::{Balance, Force, Layer, Part, PartFile, RunState, Versions};
use outlay_model::query::Metric;
use outlay_model::{DateRange, DeliveryKey, Fence, PartId, SourceName};
use outlay_store::{StageSpec, Staged, Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::balance::{RejectedSums, balances};
use super::guards::refusal;
use super::import::Progress;
use super::lease::{LEASE, alive, clear_away};
use crate::app::{App, now};
use crate::id::new_part;

/// A delivery, surveyed, and what is known of where it comes from.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Whose.
    pub source: SourceName,
    /// What its files are.
    pub format: &'static dyn Format,
    /// The delivery.
    pub delivery: Delivery,
    /// What the operator lets in.
    pub force: Force,
    /// Where it comes from.
    pub origin: Origin,
    /// The job it is brought for, where there is one.
    pub fence: Option<Fence>,
    /// Gives it up before it is committed.
    pub stop: CancellationToken,
}

/// What a collector knows of a delivery besides its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// What the provider's listing told this edition by.
    pub edition: Option<String>,
    /// Its file that is kept as it came.
    pub raw: Option<PathBuf>,
    /// Days the provider calls estimated.
    pub provisional: Vec<DateRange>,
    /// What the run should say.
    pub notes: Vec<String>,
}

/// What became of a staged delivery.
enum Outcome {
    Committed,
    Unchanged,
    Refused,
}

/// Stages and commits a delivery for a run that has been started, and ends that run.
///
/// # Errors
/// When the delivery cannot be read or staged, or the catalog or the store fails; the run says so, too.
pub(super) async fn arrive(
    app: &App,
    arrival: Arrival,
    mut run: Run,
    progress: &Arc<dyn Progress>,
) -> anyhow::Result<Run> {
    let mut rejects = Rejects::default();
    let result = stage_and_commit(app, arrival, progress, &mut run, &mut rejects).await;
    run.finished_at = Some(now());
    let failure = match result {
        Ok(Outcome::Committed) => {
            // The bill is in, whatever becomes of its record; the sweeper writes what is missing.
            if let Err(error) = super::record(app).await {
                tracing::warn!(error = format!("{error:#}"), "the commit cannot be recorded in the store yet");
            }
            return Ok(run);
        }
        Ok(Outcome::Unchanged) => {
            run.state = RunState::Unchanged;
            None
        }
        Ok(Outcome::Refused) => {
            run.state = RunState::Refused;
            None
        }
        Err(error) => {
            run.state = RunState::Failed;
            run.message = Some(format!("{error:#}"));
            if let Some(CatalogError::IntentExpired { part }) = error.downcast_ref() {
                let mut files = Store::files_of(&run.source, part);
                files.push(PartFile::new(Layer::Raw, &run.source, part));
                clear_away(app, &files).await;
            }
            Some(error)
        }
    };
    match (give_up(app, &mut run, &rejects).await, failure) {
        (Ok(()), _) => Ok(run),
        (Err(error), None) => Err(error.into()),
        // Most likely for the same reason, and the first one says what it kept from happening.
        (Err(error), Some(failure)) => {
            tracing::warn!(error = error.to_string(), "how the run ended could not be recorded either");
            Err(failure)
        }
    }
}

/// The part was never made live: what was written of it may go.
async fn give_up(app: &App, run: &mut Run, rejects: &Rejects) -> Result<(), CatalogError> {
    if let Some(part) = run.part.take() {
        app.catalog.abandon(&part).await?;
    }
    app.catalog.finish_run(run, rejects).await
}

async fn stage_and_commit(
    app: &App,
    arrival: Arrival,
    progress: &Arc<dyn Progress>,
    run: &mut Run,
    rejects: &mut Rejects,
) -> anyhow::Result<Outcome> {
    let Arrival { source, format, delivery, force, origin, fence, stop } = arrival;
    let last = app.catalog.live_part(&source, &delivery.key).await?;
    if let Some(last) = last.as_ref().filter(|last| last.fingerprint == delivery.fingerprint)
        && is_whole(app, last).await?
    {
        if last.edition != origin.edition {
            app.catalog.note_edition(last, origin.edition).await?;
        }
        return Ok(Outcome::Unchanged);
    }
    refuse_twice(app, &source, &delivery).await?;
    let turn = tokio::select! {
        turn = app.staging.acquire() => turn?,
        () = stop.cancelled() => return Err(CollectError::Stopped.into()),
    };
    let part = new_part();
    let mut files = Store::files_of(&source, &part);
    files.extend(origin.raw.as_ref().map(|_| PartFile::new(Layer::Raw, &source, &part)));
    let expires_at = now() + LEASE;
    let intent =
        Intent { part: part.clone(), run: run.id.clone(), source: source.clone(), files: files.clone(), expires_at };
    app.catalog.intend(&intent).await?;
    run.part = Some(part.clone());

    progress.staging(&delivery.key, delivery.rows);
    let work = Work {
        store: Arc::clone(&app.store),
        settings: Arc::clone(&app.settings),
        format,
        source: source.clone(),
        origin: origin.clone(),
        part: part.clone(),
        files,
        progress: Arc::clone(progress),
        stop,
        started: run.started_at,
        ownership: Arc::clone(&app.catalog.snapshot().await?.ownership),
    };
    let (key, fingerprint) = (delivery.key.clone(), delivery.fingerprint.clone());
    let done =
        alive(app, std::slice::from_ref(&part), tokio::task::spawn_blocking(move || work.stage(&delivery))).await?;
    drop(turn);
    let held = app.catalog.renew(&part, now() + LEASE).await;
    if let Err(expired @ CatalogError::IntentExpired { .. }) = held {
        // Its files may be gone by now, and whatever staging says of them is beside the point.
        return Err(expired.into());
    }
    let done = done.context("the delivery cannot be staged")?;
    held?;
    *rejects = done.rejects;
    run.rows = done.part.rows;
    run.rejected = rejects.rows();
    run.unpriced = rejects.unpriced();
    run.repairs = done.repairs;

    run.refused = refusal(&app.guard, force, &done.part, last.as_ref(), rejects);
    if run.refused.is_some() {
        return Ok(Outcome::Refused);
    }
    let published = alive(app, std::slice::from_ref(&part), app.store.publish(&done.part.files)).await;
    published.context("the delivery cannot be brought to the store")?;
    let at = now();
    let replaced = last.as_ref().map(|last| format!("replaces {} charges", last.rows));
    let said: Vec<String> = replaced.into_iter().chain(origin.notes).collect();
    let message = Some(said.join("; ")).filter(|said| !said.is_empty());
    let committed = Run { state: RunState::Committed, finished_at: Some(at), message, ..run.clone() };
    let commit = Commit {
        part: done.part,
        run: committed.clone(),
        balances: done.balances,
        rejects: rejects.clone(),
        days: done.days,
        replaces: last.map(|last| last.id),
        fence,
        now: at,
    };
    let mut committing = app.catalog.commit(commit.clone()).await;
    if committing.as_ref().is_err_and(CatalogError::is_retryable) {
        // Perhaps only the answer got lost. To commit again what is committed changes nothing.
        committing = app.catalog.commit(commit).await;
    }
    match committing {
        Ok(_) => {
            *run = committed;
            Ok(Outcome::Committed)
        }
        // Somebody else was faster. If they brought the same, there is nothing left to do.
        Err(CatalogError::Superseded { .. }) if is_live(app, &source, &key, &fingerprint).await? => {
            Ok(Outcome::Unchanged)
        }
        Err(error) => Err(error.into()),
    }
}

async fn is_live(app: &App, source: &SourceName, key: &DeliveryKey, fingerprint: &str) -> anyhow::Result<bool> {
    let live = app.catalog.live_part(source, key).await?;
    Ok(live.is_some_and(|live| live.fingerprint == fingerprint))
}

/// Whether the store still has the part's files. One that was lost there comes back by importing the bill again.
pub(super) async fn is_whole(app: &App, part: &Part) -> anyhow::Result<bool> {
    let folders: BTreeSet<&str> = part.files.iter().filter_map(|file| Some(file.path.rsplit_once('/')?.0)).collect();
    let mut there = BTreeSet::new();
    for folder in folders {
        there.extend(app.store.list(folder).await?);
    }
    Ok(part.files.iter().all(|file| there.contains(&file.path)))
}

/// The same file under two deliveries would be counted twice (P4).
async fn refuse_twice(app: &App, source: &SourceName, delivery: &Delivery) -> anyhow::Result<()> {
    let snapshot = app.catalog.snapshot().await?;
    let others = snapshot.all().filter(|part| part.source == *source && part.delivery != delivery.key);
    match others.into_iter().find(|part| !part.contents.is_disjoint(&delivery.contents)) {
        None => Ok(()),
        Some(part) => anyhow::bail!(
            "a file of this delivery is live already, as {source} {}: import it under that key, or not at all",
            part.delivery
        ),
    }
}

/// Everything a blocking thread needs to stage a delivery.
struct Work {
    store: Arc<Store>,
    settings: Arc<Settings>,
    format: &'static dyn Format,
    source: SourceName,
    origin: Origin,
    part: PartId,
    files: Vec<PartFile>,
    progress: Arc<dyn Progress>,
    stop: CancellationToken,
    started: DateTime<Utc>,
    /// Whose cost is whose. Where that changes before the part is live, settling mends it.
    ownership: Arc<Ownership>,
}

/// A staged delivery, ready for its guards.
struct Done {
    part: Part,
    balances: Vec<Balance>,
    days: Vec<outlay_model::part::DaySum>,
    rejects: Rejects,
    repairs: outlay_model::part::Repairs,
}

/// A batch that could not be read or written.
#[derive(Debug, thiserror::Error)]
enum StageError {
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Work {
    fn stage(&self, delivery: &Delivery) -> anyhow::Result<Done> {
        let spec = StageSpec {
            part: self.part.clone(),
            source: self.source.clone(),
            delivery: delivery.key.clone(),
            fingerprint: delivery.fingerprint.clone(),
            columns: delivery.columns.clone(),
            tag_keys: delivery.tag_keys.clone(),
        };
        // On which days its charges are shows when they have been read.
        let book = self.ownership.book(DateRange::ALWAYS);
        let mut stage = self.store.stage(spec, &book, delivery.more_tags)?;
        let mut normaliser = Normaliser::new(delivery, &self.settings);
        let (mut rejects, mut rejected) = (Rejects::default(), RejectedSums::default());
        // Reading and writing each keep a core busy; a batch waits between them at most.
        let (send, batches) = sync_channel(1);
        let stage = std::thread::scope(|scope| -> Result<_, StageError> {
            let writing = scope.spawn(move || -> Result<_, StoreError> {
                batches.into_iter().try_for_each(|charges| stage.write(charges))?;
                Ok(stage)
            });
            let read = self.format.normalise(&mut normaliser, &mut |batch| {
                if self.stop.is_cancelled() {
                    return Err(CollectError::Stopped);
                }
                let rows = (batch.charges.height() + batch.rejects.len()) as u64;
                for reject in batch.rejects {
                    rejected.add(&reject);
                    rejects.push(reject);
                }
                send.send(batch.charges).map_err(|_| CollectError::Stopped)?;
                self.progress.staged(rows);
                Ok(())
            });
            drop(send);
            // Where writing failed, that is why reading stopped.
            let stage = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(read.map(|()| stage)?)
        })?;
        let staged = stage.finish(&self.settings.tags.daily_keys_with(&self.ownership.tag_keys()))?;
        if let (Some(raw), Some(file)) = (&self.origin.raw, self.files.iter().find(|file| file.layer == Layer::Raw)) {
            self.store.keep(file, raw)?;
        }
        let magnitude = normaliser.magnitude.iter().map(|(metric, sum)| {
            let sum = sum.with_context(|| format!("Σ|{}| is beyond 20 digits before the point", metric.column()))?;
            Ok((*metric, sum))
        });
        let magnitude = magnitude.collect::<anyhow::Result<BTreeMap<Metric, _>>>()?;
        let balances = balances(delivery, &staged, &rejected, &normaliser.rounding);
        Ok(Done {
            part: Part {
                billed: normaliser.billed,
                ..self.part(delivery, &staged, rejects.unpriced(), magnitude, &normaliser.coverage)
            },
            balances,
            days: staged.days,
            rejects,
            repairs: normaliser.repairs,
        })
    }

    fn part(
        &self,
        delivery: &Delivery,
        staged: &Staged,
        unpriced: u64,
        magnitude: BTreeMap<Metric, outlay_model::Money>,
        coverage: &Coverage,
    ) -> Part {
        // A bill without usage (a subscription) covers the days its charges do.
        let covered = if coverage.usage.is_empty() { &coverage.any } else { &coverage.usage };
        Part {
            id: self.part.clone(),
            source: self.source.clone(),
            delivery: delivery.key.clone(),
            fingerprint: delivery.fingerprint.clone(),
            contents: delivery.contents.clone(),
            files: self.files.clone(),
            rows: staged.rows,
            days: staged.span(),
            covered: runs_of_days(covered, self.started.date_naive()),
            billing_periods: staged.billing_periods.clone(),
            currencies: staged.currencies.clone(),
            columns: staged.columns.clone(),
            tag_keys: delivery.tag_keys.clone(),
            daily_tags: staged.daily_tags.clone(),
            more_tags: delivery.more_tags,
            hourly: coverage.hourly,
            magnitude,
            billed: BTreeMap::new(),
            null_rows: staged.null_rows.clone(),
            unpriced,
            versions: Versions {
                format: self.format.kind().to_owned(),
                normaliser: self.format.version(),
                rule_book: RULE_BOOK,
                rules: staged.span().map_or_else(String::new, |days| self.ownership.book(days).fingerprint()),
                layout: LAYOUT,
            },
            bundle: None,
            pool: None,
            edition: self.origin.edition.clone(),
            provisional: self.origin.provisional.clone(),
        }
    }
}

/// Days before today as runs: what is said about a day that is not over is not complete.
fn runs_of_days(days: &BTreeSet<NaiveDate>, today: NaiveDate) -> Vec<DateRange> {
    let mut runs: Vec<DateRange> = Vec::new();
    for day in days.range(..today) {
        let Some(next) = day.succ_opt() else { continue };
        let joined = runs.last().filter(|run| run.to() == *day).and_then(|run| DateRange::new(run.from(), next));
        match joined {
            Some(run) => {
                runs.pop();
                runs.push(run);
            }
            None => runs.extend(DateRange::new(*day, next)),
        }
    }
    runs
}
