//! What is live, written down a second time: beside the bills, so that a lost catalog can be rebuilt (P4).
//!
//! A [`Record`] holds all that a commit said. It is written after the commit, from what the catalog holds, and again
//! whenever that changes; a part that is live and not recorded is [named](Catalog::unrecorded) until it is. So the store
//! is never ahead of the catalog, and a crash leaves it behind only until the next start.
//!
//! [`Catalog::restore`] makes the commits again, oldest first, through the checks they passed the first time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use outlay_model::PartId;
use outlay_model::part::{Balance, DaySum, Part, PartFile};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{
    Catalog, CatalogError, Commit, Intent, Rejects, Run, commit, days, intents, parts, refile, rejects, runs, settling,
};

/// Everything a commit made live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The record's own version: [`Record::VERSION`], or an older one.
    pub record: u32,
    /// Which edition of the part this is: raised when it is given other files.
    pub edition: u64,
    /// The generation it is live from.
    pub generation: u64,
    /// When it was committed.
    pub committed_at: DateTime<Utc>,
    /// The part, with the files it has now.
    pub part: Part,
    /// The run that made it.
    pub run: Run,
    /// Its reconciliation.
    pub balances: Vec<Balance>,
    /// What it says about each day.
    pub days: Vec<DaySum>,
    /// What was not taken.
    pub rejects: Rejects,
}

/// By how much restoring raises the generation: by more than changes can have raised it that no record tells of, such as
/// those that gave parts other files, and commits whose record a crash prevented.
const LEAP: u64 = 1_000_000;

impl Record {
    /// The version that is written. Older ones can still be read.
    pub const VERSION: u32 = 1;
}

impl Catalog {
    /// The live parts whose record is not in the store yet, the oldest commit first. Transfers have none: they are made anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unrecorded(&self) -> Result<Vec<PartId>, CatalogError> {
        let query = sqlx::query(
            "SELECT id FROM parts WHERE state = 'live' AND recorded < edition AND pool IS NULL \
             ORDER BY live_from_generation, id",
        );
        let rows = query.fetch_all(self.pool()).await.during("list what is not recorded")?;
        rows.iter().map(|row| Ok(PartId::new(row.text("id")?))).collect()
    }

    /// The record of a live part; `None` when it is not live any more, or holds transfers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&self, part: &PartId) -> Result<Option<Record>, CatalogError> {
        // One transaction, so that the record is of one moment.
        let mut tx = self.begin().await?;
        let query = sqlx::query(
            "SELECT body, edition, run, live_at, live_from_generation FROM parts \
             WHERE id = $1 AND state = 'live' AND pool IS NULL",
        );
        let row = query.bind(part.as_str()).fetch_optional(&mut *tx).await.during("read the part")?;
        let Some(row) = row else { return Ok(None) };
        let run = outlay_model::RunId::new(row.text("run")?);
        Ok(Some(Record {
            record: Record::VERSION,
            edition: row.count("edition")?,
            generation: row.count("live_from_generation")?,
            committed_at: row.parsed("live_at")?,
            part: row.json("body")?,
            balances: parts::balances_of(&mut tx, part).await?,
            days: days::sums(&days::read(&mut tx, part).await?),
            rejects: rejects::of(&mut tx, &run).await?,
            run: runs::of(&mut tx, &run).await?,
        }))
    }

    /// Says that the store holds this record, and gives whether that is still the part's latest edition. Where it is not,
    /// it may have been put in the place of a later one: it has to be written anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recorded(&self, record: &Record) -> Result<bool, CatalogError> {
        let query = sqlx::query("UPDATE parts SET recorded = $1 WHERE id = $2 AND edition = $1");
        let query = query.bind(sql::number(record.edition)).bind(record.part.id.as_str());
        Ok(query.execute(self.pool()).await.during("note the record")?.rows_affected() == 1)
    }

    /// Makes the commits again in a catalog that has none: all of them or none. `newest` is the latest generation that is
    /// known of, be it of a commit that is left out. The generation ends far above it, so that no answer of before is taken
    /// for one of now, and none of before is given any more: not all that was live then is known.
    ///
    /// # Errors
    /// [`CatalogError::Inconsistent`] when the catalog has commits; what a commit fails with.
    pub async fn restore(
        &self,
        mut records: Vec<Record>,
        newest: u64,
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        records.sort_by_key(|record| record.generation);
        let mut tx = self.begin().await?;
        let used = sqlx::query("SELECT 1 FROM parts").fetch_optional(&mut *tx).await.during("look for commits")?;
        if used.is_some() {
            let what = "the catalog is not empty, and only a fresh one is filled: move its file or database away first";
            return Err(CatalogError::Inconsistent(what.to_owned()));
        }
        // Rates may have been collected before the bills are back.
        let newest = newest.max(commit::generation(&mut tx).await?);
        let mut bundles: BTreeMap<PartId, Vec<(Part, Run)>> = BTreeMap::new();
        for (record, files) in records.iter().zip(kept_files(&records)) {
            set_generation(&mut tx, record.generation).await?;
            restore_one(&mut tx, record, files).await?;
            if let Some(bundle) = &record.part.bundle {
                bundles.entry(bundle.id.clone()).or_default().push((record.part.clone(), record.run.clone()));
            }
        }
        for (bundle, parts) in bundles {
            refile::restore_bundle(&mut tx, &bundle, &parts).await?;
        }
        let last = newest.max(records.last().map_or(0, |record| record.generation)) + LEAP;
        set_generation(&mut tx, last).await?;
        let query = sqlx::query("UPDATE head SET oldest = $1 WHERE id = 1").bind(sql::number(last));
        query.execute(&mut *tx).await.during("forget older generations")?;
        settling::unsettle(&mut tx).await?;
        // Their records are in the store: that is where they come from.
        let query = sqlx::query("UPDATE parts SET recorded = edition");
        query.execute(&mut *tx).await.during("note the records")?;
        let query = sqlx::query("UPDATE parts SET retired_at = $1 WHERE state = 'retired'").bind(sql::time(now));
        query.execute(&mut *tx).await.during("retire older parts")?;
        tx.commit().await.during("restore the commits")?;
        Ok(last)
    }
}

/// The files of each record: those that hold its rows only. What the provider answered goes on to the part that took another's
/// place with the same charges, so that both records name it: it is the later one's.
fn kept_files(records: &[Record]) -> Vec<Vec<PartFile>> {
    let mut named: BTreeSet<PartFile> = BTreeSet::new();
    let mut kept: Vec<Vec<PartFile>> = Vec::with_capacity(records.len());
    for record in records.iter().rev() {
        kept.push(refile::own_files(&record.part).into_iter().filter(|file| named.insert(file.clone())).collect());
    }
    kept.reverse();
    kept
}

async fn restore_one(conn: &mut AnyConnection, record: &Record, files: Vec<PartFile>) -> Result<(), CatalogError> {
    let Record { part, run, committed_at, .. } = record;
    let live = parts::live_id(conn, &part.source, &part.delivery).await?;
    // A bill whose charges got other owners since is there several times, and was brought once.
    let told = runs::is_committed(conn, &run.id).await?;
    let commit = Commit {
        part: part.clone(),
        run: run.clone(),
        balances: record.balances.clone(),
        rejects: record.rejects.clone(),
        days: record.days.clone(),
        replaces: live,
        fence: None,
        now: *committed_at,
    };
    commit::check_run(run, &part.source, &part.delivery)?;
    let days = commit::check_figures(&commit)?;
    if !told {
        runs::write(conn, run).await?;
    }
    let (id, source) = (part.id.clone(), part.source.clone());
    let expires_at = *committed_at + chrono::TimeDelta::days(1);
    let intent = Intent { part: id, run: run.id.clone(), source, files, expires_at };
    intents::write(conn, &intent).await?;
    commit::make_live(conn, &commit, &days, &intent.files, record.generation).await?;
    let query = sqlx::query("UPDATE parts SET edition = $1 WHERE id = $2");
    let query = query.bind(sql::number(record.edition)).bind(part.id.as_str());
    query.execute(conn).await.during("restore the part")?;
    Ok(())
}

async fn set_generation(conn: &mut AnyConnection, generation: u64) -> Result<(), CatalogError> {
    let query = sqlx::query("UPDATE head SET generation = $1 WHERE id = 1").bind(sql::number(generation));
    query.execute(conn).await.during("set the generation")?;
    Ok(())
}
