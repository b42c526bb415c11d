//! One replica at a time settles what has changed, and one that has lost it says nothing more about it.

use chrono::NaiveDate;
use outlay_catalog::{Catalog, CatalogError};
use outlay_model::ownership::{Settling, SettlingFence, SettlingProgress};

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![
    where_nothing_changed_there_is_nothing_to_settle,
    what_changed_is_settled_once,
    what_changes_meanwhile_is_settled_next,
    a_lease_that_ended_is_over,
    what_went_wrong_is_told_and_stays_unsettled,
    more_than_there_is_cannot_be_settled,
    of_many_that_ask_one_settles,
];

async fn claim(catalog: &Catalog, holder: &str, minute: i64) -> Option<SettlingFence> {
    catalog.claim_settling(holder, at(minute), at(minute + 5)).await.expect("asks")
}

async fn stands(catalog: &Catalog) -> Settling {
    catalog.settling().await.expect("reads")
}

fn lost<T: std::fmt::Debug>(result: Result<T, CatalogError>, why: &str) {
    let error = result.expect_err("is lost");
    assert!(matches!(error, CatalogError::SettlingLost { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("settling {why}")), "{error}");
}

async fn where_nothing_changed_there_is_nothing_to_settle(place: &Place) {
    let catalog = &place.catalog;
    assert_eq!(claim(catalog, "one", 0).await, None);
    assert_eq!(stands(catalog).await, Settling::default());
    assert!(stands(catalog).await.is_settled());
}

async fn what_changed_is_settled_once(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    Bill::new("p1").bring(&one, 1).await.expect("commits");
    assert!(!stands(&two).await.is_settled());
    let fence = claim(&one, "one", 2).await.expect("is to be settled");
    assert_eq!(fence, SettlingFence { number: 1, generation: 1 });
    assert_eq!(claim(&two, "two", 3).await, None, "somebody is at it");
    assert_eq!(claim(&one, "one", 3).await, None, "and has it already");
    let progress = SettlingProgress {
        parts: 3,
        parts_done: 1,
        charges: 9_000_000_000,
        charges_done: 1,
        month: NaiveDate::from_ymd_opt(2026, 10, 1),
    };
    one.renew_settling(&fence, &progress, at(4), at(9)).await.expect("is still its own");
    let expected = Settling {
        settled: 0,
        generation: 1,
        holder: Some("one".to_owned()),
        started_at: Some(at(2)),
        finished_at: None,
        progress,
        message: None,
    };
    assert_eq!(stands(&two).await, expected);
    assert_eq!(claim(&two, "two", 8).await, None, "it was renewed");
    one.finish_settling(&fence, 1, None, at(8)).await.expect("ends");
    let expected = Settling { settled: 1, holder: None, finished_at: Some(at(8)), ..expected };
    assert_eq!(stands(&two).await, expected);
    assert_eq!(two.generation().await.expect("reads"), 1, "nothing was changed by it");
    assert_eq!(claim(&two, "two", 9).await, None);
    lost(one.finish_settling(&fence, 1, None, at(9)).await, "has ended already");
    two.close().await;
}

async fn what_changes_meanwhile_is_settled_next(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let fence = claim(catalog, "one", 2).await.expect("is to be settled");
    Bill::new("p2").replaces("p1").bring(catalog, 3).await.expect("commits");
    catalog.finish_settling(&fence, fence.generation, None, at(4)).await.expect("ends");
    let fence = claim(catalog, "two", 5).await.expect("is to be settled");
    assert_eq!(fence, SettlingFence { number: 2, generation: 2 });
    assert_eq!(stands(catalog).await.progress, SettlingProgress::default());
}

async fn a_lease_that_ended_is_over(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    Bill::new("p1").bring(&one, 1).await.expect("commits");
    let first = claim(&one, "one", 2).await.expect("is to be settled");
    let renew = async |fence: &SettlingFence, minute: i64| {
        one.renew_settling(fence, &SettlingProgress::default(), at(minute), at(minute + 5)).await
    };
    // It stood still for too long, though nobody else came.
    lost(renew(&first, 7).await, "was left without a sign of life until its lease ended at 08:07:00");
    lost(one.finish_settling(&first, 1, None, at(7)).await, "was left without a sign of life");
    let second = claim(&two, "two", 7).await.expect("is free again");
    assert_eq!(second, SettlingFence { number: 2, generation: 1 });
    lost(renew(&first, 8).await, "was taken on again meanwhile, by two");
    lost(one.finish_settling(&first, 1, Some("done"), at(8)).await, "was taken on again meanwhile, by two");
    let stands_now = stands(&one).await;
    assert_eq!((stands_now.settled, stands_now.holder.as_deref(), stands_now.message), (0, Some("two"), None));
    two.finish_settling(&second, 1, None, at(9)).await.expect("ends");
    lost(renew(&first, 10).await, "was taken on again meanwhile, by somebody who is done with it");
    two.close().await;
}

async fn what_went_wrong_is_told_and_stays_unsettled(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let fence = claim(catalog, "one", 2).await.expect("is to be settled");
    catalog.finish_settling(&fence, 0, Some("the disk\0is full"), at(3)).await.expect("ends");
    let Settling { settled, message, .. } = stands(catalog).await;
    assert_eq!((settled, message.as_deref()), (0, Some("the disk␀is full")));
    let fence = claim(catalog, "one", 4).await.expect("is to be settled again");
    assert_eq!(stands(catalog).await.message.as_deref(), Some("the disk␀is full"), "as long as it is not done");
    catalog.finish_settling(&fence, 1, None, at(5)).await.expect("ends");
    assert_eq!(stands(catalog).await.message, None);
}

async fn more_than_there_is_cannot_be_settled(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let fence = claim(catalog, "one", 2).await.expect("is to be settled");
    let error = catalog.finish_settling(&fence, 2, None, at(3)).await.expect_err("is not there yet");
    assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
    assert_eq!(stands(catalog).await.holder.as_deref(), Some("one"));
}

async fn of_many_that_ask_one_settles(place: &Place) {
    Bill::new("p1").bring(&place.catalog, 1).await.expect("commits");
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..8 {
        let catalog = place.catalog.clone();
        asking.spawn(async move { claim(&catalog, &format!("replica {n}"), 2).await });
    }
    let claimed: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed, [SettlingFence { number: 1, generation: 1 }]);
}
