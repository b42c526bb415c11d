//! A lost catalog comes back from the store with the same answers; what cannot be trusted is named, not guessed.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{House, bill};
use outlay::app::App;
use outlay::config::Config;
use outlay::pipeline::{self, Force, Recovered};
use outlay_catalog::ChangesQuery;
use outlay_model::part::RunState;
use outlay_model::report::Scope;

const OCTOBER: (&str, &str) = ("period", "2026-10");
const SERVICES: [(&str, &str); 3] = [OCTOBER, ("group_by", "service"), ("granularity", "day")];

/// Two sources, one of them restated.
async fn house() -> House {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[("BilledCost", "1"), ("EffectiveCost", "1")]])).await;
    let restated = bill(&[&[("EffectiveCost", "2.5")], &[("EffectiveCost", "0.25"), ("ServiceName", "Amazon S3")]]);
    house.import("aws", "a.csv", &restated).await;
    let other = [("ProviderName", "Datadog"), ("BillingAccountId", "d"), ("EffectiveCost", "7")];
    house.import("datadog", "d.csv", &bill(&[&other])).await;
    house
}

fn data(house: &House) -> PathBuf {
    house.folder.path().join("data")
}

/// Loses the catalog and opens the house again.
async fn lose_catalog(house: &House) -> App {
    house.app.catalog.close().await;
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(data(house).join(name));
    }
    let loaded = Config::load(None, std::iter::empty(), Some(&data(house))).expect("a configuration");
    App::open(&loaded.config).await.expect("opens")
}

async fn recovered(house: House) -> (House, Recovered) {
    let app = lose_catalog(&house).await;
    let recovered = pipeline::recover(&app, false).await.expect("recovers");
    (House { app, folder: house.folder }, recovered)
}

fn records(house: &House) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(data(house).join("commits")).expect("there").map(|e| e.expect("ok").path()).collect();
    paths.sort();
    paths
}

fn parquet(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).expect("there").map(|entry| entry.expect("reads").path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn the_same_answers_come_back() {
    let house = house().await;
    let (total, groups) = (house.total(&[OCTOBER]).await, house.groups(&SERVICES).await);
    assert_eq!(total, "9.75");
    let lines = house.app.insights.reconciliation(None, &Scope::Company).await.expect("reads");
    let changes = house.app.insights.changes(&ChangesQuery::default(), 99, &Scope::Company).await.expect("reads");
    let generation = house.app.catalog.generation().await.expect("reads");

    let (house, recovered) = recovered(house).await;
    assert_eq!((recovered.deliveries, recovered.charges), (2, 3));
    assert_eq!((recovered.left_out.len(), recovered.strays.len()), (0, 0));
    assert_eq!((house.total(&[OCTOBER]).await, house.groups(&SERVICES).await), (total, groups));
    assert_eq!(house.app.insights.reconciliation(None, &Scope::Company).await.expect("reads"), lines);
    assert_eq!(
        house.app.insights.changes(&ChangesQuery::default(), 99, &Scope::Company).await.expect("reads"),
        changes
    );
    assert!(house.app.catalog.generation().await.expect("reads") > generation, "no answer of before is taken for new");
    // And the house goes on.
    house.import("aws", "a.csv", &bill(&[&[("EffectiveCost", "3")]])).await;
    let force = Force { shrink: true, rejects: false };
    house.import_with("aws", "a.csv", &bill(&[&[("EffectiveCost", "3")]]), None, force).await.expect("imports");
    assert_eq!(house.total(&[OCTOBER]).await, "10");
}

#[tokio::test]
async fn files_whose_records_are_lost_are_named_and_kept() {
    let house = house().await;
    for record in records(&house) {
        fs::remove_file(record).expect("removes");
    }
    house
        .import("aws", "b.csv", &bill(&[&[("BillingPeriodStart", "2026-11-01"), ("ChargePeriodStart", "2026-11-02")]]))
        .await;
    assert_eq!(records(&house).len(), 1);
    let (house, recovered) = recovered(house).await;
    assert_eq!(recovered.deliveries, 1);
    assert_eq!(recovered.strays.len(), 6, "{:?}", recovered.strays);
    // One of them may well be a bill that nobody wants to lose: nothing has been deleted.
    let kept = ["charges/aws", "daily/aws", "charges/datadog", "daily/datadog"];
    assert_eq!(kept.iter().map(|folder| parquet(&data(&house).join(folder)).len()).sum::<usize>(), 8);
}

#[tokio::test]
async fn a_damaged_file_leaves_its_delivery_out_and_the_others_in() {
    let house = house().await;
    let damaged = parquet(&data(&house).join("daily/datadog")).remove(0);
    let bytes = fs::read(&damaged).expect("reads");
    fs::write(&damaged, &bytes[..bytes.len() - 9]).expect("cuts");
    let (house, recovered) = recovered(house).await;
    assert_eq!(house.total(&[OCTOBER]).await, "2.75");
    let [out] = recovered.left_out.as_slice() else { panic!("{:?}", recovered.left_out) };
    assert_eq!((out.source.as_str(), out.delivery.as_str()), ("datadog", "2026-10"));
    assert!(out.why.ends_with("it is cut short, or no Parquet file"), "{}", out.why);
}

#[tokio::test]
async fn a_missing_new_copy_is_never_replaced_by_the_old_one() {
    let house = house().await;
    let newest = parquet(&data(&house).join("charges/aws")).pop().expect("two");
    fs::remove_file(newest).expect("removes");
    let (house, recovered) = recovered(house).await;
    assert_eq!(house.groups(&[OCTOBER, ("group_by", "source")]).await.keys().collect::<Vec<_>>(), ["datadog"]);
    assert!(recovered.left_out[0].why.ends_with("is missing"), "{:?}", recovered.left_out);
}

#[tokio::test]
async fn an_unreadable_record_leaves_its_delivery_out() {
    let house = house().await;
    let newest = records(&house).remove(1);
    fs::write(&newest, "{\"record\":1,").expect("writes");
    let (house, recovered) = recovered(house).await;
    assert_eq!(house.total(&[OCTOBER]).await, "7");
    assert!(recovered.left_out[0].why.contains("cannot be read"), "{:?}", recovered.left_out);
    // The bill can simply be imported again.
    house.import("aws", "a.csv", &bill(&[&[("EffectiveCost", "2.75")]])).await;
    assert_eq!(house.total(&[OCTOBER]).await, "9.75");
}

#[tokio::test]
async fn a_catalog_that_has_commits_is_left_alone() {
    let house = house().await;
    let error = pipeline::recover(&house.app, false).await.expect_err("is not empty");
    assert!(format!("{error:#}").contains("the catalog is not empty"), "{error:#}");
    assert_eq!(house.total(&[OCTOBER]).await, "9.75");
}

#[tokio::test]
async fn a_fresh_catalog_begins_no_second_history() {
    let house = house().await;
    let app = lose_catalog(&house).await;
    let house = House { app, folder: house.folder };
    let bill = bill(&[&[("EffectiveCost", "3")]]);
    let error = house.import_with("aws", "a.csv", &bill, None, Force::default()).await.expect_err("is refused");
    assert!(error.to_string().contains("the records of 3 commits and the catalog is empty"), "{error:#}");
    pipeline::recover(&house.app, false).await.expect("recovers");
    house.import_with("aws", "a.csv", &bill, None, Force { shrink: true, rejects: false }).await.expect("imports");
}

#[tokio::test]
async fn strays_are_removed_only_when_asked() {
    let house = house().await;
    let stray = data(&house).join("charges/aws/unknown.parquet");
    fs::write(&stray, "half a file").expect("writes");
    let (house, recovered) = recovered(house).await;
    assert_eq!(recovered.strays.len(), 1);
    pipeline::sweep(&house.app).await.expect("sweeps");
    assert!(stray.exists());
    let app = lose_catalog(&house).await;
    pipeline::recover(&app, true).await.expect("recovers");
    pipeline::sweep(&app).await.expect("sweeps");
    assert!(!stray.exists());
    let house = House { app, folder: house.folder };
    assert_eq!(house.total(&[OCTOBER]).await, "9.75");
}

#[tokio::test]
async fn what_may_be_all_there_is_of_a_bill_is_not_discarded() {
    let house = house().await;
    let newest = records(&house).pop().expect("a record");
    fs::write(newest, "{\"record\":1,").expect("writes");
    let app = lose_catalog(&house).await;
    let recovered = pipeline::recover(&app, true).await.expect("recovers");
    assert_eq!((recovered.left_out.len(), recovered.strays.len(), recovered.discarded), (1, 2, false));
    pipeline::sweep(&app).await.expect("sweeps");
    assert_eq!(parquet(&data(&house).join("charges/datadog")).len(), 1);
}

#[tokio::test]
async fn a_bill_that_came_again_is_newer_than_what_was_left_out() {
    let house = House::new().await;
    let datadog = |cost| {
        let row = [("ProviderName", "Datadog"), ("BillingAccountId", "d"), ("EffectiveCost", cost)];
        bill(&[&row])
    };
    house.import("aws", "a.csv", &bill(&[&[("EffectiveCost", "1")]])).await;
    for cost in ["6", "7"] {
        house.import("datadog", "d.csv", &datadog(cost)).await;
    }
    let lost = parquet(&data(&house).join("charges/datadog")).pop().expect("two");
    let aside = house.folder.path().join("aside.parquet");
    fs::rename(&lost, &aside).expect("moves");
    let (house, recovered) = recovered(house).await;
    assert_eq!(recovered.left_out.len(), 1);
    house.import("datadog", "d.csv", &datadog("8")).await;
    // The file turns up again, and the catalog is lost again: the later bill is the one that counts.
    fs::rename(&aside, &lost).expect("moves back");
    let app = lose_catalog(&house).await;
    pipeline::recover(&app, false).await.expect("recovers");
    let house = House { app, folder: house.folder };
    assert_eq!(house.total(&[OCTOBER]).await, "9");
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_told_from_a_damaged_one() {
    let house = house().await;
    fs::write(records(&house).remove(0), r#"{"record":2,"kept_elsewhere":true}"#).expect("writes");
    let app = lose_catalog(&house).await;
    let error = pipeline::recover(&app, false).await.expect_err("cannot be read");
    assert!(format!("{error:#}").contains("was written by a newer outlay (record version 2"), "{error:#}");
}

#[tokio::test]
async fn a_bill_whose_file_is_lost_comes_back_by_importing_it_again() {
    let house = house().await;
    let text = fs::read_to_string(house.folder.path().join("d.csv")).expect("reads");
    fs::remove_file(parquet(&data(&house).join("daily/datadog")).remove(0)).expect("removes");
    house.try_spend(&[OCTOBER]).await.expect_err("a file is missing");
    assert_eq!(house.import("datadog", "d.csv", &text).await[0].state, RunState::Committed);
    assert_eq!(house.total(&[OCTOBER]).await, "9.75");
    assert_eq!(house.import("datadog", "d.csv", &text).await[0].state, RunState::Unchanged);
}
