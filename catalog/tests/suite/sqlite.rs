//! What is true of SQLite files only.

use std::error::Error as _;
use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError, ChangesQuery, RunsQuery};
use sqlx::Executor as _;

use crate::bill::{Bill, at, delivery, source};
use crate::place::Site;

#[tokio::test]
async fn odd_paths_are_taken_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = folder.path().join("ünïcode, 100% #1 & more");
    let url = format!("sqlite://{}/a/../catalog.db", odd.display());
    std::fs::create_dir_all(odd.join("a")).expect("a folder");
    let catalog = Catalog::open(&url).await.expect("opens");
    assert_eq!(catalog.generation().await.expect("reads"), 0);
    assert!(odd.join("catalog.db").is_file());
}

#[tokio::test]
async fn what_is_not_a_catalog_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, "this is not a database, however long one looks at it ".repeat(40)).expect("writes");
    let error = Catalog::open(&format!("sqlite://{}", path.display())).await.expect_err("is no database");
    assert!(matches!(error, CatalogError::Unavailable { .. }), "{error:?}");
}

/// Whoever holds the file for longer than we wait, is not us.
#[tokio::test]
async fn a_file_that_another_program_locks_is_unavailable_until_it_does_not() {
    let place = Site::sqlite().open().await;
    let (catalog, bill) = (&place.catalog, Bill::new("p1"));
    bill.intend(catalog).await;
    let mut other = place.site.connect().await;
    other.execute("BEGIN IMMEDIATE").await.expect("locks it");
    let error = catalog.commit(bill.commit(at(1))).await.expect_err("is locked");
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the catalog is not available: could not begin a transaction; another process has been writing to it for too long: \
         wait for that one, or stop it, and try again"
    );
    assert!(error.source().is_some_and(|source| source.to_string().contains("database is locked")), "{error:?}");
    // Readers go on meanwhile.
    assert_eq!(catalog.snapshot().await.expect("reads").generation, 0);
    let reader = place.replica().await;
    assert_eq!(reader.generation().await.expect("reads"), 0);
    reader.close().await;
    other.execute("ROLLBACK").await.expect("lets go");
    assert_eq!(catalog.commit(bill.commit(at(1))).await.expect("commits"), 1);
}

/// Whoever serves requests spawns them, so every call must be able to move between threads.
#[tokio::test]
async fn every_call_can_be_spawned() {
    fn spawnable(_: impl Send) {}
    let place = Site::sqlite().open().await;
    let (catalog, bill) = (&place.catalog, Bill::new("p1"));
    spawnable(Catalog::open("sqlite://unused.db"));
    spawnable(catalog.snapshot());
    spawnable(catalog.snapshot_at(0));
    spawnable(catalog.live_part(&source("aws"), &delivery("2026-10")));
    spawnable(catalog.balances(None));
    spawnable(catalog.changes(&ChangesQuery::default(), 1));
    spawnable(catalog.runs(&RunsQuery::default(), 1));
    spawnable(catalog.rejects(&bill.run_id(), 1));
    spawnable(catalog.reject_counts(&bill.run_id()));
    spawnable(catalog.start_run(&bill.started(at(0))));
    spawnable(catalog.finish_run(&bill.started(at(0)), &bill.all_rejects()));
    spawnable(catalog.intend(&bill.intent(at(0))));
    spawnable(catalog.abandon(&bill.part_id()));
    spawnable(catalog.renew(&bill.part_id(), at(0)));
    spawnable(catalog.end_lost_runs(at(0), at(0)));
    spawnable(catalog.commit(bill.commit(at(0))));
    spawnable(catalog.sweepable(at(0), Duration::ZERO));
    spawnable(catalog.swept(&bill.part_id()));
    spawnable(catalog.close());
}
