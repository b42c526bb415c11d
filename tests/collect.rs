//! Sources are collected: what is new, what changed, and nothing twice (P3, P4).

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::bill;
use tempfile::TempDir;

/// A folder of bills, and a configuration that collects it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self { folder };
        fs::create_dir_all(place.path("bills")).expect("creates");
        let path = toml::Value::from(place.path("bills").display().to_string());
        let config = format!("[[source]]\nname = \"nimbus\"\nkind = \"focus\"\npath = {path}\n{settings}");
        fs::write(place.path("outlay.toml"), config).expect("writes");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bill(&self, name: &str, rows: &[&[(&str, &str)]]) {
        let path = self.path("bills").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        fs::write(path, bill(rows)).expect("writes");
    }

    fn outlay(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(self.folder.path()).args(arguments);
        command.output().expect("runs")
    }

    #[track_caller]
    fn collected(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(&[&["collect"], arguments].concat());
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{said}");
        said
    }

    fn october(&self) -> String {
        let done = self.outlay(&["spend", "--period", "2026-10", "--format", "json"]);
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        answer["total"].to_string()
    }
}

const COSTS: [&[(&str, &str)]; 3] = [
    &[("BilledCost", "1"), ("EffectiveCost", "1")],
    &[("BilledCost", "2"), ("EffectiveCost", "2")],
    &[("BilledCost", "4"), ("EffectiveCost", "4")],
];

#[test]
fn what_is_new_or_changed_is_collected_and_nothing_twice() {
    let place = Place::new("");
    place.bill("a.csv", &COSTS[..1]);
    place.bill("b.csv", &COSTS[1..2]);
    let said = place.collected(&["--dry-run"], 0);
    assert!(said.contains("2 to collect, 0 here already"), "{said}");
    let said = place.collected(&[], 0);
    assert!(said.contains("nimbus a.csv: committed, 1 charges"), "{said}");
    assert_eq!(place.october(), "3");
    assert!(place.collected(&["nimbus"], 0).contains("nothing new, 2 deliveries are here already"));

    let said = place.collected(&["--from", "2026-10-01", "--to", "2026-11-01"], 0);
    assert_eq!(said.matches("unchanged").count(), 2, "days that are asked for are read again: {said}");

    place.bill("b.csv", &COSTS[2..]);
    let said = place.collected(&[], 0);
    assert!(
        said.contains("nimbus b.csv: committed, 1 charges\n  replaces 1 charges") && !said.contains("a.csv"),
        "{said}"
    );
    assert_eq!(place.october(), "5");
}

#[test]
fn the_files_of_a_folder_are_replaced_together() {
    let place = Place::new("delivery = \"folder\"\n");
    place.bill("2026-10/1.csv", &COSTS[..1]);
    place.bill("2026-10/2.csv", &COSTS[1..2]);
    let said = place.collected(&[], 0);
    assert!(said.contains("nimbus 2026-10: committed, 2 charges"), "{said}");
    fs::remove_file(place.path("bills/2026-10/2.csv")).expect("is there");
    place.bill("2026-10/1.csv", &COSTS[1..]);
    assert!(place.collected(&[], 0).contains("replaces 2 charges"));
    assert_eq!(place.october(), "6");
}

#[test]
fn a_bill_that_cannot_be_read_keeps_no_other_from_being_collected() {
    let place = Place::new("");
    place.bill("a.csv", &COSTS[..1]);
    fs::write(place.path("bills/b.csv"), "no,bill\n1,2\n").expect("writes");
    let said = place.collected(&[], 1);
    assert!(said.contains("nimbus a.csv: committed") && said.contains("nimbus b.csv: failed"), "{said}");
    assert!(said.contains("BilledCost"), "{said}");
    assert_eq!(place.october(), "1");
}

#[test]
fn an_unknown_source_and_an_empty_range_are_refused() {
    let place = Place::new("");
    let said = place.collected(&["nimbsu"], 2);
    assert!(said.contains("no source \"nimbsu\": the configuration has nimbus"), "{said}");
    let said = place.collected(&["--from", "2026-10-02", "--to", "2026-10-02"], 2);
    assert!(said.contains("must come after --from 2026-10-02"), "{said}");
}

#[test]
fn what_is_gone_from_the_provider_stays_until_somebody_says_otherwise() {
    let place = Place::new("");
    place.bill("a.csv", &COSTS[..1]);
    place.bill("b.csv", &COSTS[1..2]);
    place.collected(&[], 0);
    fs::remove_file(place.path("bills/a.csv")).expect("is there");
    let said = place.collected(&[], 0);
    assert!(said.contains("a.csv is gone from the provider; its 1 charges stay"), "{said}");
    assert_eq!(place.october(), "3");
    let said = place.collected(&["--accept-shrink"], 0);
    assert!(said.contains("a.csv is gone from the provider, and its 1 charges with it"), "{said}");
    assert_eq!(place.october(), "2");
    assert!(place.collected(&[], 0).contains("nothing new, 1 deliveries are here already"));
}

#[test]
fn sources_and_what_was_collected_are_shown_to_people_and_to_programs() {
    let place = Place::new("schedule = \"0 0 6 1 1 *\"\n");
    let said = |arguments: &[&str], code: i32| {
        let done = place.outlay(arguments);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}");
        String::from_utf8(done.stdout).expect("text")
    };
    let json = |arguments: &[&str], code| -> serde_json::Value {
        serde_json::from_str(&said(&[arguments, &["--format", "json"]].concat(), code)).expect("one document")
    };
    assert!(said(&["sources"], 0).contains("nimbus  focus  not collected yet"));
    place.bill("a.csv", &COSTS[..1]);
    place.bill("b.csv", &COSTS[1..2]);
    let plan = json(&["collect", "--dry-run"], 0);
    assert_eq!(plan["data"][0]["to_collect"].as_array().map(Vec::len), Some(2), "{plan}");
    let done = json(&["collect"], 0);
    assert_eq!((&done["data"][0]["state"], &done["data"][0]["runs"][1]["rows"]), (&"done".into(), &1.into()), "{done}");

    let table = said(&["sources"], 0);
    let line = table.lines().nth(1).expect("a line");
    assert!(line.starts_with("nimbus  focus  done ") && line.contains("  2026-10-05  "), "{table}");
    let detail = said(&["sources", "nimbus", "--period", "2026-10"], 0);
    assert!(detail.contains("\n  2026-10-05  ") && detail.contains("asked for by cli: 2 collected"), "{detail}");
    assert_eq!(json(&["sources"], 0)["data"][0]["complete_until"], "2026-10-05");
    assert_eq!(json(&["sources", "nimbus"], 0)["live"].as_array().map(Vec::len), Some(2));
    assert_eq!(place.outlay(&["sources", "nimbsu"]).status.code(), Some(2));

    fs::write(place.path("bills/b.csv"), "no,bill\n1,2\n").expect("writes");
    assert_eq!(json(&["collect"], 1)["data"][0]["state"], "failed");
    let checked = said(&["check"], 1);
    assert!(
        checked.contains("PROBLEM  nimbus: its last collection failed: ") && checked.contains("BilledCost"),
        "{checked}"
    );
    assert!(said(&["sources"], 0).contains("\n\nnimbus: "));
}
