//! Persons stay out of what is kept, unless the settings say otherwise (P10).

use outlay_ledger::tags::Privacy;
use outlay_model::part::Repair;

use super::{Settings, csv, read_csv_with};

fn keeping(names: &[&str]) -> Settings {
    let keep = names.iter().map(|name| (*name).to_owned()).collect();
    Settings { privacy: Privacy { keep }, ..Settings::default() }
}

/// A cell of a column, what is kept of it, and how many persons were left out.
#[track_caller]
fn check(keep: &[&str], column: &str, text: &str, kept: &str, dropped: u64) {
    let read = read_csv_with(csv(&[&[(column, text)]]), &keeping(keep));
    let name = if column == "Tags" || column.starts_with("x_") { column.to_owned() } else { format!("x_{column}") };
    assert_eq!(read.cell(&name, 0), kept, "{column} {text}");
    assert_eq!(read.repairs.get(&Repair::PersonDropped).copied().unwrap_or_default(), dropped, "{column} {text}");
    for column in read.charges.columns().iter().filter(|_| keep.is_empty()) {
        let told = read.cell(column.name(), 0);
        assert!(!told.contains("ann@"), "{} still says {told}", column.name());
    }
}

const TAGS: &str = r#"{"aws:createdBy":"IAMUser:X:ann","owner":"ann@example.com","env":"dev"}"#;

#[test]
fn persons_among_tags_are_dropped() {
    check(&[], "Tags", TAGS, r#"{"env":"dev"}"#, 2);
    check(&[], "Tags", r#"{"user_id":"u1","api_key_id":7,"createdBy":"x"}"#, "{}", 3);
    check(
        &[],
        "Tags",
        r#"{"repo": "git@host:a/b", "at": "@example.com", "env": "a@b"}"#,
        r#"{"repo": "git@host:a/b", "at": "@example.com", "env": "a@b"}"#,
        0,
    );
}

#[test]
fn a_persons_key_has_no_column() {
    let read = read_csv_with(csv(&[&[("Tags", TAGS)]]), &keeping(&[]));
    let keys: Vec<_> = read.delivery.tag_keys.iter().map(|key| key.as_str()).collect();
    assert_eq!(keys, ["env"]);
}

#[test]
fn persons_in_columns_focus_does_not_know_are_dropped() {
    check(&[], "x_Owner", "ann@example.com", "-", 1);
    check(&[], "x_Owner", " ann@example.com ", "-", 1);
    check(&[], "Requester", "ann@mail.example.com", "-", 1);
    check(&[], "user_id", "u-17", "-", 1);
    check(&[], "x_api_key_id", "k-1", "-", 1);
    check(&[], "x_Owner", "search", "search", 0);
    check(&[], "x_Owner", "", "-", 0);
}

#[test]
fn names_that_customers_give_may_be_persons() {
    let check = |keep: &[&str], column: &str, text: &str, kept: &str, dropped: u64| {
        let read = read_csv_with(csv(&[&[(column, text)]]), &keeping(keep));
        assert_eq!(read.cell(column, 0), kept, "{column} {text}");
        assert_eq!(read.repairs.get(&Repair::PersonDropped).copied().unwrap_or_default(), dropped, "{column} {text}");
    };
    for column in ["ResourceId", "ResourceName", "SubAccountId", "SubAccountName", "BillingAccountName"] {
        check(&[], column, "ann@example.com", "-", 1);
        check(&[column], column, "ann@example.com", "ann@example.com", 0);
        check(&[], column, "mail for ann@example.com", "mail for ann@example.com", 0);
    }
    check(&[], "BillingAccountId", "ann@example.com", "ann@example.com", 0);
    check(&[], "AllocatedTags", r#"{"owner":"ann@example.com","env":"dev"}"#, r#"{"env":"dev"}"#, 1);
}

#[test]
fn settings_keep_them() {
    check(&["owner", "aws:createdBy"], "Tags", TAGS, TAGS, 0);
    check(&["owner"], "Tags", TAGS, r#"{"owner":"ann@example.com","env":"dev"}"#, 1);
    check(&["x_Owner"], "x_Owner", "ann@example.com", "ann@example.com", 0);
    check(&["Requester"], "Requester", "ann@example.com", "ann@example.com", 0);
    check(&["x_user_id"], "user_id", "u-17", "u-17", 0);
    check(&["user_id"], "user_id", "u-17", "u-17", 0);
}

#[test]
fn every_person_is_counted() {
    let lines = [[("x_Owner", "ann@example.com")], [("x_Owner", "search")], [("x_Owner", "bob@example.com")]];
    let read = read_csv_with(csv(&lines.each_ref().map(|line| &line[..])), &keeping(&[]));
    assert_eq!(read.repairs(), [(Repair::PersonDropped, 2)]);
    assert_eq!(read.table(&["x_Owner"]), ["-", "search", "-"]);
}
