//! What may be deleted, and the word that it has been (P4).
//!
//! Files are deleted by row, never by listing. [`Catalog::sweepable`] does not only list: it *dooms* what it names, in
//! the transaction that chooses it. From then on a doomed intent can no longer be committed, and a doomed part no longer
//! appears in an older snapshot, so nothing that is about to be deleted can become visible. Whoever crashes
//! between deleting and [`Catalog::swept`] is told the same names again; deleting what is gone is no error.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use outlay_model::PartId;
use outlay_model::part::PartFile;
use sqlx::AnyConnection;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

/// A part whose files are to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The part, to be given to [`Catalog::swept`].
    pub part: PartId,
    /// Every file it may have; some may never have been written.
    pub files: Vec<PartFile>,
}

impl Catalog {
    /// Dooms expired and abandoned intents and the parts that were retired at least `retire_grace` ago, and names all
    /// that is doomed and not yet swept. Never a live part. With a grace longer than time itself, everything that was live
    /// once stays: parts, and files they had.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweepable(&self, now: DateTime<Utc>, retire_grace: Duration) -> Result<Vec<Doomed>, CatalogError> {
        let mut tx = self.begin().await?;
        let cutoff = TimeDelta::from_std(retire_grace).ok().and_then(|grace| now.checked_sub_signed(grace));
        // The intents of a committed run are no parts that were given up: files that parts had before wait under them.
        let query = sqlx::query(
            "UPDATE intents SET state = 'doomed' \
             WHERE state = 'abandoned' OR (state = 'open' AND expires_at <= $1 AND ($2 = 1 OR NOT EXISTS ( \
               SELECT 1 FROM runs r WHERE r.id = intents.run AND r.state = 'committed')))",
        );
        let query = query.bind(sql::time(now)).bind(i64::from(cutoff.is_some()));
        query.execute(&mut *tx).await.during("doom expired intents")?;
        if let Some(cutoff) = cutoff {
            let query = sqlx::query("UPDATE parts SET state = 'doomed' WHERE state = 'retired' AND retired_at <= $1");
            query.bind(sql::time(cutoff)).execute(&mut *tx).await.during("doom retired parts")?;
        }
        doom_bundles(&mut tx, cutoff).await?;
        let query = sqlx::query(
            "SELECT d.part, f.layer, f.path \
             FROM (SELECT part FROM intents WHERE state = 'doomed' \
                   UNION ALL SELECT id AS part FROM parts WHERE state = 'doomed' \
                   UNION ALL SELECT id AS part FROM bundles WHERE state = 'doomed') d \
             LEFT JOIN part_files f ON f.part = d.part \
             ORDER BY d.part, f.path",
        );
        let rows = query.fetch_all(&mut *tx).await.during("list what may be deleted")?;
        let mut doomed: Vec<Doomed> = Vec::new();
        for row in &rows {
            let part = PartId::new(row.text("part")?);
            if doomed.last().is_none_or(|last| last.part != part) {
                doomed.push(Doomed { part, files: Vec::new() });
            }
            if let (Some(path), Some(last)) = (row.optional_text("path")?, doomed.last_mut()) {
                last.files.push(PartFile { layer: row.word("layer")?, path });
            }
        }
        tx.commit().await.during("list what may be deleted")?;
        Ok(doomed)
    }

    /// Forgets the files of a doomed part after they have been deleted. A part that was live once stays as a tombstone,
    /// so that older generations are known to be gone. Saying it twice, or of an unknown part, does nothing.
    ///
    /// # Errors
    /// [`CatalogError::Inconsistent`] when the part was not named by [`Catalog::sweepable`]: its files must stay.
    pub async fn swept(&self, part: &PartId) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        let mut gone = 0;
        for sql in [
            "DELETE FROM intents WHERE part = $1 AND state = 'doomed'",
            "UPDATE parts SET state = 'swept', body = NULL WHERE id = $1 AND state = 'doomed'",
            "DELETE FROM bundle_parts WHERE bundle IN (SELECT id FROM bundles WHERE id = $1 AND state = 'doomed')",
            "DELETE FROM bundles WHERE id = $1 AND state = 'doomed'",
        ] {
            let result = sqlx::query(sql).bind(part.as_str()).execute(&mut *tx).await;
            gone += result.during("forget swept files")?.rows_affected();
        }
        if gone == 0 {
            let query = sqlx::query(
                "SELECT 1 FROM parts WHERE id = $1 AND state IN ('live', 'retired') \
                 UNION ALL SELECT 1 FROM intents WHERE part = $1 UNION ALL SELECT 1 FROM bundles WHERE id = $1",
            );
            let kept = query.bind(part.as_str()).fetch_optional(&mut *tx).await.during("forget swept files")?;
            return match kept {
                Some(_) => Err(CatalogError::Inconsistent(format!("part {part} is in use; its files must stay"))),
                None => Ok(()),
            };
        }
        for sql in [
            "DELETE FROM part_files WHERE part = $1",
            "DELETE FROM part_days WHERE part = $1",
            "DELETE FROM balances WHERE part = $1",
        ] {
            sqlx::query(sql).bind(part.as_str()).execute(&mut *tx).await.during("forget swept files")?;
        }
        tx.commit().await.during("forget swept files")
    }
}

/// A bundle goes when no part has rows in it any more: each has been swept or doomed, or left at least a grace ago.
async fn doom_bundles(conn: &mut AnyConnection, cutoff: Option<DateTime<Utc>>) -> Result<(), CatalogError> {
    let Some(cutoff) = cutoff else { return Ok(()) };
    let query = sqlx::query(
        "UPDATE bundles SET state = 'doomed' WHERE state = 'live' AND NOT EXISTS ( \
           SELECT 1 FROM bundle_parts m JOIN parts p ON p.id = m.part \
           WHERE m.bundle = bundles.id AND p.state IN ('live', 'retired') AND (m.left_at IS NULL OR m.left_at > $1))",
    );
    query.bind(sql::time(cutoff)).execute(conn).await.during("doom empty bundles")?;
    Ok(())
}
