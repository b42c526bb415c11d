//! Which files make a delivery, and what a later import of them replaces.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use outlay_ledger::tags::Privacy;
use outlay_model::tags::TagSettings;

use super::formats::gzip;
use super::{LINE, Settings, csv, folder, list, normalise, read_as, read_csv};
use crate::input;

/// A bill with this many lines in each billing period.
fn spread(periods: &[(&str, usize)]) -> String {
    let lines: Vec<_> =
        periods.iter().flat_map(|(period, rows)| vec![[("BillingPeriodStart", *period)]; *rows]).collect();
    csv(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>())
}

/// The keys of the deliveries that files are grouped into, with their rows, or why they are not.
#[track_caller]
fn check(files: &[(&str, String)], key: Option<&str>, expected: Result<&[(&str, u64)], &str>) {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let folder = folder(&files);
    let listed = list(folder.path(), key, &Settings::default());
    let listed = listed.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""));
    let keys = listed.map(|deliveries| deliveries.iter().map(|d| (d.key.to_string(), d.rows)).collect::<Vec<_>>());
    let expected = expected.map(|keys| keys.iter().map(|(key, rows)| ((*key).to_owned(), *rows)).collect());
    assert_eq!(keys, expected.map_err(ToOwned::to_owned));
}

const SEPTEMBER: &str = "2026-09-01T00:00:00Z";
const OCTOBER: &str = "2026-10-01T00:00:00Z";

#[test]
fn files_go_by_their_billing_period() {
    let files =
        [("a.csv", spread(&[(OCTOBER, 1)])), ("b.csv", spread(&[(SEPTEMBER, 2)])), ("c.csv", spread(&[(OCTOBER, 3)]))];
    check(&files, None, Ok(&[("2026-09", 2), ("2026-10", 4)]));
    check(&files, Some("autumn"), Ok(&[("autumn", 6)]));
}

#[test]
fn a_header_among_bills_does_not_matter() {
    check(&[("a.csv", spread(&[])), ("b.csv", spread(&[(OCTOBER, 1)]))], None, Ok(&[("2026-10", 1)]));
}

#[test]
fn the_same_bill_is_not_taken_twice() {
    let bill = spread(&[(OCTOBER, 1)]);
    let refusal = "b.csv holds the same as a.csv: give one of them";
    check(&[("a.csv", bill.clone()), ("b.csv", bill.clone())], None, Err(refusal));
    let folder = folder(&[("a.csv", bill.as_bytes()), ("b.csv.gz", &gzip(bill.as_bytes()))]);
    let error = list(folder.path(), None, &Settings::default()).expect_err("the same, packed").to_string();
    assert!(error.contains("b.csv.gz holds the same as "), "{error}");
}

#[test]
fn a_few_stray_rows_do_not_matter() {
    check(&[("a.csv", spread(&[(OCTOBER, 19), (SEPTEMBER, 1)]))], None, Ok(&[("2026-10", 20)]));
    check(&[("a.csv", spread(&[(OCTOBER, 40), ("", 20), ("soon", 20)]))], None, Ok(&[("2026-10", 80)]));
    let read = read_csv(spread(&[(OCTOBER, 19), (SEPTEMBER, 1)]));
    assert_eq!(read.charges.height(), 20);
    assert_eq!(read.cell("x_BillingPeriod", 19), "2026-09-01", "a stray row keeps its own");
}

#[test]
fn several_billing_periods_need_a_key() {
    let bill = spread(&[(OCTOBER, 18), (SEPTEMBER, 1), ("2026-08-01", 1)]);
    let refusal = "a.csv: holds 3 billing periods (2026-08, 2026-09, 2026-10); say with --delivery KEY what a later \
                   import of the same files replaces";
    check(&[("a.csv", bill.clone())], None, Err(refusal));
    check(&[("a.csv", bill)], Some("k"), Ok(&[("k", 20)]));
}

#[test]
fn no_billing_period_at_all_needs_a_key() {
    let refusal = "a.csv: no row has a BillingPeriodStart; say with --delivery KEY what the file states";
    check(&[("a.csv", spread(&[("", 1), ("NULL", 1)]))], None, Err(refusal));
    check(&[("a.csv", spread(&[("", 1), ("NULL", 1)]))], Some("k"), Ok(&[("k", 2)]));
    check(&[("a.csv", spread(&[]).lines().next().expect("a header").to_owned())], Some("k"), Ok(&[("k", 0)]));
}

#[test]
fn a_bill_without_lines_becomes_no_charges() {
    let header = spread(&[]);
    let read = read_as(folder(&[("a.csv", header.as_bytes())]).path(), Some("k"), &Settings::default());
    assert_eq!((read.charges.height(), read.rejects.len(), read.batches.len()), (0, 0, 0));
}

#[test]
fn malformed_lines_are_rows_too() {
    check(&[("a.csv", spread(&[(OCTOBER, 1)]) + "Total,1.5\n")], None, Ok(&[("2026-10", 2)]));
}

/// The fingerprint of a delivery of these files.
fn fingerprint(files: &[(&str, &str)], settings: &Settings) -> String {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    list(folder(&files).path(), None, settings).expect("a bill").remove(0).fingerprint
}

#[test]
fn a_fingerprint_is_of_the_bytes_and_of_how_they_are_read() {
    let (one, two) = (csv(&[&[]]), csv(&[&[], &[]]));
    let plain = Settings::default();
    let before = fingerprint(&[("a.csv", &one), ("b.csv", &two)], &plain);
    assert_eq!(fingerprint(&[("y.csv", &two), ("z.csv", &one)], &plain), before, "names do not matter");
    assert_ne!(fingerprint(&[("a.csv", &one)], &plain), before);
    assert_ne!(fingerprint(&[("a.csv", &one), ("b.csv", &two.replace("1.25", "1.250"))], &plain), before);
    let packed = folder(&[("a.csv.gz", &gzip(one.as_bytes())), ("b.csv", two.as_bytes())]);
    assert_eq!(list(packed.path(), None, &plain).expect("a bill")[0].fingerprint, before, "packing does not matter");
    let aliases = TagSettings {
        aliases: [("team".to_owned(), vec!["Team".to_owned()])].into(),
        daily: None,
        required: Vec::new(),
    };
    let required = TagSettings { required: vec!["team".to_owned()], ..TagSettings::default() };
    let required = Settings { tags: required, ..Settings::default() };
    assert_eq!(
        required.digest(&super::Focus),
        plain.digest(&super::Focus),
        "what every charge should carry makes no bill another"
    );
    assert!(
        plain.digest(&super::Focus).contains("TagSettings { aliases: {}, daily: None }"),
        "as it was when bills came in"
    );
    let keep = Privacy { keep: vec!["x_Owner".to_owned()] };
    for settings in
        [Settings { tags: aliases, ..Settings::default() }, Settings { privacy: keep, ..Settings::default() }]
    {
        assert_ne!(fingerprint(&[("a.csv", &one), ("b.csv", &two)], &settings), before);
    }
}

#[test]
fn a_folder_holds_bills_and_other_files() {
    let bill = csv(&[&[]]);
    let folder = folder(&[
        ("b.csv", bill.as_bytes()),
        (".a.csv", b"hidden"),
        ("manifest.json", b"{}"),
        ("C.CSV", bill.as_bytes()),
        ("notes.txt", bill.as_bytes()),
    ]);
    fs::create_dir_all(folder.path().join("deeper/down")).expect("a folder");
    fs::write(folder.path().join("deeper/down/d.csv"), &bill).expect("a file");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let find = |patterns: &[&str]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| at(pattern)).collect();
        let files = input::find(&patterns).map_err(|error| error.to_string().replace(&at(""), ""))?;
        Ok(files.iter().map(input::InputFile::name).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(find(&[""]), Ok("C.CSV b.csv d.csv".to_owned()));
    assert_eq!(find(&["*.csv", "b.csv"]), Ok("b.csv".to_owned()), "each once");
    assert_eq!(find(&["deeper", "notes.txt"]), Ok("d.csv notes.txt".to_owned()), "named, so meant");
    let nothing =
        ": no such file, or a folder or pattern without .csv, .jsonl or .parquet files, gzipped or not".to_owned();
    assert_eq!(find(&["b.csv", "absent.csv"]), Err(format!("absent.csv{nothing}")));
    assert_eq!(find(&["*.parquet"]), Err(format!("*.parquet{nothing}")));
    assert_eq!(find(&["a***"]), Err("a***: not a file pattern".to_owned()));
}

#[test]
fn a_survey_tells_how_far_it_is() {
    let bill = csv(&[LINE, LINE]) + "short\n";
    let folder = folder(&[("a.csv", bill.as_bytes())]);
    let file = input::InputFile::open(folder.path().join("a.csv")).expect("a file");
    let rows = AtomicU64::new(0);
    let told = |more| {
        rows.fetch_add(more, Ordering::Relaxed);
    };
    let surveys = super::surveys(&super::Focus, &[file], &Settings::default(), &told).expect("a bill");
    assert_eq!((rows.into_inner(), surveys[0].rows), (3, 3));
}

#[test]
fn a_file_that_is_gone_is_named() {
    let folder = folder(&[("a.csv", csv(&[&[]]).as_bytes())]);
    let delivery = list(folder.path(), None, &Settings::default()).expect("a bill").remove(0);
    fs::remove_file(folder.path().join("a.csv")).expect("a file");
    let error = normalise(delivery, &Settings::default()).err().expect("it is gone").to_string();
    assert!(error.ends_with("a.csv: cannot be read after line 0"), "{error}");
}

/// Days that usage, and any charge, covers.
#[track_caller]
fn check_days(cells: &[(&str, &str)], usage: &[&str], any: &[&str], hourly: bool) {
    let read = read_csv(csv(&[cells]));
    let days = |days: &[&str]| days.iter().map(|day| day.parse().expect("a day")).collect::<BTreeSet<NaiveDate>>();
    assert_eq!(read.coverage.usage, days(usage));
    assert_eq!(read.coverage.any, days(any));
    assert_eq!(read.coverage.hourly, hourly);
}

#[test]
fn charges_cover_the_days_they_say() {
    let (first, second) = ("2026-10-05", "2026-10-06");
    check_days(&[], &[first], &[first], false);
    check_days(&[("ChargePeriodEnd", "")], &[first], &[first], false);
    check_days(&[("ChargePeriodEnd", "2026-10-06T00:00:01Z")], &[first, second], &[first, second], false);
    check_days(&[("ChargePeriodEnd", "2026-10-05T01:00:00Z")], &[first], &[first], true);
    check_days(&[("ChargePeriodEnd", "2026-10-04T00:00:00Z")], &[first], &[first], false);
    check_days(&[("ChargeCategory", "Tax")], &[], &[first], false);
}

#[test]
fn a_purchase_for_years_covers_its_bill_and_no_more() {
    let cells = [("ChargePeriodStart", "2026-10-30"), ("ChargePeriodEnd", "2029-10-30")];
    check_days(&cells, &["2026-10-30", "2026-10-31"], &["2026-10-30", "2026-10-31"], false);
}
