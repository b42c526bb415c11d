//! What is true of SQLite files only.

use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError};
use sqlx::{AnyConnection, Connection as _};

use crate::bill::{Bill, at, delivery, source};
use crate::place::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_file_may_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/new/deeper/catalog.db", folder.path().display());
    let opening: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let url = url.clone();
                async move { Catalog::open(&url).await }
            })
        })
        .collect();
    for opened in opening {
        let catalog = opened.await.expect("no panic").expect("opens");
        assert_eq!(catalog.generation().await.expect("reads"), 0);
    }
}

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
async fn a_catalog_of_a_newer_outlay_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/catalog.db", folder.path().display());
    Catalog::open(&url).await.expect("opens").close().await;
    let mut conn = AnyConnection::connect(&url).await.expect("connects");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'from the future', TRUE, x'00', 1)",
    )
    .execute(&mut conn)
    .await
    .expect("pretends");
    let error = Catalog::open(&url).await.expect_err("is refused");
    assert!(matches!(error, CatalogError::Newer { found: 9000, known: 2, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "catalog {url} was migrated to version 9000 by a newer outlay, this one knows 2: use that version, or restore \
             the catalog from a backup"
        )
    );
}

#[tokio::test]
async fn what_is_not_a_catalog_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, "this is not a database, however long one looks at it ".repeat(40)).expect("writes");
    let error = Catalog::open(&format!("sqlite://{}", path.display())).await.expect_err("is no database");
    assert!(matches!(error, CatalogError::Unavailable { .. }), "{error:?}");

    let error = Catalog::open("postgres://me:secret@db/outlay?password=secret").await.expect_err("not yet");
    assert!(matches!(error, CatalogError::BadUrl { .. }));
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
}

/// Whoever serves requests spawns them, so every call must be able to move between threads.
#[tokio::test]
async fn every_call_can_be_spawned() {
    fn spawnable(_: impl Send) {}
    let place = Place::sqlite().await;
    let (catalog, bill) = (&place.catalog, Bill::new("p1"));
    spawnable(Catalog::open("sqlite://unused.db"));
    spawnable(catalog.snapshot());
    spawnable(catalog.snapshot_at(0));
    spawnable(catalog.live_part(&source("aws"), &delivery("2026-10")));
    spawnable(catalog.balances(None));
    spawnable(catalog.changes(None, 1));
    spawnable(catalog.runs(None, 1));
    spawnable(catalog.rejects(&bill.run_id(), 1));
    spawnable(catalog.reject_counts(&bill.run_id()));
    spawnable(catalog.start_run(&bill.started(at(0))));
    spawnable(catalog.finish_run(&bill.started(at(0)), &bill.all_rejects()));
    spawnable(catalog.intend(&bill.intent(at(0))));
    spawnable(catalog.abandon(&bill.part_id()));
    spawnable(catalog.commit(bill.commit(at(0))));
    spawnable(catalog.sweepable(at(0), Duration::ZERO));
    spawnable(catalog.swept(&bill.part_id()));
    spawnable(catalog.close());
}
