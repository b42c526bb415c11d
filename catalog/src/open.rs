//! Opening a catalog: its file and pragmas where it is SQLite, its migrations wherever it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};

use crate::address::{Database, percent_encode};
use crate::error::During as _;
use crate::{Address, Catalog, CatalogError, Inner, WriteLock, postgres};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Takes the write lock at once; a transaction that reads first and then wants to write may find that it cannot.
const SQLITE_LOCK: WriteLock = WriteLock { begin: "BEGIN IMMEDIATE", then: None };

/// Each is a thread and a page cache. Readers do not wait for writers in WAL, and there is one writer at a time anyway.
const SQLITE_CONNECTIONS: u32 = 8;

/// How often to try to take a fresh file for ourselves; SQLite does not wait for the lock that switching to WAL needs.
const WAL_ATTEMPTS: u32 = 50;

impl Catalog {
    /// Opens the catalog at `url`, makes it if there is none, and brings its tables up to date. [`Address`] says what
    /// addresses there are. A SQLite file and its folder are made if they are missing; a PostgreSQL database must exist.
    ///
    /// # Errors
    /// [`CatalogError::BadUrl`], [`CatalogError::Newer`] when a newer Outlay has migrated it (nothing is touched then),
    /// [`CatalogError::Corrupt`] when it was migrated by other migrations, [`CatalogError::Unavailable`].
    pub async fn open(url: &str) -> Result<Self, CatalogError> {
        sqlx::any::install_default_drivers();
        let address = Address::parse(url).map_err(|why| CatalogError::BadUrl { url: Address::redact(url), why })?;
        let shown = address.to_string();
        let (pool, lock) = match address.database() {
            Database::Sqlite(path) => (open_sqlite(path, &shown).await?, SQLITE_LOCK),
            Database::Postgres(url) => (postgres::open(url, &shown).await?, postgres::LOCK),
        };
        Ok(Self { inner: Arc::new(Inner { pool, url: shown, lock, snapshot: Mutex::new(None) }) })
    }
}

async fn open_sqlite(path: &Path, redacted: &str) -> Result<AnyPool, CatalogError> {
    let what = format!("open {redacted}");
    let full =
        with_folder(path).map_err(|source| CatalogError::Unavailable { what: what.clone(), source: source.into() })?;
    let Some(full) = full.to_str() else {
        return Err(CatalogError::BadUrl { url: redacted.to_owned(), why: "is not UTF-8".to_owned() });
    };
    let url = |mode: &str| format!("sqlite://{}?mode={mode}", percent_encode(full));
    // Not from the pool: that would try again and again and in the end only say that it took too long.
    let mut first = AnyConnection::connect(&url("rwc")).await.during(&what)?;
    prepare_sqlite(&mut first).await.during(&what)?;
    migrate(&mut first, SQLITE_LOCK, &SQLITE, redacted).await?;
    let pool = AnyPoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        // A connection to a file does not go stale; asking costs a thread switch on every query.
        .test_before_acquire(false)
        .after_connect(|conn, _| Box::pin(prepare_sqlite(conn)))
        .after_release(|conn, _| Box::pin(is_at_rest(conn)))
        // Should the file be taken away later, an empty one in its place would be worse than an error.
        .connect(&url("rw"))
        .await
        .during(&what)?;
    // Only now: the last connection to close folds the log into the file, which is work for nothing.
    first.close().await.during(&what)?;
    Ok(pool)
}

/// Whether a connection may be used again. After a COMMIT that failed (a full disk) sqlx believes for ever that it is within a
/// transaction, and would refuse the next one.
async fn is_at_rest(conn: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    if conn.is_in_transaction() {
        // The rollback of a transaction that was dropped may still be on its way.
        conn.ping().await?;
    }
    Ok(!conn.is_in_transaction())
}

/// Makes the folder and says where in it the file is, whatever the path is relative to.
fn with_folder(path: &Path) -> std::io::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
}

/// WAL lets readers go on while somebody writes; FULL makes a commit survive a power cut, which in WAL, NORMAL does not.
async fn prepare_sqlite(conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
    conn.execute("PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").await?;
    for _ in 1..WAL_ATTEMPTS {
        match switch_to_wal(conn).await {
            Err(sqlx::Error::Database(error)) if error.message().contains("locked") => {
                // Whoever holds it is switching the file to WAL as well. Taking the write lock waits for that.
                conn.execute("BEGIN IMMEDIATE; ROLLBACK;").await?;
            }
            result => return result,
        }
    }
    switch_to_wal(conn).await
}

async fn switch_to_wal(conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let mode: String = conn.fetch_one("PRAGMA journal_mode = WAL").await?.try_get(0)?;
    if mode == "wal" {
        Ok(())
    } else {
        let why = format!("the file system of the catalog supports no write-ahead log (journal mode {mode})");
        Err(sqlx::Error::Configuration(why.into()))
    }
}

/// Migrates inside one writing transaction, so that two processes opening a fresh file do not migrate it twice, and a
/// database that is refused is left as it was.
pub(crate) async fn migrate(
    conn: &mut AnyConnection,
    lock: WriteLock,
    migrator: &Migrator,
    redacted: &str,
) -> Result<(), CatalogError> {
    let what = format!("migrate {redacted}");
    if is_current(conn, migrator).await {
        return Ok(());
    }
    let mut tx = conn.begin_with(lock.begin).await.during(&what)?;
    lock.take(&mut tx).await.during(&what)?;
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    match migrator.run_direct(None, &mut *tx, false).await {
        Ok(()) => tx.commit().await.during(&what),
        Err(MigrateError::VersionMissing(_)) => {
            let found = newest_migration(&mut tx).await.during(&what)?;
            Err(CatalogError::Newer { url: redacted.to_owned(), found, known })
        }
        Err(error @ (MigrateError::VersionMismatch(_) | MigrateError::Dirty(_))) => {
            Err(CatalogError::corrupt(format!("migrations ({redacted})"), error))
        }
        Err(error) => Err(CatalogError::Unavailable { what, source: error.into() }),
    }
}

/// Whether there is nothing to do. To look takes no lock, so whoever only wants to read does not wait for whoever writes.
async fn is_current(conn: &mut AnyConnection, migrator: &Migrator) -> bool {
    // It fails when the table is not there yet.
    let Ok(applied) = conn.list_applied_migrations("_sqlx_migrations").await else { return false };
    let applied = applied.iter().map(|migration| (migration.version, &migration.checksum));
    applied.eq(migrator.iter().map(|migration| (migration.version, &migration.checksum)))
}

async fn newest_migration(conn: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_connection_is_prepared() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/catalog.db", folder.path().display());
        let catalog = Catalog::open(&url).await.expect("opens");
        let mut connections = Vec::new();
        for _ in 0..SQLITE_CONNECTIONS {
            let mut conn = catalog.pool().acquire().await.expect("connects");
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *conn).await.expect("reads");
            let mut settings = Vec::new();
            for pragma in ["PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA busy_timeout"] {
                settings.push(sqlx::query_scalar::<_, i64>(pragma).fetch_one(&mut *conn).await.expect("reads"));
            }
            let full = 2;
            assert_eq!((journal.as_str(), settings), ("wal", vec![full, 1, 10_000]));
            connections.push(conn);
        }
        assert_eq!(format!("{catalog:?}"), format!("Catalog {{ url: {url:?}, .. }}"));
    }
}
