//! Transfers are as long-lived as what they split, and are there again whatever is lost.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{Datelike as _, Months};
use outlay::app::App;
use outlay::config::Config;
use serde_json::json;

use super::*;

fn data(house: &House) -> PathBuf {
    house.folder.path().join("data")
}

/// Files of transfers in the store.
fn files(house: &House) -> Vec<PathBuf> {
    let folders = fs::read_dir(data(house).join("daily")).expect("there").map(|entry| entry.expect("reads").path());
    let shared =
        folders.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("shared.")));
    let mut files: Vec<PathBuf> =
        shared.flat_map(|path| fs::read_dir(path).expect("there")).map(|entry| entry.expect("reads").path()).collect();
    files.sort();
    files
}

async fn one_pool(config: &str) -> House {
    let house = house_with(config, json!({ "network": { "even": ["payments", "search"] } })).await;
    house.import("aws", "october.csv", &october(&[("ops", 5, "EC2", "1"), ("", 5, "network", "3")])).await;
    settle(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "1.5"), ("search", "1.5")]);
    house
}

#[tokio::test]
async fn what_is_kept_no_longer_is_split_no_longer() {
    let house = house_with(
        "[retention]\ncharges_months = 1\ndaily_months = 2\n",
        json!({ "network": { "even": ["payments", "search"] } }),
    )
    .await;
    let this_month = now().date_naive().with_day(1).expect("a day");
    let month = |back: u32| (this_month - Months::new(back)).format("%Y-%m").to_string();
    // The detail of the second is gone, of the third all.
    for back in [0, 2, 3] {
        let bill = month_in("USD", &month(back), &[("", 1, "network", "3")]);
        house.import("aws", &format!("{back}.csv"), &bill).await;
    }
    settle(&house).await;
    let months: Vec<String> = transfers(&house).await.into_keys().map(|(_, month)| month).collect();
    assert_eq!(months, [month(2), month(0)]);
    let kept = house.groups(&[("period", &month(2)), ("group_by", "team")]).await;
    assert_eq!((kept["payments"].as_str(), kept["search"].as_str()), ("1.5", "1.5"));
    let gone = house.try_spend(&[("period", &month(3)), ("group_by", "team")]).await;
    assert!(matches!(gone, Err(outlay_insights::InsightError::DetailExpired { .. })));
    let later = App { retire_grace: Duration::ZERO, ..house.app.clone() };
    pipeline::sweep(&later).await.expect("sweeps");
    assert_eq!(files(&house).len(), 2);
    let before = transfers(&house).await;
    pipeline::keep_in_shape(&house.app).await.expect("keeps");
    settle(&house).await;
    assert_eq!(transfers(&house).await, before);
}

#[tokio::test]
async fn a_lost_catalog_comes_back_with_its_owners() {
    let house = one_pool("").await;
    let before = house.app.catalog.snapshot().await.expect("reads");
    let old = files(&house);
    house.app.catalog.close().await;
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(data(&house).join(name));
    }
    let loaded = Config::load(None, std::iter::empty(), Some(&data(&house))).expect("a configuration");
    let house = House { app: App::open(&loaded.config).await.expect("opens"), folder: house.folder };

    let recovered = pipeline::recover(&house.app, false).await.expect("recovers");
    assert_eq!((recovered.deliveries, recovered.left_out.len(), recovered.strays.len()), (1, 0, 0));
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    assert_eq!(snapshot.ownership, before.ownership);
    assert_eq!((&snapshot.parts, snapshot.shared.len()), (&before.parts, 0));
    settle(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "1.5"), ("search", "1.5")]);
    add_up(&house).await;
    let after = house.app.catalog.snapshot().await.expect("reads");
    assert_eq!(after.parts, before.parts, "nothing was owned anew");
    pipeline::sweep(&house.app).await.expect("sweeps");
    let new = files(&house);
    assert!(new.len() == 1 && new != old, "{new:?}");
}

#[tokio::test]
async fn transfers_whose_file_is_lost_are_made_anew() {
    let house = one_pool("").await;
    assert_eq!(pipeline::lost_transfers(&house.app).await.expect("looks"), []);
    fs::remove_file(&files(&house)[0]).expect("removes");
    let lost = pipeline::lost_transfers(&house.app).await.expect("looks");
    assert_eq!(lost.len(), 1);
    pipeline::forget_transfers(&house.app, lost).await.expect("takes them away");
    settle(&house).await;
    assert_eq!(pipeline::lost_transfers(&house.app).await.expect("looks"), []);
    same(&teams(&house).await, &[("ops", "1"), ("payments", "1.5"), ("search", "1.5")]);
}
