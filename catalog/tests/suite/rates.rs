//! Rates that are published hold from one generation on, and what they were can be read again.

use std::sync::Arc;

use chrono::NaiveDate;
use outlay_catalog::{Catalog, CatalogError, RatesCommit, Rejects, Run, Which};
use outlay_model::part::RunState;
use outlay_model::rates::{Fixing, Published};
use outlay_model::{Currency, Fence, JobId, Role, RunId};

use crate::bill::{Bill, at, source};
use crate::jobs::wanted;
use crate::place::Place;
use crate::sources::configure;

crate::stories![
    rates_hold_from_a_generation_on,
    a_restated_day_is_replaced_whole_and_kept_for_older_readers,
    bills_come_in_without_rates_being_read_anew,
    of_two_that_bring_rates_one_is_first,
    rates_that_contradict_themselves_are_not_taken,
    rates_are_brought_only_by_who_has_the_job,
    to_bring_again_what_is_there_changes_nothing,
    rates_come_before_bills_are_restored,
];

fn code(text: &str) -> Currency {
    text.parse().expect("a code")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// What a euro was worth on a day.
fn fixing(on: &str, quotes: &[(&str, &str)]) -> Fixing {
    let quotes = quotes.iter().map(|(currency, quote)| (code(currency), quote.parse().expect("a quote")));
    Fixing { day: day(on), source: source("ecb"), base: code("EUR"), quotes: quotes.collect() }
}

fn commit(id: &str, since: u64, fixings: Vec<Fixing>) -> RatesCommit {
    let run = Run {
        state: RunState::Committed,
        finished_at: Some(at(1)),
        rows: fixings.iter().map(|fixing| fixing.quotes.len() as u64).sum(),
        ..Run::started(RunId::new(id), source("ecb"), "ecb_rates", at(0))
    };
    RatesCommit { run, fixings, since, fence: None, now: at(1) }
}

async fn rates(catalog: &Catalog) -> Arc<Published> {
    Arc::clone(&catalog.snapshot().await.expect("reads").rates)
}

async fn rates_hold_from_a_generation_on(place: &Place) {
    let catalog = &place.catalog;
    assert_eq!(*rates(catalog).await, Published::default());
    let two = vec![
        fixing("2026-11-20", &[("USD", "1.0886"), ("JPY", "168.420000000000000001")]),
        fixing("2026-11-19", &[("USD", "1.09")]),
    ];
    assert_eq!(catalog.commit_rates(&commit("r1", 0, two.clone())).await.expect("commits"), 1);
    let snapshot = catalog.snapshot().await.expect("reads");
    assert_eq!((snapshot.generation, snapshot.rates_since), (1, 1));
    assert_eq!(*snapshot.rates, Published::new(two.clone()), "to the last digit");
    // Another process sees the same, and the run that did it.
    let replica = place.replica().await;
    assert_eq!(*rates(&replica).await, Published::new(two));
    let run = replica.run(&RunId::new("r1")).await.expect("reads").expect("is there");
    assert_eq!((run.state, run.rows, run.part), (RunState::Committed, 3, None));
    replica.close().await;
    assert!(!catalog.has_bills().await.expect("reads"));
}

async fn a_restated_day_is_replaced_whole_and_kept_for_older_readers(place: &Place) {
    let catalog = &place.catalog;
    let first = [fixing("2026-11-19", &[("USD", "1.09"), ("GBP", "0.84")]), fixing("2026-11-20", &[("USD", "1.0886")])];
    catalog.commit_rates(&commit("r1", 0, first.to_vec())).await.expect("commits");
    let again = fixing("2026-11-19", &[("USD", "1.1")]);
    assert_eq!(catalog.commit_rates(&commit("r2", 1, vec![again.clone()])).await.expect("commits"), 2);
    let now = Published::new([again, first[1].clone()]);
    assert_eq!(*rates(catalog).await, now);
    for generation in [0, 1, 2] {
        let expected = match generation {
            0 => Published::default(),
            1 => Published::new(first.clone()),
            _ => now.clone(),
        };
        let replica = place.replica().await;
        assert_eq!(*replica.snapshot_at(generation).await.expect("reads").rates, expected, "{generation}");
        assert_eq!(*catalog.snapshot_at(generation).await.expect("reads").rates, expected, "{generation}");
        replica.close().await;
    }
}

async fn bills_come_in_without_rates_being_read_anew(place: &Place) {
    let catalog = &place.catalog;
    catalog.commit_rates(&commit("r1", 0, vec![fixing("2026-11-20", &[("USD", "1.0886")])])).await.expect("commits");
    let before = rates(catalog).await;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let after = catalog.snapshot().await.expect("reads");
    assert_eq!((after.generation, after.rates_since, after.parts.len()), (2, 1, 1));
    assert!(Arc::ptr_eq(&before, &after.rates));
    assert!(Arc::ptr_eq(&before, &catalog.snapshot_at(1).await.expect("reads").rates));
}

async fn of_two_that_bring_rates_one_is_first(place: &Place) {
    let catalog = &place.catalog;
    catalog.commit_rates(&commit("r1", 0, vec![fixing("2026-11-20", &[("USD", "1.0886")])])).await.expect("commits");
    let late = commit("r2", 0, vec![fixing("2026-11-20", &[("USD", "1.0887")])]);
    let error = catalog.commit_rates(&late).await.expect_err("others are there");
    assert!(matches!(error, CatalogError::RatesMoved { expected: 0, found: 1, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "ecb: the rates were those of generation 0, and are those of 1 by now; run the source again"
    );
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    assert_eq!(catalog.run(&RunId::new("r2")).await.expect("reads"), None);
}

async fn rates_that_contradict_themselves_are_not_taken(place: &Place) {
    let catalog = &place.catalog;
    let one = || fixing("2026-11-20", &[("USD", "1.0886")]);
    let other = Fixing { source: source("other"), ..one() };
    let mut unfinished = commit("r1", 0, vec![one()]);
    unfinished.run.finished_at = None;
    for wrong in
        [commit("r1", 0, vec![one(), one()]), commit("r1", 0, vec![]), commit("r1", 0, vec![other]), unfinished]
    {
        let error = catalog.commit_rates(&wrong).await.expect_err("is refused");
        assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
    }
    assert_eq!(catalog.generation().await.expect("reads"), 0);
}

async fn rates_are_brought_only_by_who_has_the_job(place: &Place) {
    let catalog = &place.catalog;
    configure(catalog, &[("ecb", Role::Primary)]).await.expect("records");
    catalog.request(&wanted("j1", "ecb"), at(0)).await.expect("asks");
    let job =
        catalog.claim(Which::Only(&JobId::new("j1")), "one", at(0), at(9)).await.expect("claims").expect("is there");
    let fenced = |id: &str, number: u64| RatesCommit {
        fence: Some(Fence { job: job.id.clone(), number }),
        ..commit(id, 0, vec![fixing("2026-11-20", &[("USD", "1.0886")])])
    };
    let error = catalog.commit_rates(&fenced("r1", job.fence + 1)).await.expect_err("has lost it");
    assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error:?}");
    assert_eq!(*rates(catalog).await, Published::default());
    catalog.commit_rates(&fenced("r1", job.fence)).await.expect("commits");
}

async fn to_bring_again_what_is_there_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    let first = commit("r1", 0, vec![fixing("2026-11-20", &[("USD", "1.0886")])]);
    catalog.start_run(&Run { state: RunState::Running, finished_at: None, ..first.run.clone() }).await.expect("starts");
    assert_eq!(catalog.commit_rates(&first).await.expect("commits"), 1);
    catalog.commit_rates(&commit("r2", 1, vec![fixing("2026-11-20", &[("USD", "1.09")])])).await.expect("commits");
    // The answer of the first got lost, and it is told again.
    assert_eq!(catalog.commit_rates(&first).await.expect("says it again"), 1);
    assert_eq!(catalog.generation().await.expect("reads"), 2);
    assert_eq!(*rates(catalog).await, Published::new([fixing("2026-11-20", &[("USD", "1.09")])]));
    // One that failed leaves them.
    let failed = Run { state: RunState::Failed, ..commit("r3", 2, vec![]).run };
    catalog.finish_run(&failed, &Rejects::default()).await.expect("finishes");
    assert_eq!(rates(catalog).await.iter().count(), 1);
}

async fn rates_come_before_bills_are_restored(place: &Place) {
    let catalog = &place.catalog;
    let mut since = 0;
    for round in 1..=3 {
        let quote = format!("1.{round}");
        let next = commit(&format!("r{round}"), since, vec![fixing("2026-11-20", &[("USD", &quote)])]);
        since = catalog.commit_rates(&next).await.expect("commits");
    }
    let generation = catalog.restore(Vec::new(), 1, at(2)).await.expect("restores");
    assert!(generation > since, "{generation}");
    assert_eq!(*rates(catalog).await, Published::new([fixing("2026-11-20", &[("USD", "1.3")])]));
}
