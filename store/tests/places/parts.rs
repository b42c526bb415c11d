//! Parts, from staging to sweeping.

use std::fs;

use outlay_model::part::Layer;
use outlay_store::StoreError;

use crate::bill::{self, total};
use crate::in_every_place;
use crate::place::Place;

in_every_place!(
    what_is_published_is_answered_from_and_what_is_removed_is_missed,
    another_machine_answers_the_same,
    a_part_that_is_given_up_leaves_nothing,
);

async fn what_is_published_is_answered_from_and_what_is_removed_is_missed(place: Place) {
    let store = place.open().await;
    store.ready(None).await.expect("can be read");
    bill::publish(&store, "part-1", 100).await;
    bill::publish(&store, "part-2", 3).await;
    store.ready(Some("daily/aws/part-1.parquet")).await.expect("is there");
    for layer in [Layer::Charges, Layer::Daily] {
        assert_eq!(total(&store, layer, &["part-1"]).await.expect("answers"), "5050");
        assert_eq!(total(&store, layer, &["part-1", "part-2"]).await.expect("answers"), "5056");
    }
    assert_eq!(
        store.list("charges").await.expect("lists"),
        ["charges/aws/part-1.parquet", "charges/aws/part-2.parquet"]
    );
    for file in bill::files("part-1") {
        store.remove(&file).await.expect("removes");
        store.remove(&file).await.expect("is gone already");
    }
    store.ready(Some("daily/aws/part-1.parquet")).await.expect_err("is gone");
    assert_eq!(total(&store, Layer::Daily, &["part-2"]).await.expect("answers"), "6");
    let error = total(&store, Layer::Daily, &["part-2", "part-1"]).await.expect_err("is gone");
    assert!(matches!(&error, StoreError::Missing { file, .. } if file == "daily/aws/part-1.parquet"), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("daily/aws/part-1.parquet is gone from "), "{text}");
    assert!(text.ends_with(": restore it from a backup, or import its bill again"), "{text}");
}

async fn another_machine_answers_the_same(place: Place) {
    bill::publish(&place.open().await, "part-1", 100).await;
    if place.is_remote() {
        fs::remove_dir_all(place.folder.path().join("cache")).expect("removes");
    }
    let store = place.open().await;
    for layer in [Layer::Charges, Layer::Daily] {
        assert_eq!(total(&store, layer, &["part-1"]).await.expect("answers"), "5050");
    }
    // A copy that was cut short on the way to the disk is noticed, and fetched anew.
    if place.is_remote() {
        let copy = place.files().join("daily/aws/part-1.parquet");
        let whole = fs::read(&copy).expect("is there");
        for damaged in [&whole[..whole.len() - 1], &[], &vec![0; whole.len()]] {
            fs::write(&copy, damaged).expect("writes");
            assert_eq!(total(&store, Layer::Daily, &["part-1"]).await.expect("answers"), "5050");
            assert_eq!(fs::read(&copy).expect("is there"), whole);
        }
    }
}

async fn a_part_that_is_given_up_leaves_nothing(place: Place) {
    let store = place.open().await;
    bill::stage(&store, "part-1", 10).await;
    bill::publish(&store, "part-2", 10).await;
    if place.is_remote() {
        assert_eq!(store.list("").await.expect("lists").len(), 2, "staged is not published");
    }
    for part in ["part-1", "part-2"] {
        for file in bill::files(part) {
            store.remove(&file).await.expect("removes");
        }
    }
    assert!(store.list("").await.expect("lists").is_empty());
    assert_eq!(bill::files_below(place.folder.path()), Vec::<String>::new());
}
