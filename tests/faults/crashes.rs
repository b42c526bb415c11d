//! `kill -9` at every phase of a restatement, with readers who never stop asking (P3, P4).

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use outlay_model::part::RunState;

use crate::house::House;
use crate::places::{Phase, Story, Struck, places};
use crate::reader::{NEW, OLD, Readers, Server, answers};
use crate::shim::{Call, Faults};
use crate::world::world;

// What one thing is for a user takes more than one phase; each is killed at least five times before, in the midst and after.

#[test]
fn a_bill_that_is_killed_while_it_is_staged_leaves_the_old_one() {
    each(places(Story::Restate, &[Phase::Intent, Phase::Charges, Phase::Daily], 2), survive);
}

#[test]
fn a_bill_that_is_killed_while_it_is_synced_leaves_the_old_one() {
    each(places(Story::Restate, &[Phase::SyncCharges, Phase::SyncDaily], 3), survive);
}

#[test]
fn a_bill_that_is_killed_while_it_is_committed_is_in_or_out() {
    each(places(Story::Restate, &[Phase::Commit], 5), survive);
}

#[test]
fn a_commit_that_is_killed_while_it_is_written_down_is_written_down_by_the_next() {
    each(places(Story::Restate, &[Phase::Record], 5), survive);
}

#[test]
fn a_catalog_that_is_killed_while_it_folds_its_log_loses_nothing() {
    let mut all = places(Story::RestateAlone, &[Phase::Commit, Phase::Checkpoint], 2);
    all.extend(places(Story::RestateWithLongLog, &[Phase::Checkpoint], 3));
    each(all, survive);
}

/// Nothing is promised before it would survive a power cut, and nothing is forgotten before it is gone for good.
#[test]
fn bytes_and_names_are_synced_before_the_catalog_speaks_of_them() {
    let phases = Story::Restate.calls();
    let commit = phases.iter().position(|(phase, _)| *phase == Phase::Commit).expect("a commit");
    let calls: Vec<&Call> = phases.iter().map(|(_, call)| call).collect();
    let last = |kind: &str, path: &str| {
        let is = |call: &&Call| call.call == kind && call.path.starts_with(path);
        calls.iter().rposition(is).unwrap_or_else(|| panic!("no {kind} of {path}"))
    };
    for layer in ["charges", "daily"] {
        let written = last("write", &format!("data/{layer}/aws/"));
        let synced = last("sync", &format!("data/{layer}/aws/"));
        assert!(written < synced, "{layer}");
        for path in [format!("data/{layer}/aws"), format!("data/{layer}"), "data".to_owned()] {
            let named = (synced..commit).any(|at| calls[at].call == "sync" && calls[at].path == path);
            assert!(named, "{path} is synced before the commit");
        }
    }
    let (written, renamed) = (last("write", "data/commits/"), last("rename", "data/commits/"));
    let synced = (written..renamed).any(|at| calls[at].call == "sync" && calls[at].path.starts_with("data/commits/"));
    assert!(synced && renamed < last("sync", "data/commits"), "the record");

    let phases = Story::Sweep.calls();
    let calls: Vec<&Call> = phases.iter().map(|(_, call)| call).collect();
    let of_the_part = |call: &Call| call.call == "unlink" && call.path.matches('/').count() > 1;
    let removed: Vec<usize> = (0..calls.len()).filter(|at| of_the_part(calls[*at])).collect();
    assert_eq!(removed.len(), 3, "charges, daily and the record");
    for at in removed {
        let (folder, _) = calls[at].path.rsplit_once('/').expect("a folder");
        assert_eq!((calls[at + 1].call.as_str(), calls[at + 1].path.as_str()), ("sync", folder));
    }
}

#[test]
fn a_sweep_that_is_killed_is_finished_by_the_next() {
    each(places(Story::Sweep, &[Phase::Sweep], 5), survive);
}

fn survive(struck: &Struck) {
    let Struck { story, committed, place, .. } = struck;
    let house = Arc::new(story.house());
    let read = || {
        let server = Server::over(&house);
        let readers = Readers::of(&server, &house, &world().bills);
        (server, readers)
    };
    let before = (*story != Story::RestateAlone).then(read);
    if let Some((_, readers)) = &before {
        assert_eq!(readers.look(), if *story == Story::Sweep { NEW } else { OLD });
    }
    let mark = house.path("mark");
    let faults = Faults::kill(place).marked(&mark).and_hours_later(story.hours());
    let ended = house.import_with(&faults, "aws", "b.csv");
    assert!(ended.killed && mark.exists(), "was not struck: {ended:?}");

    let (_server, readers) = before.unwrap_or_else(read);
    let seen = readers.look();
    match struck.phase {
        // Whether the last bytes of a transaction are there decides, and nobody but the catalog can tell.
        Phase::Commit | Phase::Checkpoint if !committed => {}
        _ => assert_eq!(seen, if *committed { NEW } else { OLD }),
    }
    house.reconciled();
    the_store_alone_is_enough(&house);
    go_on(&house, &readers);
    readers.end();
}

/// Whenever the catalog is lost, the old bill or the new one can be recovered from the store, and what is left over is named.
fn the_store_alone_is_enough(house: &House) {
    let lost = house.copy_without_catalog();
    lost.run(&["recover", "--discard-strays"]).with_code(0);
    let recovered = answers(&lost);
    assert!(world().bills[..=NEW].contains(&recovered), "{recovered:?}");
    lost.reconciled();
    lost.import("aws", "b.csv").with_code(0);
    tidy(&lost);
}

/// Importing again is all it takes; days later nothing is left of the crash.
pub fn go_on(house: &House, readers: &Readers) {
    house.import("aws", "b.csv").with_code(0);
    assert_eq!(readers.look(), NEW);
    tidy(house);
    assert_eq!(readers.look(), NEW);
}

/// Days later the store holds what is live and nothing else, and all is as if nothing had ever happened.
pub fn tidy(house: &House) {
    let said = house.import_with(&Faults::hours_later(72), "aws", "b.csv").with_code(0);
    assert_eq!(said, "aws 2026-10: unchanged\n");
    assert_eq!(house.files(), house.live_files());
    assert_eq!(of_aws(&house.reconciled()), of_aws(&world().reconciled));
    let running = house.runs().into_iter().filter(|run| run.state == RunState::Running);
    assert_eq!(running.count(), 0, "a run that was killed has ended");
}

/// Without the bills that fill the log.
fn of_aws(reconciled: &str) -> Vec<serde_json::Value> {
    let lines: serde_json::Value = serde_json::from_str(reconciled).expect("JSON");
    let lines = lines["data"].as_array().expect("lines").clone();
    assert!(lines.iter().any(|line| line["source"] == "aws"));
    lines.into_iter().filter(|line| line["source"] == "aws").collect()
}

/// Tries all, one after the other, and names those that failed.
pub fn each<T: Display>(all: Vec<T>, attempt: impl Fn(&T)) {
    assert!(!all.is_empty(), "nothing to try");
    let failing = |one: &&T| catch_unwind(AssertUnwindSafe(|| attempt(one))).is_err();
    let failed: Vec<String> = all.iter().filter(failing).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), all.len(), failed.join("\n"));
}
