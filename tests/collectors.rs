//! What every collector keeps, whoever its provider is (docs/COLLECTORS.md): each kind of source is one [`Case`] here.
//!
//! A case plants the same small bill in its provider's own way; the rest is the same for all.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use chrono::{Days, Months, NaiveDate};
use common::cost_explorer::{endpoint, last_month, tell, this_month, today};
use common::{House, azure, bigquery};
use outlay::pipeline::{self, Link};
use outlay_collectors::{KINDS, Variables};
use outlay_model::{DateRange, Yields};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A source with a bill of a month: usage on its first and its last day, and one column that FOCUS does not know.
struct Case {
    kind: &'static str,
    /// The first day of that month.
    month: fn() -> NaiveDate,
    /// The environment it is collected in.
    variables: fn() -> BTreeMap<String, String>,
    /// Puts the bill below a folder, and gives the source's settings as TOML.
    plant: fn(&Path) -> String,
    /// Σ billed of the bill, rejected lines included.
    billed: &'static str,
    /// The line that cannot be taken, by its money; none where the provider's form leaves no room for one.
    rejected: Option<&'static str>,
    /// The unknown column as it is kept, and its value.
    odd: (&'static str, &'static str),
}

/// A bill of FOCUS.
const BILL: &str = "\
BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd,BilledCost,EffectiveCost,ProviderName,Oddity
1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,1.25,1.25,Nimbus,kept
1,USD,2026-10-01T00:00:00Z,2026-10-31T00:00:00Z,2026-11-01T00:00:00Z,1,1,Nimbus,
1,USD,2026-10-01T00:00:00Z,some day,,0.5,0.5,Nimbus,
";

/// The same as rows of Google Cloud.
const ROWS: &str = r#"{"cost":1.5,"currency":"USD","cost_type":"regular","invoice":{"month":"202610"},"usage_start_time":"2026-10-01 00:00:00 UTC","usage_end_time":"2026-10-01 01:00:00 UTC","credits":[{"type":"FREE_TIER","amount":-0.25}],"oddity":"kept"}
{"cost":"1","currency":"USD","cost_type":"tax","invoice":{"month":"202610"},"usage_start_time":"2026-10-31T23:00:00Z","usage_end_time":"2026-11-01T00:00:00Z"}
{"cost":5.0E-1,"currency":"USD","cost_type":"regular","invoice":{"month":"202610"},"usage_start_time":"some day"}
"#;

const CASES: &[Case] = &[
    Case {
        kind: "aws_data_export",
        month: || NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day"),
        variables: BTreeMap::new,
        plant: |folder| {
            let bill = "data/BILLING_PERIOD=2026-10/focus-00001.csv";
            let manifest = format!(r#"{{"tableName":"FOCUS_1_0_AWS","dataFiles":["s3://bills/focus/{bill}"]}}"#);
            let another = "data/BILLING_PERIOD=2026-10/focus-00002.csv";
            let listing = "metadata/BILLING_PERIOD=2026-10/focus-Manifest.json";
            for (name, text) in [(bill, BILL), (another, BILL), (listing, manifest.as_str())] {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
                fs::write(path, text).expect("writes");
            }
            format!("url = {}", toml::Value::from(format!("file://{}", folder.display())))
        },
        billed: "2.75",
        rejected: Some("0.5"),
        odd: ("x_Oddity", "kept"),
    },
    Case {
        kind: "azure_export",
        month: || NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day"),
        variables: BTreeMap::new,
        plant: |folder| {
            let run = "20261001-20261031/202611020543/run";
            let manifest = format!(
                r#"{{"blobCount":1,"exportConfig":{{"type":"FocusCost","dataVersion":"1.0"}},
                "runInfo":{{"submittedTime":"2026-11-02T05:43:59Z"}},
                "blobs":[{{"blobName":"exports/focus/{run}/part_0_0001.csv","byteCount":{},"dataRowCount":3}}]}}"#,
                BILL.len()
            );
            let (part, stray) =
                (format!("{run}/part_0_0001.csv"), "20261001-20261031/202611010543/run/part_0_0001.csv");
            let listing = format!("{run}/manifest.json");
            for (name, text) in [(part.as_str(), BILL), (stray, BILL), (listing.as_str(), manifest.as_str())] {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
                fs::write(path, text).expect("writes");
            }
            format!("url = {}", toml::Value::from(format!("file://{}", folder.display())))
        },
        billed: "2.75",
        rejected: Some("0.5"),
        odd: ("x_Oddity", "kept"),
    },
    Case {
        kind: "focus",
        month: || NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day"),
        variables: BTreeMap::new,
        plant: |folder| {
            fs::write(folder.join("october.csv"), BILL).expect("writes");
            format!("path = {}", toml::Value::from(folder.display().to_string()))
        },
        billed: "2.75",
        rejected: Some("0.5"),
        odd: ("x_Oddity", "kept"),
    },
    Case {
        kind: "gcp_billing_file",
        month: || NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day"),
        variables: BTreeMap::new,
        plant: |folder| {
            fs::write(folder.join("october.jsonl"), ROWS).expect("writes");
            format!("url = {}", toml::Value::from(format!("file://{}", folder.display())))
        },
        billed: "2.75",
        rejected: Some("0.5"),
        odd: ("x_Oddity", "kept"),
    },
    Case {
        kind: "aws_cost_explorer",
        month: last_month,
        variables: || {
            let given =
                [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL", &endpoint())];
            given.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        },
        plant: |_| {
            let (first, last) = (last_month(), this_month().pred_opt().expect("a day"));
            let row = |day: NaiveDate, kind: &str, cost: &str| json!({ "day": day.to_string(), "account": "111122223333", "service": "S3", "record_type": kind, "unblended": cost });
            let rows = [row(first, "Usage", "1.25"), row(last, "Usage", "1"), row(last, "Out of this world", "0.5")];
            let world = json!({ "secret": "secret", "today": today().to_string(), "rows": rows });
            tell("PUT", KEY, &world);
            "billing_account_id = \"111122223333\"\nbackfill_months = 2".to_owned()
        },
        billed: "2.75",
        rejected: None,
        odd: ("x_RecordType", "Out of this world"),
    },
    Case {
        kind: "azure_cost_query",
        month: last_month,
        variables: || {
            let given = [("AZURE_CLIENT_SECRET", "secret"), ("AZURE_AUTHORITY_HOST", &azure::endpoint())];
            given.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        },
        plant: |_| {
            let (first, last) = (last_month(), this_month().pred_opt().expect("a day"));
            let row = |day: NaiveDate, kind: &str, cost: &str| json!({ "day": day.to_string(), "subscription": "s", "resource_group": "g", "service": "Storage", "charge_type": kind, "actual": cost, "amortized": cost });
            let rows = [row(first, "Usage", "1.25"), row(last, "Usage", "1"), row(last, "Out of this world", "0.5")];
            let scope = "subscriptions/s";
            azure::tell("PUT", KEY, &json!({ "tenant": "ours", "secret": "secret", "scopes": [scope], "rows": rows }));
            format!(
                "scope = \"{scope}\"\ntenant_id = \"ours\"\nclient_id = \"{KEY}\"\nbackfill_months = 2\nendpoint = \"{}\"",
                azure::endpoint()
            )
        },
        billed: "2.75",
        rejected: None,
        odd: ("x_ChargeType", "Out of this world"),
    },
    Case {
        kind: "gcp_bigquery",
        month: last_month,
        variables: BTreeMap::new,
        plant: |folder| {
            let (first, last) = (last_month(), this_month().pred_opt().expect("a day"));
            let odd = |mut line: Value| {
                line["something_new"] = "kept".into();
                line
            };
            let rows = [odd(bigquery::line(first, Some(first), "1.25")), bigquery::line(last, Some(first), "1.5")];
            bigquery::plant("conformance", folder, &json!({ "rows": rows }));
            let key = toml::Value::from(folder.join("key.json").display().to_string());
            let (table, endpoint) = (bigquery::TABLE, bigquery::endpoint());
            format!("table = \"{table}\"\nbackfill_months = 2\nendpoint = \"{endpoint}\"\ncredentials_file = {key}")
        },
        billed: "2.75",
        rejected: None,
        odd: ("x_SomethingNew", "kept"),
    },
];

/// Whose bill the stand-in is asked for.
const KEY: &str = "AKIACONFORMANCE";

impl Case {
    /// A house that has collected the case.
    async fn house(&self) -> House {
        let bills = tempfile::tempdir().expect("a folder").keep();
        let settings = (self.plant)(&bills);
        let guard = "[guard]\nmax_rejects = 1.0\n";
        let config = format!("{guard}\n[[source]]\nname = \"tried\"\nkind = \"{}\"\n{settings}\n", self.kind);
        let mut house = House::with_config(&config).await;
        house.app.variables = Arc::new(Variables((self.variables)()));
        house
    }

    fn period(&self) -> DateRange {
        let first = (self.month)();
        DateRange::new(first, first + Months::new(1)).expect("a month")
    }

    /// Runs the command of a house.
    #[track_caller]
    fn outlay(&self, house: &House, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        let at = house.folder.path();
        command.envs((self.variables)());
        command.current_dir(at).arg("--data").arg(at.join("data")).args(arguments);
        let done = command.output().expect("runs");
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{}: {arguments:?}: {error}", self.kind);
        String::from_utf8(done.stdout).expect("text")
    }

    fn exported(&self, house: &House) -> BTreeSet<String> {
        let period = (self.month)().format("%Y-%m").to_string();
        let range = ["--period", &period, "--allow-null", "--output", "out.csv"];
        self.outlay(house, &[&["export", "--format", "focus-1.2"], &range[..]].concat());
        let text = fs::read_to_string(house.folder.path().join("out.csv")).expect("is there");
        text.lines().map(ToOwned::to_owned).collect()
    }
}

#[test]
fn every_kind_is_tried() {
    let tried: BTreeSet<&str> = CASES.iter().map(|case| case.kind).collect();
    let bills = KINDS.iter().filter(|kind| kind.yields() == Yields::Charges);
    let kinds: BTreeSet<&str> = bills.map(|kind| kind.name).collect();
    assert_eq!(tried, kinds, "add a case for the new kind");
}

#[tokio::test]
async fn the_same_delivery_twice_gives_the_same_charges() {
    for case in CASES {
        let (one, two) = (case.house().await, case.house().await);
        for house in [&one, &two] {
            case.outlay(house, &["collect"]);
        }
        let charges = case.exported(&one);
        assert!(charges.len() > 2, "{}: {charges:?}", case.kind);
        assert_eq!(charges, case.exported(&two), "{}", case.kind);
        assert!(case.outlay(&one, &["collect"]).contains("nothing new"), "{}", case.kind);
    }
}

#[tokio::test]
async fn sums_are_kept_and_rejects_are_priced() {
    for case in CASES {
        let house = case.house().await;
        case.outlay(&house, &["collect"]);
        let lines: Vec<Value> = serde_json::from_str(&case.outlay(&house, &["reconcile", "--format", "json"]))
            .map(|answer: Value| answer["data"].as_array().cloned().unwrap_or_default())
            .expect("JSON");
        let number = |value: &Value| {
            value.to_string().trim_matches('"').parse::<BigDecimal>().unwrap_or_else(|_| panic!("{lines:?}"))
        };
        let sum = |of: &str| -> BigDecimal {
            let billed = lines.iter().filter(|line| line["metric"] == "billed");
            billed.map(|line| number(&line[of])).sum()
        };
        assert_eq!(sum("source_total"), number(&case.billed.into()), "{}: {lines:?}", case.kind);
        assert_eq!(sum("rejected"), number(&case.rejected.unwrap_or("0").into()), "{}", case.kind);
        assert!(lines.iter().all(|line| number(&line["difference"]) == 0), "{}: {lines:?}", case.kind);
    }
}

#[tokio::test]
async fn what_focus_does_not_know_survives() {
    for case in CASES {
        let house = case.house().await;
        case.outlay(&house, &["collect"]);
        let charges = case.exported(&house);
        let (column, value) = case.odd;
        assert!(charges.iter().any(|line| line.split(',').any(|name| name == column)), "{}: {charges:?}", case.kind);
        assert!(charges.iter().any(|line| line.split(',').any(|cell| cell == value)), "{}: {charges:?}", case.kind);
    }
}

#[tokio::test]
async fn ranges_are_half_open() {
    for case in CASES {
        let house = case.house().await;
        let source = house.app.source("tried").expect("configured");
        let link = pipeline::connect(&house.app, source, &CancellationToken::new()).expect("connects");
        let Link::Charges(collector) = link else { panic!("{} brings no bills", case.kind) };
        collector.check().await.unwrap_or_else(|error| panic!("{}: {error}", case.kind));
        let listed = collector.deliveries(case.period()).await.expect("lists").deliveries;
        // Where the days are known only by reading, every window has it.
        let ranges: Vec<DateRange> = listed.iter().filter_map(|listed| listed.days).collect();
        let (Some(newest), Some(oldest)) = (ranges.first(), ranges.last()) else {
            assert_eq!(listed.len(), 1, "{}: {listed:?}", case.kind);
            continue;
        };
        assert_eq!(DateRange::new(oldest.from(), newest.to()), Some(case.period()), "{}", case.kind);
        for (listed, range) in listed.iter().zip(&ranges) {
            let (first, after, month, day) = (range.from(), range.to(), Months::new(1), Days::new(1));
            for (from, to, there) in [
                (first - month, first, false),
                (first - month, first + day, true),
                (after - day, after, true),
                (after, after + day, false),
            ] {
                let window = DateRange::new(from, to).expect("a range");
                let found = collector.deliveries(window).await.expect("lists").deliveries;
                assert_eq!(found.iter().any(|found| found.key == listed.key), there, "{}: {window:?}", case.kind);
            }
        }
    }
}
