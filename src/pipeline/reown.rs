//! Gives charges the owners that the rules say by now: the parts of a month together or not at all.
//!
//! A part is *stale* when the rules of its days are others than those it was owned by. Where they come to the same owners, that
//! is only noted. Where they do not, its charges are written again as another part, and one transaction puts the new parts of the
//! month in the place of the old ones: readers see the month as it was, or as it shall be (P3). A bill that is restated
//! meanwhile wins; its new copy is looked at next time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate};
use outlay_catalog::{CatalogError, Intent, Rejects, Reowning, Run, Snapshot};
use outlay_ledger::own::RULE_BOOK;
use outlay_ledger::schema::LAYOUT;
use outlay_model::ownership::{Book, SettlingProgress};
use outlay_model::part::{Layer, Part, RunState, Versions};
use outlay_model::{DateRange, PartId, TagKey};
use outlay_store::{Staged, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lease::{LEASE, alive, clear_away};
use super::reshape::same_sums;
use crate::app::{App, now};
use crate::id::{new_part, new_run};

/// The kind of a run that gives a part's charges other owners.
pub(super) const KIND: &str = "own";

/// A part whose charges may have other owners by now.
#[derive(Debug, Clone)]
pub(super) struct Unsettled {
    /// The part.
    pub part: Part,
    /// The rules of its days.
    book: Book,
    /// Their fingerprint.
    rules: String,
}

/// What is to be looked at.
#[derive(Debug, Default)]
pub(super) struct ToDo {
    /// By the first day of the month that a part begins in.
    pub months: BTreeMap<NaiveDate, Vec<Unsettled>>,
    /// Parts that have the owners of then, because their charges are kept no longer.
    pub left: Vec<Part>,
}

/// What is stale among the live parts.
pub(super) fn to_do(snapshot: &Snapshot) -> ToDo {
    // Most parts of a month have the same days, and so the same rules.
    let mut books: HashMap<DateRange, (Book, String)> = HashMap::new();
    let mut found = ToDo::default();
    for part in snapshot.all() {
        let Some((days, month)) = part.days.and_then(|days| Some((days, days.from().with_day(1)?))) else { continue };
        let (book, rules) = books.entry(days).or_insert_with(|| {
            let book = snapshot.ownership.book(days);
            let rules = book.fingerprint();
            (book, rules)
        });
        if part.versions.rules == *rules && part.versions.rule_book == RULE_BOOK {
            continue;
        }
        if part.files(Layer::Charges).next().is_none() {
            found.left.push(part.clone());
            continue;
        }
        let unsettled = Unsettled { part: part.clone(), book: book.clone(), rules: rules.clone() };
        found.months.entry(month).or_default().push(unsettled);
    }
    found
}

/// What came of a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reowned {
    /// Parts that were written again.
    pub parts: u64,
    /// Charges in them that have another owner now.
    pub charges: u64,
    /// Parts whose charges have the owners they had.
    pub unchanged: u64,
}

/// Hears how far it is.
pub(super) type Far = Arc<watch::Sender<SettlingProgress>>;

/// What is on its way: named in the catalog, and not yet live.
#[derive(Default)]
struct UnderWay {
    parts: Vec<(Part, Part)>,
    noted: Vec<(Part, Part)>,
    intents: Vec<PartId>,
    runs: Vec<Run>,
    done: Reowned,
}

/// Gives the charges of a month's parts their owners. What fails leaves all of them as they were.
///
/// # Errors
/// [`CatalogError::Superseded`] when a part has been replaced or given other files meanwhile; when it is asked to stop; when
/// catalog or store fail, or what was written does not add up.
pub(super) async fn reown(
    app: &App,
    parts: &[Unsettled],
    daily_keys: &[TagKey],
    far: &Far,
    stop: &CancellationToken,
) -> anyhow::Result<Reowned> {
    let mut work = UnderWay::default();
    let mut result = Ok(());
    for unsettled in parts {
        if result.is_ok() {
            result = one(app, unsettled, daily_keys, far, stop, &mut work).await;
        }
    }
    if result.is_ok() {
        result = commit(app, &mut work).await;
    }
    let Err(error) = result else {
        // It is done, whatever becomes of the records; the sweeper writes what is missing.
        if let Err(error) = super::record(app).await {
            tracing::warn!(error = format!("{error:#}"), "charges' other owners cannot be recorded in the store yet");
        }
        return Ok(work.done);
    };
    if let Err(trouble) = give_up(app, work, &error).await {
        // Most likely for the same reason, and the first one says what it kept from happening.
        tracing::warn!(error = trouble.to_string(), "how the runs ended could not be recorded either");
    }
    Err(error)
}

async fn one(
    app: &App,
    unsettled: &Unsettled,
    daily_keys: &[TagKey],
    far: &Far,
    stop: &CancellationToken,
    work: &mut UnderWay,
) -> anyhow::Result<()> {
    let Unsettled { part, book, rules } = unsettled;
    anyhow::ensure!(!stop.is_cancelled(), "it was asked to stop");
    let versions = Versions { rules: rules.clone(), rule_book: RULE_BOOK, ..part.versions.clone() };
    let differing = alive(app, &work.intents, app.store.differing(part, book)).await?;
    if differing == 0 {
        work.noted.push((part.clone(), Part { versions, ..part.clone() }));
        work.done.unchanged += 1;
        far.send_modify(|far| {
            far.parts_done += 1;
            far.charges_done += part.rows;
        });
        return Ok(());
    }
    // One at a time, as everything that is staged.
    let turn = alive(app, &work.intents, app.staging.acquire()).await?;
    let (id, mut run) = (new_part(), Run::started(new_run(), part.source.clone(), KIND.to_owned(), now()));
    run.delivery = Some(part.delivery.clone());
    app.catalog.start_run(&run).await?;
    work.runs.push(run.clone());
    let (files, expires_at) = (Store::files_of(&part.source, &id), now() + LEASE);
    let intent = Intent { part: id.clone(), run: run.id.clone(), source: part.source.clone(), files, expires_at };
    app.catalog.intend(&intent).await?;
    work.intents.push(id.clone());
    let told = {
        let far = Arc::clone(far);
        Arc::new(move |rows| far.send_modify(|far| far.charges_done += rows))
    };
    let staged = alive(app, &work.intents, app.store.own_again(part, &id, book, daily_keys, told)).await?;
    drop(turn);
    if let Err(error) = same_sums(app, part, &staged).await {
        return Err(superseded(app, part).await?.map_or(error, anyhow::Error::from));
    }
    run.rows = staged.rows;
    run.part = Some(id.clone());
    run.message = Some(format!("{differing} of {} charges have another owner, or have it by another rule", part.rows));
    if let Some(last) = work.runs.last_mut() {
        *last = run;
    }
    work.parts.push((part.clone(), written(part, id, versions, staged)));
    work.done.parts += 1;
    work.done.charges += differing;
    far.send_modify(|far| far.parts_done += 1);
    Ok(())
}

/// That a part has been replaced, where it has: then the catalog has the sums of what took its place.
async fn superseded(app: &App, part: &Part) -> Result<Option<CatalogError>, CatalogError> {
    let found = app.catalog.live_part(&part.source, &part.delivery).await?.map(|live| live.id);
    let (source_name, delivery, expected) = (part.source.clone(), part.delivery.clone(), Some(part.id.clone()));
    Ok((found != expected).then_some(CatalogError::Superseded { source_name, delivery, expected, found }))
}

/// The same bill, of which other files say whose it is.
fn written(part: &Part, id: PartId, versions: Versions, staged: Staged) -> Part {
    // What the provider answered is the part's for as long as it is the same bill.
    let kept = part.files.iter().filter(|file| file.layer == Layer::Raw).cloned();
    Part {
        files: Store::files_of(&part.source, &id).into_iter().chain(kept).collect(),
        id,
        columns: staged.columns,
        daily_tags: staged.daily_tags,
        versions: Versions { layout: LAYOUT, ..versions },
        bundle: None,
        ..part.clone()
    }
}

async fn commit(app: &App, work: &mut UnderWay) -> anyhow::Result<()> {
    let at = now();
    for run in &mut work.runs {
        (run.state, run.finished_at) = (RunState::Committed, Some(at));
    }
    let reowning = Reowning {
        parts: work.parts.clone(),
        shared: Vec::new(),
        noted: work.noted.clone(),
        intents: work.intents.clone(),
        runs: work.runs.clone(),
        now: at,
    };
    let mut committing = app.catalog.reown(&reowning).await;
    if committing.as_ref().is_err_and(CatalogError::is_retryable) {
        // Perhaps only the answer got lost. To commit again what is committed changes nothing.
        committing = app.catalog.reown(&reowning).await;
    }
    committing?;
    Ok(())
}

/// Nothing was made live: what was written may go.
async fn give_up(app: &App, work: UnderWay, why: &anyhow::Error) -> Result<(), CatalogError> {
    let superseded = is_superseded(why);
    let gone: BTreeSet<&PartId> = match why.downcast_ref() {
        // The catalog has forgotten the names of this one by now.
        Some(CatalogError::IntentExpired { part }) => [part].into(),
        _ => BTreeSet::new(),
    };
    for (_, after) in work.parts.iter().filter(|(_, after)| gone.contains(&after.id)) {
        clear_away(app, &Store::files_of(&after.source, &after.id)).await;
    }
    for part in &work.intents {
        app.catalog.abandon(part).await?;
    }
    for mut run in work.runs {
        run.state = if superseded { RunState::Unchanged } else { RunState::Failed };
        (run.rows, run.part, run.finished_at, run.message) = (0, None, Some(now()), Some(format!("{why:#}")));
        app.catalog.finish_run(&run, &Rejects::default()).await?;
    }
    Ok(())
}

/// Whether somebody restated a bill meanwhile, or gave a part other files.
pub(super) fn is_superseded(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CatalogError::Superseded { .. }))
}
