//! Runs and rejects are remembered, also across restarts.

use outlay_catalog::{CatalogError, ChangesQuery, Refusal, RefusedFigure, Rejects, Run, RunsQuery};
use outlay_model::part::{RejectReason, RunState};
use outlay_model::{JobId, RunId};

use crate::bill::{Bill, at, reject, source};
use crate::place::Place;

crate::stories![
    runs_are_listed_newest_first,
    a_refused_run_keeps_both_figures,
    a_committed_run_stays_committed,
    a_run_that_nobody_works_on_is_ended,
    rejects_are_capped_but_counted,
    text_that_no_database_keeps_is_shown,
    reopening_keeps_everything,
];

async fn runs_are_listed_newest_first(place: &Place) {
    let catalog = &place.catalog;
    let run = |id: &str, of: &str, kind: &str, minute| Run::started(RunId::new(id), source(of), kind, at(minute));
    let runs = [
        run("r1", "aws", "focus", 1),
        run("r2", "gcp", "focus", 3),
        Run { job: Some(JobId::new("j1")), ..run("r3", "aws", "aws_cur", 2) },
        Run { job: Some(JobId::new("j1")), ..run("r4", "aws", "aws_cur", 2) },
    ];
    for run in &runs {
        catalog.start_run(run).await.expect("starts");
    }
    let ids = |runs: Vec<Run>| runs.into_iter().map(|run| run.id.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(catalog.runs(&RunsQuery::default(), 10).await.expect("reads")), ["r2", "r4", "r3", "r1"]);
    let job = |id: &str| Some(JobId::new(id));
    let before = |id: &str| Some(RunId::new(id));
    let aws = RunsQuery { source: Some(source("aws")), ..RunsQuery::default() };
    let cases: [(RunsQuery, &[&str]); 6] = [
        (aws.clone(), &["r4", "r3", "r1"]),
        (RunsQuery { before: before("r4"), ..aws.clone() }, &["r3", "r1"]),
        (RunsQuery { before: before("r4"), ..RunsQuery::default() }, &["r3", "r1"]),
        (RunsQuery { job: job("j1"), ..RunsQuery::default() }, &["r4", "r3"]),
        (RunsQuery { job: job("j1"), before: before("r4"), ..aws.clone() }, &["r3"]),
        (RunsQuery { job: job("j2"), ..aws }, &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(catalog.runs(&query, 10).await.expect("reads")), expected, "{query:?}");
    }
    assert_eq!(catalog.run(&RunId::new("r1")).await.expect("reads").as_ref(), Some(&runs[0]));
    assert_eq!(catalog.run(&RunId::new("r9")).await.expect("reads"), None);
}

async fn a_refused_run_keeps_both_figures(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").rejects(5);
    bill.intend(catalog).await;
    let figure = RefusedFigure {
        name: "billed_magnitude".to_owned(),
        currency: Some("USD".to_owned()),
        before: Some("1000".to_owned()),
        after: "3".to_owned(),
        limit: None,
    };
    let run = Run {
        state: RunState::Refused,
        part: Some(bill.part_id()),
        finished_at: Some(at(1)),
        rejected: 5,
        unpriced: 1,
        message: Some("the bill shrank by 99.7 %".to_owned()),
        refused: Some(Refusal { reason: "it shrank".to_owned(), figures: vec![figure] }),
        ..bill.started(at(0))
    };
    catalog.finish_run(&run, &bill.all_rejects()).await.expect("finishes");
    catalog.finish_run(&run, &bill.all_rejects()).await.expect("says it twice");
    assert_eq!(catalog.run(&run.id).await.expect("reads").as_ref(), Some(&run));
    assert_eq!(catalog.rejects(&run.id, 100).await.expect("reads").len(), 5);
    assert_eq!(catalog.generation().await.expect("reads"), 0);
}

async fn a_committed_run_stays_committed(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.bring(catalog, 1).await.expect("commits");
    let inconsistent = |result: Result<(), CatalogError>| {
        assert!(matches!(result, Err(CatalogError::Inconsistent(_))), "{result:?}");
    };
    let failed = Run { state: RunState::Failed, ..bill.started(at(2)) };
    inconsistent(catalog.finish_run(&failed, &Rejects::default()).await);
    inconsistent(catalog.start_run(&bill.started(at(2))).await);
    let committed = Run { state: RunState::Committed, ..Bill::new("p2").started(at(2)) };
    inconsistent(catalog.finish_run(&committed, &Rejects::default()).await);
    let run = catalog.run(&bill.run_id()).await.expect("reads").expect("is there");
    assert_eq!(run.state, RunState::Committed);
}

async fn a_run_that_nobody_works_on_is_ended(place: &Place) {
    let catalog = &place.catalog;
    let state = async |bill: &Bill| catalog.run(&bill.run_id()).await.expect("reads").expect("is there").state;
    let [killed, staging, young, done] = ["p1", "p2", "p3", "p4"].map(Bill::new);
    done.bring(catalog, 0).await.expect("commits");
    catalog.start_run(&killed.started(at(1))).await.expect("starts");
    staging.intend(catalog).await;
    catalog.start_run(&young.started(at(20))).await.expect("starts");
    assert_eq!(catalog.end_lost_runs(at(5), at(20)).await.expect("ends"), 1);
    let run = catalog.run(&killed.run_id()).await.expect("reads").expect("is there");
    assert_eq!((run.state, run.finished_at), (RunState::Failed, Some(at(20))));
    assert!(run.message.expect("why").contains("run it again"));
    assert_eq!((state(&staging).await, state(&young).await), (RunState::Running, RunState::Running));
    assert_eq!(state(&done).await, RunState::Committed);
    // It was alive after all.
    let refused = Run { state: RunState::Refused, ..killed.started(at(1)) };
    catalog.finish_run(&refused, &Rejects::default()).await.expect("still counts");
    assert_eq!(state(&killed).await, RunState::Refused);
    catalog.abandon(&staging.part_id()).await.expect("is given up");
    assert_eq!(catalog.end_lost_runs(at(5), at(20)).await.expect("ends"), 1);
}

async fn rejects_are_capped_but_counted(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").rejects(2500);
    bill.bring(catalog, 1).await.expect("commits");
    let kept = catalog.rejects(&bill.run_id(), 5000).await.expect("reads");
    assert_eq!(kept.len(), Rejects::KEPT);
    assert_eq!(kept, (1..=1000).map(reject).collect::<Vec<_>>());
    assert_eq!(catalog.rejects(&bill.run_id(), 2).await.expect("reads"), [reject(1), reject(2)]);

    let counts = catalog.reject_counts(&bill.run_id()).await.expect("reads");
    assert_eq!(counts, bill.all_rejects().counts().collect::<Vec<_>>());
    let count = |reason| counts.iter().find(|count| count.reason == reason).expect("is counted");
    let priced = count(RejectReason::MissingChargePeriod);
    assert_eq!((priced.rows, priced.unpriced, priced.billed.to_string().as_str()), (1667, 0, "16.67"));
    let unpriced = count(RejectReason::UnreadableNumber);
    assert_eq!((unpriced.rows, unpriced.unpriced), (833, 833));
    assert_eq!(catalog.reject_counts(&RunId::new("unknown")).await.expect("reads"), []);
}

async fn text_that_no_database_keeps_is_shown(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").account(Some("A\0WS"), Some("\u{1F4B8} 'quoted\" \\0 \u{7f}")).rejects(3);
    bill.intend(catalog).await;
    let mut commit = bill.commit(at(1));
    let mut rejects = vec![reject(1), reject(2), reject(3)];
    rejects[2].value = Some("1\0,5".to_owned());
    commit.rejects = rejects.into_iter().collect();
    commit.run.message = Some("read\0".to_owned());
    catalog.commit(commit).await.expect("commits");
    assert_eq!(catalog.rejects(&bill.run_id(), 9).await.expect("reads")[2].value.as_deref(), Some("1\u{2400},5"));
    let change = catalog.changes(&ChangesQuery::default(), 9).await.expect("reads").remove(0);
    assert_eq!(change.provider.as_deref(), Some("A\u{2400}WS"));
    assert_eq!(change.billing_account.as_deref(), Some("\u{1F4B8} 'quoted\" \\0 \u{7f}"));
    assert_eq!(
        catalog.runs(&RunsQuery::default(), 9).await.expect("reads")[0].message.as_deref(),
        Some("read\u{2400}")
    );
}

async fn reopening_keeps_everything(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").rejects(3);
    bill.bring(catalog, 1).await.expect("commits");
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    Bill::new("p3").intend(catalog).await;
    let snapshot = catalog.snapshot().await.expect("reads");
    let older = catalog.snapshot_at(1).await.expect("reads");
    let runs = catalog.runs(&RunsQuery::default(), 100).await.expect("reads");
    let changes = catalog.changes(&ChangesQuery::default(), 100).await.expect("reads");
    let balances = catalog.balances(None).await.expect("reads");
    let rejects = catalog.rejects(&bill.run_id(), 100).await.expect("reads");
    catalog.close().await;
    let error = catalog.generation().await.expect_err("is closed");
    assert!(error.is_retryable(), "{error}");

    let again = place.replica().await;
    assert_eq!(again.snapshot().await.expect("reads"), snapshot);
    assert_eq!(again.snapshot_at(1).await.expect("reads"), older);
    assert_eq!(again.runs(&RunsQuery::default(), 100).await.expect("reads"), runs);
    assert_eq!(again.changes(&ChangesQuery::default(), 100).await.expect("reads"), changes);
    assert_eq!(again.balances(None).await.expect("reads"), balances);
    assert_eq!(again.rejects(&bill.run_id(), 100).await.expect("reads"), rejects);
    assert_eq!(again.commit(Bill::new("p3").replaces("p2").commit(at(3))).await.expect("commits"), 3);
}
