//! A catalog in PostgreSQL: shared by any number of replicas.
//!
//! The statements are the ones SQLite takes; `migrations/postgres` compares text byte by byte, as SQLite does. What the
//! two databases do not share:
//!
//! - **One writer.** A writing transaction takes one advisory lock with its first statement and keeps it until it ends. It
//!   reads committed: each of its later statements sees all that was committed before, and nobody else can commit. So it
//!   may look first and write then, as in SQLite. Readers wait for nobody.
//! - **A server that can be away.** A connection is tested before it is used, so the first call after an outage finds
//!   a good one. No statement, lock or silent client is waited for endlessly.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};

use crate::error::During as _;
use crate::open::migrate;
use crate::{CatalogError, WriteLock};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// The number says nothing (it spells "outlay"). Whatever the server's default is, a transaction that had to wait for the
/// lock must see what was committed meanwhile; and one that cannot write should fail here.
pub(crate) const LOCK: WriteLock = WriteLock {
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    then: Some("SELECT pg_advisory_xact_lock(122550255116665)"),
};

/// A server takes a hundred by default, and there may be several replicas.
const CONNECTIONS: u32 = 8;

/// How long to wait for a connection. Soon enough to answer whoever asked that there is none.
const CONNECT: Duration = Duration::from_secs(5);

/// A client whose machine is gone is noticed, and with it goes the lock it may hold.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;";

/// What is set for each session, unless the server, the role or the address (`options`) sets something. A commit writes a
/// few thousand rows and is over within a second: whoever waits longer than this for the lock waits for one that hangs, and
/// one that stopped in the middle of a transaction keeps everybody else from writing, so it loses its connection. What was
/// committed must survive a power cut, as in SQLite.
const SETTINGS: &str = "SELECT set_config(name, value, false) \
     FROM (VALUES ('lock_timeout', '0', '30s'), ('idle_in_transaction_session_timeout', '0', '1min'), \
                  ('synchronous_commit', 'off', 'on')) AS ours (name, lax, value) \
     WHERE current_setting(name) = lax";

/// No question takes as long. A migration may, so it is set for what comes after.
const STATEMENTS: &str =
    "SELECT set_config('statement_timeout', '1min', false) WHERE current_setting('statement_timeout') = '0'";

/// Opens the catalog in the database at `url` and migrates it.
pub(crate) async fn open(url: &str, redacted: &str) -> Result<AnyPool, CatalogError> {
    let what = format!("open {redacted}");
    let url = named(url);
    // Not from the pool: that would try again and again and in the end only say that it took too long.
    let connecting = tokio::time::timeout(CONNECT, AnyConnection::connect(&url)).await;
    let mut first = connecting.unwrap_or(Err(sqlx::Error::PoolTimedOut)).during(&what)?;
    // A migration may take longer than any statement is given later.
    prepare(&mut first).await.during(&what)?;
    check_encoding(&mut first, redacted, &what).await?;
    migrate(&mut first, LOCK, &MIGRATIONS, redacted).await?;
    first.close().await.during(&what)?;
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT)
        .test_before_acquire(true)
        .after_connect(|conn, _| {
            Box::pin(async {
                prepare(&mut *conn).await?;
                conn.execute(STATEMENTS).await?;
                Ok(())
            })
        })
        .connect(&url)
        .await;
    pool.during(&what)
}

async fn prepare(conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
    conn.execute(KEEPALIVE).await?;
    conn.execute(SETTINGS).await?;
    Ok(())
}

/// So that whoever looks at the server sees whose connections these are.
fn named(url: &str) -> String {
    if url.contains("application_name=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}application_name=outlay")
}

/// Bills are written in all the world's scripts.
async fn check_encoding(conn: &mut AnyConnection, redacted: &str, what: &str) -> Result<(), CatalogError> {
    let row = conn.fetch_one("SELECT current_setting('server_encoding')").await.during(what)?;
    let encoding: String = row.try_get(0).during(what)?;
    if encoding == "UTF8" {
        return Ok(());
    }
    let why = format!("is a database in {encoding}, which cannot hold all names; create one WITH ENCODING 'UTF8'");
    Err(CatalogError::BadUrl { url: redacted.to_owned(), why })
}
