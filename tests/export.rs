//! Charges in the FOCUS format: what goes out is what came in, says what is wrong with it, and comes back the same.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::lines::{Line, SOURCES, csv, line};
use common::{House, bill, today};
use outlay::pipeline::Force;
use outlay_insights::InsightError;
use outlay_model::dimension::Fixed;
use outlay_model::export::{ExportParams, ExportQuery, Exported, FileKind, RowRule};
use outlay_model::part::{Layer, RunState};
use outlay_model::report::Scope;
use outlay_model::{Dimension, TeamId};
use proptest::prelude::*;
use proptest::sample::select;

/// Every charge there is, nulls and all.
fn everything() -> ExportParams {
    ExportParams {
        from: Some("2026-01-01".into()),
        to: Some("2027-01-01".into()),
        allow_null: Some("true".into()),
        ..ExportParams::default()
    }
}

fn query(params: ExportParams) -> ExportQuery {
    params.query(today()).expect("an export")
}

async fn write(house: &House, query: &ExportQuery, kind: FileKind, name: &str) -> (PathBuf, Exported) {
    let path = house.folder.path().join(name);
    let export = house.app.insights.export(query, today(), &Scope::Company).await.expect("an export");
    let exported = export.write(kind, File::create(&path).expect("a file")).await.expect("written");
    (path, exported)
}

async fn read(house: &House, params: ExportParams) -> String {
    let (path, _) = write(house, &query(params), FileKind::Csv, "read.csv").await;
    fs::read_to_string(path).expect("text")
}

/// The cells of one column.
fn column(text: &str, name: &str) -> Vec<String> {
    let mut lines = text.lines();
    let place = lines.next().expect("a header").split(',').position(|column| column == name).expect("the column");
    lines.map(|line| line.split(',').nth(place).expect("a cell").to_owned()).collect()
}

/// What a house answers to some questions about everything in it.
async fn answers(house: &House) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    let groups = [
        "team,currency,charge_category",
        "source,service,account,billing_account",
        "resource,tags.env",
        "billing_period,tags.\"odd key\",provider",
    ];
    for metric in ["effective", "billed", "list", "contracted"] {
        for group_by in groups {
            let params = [
                ("from", "2026-01-01"),
                ("to", "2027-01-01"),
                ("granularity", "day"),
                ("group_by", group_by),
                ("metric", metric),
                ("currency", "native"),
            ];
            let report = house.spend(&params).await;
            for row in &report.rows {
                let key = format!("{metric} {:?} {:?} {:?}", row.time, row.keys, row.currency);
                answers.insert(key, common::text(row.cost));
            }
        }
    }
    answers
}

async fn comes_back(lines: &[Line], version: &str, kind: FileKind, basis: &str) {
    let (house, fresh) = (House::new().await, House::new().await);
    let name = if kind == FileKind::Csv { "out.csv" } else { "out.parquet" };
    for (number, source) in SOURCES.iter().enumerate() {
        let own: Vec<&Line> = lines.iter().filter(|line| line.source == number).collect();
        if own.is_empty() {
            continue;
        }
        for (half, lines) in own.chunks(own.len().div_ceil(2)).enumerate() {
            let (file, key) = (format!("{source}-{half}.csv"), format!("half-{half}"));
            house.import_with(source, &file, &csv(lines), Some(&key), Force::default()).await.expect("imports");
        }
        let params = ExportParams {
            version: Some(version.into()),
            source: Some((*source).into()),
            basis: Some(basis.into()),
            ..everything()
        };
        let (path, exported) = write(&house, &query(params), kind, name).await;
        assert_eq!(exported.rows, own.len() as u64);
        let runs = fresh.import_file(source, &path, Some("all"), Force::default()).await.expect("imports");
        assert_eq!((runs[0].state, runs[0].rejected), (RunState::Committed, 0), "{:?}", runs[0].message);
        // Nothing had to be put right but the names of our own columns.
        let repairs: Vec<_> = runs[0].repairs.keys().map(|repair| repair.as_str()).collect();
        assert!(repairs.iter().all(|repair| *repair == "column_renamed"), "{repairs:?}");
    }
    assert_eq!(answers(&house).await, answers(&fresh).await);
    let lines = fresh.app.insights.reconciliation(None, &Scope::Company).await.expect("an answer");
    assert!(lines.iter().all(|line| line.difference.as_str() == "0" && line.rejected.as_str() == "0"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_out_comes_back_the_same(
        lines in prop::collection::vec(line(), 1..40),
        version in select(&["1.0", "1.2", "1.3"][..]),
        kind in select(&[FileKind::Csv, FileKind::Parquet][..]),
        basis in select(&["charge", "billing"][..]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(comes_back(&lines, version, kind, basis));
    }
}

#[tokio::test]
async fn all_columns_of_focus_go_out_as_they_came() {
    let house = House::new().await;
    let bill = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/focus/all_columns_1_2.csv");
    house.import_file("nimbus", &bill, None, Force::default()).await.expect("imports");
    let params =
        ExportParams { basis: Some("billing".into()), period: Some("2026-10".into()), ..ExportParams::default() };
    let (path, exported) = write(&house, &query(params), FileKind::Csv, "out.csv").await;
    assert_eq!(exported.findings, [], "the bill is what FOCUS wants");
    // What is ours comes last: without it, the file is the bill.
    let records = |path: &Path| {
        let mut reader = csv_reader(path);
        let mut rows: Vec<Vec<String>> = Vec::new();
        rows.push(reader.0.clone());
        rows.append(&mut reader.1);
        rows.iter_mut().for_each(|row| row.truncate(57));
        rows
    };
    assert_eq!(records(&path), records(&bill));
}

/// Header and rows of a CSV file, quotes undone.
fn csv_reader(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = fs::read_to_string(path).expect("text").replace("\r\n", "\n");
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    let header = rows.remove(0);
    (header, rows)
}

#[tokio::test]
async fn nulls_that_focus_forbids_are_refused_and_named() {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[], &[("ListCost", "2")]])).await;
    let october = || ExportParams { period: Some("2026-10".into()), ..ExportParams::default() };
    let refused = house.app.insights.export(&query(october()), today(), &Scope::Company).await.err().expect("refused");
    let text = refused.to_string();
    assert!(text.contains("FOCUS 1.2") && text.contains("ListCost (AWS: 1 of 2 charges)"), "{text}");
    // A mandatory column that no bill has is null throughout, and so is refused, too.
    assert!(text.contains("ContractedCost (AWS: 2 of 2 charges)"), "{text}");

    let out = read(&house, ExportParams { allow_null: Some("true".into()), ..october() }).await;
    assert_eq!(column(&out, "ListCost"), ["", "2"]);
    assert_eq!(column(&out, "ContractedCost"), ["", ""], "nothing is invented");
}

#[tokio::test]
async fn what_the_validator_overlooks_is_found() {
    let house = House::new().await;
    let header = "BilledCost,EffectiveCost,ListCost,ContractedCost,ListUnitPrice,PricingQuantity,PricingUnit,BillingCurrency,\
                  BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,\
                  ChargeFrequency,ServiceName,ServiceCategory,ProviderName,PublisherName,InvoiceIssuerName,RegionName,Tags,x_odd";
    let period = "2026-10-01T00:00:00Z,2026-11-01T00:00:00Z";
    let days = [
        "2026-10-05T00:00:00Z,2026-10-06T00:00:00Z",
        "2026-10-05T00:00:00Z,2026-10-05T00:00:00Z",
        "2026-10-05T00:00:00.5Z,2026-10-06T00:00:00Z",
    ];
    let line = |costs: &str, days: &str, class: &str, rest: &str| {
        format!("{costs},Hours,USD,1,{period},{days},{class},EC2,Compute,AWS,AWS,AWS,{rest},x\n")
    };
    let text = [
        format!("{header}\n"),
        line("1,1,6,1,3,2", days[0], "Usage,Usage-Based", ",\"{\"\"a\"\":1}\""),
        line("1,1,7,1,3,2", days[1], "Usage,Sometimes", "North,\"{\"\"a\"\":{\"\"b\"\":1}}\""),
        line("1,1,-6,1,-3,2", days[2], "Purchase,Usage-Based", ",\"[1]\""),
    ];
    house.import("aws", "a.csv", &text.concat()).await;
    let export = house.app.insights.export(&query(everything()), today(), &Scope::Company).await.expect("an export");
    let exported = export.look(std::io::sink()).await.expect("a look");
    let found: Vec<String> = exported
        .findings
        .iter()
        .map(|finding| {
            let rows = finding.examples.iter().map(|example| example.row.to_string()).collect::<Vec<_>>().join("+");
            let value = finding.examples.first().and_then(|example| example.value.as_deref());
            format!("{} {} {rows} {}", finding.rule.as_str(), finding.column, value.unwrap_or("–"))
        })
        .filter(|found| !found.starts_with("custom_name"))
        .collect();
    let expected = [
        "value_not_allowed ChargeFrequency 2 Sometimes",
        "empty_period ChargePeriodEnd 2 2026-10-05T00:00:00Z",
        "fraction_of_second ChargePeriodStart 3 2026-10-05T00:00:00.500Z",
        "negative_price ListUnitPrice 3 -3",
        "product_differs ListCost 2 7, not 3 × 2",
        "not_an_object Tags 3 [1]",
        "nested_value Tags 2 {\"a\":{\"b\":1}}",
        "usage_purchase ChargeFrequency 3 Usage-Based",
    ];
    assert_eq!(found, expected);
    let custom = exported.findings.last().expect("one");
    assert_eq!((custom.rule, custom.column.as_str(), custom.rows), (RowRule::CustomName, "x_odd", 3));
}

#[tokio::test]
async fn later_columns_stay_behind_and_are_named() {
    let house = House::new().await;
    let text = bill(&[&[("ProviderName", "Marketplace")]])
        .replacen("ProviderName", "ServiceProviderName,HostProviderName,ProviderName", 1)
        .replacen("\"Marketplace\"", "\"Datadog\",\"AWS\",\"Marketplace\"", 1);
    house.import("saas", "a.csv", &text).await;
    let export = async |version: &str| {
        let params = ExportParams { version: Some(version.into()), ..everything() };
        house.app.insights.export(&query(params), today(), &Scope::Company).await.expect("an export")
    };
    let old = export("1.2").await;
    let left: Vec<_> = old.head().warnings.iter().filter(|warning| warning.code == "columns_left_out").collect();
    let message = &left[0].message;
    assert!(message.contains("HostProviderName (1 charges), ServiceProviderName (1 charges)"), "{message}");
    let new = export("1.3").await;
    assert!(new.head().warnings.iter().all(|warning| warning.code != "columns_left_out"));
    let out = read(&house, ExportParams { version: Some("focus-1.3".into()), ..everything() }).await;
    for (name, value) in
        [("ProviderName", "Marketplace"), ("ServiceProviderName", "Datadog"), ("HostProviderName", "AWS")]
    {
        assert_eq!(column(&out, name), [value]);
    }
}

#[tokio::test]
async fn an_export_is_of_one_generation() {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[("BilledCost", "1")]])).await;
    let export = house.app.insights.export(&query(everything()), today(), &Scope::Company).await.expect("an export");
    let then = export.head().generation;
    let force = Force { shrink: true, rejects: false };
    house.import_with("aws", "b.csv", &bill(&[&[("BilledCost", "7")]]), Some("2026-10"), force).await.expect("imports");
    let path = house.folder.path().join("late.csv");
    export.write(FileKind::Csv, File::create(&path).expect("a file")).await.expect("written");
    assert_eq!(column(&fs::read_to_string(path).expect("text"), "BilledCost"), ["1"]);
    assert_eq!(column(&read(&house, everything()).await, "BilledCost"), ["7"]);
    let pinned = || ExportParams { generation: Some(then.to_string()), ..everything() };
    assert_eq!(column(&read(&house, pinned()).await, "BilledCost"), ["1"]);
    house.app.catalog.sweepable(outlay::app::now(), std::time::Duration::ZERO).await.expect("a list");
    let gone = house.app.insights.export(&query(pinned()), today(), &Scope::Company).await.err().expect("refused");
    assert!(gone.to_string().contains("replaced and removed"), "{gone}");
}

#[tokio::test]
async fn what_does_not_add_up_to_what_is_stored_is_refused() {
    let (house, other) = (House::new().await, House::new().await);
    house.import("aws", "a.csv", &bill(&[&[("BilledCost", "1"), ("EffectiveCost", "1")]])).await;
    other.import("aws", "a.csv", &bill(&[&[("BilledCost", "1"), ("EffectiveCost", "1.000000000000000001")]])).await;
    let charges = async |house: &House| {
        let snapshot = house.app.catalog.snapshot().await.expect("a snapshot");
        let file = snapshot.parts[0].files(Layer::Charges).next().expect("a file").to_owned();
        house.folder.path().join("data").join(file)
    };
    // As if a disk had given back somebody else's bytes.
    fs::copy(charges(&other).await, charges(&house).await).expect("copies");
    let export = house.app.insights.export(&query(everything()), today(), &Scope::Company).await.expect("an export");
    let error = export.look(std::io::sink()).await.expect_err("wrong");
    assert!(matches!(error, InsightError::NotConserved { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("effective 1.000000000000000001 USD") && text.contains("effective 1 USD"), "{text}");
}

#[tokio::test]
async fn a_team_exports_its_own_charges_and_learns_of_no_others() {
    let house = House::new().await;
    let text = bill(&[&[("Tags", r#"{"team":"payments"}"#), ("BilledCost", "3")], &[("Tags", r#"{"team":"search"}"#)]])
        .replacen("ProviderName", "x_Secret,ProviderName", 1)
        .replacen("\"AWS\"", ",\"AWS\"", 1)
        .replacen("\n\"AWS\"", "\n\"theirs\",\"AWS\"", 1);
    house.import("aws", "a.csv", &text).await;
    let scope = Scope::Teams(vec![TeamId::new("payments")]);
    let export = house.app.insights.export(&query(everything()), today(), &scope).await.expect("an export");
    assert!(export.head().columns.iter().all(|column| column.name != "x_Secret"));
    let path = house.folder.path().join("team.csv");
    let exported = export.write(FileKind::Csv, File::create(&path).expect("a file")).await.expect("written");
    assert_eq!(exported.rows, 1);
    assert_eq!(column(&fs::read_to_string(path).expect("text"), "BilledCost"), ["3"]);
    let sources = ExportParams { source: Some("aws".into()), ..everything() };
    let refused = house.app.insights.export(&query(sources), today(), &scope).await.err();
    assert!(matches!(refused, Some(InsightError::Forbidden)));
    let all = house.app.insights.export(&query(everything()), today(), &Scope::Company).await.expect("an export");
    assert!(all.head().columns.iter().any(|column| column.name == "x_Secret"));
    let dimension = Dimension::Fixed(Fixed::Team);
    assert!(house.app.insights.known(&dimension, "search", &Scope::Company).await.expect("an answer"));
}
