//! The conservation check: Σ source = Σ stored + Σ rejected + Σ rounding, per invoice and cost (P1).

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::BigDecimal;
use outlay_collectors::Delivery;
use outlay_model::part::{Balance, BalanceKey, Reject};
use outlay_model::query::Metric;
use outlay_store::Staged;

type Sums = BTreeMap<(BalanceKey, Metric), BigDecimal>;

/// Σ of the rejected lines' money, per invoice and cost.
#[derive(Debug, Default)]
pub struct RejectedSums(Sums);

impl RejectedSums {
    /// Adds a rejected line.
    pub fn add(&mut self, reject: &Reject) {
        for (metric, cost) in &reject.costs {
            *self.0.entry((reject.key.clone(), *metric)).or_default() += cost;
        }
    }
}

/// One balance per invoice and cost that any of the four sides knows.
pub fn balances(delivery: &Delivery, staged: &Staged, rejected: &RejectedSums, rounding: &Sums) -> Vec<Balance> {
    let mut source = Sums::new();
    for (key, totals) in &delivery.totals {
        for (metric, sum) in Metric::ALL.iter().zip(totals) {
            source.insert((key.clone(), *metric), sum.total());
        }
    }
    let places: BTreeSet<&(BalanceKey, Metric)> =
        [&source, &staged.sums, &rejected.0, rounding].into_iter().flat_map(BTreeMap::keys).collect();
    let of = |sums: &Sums, place: &(BalanceKey, Metric)| sums.get(place).cloned().unwrap_or_default();
    places
        .into_iter()
        .map(|place| Balance {
            key: place.0.clone(),
            metric: place.1,
            source: of(&source, place),
            stored: of(&staged.sums, place),
            rejected: of(&rejected.0, place),
            rounding: of(rounding, place),
        })
        .collect()
}
