//! The store is kept in shape and no answer changes, but for what [retention] says.

mod common;

use std::fs;
use std::path::PathBuf;

use chrono::{Datelike, Days, Months, NaiveDate};
use common::{House, bill, today};
use outlay::app::App;
use outlay::config::Config;
use outlay::pipeline::{self, Stale, Which};
use outlay_catalog::Run;
use outlay_insights::InsightError;
use outlay_model::export::ExportParams;
use outlay_model::part::RunState;
use outlay_model::report::Scope;

/// A month that is final by any clock.
const MARCH: (&str, &str) = ("period", "2026-03");
const BY_SERVICE: [(&str, &str); 3] = [MARCH, ("group_by", "service,tags.team"), ("granularity", "day")];

fn day(day: u32, cost: &str) -> String {
    let (start, end) = (format!("2026-03-{day:02}T00:00:00Z"), format!("2026-03-{:02}T00:00:00Z", day + 1));
    bill(&[
        &[
            ("BillingPeriodStart", "2026-03-01T00:00:00Z"),
            ("BillingPeriodEnd", "2026-04-01T00:00:00Z"),
            ("ChargePeriodStart", &start),
            ("ChargePeriodEnd", &end),
            ("EffectiveCost", cost),
            ("ResourceId", "i-1"),
            ("Tags", if day.is_multiple_of(2) { r#"{"team":"even","env":"prod"}"# } else { "" }),
        ],
        &[
            ("BillingPeriodStart", "2026-03-01T00:00:00Z"),
            ("BillingPeriodEnd", "2026-04-01T00:00:00Z"),
            ("ChargePeriodStart", &start),
            ("ChargePeriodEnd", &end),
            ("EffectiveCost", "0.125"),
            ("ServiceName", "Amazon S3"),
        ],
    ])
}

/// A delivery a day, as Google's exports come.
async fn scattered(config: &str) -> House {
    let house = House::with_config(config).await;
    for n in 1..=6 {
        import(&house, n, "1.5").await;
    }
    house
}

async fn import(house: &House, n: u32, cost: &str) -> Vec<Run> {
    let (name, key) = (format!("{n}-{cost}.csv"), format!("2026-03-{n:02}"));
    house.import_with("gcp", &name, &day(n, cost), Some(&key), Default::default()).await.expect("imports")
}

fn files(house: &House, layer: &str) -> Vec<PathBuf> {
    let folder = house.folder.path().join("data").join(layer).join("gcp");
    let mut paths: Vec<_> = fs::read_dir(folder).expect("there").map(|entry| entry.expect("reads").path()).collect();
    paths.sort();
    paths
}

/// The house with another configuration.
async fn reopened(house: House, config: &str) -> House {
    house.app.catalog.close().await;
    let (file, data) = (house.folder.path().join("other.toml"), house.folder.path().join("data"));
    fs::write(&file, config).expect("writes");
    let loaded = Config::load(Some(&file), std::iter::empty(), Some(&data)).expect("a configuration");
    House { app: App::open(&loaded.config).await.expect("opens"), folder: house.folder }
}

async fn live_daily_files(house: &House) -> usize {
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    let files = snapshot.parts.iter().flat_map(|part| part.files(outlay_model::part::Layer::Daily));
    files.collect::<std::collections::BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_final_month_becomes_one_file_and_answers_stay() {
    // Nothing is put together while the month is not final.
    let house = scattered("[store]\nfinal_after_days = 100000\n").await;
    assert_eq!(live_daily_files(&house).await, 6);
    let (total, groups) = (house.total(&[MARCH]).await, house.groups(&BY_SERVICE).await);
    assert_eq!(total, "9.75");

    let house = reopened(house, "").await;
    let runs = pipeline::keep_in_shape(&house.app).await.expect("keeps");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].message.as_deref(), Some("put the daily files of 6 deliveries of 2026-03 together"));
    assert_eq!(live_daily_files(&house).await, 1);
    assert_eq!((house.total(&[MARCH]).await, house.groups(&BY_SERVICE).await), (total.clone(), groups.clone()));
    assert_eq!(pipeline::keep_in_shape(&house.app).await.expect("has nothing to do").len(), 0);
    // Readers of before keep their files for the grace.
    assert_eq!(files(&house, "daily").len(), 7);
    // A day of the month, and a day that none of it is about.
    let two = house.total(&[("from", "2026-03-02"), ("to", "2026-03-04")]).await;
    assert_eq!(two, "3.25");

    // One delivery is restated: its rows in the shared file count no more.
    import(&house, 3, "10").await;
    assert_eq!(house.total(&[MARCH]).await, "18.25");
    assert_eq!(house.total(&[("period", "2026-03-03")]).await, "10.125");
    let lines = house.app.insights.reconciliation(None, &Scope::Company).await.expect("reads");
    assert!(lines.iter().all(|line| line.difference.as_str() == "0"));
    // It was put together again by the import's own housekeeping.
    assert_eq!(live_daily_files(&house).await, 1);
}

#[tokio::test]
async fn a_shared_file_is_read_for_its_live_parts_only() {
    let house = reopened(scattered("[store]\nfinal_after_days = 100000\n").await, "").await;
    pipeline::keep_in_shape(&house.app).await.expect("keeps");
    let house = reopened(house, "[store]\nfinal_after_days = 100000\n").await;
    import(&house, 3, "10").await;
    assert_eq!(live_daily_files(&house).await, 2);
    assert_eq!(house.total(&[MARCH]).await, "18.25");
    let teams = house.groups(&[MARCH, ("group_by", "team")]).await;
    assert_eq!((teams["even"].as_str(), teams["unallocated"].as_str()), ("4.5", "13.75"));
}

#[tokio::test]
async fn a_bundled_month_is_recovered_too() {
    let house = reopened(scattered("[store]\nfinal_after_days = 100000\n").await, "").await;
    pipeline::keep_in_shape(&house.app).await.expect("keeps");
    let groups = house.groups(&BY_SERVICE).await;
    house.app.catalog.close().await;
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(house.folder.path().join("data").join(name));
    }
    let house = reopened(house, "").await;
    let recovered = pipeline::recover(&house.app, false).await.expect("recovers");
    assert_eq!((recovered.deliveries, recovered.left_out.len()), (6, 0));
    assert_eq!(recovered.strays.len(), 6, "the files of before, in their grace");
    assert_eq!(house.groups(&BY_SERVICE).await, groups);
}

#[tokio::test]
async fn other_daily_tags_are_stale_until_rebuilt() {
    let house = scattered("[store]\nfinal_after_days = 100000\n").await;
    let groups = house.groups(&[MARCH, ("group_by", "tags.env,tags.team")]).await;
    assert_eq!(pipeline::stale(&house.app, &Which::default()).await.expect("looks").len(), 0);
    let house = reopened(house, "[store]\nfinal_after_days = 100000\n[tags]\ndaily = ['env']\n").await;
    let stale = pipeline::stale(&house.app, &Which::default()).await.expect("looks");
    assert_eq!(stale.len(), 3, "the days that have tags");
    for (part, kind) in stale {
        assert_eq!(kind, Stale::Daily);
        let run = pipeline::rebuild(&house.app, &part).await.expect("rebuilds");
        assert_eq!((run.state, run.rows), (RunState::Committed, 2));
    }
    assert_eq!(pipeline::stale(&house.app, &Which::default()).await.expect("looks").len(), 0);
    assert_eq!(house.groups(&[MARCH, ("group_by", "tags.env,tags.team")]).await, groups);
    assert_eq!(house.total(&[MARCH]).await, "9.75");
}

#[tokio::test]
async fn charges_that_changed_on_disk_are_not_rolled_up_anew() {
    let house = scattered("[store]\nfinal_after_days = 100000\n").await;
    let house = reopened(house, "[store]\nfinal_after_days = 100000\n[tags]\ndaily = ['env']\n").await;
    let (part, _) = pipeline::stale(&house.app, &Which::default()).await.expect("looks").remove(0);
    // Another delivery's charges in the place of its own.
    import(&house, 8, "99").await;
    let own = house.folder.path().join(format!("data/charges/gcp/{}.parquet", part.id));
    fs::copy(files(&house, "charges").pop().expect("there"), own).expect("copies");
    let error = pipeline::rebuild(&house.app, &part).await.expect_err("is not what was committed");
    assert!(format!("{error:#}").contains("off by"), "{error:#}");
    assert_eq!(pipeline::stale(&house.app, &Which::default()).await.expect("looks").len(), 3, "as before");
}

#[tokio::test]
async fn expired_detail_is_refused_and_never_answered_with_less() {
    let this_month = outlay::app::now().date_naive().with_day(1).expect("a day");
    let months_back = |months: u32| this_month - Months::new(months);
    let house = House::with_config("[retention]\ncharges_months = 2\ndaily_months = 5\n").await;
    for months in [1, 3, 7] {
        let start = months_back(months);
        let (from, to) = (start.to_string(), (start + Days::new(1)).to_string());
        let rows = [
            ("BillingPeriodStart", from.as_str()),
            ("ChargePeriodStart", from.as_str()),
            ("ChargePeriodEnd", to.as_str()),
            ("EffectiveCost", "3"),
            ("ResourceId", "i-1"),
        ];
        house.import("aws", &format!("{months}.csv"), &bill(&[&rows])).await;
    }
    let whole = |month: NaiveDate| (month.to_string(), (month + Months::new(1)).to_string());
    let ask = async |months: u32, by: &str| {
        let (from, to) = whole(months_back(months));
        house.try_spend(&[("from", &from), ("to", &to), ("group_by", by)]).await.map(|report| report.total)
    };
    let refused = |answer: Result<_, InsightError>| matches!(answer, Err(InsightError::DetailExpired { .. }));
    assert!(ask(1, "resource").await.is_ok());
    assert!(ask(3, "service").await.is_ok());
    assert!(refused(ask(3, "resource").await));
    assert!(refused(ask(7, "service").await));
    assert!(refused(
        house.try_spend(&[("from", &whole(months_back(9)).0), ("to", &this_month.to_string())]).await.map(|_| None)
    ));
    // Whether a team is known at all is told from what is kept, whatever else has gone.
    let known = async |name: &str, value: &str| {
        let dimension = name.parse().expect("a dimension");
        house.app.insights.known(&dimension, value, &Scope::Company).await.expect("an answer")
    };
    assert!(known("team", "unallocated").await && known("resource", "i-1").await);
    assert!(!known("resource", "i-2").await);
    // An export is made of charges alone.
    let export = async |months: u32| {
        let (from, to) = whole(months_back(months));
        let params =
            ExportParams { from: Some(from), to: Some(to), allow_null: Some("true".into()), ..Default::default() };
        let query = params.query(this_month).expect("an export");
        house.app.insights.export(&query, today(), &Scope::Company).await.map(|export| export.head().rows)
    };
    assert_eq!(export(1).await.expect("an export"), 1);
    assert!(matches!(export(3).await, Err(InsightError::DetailExpired { .. })));
    // What was accounted for stays accounted for, and the same bill is not let in a second time.
    let lines = house.app.insights.reconciliation(None, &Scope::Company).await.expect("reads");
    assert_eq!(lines.len(), 12);
    let again = fs::read_to_string(house.folder.path().join("7.csv")).expect("reads");
    assert_eq!(house.import("aws", "7.csv", &again).await[0].state, RunState::Unchanged);
    assert_eq!(pipeline::keep_in_shape(&house.app).await.expect("has nothing to do").len(), 0);
}
