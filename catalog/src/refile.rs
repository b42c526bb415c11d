//! Other files for parts that stay what they are: the same charges, kept in another shape.
//!
//! Rebuilding a roll-up, bundling the daily files of a final month and letting expired detail go are all this: one
//! transaction that says where the rows are now. What no part needs any more waits under a name of its own for the
//! readers that may still use it, and is then swept like anything else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use outlay_model::PartId;
use outlay_model::part::{Bundle, Part, PartFile, RunState};
use sqlx::AnyConnection;

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError, Intent, Run, intents, runs};

/// Parts that are given other files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refile {
    /// Each part as it is, and as it shall be. Its rows, days and sums do not change.
    pub parts: Vec<(Part, Part)>,
    /// The intent under which new files were written; `None` when files only go. The id of a bundle is that of its intent.
    pub written: Option<PartId>,
    /// The run that does it, finished and in state `committed`.
    pub run: Run,
    /// What the files that are left behind wait under.
    pub leftover: PartId,
    /// Until when they wait.
    pub leftover_until: DateTime<Utc>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Catalog {
    /// Says where the rows of parts are now, and gives the generation from which it is so.
    ///
    /// # Errors
    /// [`CatalogError::Superseded`] when a part is not live as it was read, [`CatalogError::IntentExpired`],
    /// [`CatalogError::Inconsistent`]: nothing has changed.
    pub async fn refile(&self, refile: &Refile) -> Result<u64, CatalogError> {
        check(refile)?;
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        runs::write(&mut tx, &refile.run).await?;
        let mut left: Vec<PartFile> = Vec::new();
        for (before, after) in &refile.parts {
            exchange(&mut tx, before, after).await?;
            let own = own_files(before);
            left.extend(own.into_iter().filter(|file| !after.files.contains(file)));
            if let Some(bundle) = before.bundle.as_ref().filter(|bundle| after.bundle.as_ref() != Some(bundle)) {
                leave(&mut tx, bundle, before, refile.now).await?;
            }
        }
        if let Some(written) = &refile.written {
            adopt(&mut tx, refile, written).await?;
        }
        set_aside(&mut tx, refile, &left).await?;
        tx.commit().await.during("give the parts other files")?;
        Ok(generation)
    }
}

impl Catalog {
    /// Notes by what the provider tells the edition of a live part by now, when it is the same charges as before. No answer
    /// changes; the generation is raised all the same, because readers keep what they know of parts by it.
    ///
    /// # Errors
    /// [`CatalogError::Superseded`] when the part is not live as it was read: nothing has changed.
    pub async fn note_edition(&self, part: &Part, edition: Option<String>) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        raise_generation(&mut tx).await?;
        exchange(&mut tx, part, &Part { edition, ..part.clone() }).await?;
        tx.commit().await.during("note the edition of the part")
    }
}

/// Everything that can be checked without looking at the database.
fn check(refile: &Refile) -> Result<(), CatalogError> {
    let Refile { parts, run, written, .. } = refile;
    let wrong = |what: String| Err(CatalogError::Inconsistent(what));
    if run.state != RunState::Committed || run.finished_at.is_none() {
        return wrong(format!("run {} is {} and cannot refile", run.id, run.state.as_str()));
    }
    for (before, after) in parts {
        let same = Part {
            files: before.files.clone(),
            bundle: before.bundle.clone(),
            daily_tags: before.daily_tags.clone(),
            versions: before.versions.clone(),
            ..after.clone()
        };
        if same != *before {
            return wrong(format!("part {} would be another part, not only have other files", before.id));
        }
        let moved = after.bundle.as_ref().filter(|bundle| before.bundle.as_ref() != Some(bundle));
        if moved.is_some_and(|bundle| written.as_ref() != Some(&bundle.id)) {
            return wrong(format!("part {} moves to a bundle that was not written", before.id));
        }
    }
    Ok(())
}

/// An error, unless the part is live and as it was read.
pub(crate) async fn as_read(conn: &mut AnyConnection, before: &Part) -> Result<(), CatalogError> {
    let query = sqlx::query("SELECT body FROM parts WHERE id = $1 AND state = 'live'").bind(before.id.as_str());
    let row = query.fetch_optional(conn).await.during("read the part")?;
    let found: Option<Part> = row.map(|row| row.json("body")).transpose()?;
    if found.as_ref() != Some(before) {
        return Err(CatalogError::Superseded {
            source_name: before.source.clone(),
            delivery: before.delivery.clone(),
            expected: Some(before.id.clone()),
            found: found.map(|part| part.id),
        });
    }
    Ok(())
}

/// Says of a part something else, if it is live and as it was read.
pub(crate) async fn exchange(conn: &mut AnyConnection, before: &Part, after: &Part) -> Result<(), CatalogError> {
    as_read(conn, before).await?;
    let query = sqlx::query("UPDATE parts SET body = $1, edition = edition + 1 WHERE id = $2");
    let query = query.bind(sql::json("a part", after)?).bind(after.id.as_str());
    query.execute(conn).await.during("give the part other files")?;
    Ok(())
}

async fn leave(conn: &mut AnyConnection, bundle: &Bundle, part: &Part, now: DateTime<Utc>) -> Result<(), CatalogError> {
    let query = sqlx::query("UPDATE bundle_parts SET left_at = $1 WHERE bundle = $2 AND part = $3");
    let query = query.bind(sql::time(now)).bind(bundle.id.as_str()).bind(part.id.as_str());
    query.execute(conn).await.during("leave the bundle")?;
    Ok(())
}

/// Gives the files that were written to the part, or bundle, they were written for.
async fn adopt(conn: &mut AnyConnection, refile: &Refile, written: &PartId) -> Result<(), CatalogError> {
    let new: BTreeMap<&PartId, Vec<PartFile>> = refile
        .parts
        .iter()
        .map(|(before, after)| {
            let files = after.files.iter().filter(|file| !before.files.contains(file)).cloned().collect();
            (&after.id, files)
        })
        .collect();
    let all: BTreeSet<PartFile> = new.values().flatten().cloned().collect();
    intents::fulfil(conn, written, &all.into_iter().collect::<Vec<_>>(), refile.now).await?;
    let bundled: Vec<&Part> = refile
        .parts
        .iter()
        .map(|(_, after)| after)
        .filter(|after| after.bundle.as_ref().is_some_and(|bundle| bundle.id == *written))
        .collect();
    if !bundled.is_empty() {
        return write_bundle(conn, written, &refile.run, bundled.iter().map(|part| &part.id)).await;
    }
    for (part, files) in new {
        for file in files {
            let query = sqlx::query("UPDATE part_files SET part = $1 WHERE path = $2 AND part = $3");
            let query = query.bind(part.as_str()).bind(file.path.as_str()).bind(written.as_str());
            query.execute(&mut *conn).await.during("give the part other files")?;
        }
    }
    Ok(())
}

async fn write_bundle(
    conn: &mut AnyConnection,
    bundle: &PartId,
    run: &Run,
    parts: impl Iterator<Item = &PartId>,
) -> Result<(), CatalogError> {
    let query = sqlx::query("INSERT INTO bundles (id, run, state) VALUES ($1, $2, 'live')");
    let query = query.bind(bundle.as_str()).bind(run.id.as_str());
    query.execute(&mut *conn).await.during("write the bundle")?;
    for part in parts {
        let query = sqlx::query("INSERT INTO bundle_parts (bundle, part) VALUES ($1, $2)");
        let query = query.bind(bundle.as_str()).bind(part.as_str());
        query.execute(&mut *conn).await.during("write the bundle")?;
    }
    Ok(())
}

/// Keeps what is left behind for the readers that still use it.
async fn set_aside(conn: &mut AnyConnection, refile: &Refile, left: &[PartFile]) -> Result<(), CatalogError> {
    let Some((first, _)) = refile.parts.first().filter(|_| !left.is_empty()) else { return Ok(()) };
    let intent = Intent {
        part: refile.leftover.clone(),
        run: refile.run.id.clone(),
        source: first.source.clone(),
        files: Vec::new(),
        expires_at: refile.leftover_until,
    };
    intents::write(conn, &intent).await?;
    for file in left {
        let query = sqlx::query("UPDATE part_files SET part = $1 WHERE path = $2");
        let query = query.bind(refile.leftover.as_str()).bind(file.path.as_str());
        query.execute(&mut *conn).await.during("set files aside")?;
    }
    Ok(())
}

/// The files that hold this part's rows only.
pub(crate) fn own_files(part: &Part) -> Vec<PartFile> {
    let shared = part.bundle.as_ref().map(|bundle| bundle.file(&part.source));
    part.files.iter().filter(|file| shared.as_ref() != Some(file)).cloned().collect()
}

/// A bundle of restored parts, as their records say.
pub(crate) async fn restore_bundle(
    conn: &mut AnyConnection,
    bundle: &PartId,
    parts: &[(Part, Run)],
) -> Result<(), CatalogError> {
    let Some((first, run)) = parts.first() else { return Ok(()) };
    let file = first.bundle.as_ref().map(|bundle| bundle.file(&first.source));
    intents::name_files(conn, bundle, &file.into_iter().collect::<Vec<_>>()).await?;
    write_bundle(conn, bundle, run, parts.iter().map(|(part, _)| &part.id)).await
}
