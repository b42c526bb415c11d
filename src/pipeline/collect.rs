//! Collects a source: lists what its provider has, leaves out what is here already, and brings the rest, newest first.
//!
//! What is committed stays whatever happens to the rest, so a collection that was cut off goes on where it was.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{Datelike, Months, NaiveDate};
use outlay_catalog::{Rejects, Run, Withdrawal};
use outlay_collectors::http::FetchError;
use outlay_collectors::{
    Checked, CollectError, Collected, Collector, Connect, Context, Delivery, Listed, Listing, RateCollector,
    deliveries, surveys,
};
use outlay_model::part::{Part, RunState};
use outlay_model::{DateRange, DeliveryKey, Fence, JobProgress, Request};
use tokio_util::sync::CancellationToken;

use super::arrive::{Arrival, Origin, arrive, is_whole};
use super::import::{Progress, keep_house};
use super::purse::CatalogPurse;
use crate::app::{App, now};
use crate::config::Source;
use crate::id::new_run;

/// How often a delivery that changes while it is read is started again.
const CHANGES: u32 = 3;

/// A collection that is under way.
pub struct Collection<'a> {
    /// The source.
    pub source: &'a Source,
    /// What is to be collected.
    pub request: Request,
    /// The job it is done for: whoever loses it commits nothing more.
    pub fence: Fence,
    /// Ends it: what is not committed by then is given up.
    pub stop: CancellationToken,
    /// Hears how long a delivery gets on.
    pub progress: Arc<dyn Progress>,
    /// Hears how far it is.
    pub watch: &'a (dyn Fn(JobProgress) + Send + Sync),
}

/// What came of a collection.
#[derive(Debug, Default)]
pub struct Collections {
    /// How far it came.
    pub progress: JobProgress,
    /// The first delivery that failed, and why.
    pub failure: Option<String>,
    /// What else to tell a person.
    pub notes: Vec<String>,
    /// Whether it was stopped before it was done.
    pub stopped: bool,
}

/// What of a source would be collected.
#[derive(Debug)]
pub struct Wanted {
    /// The days asked for.
    pub window: DateRange,
    /// What the provider has and is not here, the newest first.
    pub missing: Vec<Listed>,
    /// Deliveries that are here as the provider states them.
    pub known: Vec<Listed>,
    /// What is here, and the provider has no more.
    pub gone: Vec<Part>,
}

/// What talks to a source, by what it brings.
pub enum Link {
    /// Bills.
    Charges(Arc<dyn Collector>),
    /// Exchange rates.
    Rates(Arc<dyn RateCollector>),
}

impl Link {
    /// Whether the provider answers, and with what.
    ///
    /// # Errors
    /// When it does not, and what to do.
    pub async fn check(&self) -> Result<Checked, CollectError> {
        match self {
            Self::Charges(collector) => collector.check().await,
            Self::Rates(collector) => collector.check().await,
        }
    }
}

/// Connects to a source's provider.
///
/// # Errors
/// When its settings or credentials cannot be read.
pub fn connect(app: &App, source: &Source, stop: &CancellationToken) -> anyhow::Result<Link> {
    let context = Context {
        source: source.name.clone(),
        variables: Arc::clone(&app.variables),
        http: app.http(source, stop)?,
        purse: Arc::new(CatalogPurse { catalog: app.catalog.clone(), source: source.name.clone() }),
        today: now().date_naive(),
        clock: now,
    };
    Ok(match source.kind()?.connect {
        Connect::Charges(connect) => Link::Charges(connect(&source.settings, context)?),
        Connect::Rates(connect) => Link::Rates(connect(&source.settings, context)?),
    })
}

/// Finds out what there is to collect, and collects nothing.
///
/// # Errors
/// When the provider cannot be asked, or the catalog fails.
pub async fn wanted(
    app: &App,
    source: &Source,
    collector: &dyn Collector,
    request: &Request,
) -> anyhow::Result<Wanted> {
    let (today, kind) = (now().date_naive(), source.kind()?);
    let settles = since(today, kind.restates_months);
    let window = request.window.unwrap_or_else(|| since(today, kind.reach_months));
    let Listing { deliveries, complete } =
        collector.deliveries(window).await.context("the provider's deliveries cannot be listed")?;
    let mut wanted = Wanted { window, missing: Vec::new(), known: Vec::new(), gone: Vec::new() };
    let snapshot = app.catalog.snapshot().await?;
    let live: Vec<&Part> = snapshot.all().filter(|part| part.source == source.name).collect();
    for listed in deliveries {
        let part = live.iter().find(|part| part.delivery == listed.key);
        let known = match part {
            Some(part) => is_known(part, &listed, request, settles) && is_whole(app, part).await?,
            None => false,
        };
        if known { &mut wanted.known } else { &mut wanted.missing }.push(listed);
    }
    if complete {
        let listed = |key: &DeliveryKey| wanted.missing.iter().chain(&wanted.known).any(|listed| listed.key == *key);
        let inside =
            |part: &Part| part.days.is_none_or(|days| window.from() <= days.from() && days.to() <= window.to());
        wanted.gone = live.into_iter().filter(|part| !listed(&part.delivery) && inside(part)).cloned().collect();
    }
    Ok(wanted)
}

/// Whether a delivery is here as the provider states it. Where only reading tells, what the provider does not restate any
/// more is. Days that somebody asks for are read again in any case.
fn is_known(part: &Part, listed: &Listed, request: &Request, settles: DateRange) -> bool {
    let unchanged = match (&listed.edition, listed.days) {
        (Some(_), _) => part.edition == listed.edition,
        (None, Some(days)) => days.to() <= settles.from(),
        (None, None) => false,
    };
    unchanged && request.window.is_none()
}

/// Collects. What fails is in its run, and does not keep the rest from being collected.
///
/// # Errors
/// When the provider cannot be asked what there is, or the catalog fails.
pub async fn collect(app: &App, collection: &Collection<'_>) -> anyhow::Result<Collections> {
    super::record::same_history(app).await?;
    match connect(app, collection.source, &collection.stop)? {
        Link::Charges(collector) => bills(app, collection, collector.as_ref()).await,
        Link::Rates(collector) => super::rates::collect(app, collection, collector.as_ref()).await,
    }
}

async fn bills(app: &App, collection: &Collection<'_>, collector: &dyn Collector) -> anyhow::Result<Collections> {
    let Collection { source, request, stop, .. } = collection;
    app.store.probe().await.context("the store cannot be written")?;
    let wanted = tokio::select! {
        wanted = wanted(app, source, collector, request) => wanted?,
        () = stop.cancelled() => return Ok(Collections { stopped: true, ..Collections::default() }),
    };
    let mut done = Collections::default();
    done.progress.listed = (wanted.missing.len() + wanted.known.len()) as u64;
    done.progress.skipped = wanted.known.len() as u64;
    app.metrics.skipped(&source.name, done.progress.skipped);
    (collection.watch)(done.progress);
    let ahead = app.scratch()?;
    collector.expect(&wanted.missing, ahead.path());
    for listed in wanted.missing {
        let run = one(app, collection, collector, &listed).await?;
        app.metrics.delivered(&run);
        match run.state {
            RunState::Committed | RunState::Unchanged => done.progress.done += 1,
            // It is not the delivery's fault.
            _ if stop.is_cancelled() => {}
            _ => {
                done.progress.failed += 1;
                done.failure.get_or_insert_with(|| failure(&listed.key, &run));
            }
        }
        (collection.watch)(done.progress);
        if stop.is_cancelled() {
            done.stopped = true;
            return Ok(done);
        }
    }
    for part in &wanted.gone {
        done.notes.push(gone(app, collection, part).await?);
    }
    if let Err(error) = keep_house(app).await {
        // The bills are in; this is only about what they replaced.
        tracing::warn!(error = format!("{error:#}"), "not all old files could be removed; the next sweep tries again");
    }
    Ok(done)
}

fn failure(key: &DeliveryKey, run: &Run) -> String {
    let refused = run.refused.as_ref().map(|refusal| refusal.reason.as_str());
    format!("{key}: {}", run.message.as_deref().or(refused).unwrap_or("no reason is known"))
}

/// What becomes of a delivery that the provider no longer lists. That is mostly because it keeps them for so long only, so it
/// stays, unless somebody says that it should go.
async fn gone(app: &App, collection: &Collection<'_>, part: &Part) -> anyhow::Result<String> {
    let source = collection.source;
    if !collection.request.force.shrink {
        return Ok(format!(
            "{} is gone from the provider; its {} charges stay: outlay collect {} --accept-shrink takes them out",
            part.delivery, part.rows, source.name
        ));
    }
    let at = now();
    let mut run = Run::started(new_run(), source.name.clone(), source.kind.clone(), at);
    run.job = Some(collection.fence.job.clone());
    run.delivery = Some(part.delivery.clone());
    let said = format!("{} is gone from the provider, and its {} charges with it", part.delivery, part.rows);
    (run.state, run.finished_at, run.message) = (RunState::Committed, Some(at), Some(said.clone()));
    let withdrawal = Withdrawal {
        source: source.name.clone(),
        delivery: part.delivery.clone(),
        part: part.id.clone(),
        run: run.clone(),
        fence: Some(collection.fence.clone()),
        now: at,
    };
    app.catalog.withdraw(&withdrawal).await?;
    Ok(said)
}

/// Brings one delivery. Whatever goes wrong with it is in its run.
async fn one(
    app: &App,
    collection: &Collection<'_>,
    collector: &dyn Collector,
    listed: &Listed,
) -> anyhow::Result<Run> {
    let source = collection.source;
    let mut run = Run::started(new_run(), source.name.clone(), source.kind.clone(), now());
    run.job = Some(collection.fence.job.clone());
    run.delivery = Some(listed.key.clone());
    app.catalog.start_run(&run).await?;
    let id = run.id.clone();
    let scratch = app.scratch()?;
    let arrival = match fetch(app, collection, collector, listed, scratch.path()).await {
        Ok(arrival) => arrival,
        Err(error) => {
            (run.state, run.finished_at, run.message) = (RunState::Failed, Some(now()), Some(format!("{error:#}")));
            app.catalog.finish_run(&run, &Rejects::default()).await?;
            return Ok(run);
        }
    };
    match arrive(app, arrival, run, &collection.progress).await {
        Ok(run) => Ok(run),
        // The run was ended with what went wrong, if the catalog could be reached.
        Err(error) => app.catalog.run(&id).await?.ok_or(error),
    }
}

/// Brings the files of a delivery and surveys them, from the start again where they change meanwhile.
async fn fetch(
    app: &App,
    collection: &Collection<'_>,
    collector: &dyn Collector,
    listed: &Listed,
    scratch: &std::path::Path,
) -> anyhow::Result<Arrival> {
    let mut attempt = 0;
    let collected = loop {
        attempt += 1;
        let folder = scratch.join(attempt.to_string());
        tokio::fs::create_dir(&folder).await.with_context(|| format!("{} cannot be made", folder.display()))?;
        let collected = tokio::select! {
            collected = collector.collect(listed, &folder) => collected,
            () = collection.stop.cancelled() => Err(FetchError::Cancelled.into()),
        };
        match collected {
            Err(CollectError::Fetch(FetchError::Changed { place })) if attempt < CHANGES => {
                tracing::info!(source = %collection.source.name, place, "it changed while it was read; it is read again");
                tokio::fs::remove_dir_all(&folder).await.with_context(|| format!("{} stays", folder.display()))?;
            }
            collected => break collected?,
        }
    };
    let Collected { format, files, raw, provisional, notes } = collected;
    let (settings, key) = (Arc::clone(&app.settings), listed.key.clone());
    let watcher = Arc::clone(&collection.progress);
    let survey = tokio::task::spawn_blocking(move || -> Result<Vec<Delivery>, CollectError> {
        let surveys = surveys(format, &files, &settings, &|rows| watcher.surveyed(rows))?;
        deliveries(surveys, Some(&key), format, &settings)
    });
    let surveyed = tokio::select! {
        surveyed = survey => surveyed??,
        // It goes on by itself, and nobody hears of it.
        () = collection.stop.cancelled() => return Err(CollectError::from(FetchError::Cancelled).into()),
    };
    // With a key, all files are of one delivery.
    let delivery = surveyed.into_iter().next().with_context(|| format!("{} has no files", listed.place))?;
    let origin = Origin { edition: listed.edition.clone(), raw, provisional, notes };
    let (source, force) = (collection.source.name.clone(), collection.request.force);
    let (fence, stop) = (Some(collection.fence.clone()), collection.stop.clone());
    Ok(Arrival { source, format, delivery, force, origin, fence, stop })
}

/// The days from the first of the month so many months back, through today.
pub(super) fn since(today: NaiveDate, months: u32) -> DateRange {
    let first = today.with_day(1).and_then(|first| first.checked_sub_months(Months::new(months))).unwrap_or(today);
    today.succ_opt().and_then(|to| DateRange::new(first, to)).expect("calendars do not end soon")
}
