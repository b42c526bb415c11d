//! A delivery that is gone is gone in one step, and stays so.

use std::time::Duration;

use outlay_catalog::{CatalogError, ChangesQuery, DayFigures, Run, Which, Withdrawal};
use outlay_model::part::RunState;
use outlay_model::{JobState, PartId, Role};

use crate::bill::{Bill, at, day, delivery, source};
use crate::jobs::wanted;
use crate::place::Place;
use crate::sources::configure;

crate::stories![
    a_delivery_that_is_withdrawn_is_gone_whole,
    a_withdrawal_is_fenced_by_what_it_retires_and_by_its_job,
    what_was_withdrawn_is_not_brought_back,
];

fn withdrawal(bill: &Bill, run: &str, minute: i64) -> Withdrawal {
    let started = bill.started(at(minute));
    let run = Run {
        id: outlay_model::RunId::new(run),
        state: RunState::Committed,
        finished_at: Some(at(minute)),
        message: Some("it is no longer listed".to_owned()),
        ..started
    };
    let (source, delivery) = (run.source.clone(), run.delivery.clone().expect("has one"));
    Withdrawal { source, delivery, part: bill.part_id(), run, fence: None, now: at(minute) }
}

async fn a_delivery_that_is_withdrawn_is_gone_whole(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").days(&[(1, 2, "1"), (2, 3, "2")]);
    bill.bring(catalog, 1).await.expect("commits");
    Bill::new("p2").of("aws", "2026-09").days(&[(3, 1, "7")]).bring(catalog, 2).await.expect("commits");

    let withdrawal = withdrawal(&bill, "w1", 3);
    assert_eq!(catalog.withdraw(&withdrawal).await.expect("withdraws"), 3);
    let snapshot = catalog.snapshot().await.expect("reads");
    assert_eq!(snapshot.parts.iter().map(|part| part.id.as_str()).collect::<Vec<_>>(), ["p2"]);
    assert_eq!(catalog.snapshot_at(2).await.expect("reads").parts.len(), 2);
    assert_eq!(catalog.live_part(&source("aws"), &delivery("2026-10")).await.expect("reads"), None);
    assert_eq!(catalog.run(&withdrawal.run.id).await.expect("reads"), Some(withdrawal.run.clone()));
    let changes = catalog.changes(&ChangesQuery::default(), 2).await.expect("reads");
    assert_eq!(
        changes.iter().map(|c| (c.generation, c.day, c.before.rows)).collect::<Vec<_>>(),
        [(3, day(1), 2), (3, day(2), 3)]
    );
    assert!(changes.iter().all(|change| change.after == DayFigures::default() && change.run == withdrawal.run.id));

    // Once more, because the answer got lost: it has happened.
    assert_eq!(catalog.withdraw(&withdrawal).await.expect("has happened"), 3);
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    // Its files wait for readers like those of any part that was retired, and it may come again.
    assert_eq!(catalog.sweepable(at(3), Duration::from_secs(60)).await.expect("sweeps"), []);
    assert_eq!(catalog.sweepable(at(4), Duration::from_secs(60)).await.expect("sweeps")[0].part, bill.part_id());
    assert_eq!(Bill::new("p3").bring(catalog, 5).await.expect("comes again"), 4);
    let error = catalog.withdraw(&withdrawal).await.expect_err("another one is live");
    assert!(matches!(error, CatalogError::Superseded { .. }), "{error}");
}

async fn a_withdrawal_is_fenced_by_what_it_retires_and_by_its_job(place: &Place) {
    let catalog = &place.catalog;
    configure(catalog, &[("aws", Role::Primary)]).await.expect("records");
    let old = Bill::new("p1");
    old.bring(catalog, 1).await.expect("commits");
    let new = Bill::new("p2").replaces("p1");
    new.bring(catalog, 2).await.expect("commits");
    let error = catalog.withdraw(&withdrawal(&old, "w1", 3)).await.expect_err("is replaced");
    assert_eq!(error.to_string(), "aws 2026-10: p1 was to be replaced, but p2 is live by now; run the source again");

    catalog.request(&wanted("j1", "aws"), at(3)).await.expect("asks");
    let job = catalog
        .claim(Which::Only(&wanted("j1", "aws").id), "one", at(3), at(4))
        .await
        .expect("asks")
        .expect("is there");
    let fenced = |minute| Withdrawal { fence: Some(job.fence()), ..withdrawal(&new, "w1", minute) };
    let error = catalog.withdraw(&fenced(4)).await.expect_err("is late");
    assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error}");
    let mut made = fenced(3);
    made.run.part = Some(PartId::new("p2"));
    assert!(matches!(catalog.withdraw(&made).await, Err(CatalogError::Inconsistent(_))));
    let mut running = fenced(3);
    running.run.state = RunState::Running;
    assert!(matches!(catalog.withdraw(&running).await, Err(CatalogError::Inconsistent(_))));
    assert_eq!(catalog.generation().await.expect("reads"), 2);
    assert_eq!(catalog.withdraw(&fenced(3)).await.expect("is in time"), 3);
    assert_eq!(catalog.job(&job.id).await.expect("reads").expect("is there").state, JobState::Running);
}

async fn what_was_withdrawn_is_not_brought_back(place: &Place) {
    let catalog = &place.catalog;
    let record = async |part: &PartId| {
        let record = catalog.record(part).await.expect("reads").expect("is live");
        assert!(catalog.recorded(&record).await.expect("notes"));
    };
    let (first, second) = (Bill::new("p1"), Bill::new("p2").replaces("p1"));
    for bill in [&first, &second] {
        bill.bring(catalog, 1).await.expect("commits");
        record(&bill.part_id()).await;
    }
    assert_eq!(
        catalog.withdrawn().await.expect("reads"),
        [],
        "a part that was replaced keeps its record until it is swept"
    );
    catalog.withdraw(&withdrawal(&second, "w1", 2)).await.expect("withdraws");
    // The older one first: were it left alone, it would be what is brought back.
    assert_eq!(catalog.withdrawn().await.expect("reads"), [first.part_id(), second.part_id()]);
    catalog.unrecord(&first.part_id()).await.expect("notes");
    assert_eq!(catalog.withdrawn().await.expect("reads"), [second.part_id()]);
    // Should it come again, it has a record again.
    Bill::new("p3").bring(catalog, 3).await.expect("comes again");
    assert_eq!(catalog.withdrawn().await.expect("reads"), []);
    assert_eq!(catalog.unrecorded().await.expect("reads"), [PartId::new("p3")]);
}
