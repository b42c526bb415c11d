//! Rebuilds a lost catalog from the store: from the records of its commits, each held against the files it speaks of.
//!
//! Nothing is guessed and nothing is deleted. A delivery whose newest record cannot be trusted is left out and named, for
//! its older copy would be an old bill in the place of a new one. Files that no record speaks of are named; they are
//! parts that were being staged, or their record was lost.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use bigdecimal::BigDecimal;
use outlay_catalog::{Intent, OwnershipRecord, Record, Rejects, Run};
use outlay_model::ownership::SHARED;
use outlay_model::part::{Layer, PartFile, RunState};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, PartId, SourceName};
use outlay_store::{Footer, Found};
use serde::Deserialize;

use super::record::{FOLDER, OWNERSHIP, document};
use crate::app::{App, now};
use crate::id::{new_part, new_run};

/// What was recovered, and what was not.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Deliveries that are live again.
    pub deliveries: usize,
    /// Their charges.
    pub charges: u64,
    /// The generation the catalog is at.
    pub generation: u64,
    /// Deliveries that could not be recovered, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Files that belong to nothing that was recovered, with what they say of themselves.
    pub strays: Vec<Found>,
    /// Whether those were handed to the sweeper. Never while something is left out: they may be all there is of it.
    pub discarded: bool,
}

/// A delivery that could not be recovered.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Whose.
    pub source: SourceName,
    /// Which.
    pub delivery: DeliveryKey,
    /// What is wrong.
    pub why: String,
}

/// Makes the commits again that the store has records of. With `discard_strays`, and if nothing is left out, the files that
/// belong to none of them are handed to the sweeper. What was said of who owns what is said again; points of series and events are
/// not in the store.
///
/// # Errors
/// When the catalog is not empty, when it or the store fails, or when a record cannot be read and nothing tells whose it is.
pub async fn recover(app: &App, discard_strays: bool) -> anyhow::Result<Recovered> {
    let found: BTreeMap<String, Found> =
        app.store.footers().await?.into_iter().map(|found| (found.file.path.clone(), found)).collect();
    let (records, mut left_out) = read_records(app, &found).await?;
    let generation = records.iter().map(|record| record.generation).max().unwrap_or(0);
    let (mut kept, mut dropped): (Vec<Record>, Vec<PartId>) = (Vec::new(), Vec::new());
    for ((source, delivery), mut records) in by_delivery(records) {
        if left_out.iter().any(|out| out.source == source && out.delivery == delivery) {
            continue;
        }
        records.sort_by_key(|record| Reverse(record.generation));
        let untrusted = records.iter().map(|record| verify(record, &found)).enumerate();
        let mut untrusted = untrusted.filter_map(|(place, verdict)| Some((place, verdict.err()?)));
        match untrusted.next() {
            Some((0, why)) => left_out.push(LeftOut { source, delivery, why }),
            // Copies that were replaced may be on their way out already, the oldest first. What came before one that is not
            // there any more would be live where that one was.
            untrusted => {
                let old = records.split_off(untrusted.map_or(records.len(), |(place, _)| place));
                dropped.extend(old.into_iter().map(|record| record.part.id));
                kept.extend(records);
            }
        }
    }
    left_out.sort();
    let named: BTreeSet<&str> =
        kept.iter().flat_map(|record| &record.part.files).map(|file| file.path.as_str()).collect();
    let strays = found.values().filter(|found| !named.contains(found.file.path.as_str())).cloned();
    let (transfers, strays): (Vec<Found>, Vec<Found>) = strays.partition(holds_transfers);
    restore_ownership(app).await?;
    let generation = app.catalog.restore(kept, generation, now()).await?;
    let live = app.catalog.snapshot().await?;
    let discarded = discard_strays && left_out.is_empty();
    if discarded {
        // Without a catalog nobody is writing any.
        app.store.remove_unfinished(FOLDER).await?;
        for part in &dropped {
            app.store.remove_document(&document(part)).await?;
        }
        discard(app, &strays, "files that belong to no commit are discarded").await?;
    }
    discard(app, &transfers, "files of transfers are discarded: pools are split anew").await?;
    let charges = live.all().map(|part| part.rows).sum();
    Ok(Recovered { deliveries: live.all().count(), charges, generation, left_out, strays, discarded })
}

/// The records of the store. One that cannot be read leaves out the delivery that its files say they are of.
async fn read_records(app: &App, found: &BTreeMap<String, Found>) -> anyhow::Result<(Vec<Record>, Vec<LeftOut>)> {
    let (mut records, mut left_out) = (Vec::new(), Vec::new());
    for path in app.store.list(FOLDER).await? {
        let Some(id) = path.strip_prefix(FOLDER).and_then(|name| name.trim_start_matches('/').strip_suffix(".json"))
        else {
            anyhow::bail!("{path} in the store is no record of a commit: move it away");
        };
        let Some(text) = app.store.document(&path).await? else { continue };
        // The version first: what a newer one says besides is nothing this one could read.
        if let Ok(Version { record }) = serde_json::from_slice(&text) {
            anyhow::ensure!(
                record <= Record::VERSION,
                "{path} was written by a newer outlay (record version {record}, this one knows {}): recover with that version",
                Record::VERSION
            );
        }
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) => records.push(record),
            Err(error) => {
                let footers = found.values().filter_map(|found| found.footer.as_ref().ok());
                let Some(footer) = footers.into_iter().find(|footer| footer.part.as_str() == id) else {
                    anyhow::bail!(
                        "the record {path} cannot be read ({error}), and no file tells whose it is: restore it from a \
                         backup of the store, or move it away and import that bill again"
                    );
                };
                let (source, delivery) = (footer.source.clone(), footer.delivery.clone());
                let why = format!(
                    "its record {path} cannot be read: {error}; restore it from a backup of the store, or move it away"
                );
                left_out.push(LeftOut { source, delivery, why });
            }
        }
    }
    Ok((records, left_out))
}

/// The version of a record, whatever else it says.
#[derive(Deserialize)]
struct Version {
    record: u32,
}

fn by_delivery(records: Vec<Record>) -> BTreeMap<(SourceName, DeliveryKey), Vec<Record>> {
    let mut deliveries: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for record in records {
        let key = (record.part.source.clone(), record.part.delivery.clone());
        deliveries.entry(key).or_default().push(record);
    }
    deliveries
}

/// Holds a record against the files it speaks of.
fn verify(record: &Record, found: &BTreeMap<String, Found>) -> Result<(), String> {
    let part = &record.part;
    let shared = part.bundle.as_ref().map(|bundle| bundle.file(&part.source));
    for file in &part.files {
        let path = &file.path;
        let found = found.get(path).ok_or_else(|| format!("its file {path} is missing"))?;
        if file.layer == Layer::Raw {
            continue;
        }
        let footer = found.footer.as_ref().map_err(|wrong| format!("its file {path}: {wrong}"))?;
        let told = |what| Err(format!("its file {path} says it is of {what}"));
        let owner =
            part.bundle.as_ref().filter(|_| shared.as_ref() == Some(file)).map_or(&part.id, |bundle| &bundle.id);
        if footer.part != *owner || footer.source != part.source {
            return told("another part");
        }
        if owner == &part.id {
            compare(record, file, footer)?;
        }
    }
    Ok(())
}

/// What a file of one part says against what its commit said.
fn compare(record: &Record, file: &PartFile, footer: &Footer) -> Result<(), String> {
    let (part, path) = (&record.part, &file.path);
    if (&footer.delivery, &footer.fingerprint) != (&part.delivery, &part.fingerprint) {
        return Err(format!("its file {path} says it is of another delivery"));
    }
    if footer.rows != part.rows {
        return Err(format!("its file {path} has {} charges instead of {}", footer.rows, part.rows));
    }
    for (metric, sum) in &footer.sums {
        let stored: BigDecimal =
            record.balances.iter().filter(|balance| balance.metric == *metric).map(|balance| &balance.stored).sum();
        if *sum != stored {
            return Err(differs(path, *metric, sum, &stored));
        }
    }
    Ok(())
}

fn differs(path: &str, metric: Metric, sum: &BigDecimal, stored: &BigDecimal) -> String {
    use outlay_model::money::plain;
    format!("its file {path} adds up to {} {metric} instead of {}", plain(sum), plain(stored))
}

/// Whether a file holds transfers between teams. Those are made anew, whatever became of the old ones.
fn holds_transfers(found: &Found) -> bool {
    // By what it says itself: a source may be called as the folder of a pool is.
    found.footer.as_ref().is_ok_and(|footer| footer.source.as_str().starts_with(SHARED))
}

/// Says again who owns what. In a catalog that is not lost, what is no longer said stays so.
async fn restore_ownership(app: &App) -> anyhow::Result<()> {
    if app.catalog.has_bills().await? {
        return Ok(());
    }
    let Some(text) = app.store.document(OWNERSHIP).await? else { return Ok(()) };
    if let Ok(Version { record }) = serde_json::from_slice(&text) {
        anyhow::ensure!(
            record <= OwnershipRecord::VERSION,
            "{OWNERSHIP} was written by a newer outlay (record version {record}, this one knows {}): recover with that version",
            OwnershipRecord::VERSION
        );
    }
    let wrong = || {
        format!(
            "who owns what cannot be read from {OWNERSHIP}: restore that from a backup of the store, or move it away and say it again"
        )
    };
    let record: OwnershipRecord = serde_json::from_slice(&text).with_context(wrong)?;
    app.catalog.restore_ownership(&record, now()).await.with_context(wrong)?;
    Ok(())
}

/// Names the files in the catalog as those of a part that was given up, so that the sweeper takes them.
async fn discard(app: &App, found: &[Found], why: &str) -> anyhow::Result<()> {
    let files: Vec<PartFile> = found.iter().map(|found| found.file.clone()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let source = SourceName::parse("outlay").map_err(anyhow::Error::msg)?;
    let mut run = Run::started(new_run(), source.clone(), "recover", now());
    app.catalog.start_run(&run).await?;
    let part = new_part();
    let message = format!("{} {why}", files.len());
    app.catalog.intend(&Intent { part: part.clone(), run: run.id.clone(), source, files, expires_at: now() }).await?;
    app.catalog.abandon(&part).await?;
    (run.state, run.finished_at, run.message) = (RunState::Unchanged, Some(now()), Some(message));
    app.catalog.finish_run(&run, &Rejects::default()).await?;
    Ok(())
}
