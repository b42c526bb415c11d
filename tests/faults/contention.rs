//! Several processes over one house: importers of one delivery, sweepers, and one that slept for too long (P3, P4).

use std::sync::Arc;

use crate::crashes::{each, go_on, tidy};
use crate::house::{House, import};
use crate::places::{Phase, Story, Struck, places};
use crate::reader::{NEW, OLD, OTHER, Readers, Server};
use crate::shim::{Faults, When};
use crate::world::{small_bill, world};

#[test]
fn two_importers_of_one_bill_bring_it_once() {
    let house = Arc::new(world().stated.copy());
    let server = Server::over(&house);
    let readers = Readers::of(&server, &house, &world().bills);
    assert_eq!(readers.look(), OLD);
    let importers = [0, 1].map(|_| house.start(&Faults::default(), &import("aws", "b.csv")));
    let mut said = importers.map(|importer| importer.wait().with_code(0));
    said.sort();
    assert_eq!(said[0], "aws 2026-10: committed, 66 charges\n  replaces 60 charges\n");
    assert_eq!(said[1], "aws 2026-10: unchanged\n");
    assert_eq!(readers.look(), NEW);
    tidy(&house);
    readers.end();
}

/// What stands still just before its commit has compared with a bill that is not live any more.
#[test]
fn the_slower_of_two_bills_does_not_replace_the_faster() {
    let house = Arc::new(world().stated.copy());
    let server = Server::over(&house);
    let readers = Readers::of(&server, &house, &world().bills);
    assert_eq!(readers.look(), OLD);
    let mut slow = stopped(&house, &staged());
    house.import("aws", "c.csv").with_code(0);
    assert_eq!(readers.look(), OTHER);
    slow.go_on();
    let said = slow.wait().with_code(1);
    assert!(said.contains("is live by now; run the source again"), "{said}");
    assert_eq!(readers.look(), OTHER);
    go_on(&house, &readers);
    readers.end();
}

#[test]
fn the_slower_of_two_importers_of_one_bill_finds_it_there() {
    let house = world().stated.copy();
    let mut slow = stopped(&house, &staged());
    house.import("aws", "b.csv").with_code(0);
    slow.go_on();
    assert_eq!(slow.wait().with_code(0), "aws 2026-10: unchanged\n");
    tidy(&house);
}

/// Whoever stands still for longer than the lease is taken for dead, and knows it when it goes on.
#[test]
fn an_importer_that_slept_for_too_long_commits_nothing_and_leaves_nothing() {
    let phases = [Phase::Charges, Phase::SyncCharges, Phase::Daily, Phase::SyncDaily];
    // SQLite syncs the data folder too, from within its transactions: who stands still there keeps everybody from writing.
    let places = places(Story::Restate, &phases, 1).into_iter().filter(|struck| struck.place.part != "data$");
    each(places.collect(), |struck| {
        let house = Arc::new(struck.story.house());
        house.write("other.csv", &small_bill("other", "2026-09"));
        let server = Server::over(&house);
        let readers = Readers::of(&server, &house, &world().bills);
        assert_eq!(readers.look(), OLD);
        let mut sleeper = stopped(&house, struck);
        // Any import sweeps.
        house.import_with(&Faults::hours_later(1), "other", "other.csv").with_code(0);
        let of_the_sleeper = house.files().difference(&house.live_files()).count();
        assert_eq!(of_the_sleeper, 0, "its files are gone");
        sleeper.go_on();
        let said = sleeper.wait().with_code(1);
        assert!(said.contains("it was taken for dead") && said.contains("run it again"), "{said}");
        assert_eq!(readers.look(), OLD);
        assert_eq!(house.files(), house.live_files(), "and it left no others");
        go_on(&house, &readers);
        readers.end();
    });
}

#[test]
fn eight_importers_of_eight_bills_do_not_lose_one() {
    let house = House::new();
    house.write("first.csv", &small_bill("first", "2026-10"));
    house.import("first", "first.csv").with_code(0);
    let server = Server::over(&house);
    let names: Vec<String> = (0..8).map(|number| format!("source-{number}")).collect();
    for name in &names {
        house.write(&format!("{name}.csv"), &small_bill(name, "2026-10"));
    }
    let start = |name: &String| house.start(&Faults::default(), &import(name, &format!("{name}.csv")));
    let mut importers: Vec<_> = names.iter().map(start).collect();
    let mut totals = vec![15];
    while !importers.is_empty() {
        let total: u32 = server.total().expect("an answer").parse().expect("whole bills");
        assert!(total >= *totals.last().expect("one") && total.is_multiple_of(15), "{total} after {totals:?}");
        totals.push(total);
        let ended = importers.iter_mut().position(|importer| importer.child().try_wait().expect("asks").is_some());
        if let Some(ended) = ended {
            importers.remove(ended).wait().with_code(0);
        }
    }
    assert_eq!(server.total().expect("an answer"), (9 * 15).to_string());
    house.reconciled();
    assert_eq!(house.files(), house.live_files());
}

/// An importer of bill B that stands still at a place.
fn stopped(house: &House, at: &Struck) -> crate::house::Running {
    let mut importer = house.start(&Faults::stop(&at.place), &import("aws", "b.csv"));
    importer.wait_until_stopped();
    importer
}

/// The place at which all is staged and nothing committed.
fn staged() -> Struck {
    let last = places(Story::Restate, &[Phase::SyncDaily], 1).into_iter().next_back().expect("a place");
    assert_eq!(last.place.when, When::After);
    last
}
