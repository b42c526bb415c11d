//! What comes in damaged, as a user meets it: docs/DAMAGE.md is held to what the command says.
//!
//! A case is a folder of files as they came, and `expected.txt`: what `outlay import` says to them, what it says once the
//! rejects are let in where it refused, and what `outlay reconcile` makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outlay_model::part::{RejectReason, Repair};

mod common;

use common::{House, bill};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("collectors/src/focus/fixtures/damage")
}

/// What the commands say to the bills in a folder below `at`.
fn said(at: &Path, case: &str) -> String {
    let house = tempfile::tempdir().expect("a folder");
    let mut said = String::new();
    let mut outlay = |words: &[&str], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().current_dir(at).arg("--data").arg(house.path());
        if at.join(case).join("outlay.toml").exists() {
            command.arg("--config").arg(at.join(case).join("outlay.toml"));
        }
        let output = command.args(words).args(arguments).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let asked: Vec<&str> =
            words.iter().chain(arguments.iter().skip_while(|word| !word.starts_with("--acc"))).copied().collect();
        let _ = write!(said, "$ outlay {}\n{out}{err}", asked.join(" "));
        out
    };
    // A case is a FOCUS bill unless it says otherwise.
    let kind = fs::read_to_string(at.join(case).join("kind")).unwrap_or_else(|_| "focus".to_owned());
    let import = ["--source", "damage", "--kind", kind.trim(), case, "--accept-rejects"];
    let mut out = outlay(&["import"], &import[..5]);
    if out.contains(": refused") {
        out = outlay(&["import"], &import);
    }
    if out.contains(": committed") {
        outlay(&["reconcile"], &[]);
    }
    said
}

/// A row of the table: the cases it names, and what it says the run says.
struct Row {
    cases: Vec<String>,
    says: Vec<String>,
}

fn table() -> Vec<Row> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DAMAGE.md")).expect("the page");
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What") && !line.starts_with("| -"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, _, says, cases] = cells[..] else { panic!("not four cells: {line}") };
        let says = says.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
        Row { cases: cases.split(", ").map(ToOwned::to_owned).collect(), says }
    })
    .collect()
}

fn codes() -> BTreeSet<&'static str> {
    let repairs = Repair::ALL.iter().map(|repair| repair.as_str());
    repairs.chain(RejectReason::ALL.iter().map(|reason| reason.as_str())).collect()
}

/// The codes a text names.
fn named(text: &str) -> BTreeSet<&'static str> {
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    codes().into_iter().filter(|code| words.contains(code)).collect()
}

/// Holds what was said to what the table says of the case.
#[track_caller]
fn check_told(case: &str, said: &str, says: &[String]) {
    for words in says {
        assert!(said.contains(words), "docs/DAMAGE.md has {words:?} for {case}, and the run says\n{said}");
    }
    let told: BTreeSet<&str> = says.iter().flat_map(|words| named(words)).collect();
    assert_eq!(named(said), told, "docs/DAMAGE.md must name the codes of {case}");
}

#[test]
fn every_case_is_told_as_the_table_says() {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table() {
        for case in row.cases.into_iter().filter(|case| !case.starts_with("(made)")) {
            rows.entry(case).or_default().extend(row.says.iter().cloned());
        }
    }
    let entries = cases().read_dir().expect("the cases").map(|entry| entry.expect("a case"));
    let folders: BTreeSet<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        .collect();
    assert_eq!(folders, rows.keys().cloned().collect(), "every row has a case, and every case a row");
    for (case, says) in rows {
        let said = said(&cases(), &case);
        let expected = fs::read_to_string(cases().join(&case).join("expected.txt")).unwrap_or_default();
        assert!(said == expected, "{case}/expected.txt should say\n{said}");
        check_told(&case, &said, &says);
        let unsaid = said.contains("NOT every digit") || said.lines().any(|line| line.contains("panicked"));
        assert!(!unsaid, "{case}: {said}");
    }
}

#[test]
fn every_code_is_in_the_table() {
    let told: BTreeSet<&str> = table().iter().flat_map(|row| row.says.iter().flat_map(|words| named(words))).collect();
    assert_eq!(codes(), told);
}

/// A case that is too large to keep.
#[track_caller]
fn check_made(case: &str, text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join(case)).expect("a folder");
    fs::write(folder.path().join(case).join("bill.csv"), text).expect("a file");
    let row = table().into_iter().find(|row| row.cases == [format!("(made) {case}")]).expect("a row");
    let said = said(folder.path(), case);
    check_told(case, &said, &row.says);
    said
}

#[test]
fn ten_thousand_columns() {
    let rows = bill(&[&[("BilledCost", "2")], &[("BilledCost", "3")]]);
    let mut lines = rows.lines();
    let extra = |cell: &dyn Fn(usize) -> String| (0..10_000).map(|at| format!(",{}", cell(at))).collect::<String>();
    let mut text = format!("{}{}\n", lines.next().expect("a header"), extra(&|at| format!("c{at}")));
    for line in lines {
        let _ = writeln!(text, "{line}{}", extra(&|at| at.to_string()));
    }
    let said = check_made("ten_thousand_columns", &text);
    assert!(said.contains("committed, 2 charges") && said.contains("10,000 × column_renamed"), "{said}");
}

#[test]
fn a_cell_of_100_mb() {
    let rows = bill(&[&[], &[("ServiceName", "LARGE")], &[]]);
    let said = check_made("a_cell_of_100_mb", &rows.replace("LARGE", &"a large text\n".repeat(8_000_000)));
    assert!(said.contains("committed, 2 charges, 1 rejected (1 without readable money)"), "{said}");
    assert!(said.contains("bill.csv:3: malformed_record \"more than 4 MB in one record\""), "{said}");
}

#[tokio::test]
async fn two_thousand_tag_keys() {
    let tags = |half: usize| {
        let keys = (half * 1000..half * 1000 + 1000).map(|key| format!("\"key{key:04}\":\"v{half}\""));
        format!("{{{}}}", keys.collect::<Vec<_>>().join(","))
    };
    let (few, many) = (tags(0), tags(1));
    let rows = bill(&[
        &[("Tags", &few), ("EffectiveCost", "2"), ("BilledCost", "2")],
        &[("Tags", &many), ("EffectiveCost", "30"), ("BilledCost", "30")],
    ]);
    let said = check_made("two_thousand_tag_keys", &rows);
    assert!(said.contains("committed, 2 charges"), "{said}");

    let house = House::new().await;
    house.import("aws", "a.csv", &rows).await;
    // One of the most spent on has a column; one of the others does not.
    for (key, value, cost) in [("key1000", "v1", "30"), ("key0999", "v0", "2")] {
        let groups = house.groups(&[("period", "2026-10"), ("group_by", &format!("tags.{key}"))]).await;
        assert_eq!(groups[value], cost, "{key}");
    }
}
