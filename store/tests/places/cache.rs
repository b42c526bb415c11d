//! The copies of a bucket's files on this machine.

use std::fs;

use axum::http::Method;
use outlay_model::part::Layer;

use crate::bill::{self, files_below, total};
use crate::gcs::Fault;
use crate::place::Place;

fn fetched(place: &Place) -> Vec<String> {
    let requests = place.gcs.as_ref().expect("a stand-in").requests();
    requests.into_iter().filter(|request| request.starts_with("GET ") && request.ends_with(".parquet")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_what_is_here_fetches_nothing() {
    let place = Place::gcs().await;
    let store = place.open().await;
    bill::publish(&store, "part-1", 100).await;
    fetched(&place);
    total(&store, Layer::Charges, &["part-1"]).await.expect("answers");
    assert_eq!(fetched(&place), Vec::<String>::new(), "what was staged here is here");
    let store = place.open().await;
    total(&store, Layer::Daily, &["part-1"]).await.expect("answers");
    assert_eq!(fetched(&place), Vec::<String>::new(), "and is still after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_need_the_same_file_fetch_it_once() {
    let place = Place::gcs().await;
    let store = place.open().await;
    bill::publish(&store, "part-1", 100).await;
    fs::remove_dir_all(place.files().join("daily")).expect("removes");
    fetched(&place);
    let queries: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { total(&store, Layer::Daily, &["part-1"]).await })
        })
        .collect();
    for query in queries {
        assert_eq!(query.await.expect("runs").expect("answers"), "5050");
    }
    assert_eq!(fetched(&place).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_longest_ago_goes_first_and_any_limit_answers() {
    let place = Place::gcs().await;
    let store = place.open().await;
    for part in ["part-1", "part-2", "part-3"] {
        bill::publish(&store, part, 50).await;
    }
    for layer in ["charges", "daily"] {
        fs::remove_dir_all(place.files().join(layer)).expect("removes");
    }
    total(&store, Layer::Daily, &["part-1"]).await.expect("answers");
    let one = fs::metadata(place.files().join("daily/aws/part-1.parquet")).expect("is there").len();
    drop(store);

    let store = place.open_with(one * 2 + one / 2).await;
    for part in ["part-2", "part-1", "part-3"] {
        assert_eq!(total(&store, Layer::Daily, &[part]).await.expect("answers"), "1275");
    }
    let mut kept = files_below(&place.files());
    kept.sort();
    assert_eq!(kept, ["part-1.parquet", "part-3.parquet"], "part-2 was used longest ago");
    // More than fits is there while it is needed, and no longer.
    assert_eq!(total(&store, Layer::Daily, &["part-1", "part-2", "part-3"]).await.expect("answers"), "3825");
    assert_eq!(files_below(&place.files()).len(), 2);
    drop(store);

    let store = place.open_with(0).await;
    assert!(files_below(&place.files()).is_empty());
    for _ in 0..2 {
        assert_eq!(total(&store, Layer::Daily, &["part-1", "part-2"]).await.expect("answers"), "2550");
        assert!(files_below(place.folder.path()).is_empty());
    }
}

/// Every process has its own scratch folder and its own idea of what is in use; stores stand for them here.
#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_cache_without_harm() {
    let place = Place::gcs().await;
    let greedy = place.open().await;
    for part in ["part-1", "part-2", "part-3", "part-4"] {
        bill::publish(&greedy, part, 50).await;
    }
    // This one throws away whatever nobody holds, after each of its queries.
    let frugal = place.open_with(0).await;
    let queries: Vec<_> = (0..40)
        .map(|turn| {
            let store = if turn % 2 == 0 { greedy.clone() } else { frugal.clone() };
            let layer = if turn % 3 == 0 { Layer::Charges } else { Layer::Daily };
            tokio::spawn(async move { total(&store, layer, &["part-1", "part-2", "part-3", "part-4"]).await })
        })
        .collect();
    for query in queries {
        assert_eq!(query.await.expect("runs").expect("answers"), "5100");
    }
    // What one stages, another one that starts meanwhile leaves alone.
    bill::stage(&greedy, "part-5", 10).await;
    let late = place.open().await;
    greedy.publish(&bill::files("part-5")).await.expect("publishes");
    assert_eq!(total(&late, Layer::Daily, &["part-5"]).await.expect("answers"), "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_cleared_when_the_next_one_starts() {
    let place = Place::gcs().await;
    let store = place.open().await;
    bill::publish(&store, "part-1", 10).await;
    let dead = place.scratch().join("1-0");
    fs::create_dir_all(dead.join("staged/charges/aws")).expect("creates");
    fs::write(dead.join("alive"), "").expect("writes");
    fs::write(dead.join("staged/charges/aws/half.parquet"), "PAR1").expect("writes");
    fs::create_dir_all(dead.join("held-0/daily/aws")).expect("creates");
    let link = dead.join("held-0/daily/aws/part-1.parquet");
    fs::hard_link(place.files().join("daily/aws/part-1.parquet"), link).expect("links");
    let next = place.open_with(0).await;
    assert!(!dead.exists());
    assert_eq!(files_below(&place.files()).len(), 0, "nobody holds what the dead one held");
    assert_eq!(total(&next, Layer::Daily, &["part-1"]).await.expect("answers"), "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_fails_leaves_nothing_and_the_next_one_succeeds() {
    let place = Place::gcs().await;
    let gcs = place.gcs.clone().expect("a stand-in");
    let store = place.open().await;
    bill::publish(&store, "part-1", 10).await;
    fs::remove_dir_all(place.files().join("daily")).expect("removes");
    gcs.fail_always(Method::GET, "", Fault::Answer(403, "AccessDenied"));
    total(&store, Layer::Daily, &["part-1"]).await.expect_err("may not");
    assert_eq!(files_below(place.folder.path()), ["part-1.parquet"], "of charges");
    gcs.heal();
    assert_eq!(total(&store, Layer::Daily, &["part-1"]).await.expect("answers"), "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_told_and_not_kept() {
    let place = Place::gcs().await;
    let gcs = place.gcs.clone().expect("a stand-in");
    let store = place.open().await;
    bill::publish(&store, "part-1", 10).await;
    let key = gcs.keys().into_iter().find(|key| key.ends_with("daily/aws/part-1.parquet")).expect("is there");
    let whole = gcs.object(&key).expect("is there");
    gcs.set_object(&key, Some(whole.slice(..whole.len() / 2)));
    fs::remove_dir_all(place.files().join("daily")).expect("removes");
    let error = total(&store, Layer::Daily, &["part-1"]).await.expect_err("is damaged").to_string();
    assert!(error.starts_with("daily/aws/part-1.parquet in gs://outlay-tests/tests/"), "{error}");
    assert!(error.ends_with(" is damaged: restore it from a backup, or import its bill again"), "{error}");
    gcs.set_object(&key, Some(whole));
    assert_eq!(total(&store, Layer::Daily, &["part-1"]).await.expect("answers"), "55");
}
