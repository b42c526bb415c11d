//! The first command of the README: an invented company's bills through the real pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const SOURCES: [&str; 5] = ["aws", "azure", "gcp", "datadog", "mongodb-atlas"];
const CONFIG: [&str; 2] = ["--config", "outlay-demo/outlay.toml"];

fn demo(folder: &Path) -> String {
    outlay(folder, &["demo", "--no-serve"])
}

fn outlay(folder: &Path, arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_outlay"))
        .env_clear()
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("runs");
    let out = String::from_utf8(run.stdout).expect("text");
    assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
    out
}

#[test]
fn the_demo_invents_imports_answers_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let out = demo(at);
    for source in SOURCES {
        assert!(out.contains(&format!("  {source}: ")), "{source}: {out}");
    }
    assert!(out.contains("every digit accounted for"), "{out}");
    assert!(out.contains("unallocated") && out.contains("payments"), "{out}");
    assert!(at.join("outlay-demo/bills/planted-anomalies.json").exists());

    // What is answered is what was invented.
    let sums = fs::read_to_string(at.join("outlay-demo/bills/sums.json")).expect("the sums");
    let sums: Vec<Value> = serde_json::from_str(&sums).expect("JSON");
    for (basis, month) in [("charge", "month"), ("billing", "billing_month")] {
        for metric in ["billed", "effective", "list", "contracted"] {
            let (expected, answered) = (invented(&sums, month, metric), answered(at, &sums, basis, metric));
            for (group, cost) in &expected {
                assert_eq!(answered.get(group), Some(cost), "{metric} by {month}: {group:?}");
            }
            assert_eq!(answered, expected, "{metric} by {month}");
        }
    }

    // Every charge has exactly one team, and whatever is shared stays the same sum.
    for metric in ["billed", "effective", "list", "contracted"] {
        let (teams, by_team) = by_team(at, &sums, metric);
        assert_eq!(by_team, by_month(&sums, metric), "{metric}");
        let odd: Vec<&String> = teams.iter().filter(|team| !is_of_the_company(team)).collect();
        assert!(odd.is_empty() && teams.contains("payments"), "{odd:?}");
    }
    let teams = outlay(at, &[&["teams"], &CONFIG[..]].concat());
    assert!(teams.contains("ines.carvalho@brightwater.example") && !teams.contains("discovered"), "{teams}");
    let rules = outlay(at, &[&["rules"], &CONFIG[..]].concat());
    assert!(["network", "build-machines", "cost-centers"].iter().all(|rule| rules.contains(rule)), "{rules}");
    let status = outlay(at, &[&["ownership", "status"], &CONFIG[..]].concat());
    assert!(status.starts_with("all charges have the owners"), "{status}");

    let again = demo(at);
    assert_eq!(again.matches("0 deliveries imported").count(), 5, "the same bills change nothing: {again}");
    assert_eq!(again.matches(" unchanged").count(), 5, "{again}");
    let figures = |text: &str| text.lines().find(|line| line.starts_with("total ")).map(ToOwned::to_owned);
    assert_eq!(figures(&again), figures(&out));

    // The clouds' bills are exports that anybody can collect again, by the configuration the demo leaves behind.
    let collected = outlay(at, &[&["collect"], &CONFIG[..]].concat());
    let told: Vec<&str> = collected.lines().map(|line| line.split(',').next().unwrap_or_default()).collect();
    assert_eq!(told, ["aws: nothing new", "azure: nothing new", "gcp: nothing new"], "{collected}");
    outlay(at, &[&["check"], &CONFIG[..]].concat());
}

/// Month, source, service, its category, and charge category.
type Group = [Option<String>; 5];

/// A cost in units of the 18th decimal; None if nothing in the group states it.
type Costs = BTreeMap<Group, Option<i128>>;

/// What the demo says its bills add up to.
fn invented(sums: &[Value], month: &str, metric: &str) -> Costs {
    let mut costs = Costs::new();
    for sum in sums {
        let group = [month, "source", "service", "service_category", "charge_category"];
        let group = group.map(|key| sum[key].as_str().map(ToOwned::to_owned));
        let cost = sum[metric].as_str().map(exact);
        let total = costs.entry(group).or_default();
        *total = cost.map(|cost| cost + total.unwrap_or(0)).or(*total);
    }
    costs
}

/// A month and currency, and what all of it costs.
type Months = BTreeMap<(String, String), i128>;

/// The first days of the bills and of what follows them.
fn days(sums: &[Value]) -> (String, String) {
    let months = || sums.iter().filter_map(|sum| sum["month"].as_str());
    let first = format!("{}-01", months().min().expect("a month"));
    let last = format!("{}-01", months().max().expect("a month"));
    let after = last.parse::<chrono::NaiveDate>().expect("a day") + chrono::Months::new(1);
    (first, after.to_string())
}

/// What the demo says a month adds up to.
fn by_month(sums: &[Value], metric: &str) -> Months {
    let mut months = Months::new();
    for sum in sums {
        if let (Some(month), Some(cost)) = (sum["month"].as_str(), sum[metric].as_str()) {
            let currency = sum["currency"].as_str().expect("a currency").to_owned();
            *months.entry((month.to_owned(), currency)).or_default() += exact(cost);
        }
    }
    months
}

/// The teams that anything is of, and what they all cost together.
fn by_team(at: &Path, sums: &[Value], metric: &str) -> (BTreeSet<String>, Months) {
    let (first, after) = days(sums);
    let question = ["spend", "--group-by", "team", "--granularity", "month", "--from", &first, "--to", &after];
    let form = ["--metric", metric, "--currency", "native", "--format", "json"];
    let answer = outlay(at, &[&question[..], &form, &CONFIG].concat());
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let (mut teams, mut months) = (BTreeSet::new(), Months::new());
    for row in answer["data"].as_array().expect("rows") {
        teams.insert(row["team"].as_str().expect("every charge has a team").to_owned());
        if !row["cost"].is_null() {
            let text = |key: &str| row[key].as_str().expect("text").to_owned();
            let month = text("time")[..7].to_owned();
            *months.entry((month, text("currency"))).or_default() += exact(&row["cost"].to_string());
        }
    }
    (teams, months)
}

/// Whether it is a team of the company, one of its pools, or nobody's.
fn is_of_the_company(team: &str) -> bool {
    let pools = ["shared:network", "shared:builds", "shared:support", "unallocated"];
    pools.contains(&team) || outlay_demo::Company::invented().teams.iter().any(|known| known.name == team)
}

/// What the pipeline says they do.
fn answered(at: &Path, sums: &[Value], basis: &str, metric: &str) -> Costs {
    let (first, after) = days(sums);
    let answer = outlay(
        at,
        &[
            &["spend", "--group-by", "source,service,service_category,charge_category", "--granularity", "month"][..],
            &["--from", &first, "--to", &after, "--basis", basis, "--metric", metric],
            &["--currency", "native", "--format", "json"],
            &CONFIG[..],
        ]
        .concat(),
    );
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["next_cursor"], Value::Null);
    let rows = answer["data"].as_array().expect("rows").iter();
    let costs = rows.map(|row| {
        let [time, rest @ ..] = ["time", "source", "service", "service_category", "charge_category"];
        let text = |key: &str| row[key].as_str().map(ToOwned::to_owned);
        let [source, service, class, category] = rest.map(text);
        let month = text(time).map(|time| time[..7].to_owned());
        let cost = (!row["cost"].is_null()).then(|| exact(&row["cost"].to_string()));
        ([month, source, service, class, category], cost)
    });
    costs.collect()
}

/// Decimal text in units of the 18th decimal.
fn exact(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 18, "{text}");
    format!("{whole}{fraction:0<18}").parse().expect("a plain decimal")
}
