//! Collects a source of exchange rates: asks for a window of days, holds what it is given against what is known, and records
//! what is new or was restated. One run, whatever the window; a run that fails leaves every rate that is there.

use anyhow::Context as _;
use chrono::NaiveDate;
use outlay_catalog::{CatalogError, RatesCommit, Refusal, RefusedFigure, Rejects, Run};
use outlay_collectors::http::FetchError;
use outlay_collectors::{CollectError, RateCollector};
use outlay_model::part::RunState;
use outlay_model::rates::{CARRIED_DAYS, Fixing, Moved, News, Published, Quote};
use outlay_model::{DateRange, Request};

use super::collect::{Collection, Collections, since};
use crate::app::{App, now};
use crate::config::Source;
use crate::id::new_run;

/// Rates that are named in one run before the rest is only counted.
const NAMED: usize = 5;

/// Collects. What goes wrong is in the run, and given.
///
/// # Errors
/// When the publisher gives no usable answer, or the catalog fails.
pub(super) async fn collect(
    app: &App,
    collection: &Collection<'_>,
    collector: &dyn RateCollector,
) -> anyhow::Result<Collections> {
    let source = collection.source;
    let mut done = Collections::default();
    done.progress.listed = 1;
    (collection.watch)(done.progress);
    let mut run = Run::started(new_run(), source.name.clone(), source.kind.clone(), now());
    run.job = Some(collection.fence.job.clone());
    app.catalog.start_run(&run).await?;
    let brought = bring(app, collection, collector, &mut run).await;
    if run.state != RunState::Committed {
        run.finished_at = Some(now());
        if let Err(error) = &brought {
            (run.state, run.message) = (RunState::Failed, Some(format!("{error:#}")));
        }
        app.catalog.finish_run(&run, &Rejects::default()).await?;
    }
    app.metrics.delivered(&run);
    if collection.stop.is_cancelled() && run.state == RunState::Failed {
        done.stopped = true;
        return Ok(done);
    }
    match run.state {
        RunState::Committed | RunState::Unchanged => done.progress.done = 1,
        _ => done.progress.failed = 1,
    }
    (collection.watch)(done.progress);
    done.notes.extend(brought?);
    done.failure = run.refused.map(|refusal| refusal.reason);
    Ok(done)
}

/// Brings what is published, and says in the run what became of it. What else to tell a person is given.
async fn bring(
    app: &App,
    collection: &Collection<'_>,
    collector: &dyn RateCollector,
    run: &mut Run,
) -> anyhow::Result<Vec<String>> {
    let wanted = tokio::select! {
        wanted = wanted_rates(app, collection.source, collector, &collection.request) => wanted?,
        () = collection.stop.cancelled() => return Err(CollectError::from(FetchError::Cancelled).into()),
    };
    let WantedRates { news, notes, since, .. } = wanted;
    let lost: Vec<&Moved> = news.moved.iter().filter(|moved| moved.after.is_none()).collect();
    if news.is_empty() {
        run.state = RunState::Unchanged;
    } else if !lost.is_empty() && !collection.request.force.shrink {
        run.state = RunState::Refused;
        run.refused = Some(refusal(&lost));
    } else {
        commit(app, collection, run, news, since).await?;
    }
    Ok(notes)
}

/// What of a source's rates would be recorded.
#[derive(Debug)]
pub struct WantedRates {
    /// The days asked for.
    pub window: DateRange,
    /// What is published for them and not known.
    pub news: News,
    /// What else to tell a person.
    pub notes: Vec<String>,
    /// The generation of the rates that they were held against.
    since: u64,
}

/// Finds out what there is to record, and records nothing.
///
/// # Errors
/// When the publisher gives no usable answer, or the catalog fails.
pub async fn wanted_rates(
    app: &App,
    source: &Source,
    collector: &dyn RateCollector,
    request: &Request,
) -> anyhow::Result<WantedRates> {
    let snapshot = app.catalog.snapshot().await?;
    let known = &snapshot.rates;
    let window = window(source, request, known)?;
    let fixings = collector.rates(window).await?;
    let mut notes: Vec<String> = vanished(known, &fixings, window).into_iter().collect();
    if request.window.is_none() {
        let newest = fixings.iter().chain(known.iter().next_back()).map(|fixing| fixing.day).max();
        notes.extend(silent(newest));
    }
    Ok(WantedRates { window, news: known.news(fixings), notes, since: snapshot.rates_since })
}

/// The days to ask for: those that are restated as a matter of course, from further back where some before are lacking.
fn window(source: &Source, request: &Request, known: &Published) -> anyhow::Result<DateRange> {
    if let Some(window) = request.window {
        return Ok(window);
    }
    let (today, kind) = (now().date_naive(), source.kind()?);
    let (usual, reach) = (since(today, kind.restates_months), since(today, kind.reach_months));
    let span = known.iter().next().zip(known.iter().next_back()).map(|(first, last)| (first.day, last.day));
    Ok(match span {
        Some((first, last)) if (first - reach.from()).num_days() <= CARRIED_DAYS as i64 => {
            DateRange::new(last.min(usual.from()), usual.to()).unwrap_or(usual)
        }
        _ => reach,
    })
}

async fn commit(app: &App, collection: &Collection<'_>, run: &mut Run, news: News, since: u64) -> anyhow::Result<()> {
    let at = now();
    let message = Some(said(&news));
    let fixings: Vec<Fixing> = news.added.into_iter().chain(news.restated).collect();
    let rows = fixings.iter().map(|fixing| fixing.quotes.len() as u64).sum();
    let committed = Run { state: RunState::Committed, finished_at: Some(at), rows, message, ..run.clone() };
    let fence = Some(collection.fence.clone());
    let commit = RatesCommit { run: committed.clone(), fixings, since, fence, now: at };
    let mut committing = app.catalog.commit_rates(&commit).await;
    if committing.as_ref().is_err_and(CatalogError::is_retryable) {
        // Perhaps only the answer got lost. To commit again what is committed changes nothing.
        committing = app.catalog.commit_rates(&commit).await;
    }
    committing.context("the rates cannot be recorded")?;
    *run = committed;
    Ok(())
}

/// What is new, in a sentence.
#[must_use]
pub fn said(news: &News) -> String {
    let mut said = Vec::new();
    let days = news.added.iter().map(|fixing| fixing.day);
    if let (Some(first), Some(last)) = (days.clone().min(), days.max()) {
        let days = news.added.len();
        said.push(if days == 1 {
            format!("rates of {first}")
        } else {
            format!("rates of {days} days, {first} to {last}")
        });
    }
    if !news.restated.is_empty() {
        said.push(format!("restated: {}", listed(news.moved.iter().map(describe), news.moved.len())));
    }
    said.join("; ")
}

fn describe(moved: &Moved) -> String {
    let Moved { day, currency, before, after } = moved;
    let text = |quote: Option<Quote>| quote.map_or_else(|| "nothing".to_owned(), |quote| quote.to_string());
    format!("{day} {currency} {}, was {}", text(*after), text(*before))
}

/// Why rates that were published and are no longer are not let go unasked (P3).
fn refusal(lost: &[&Moved]) -> Refusal {
    let named = listed(lost.iter().map(|moved| format!("{} {}", moved.day, moved.currency)), lost.len());
    let figures = lost.iter().take(NAMED).map(|moved| RefusedFigure {
        name: format!("{} {}", moved.day, moved.currency),
        before: moved.before.map(|quote| quote.to_string()),
        after: "nothing".to_owned(),
        ..RefusedFigure::default()
    });
    Refusal {
        reason: format!("rates that are known are stated no longer: {named}; --accept-shrink lets them go"),
        figures: figures.collect(),
    }
}

/// Days that were published once and are not in the answer. They stay.
fn vanished(known: &Published, fixings: &[Fixing], window: DateRange) -> Option<String> {
    let among = |day: NaiveDate| fixings.iter().any(|fixing| fixing.day == day);
    let gone: Vec<NaiveDate> =
        known.iter().map(|fixing| fixing.day).filter(|day| window.contains(*day) && !among(*day)).collect();
    let named = (!gone.is_empty()).then(|| listed(gone.iter().map(ToString::to_string), gone.len()))?;
    Some(format!("rates are known of days that are stated no longer, and stay: {named}"))
}

/// That nobody has published anything for so long that days are without.
fn silent(newest: Option<NaiveDate>) -> Option<String> {
    let newest = newest?;
    let old = (now().date_naive() - newest).num_days() > CARRIED_DAYS as i64;
    old.then(|| format!("nothing has been published since {newest}: days more than {CARRIED_DAYS} later have no rate"))
}

/// The first few, and how many more there are.
fn listed(texts: impl Iterator<Item = String>, all: usize) -> String {
    let named = texts.take(NAMED).collect::<Vec<_>>().join(", ");
    match all.checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}
