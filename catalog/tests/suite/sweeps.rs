//! What may be deleted is never live, never comes back, and is not forgotten until it is deleted.

use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError, Doomed, Intent};
use outlay_model::PartId;
use outlay_model::part::{Layer, PartFile};

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![
    an_expired_intent_cannot_be_committed,
    an_intent_lasts_as_long_as_it_is_renewed,
    a_doomed_intent_cannot_come_back,
    a_file_that_was_intended_and_not_used_goes_with_its_part,
    an_abandoned_intent_is_swept_at_once,
    a_live_part_is_never_swept,
    what_is_doomed_is_named_until_it_is_swept,
    a_file_belongs_to_one_part,
    an_intent_needs_its_run,
    sweeping_and_committing_at_once_never_meet,
];

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn sweepable(catalog: &Catalog, minute: i64, grace: Duration) -> Vec<Doomed> {
    catalog.sweepable(at(minute), grace).await.expect("sweeps")
}

fn expired<T: std::fmt::Debug>(result: Result<T, CatalogError>) {
    assert!(matches!(result, Err(CatalogError::IntentExpired { .. })), "{result:?}");
}

async fn an_expired_intent_cannot_be_committed(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.intend(catalog).await;
    expired(catalog.commit(bill.commit(at(60))).await);
    expired(catalog.commit(Bill::new("never-intended").commit(at(1))).await);
    assert_eq!(catalog.generation().await.expect("reads"), 0);
    assert_eq!(catalog.commit(bill.commit(at(59))).await.expect("is in time"), 1);
}

async fn an_intent_lasts_as_long_as_it_is_renewed(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.intend(catalog).await;
    catalog.renew(&bill.part_id(), at(90)).await.expect("is renewed");
    assert_eq!(sweepable(catalog, 89, DAY).await, []);
    assert_eq!(sweepable(catalog, 90, DAY).await.len(), 1);
    expired(catalog.renew(&bill.part_id(), at(200)).await);
    expired(catalog.commit(bill.commit(at(89))).await);
    let given_up = Bill::new("p2");
    given_up.intend(catalog).await;
    catalog.abandon(&given_up.part_id()).await.expect("is given up");
    expired(catalog.renew(&given_up.part_id(), at(200)).await);
    expired(catalog.renew(&PartId::new("unknown"), at(200)).await);
}

async fn a_doomed_intent_cannot_come_back(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.intend(catalog).await;
    assert_eq!(sweepable(catalog, 59, DAY).await, []);
    assert_eq!(sweepable(catalog, 60, DAY).await, [Doomed { part: bill.part_id(), files: bill.files() }]);
    // Its files may be deleted any moment: whatever the writer's clock says, it is too late.
    expired(catalog.commit(bill.commit(at(1))).await);
    catalog.abandon(&bill.part_id()).await.expect("is doomed already");
    catalog.swept(&bill.part_id()).await.expect("is swept");
    expired(catalog.commit(bill.commit(at(1))).await);
    assert_eq!(sweepable(catalog, 60, DAY).await, []);
}

async fn a_file_that_was_intended_and_not_used_goes_with_its_part(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    catalog.start_run(&bill.started(at(0))).await.expect("starts");
    let mut intent = bill.intent(at(60));
    intent.files.push(PartFile { layer: Layer::Charges, path: "charges/more.parquet".to_owned() });
    catalog.intend(&intent).await.expect("intends");
    catalog.commit(bill.commit(at(1))).await.expect("commits");
    Bill::new("p2").replaces("p1").bring(catalog, 1).await.expect("commits");
    let doomed = sweepable(catalog, 1, Duration::ZERO).await;
    assert_eq!(doomed.len(), 1);
    let paths: Vec<_> = doomed[0].files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["charges/more.parquet", "charges/p1.parquet", "daily/p1.parquet"]);
}

async fn an_abandoned_intent_is_swept_at_once(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.intend(catalog).await;
    catalog.abandon(&bill.part_id()).await.expect("is given up");
    expired(catalog.commit(bill.commit(at(1))).await);
    assert_eq!(sweepable(catalog, 0, DAY).await, [Doomed { part: bill.part_id(), files: bill.files() }]);
    catalog.abandon(&PartId::new("unknown")).await.expect("does nothing");
}

async fn a_live_part_is_never_swept(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.bring(catalog, 1).await.expect("commits");
    catalog.abandon(&bill.part_id()).await.expect("does nothing");
    assert_eq!(sweepable(catalog, 1_000_000, Duration::ZERO).await, []);
    let error = catalog.swept(&bill.part_id()).await.expect_err("is live");
    assert_eq!(error.to_string(), "part p1 is in use; its files must stay");

    // Nor one that was retired a moment ago, nor one that is being written.
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    Bill::new("p3").intend(catalog).await;
    assert_eq!(sweepable(catalog, 3, DAY).await, []);
    assert_eq!(sweepable(catalog, 3, Duration::MAX).await, []);
    for part in ["p1", "p2", "p3"] {
        catalog.swept(&PartId::new(part)).await.expect_err("is in use");
    }
    assert_eq!(catalog.snapshot().await.expect("reads").parts.len(), 1);
}

async fn what_is_doomed_is_named_until_it_is_swept(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    let doomed = sweepable(catalog, 2, Duration::ZERO).await;
    assert_eq!(doomed, [Doomed { part: PartId::new("p1"), files: Bill::new("p1").files() }]);
    // The sweeper dies; the next one, though told of a longer grace, is given the same.
    let replica = place.replica().await;
    assert_eq!(sweepable(&replica, 2, DAY).await, doomed);
    replica.swept(&doomed[0].part).await.expect("is swept");
    replica.swept(&doomed[0].part).await.expect("says it twice");
    replica.swept(&PartId::new("unknown")).await.expect("does nothing");
    replica.close().await;
    assert_eq!(sweepable(catalog, 1_000_000, Duration::ZERO).await.len(), 0);
    // Its files are forgotten, the part is not.
    let again = Bill::new("p3");
    catalog.start_run(&again.started(at(0))).await.expect("starts");
    let intent = Intent { files: doomed[0].files.clone(), ..again.intent(at(60)) };
    catalog.intend(&intent).await.expect("the names are free again");
    catalog.intend(&Bill::new("p1").intent(at(60))).await.expect_err("p1 has been committed before");
    assert_eq!(catalog.snapshot().await.expect("reads").parts[0].id, PartId::new("p2"));
}

async fn a_file_belongs_to_one_part(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1");
    bill.bring(catalog, 1).await.expect("commits");
    let inconsistent = |result: Result<(), CatalogError>, says: &str| {
        let error = result.expect_err(says);
        assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
        assert_eq!(error.to_string(), says);
    };
    let thief = Bill::new("p2");
    catalog.start_run(&thief.started(at(0))).await.expect("starts");
    let mut intent = thief.intent(at(60));
    intent.files = bill.files();
    inconsistent(catalog.intend(&intent).await, "part p2: the file charges/p1.parquet has a part already");
    catalog.intend(&thief.intent(at(60))).await.expect("nothing was left behind");
    inconsistent(catalog.intend(&thief.intent(at(60))).await, "part p2 has been intended or committed before");
    inconsistent(catalog.intend(&bill.intent(at(60))).await, "part p1 has been intended or committed before");
}

async fn an_intent_needs_its_run(place: &Place) {
    let error = place.catalog.intend(&Bill::new("p1").intent(at(60))).await.expect_err("no run");
    assert_eq!(error.to_string(), "part p1: its run run-p1 has not been started");
}

async fn sweeping_and_committing_at_once_never_meet(place: &Place) {
    let (writer, sweeper) = (place.catalog.clone(), place.replica().await);
    for round in 0..20 {
        let bill = Bill::new(&format!("p{round}")).of("aws", &format!("d{round}"));
        bill.intend(&writer).await;
        // The writer believes it is in time, the sweeper that it is not.
        let (committed, doomed) = tokio::join!(writer.commit(bill.commit(at(59))), sweeper.sweepable(at(60), DAY));
        let named = doomed.expect("sweeps").iter().any(|doomed| doomed.part == bill.part_id());
        assert_ne!(committed.is_ok(), named, "live and doomed, or neither: {committed:?}");
    }
    sweeper.close().await;
}
