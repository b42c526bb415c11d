//! The lines that were not taken, each with its reason, its place and its money.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use outlay_model::part::{BalanceKey, Reject, RejectReason};
use outlay_model::query::Metric;

use super::{Normaliser, Work};
use crate::exact::ExactSum;
use crate::invoice::raw_key;

impl Normaliser<'_> {
    pub(super) fn key(&self, work: &Work<'_>, row: usize) -> BalanceKey {
        let text = |target| work.raw_text(target, row);
        raw_key(text("BillingPeriodStart").as_deref(), text("InvoiceId").as_deref(), text("BillingCurrency").as_deref())
    }

    pub(super) fn rejects(&self, work: &Work<'_>) -> Vec<Reject> {
        let file = work.file.name();
        let rejected = work.faults.iter().map(|(&row, fault)| {
            let cost = |metric: &Metric| {
                let text = work.raw_text(metric.column(), row)?;
                Some((*metric, text.trim().to_owned()))
            };
            let stated: BTreeMap<Metric, String> = Metric::ALL.iter().filter_map(cost).collect();
            let costs: BTreeMap<Metric, BigDecimal> =
                stated.iter().filter_map(|(metric, text)| Some((*metric, exact(text)?))).collect();
            Reject {
                reason: fault.reason,
                file: file.clone(),
                line: work.batch.lines[row],
                column: fault.column.clone(),
                value: fault.value.clone(),
                key: self.key(work, row),
                unpriced: costs.len() < stated.len() || !costs.contains_key(&Metric::Billed),
                costs,
            }
        });
        let malformed = work.batch.malformed.iter().map(|record| Reject {
            reason: RejectReason::MalformedRecord,
            file: file.clone(),
            line: record.line,
            column: None,
            value: Some(record.what.clone()),
            key: raw_key(None, None, None),
            costs: BTreeMap::new(),
            unpriced: true,
        });
        let mut rejects: Vec<Reject> = rejected.chain(malformed).collect();
        rejects.sort_by_key(|reject| reject.line);
        rejects
    }
}

/// The exact number of a rejected cell, however large; `None` when it is not a number.
fn exact(text: &str) -> Option<BigDecimal> {
    let mut sum = ExactSum::default();
    sum.add(text).then(|| sum.total())
}
