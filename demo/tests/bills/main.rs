//! The invented bills, read back as a stranger would read them: files in, charges out, and nothing of the crate's own
//! arithmetic.

mod azure;
mod google;
mod read;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chrono::{Days, NaiveDate};
use outlay_demo::{AnomalyKind, Bills, Export, PlantedAnomaly, write_bills};
use serde_json::Value;

use read::{Facts, Key, Kind, Totals};

const SOURCES: [&str; 5] = ["aws", "azure", "gcp", "datadog", "mongodb-atlas"];
/// Those that state charges in FOCUS.
const FOCUS: [&str; 3] = ["aws", "datadog", "mongodb-atlas"];

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bills").join(name)
}

/// Removes a folder of bills, also what an earlier run of the tests left.
fn clear(name: &str) {
    let _ = fs::remove_dir_all(folder(name));
}

fn write(name: &str, seed: u64, today: &str) -> Bills {
    let folder = folder(name);
    clear(name);
    write_bills(&folder, seed, day(today)).expect("bills")
}

/// The bills most tests look at, written and read once.
fn facts() -> &'static (Bills, Facts) {
    static FACTS: OnceLock<(Bills, Facts)> = OnceLock::new();
    FACTS.get_or_init(|| {
        let bills = write("facts", 1, "2026-10-17");
        let facts = Facts::read(&bills.sources);
        (bills, facts)
    })
}

/// Bills of a day without a current month.
fn first_of_a_month() -> &'static Bills {
    static BILLS: OnceLock<Bills> = OnceLock::new();
    BILLS.get_or_init(|| write("first", 3, "2024-03-01"))
}

#[test]
fn five_sources_have_thirteen_months_each() {
    let (bills, facts) = facts();
    let names: Vec<&str> = bills.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, SOURCES);
    for source in &bills.sources {
        assert_eq!(source.months.len(), 13);
        assert_eq!(source.months[0].month, "2025-10");
        assert_eq!(source.months[12].month, "2026-10");
        for bill in &source.months {
            assert_eq!(
                facts.sources[&source.name].months[&bill.month].charges, bill.charges,
                "{} {}",
                source.name, bill.month
            );
        }
    }
    let months = facts.sources.values().flat_map(|source| source.months.values());
    let charges: u64 = months.map(|month| month.charges).sum();
    assert!((250_000..=350_000).contains(&charges), "{charges} charges");
}

/// The source whose bills are of this kind.
fn source<'a>(bills: &'a Bills, name: &str) -> &'a outlay_demo::SourceBills {
    bills.sources.iter().find(|source| source.name == name).expect("a source")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn the_bills_of_aws_are_a_data_export() {
    let (bills, facts) = facts();
    let source = source(bills, "aws");
    let Export::DataExport(export) = &source.export else { panic!("{:?}", source.export) };
    for bill in &source.months {
        let month = format!("BILLING_PERIOD={}", bill.month);
        let manifest = json(&export.join("metadata").join(&month).join("brightwater-focus-Manifest.json"));
        assert_eq!(manifest["tableName"], "FOCUS_1_2_AWS");
        let [listed] = &manifest["dataFiles"].as_array().expect("files")[..] else { panic!("{manifest}") };
        let key = listed.as_str().and_then(|url| url.split_once("/exports/brightwater-focus/")).expect("a key").1;
        assert_eq!(vec![export.join(key)], bill.files);
        let names = manifest["columns"].as_array().expect("columns").iter().map(|column| column["name"].as_str());
        let names: Vec<&str> = names.map(|name| name.expect("a name")).collect();
        assert_eq!(names, facts.sources["aws"].header);
        let kind =
            |name: &str| &manifest["columns"][names.iter().position(|other| *other == name).expect(name)]["type"];
        assert_eq!([kind("BilledCost"), kind("Tags"), kind("RegionId")], ["double", "map", "string"]);
    }
}

#[test]
fn the_bills_of_azure_are_two_cost_exports() {
    let (bills, _) = facts();
    let source = source(bills, "azure");
    let Export::CostDetails { actual, amortised } = &source.export else { panic!("{:?}", source.export) };
    for bill in &source.months {
        for (export, kind) in [(actual, "ActualCost"), (amortised, "AmortizedCost")] {
            let files: Vec<&PathBuf> = bill.files.iter().filter(|file| file.starts_with(export)).collect();
            assert!(files.len() >= 2 || bill.month == "2026-10", "{kind} {}: {files:?}", bill.month);
            let manifest = json(&files[0].with_file_name("manifest.json"));
            assert_eq!(manifest["exportConfig"]["type"], kind);
            let start = manifest["runInfo"]["startDate"].as_str().expect("a date");
            assert_eq!(start, format!("{}-01T00:00:00", bill.month));
            let blobs = manifest["blobs"].as_array().expect("blobs");
            let container = source_folder(bills, "azure");
            let (mut bytes, mut rows) = (0, 0);
            for (blob, file) in blobs.iter().zip(&files) {
                assert_eq!(&&container.join(blob["blobName"].as_str().expect("a name")), file);
                let length = fs::metadata(file).expect("a file").len();
                assert_eq!(blob["byteCount"], length);
                let mut reader = csv::Reader::from_reader(read::open_file(file));
                let lines = reader.records().count();
                assert_eq!(blob["dataRowCount"], lines);
                (bytes, rows) = (bytes + length, rows + lines);
            }
            let told = ["blobCount", "byteCount", "dataRowCount"].map(|key| manifest[key].as_u64().expect("a number"));
            assert_eq!(told, [files.len() as u64, bytes, rows as u64]);
            assert_eq!(blobs.len(), files.len());
        }
    }
}

fn source_folder(bills: &Bills, name: &str) -> PathBuf {
    bills.planted_file.with_file_name(name)
}

#[test]
fn the_bills_of_google_are_a_usage_export_by_invoice_month() {
    let (bills, facts) = facts();
    let source = source(bills, "gcp");
    let Export::UsageExport(export) = &source.export else { panic!("{:?}", source.export) };
    for bill in &source.months {
        let folder = export.join(format!("invoice_month={}", bill.month.replace('-', "")));
        assert_eq!(bill.files, vec![folder.join("000000000000.json.gz")]);
    }
    // The first hours of a month, by UTC, are on the bill of the month before.
    let early =
        facts.sources["gcp"].sums.keys().filter(|(month, billing, _, category)| month > billing && category == "Usage");
    assert_eq!(early.map(|(month, ..)| month).collect::<BTreeSet<_>>().len(), 12);
    assert!(facts.sources["gcp"].kinds.contains(&Kind::Discounted));
}

#[test]
fn what_is_told_to_be_the_sums_is_what_the_files_add_up_to() {
    let (bills, facts) = facts();
    let told: Value = json(&bills.sums_file);
    assert_eq!(told, serde_json::to_value(&bills.sums).expect("JSON"));
    let mut sums: BTreeMap<(&str, Key), Totals> = BTreeMap::new();
    for sum in &bills.sums {
        let key = (sum.month.clone(), sum.billing_month.clone(), sum.service.clone(), sum.charge_category.clone());
        let costs = [Some(&sum.billed), Some(&sum.effective), sum.list.as_ref(), sum.contracted.as_ref()];
        let costs = costs.map(|cost| cost.map(|cost| read::exact(cost)));
        assert_eq!(sums.insert((&sum.source, key), costs), None, "{sum:?}");
        assert_eq!(facts.sources[&sum.source].currencies, BTreeSet::from([sum.currency.clone()]));
    }
    for (name, found) in &facts.sources {
        for (key, costs) in &found.sums {
            assert_eq!(sums.remove(&(name.as_str(), key.clone())), Some(*costs), "{name} {key:?}");
        }
    }
    assert_eq!(sums, BTreeMap::new());
}

#[test]
fn every_day_up_to_yesterday_has_usage_and_no_later_one() {
    let (_, facts) = facts();
    for source in SOURCES {
        let days = &facts.sources[source].usage_days;
        assert_eq!(days.first(), Some(&day("2025-10-01")), "{source}");
        assert_eq!(days.last(), Some(&day("2026-10-16")), "{source}");
        assert_eq!(days.len(), 381, "{source}");
    }
}

#[test]
fn rows_keep_the_rules_of_focus() {
    let (_, facts) = facts();
    assert!(facts.broken.is_empty(), "{:#?}", facts.broken.iter().take(20).collect::<Vec<_>>());
}

#[test]
fn what_commitments_cost_is_what_their_usage_carries() {
    let (_, facts) = facts();
    let sources: BTreeSet<&str> = facts.commitments().map(|(source, ..)| source).collect();
    assert_eq!(sources, BTreeSet::from(["aws", "azure"]));
    assert_eq!(facts.commitments().count(), 2 * 13);
    for (source, month, sums) in facts.commitments() {
        assert!(sums.purchased > 0, "{source} {month}");
        assert_eq!(sums.used + sums.unused, sums.purchased, "{source} {month}");
        let days = if month == "2026-10" { 16 } else { days_of(month) };
        assert_eq!(sums.unused_days.len(), days, "{source} {month}");
        assert!(sums.unused * 100 < sums.purchased * 30, "{source} {month} wastes too much");
    }
}

fn days_of(month: &str) -> usize {
    let first = day(&format!("{month}-01"));
    let next = first.checked_add_months(chrono::Months::new(1)).expect("a month");
    (next - first).num_days() as usize
}

#[test]
fn closed_months_are_invoiced_in_whole_cents() {
    let (_, facts) = facts();
    let cent = 10_i128.pow(read::SCALE - 2);
    for (name, source) in &facts.sources {
        for (month, found) in source.months.iter().filter(|(month, _)| *month != "2026-10") {
            assert_eq!(found.billed % cent, 0, "{name} {month}");
        }
    }
}

#[test]
fn the_company_spends_what_such_a_company_spends() {
    let (_, facts) = facts();
    for month in facts.sources["aws"].months.keys().filter(|month| *month != "2026-10") {
        let dollars = facts.dollars(|source| source.months[month].billed);
        assert!((250_000.0..400_000.0).contains(&dollars), "{month}: {dollars}");
    }
}

#[test]
fn each_source_bills_in_its_own_currency() {
    let (_, facts) = facts();
    let check = |source: &str, expected: &str| {
        assert_eq!(facts.sources[source].currencies, BTreeSet::from([expected.to_owned()]), "{source}");
    };
    check("aws", "USD");
    check("azure", "EUR");
    check("gcp", "USD");
    check("datadog", "USD");
    check("mongodb-atlas", "GBP");
}

#[test]
fn every_kind_of_charge_occurs() {
    let (_, facts) = facts();
    for source in SOURCES {
        for kind in [Kind::Usage, Kind::Purchase, Kind::Tax, Kind::Credit, Kind::Adjustment, Kind::NoSubAccount] {
            assert!(facts.sources[source].kinds.contains(&kind), "{source} {kind:?}");
        }
        assert!(
            facts.sources[source].kinds.contains(&Kind::Refund)
                || facts.sources[source].kinds.contains(&Kind::Correction),
            "{source}"
        );
    }
    for source in ["aws", "azure", "gcp", "mongodb-atlas"] {
        assert!(facts.sources[source].kinds.contains(&Kind::Refund), "{source}");
    }
    for source in ["aws", "azure", "gcp", "datadog"] {
        assert!(facts.sources[source].kinds.contains(&Kind::Correction), "{source}");
    }
    for source in ["aws", "gcp"] {
        assert!(facts.sources[source].kinds.contains(&Kind::FreeTier), "{source}");
    }
    assert!(
        facts.sources["datadog"].kinds.contains(&Kind::WholeMonthFee)
            && facts.sources["mongodb-atlas"].kinds.contains(&Kind::WholeMonthFee)
    );
    assert!(facts.sources["aws"].kinds.contains(&Kind::Dynamic));
    assert!(facts.sources["aws"].kinds.contains(&Kind::PersonTag));
}

#[test]
fn about_a_seventh_of_spend_has_no_team() {
    let (_, facts) = facts();
    let share = facts.dollars(|source| source.untagged) / facts.dollars(|source| source.effective);
    assert!((0.12..0.18).contains(&share), "{share}");
    assert!(facts.sources.values().any(|source| source.environment_only > 0));
}

#[test]
fn columns_differ_by_version_and_order() {
    let (_, facts) = facts();
    let has = |source: &str, column: &str| facts.sources[source].header.iter().any(|name| name == column);
    let invoiced: Vec<&str> = FOCUS.into_iter().filter(|source| has(source, "InvoiceId")).collect();
    assert_eq!(invoiced, ["aws", "datadog"]);
    assert!(
        has("datadog", "ServiceProviderName") && has("datadog", "HostProviderName") && has("datadog", "ProviderName")
    );
    assert!(!has("mongodb-atlas", "ServiceSubcategory") && has("aws", "ServiceSubcategory"));
    let first: BTreeSet<&String> = FOCUS.iter().map(|source| &facts.sources[*source].header[0]).collect();
    assert_eq!(first.len(), 3, "{first:?}");
}

#[test]
fn the_same_seed_and_day_give_the_same_bytes_and_another_seed_does_not() {
    let (bills, _) = facts();
    let again = write("again", 1, "2026-10-17");
    let other = write("other", 2, "2026-10-17");
    let files = |bills: &Bills| -> Vec<PathBuf> {
        let months = bills.sources.iter().flat_map(|source| source.months.iter());
        let files = months.flat_map(|bill| bill.files.iter().cloned());
        files.chain([bills.planted_file.clone(), bills.sums_file.clone()]).collect()
    };
    for ((first, again), other) in files(bills).iter().zip(files(&again)).zip(files(&other)) {
        let bytes = fs::read(first).expect("a file");
        assert!(bytes == fs::read(&again).expect("a file"), "{}", again.display());
        assert!(bytes != fs::read(&other).expect("a file"), "{}", other.display());
    }
    assert_eq!(again.planted, bills.planted);
    clear("again");
    clear("other");
}

#[test]
fn planted_anomalies_lie_in_the_last_ten_weeks_and_one_in_the_last_five_days() {
    for (bills, today) in [(&facts().0, "2026-10-17"), (first_of_a_month(), "2024-03-01")] {
        let today = day(today);
        let after = |days| today.checked_sub_days(Days::new(days)).expect("a date");
        assert!((5..=7).contains(&bills.planted.len()));
        for anomaly in &bills.planted {
            assert!(after(70) <= anomaly.date && anomaly.date < anomaly.until && anomaly.until <= today, "{anomaly:?}");
        }
        assert!(bills.planted.iter().any(|anomaly| anomaly.date >= after(5)));
        let step = bills.planted.iter().find(|anomaly| anomaly.kind == AnomalyKind::Step).expect("a step");
        assert!(step.until - step.date >= chrono::TimeDelta::days(10));
    }
}

#[test]
fn planted_anomalies_cost_what_the_list_says() {
    let (bills, facts) = facts();
    for anomaly in &bills.planted {
        let (shown, expected) = (excess(facts, anomaly), anomaly.expected_extra.parse::<f64>().expect("a number"));
        let difference = (shown - expected).abs() / expected.abs();
        assert!(difference < 0.25, "{anomaly:?} shows {shown}");
        assert!(expected.abs() > 400.0, "{anomaly:?} is too small to matter");
    }
}

/// What the anomaly's days cost more than the same weekdays of the four weeks before it.
fn excess(facts: &Facts, anomaly: &PlantedAnomaly) -> f64 {
    let source = &facts.sources[&anomaly.source];
    let series = source.series(anomaly.service.as_deref(), &anomaly.team, anomaly.component.as_deref());
    let cost = |day: NaiveDate| series.get(&day).copied().unwrap_or(0.0);
    let days = anomaly.date.iter_days().take_while(|day| *day < anomaly.until);
    days.map(|day| {
        let earlier = (0..20).map(|week| day - Days::new(7 * week)).filter(|day| *day < anomaly.date).take(4);
        cost(day) - earlier.map(cost).sum::<f64>() / 4.0
    })
    .sum()
}

#[test]
fn the_list_of_anomalies_is_written_as_json() {
    let (bills, _) = facts();
    let text = fs::read_to_string(&bills.planted_file).expect("a file");
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(list.len(), bills.planted.len());
    for (entry, anomaly) in list.iter().zip(&bills.planted) {
        assert_eq!(entry["date"], anomaly.date.to_string());
        assert_eq!(entry["until"], anomaly.until.to_string());
        assert_eq!(entry["source"], anomaly.source);
        assert_eq!(entry["expected_extra"], anomaly.expected_extra);
        assert!(
            ["spike", "plateau", "step", "vanished", "transfer_burst"].contains(&entry["kind"].as_str().expect("text"))
        );
    }
}

#[test]
fn on_the_first_of_a_month_there_is_no_current_one() {
    let bills = first_of_a_month();
    for source in &bills.sources {
        assert_eq!(source.months.len(), 12);
        assert_eq!(source.months[0].month, "2023-03");
        assert_eq!(source.months[11].month, "2024-02");
        let months = match &source.export {
            Export::Focus => folder("first").join(&source.name),
            Export::DataExport(export) => export.join("metadata"),
            Export::CostDetails { actual, .. } => actual.clone(),
            Export::UsageExport(table) => table.clone(),
        };
        assert_eq!(fs::read_dir(months).expect("a folder").count(), 12);
    }
    // Azure alone: it has a commitment, and reading everything takes longer than this is worth.
    let facts = Facts::read(&bills.sources[1..2]);
    assert!(facts.broken.is_empty(), "{:?}", facts.broken.first());
    assert_eq!(facts.sources["azure"].usage_days.len(), 366);
    assert_eq!(facts.sources["azure"].usage_days.last(), Some(&day("2024-02-29")));
    assert!(facts.commitments().all(|(.., sums)| sums.used + sums.unused == sums.purchased));
}

#[test]
fn on_a_leap_day_february_is_open_up_to_the_28th() {
    let bills = write("leap", 3, "2024-02-29");
    // Azure alone: it has a commitment, and reading everything takes longer than this is worth.
    let facts = Facts::read(&bills.sources[1..2]);
    assert!(facts.broken.is_empty(), "{:?}", facts.broken.first());
    assert!(bills.sources.iter().all(|source| source.months.len() == 13));
    assert_eq!(facts.sources["azure"].usage_days.first(), Some(&day("2023-02-01")));
    assert_eq!(facts.sources["azure"].usage_days.last(), Some(&day("2024-02-28")));
    assert!(facts.commitments().all(|(.., sums)| sums.used + sums.unused == sums.purchased));
    clear("leap");
}

#[test]
fn a_day_without_a_year_before_it_is_refused() {
    let error = write_bills(&folder("never"), 1, NaiveDate::MIN).expect_err("no calendar");
    assert!(error.to_string().starts_with("no twelve months lie before"));
}
