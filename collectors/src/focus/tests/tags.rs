//! Tags: which keys become columns, and what their values are.

use std::collections::BTreeSet;

use outlay_model::part::Repair;
use outlay_model::tags::{MAX_TAG_COLUMNS, TagSettings};

use super::{Read, Settings, csv, folder, read, read_csv, read_csv_with};

fn aliases() -> Settings {
    let aliases = [("team".to_owned(), vec!["Team".to_owned(), "owner-team".to_owned()])].into();
    Settings { tags: TagSettings { aliases, daily: None, required: Vec::new() }, ..Settings::default() }
}

fn keys(read: &Read) -> Vec<&str> {
    read.delivery.tag_keys.iter().map(|key| key.as_str()).collect()
}

/// Tags, and the columns they become. The text stays as the bill has it.
#[track_caller]
fn check(tags: &str, expected: &[(&str, &str)], repairs: &[(Repair, u64)]) {
    let read = read_csv_with(csv(&[&[("Tags", tags)]]), &aliases());
    let found: Vec<_> = keys(&read).into_iter().map(|key| (key, read.cell(&format!("tags.{key}"), 0))).collect();
    let expected: Vec<_> = expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    assert_eq!((found, read.repairs()), (expected, repairs.to_vec()), "{tags}");
    assert_eq!(read.cell("Tags", 0), tags);
}

#[test]
fn keys_become_columns() {
    check(r#"{"env": "prod", "aws:name": "x"}"#, &[("aws:name", "x"), ("env", "prod")], &[]);
    check(
        r#"{" org":"web","Cost department":"1","a.b/c":"","ключ":"ü"}"#,
        &[(" org", "web"), ("Cost department", "1"), ("a.b/c", ""), ("ключ", "ü")],
        &[],
    );
    check(
        r#"{"spot":true,"shard":3,"ratio":1.50,"gone":null}"#,
        &[("ratio", "1.50"), ("shard", "3"), ("spot", "true")],
        &[],
    );
    check("{}", &[], &[]);
}

#[test]
fn spellings_of_a_key_are_one_key() {
    check(r#"{"Team":"search"}"#, &[("team", "search")], &[]);
    check(r#"{"TEAM":"search"}"#, &[("TEAM", "search")], &[]);
}

#[test]
fn the_preferred_spelling_wins_and_the_clash_is_counted() {
    let clash = &[(Repair::TagClash, 1)];
    check(r#"{"owner-team":"c","Team":"b"}"#, &[("team", "b")], clash);
    check(r#"{"Team":"b","team":"a"}"#, &[("team", "a")], clash);
    check(r#"{"owner-team":"c","Team":"b","team":"a"}"#, &[("team", "a")], &[(Repair::TagClash, 2)]);
    check(r#"{"team":null,"Team":"b"}"#, &[("team", "b")], &[]);
}

#[test]
fn values_within_values_are_kept_as_json() {
    check(r#"{"a":{"b":[1,2]}}"#, &[("a", r#"{"b":[1,2]}"#)], &[(Repair::TagNested, 1)]);
}

#[test]
fn what_is_no_object_stays_text() {
    for text in ["team=search", "[\"a\"]", r#"{"team":"sea"#, r#""team": "search""#] {
        check(text, &[], &[(Repair::TagsUnreadable, 1)]);
    }
}

#[test]
fn every_file_has_the_keys_of_the_delivery() {
    let (north, south) = (csv(&[&[("Tags", r#"{"env":"prod"}"#)]]), csv(&[&[("Tags", r#"{"team":"data"}"#)]]));
    let read = read(folder(&[("a.csv", north.as_bytes()), ("b.csv", south.as_bytes())]).path());
    assert_eq!(read.table(&["tags.env", "tags.team"]), ["prod | -", "- | data"]);
}

/// A bill where each of this many keys stands on a line of its own; later ones cost more.
fn many(count: usize) -> String {
    let lines: Vec<_> = (0..count)
        .map(|place| {
            // Refunds are spend too.
            let sign = if place % 2 == 0 { "-" } else { "" };
            [("Tags", format!(r#"{{"k{place:03}":"v"}}"#)), ("BilledCost", format!("{sign}{}.5", place + 1))]
        })
        .collect();
    let lines: Vec<_> =
        lines.iter().map(|line| line.each_ref().map(|(column, cell)| (*column, cell.as_str()))).collect();
    csv(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>())
}

#[test]
fn beyond_500_keys_the_most_spent_on_become_columns() {
    let read = read_csv(many(600));
    assert!(read.delivery.more_tags);
    let expected: Vec<String> = (100..600).map(|place| format!("k{place:03}")).collect();
    assert_eq!(keys(&read), expected);
    let columns: BTreeSet<_> = read.delivery.columns.iter().filter(|name| name.starts_with("tags.")).collect();
    assert_eq!(columns.len(), MAX_TAG_COLUMNS);
    assert_eq!((read.cell("tags.k100", 100), read.cell("tags.k599", 599)), ("v".to_owned(), "v".to_owned()));
    assert_eq!(read.cell("Tags", 99), r#"{"k099":"v"}"#, "the rest is still in Tags");
}

#[test]
fn exactly_500_keys_all_become_columns() {
    let read = read_csv(many(500));
    assert!(!read.delivery.more_tags);
    assert_eq!(read.delivery.tag_keys.len(), 500);
}

#[test]
fn spend_under_every_spelling_counts_for_the_key() {
    let mut bill = many(500).replace(r#"""k000"""#, r#"""Team"""#).replace(r#"""k001"""#, r#"""owner-team"""#);
    let line = |tag: &str| csv(&[&[("Tags", &format!(r#"{{"{tag}":"v"}}"#)), ("BilledCost", "2.6")]]);
    // Without its second spelling `team` would be the least spent-on of 501 keys.
    let cells = |tag: &str| line(tag).lines().nth(1).expect("a line").to_owned();
    let (header, reordered) = (bill.lines().next().expect("a header"), line("extra"));
    assert_eq!(Some(header), reordered.lines().next(), "the same columns");
    bill += &format!("{}\n{}\n", cells("extra"), cells("other"));
    let read = read_csv_with(&bill, &aliases());
    assert!(read.delivery.more_tags);
    assert!(keys(&read).contains(&"team"), "1.5 and 2.5 are more than 2.6");
    assert!(!keys(&read).contains(&"other"));
}
