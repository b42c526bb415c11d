//! A part becomes visible whole or not at all, once, and only in the place of what it was checked against.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use outlay_catalog::{Catalog, CatalogError, ChangePlace, ChangesQuery, DayFigures, Run};
use outlay_model::part::RunState;
use outlay_model::{Currency, DateRange, PartId, RunId};

use crate::bill::{ACCOUNT, Bill, at, changes_of, day, delivery, money, source};
use crate::place::Place;

crate::stories![
    a_commit_is_seen_with_all_that_belongs_to_it,
    a_refused_commit_leaves_nothing_behind,
    a_commit_cut_off_anywhere_is_whole_or_absent_and_can_be_repeated,
    a_commit_is_fenced_by_what_it_replaces,
    of_two_concurrent_commits_one_wins,
    a_commit_that_is_repeated_changes_nothing,
    a_commit_that_is_repeated_after_it_was_replaced_has_happened,
    two_sources_may_not_state_the_same_day,
    money_that_is_unaccounted_for_is_not_committed,
    a_commit_that_contradicts_itself_is_refused,
    changes_are_the_days_that_differ,
    changes_are_read_page_by_page,
];

/// Everything a reader can see, to compare.
async fn seen(catalog: &Catalog) -> String {
    let balances = catalog.balances(None).await.expect("balances");
    let changes = catalog.changes(&ChangesQuery::default(), 1000).await.expect("changes");
    format!("{:#?}{balances:#?}{changes:#?}", catalog.snapshot().await.expect("a snapshot"))
}

async fn a_commit_is_seen_with_all_that_belongs_to_it(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").rejects(4);
    let commit = bill.commit(at(1));
    assert_eq!(bill.bring(catalog, 1).await.expect("commits"), 1);

    let snapshot = catalog.snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.generation, &snapshot.parts), (1, &vec![commit.part.clone()]));
    let live = catalog.live_part(&source("aws"), &delivery("2026-10")).await.expect("reads");
    assert_eq!(live, Some(commit.part));
    assert_eq!(catalog.live_part(&source("aws"), &delivery("2026-11")).await.expect("reads"), None);
    assert_eq!(catalog.run(&bill.run_id()).await.expect("reads"), Some(Run { started_at: at(0), ..commit.run }));
    let balances = catalog.balances(Some(&source("aws"))).await.expect("reads");
    assert_eq!(balances, [(source("aws"), delivery("2026-10"), commit.balances[0].clone())]);
    assert_eq!(catalog.balances(Some(&source("gcp"))).await.expect("reads"), []);
    assert_eq!(catalog.rejects(&bill.run_id(), 10).await.expect("reads"), commit.rejects.kept());
}

async fn a_refused_commit_leaves_nothing_behind(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = seen(catalog).await;

    // The overlap is found last, after everything but the rejects has been written.
    let bill = Bill::new("p2").of("aws-too", "2026-10");
    bill.bring(catalog, 2).await.expect_err("overlaps");

    assert_eq!(seen(catalog).await, before);
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    let run = catalog.run(&bill.run_id()).await.expect("reads").expect("is there");
    assert_eq!(run.state, RunState::Running);
    // The intent is there as before: the same part can be committed once the cause is gone.
    let commit = Bill::new("p2").of("aws-too", "2026-10").account(Some("AWS"), Some("other")).commit(at(3));
    assert_eq!(catalog.commit(commit).await.expect("commits"), 2);
}

async fn a_commit_cut_off_anywhere_is_whole_or_absent_and_can_be_repeated(place: &Place) {
    let (catalog, observer) = (&place.catalog, place.replica().await);
    for polls in 0..40 {
        let bill = Bill::new(&format!("p{polls}")).of("aws", &format!("d{polls}")).days(&[(1, polls + 1, "4.5")]);
        bill.intend(catalog).await;
        let before = catalog.generation().await.expect("reads");
        {
            let mut commit = pin!(catalog.commit(bill.commit(at(1))));
            let mut left = polls;
            poll_fn(|cx| {
                if left == 0 || commit.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                left -= 1;
                Poll::Pending
            })
            .await;
        }
        let snapshot = observer.snapshot().await.expect("a snapshot");
        let there = snapshot.parts.iter().any(|part| part.id == bill.part_id());
        let changed = observer
            .changes(&ChangesQuery::default(), 1000)
            .await
            .expect("reads")
            .iter()
            .any(|c| c.run == bill.run_id());
        assert_eq!((snapshot.generation > before, changed), (there, there), "after {polls} polls");

        assert_eq!(catalog.commit(bill.commit(at(2))).await.expect("commits"), before + 1);
        assert_eq!(catalog.generation().await.expect("reads"), before + 1);
    }
}

async fn a_commit_is_fenced_by_what_it_replaces(place: &Place) {
    let catalog = &place.catalog;
    let superseded = |error: CatalogError, expected: Option<&str>, found: Option<&str>| match error {
        CatalogError::Superseded { expected: e, found: f, .. } => {
            assert_eq!((e, f), (expected.map(PartId::new), found.map(PartId::new)));
        }
        other => panic!("{other}"),
    };
    let error = Bill::new("p1").replaces("p0").bring(catalog, 1).await.expect_err("nothing to replace");
    superseded(error, Some("p0"), None);
    Bill::new("p2").bring(catalog, 2).await.expect("commits");
    let error = Bill::new("p3").bring(catalog, 3).await.expect_err("replaces nothing, but p2 is live");
    assert_eq!(
        error.to_string(),
        "aws 2026-10: no part was to be replaced, but p2 is live by now; run the source again"
    );
    superseded(error, None, Some("p2"));
    Bill::new("p4").replaces("p2").bring(catalog, 4).await.expect("commits");
    let error = Bill::new("p5").replaces("p2").bring(catalog, 5).await.expect_err("p2 is replaced");
    superseded(error, Some("p2"), Some("p4"));
    assert_eq!(catalog.generation().await.expect("reads"), 2);
}

async fn of_two_concurrent_commits_one_wins(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    let mut live: Option<String> = None;
    for round in 0..10 {
        let bill = |who: &str| {
            let bill = Bill::new(&format!("{who}{round}"));
            live.iter().fold(bill, |bill, live| bill.replaces(live))
        };
        let (a, b) = (bill("a"), bill("b"));
        a.intend(&one).await;
        b.intend(&two).await;
        let (a_wins, b_wins) = tokio::join!(one.commit(a.commit(at(1))), two.commit(b.commit(at(1))));
        let (winner, loser) = match (a_wins, b_wins) {
            (Ok(_), Err(error)) => (a, error),
            (Err(error), Ok(_)) => (b, error),
            (a, b) => panic!("{a:?} and {b:?}"),
        };
        assert!(matches!(loser, CatalogError::Superseded { .. }), "{loser}");
        let snapshot = one.snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.parts.iter().map(|part| part.id.clone()).collect::<Vec<_>>(), [winner.part_id()]);
        assert_eq!(snapshot.generation, round + 1);
        live = Some(winner.part_id().as_str().to_owned());
    }
    two.close().await;
}

async fn a_commit_that_is_repeated_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.bring(catalog, 1).await.expect("commits");
    Bill::new("p2").of("aws", "2026-09").bring(catalog, 1).await.expect("commits");
    let before = seen(catalog).await;
    assert_eq!(catalog.commit(bill.commit(at(5))).await.expect("is live already"), 1);
    assert_eq!(seen(catalog).await, before);
}

async fn a_commit_that_is_repeated_after_it_was_replaced_has_happened(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.bring(catalog, 1).await.expect("commits");
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    let before = seen(catalog).await;
    assert_eq!(catalog.commit(bill.commit(at(1))).await.expect("was live once"), 1);
    // Even when nothing is left of it but its name.
    let doomed = catalog.sweepable(at(3), std::time::Duration::ZERO).await.expect("sweeps");
    catalog.swept(&doomed[0].part).await.expect("is swept");
    assert_eq!(catalog.commit(bill.commit(at(1))).await.expect("was live once"), 1);
    assert_eq!(seen(catalog).await, before);
}

async fn two_sources_may_not_state_the_same_day(place: &Place) {
    let catalog = &place.catalog;
    let bill = |id: &str, source: &str| Bill::new(id).of(source, "2026-10");
    let days = [(1, 1, "1"), (2, 1, "1"), (3, 1, "1"), (5, 1, "1")];
    bill("p1", "aws").days(&days).bring(catalog, 1).await.expect("commits");

    let error = bill("p2", "copy").days(&[(2, 1, "1"), (4, 1, "1"), (5, 1, "1")]).bring(catalog, 2).await;
    let CatalogError::Overlap(overlap) = error.expect_err("overlaps") else { panic!("another error") };
    assert_eq!((overlap.first, overlap.last, overlap.days), (day(2), day(5), 2));
    assert_eq!((overlap.other.as_str(), overlap.billing_account.as_deref()), ("aws", Some(ACCOUNT)));
    assert_eq!(
        overlap.to_string(),
        "copy and aws both state AWS billing account 123456789012 on 2 days from 2026-10-02 to 2026-10-05, which would \
         count it twice; take one of the two sources out, or give it role = \"shadow\""
    );

    // Other days, another account, another provider, or the same source again: all fine.
    bill("p3", "copy").days(&[(4, 1, "1")]).bring(catalog, 3).await.expect("other days");
    bill("p4", "other").account(Some("AWS"), Some("other")).bring(catalog, 4).await.expect("another account");
    bill("p5", "gcp").account(Some("GCP"), Some(ACCOUNT)).bring(catalog, 5).await.expect("another provider");
    bill("p6", "aws").of("aws", "late").days(&days).bring(catalog, 6).await.expect("the same source");

    // What is not stated cannot be told apart.
    bill("p7", "x").account(None, None).bring(catalog, 7).await.expect("commits");
    let error = bill("p8", "y").account(None, None).bring(catalog, 8).await.expect_err("overlaps");
    assert!(matches!(&error, CatalogError::Overlap(overlap) if overlap.provider.is_none()), "{error}");

    // What is retired no longer counts.
    let named = bill("p9", "x").account(Some("X"), None).replaces("p7");
    named.bring(catalog, 9).await.expect("replaces");
    catalog.commit(bill("p8", "y").account(None, None).commit(at(10))).await.expect("commits");
}

async fn money_that_is_unaccounted_for_is_not_committed(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.intend(catalog).await;

    let mut commit = bill.commit(at(1));
    commit.balances[0].source += bigdecimal::BigDecimal::new(1.into(), 30);
    let error = catalog.commit(commit).await.expect_err("is off");
    assert_eq!(
        error.to_string(),
        "part p1: BilledCost of billing period 2026-10-01 USD is off by 0.000000000000000000000000000001 between source \
         and store; nothing was committed, report this"
    );

    let mut commit = bill.commit(at(1));
    commit.days[0].billed = Some(money("4.4"));
    let error = catalog.commit(commit).await.expect_err("is off");
    assert!(matches!(&error, CatalogError::NotConserved(e) if e.between == "store and days" && e.difference == "0.1"));
    assert_eq!(catalog.generation().await.expect("reads"), 0);

    catalog.commit(bill.commit(at(1))).await.expect("adds up");
}

async fn a_commit_that_contradicts_itself_is_refused(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").rejects(2);
    bill.intend(catalog).await;
    let check = async |change: &dyn Fn(&mut outlay_catalog::Commit), says: &str| {
        let mut commit = bill.commit(at(1));
        change(&mut commit);
        let error = catalog.commit(commit).await.expect_err(says);
        assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error} does not say {says}");
    };
    check(&|c| c.run.state = RunState::Running, "run run-p1 of aws is running and cannot commit aws 2026-10").await;
    check(&|c| c.run.source = source("gcp"), "of gcp").await;
    check(&|c| c.run.part = None, "does not say it made it").await;
    check(&|c| c.run.rejected = 1, "counts 1 rejects").await;
    check(&|c| c.part.rows = 4, "has 4 rows, but its days have 3").await;
    check(&|c| c.days.push(c.days[0].clone()), "2026-10-01 is summed up twice").await;
    check(&|c| c.balances.push(c.balances[0].clone()), "is balanced twice").await;
    check(&|c| c.part.files[0].path = "charges/other.parquet".to_owned(), "was never intended").await;
    assert_eq!(catalog.generation().await.expect("reads"), 0);
}

async fn changes_are_the_days_that_differ(place: &Place) {
    let catalog = &place.catalog;
    let first = [(1, 2, "1"), (2, 2, "2"), (3, 2, "3"), (4, 2, "4")];
    Bill::new("p1").days(&first).bring(catalog, 1).await.expect("commits");
    // The first stays, the second gets dearer, the third a charge more, the fourth goes, a fifth comes.
    let second = [(1, 2, "1"), (2, 2, "2.5"), (3, 3, "3"), (5, 1, "5")];
    Bill::new("p2").days(&second).replaces("p1").bring(catalog, 2).await.expect("commits");

    let changes = catalog.changes(&changes_of("aws"), 4).await.expect("reads");
    let figures = |rows, billed| DayFigures { rows, billed: Some(money(billed)), effective: None };
    let expected = [
        (day(2), figures(2, "2"), figures(2, "2.5")),
        (day(3), figures(2, "3"), figures(3, "3")),
        (day(4), figures(2, "4"), DayFigures::default()),
        (day(5), DayFigures::default(), figures(1, "5")),
    ];
    assert_eq!(changes.iter().map(|c| (c.day, c.before, c.after)).collect::<Vec<_>>(), expected);
    for change in &changes {
        assert_eq!((change.generation, change.at, &change.run), (2, at(2), &RunId::new("run-p2")));
        assert_eq!((change.provider.as_deref(), change.billing_account.as_deref()), (Some("AWS"), Some(ACCOUNT)));
        assert_eq!((&change.source, &change.delivery), (&source("aws"), &delivery("2026-10")));
        assert_eq!(change.currency, Currency::USD);
    }

    // The first arrival is older, and came from nothing.
    let all = catalog.changes(&ChangesQuery::default(), 100).await.expect("reads");
    assert_eq!(all.len(), 8);
    assert!(all[4..].iter().all(|change| change.generation == 1 && change.before == DayFigures::default()));
    assert_eq!(catalog.changes(&changes_of("gcp"), 100).await.expect("reads"), []);

    // The same bill again moves nothing.
    Bill::new("p3").days(&second).replaces("p2").bring(catalog, 3).await.expect("commits");
    assert_eq!(catalog.changes(&ChangesQuery::default(), 100).await.expect("reads").len(), 8);
}

async fn changes_are_read_page_by_page(place: &Place) {
    let catalog = &place.catalog;
    let days = [(1, 1, "1"), (2, 1, "2"), (3, 1, "3")];
    Bill::new("p1").days(&days).bring(catalog, 1).await.expect("commits");
    Bill::new("x1").of("x", "k").account(None, None).days(&days).bring(catalog, 2).await.expect("commits");
    Bill::new("p2").days(&[(1, 1, "9"), (2, 1, "8")]).replaces("p1").bring(catalog, 3).await.expect("commits");
    let october = |from, to| DateRange::new(day(from), day(to));
    let questions = [
        (ChangesQuery::default(), 9),
        (changes_of("aws"), 6),
        (ChangesQuery { days: october(2, 3), ..ChangesQuery::default() }, 3),
        (ChangesQuery { since: Some(2), ..ChangesQuery::default() }, 3),
        (ChangesQuery { days: october(1, 3), since: Some(1), ..changes_of("aws") }, 2),
    ];
    for (query, count) in questions {
        let all = catalog.changes(&query, 99).await.expect("reads");
        assert_eq!(all.len(), count, "{query:?}");
        for limit in 1..=4 {
            let (mut paged, mut behind) = (Vec::new(), None);
            loop {
                let page = catalog.changes(&ChangesQuery { behind, ..query.clone() }, limit).await.expect("reads");
                let Some(place) = ChangePlace::behind(behind, &page) else { break };
                assert_eq!(place.to_string().parse(), Ok(place));
                behind = Some(place);
                paged.extend(page);
            }
            assert_eq!(paged, all, "{query:?} by {limit}");
        }
    }
}
