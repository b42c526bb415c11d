//! Other owners for charges that stay what they are, and the transfers that split pools.
//!
//! A part is not changed: another one with the same charges takes its place, so that who reads an older generation still sees
//! whose they were then. It keeps what its bill said (its reconciliation, its days, the run that brought it) and no day's sum
//! moves. Transfers are parts too (`part.pool`): they come from bills, so they are neither recorded nor restored but made anew.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use outlay_model::part::{Layer, Part, PartFile, RunState, Versions};
use outlay_model::{PartId, RunId};
use sqlx::AnyConnection;

use crate::commit::{generation, insert_part, raise_generation, retire_part, still_live};
use crate::error::During as _;
use crate::refile::{as_read, exchange};
use crate::sql::Columns as _;
use crate::{Catalog, CatalogError, Run, intents, parts, runs};

/// Parts whose charges get other owners, and what follows from it: together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reowning {
    /// Each part as it is, and the one that takes its place: the same charges in files of its own, which were intended; what the
    /// provider answered ([`Layer::Raw`]) it takes over.
    pub parts: Vec<(Part, Part)>,
    /// Transfers that come, go, or are others.
    pub shared: Vec<Sharing>,
    /// Parts that stay as they are but for the versions they say: other rules came to the same owners.
    pub noted: Vec<(Part, Part)>,
    /// The intents under which files were written: one for each new part, or one for several of them.
    pub intents: Vec<PartId>,
    /// The runs that did it, finished and in state `committed`; that of new transfers names them.
    pub runs: Vec<Run>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// The transfers of a pool and a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// Those there are.
    pub before: Option<Part>,
    /// Those there shall be.
    pub after: Option<Part>,
}

impl Catalog {
    /// Gives charges other owners, and gives the generation from which they have them. To have nothing done raises nothing. Repeating
    /// it whose answer got lost gives the generation it came with; where parts only went, it may be told that they are gone.
    ///
    /// # Errors
    /// [`CatalogError::Superseded`] when a part is not live as it was read, or transfers are there that were not known of;
    /// [`CatalogError::IntentExpired`], [`CatalogError::Inconsistent`]: nothing has changed. [`CatalogError::Unavailable`]: it may
    /// have happened; repeat the call as it is.
    pub async fn reown(&self, reowning: &Reowning) -> Result<u64, CatalogError> {
        check(reowning)?;
        let Reowning { parts, shared, noted, intents: _, runs, now } = reowning;
        let mut tx = self.begin().await?;
        if parts.is_empty() && shared.is_empty() && noted.is_empty() {
            return generation(&mut tx).await;
        }
        let generation = raise_generation(&mut tx).await?;
        if let Some(since) = done_before(&mut tx, reowning).await? {
            return Ok(since);
        }
        for run in runs {
            runs::write(&mut tx, run).await?;
        }
        fulfil(&mut tx, reowning).await?;
        for (before, after) in parts {
            as_read(&mut tx, before).await?;
            replace(&mut tx, before, after, generation, *now).await?;
        }
        for sharing in shared {
            share(&mut tx, sharing, runs, generation, *now).await?;
        }
        for (before, after) in noted {
            exchange(&mut tx, before, after).await?;
        }
        tx.commit().await.during("give charges other owners")?;
        Ok(generation)
    }
}

/// Everything that can be checked without looking at the database.
fn check(reowning: &Reowning) -> Result<(), CatalogError> {
    let Reowning { parts, shared, noted, runs, .. } = reowning;
    let wrong = |what: String| Err(CatalogError::Inconsistent(what));
    if let Some(run) = runs.iter().find(|run| run.state != RunState::Committed || run.finished_at.is_none()) {
        return wrong(format!("run {} is {} and cannot give charges other owners", run.id, run.state.as_str()));
    }
    for (before, after) in parts {
        let other_id = after.id != before.id && after.bundle.is_none();
        if !other_id || !is_same_bill(before, after) || before.pool.is_some() {
            return wrong(format!("part {} would be another bill than {}, not only other owners", after.id, before.id));
        }
        if new_files(before, after).is_empty() || !rest(before, after).iter().all(|file| file.layer == Layer::Raw) {
            return wrong(format!("part {} has no files of its own", after.id));
        }
    }
    for (before, after) in noted {
        let Versions { rules, rule_book, .. } = after.versions.clone();
        let versions = Versions { rules, rule_book, ..before.versions.clone() };
        if (Part { versions, ..before.clone() }) != *after {
            return wrong(format!("part {} would be another part, not only say other rules", before.id));
        }
    }
    for sharing in shared {
        check_sharing(sharing)?;
    }
    let all = parts.iter().chain(noted).map(|(before, _)| before);
    let all: Vec<&PartId> =
        all.chain(shared.iter().filter_map(|sharing| sharing.before.as_ref())).map(|part| &part.id).collect();
    match all.iter().collect::<BTreeSet<_>>().len() == all.len() {
        true => Ok(()),
        false => wrong("a part is to get other owners twice".to_owned()),
    }
}

/// Whether it is the same charges, of which other files say whose they are.
fn is_same_bill(before: &Part, after: &Part) -> bool {
    let Versions { rules, rule_book, layout, .. } = after.versions.clone();
    let same = Part {
        id: after.id.clone(),
        files: after.files.clone(),
        bundle: after.bundle.clone(),
        columns: after.columns.clone(),
        daily_tags: after.daily_tags.clone(),
        versions: Versions { rules, rule_book, layout, ..before.versions.clone() },
        ..before.clone()
    };
    same == *after && after.columns.is_superset(&before.columns)
}

fn check_sharing(sharing: &Sharing) -> Result<(), CatalogError> {
    let wrong = |what: String| Err(CatalogError::Inconsistent(what));
    let parts: Vec<&Part> = sharing.before.iter().chain(&sharing.after).collect();
    match parts.as_slice() {
        [] => wrong("there are no transfers, and there shall be none".to_owned()),
        parts if parts.iter().any(|part| part.pool.is_none()) => wrong(format!("part {} is of no pool", parts[0].id)),
        [before, after]
            if (&before.source, &before.delivery) != (&after.source, &after.delivery) || before.id == after.id =>
        {
            wrong(format!("part {} cannot take the place of {}", after.id, before.id))
        }
        _ => Ok(()),
    }
}

/// The files that were written for a new part.
fn new_files(before: &Part, after: &Part) -> Vec<PartFile> {
    after.files.iter().filter(|file| !before.files.contains(file)).cloned().collect()
}

/// Those it takes over.
fn rest(before: &Part, after: &Part) -> Vec<PartFile> {
    after.files.iter().filter(|file| before.files.contains(file)).cloned().collect()
}

/// Every new part with the files that were written for it.
fn written(reowning: &Reowning) -> impl Iterator<Item = (&PartId, Vec<PartFile>)> {
    let owned = reowning.parts.iter().map(|(before, after)| (&after.id, new_files(before, after)));
    let shared = reowning.shared.iter().filter_map(|sharing| sharing.after.as_ref());
    owned.chain(shared.map(|part| (&part.id, part.files.clone())))
}

/// The generation that an earlier try came with, where it went through and only its answer did not.
async fn done_before(conn: &mut AnyConnection, reowning: &Reowning) -> Result<Option<u64>, CatalogError> {
    match written(reowning).next() {
        Some((part, _)) => parts::live_since(conn, part).await,
        None => Ok(None),
    }
}

/// Ends the intents. What was written becomes the new parts'; what else was intended is given up.
async fn fulfil(conn: &mut AnyConnection, reowning: &Reowning) -> Result<(), CatalogError> {
    let Reowning { intents, now, .. } = reowning;
    let mut named: BTreeSet<PartFile> = BTreeSet::new();
    for intent in intents {
        named.extend(intents::files_of(conn, intent, *now).await?);
    }
    for (part, files) in written(reowning) {
        if let Some(file) = files.iter().find(|file| !named.contains(file)) {
            return Err(CatalogError::Inconsistent(format!("part {part}: the file {} was never intended", file.path)));
        }
        for file in files {
            let query = sqlx::query("UPDATE part_files SET part = $1 WHERE path = $2");
            let query = query.bind(part.as_str()).bind(file.path.as_str());
            query.execute(&mut *conn).await.during("give the part its files")?;
        }
    }
    for intent in intents {
        if written(reowning).any(|(part, _)| part == intent) {
            intents::fulfil(conn, intent, &[], *now).await?;
        } else {
            // An intent for several parts: with it go files it named that nobody needed.
            intents::give_up(conn, intent).await?;
        }
    }
    Ok(())
}

/// Puts the new part in the place of the old one, with all that is known of it.
async fn replace(
    conn: &mut AnyConnection,
    before: &Part,
    after: &Part,
    generation: u64,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query("SELECT run, live_at FROM parts WHERE id = $1").bind(before.id.as_str());
    let row = query.fetch_one(&mut *conn).await.during("read the part")?;
    // The run that brought the bill: by it, its rejects are found. And the time it did: that is when its days were stated.
    let (run, at) = (RunId::new(row.text("run")?), row.parsed("live_at")?);
    retire_part(conn, &before.id, generation, now).await?;
    insert_part(conn, after, &run, generation, at).await?;
    for sql in [
        "INSERT INTO part_days (part, day, provider, billing_account, currency, row_count, billed, effective) \
         SELECT $1, day, provider, billing_account, currency, row_count, billed, effective FROM part_days WHERE part = $2",
        "INSERT INTO balances (part, position, billing_period, invoice, currency, metric, source, stored, rejected, rounding) \
         SELECT $1, position, billing_period, invoice, currency, metric, source, stored, rejected, rounding \
         FROM balances WHERE part = $2",
    ] {
        let query = sqlx::query(sql).bind(after.id.as_str()).bind(before.id.as_str());
        query.execute(&mut *conn).await.during("keep what the bill said")?;
    }
    for file in rest(before, after) {
        let query = sqlx::query("UPDATE part_files SET part = $1 WHERE path = $2 AND part = $3");
        let query = query.bind(after.id.as_str()).bind(file.path.as_str()).bind(before.id.as_str());
        if query.execute(&mut *conn).await.during("hand files over")?.rows_affected() == 0 {
            let (part, path) = (&before.id, &file.path);
            return Err(CatalogError::Inconsistent(format!("part {part}: the file {path} is not its own")));
        }
    }
    Ok(())
}

async fn share(
    conn: &mut AnyConnection,
    sharing: &Sharing,
    runs: &[Run],
    generation: u64,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    if let Some(before) = &sharing.before {
        as_read(conn, before).await?;
        retire_part(conn, &before.id, generation, now).await?;
    }
    let Some(after) = &sharing.after else { return Ok(()) };
    let live = parts::live_id(conn, &after.source, &after.delivery).await?;
    still_live(&after.source, &after.delivery, None, live)?;
    let run = runs.iter().find(|run| run.part.as_ref() == Some(&after.id));
    let run = run.ok_or_else(|| CatalogError::Inconsistent(format!("no run says it made part {}", after.id)))?;
    insert_part(conn, after, &run.id, generation, now).await
}
