//! Everything in SQL: which parts are live, how they got there, and which files may be deleted.
//!
//! The catalog is what makes the store true: *a row is visible if and only if its part is live here* (P3). A bill is
//! restated by one transaction, [`Catalog::commit`], which retires the old part, makes the new one live and raises the
//! one `generation`; a reader takes a [`Snapshot`] and sees the old bill or the new one, never half.
//!
//! Invariants:
//! - At most one part of a delivery is live; a commit names the part it replaces and fails when another one is.
//! - A file has a row here from before its first byte until after its deletion, under exactly one part. What may be
//!   deleted is decided here in a transaction that makes it impossible to commit it any more; nothing live is ever named.
//! - Money is canonical text and is added up in Rust only (P2).
//! - Every writing transaction takes the write lock with its first statement, so none fails half-way for a lock.
//! - No clock: whoever calls says what time it is.
//!
//! The SQL is what SQLite and PostgreSQL both take; `sql.rs` says how values are written in it. Where they differ is in
//! `open.rs` and `postgres.rs`: how one is opened, and how its write lock is taken.

mod address;
mod commit;
mod days;
mod error;
mod events;
mod expenses;
mod intents;
mod jobs;
mod open;
mod ownership;
mod parts;
mod postgres;
mod rates;
mod records;
mod refile;
mod rejects;
mod reown;
mod runs;
mod said;
mod series;
mod settling;
mod sources;
mod sql;
mod sweep;
mod withdraw;

use std::fmt;
use std::sync::{Arc, Mutex};

use sqlx::{Any, AnyConnection, AnyPool, Transaction};

pub use address::Address;
pub use commit::Commit;
pub use days::{Change, ChangePlace, ChangesQuery, DayFigures};
pub use error::{CatalogError, NotConserved, Overlap};
pub use events::{EventPlace, EventsQuery};
pub use expenses::Expense;
pub use intents::Intent;
pub use jobs::{JobsQuery, Wanted, Which};
pub use ownership::{AuditQuery, OwnershipChange};
pub use parts::Snapshot;
pub use rates::RatesCommit;
pub use records::Record;
pub use refile::Refile;
pub use rejects::{RejectCount, Rejects};
pub use reown::{Reowning, Sharing};
pub use runs::{Refusal, RefusedFigure, Run, RunsQuery};
pub use said::{OwnershipRecord, SaidOf};
pub use sources::KnownSource;
pub use sweep::Doomed;
pub use withdraw::Withdrawal;

use error::During as _;

/// The catalog. Cheap to clone; all clones share one pool and one cached snapshot.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    pool: AnyPool,
    /// The address without anything secret.
    url: String,
    lock: WriteLock,
    /// The newest snapshot anybody has read. Held only to swap the pointer.
    snapshot: Mutex<Option<Arc<Snapshot>>>,
}

impl Catalog {
    /// Waits for running statements and lets the database go. Calls on other clones fail from here on.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    fn pool(&self) -> &AnyPool {
        &self.inner.pool
    }

    /// Begins a transaction that holds the write lock already.
    async fn begin(&self) -> Result<Transaction<'static, Any>, CatalogError> {
        let (pool, lock) = (self.pool().clone(), self.inner.lock);
        // In a task of its own, which goes on when the caller is dropped: sqlx does not roll back a BEGIN whose answer it has
        // not seen, and the connection would come back to the pool within that transaction.
        let beginning = tokio::spawn(async move {
            let mut tx = pool.begin_with(lock.begin).await.during("begin a transaction")?;
            lock.take(&mut tx).await.during("take the write lock")?;
            Ok(tx)
        });
        let stopped = |error: tokio::task::JoinError| CatalogError::Unavailable {
            what: "begin a transaction".to_owned(),
            source: error.into(),
        };
        beginning.await.map_err(stopped)?
    }
}

/// How a transaction becomes the only one that writes. Every writing transaction and every migration does it first, so
/// what they look at cannot change under them, in whichever database.
#[derive(Clone, Copy)]
struct WriteLock {
    begin: &'static str,
    /// Where BEGIN alone does not take it. A statement of its own: sqlx rolls back what it knows to have begun, and were
    /// this part of BEGIN, a connection that did not get the lock would stay in its failed transaction.
    then: Option<&'static str>,
}

impl WriteLock {
    async fn take(self, conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
        if let Some(statement) = self.then {
            sqlx::query(statement).execute(conn).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("url", &self.inner.url).finish_non_exhaustive()
    }
}
