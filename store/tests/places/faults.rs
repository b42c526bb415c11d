//! Bad days of an object store: what passes is tried again, and the rest is told in words that help.

use std::sync::Arc;

use axum::http::Method;
use outlay_model::part::Layer;
use outlay_store::{BucketSettings, Store};

use crate::bill::{self, total};
use crate::gcs::{Fault, TOKEN};
use crate::place::Place;

async fn refused(settings: BucketSettings) -> String {
    let opened = Store::open_bucket(settings, Default::default(), Default::default()).await;
    let text = opened.expect_err("cannot be opened").to_string();
    assert!(!text.contains(TOKEN), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    let place = Place::gcs().await;
    let gcs = place.gcs.clone().expect("a stand-in");
    let mut settings = place.settings(u64::MAX);
    settings.variables.push(("GOOGLE_TIMEOUT".to_owned(), "1 second".to_owned()));
    let store = Store::open_bucket(settings, Default::default(), Default::default()).await.expect("opens");
    let store = Arc::new(store);
    for fault in [Fault::Answer(503, "SlowDown"), Fault::Answer(500, "InternalError"), Fault::Cut, Fault::Silence] {
        gcs.fail_next(Method::PUT, fault);
    }
    bill::publish(&store, "part-1", 10).await;
    std::fs::remove_dir_all(place.files().join("charges")).expect("removes");
    for fault in [Fault::Answer(429, "rateLimitExceeded"), Fault::Cut, Fault::CutShort, Fault::Silence] {
        gcs.fail_next(Method::GET, fault);
    }
    assert_eq!(total(&store, Layer::Charges, &["part-1"]).await.expect("answers"), "55");
    gcs.fail_next(Method::DELETE, Fault::Answer(503, "SlowDown"));
    for file in bill::files("part-1") {
        store.remove(&file).await.expect("removes");
    }
    assert!(gcs.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_fails_clearly_and_shows_nothing() {
    let place = Place::gcs().await;
    let gcs = place.gcs.clone().expect("a stand-in");
    let store = place.open().await;
    bill::stage(&store, "part-1", 10).await;
    for (fault, tries, said) in [
        (Fault::Answer(503, "SlowDown"), 6, "it is too busy (SlowDown), still after several tries: try again later"),
        (
            Fault::Answer(403, "AccessDenied"),
            1,
            "access is denied (AccessDenied): the credentials must be allowed to list, read, write and delete there",
        ),
        (
            Fault::Answer(403, "RequestTimeTooSkewed"),
            1,
            "the clock of this machine is too far from the provider's: set it",
        ),
        (
            Fault::Answer(401, "ExpiredToken"),
            1,
            "the credentials are not accepted (ExpiredToken): are they complete, of this account, and still valid?",
        ),
    ] {
        gcs.heal();
        gcs.fail_always(Method::PUT, "", fault.clone());
        gcs.requests();
        let error = store.publish(&bill::files("part-1")).await.expect_err("fails").to_string();
        assert!(error.starts_with("gs://outlay-tests/tests/"), "{error}");
        assert!(error.ends_with(&format!(" cannot take charges/aws/part-1.parquet: {said}")), "{error}");
        assert!(!error.contains(TOKEN), "{error}");
        assert_eq!(gcs.requests().len(), tries, "{fault:?}");
        assert!(gcs.keys().is_empty());
    }
    // What was staged is still there, and goes the way once it is free.
    gcs.heal();
    store.publish(&bill::files("part-1")).await.expect("publishes");
    assert_eq!(total(&store, Layer::Daily, &["part-1"]).await.expect("answers"), "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_go_in_parts_and_parts_of_what_failed_are_taken_back() {
    let place = Place::gcs().await;
    let gcs = place.gcs.clone().expect("a stand-in");
    let store = place.open().await;
    // A file of the store need not be one of charges to be sent; its length is what matters here.
    let files = bill::files("part-1");
    bill::stage(&store, "part-1", 10).await;
    let staged = staged(&place, &files[0].path);
    let mut bytes = std::fs::read(&staged).expect("is there");
    let footer = bytes.split_off(4);
    bytes.extend((0..40_000_000_u32).map(|byte| (byte % 251) as u8));
    bytes.extend(footer);
    std::fs::write(&staged, &bytes).expect("writes");

    gcs.fail_next(Method::PUT, Fault::Answer(403, "AccessDenied"));
    store.publish(&files[..1]).await.expect_err("fails");
    assert_eq!((gcs.uploads(), gcs.keys().len()), (0, 0));

    // A part that was on its way when the first try failed may come now: it is none of the second one.
    let second = "of upload-2";
    gcs.fail_next_of(second, Method::PUT, Fault::Cut);
    gcs.requests();
    store.publish(&files[..1]).await.expect("publishes");
    let requests = gcs.requests();
    let puts = requests.iter().filter(|request| request.starts_with("PUT ") && request.ends_with(second)).count();
    assert_eq!(puts, 4, "three parts, one of them twice: {requests:?}");
    assert_eq!(gcs.object(&gcs.keys()[0]).expect("is there"), bytes);
}

fn staged(place: &Place, path: &str) -> std::path::PathBuf {
    let scratch = place.scratch();
    let own =
        scratch.read_dir().expect("is there").map(|entry| entry.expect("is there").path()).find(|path| path.is_dir());
    own.expect("is there").join("staged").join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_opened_says_why() {
    let place = Place::gcs().await;
    let with = |name: &str, value: &str| {
        let mut settings = place.settings(0);
        settings.variables.retain(|(known, _)| known != name);
        settings.variables.push((name.to_owned(), value.to_owned()));
        settings
    };
    let mut elsewhere = place.settings(0);
    elsewhere.url = "gs://outlay-nowhere/x".parse().expect("an address");
    assert_eq!(
        refused(elsewhere).await,
        "gs://outlay-nowhere/x cannot be read: there is no such bucket: create it, or correct [store] url"
    );
    let text = refused(with("GOOGLE_BEARER_TOKEN", "somebody else's")).await;
    assert!(text.ends_with("the credentials are not accepted (AuthenticationRequired): are they complete, of this account, and still valid?"), "{text}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address");
    let text = refused(with("GOOGLE_BASE_URL", &format!("http://{free}"))).await;
    assert!(text.ends_with(" cannot be read: it cannot be reached: look at the network and the endpoint"), "{text}");

    for (place, nowhere) in [(Place::s3(), "s3://outlay-nowhere"), (Place::azure(), "az://outlay-nowhere")] {
        let mut settings = place.settings(0);
        settings.url = nowhere.parse().expect("an address");
        let said = format!("{nowhere} cannot be read: there is no such bucket: create it, or correct [store] url");
        assert_eq!(refused(settings).await, said);
    }
    let mut settings = Place::azure().settings(0);
    let key = settings.variables.iter_mut().find(|(name, _)| name == "AZURE_STORAGE_ACCOUNT_KEY").expect("has one");
    key.1 = "c29tZWJvZHkgZWxzZSdz".to_owned();
    let text = refused(settings).await;
    // Azurite's word for a wrong signature; Azure's own is AuthenticationFailed.
    assert!(text.contains(" cannot be read: access is denied (AuthorizationFailure): "), "{text}");
    let mut settings = Place::s3().settings(0);
    settings.variables.push(("AWS_ENDPOINT_URL".to_owned(), "http://192.0.2.1:9000".to_owned()));
    let text = refused(settings).await;
    assert!(text.contains("its endpoint is not encrypted: use https://, or allow http with AWS_ALLOW_HTTP"), "{text}");
}
