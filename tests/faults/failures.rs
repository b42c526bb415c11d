//! Disks that are full, read-only or broken, and a catalog that is locked, gone or damaged: what is live stays, whoever asks is
//! told what, where and what to do, and all goes on once the cause is gone (P3, P4).

use std::fmt;
use std::fs;
use std::sync::Arc;

use outlay_model::part::Layer;
use outlay_model::{DeliveryKey, SourceName};

use crate::crashes::{each, go_on, tidy};
use crate::house::import;
use crate::places::{Phase, Story, Struck, failing};
use crate::reader::{NEW, OLD, Readers, Server, answers};
use crate::shim::{Faults, Place, When};
use crate::world::{small_bill, world};

/// Calls that fail.
struct Failing {
    at: Struck,
    error: &'static str,
    /// Whether later calls like it fail as well.
    on: bool,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.error, if self.on { "from then on" } else { "once" }, self.at)
    }
}

/// How the system and SQLite say it.
fn words(error: &str) -> &'static [&'static str] {
    match error {
        // Without room for its log, SQLite can only read.
        "enospc" => &["No space left on device", "database or disk is full", "unable to open", "readonly database"],
        "eio" => &["Input/output error", "disk I/O error"],
        "erofs" => &["Read-only file system", "unable to open", "readonly database"],
        "eacces" => &["Permission denied", "unable to open", "readonly database"],
        other => panic!("{other} is no error"),
    }
}

/// From a call on, and where a hiccup may be overcome, once as well.
fn all(kinds: &[&str], error: &'static str, some: usize) -> Vec<Failing> {
    let both = |at: Struck| {
        let once = matches!(at.phase, Phase::Intent | Phase::Commit | Phase::Record);
        [true, false].into_iter().filter(move |on| *on || once).map(move |on| Failing { at: at.clone(), error, on })
    };
    failing(Story::Restate, kinds, some).into_iter().flat_map(both).collect()
}

#[test]
fn a_full_disk_keeps_the_old_bill() {
    each(all(&["write", "open", "mkdir"], "enospc", 3), endure);
}

#[test]
fn what_cannot_be_synced_is_not_committed() {
    each(all(&["sync"], "eio", 2), endure);
}

#[test]
fn a_disk_that_turns_read_only_keeps_the_old_bill() {
    let kinds = ["open", "mkdir", "rename"];
    let both = all(&kinds, "erofs", 1).into_iter().chain(all(&kinds, "eacces", 1));
    each(both.filter(|failing| failing.on).collect(), endure);
}

fn endure(failing: &Failing) {
    let Failing { at: Struck { story, phase, committed, place }, error, on } = failing;
    let house = Arc::new(story.house());
    let server = Server::over(&house);
    let readers = Readers::of(&server, &house, &world().bills);
    assert_eq!(readers.look(), OLD);

    let mark = house.path("mark");
    let faults = if *on { Faults::fail_from(place, error) } else { Faults::fail_once(place, error) };
    let ended = house.import_with(&faults.marked(&mark), "aws", "b.csv");
    assert!(mark.exists(), "was not struck: {ended:?}");
    let said = format!("{}{}", ended.out, ended.err);
    // A failure may be overcome (a commit is tried again), and after the commit it is not the bill's any more.
    let done = ended.code == Some(0);
    assert!(done || ended.code == Some(1), "{ended:?}");
    assert!(done || !committed, "{phase:?}: {said}");
    assert_eq!(readers.look(), if done { NEW } else { OLD }, "{said}");
    if !done {
        assert!(words(error).iter().any(|words| said.contains(words)), "does not say why: {said}");
        assert!(said.contains("data") || said.contains("catalog"), "does not say where: {said}");
    }
    house.reconciled();
    go_on(&house, &readers);
    readers.end();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let house = world().stated.copy();
    let nothing_works = Faults::fail_all("any", "/data", "erofs");
    let said = house.import_with(&nothing_works, "aws", "b.csv").with_code(1);
    assert!(said.contains("data cannot be read or written; let outlay write there"), "{said}");
    let no_store = Faults::fail_all("any", "/charges", "eacces");
    let said = house.import_with(&no_store, "aws", "b.csv").with_code(1);
    assert!(said.contains("/data/charges/aws") && said.contains("Permission denied"), "{said}");
    assert!(said.contains("let outlay write there and run it again"), "what to do: {said}");
    let new_folder = crate::house::House::new();
    new_folder.write("b.csv", &small_bill("0001", "2026-10"));
    let said = new_folder.import_with(&Faults::fail_all("mkdir", "/data", "eacces"), "aws", "b.csv").with_code(1);
    assert!(said.contains("data") && said.contains("Permission denied"), "{said}");
}

#[test]
fn a_file_that_cannot_be_removed_keeps_nothing_else_waiting() {
    let house = world().restated.copy();
    let place = Place { call: "unlink".into(), part: "/charges/".into(), nth: 1, when: When::Before };
    let faults = Faults::fail_from(&place, "eacces").and_hours_later(25);
    let said = house.import_with(&faults, "aws", "b.csv").with_code(0);
    assert!(said.contains("not all old files could be removed") && said.contains("Permission denied"), "{said}");
    assert_eq!(answers(&house), world().bills[NEW]);
    tidy(&house);
}

/// A process that stands still within its transaction holds the lock of SQLite.
#[test]
fn a_locked_catalog_stops_writers_only_and_only_for_so_long() {
    let house = Arc::new(world().stated.copy());
    house.write("other.csv", &small_bill("other", "2026-09"));
    let server = Server::over(&house);
    let readers = Readers::of(&server, &house, &world().bills);
    let mut commit = failing(Story::Restate, &["write"], 3).into_iter().filter(|at| at.phase == Phase::Commit);
    // Of all the writes the last one is surely within the transaction of the commit.
    let last = commit.next_back().expect("a commit writes");
    let mut holder = house.start(&Faults::stop(&last.place), &import("aws", "b.csv"));
    holder.wait_until_stopped();

    let said = house.import("other", "other.csv").with_code(1);
    assert!(said.contains("database is locked") && said.contains("another process"), "{said}");
    assert_eq!(readers.look(), OLD, "readers do not wait for writers");
    holder.go_on();
    assert_eq!(holder.wait().code, Some(0));
    assert_eq!(readers.look(), NEW);
    house.import("other", "other.csv").with_code(0);
    go_on(&house, &readers);
    readers.end();
}

#[test]
fn a_catalog_that_is_gone_is_not_taken_for_an_empty_one() {
    let house = world().stated.copy();
    let server = Server::over(&house);
    assert_eq!(server.total().expect("an answer"), "1830.6");
    let files =
        ["catalog.db", "catalog.db-wal", "catalog.db-shm"].map(|name| (house.data().join(name), house.path(name)));
    for (here, away) in &files {
        fs::rename(here, away).expect("moves");
    }
    for arguments in [&import("aws", "b.csv")[..], &["spend", "--period", "2026-10"], &["reconcile"]] {
        let said = house.run(arguments).with_code(1);
        assert!(said.contains("the catalog is empty") && said.contains("outlay recover"), "{said}");
    }
    // The server has the file open still: what it answers is right, or nothing.
    assert!(server.total().map_or(true, |total| total == "1830.6"));
    for (here, away) in &files {
        fs::rename(away, here).expect("moves back");
    }
    house.import("aws", "b.csv").with_code(0);
    assert_eq!(server.total().expect("an answer"), "4422.066");
}

#[test]
fn a_damaged_catalog_is_said_to_be_damaged() {
    let house = world().stated.copy();
    let file = house.data().join("catalog.db");
    let sound = fs::read(&file).expect("reads");
    let server = Server::over(&house);
    assert_eq!(server.total().expect("an answer"), "1830.6");
    let mut damaged = sound.clone();
    damaged.fill(0x5a);
    fs::write(&file, &damaged).expect("writes");
    for arguments in [&import("aws", "b.csv")[..], &["spend", "--period", "2026-10"]] {
        let said = house.run(arguments).with_code(1);
        assert!(said.contains("catalog") && said.contains("not a database"), "{said}");
        assert!(said.contains("outlay recover"), "what to do: {said}");
    }
    assert!(server.total().map_or(true, |total| total == "1830.6"));
    fs::write(&file, &sound).expect("writes");
    house.import("aws", "b.csv").with_code(0);
    assert_eq!(server.total().expect("an answer"), "4422.066");
}

#[test]
fn a_file_that_is_missing_is_an_error_and_never_a_smaller_bill() {
    let house = world().stated.copy();
    house.write("september.csv", &small_bill("0001", "2026-09"));
    house.import("aws", "september.csv").with_code(0);
    let server = Server::over(&house);
    let month = |month: &str| server.get(&format!("/api/v1/spend?period={month}")).expect("an answer");
    let october = house.ask(async |catalog| {
        let key = DeliveryKey::new("2026-10");
        catalog.live_part(&SourceName::new("aws"), &key).await.expect("reads").expect("a part")
    });
    let file = house.data().join(october.files(Layer::Daily).next().expect("a daily file"));
    let away = house.path("away.parquet");
    fs::rename(&file, &away).expect("moves");
    let (status, problem) = month("2026-10");
    assert!(status >= 500 && problem.contains("the store cannot be read"), "{status} {problem}");
    let said = house.run(&["spend", "--period", "2026-10"]).with_code(1);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(said.contains(name), "{said}");
    assert_eq!(month("2026-09").0, 200, "what does not need it is answered");
    fs::rename(&away, &file).expect("moves back");
    assert_eq!(server.total().expect("an answer"), "1830.6");
}
