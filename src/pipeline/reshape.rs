//! Keeps the store in shape: rolls up anew what an older version or configuration made, puts the daily files of final months
//! together, and lets detail go that is kept no longer. No answer changes, but for what [retention] says.
//!
//! Each is a run that shows in `/runs`, and one transaction: readers see the old files or the new ones.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::BigDecimal;
use chrono::{Datelike, Months, NaiveDate, TimeDelta};
use outlay_catalog::{CatalogError, Intent, Refile, Rejects, Run};
use outlay_collectors::Format;
use outlay_ledger::own::RULE_BOOK;
use outlay_ledger::schema::LAYOUT;
use outlay_model::part::{BalanceKey, Bundle, Layer, Part, PartFile, RunState, Versions};
use outlay_model::query::Metric;
use outlay_model::{DateRange, PartId, SourceName, TagKey};
use outlay_store::Staged;

use super::lease::{LEASE, alive, clear_away};
use crate::app::{App, now};
use crate::id::{new_part, new_run};

/// A grace that nobody sees the end of. Of years with five digits, the catalog would not know that they come later.
const FOR_EVER: TimeDelta = TimeDelta::days(36_525);

/// What is stale about a part, and what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Its roll-up is another than would be made today: `outlay rebuild` makes it anew.
    Daily,
    /// Its charges were read by an older normaliser or owned by older rules: only the bill itself helps, or the answers that were
    /// kept in its place.
    Charges,
}

/// What is stale among the live parts, those of a period and source or all.
///
/// # Errors
/// When the catalog fails.
pub async fn stale(app: &App, which: &Which) -> anyhow::Result<Vec<(Part, Stale)>> {
    let snapshot = app.catalog.snapshot().await?;
    let parts = snapshot.all().filter(|part| which.covers(part));
    let keys = DailyKeys {
        must: app.settings.tags.daily_keys(),
        may: app.settings.tags.daily_keys_with(&snapshot.ownership.tag_keys()),
    };
    Ok(parts.filter_map(|part| Some((part.clone(), staleness(part, &keys)?))).collect())
}

/// Some of the live parts.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Those of a source.
    pub source: Option<SourceName>,
    /// Those with charges on some of these days.
    pub days: Option<DateRange>,
}

impl Which {
    fn covers(&self, part: &Part) -> bool {
        let touches = |days: DateRange, part: DateRange| days.from() < part.to() && part.from() < days.to();
        self.source.as_ref().is_none_or(|source| part.source == *source)
            && self.days.is_none_or(|days| part.days.is_some_and(|part| touches(days, part)))
    }
}

/// The tag keys of a roll-up: those it must have, and those it may have besides, because rules look at them.
struct DailyKeys {
    must: Vec<TagKey>,
    may: Vec<TagKey>,
}

impl DailyKeys {
    /// Whether the part's are others. Rules come and go by the day: no roll-up is made anew for the keys they look at.
    fn differ(&self, part: &Part) -> bool {
        let has = |key: &&TagKey| part.tag_keys.contains(*key);
        !self.must.iter().filter(has).all(|key| part.daily_tags.contains(key))
            || !part.daily_tags.iter().all(|key| self.may.contains(key) || self.must.contains(key))
    }
}

fn staleness(part: &Part, daily_keys: &DailyKeys) -> Option<Stale> {
    // Which rules it was owned by is for settling to bring up to date.
    let Versions { format, normaliser, rule_book, layout, rules: _ } = &part.versions;
    // A format that this version does not know was made by a later one.
    let read_by = outlay_collectors::format(format).map_or(*normaliser, Format::version);
    if part.files(Layer::Charges).next().is_none() {
        // What is kept no longer cannot be made anew.
        None
    } else if *normaliser < read_by || *rule_book < RULE_BOOK {
        Some(Stale::Charges)
    } else if *layout < LAYOUT || daily_keys.differ(part) {
        Some(Stale::Daily)
    } else {
        None
    }
}

/// Rolls a part up anew from its charges.
///
/// # Errors
/// When the roll-up is not the part's any more to the last digit, the part has been replaced, or catalog or store fail.
pub async fn rebuild(app: &App, part: &Part) -> anyhow::Result<Run> {
    let id = new_part();
    let file = PartFile::new(Layer::Daily, &part.source, &id);
    let work = Reshaping {
        source: part.source.clone(),
        kind: "rebuild",
        message: format!("rolled up {} anew", part.delivery),
        written: Some((id, file.clone())),
    };
    reshape(app, work, async || {
        let used = app.catalog.snapshot().await?.ownership.tag_keys();
        let staged = app.store.roll_up_again(part, &file, &app.settings.tags.daily_keys_with(&used)).await?;
        same_sums(app, part, &staged).await?;
        let charges = part.files.iter().filter(|file| file.layer != Layer::Daily).cloned();
        let after = Part {
            files: charges.chain([file.clone()]).collect(),
            daily_tags: staged.daily_tags,
            versions: Versions { layout: LAYOUT, ..part.versions.clone() },
            bundle: None,
            ..part.clone()
        };
        Ok(vec![(part.clone(), after)])
    })
    .await
}

/// The charges on disk must still be those that were committed.
pub(super) async fn same_sums(app: &App, part: &Part, staged: &Staged) -> anyhow::Result<()> {
    let mut left: BTreeMap<(BalanceKey, Metric), BigDecimal> = staged.sums.clone();
    for (source, delivery, balance) in app.catalog.balances(Some(&part.source)).await? {
        if (source, delivery) == (part.source.clone(), part.delivery.clone()) {
            *left.entry((balance.key, balance.metric)).or_default() -= balance.stored;
        }
    }
    match left.into_iter().find(|(_, left)| *left != BigDecimal::default()) {
        None => Ok(()),
        Some(((key, metric), left)) => anyhow::bail!(
            "{} {}: the stored charges are off by {left} {} {metric} from what was committed: restore {} from a backup, \
             or move it away and import the bill again",
            part.source,
            part.delivery,
            key.currency,
            part.files(Layer::Charges).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Puts the daily files of final months together and lets go what is kept no longer. One source that fails does not stop
/// the others.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn keep_in_shape(app: &App) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    let today = now().date_naive();
    for parts in expired(app, today).await? {
        runs.extend(told(expire(app, parts).await));
    }
    for (source, month, parts) in scattered(app, today).await? {
        runs.extend(told(bundle(app, source, month, parts).await));
    }
    Ok(runs)
}

fn told(run: anyhow::Result<Run>) -> Option<Run> {
    run.inspect_err(|error| tracing::error!(error = format!("{error:#}"), "the store could not be kept in shape")).ok()
}

/// Months that are final and whose daily rows lie in more than one file, by source.
async fn scattered(app: &App, today: NaiveDate) -> anyhow::Result<Vec<(SourceName, NaiveDate, Vec<Part>)>> {
    let final_after = TimeDelta::days(i64::from(app.final_after_days));
    let mut months: BTreeMap<(SourceName, NaiveDate), Vec<Part>> = BTreeMap::new();
    for part in app.catalog.snapshot().await?.all() {
        let Some(days) = part.days.filter(|_| part.files(Layer::Daily).next().is_some()) else { continue };
        let Some(month) = first_of_month(days.from()) else { continue };
        let end = month + Months::new(1);
        if days.to() <= end && end.checked_add_signed(final_after).is_some_and(|day| day <= today) {
            months.entry((part.source.clone(), month)).or_default().push(part.clone());
        }
    }
    let files = |parts: &[Part]| parts.iter().flat_map(|part| part.files(Layer::Daily)).collect::<BTreeSet<_>>().len();
    let scattered = months.into_iter().filter(|(_, parts)| files(parts) > 1);
    Ok(scattered.map(|((source, month), parts)| (source, month, parts)).collect())
}

fn first_of_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)
}

async fn bundle(app: &App, source: SourceName, month: NaiveDate, parts: Vec<Part>) -> anyhow::Result<Run> {
    let id = new_part();
    let bundle = Bundle { id: id.clone(), parts: parts.len() as u64 };
    let work = Reshaping {
        source: source.clone(),
        kind: "bundle",
        message: format!("put the daily files of {} deliveries of {} together", parts.len(), month.format("%Y-%m")),
        written: Some((id.clone(), bundle.file(&source))),
    };
    reshape(app, work, async || {
        app.store.bundle(&source, &id, &parts).await?;
        let moved = |part: &Part| {
            let own = part.files.iter().filter(|file| file.layer != Layer::Daily).cloned();
            Part { files: own.chain([bundle.file(&source)]).collect(), bundle: Some(bundle.clone()), ..part.clone() }
        };
        Ok(parts.iter().map(|part| (part.clone(), moved(part))).collect())
    })
    .await
}

/// Parts with files that are kept no longer, by source.
async fn expired(app: &App, today: NaiveDate) -> anyhow::Result<Vec<Vec<(Part, Part)>>> {
    let cutoff = |months: Option<u32>| first_of_month(today)?.checked_sub_months(Months::new(months?));
    let (charges, daily) = (cutoff(app.retention.charges_months), cutoff(app.retention.daily_months));
    let mut sources: BTreeMap<SourceName, Vec<(Part, Part)>> = BTreeMap::new();
    for part in app.catalog.snapshot().await?.all() {
        let Some(days) = part.days else { continue };
        let past = |cutoff: Option<NaiveDate>| cutoff.is_some_and(|cutoff| days.to() <= cutoff);
        let goes = |file: &PartFile| past(daily) || (file.layer != Layer::Daily && past(charges));
        if part.files.iter().any(goes) {
            let files: Vec<_> = part.files.iter().filter(|file| !goes(file)).cloned().collect();
            let bundle = part.bundle.clone().filter(|_| !files.is_empty());
            sources
                .entry(part.source.clone())
                .or_default()
                .push((part.clone(), Part { files, bundle, ..part.clone() }));
        }
    }
    Ok(sources.into_values().collect())
}

async fn expire(app: &App, parts: Vec<(Part, Part)>) -> anyhow::Result<Run> {
    let source = parts[0].0.source.clone();
    let message = format!("let the detail of {} deliveries go, as [retention] says", parts.len());
    let work = Reshaping { source, kind: "retention", message, written: None };
    reshape(app, work, async || Ok(parts.clone())).await
}

/// A run that gives parts other files.
struct Reshaping {
    source: SourceName,
    kind: &'static str,
    message: String,
    /// The file it writes.
    written: Option<(PartId, PartFile)>,
}

/// Runs it: the intent before the first byte, the transaction, the records. What fails leaves everything as it was.
async fn reshape(
    app: &App,
    work: Reshaping,
    write: impl AsyncFnOnce() -> anyhow::Result<Vec<(Part, Part)>>,
) -> anyhow::Result<Run> {
    let Reshaping { source, kind, message, written } = work;
    let mut run = Run::started(new_run(), source.clone(), kind, now());
    app.catalog.start_run(&run).await?;
    if let Some((part, file)) = &written {
        let (part, files, expires_at) = (part.clone(), vec![file.clone()], now() + LEASE);
        app.catalog.intend(&Intent { part, run: run.id.clone(), source, files, expires_at }).await?;
    }
    let done = async {
        let parts = match &written {
            Some((part, _)) => alive(app, std::slice::from_ref(part), write()).await?,
            None => write().await?,
        };
        let at = now();
        run.rows = parts.iter().map(|(part, _)| part.rows).sum();
        (run.state, run.finished_at, run.message) = (RunState::Committed, Some(at), Some(message));
        let grace = TimeDelta::from_std(app.retire_grace).map_or(FOR_EVER, |grace| grace.min(FOR_EVER));
        let (leftover, leftover_until) = (new_part(), at + grace);
        let written = written.as_ref().map(|(id, _)| id.clone());
        let refile = Refile { parts, written, run: run.clone(), leftover, leftover_until, now: at };
        anyhow::Ok(app.catalog.refile(&refile).await?)
    };
    if let Err(error) = done.await {
        if let Some((part, file)) = &written {
            app.catalog.abandon(part).await?;
            if matches!(error.downcast_ref(), Some(CatalogError::IntentExpired { .. })) {
                clear_away(app, std::slice::from_ref(file)).await;
            }
        }
        // Somebody restated the bill meanwhile: its new copy is in shape already, or is looked at next time.
        let superseded = matches!(error.downcast_ref(), Some(CatalogError::Superseded { .. }));
        run.state = if superseded { RunState::Unchanged } else { RunState::Failed };
        (run.rows, run.finished_at, run.message) = (0, Some(now()), Some(format!("{error:#}")));
        app.catalog.finish_run(&run, &Rejects::default()).await?;
        return if superseded { Ok(run) } else { Err(error) };
    }
    // It is done, whatever becomes of the records; the sweeper writes what is missing.
    if let Err(error) = super::record(app).await {
        tracing::warn!(error = format!("{error:#}"), "the parts' other files cannot be recorded in the store yet");
    }
    Ok(run)
}
