//! A small bill, staged.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_ledger::{decimal, schema};
use outlay_model::{DeliveryKey, Money, PartId, SourceName};
use outlay_store::{StageSpec, Staged, Store};
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

pub fn spec(part: &str) -> StageSpec {
    let columns = ["BilledCost", "BillingCurrency", "ServiceName", schema::CHARGE_DATE, schema::BILLING_PERIOD];
    StageSpec {
        part: PartId::new(part),
        source: SourceName::new("aws"),
        delivery: DeliveryKey::new("2026-10"),
        fingerprint: format!("print of {part}"),
        columns: columns.map(ToOwned::to_owned).into(),
        tag_keys: BTreeSet::new(),
    }
}

/// Charges of 1, 2, 3, … dollars, one a day from the first of October.
pub fn charges(count: u32) -> DataFrame {
    let first = NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day");
    let rows = 0..count;
    let days: Vec<NaiveDate> = rows.clone().map(|row| first + chrono::Days::new(u64::from(row % 31))).collect();
    let costs = rows.clone().map(|row| Some(i64::from(row + 1).to_string().parse::<Money>().expect("money")));
    let text = |name: &str, text: &str| Series::new(name.into(), vec![text; count as usize]).into_column();
    let columns = vec![
        decimal::column("BilledCost", costs),
        text("BillingCurrency", "USD"),
        text("ServiceName", "Amazon EC2"),
        Series::new(schema::CHARGE_DATE.into(), days).into_column(),
        Series::new(schema::BILLING_PERIOD.into(), vec![first; count as usize]).into_column(),
    ];
    DataFrame::new(count as usize, columns).expect("a frame")
}

/// Stages a part of so many charges.
pub async fn stage(store: &Arc<Store>, part: &str, count: u32) -> Staged {
    let (store, spec) = (Arc::clone(store), spec(part));
    let work = move || {
        let mut stage = store.stage(spec).expect("starts");
        stage.write(charges(count)).expect("writes");
        stage.finish(&[]).expect("finishes")
    };
    tokio::task::spawn_blocking(work).await.expect("runs")
}
