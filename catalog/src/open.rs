//! Opening a catalog: its address, its file, its pragmas, its migrations.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};

use crate::error::During as _;
use crate::{Catalog, CatalogError, Inner};

static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Takes the write lock at once; a transaction that reads first and then wants to write may find that it cannot.
const SQLITE_BEGIN: &str = "BEGIN IMMEDIATE";

/// Each is a thread and a page cache. Readers do not wait for writers in WAL, and there is one writer at a time anyway.
const SQLITE_CONNECTIONS: u32 = 8;

/// How often to try to take a fresh file for ourselves; SQLite does not wait for the lock that switching to WAL needs.
const WAL_ATTEMPTS: u32 = 50;

impl Catalog {
    /// Opens the catalog at `url` (`sqlite://path/catalog.db`; relative paths are relative to the working folder),
    /// makes the file and its folder if they are missing, and brings its tables up to date.
    ///
    /// # Errors
    /// [`CatalogError::BadUrl`], [`CatalogError::Newer`] when a newer Outlay has migrated it (nothing is touched then),
    /// [`CatalogError::Corrupt`] when it was migrated by other migrations, [`CatalogError::Unavailable`].
    pub async fn open(url: &str) -> Result<Self, CatalogError> {
        sqlx::any::install_default_drivers();
        let redacted = redact(url);
        let path = sqlite_path(url).map_err(|why| CatalogError::BadUrl { url: redacted.clone(), why })?;
        let pool = open_sqlite(&path, &redacted).await?;
        let inner = Inner { pool, url: redacted, begin: SQLITE_BEGIN, snapshot: Mutex::new(None) };
        Ok(Self { inner: Arc::new(inner) })
    }
}

async fn open_sqlite(path: &Path, redacted: &str) -> Result<AnyPool, CatalogError> {
    let what = format!("open {redacted}");
    let full =
        with_folder(path).map_err(|source| CatalogError::Unavailable { what: what.clone(), source: source.into() })?;
    let Some(full) = full.to_str() else {
        return Err(CatalogError::BadUrl { url: redacted.to_owned(), why: "the path is not UTF-8".to_owned() });
    };
    let url = format!("sqlite://{}?mode=rwc", percent_encode(full));
    // Not from the pool: that would try again and again and in the end only say that it took too long.
    let mut first = AnyConnection::connect(&url).await.during(&what)?;
    prepare_sqlite(&mut first).await.during(&what)?;
    migrate(&mut first, SQLITE_BEGIN, &SQLITE, redacted).await?;
    let pool = AnyPoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        // A connection to a file does not go stale; asking costs a thread switch on every query.
        .test_before_acquire(false)
        .after_connect(|conn, _| Box::pin(prepare_sqlite(conn)))
        .connect(&url)
        .await
        .during(&what)?;
    // Only now: the last connection to close folds the log into the file, which is work for nothing.
    first.close().await.during(&what)?;
    Ok(pool)
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
async fn migrate(
    conn: &mut AnyConnection,
    begin: &'static str,
    migrator: &Migrator,
    redacted: &str,
) -> Result<(), CatalogError> {
    let what = format!("migrate {redacted}");
    let mut tx = conn.begin_with(begin).await.during(&what)?;
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

async fn newest_migration(conn: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(conn).await
}

/// The file that a SQLite address names. Percent escapes mean what they mean in any address.
fn sqlite_path(url: &str) -> Result<PathBuf, String> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        let scheme = url.split_once(':').map_or("none", |(scheme, _)| scheme);
        return Err(format!("its scheme must be sqlite, not {scheme}"));
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = match rest.split_once('?') {
        None | Some((_, "mode=rwc")) => rest.split('?').next().unwrap_or_default(),
        Some(_) => return Err("it takes no parameters".to_owned()),
    };
    if path == ":memory:" {
        return Err("a catalog in memory would not outlive its connection".to_owned());
    }
    let path = PathBuf::from(percent_decode(path).ok_or("its percent escapes are not UTF-8")?);
    if path.file_name().is_none() { Err("it names no file".to_owned()) } else { Ok(path) }
}

/// The address without user, password and parameters, for messages.
fn redact(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) if scheme != "sqlite" => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
            // A password may hold an unescaped '@' or '/': nothing before the last '@' is shown.
            let shown = match rest.rsplit_once('@') {
                Some((_, host)) => host.to_owned(),
                None => format!("{authority}{path}"),
            };
            format!("{scheme}://{shown}")
        }
        _ => url.to_owned(),
    }
}

fn percent_encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// `None` when the result is not UTF-8. A `%` that starts no escape stands for itself.
fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escape = if byte == b'%' { text.get(at + 1..at + 3) } else { None };
        let code = escape.filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                decoded.push(code);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_files() {
        let check = |url: &str, path: Result<&str, &str>| {
            assert_eq!(sqlite_path(url), path.map(PathBuf::from).map_err(str::to_owned), "{url}");
        };
        check("sqlite://./outlay-data/catalog.db", Ok("./outlay-data/catalog.db"));
        check("sqlite:///var/lib/outlay/catalog.db", Ok("/var/lib/outlay/catalog.db"));
        check("sqlite:catalog.db", Ok("catalog.db"));
        check("sqlite://a%20b/100%.db?mode=rwc", Ok("a b/100%.db"));
        check("sqlite://:memory:", Err("a catalog in memory would not outlive its connection"));
        check("sqlite://a.db?mode=memory", Err("it takes no parameters"));
        check("sqlite://", Err("it names no file"));
        check("sqlite://%ff", Err("its percent escapes are not UTF-8"));
        check("mysql://host/db", Err("its scheme must be sqlite, not mysql"));
        check("/tmp/catalog.db", Err("its scheme must be sqlite, not none"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let check = |url: &str, shown: &str| assert_eq!(redact(url), shown);
        check("sqlite:///tmp/catalog.db?mode=rwc", "sqlite:///tmp/catalog.db");
        check("postgres://me:secret@db.local:5432/outlay?password=x", "postgres://db.local:5432/outlay");
        check("postgres://me:s/e@c@db.local/outlay", "postgres://db.local/outlay");
        check("postgres://db.local/outlay", "postgres://db.local/outlay");
    }

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

    proptest! {
        #[test]
        fn escapes_are_undone(path in "\\PC{0,40}") {
            prop_assert_eq!(percent_decode(&percent_encode(&path)), Some(path));
        }
    }
}
