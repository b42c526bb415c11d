//! Several replicas work on one catalog at once, and the outcome is as if they had come one after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError};
use tokio::task::JoinSet;

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![
    many_commits_at_once_are_many_generations,
    of_two_sources_that_state_the_same_day_at_once_one_wins,
    a_part_is_given_up_or_committed_never_both,
    a_file_is_intended_once,
    a_run_is_recorded_once_whoever_records_it,
    sweepers_name_the_same_and_forget_it_once,
];

async fn replicas<const N: usize>(place: &Place) -> [Catalog; N] {
    let mut replicas = Vec::new();
    for _ in 0..N {
        replicas.push(place.replica().await);
    }
    replicas.try_into().expect("as many")
}

async fn many_commits_at_once_are_many_generations(place: &Place) {
    let replicas = replicas::<4>(place).await;
    let mut commits = JoinSet::new();
    for (replica, catalog) in replicas.iter().cloned().enumerate() {
        for task in 0..3 {
            let catalog = catalog.clone();
            commits.spawn(async move {
                let mut generations = Vec::new();
                for round in 0..5 {
                    let id = format!("p{replica}-{task}-{round}");
                    let bill = Bill::new(&id).of("aws", &format!("{replica}-{task}"));
                    let bill =
                        if round == 0 { bill } else { bill.replaces(&format!("p{replica}-{task}-{}", round - 1)) };
                    generations.push(bill.bring(&catalog, round).await.expect("commits"));
                }
                assert!(generations.is_sorted(), "{generations:?}");
                generations
            });
        }
    }
    let generations: BTreeSet<u64> = commits.join_all().await.into_iter().flatten().collect();
    assert_eq!(generations, (1..=60).collect(), "each has its own");
    let snapshot = place.catalog.snapshot().await.expect("reads");
    assert_eq!((snapshot.generation, snapshot.parts.len()), (60, 12));
    assert!(snapshot.parts.iter().all(|part| part.id.as_str().ends_with("-4")), "the last of each is live");
    for generation in 0..=60 {
        place.catalog.snapshot_at(generation).await.expect("every step can still be read");
    }
}

/// Neither sees the other's days before it has written its own, unless one waits for the other.
async fn of_two_sources_that_state_the_same_day_at_once_one_wins(place: &Place) {
    let [one, two] = replicas::<2>(place).await;
    for round in 0..10 {
        let bill = |source: &str| {
            let bill = Bill::new(&format!("{source}{round}")).of(source, &format!("{round}"));
            bill.account(Some("AWS"), Some(&format!("account {round}")))
        };
        let (a, b) = (bill("a"), bill("b"));
        a.intend(&one).await;
        b.intend(&two).await;
        let (first, second) = tokio::join!(one.commit(a.commit(at(1))), two.commit(b.commit(at(1))));
        let loser = match (first, second) {
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
            other => panic!("counted twice, or not at all: {other:?}"),
        };
        assert!(matches!(loser, CatalogError::Overlap(_)), "{loser}");
    }
}

async fn a_part_is_given_up_or_committed_never_both(place: &Place) {
    let [one, two] = replicas::<2>(place).await;
    for round in 0..10 {
        let bill = Bill::new(&format!("p{round}")).of("aws", &format!("{round}"));
        bill.intend(&one).await;
        let part = bill.part_id();
        let (committed, given_up) = tokio::join!(one.commit(bill.commit(at(1))), two.abandon(&part));
        given_up.expect("does what it can");
        let doomed = two.sweepable(at(1), Duration::ZERO).await.expect("sweeps");
        let doomed = doomed.iter().any(|doomed| doomed.part == part);
        assert_ne!(committed.is_ok(), doomed, "{committed:?}");
    }
}

async fn a_file_is_intended_once(place: &Place) {
    let [one, two] = replicas::<2>(place).await;
    for round in 0..10 {
        let (a, b) = (Bill::new(&format!("a{round}")), Bill::new(&format!("b{round}")));
        one.start_run(&a.started(at(0))).await.expect("starts");
        two.start_run(&b.started(at(0))).await.expect("starts");
        let (for_a, mut for_b) = (a.intent(at(60)), b.intent(at(60)));
        for_b.files = for_a.files.clone();
        let (a, b) = tokio::join!(one.intend(&for_a), two.intend(&for_b));
        let loser = match (a, b) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            other => panic!("{other:?}"),
        };
        assert!(matches!(loser, CatalogError::Inconsistent(_)), "{loser:?}");
    }
}

async fn a_run_is_recorded_once_whoever_records_it(place: &Place) {
    let [one, two] = replicas::<2>(place).await;
    for round in 0..10 {
        let bill = Bill::new(&format!("p{round}")).of("aws", &format!("{round}")).rejects(3);
        bill.intend(&one).await;
        let failed = outlay_catalog::Run {
            state: outlay_model::part::RunState::Failed,
            finished_at: Some(at(1)),
            rejected: 3,
            unpriced: 1,
            ..bill.started(at(0))
        };
        let rejects = bill.all_rejects();
        let (committed, failed) = tokio::join!(one.commit(bill.commit(at(1))), two.finish_run(&failed, &rejects));
        // The part can be committed whatever was said about its run; that it failed cannot be said of one that did not.
        committed.expect("commits");
        if let Err(error) = failed {
            assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
        }
        let run = place.catalog.run(&bill.run_id()).await.expect("reads").expect("is there");
        assert_eq!((run.state, run.rejected), (outlay_model::part::RunState::Committed, 3));
        assert_eq!(place.catalog.rejects(&bill.run_id(), 10).await.expect("reads").len(), 3);
    }
}

async fn sweepers_name_the_same_and_forget_it_once(place: &Place) {
    let [one, two] = replicas::<2>(place).await;
    Bill::new("p0").bring(&one, 0).await.expect("commits");
    for round in 1..=10 {
        let bill = Bill::new(&format!("p{round}")).replaces(&format!("p{}", round - 1));
        bill.bring(&one, round).await.expect("commits");
        let sweep = async |catalog: &Catalog| catalog.sweepable(at(round), Duration::ZERO).await.expect("sweeps");
        let (a, b) = tokio::join!(sweep(&one), sweep(&two));
        assert_eq!((a.len(), &a), (1, &b));
        let (a, b) = tokio::join!(one.swept(&a[0].part), two.swept(&b[0].part));
        a.and(b).expect("both may say it");
        assert_eq!(place.catalog.snapshot().await.expect("reads").parts[0].id, bill.part_id());
    }
    assert_eq!(one.sweepable(at(99), Duration::ZERO).await.expect("sweeps"), []);
}
