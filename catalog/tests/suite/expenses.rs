//! What requests cost is counted before they are made, by month, and never goes beyond what a month may cost.

use chrono::NaiveDate;
use outlay_catalog::Expense;

use crate::bill::source;
use crate::place::Place;

crate::stories![a_month_costs_no_more_than_it_may, of_many_at_once_only_as_many_spend_as_may];

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

async fn a_month_costs_no_more_than_it_may(place: &Place) {
    let (catalog, aws, october) = (&place.catalog, source("aws"), day("2026-10-31"));
    assert_eq!(catalog.spent(&aws, october).await.expect("reads"), 0);
    assert_eq!(catalog.spend(&aws, october, 20_000, 30_000).await.expect("writes"), Expense::Taken(20_000));
    assert_eq!(catalog.spend(&aws, october, 20_000, 30_000).await.expect("writes"), Expense::TooMuch(40_000));
    assert_eq!(catalog.spend(&aws, day("2026-10-01"), 10_000, 30_000).await.expect("writes"), Expense::Taken(30_000));
    // Another month, and another source, have their own.
    assert_eq!(catalog.spend(&aws, day("2026-11-01"), 10_000, 30_000).await.expect("writes"), Expense::Taken(10_000));
    assert_eq!(catalog.spent(&source("other"), october).await.expect("reads"), 0);
    // What was not charged can be spent again; what was never spent cannot be taken back.
    catalog.unspend(&aws, october, 10_000).await.expect("writes");
    assert_eq!(catalog.spent(&aws, october).await.expect("reads"), 20_000);
    catalog.unspend(&aws, october, 50_000).await.expect("writes");
    catalog.unspend(&source("other"), october, 50_000).await.expect("writes");
    assert_eq!(catalog.spent(&aws, october).await.expect("reads"), 0);
}

async fn of_many_at_once_only_as_many_spend_as_may(place: &Place) {
    let (catalog, aws, october) = (&place.catalog, source("aws"), day("2026-10-31"));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (catalog, aws) = (catalog.clone(), aws.clone());
        tries.spawn(async move { catalog.spend(&aws, october, 10_000, 50_000).await.expect("writes") });
    }
    let taken = tries.join_all().await.into_iter().filter(|expense| matches!(expense, Expense::Taken(_))).count();
    assert_eq!((taken, catalog.spent(&aws, october).await.expect("reads")), (5, 50_000));
}
