//! A small bill, staged.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_ledger::{decimal, schema};
use outlay_model::filter::Filter;
use outlay_model::ownership::Book;
use outlay_model::part::{Layer, PartFile};
use outlay_model::query::{Basis, Metric};
use outlay_model::{Currency, DateRange, DeliveryKey, Granularity, Money, PartId, SourceName};
use outlay_store::{GroupQuery, Scan, Segments, StageSpec, Staged, Store, StoreError};
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
        let mut stage = store.stage(spec, &Book::default(), false).expect("starts");
        stage.write(charges(count)).expect("writes");
        stage.finish(&[]).expect("finishes")
    };
    tokio::task::spawn_blocking(work).await.expect("runs")
}

/// Stages a part, and makes it last.
pub async fn publish(store: &Arc<Store>, part: &str, count: u32) {
    stage(store, part, count).await;
    store.publish(&files(part)).await.expect("publishes");
}

pub fn files(part: &str) -> Vec<PartFile> {
    Store::files_of(&SourceName::new("aws"), &PartId::new(part))
}

/// What parts add up to, in October.
pub async fn total(store: &Arc<Store>, layer: Layer, parts: &[&str]) -> Result<String, StoreError> {
    let files = parts.iter().flat_map(|part| files(part)).filter(|file| file.layer == layer);
    let first = NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day");
    let end = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day");
    let groups = store.group(GroupQuery {
        scans: vec![Scan {
            layer,
            files: files.map(|file| file.path).collect(),
            inside: true,
            only_parts: BTreeSet::new(),
            tags_from_text: BTreeSet::new(),
        }],
        range: DateRange::new(first, end).expect("a range"),
        basis: Basis::Charge,
        granularity: Granularity::Total,
        filter: Filter::everything(),
        group_by: Vec::new(),
        metric: Some(Metric::Billed),
        may_be_null: false,
        only_currency: Some(Currency::USD),
        segments: Segments::one(first),
        max_groups: 10,
    });
    let groups = groups.await?;
    assert_eq!(groups.len(), 1);
    Ok(groups[0].sum.expect("is stated").to_string())
}

/// Files at any depth, but for those that processes keep to be told alive.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in folder.read_dir().expect("is there") {
        let path = entry.expect("is there").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if name != "alive" && name != "door" {
            files.push(name);
        }
    }
    files
}
