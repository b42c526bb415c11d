//! What every collector keeps, whoever its provider is (docs/COLLECTORS.md): each kind of source is one [`Case`] here.
//!
//! A case plants the same small bill in its provider's own way; the rest is the same for all.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bigdecimal::BigDecimal;
use chrono::Days;
use common::House;
use outlay::pipeline;
use outlay_collectors::KINDS;
use outlay_model::DateRange;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A source with a bill of October 2026: usage on its first and its last day, and one column that FOCUS does not know.
struct Case {
    kind: &'static str,
    /// Puts the bill below a folder, and gives the source's settings as TOML.
    plant: fn(&Path) -> String,
    /// Σ billed of the bill, rejected lines included.
    billed: &'static str,
    /// The line that cannot be taken, by its money; none where the provider's form leaves no room for one.
    rejected: Option<&'static str>,
    /// The unknown column as it is kept, and its value.
    odd: (&'static str, &'static str),
}

const CASES: &[Case] = &[Case {
    kind: "focus",
    plant: |folder| {
        let text = "\
BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd,BilledCost,EffectiveCost,ProviderName,Oddity
1,USD,2026-10-01T00:00:00Z,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,1.25,1.25,Nimbus,kept
1,USD,2026-10-01T00:00:00Z,2026-10-31T00:00:00Z,2026-11-01T00:00:00Z,1,1,Nimbus,
1,USD,2026-10-01T00:00:00Z,some day,,0.5,0.5,Nimbus,
";
        fs::write(folder.join("october.csv"), text).expect("writes");
        format!("path = {}", toml::Value::from(folder.display().to_string()))
    },
    billed: "2.75",
    rejected: Some("0.5"),
    odd: ("x_Oddity", "kept"),
}];

impl Case {
    /// A house that has collected the case.
    async fn house(&self) -> House {
        let bills = tempfile::tempdir().expect("a folder").keep();
        let settings = (self.plant)(&bills);
        let guard = "[guard]\nmax_rejects = 1.0\n";
        let config = format!("{guard}\n[[source]]\nname = \"tried\"\nkind = \"{}\"\n{settings}\n", self.kind);
        House::with_config(&config).await
    }

    /// Runs the command of a house.
    #[track_caller]
    fn outlay(&self, house: &House, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        let at = house.folder.path();
        command.current_dir(at).arg("--data").arg(at.join("data")).args(arguments);
        let done = command.output().expect("runs");
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{}: {arguments:?}: {error}", self.kind);
        String::from_utf8(done.stdout).expect("text")
    }

    fn exported(&self, house: &House) -> BTreeSet<String> {
        let range = ["--period", "2026-10", "--allow-null", "--output", "out.csv"];
        self.outlay(house, &[&["export", "--format", "focus-1.2"], &range[..]].concat());
        let text = fs::read_to_string(house.folder.path().join("out.csv")).expect("is there");
        text.lines().map(ToOwned::to_owned).collect()
    }
}

#[test]
fn every_kind_is_tried() {
    let tried: BTreeSet<&str> = CASES.iter().map(|case| case.kind).collect();
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
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
    let days = |from: &str, to: &str| {
        DateRange::new(from.parse().expect("a day"), to.parse().expect("a day")).expect("a range")
    };
    for case in CASES {
        let house = case.house().await;
        let source = house.app.source("tried").expect("configured");
        let collector = pipeline::connect(&house.app, source, &CancellationToken::new()).expect("connects");
        collector.check().await.unwrap_or_else(|error| panic!("{}: {error}", case.kind));
        let listed = collector.deliveries(days("2026-10-01", "2026-11-01")).await.expect("lists").deliveries;
        assert_eq!(listed.len(), 1, "{}: {listed:?}", case.kind);
        // Where the days are known only by reading, every window has it.
        let Some(range) = listed[0].days else { continue };
        assert_eq!(range, days("2026-10-01", "2026-11-01"), "{}", case.kind);
        for (window, there) in [
            (days("2026-09-01", "2026-10-01"), false),
            (days("2026-09-01", "2026-10-02"), true),
            (days("2026-10-31", "2026-11-01"), true),
            (DateRange::new(range.to(), range.to() + Days::new(1)).expect("a range"), false),
        ] {
            let found = collector.deliveries(window).await.expect("lists").deliveries;
            assert_eq!(found.iter().any(|found| found.key == listed[0].key), there, "{}: {window:?}", case.kind);
        }
    }
}
