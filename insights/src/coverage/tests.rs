use std::collections::{BTreeMap, BTreeSet};

use outlay_model::DeliveryKey;
use outlay_model::PartId;
use outlay_model::Yields;
use outlay_model::part::Versions;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// Days as people write them: the last one is in it.
fn days(text: &str) -> DateRange {
    let (from, last) = text.split_once("..").unwrap_or((text, text));
    DateRange::new(day(from), day(last).succ_opt().expect("a day")).expect("a range")
}

fn part(source: &str, covered: &[&str], provisional: &[&str]) -> Part {
    Part {
        id: PartId::new("p"),
        source: SourceName::new(source),
        delivery: DeliveryKey::new("d"),
        fingerprint: String::new(),
        edition: None,
        contents: BTreeSet::new(),
        files: Vec::new(),
        rows: 1,
        days: None,
        covered: covered.iter().map(|text| days(text)).collect(),
        provisional: provisional.iter().map(|text| days(text)).collect(),
        billing_periods: BTreeSet::new(),
        currencies: BTreeSet::new(),
        columns: BTreeSet::new(),
        tag_keys: BTreeSet::new(),
        daily_tags: BTreeSet::new(),
        more_tags: false,
        hourly: false,
        magnitude: BTreeMap::new(),
        billed: BTreeMap::new(),
        null_rows: BTreeMap::new(),
        unpriced: 0,
        versions: Versions { format: "focus".to_owned(), normaliser: 1, rule_book: 1, rules: String::new(), layout: 1 },
        bundle: None,
        pool: None,
    }
}

fn source(name: &str, role: Role) -> Source {
    Source {
        name: SourceName::new(name),
        kind: "focus".to_owned(),
        yields: Yields::Charges,
        role,
        schedule: None,
        place: String::new(),
        restates_months: 1,
    }
}

const TODAY: &str = "2026-11-21";

fn states(configured: bool, parts: &[Part], range: &str) -> Vec<String> {
    let source = source("aws", Role::Primary);
    let coverage = Coverage::of(configured.then_some(&source), &parts.iter().collect::<Vec<_>>());
    let runs = coverage.days(days(range), day(TODAY));
    runs.iter().map(|run| format!("{} {}", spell(&[run.days]), run.state.as_str())).collect()
}

#[test]
fn every_day_has_the_state_of_what_is_stated_for_it() {
    let parts = [
        part("aws", &["2026-08-03..2026-08-31", "2026-09-02..2026-09-30"], &[]),
        part("aws", &["2026-10-01..2026-10-31"], &["2026-10-31"]),
        part("aws", &["2026-11-01..2026-11-18"], &[]),
    ];
    let expected = [
        "2026-08-03..2026-08-31 final",
        "2026-09-01 missing",
        "2026-09-02..2026-09-30 final",
        "2026-10-01..2026-10-30 settling",
        // The provider says so of the first of them, and the month of the others is not over.
        "2026-10-31..2026-11-18 provisional",
        "2026-11-19..2026-11-20 missing",
    ];
    assert_eq!(states(true, &parts, "2026-01-01..2026-12-31"), expected);
    assert_eq!(
        states(true, &parts, "2026-08-30..2026-09-03"),
        ["2026-08-30..2026-08-31 final", "2026-09-01 missing", "2026-09-02..2026-09-03 final"]
    );
    assert_eq!(states(true, &parts, "2026-01-01..2026-08-02"), [""; 0], "it had not begun");
    assert_eq!(states(true, &parts, "2026-11-21..2026-11-30"), [""; 0], "the day is not over");
}

#[test]
fn what_is_imported_ends_with_its_last_day_and_does_not_change_by_itself() {
    let parts = [part("aws", &["2026-10-05", "2026-10-07..2026-11-02"], &[])];
    let expected = ["2026-10-05 final", "2026-10-06 missing", "2026-10-07..2026-11-02 final"];
    assert_eq!(states(false, &parts, "2026-10-01..2026-11-30"), expected);
    assert_eq!(states(false, &[], "2026-10-01..2026-11-30"), [""; 0]);
}

#[test]
fn a_source_that_states_nothing_misses_every_day() {
    assert_eq!(states(true, &[], "2026-11-19..2026-11-30"), ["2026-11-19..2026-11-20 missing"]);
    let nothing = Coverage::of(None, &[]);
    assert_eq!((nothing.stated(), nothing.complete_until(), nothing.missing_days(day(TODAY))), (None, None, 0));
    let source = source("aws", Role::Primary);
    let parts = [part("aws", &["2026-11-01", "2026-11-03..2026-11-19"], &[])];
    let coverage = Coverage::of(Some(&source), &parts.iter().collect::<Vec<_>>());
    assert_eq!(coverage.complete_until(), Some(day("2026-11-01")));
    assert_eq!(coverage.missing_days(day(TODAY)), 2);
}

fn answer(sources: &[Source], parts: &[Part], range: &str) -> (String, Vec<String>) {
    let (until, warnings) = complete_until(sources, parts, days(range), day(TODAY));
    let until = until.map_or_else(|| "nobody knows".to_owned(), |day| day.to_string());
    (until, warnings.into_iter().map(|warning| format!("{}: {}", warning.code, warning.message)).collect())
}

#[test]
fn an_answer_is_as_complete_as_its_least_complete_source() {
    let parts = [
        part("aws", &["2026-10-01..2026-10-20"], &[]),
        part("gcp", &["2026-09-01..2026-10-03", "2026-10-06..2026-10-31"], &[]),
        part("old", &["2026-01-01..2026-08-31"], &[]),
    ];
    let (until, warnings) = answer(&[], &parts, "2026-10-01..2026-10-31");
    assert_eq!(until, "2026-08-31");
    assert_eq!(
        warnings,
        [
            "missing_days: gcp has stated nothing for 2026-10-04..2026-10-05",
            "source_behind: old has stated nothing since 2026-08-31",
        ]
    );
    assert_eq!(answer(&[], &parts[..2], "2026-10-01..2026-10-31").0, "2026-10-03");
    // What comes after the range is nothing it could be complete by; what begins later is not missing.
    assert_eq!(answer(&[], &parts[..1], "2026-10-01..2026-10-10"), ("2026-10-10".to_owned(), Vec::new()));
    assert_eq!(answer(&[], &parts[..1], "2026-09-01..2026-09-30"), ("nobody knows".to_owned(), Vec::new()));
    let later = [part("aws", &["2026-09-01..2026-09-10", "2026-11-01"], &[])];
    assert_eq!(
        answer(&[], &later, "2026-10-01..2026-10-31").1,
        ["source_behind: aws has stated nothing since 2026-09-10"]
    );
    assert_eq!(answer(&[], &later, "2026-09-05..2026-11-20").0, "2026-09-10");
}

#[test]
fn an_answer_names_what_is_provisional_and_who_is_silent() {
    let sources = [source("aws", Role::Primary), source("gcp", Role::Primary), source("second", Role::Shadow)];
    let parts = [
        part("aws", &["2026-10-01..2026-11-20"], &["2026-10-30..2026-10-31"]),
        part("gcp", &["2026-10-01..2026-11-19"], &[]),
        part("saas", &["2026-11-01..2026-11-20"], &["2026-11-20"]),
    ];
    let both =
        "provisional_days: figures may still change much: aws 2026-10-30..2026-11-20; gcp 2026-11-01..2026-11-19";
    assert_eq!(answer(&sources, &parts, "2026-10-01..2026-11-30"), ("2026-11-19".to_owned(), vec![both.to_owned()]));
    assert_eq!(answer(&sources, &parts, "2026-10-01..2026-10-29"), ("2026-10-29".to_owned(), Vec::new()));
    let (until, warnings) = answer(&sources, &parts[..1], "2026-10-01..2026-10-29");
    assert_eq!(
        (&*until, &warnings[..]),
        ("nobody knows", &["nothing_stated: nothing has been collected yet of gcp".to_owned()][..])
    );
}

#[test]
fn days_are_spelled_as_runs() {
    let some = ["2026-10-03", "2026-10-07", "2026-10-08", "2026-10-09"].map(day);
    assert_eq!(spell(&runs_of(&some)), "2026-10-03, 2026-10-07..2026-10-09");
    let many: Vec<_> = (1..=6).map(|number| days(&format!("2026-10-{:02}", 2 * number))).collect();
    assert_eq!(spell(&many), "2026-10-02, 2026-10-04, 2026-10-06, 2026-10-08, 2026-10-10 and more, 6 days in all");
}
