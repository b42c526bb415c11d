//! A catalog that is lost is made again from the records of its commits, with the same answers.

use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError, ChangesQuery, Record, Refile, Run, RunsQuery};
use outlay_model::part::{Part, RunState};
use outlay_model::{PartId, RunId};

use crate::bill::{Bill, at, source};
use crate::place::Place;

crate::stories![
    a_commit_is_named_until_its_record_is_written,
    a_record_that_came_late_has_to_be_written_anew,
    a_record_reads_back_as_it_was_written,
    restored_commits_give_the_same_answers,
    a_restored_catalog_answers_for_nothing_of_before,
    restoring_needs_an_empty_catalog,
    what_would_be_counted_twice_is_not_restored,
];

async fn records(catalog: &Catalog) -> Vec<Record> {
    let mut records = Vec::new();
    for part in catalog.unrecorded().await.expect("lists") {
        records.push(catalog.record(&part).await.expect("reads").expect("is live"));
    }
    records
}

async fn a_commit_is_named_until_its_record_is_written(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("q1").of("gcp", "2026-10").account(Some("GCP"), None).bring(catalog, 2).await.expect("commits");
    let all = records(catalog).await;
    assert_eq!(all.iter().map(|record| record.part.id.as_str()).collect::<Vec<_>>(), ["p1", "q1"]);
    assert_eq!(all.iter().map(|record| record.generation).collect::<Vec<_>>(), [1, 2]);
    catalog.recorded(&all[0]).await.expect("notes");
    catalog.recorded(&all[0]).await.expect("says it twice");
    assert_eq!(catalog.unrecorded().await.expect("lists"), [PartId::new("q1")]);
    // One that was replaced before anybody could write it down need not be.
    Bill::new("q2").of("gcp", "2026-10").account(Some("GCP"), None).replaces("q1").bring(catalog, 3).await.expect("ok");
    assert_eq!(catalog.unrecorded().await.expect("lists"), [PartId::new("q2")]);
    assert_eq!(catalog.record(&PartId::new("q1")).await.expect("reads"), None);
}

async fn a_record_reads_back_as_it_was_written(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").rejects(1200).bring(catalog, 1).await.expect("commits");
    let record = records(catalog).await.remove(0);
    let commit = Bill::new("p1").rejects(1200).commit(at(1));
    assert_eq!((&record.part, &record.balances, &record.days), (&commit.part, &commit.balances, &commit.days));
    assert_eq!(record.run, outlay_catalog::Run { started_at: at(0), ..commit.run });
    assert!(record.rejects == commit.rejects, "the first thousand, and the count of all");
    let text = serde_json::to_string(&record).expect("writes");
    assert_eq!(serde_json::from_str::<Record>(&text).expect("reads"), record);
}

async fn restored_commits_give_the_same_answers(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").days(&[(1, 3, "4.5"), (2, 1, "-1")]).bring(catalog, 1).await.expect("commits");
    Bill::new("q1")
        .of("gcp", "2026-10")
        .account(Some("GCP"), None)
        .rejects(5)
        .bring(catalog, 2)
        .await
        .expect("commits");
    let mut all = records(catalog).await;
    Bill::new("p2").days(&[(1, 3, "4.6")]).replaces("p1").bring(catalog, 3).await.expect("commits");
    all.extend(records(catalog).await.into_iter().filter(|record| record.part.id == PartId::new("p2")));
    // However they were found.
    all.reverse();

    let empty = place.another().await;
    let generation = empty.catalog.restore(all, 3, at(9)).await.expect("restores");
    let (then, now) = (catalog.snapshot().await.expect("reads"), empty.catalog.snapshot().await.expect("reads"));
    assert_eq!(now.parts, then.parts);
    assert!(now.generation == generation && generation > then.generation);
    assert_eq!(empty.catalog.balances(None).await.expect("reads"), catalog.balances(None).await.expect("reads"));
    assert_eq!(
        empty.catalog.changes(&ChangesQuery::default(), 99).await.expect("reads"),
        catalog.changes(&ChangesQuery::default(), 99).await.expect("reads")
    );
    assert_eq!(
        empty.catalog.runs(&RunsQuery::default(), 99).await.expect("reads"),
        catalog.runs(&RunsQuery::default(), 99).await.expect("reads")
    );
    let run = Bill::new("q1").run_id();
    assert_eq!(empty.catalog.rejects(&run, 9).await.expect("reads"), catalog.rejects(&run, 9).await.expect("reads"));
    assert_eq!(empty.catalog.unrecorded().await.expect("lists"), []);
    // Life goes on: the old part waits its grace from now, and the bill can be restated.
    let doomed = empty.catalog.sweepable(at(10), Duration::from_secs(120)).await.expect("sweeps");
    assert_eq!(doomed, []);
    let doomed = empty.catalog.sweepable(at(12), Duration::from_secs(120)).await.expect("sweeps");
    assert_eq!(doomed.iter().map(|doomed| doomed.part.as_str()).collect::<Vec<_>>(), ["p1"]);
    assert_eq!(Bill::new("p3").replaces("p2").bring(&empty.catalog, 13).await.expect("commits"), generation + 1);
}

async fn a_restored_catalog_answers_for_nothing_of_before(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("q1").of("gcp", "2026-10").account(Some("GCP"), None).bring(catalog, 2).await.expect("commits");
    Bill::new("q2").of("gcp", "2026-10").account(Some("GCP"), None).replaces("q1").bring(catalog, 3).await.expect("ok");
    // The record of q1, which was live at 2, has been swept; one of generation 40 cannot be trusted.
    let empty = place.another().await;
    let generation = empty.catalog.restore(records(catalog).await, 40, at(9)).await.expect("restores");
    assert!(generation > 40, "what is brought again is newer than what was left out");
    for asked in [1, 2, 3, 40, generation - 1] {
        let answer = empty.catalog.snapshot_at(asked).await;
        assert!(matches!(answer, Err(CatalogError::GenerationGone { .. })), "{asked}: {answer:?}");
    }
    Bill::new("p2").replaces("p1").bring(&empty.catalog, 10).await.expect("commits");
    assert_eq!(empty.catalog.snapshot_at(generation).await.expect("is known").parts.len(), 2);
}

async fn a_record_that_came_late_has_to_be_written_anew(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let late = records(catalog).await.remove(0);
    // Meanwhile somebody else lets its charges go and records that.
    let after = Part { files: vec![late.part.files[1].clone()], ..late.part.clone() };
    let started = Run::started(RunId::new("r2"), source("aws"), "retention", at(2));
    catalog.start_run(&started).await.expect("starts");
    let order = Refile {
        parts: vec![(late.part.clone(), after)],
        written: None,
        run: Run { state: RunState::Committed, finished_at: Some(at(2)), ..started },
        leftover: PartId::new("left"),
        leftover_until: at(9),
        now: at(2),
    };
    catalog.refile(&order).await.expect("refiles");
    let latest = records(catalog).await.remove(0);
    assert!(catalog.recorded(&latest).await.expect("notes"));
    assert!(!catalog.recorded(&late).await.expect("notes"), "the store may hold the older one now");
}

async fn restoring_needs_an_empty_catalog(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let all = records(catalog).await;
    let error = catalog.restore(all, 1, at(2)).await.expect_err("is not empty");
    assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    let empty = place.another().await;
    empty.catalog.restore(Vec::new(), 0, at(2)).await.expect("has nothing to do");
    assert_eq!(empty.catalog.snapshot().await.expect("reads").parts, []);
}

async fn what_would_be_counted_twice_is_not_restored(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let mut all = records(catalog).await;
    let mut forged = all[0].clone();
    forged.generation = 2;
    forged.part.id = PartId::new("p9");
    forged.part.source = source("copy");
    forged.part.files = Bill::new("p9").files();
    forged.run = outlay_catalog::Run {
        id: Bill::new("p9").run_id(),
        source: source("copy"),
        part: Some(PartId::new("p9")),
        ..forged.run
    };
    all.push(forged);
    let empty = place.another().await;
    let error = empty.catalog.restore(all, 2, at(2)).await.expect_err("two sources state the same days");
    assert!(matches!(error, CatalogError::Overlap(_)), "{error:?}");
    assert_eq!(empty.catalog.snapshot().await.expect("reads").parts, []);
}
