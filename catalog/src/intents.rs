//! Intents: the right to write the files of a part that is not there yet (P4).
//!
//! The name of a file is recorded before its first byte, so a crash leaves no file that nobody knows. An intent ends in
//! one of two ways, each in one transaction: its part is committed, or it is doomed, after which it can no longer be
//! committed and its files may be deleted. It is a lease: whoever stages renews it, so that what a killed process left is
//! known for dead soon after.

use chrono::{DateTime, Utc};
use outlay_model::part::PartFile;
use outlay_model::{PartId, RunId, SourceName};
use sqlx::AnyConnection;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

/// A part that is about to be staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The part.
    pub part: PartId,
    /// The run that makes it; it must be recorded already.
    pub run: RunId,
    /// Whose.
    pub source: SourceName,
    /// The files that may be written.
    pub files: Vec<PartFile>,
    /// Until when, unless renewed or committed.
    pub expires_at: DateTime<Utc>,
}

impl Catalog {
    /// Records an intent. Only after this may the first byte of its files be written.
    ///
    /// # Errors
    /// [`CatalogError::Inconsistent`] when the part or one of its files exists, or its run does not.
    pub async fn intend(&self, intent: &Intent) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        write(&mut tx, intent).await?;
        tx.commit().await.during("record the intent")
    }

    /// Keeps an intent until a later time: whoever stages the part is still there.
    ///
    /// # Errors
    /// [`CatalogError::IntentExpired`] when it was doomed, given up or committed: the files are not the caller's any more.
    pub async fn renew(&self, part: &PartId, expires_at: DateTime<Utc>) -> Result<(), CatalogError> {
        let query = sqlx::query("UPDATE intents SET expires_at = $1 WHERE part = $2 AND state = 'open'");
        let query = query.bind(sql::time(expires_at)).bind(part.as_str());
        if query.execute(self.pool()).await.during("renew the intent")?.rows_affected() == 0 {
            return Err(CatalogError::IntentExpired { part: part.clone() });
        }
        Ok(())
    }

    /// Gives a part up: the sweeper may delete its files at once. A part that is committed, swept or unknown stays as it
    /// is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn abandon(&self, part: &PartId) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        give_up(&mut tx, part).await?;
        tx.commit().await.during("give the part up")
    }
}

/// Records an intent within a transaction.
pub(crate) async fn write(conn: &mut AnyConnection, intent: &Intent) -> Result<(), CatalogError> {
    let Intent { part, run, source, files, expires_at } = intent;
    let query = sqlx::query(
        "INSERT INTO intents (part, run, source, state, expires_at) VALUES ($1, $2, $3, 'open', $4) \
         ON CONFLICT (part) DO NOTHING",
    );
    let query = query.bind(part.as_str()).bind(run.as_str()).bind(source.as_str()).bind(sql::time(*expires_at));
    let written = match query.execute(&mut *conn).await {
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            return Err(CatalogError::Inconsistent(format!("part {part}: its run {run} has not been started")));
        }
        result => result.during("record the intent")?.rows_affected(),
    };
    let query = sqlx::query("SELECT 1 FROM parts WHERE id = $1").bind(part.as_str());
    if written == 0 || query.fetch_optional(&mut *conn).await.during("record the intent")?.is_some() {
        return Err(CatalogError::Inconsistent(format!("part {part} has been intended or committed before")));
    }
    name_files(conn, part, files).await
}

/// Records who a file belongs to; a file belongs to one part only.
pub(crate) async fn name_files(
    conn: &mut AnyConnection,
    part: &PartId,
    files: &[PartFile],
) -> Result<(), CatalogError> {
    let query = "INSERT INTO part_files (path, part, layer) VALUES ($1, $2, $3) ON CONFLICT (path) DO NOTHING";
    for PartFile { layer, path } in files {
        let query = sqlx::query(query).bind(path.as_str()).bind(part.as_str()).bind(layer.as_str());
        if query.execute(&mut *conn).await.during("record the files")?.rows_affected() == 0 {
            return Err(CatalogError::Inconsistent(format!("part {part}: the file {path} has a part already")));
        }
    }
    Ok(())
}

/// Ends the intent of a part that is being committed.
pub(crate) async fn fulfil(
    conn: &mut AnyConnection,
    part: &PartId,
    files: &[PartFile],
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query("DELETE FROM intents WHERE part = $1 AND state = 'open' AND expires_at > $2");
    let query = query.bind(part.as_str()).bind(sql::time(now));
    if query.execute(&mut *conn).await.during("end the intent")?.rows_affected() == 0 {
        return Err(CatalogError::IntentExpired { part: part.clone() });
    }
    let named = named(conn, part).await?;
    match files.iter().find(|file| !named.contains(file)) {
        Some(file) => {
            Err(CatalogError::Inconsistent(format!("part {part}: the file {} was never intended", file.path)))
        }
        None => Ok(()),
    }
}

/// The files that an open intent names.
pub(crate) async fn files_of(
    conn: &mut AnyConnection,
    part: &PartId,
    now: DateTime<Utc>,
) -> Result<Vec<PartFile>, CatalogError> {
    let query = sqlx::query("SELECT 1 FROM intents WHERE part = $1 AND state = 'open' AND expires_at > $2");
    let query = query.bind(part.as_str()).bind(sql::time(now));
    if query.fetch_optional(&mut *conn).await.during("read the intent")?.is_none() {
        return Err(CatalogError::IntentExpired { part: part.clone() });
    }
    named(conn, part).await
}

async fn named(conn: &mut AnyConnection, part: &PartId) -> Result<Vec<PartFile>, CatalogError> {
    let query = sqlx::query("SELECT layer, path FROM part_files WHERE part = $1").bind(part.as_str());
    let rows = query.fetch_all(conn).await.during("read the files of the intent")?;
    rows.iter().map(|row| Ok(PartFile { layer: row.word("layer")?, path: row.text("path")? })).collect()
}

/// Leaves the files of an intent to the sweeper.
pub(crate) async fn give_up(conn: &mut AnyConnection, part: &PartId) -> Result<(), CatalogError> {
    let query = sqlx::query("UPDATE intents SET state = 'abandoned' WHERE part = $1 AND state = 'open'");
    query.bind(part.as_str()).execute(conn).await.during("give the part up")?;
    Ok(())
}
