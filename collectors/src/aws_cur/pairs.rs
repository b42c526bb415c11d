//! Savings Plan negations, and the covered usage they offset.
//!
//! AWS states covered usage at its on-demand cost and takes that back with `SavingsPlanNegation` lines, which name no
//! resource and sum up several lines. FOCUS wants neither: covered usage is billed nothing. So the billed cost of both is
//! taken off the lines and added up here, per account, kind of usage and day; negations are folded into that sum and
//! leave no line. Where a sum is not zero at the end, it is a charge of its own, so that no money is lost: a negation
//! without its usage, or usage without its negation.
//!
//! How many sums are kept is bounded. When there are too many, those that are zero are forgotten (most of them are, soon
//! after both sides have been seen) and the others become charges; what comes later of them makes another charge.

use std::collections::{BTreeMap, HashMap};

use outlay_model::Money;
use outlay_model::part::Repair;
use polars::prelude::{DataFrame, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};

use super::native::Native;
use crate::native::{Cells, is_short};
use crate::numbers::Sum;
use crate::raw::RawBatch;

/// Sums kept at most: some 100 MB.
const MAX_PAIRS: usize = 1 << 18;

/// What a sum is kept per, and the column of its charge.
const KEY: [(&str, &str); 14] = [
    ("bill_billing_period_start_date", "BillingPeriodStart"),
    ("bill_billing_period_end_date", "BillingPeriodEnd"),
    ("bill_invoice_id", "InvoiceId"),
    ("bill_invoicing_entity", "InvoiceIssuerName"),
    ("line_item_currency_code", "BillingCurrency"),
    ("bill_payer_account_id", "BillingAccountId"),
    ("bill_payer_account_name", "BillingAccountName"),
    ("line_item_usage_account_id", "SubAccountId"),
    ("line_item_usage_account_name", "SubAccountName"),
    ("line_item_legal_entity", "PublisherName"),
    ("line_item_product_code", "x_ServiceCode"),
    ("line_item_usage_type", "x_UsageType"),
    ("line_item_operation", "x_Operation"),
    ("line_item_usage_start_date", "ChargePeriodStart"),
];
/// Where the day is in the key.
const START: usize = KEY.len() - 1;
/// Stands between the values of a key, in no bill.
const SEPARATOR: char = '\u{1f}';

/// The sums so far.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    sums: HashMap<String, Pair>,
}

/// One sum.
#[derive(Debug, Default)]
struct Pair {
    sum: Sum,
    /// The first line that counts in it.
    line: u64,
    service: Option<String>,
    end: Option<String>,
    negated: bool,
}

/// The columns of a batch that sums are kept per.
pub(super) struct PairColumns<'a> {
    key: [Cells<'a>; KEY.len()],
    end: Cells<'a>,
    name: Cells<'a>,
}

impl<'a> PairColumns<'a> {
    pub(super) fn of(native: &'a Native) -> Self {
        Self {
            key: KEY.map(|(name, _)| native.cells(name)),
            end: native.cells("line_item_usage_end_date"),
            name: native.cells("product_product_name"),
        }
    }

    fn key(&self, row: usize) -> String {
        let mut key = String::with_capacity(256);
        for (place, cells) in self.key.iter().enumerate() {
            let value = cells.get(row).unwrap_or_default();
            // The day: lines of some hours are negated by one of the whole day.
            match value.get(..10).filter(|_| place == START) {
                Some(day) => key.extend([day, "T00:00:00Z"]),
                None => key.push_str(value),
            }
            key.push(SEPARATOR);
        }
        key
    }
}

impl Pairs {
    /// Takes in what a line states. `false` when it cannot be read: then the line keeps it.
    pub(super) fn take(
        &mut self,
        columns: &PairColumns<'_>,
        (row, line): (usize, u64),
        stated: &str,
        negation: bool,
    ) -> bool {
        let Ok(amount) = Money::read(stated.trim()) else { return false };
        let key = columns.key(row);
        if !is_short(stated.trim()) || key.matches(SEPARATOR).count() != KEY.len() {
            return false;
        }
        let pair = self.sums.entry(key).or_insert_with(|| Pair { line, ..Pair::default() });
        pair.sum.add(amount);
        pair.negated |= negation;
        if let Some(end) = columns.end.get(row).filter(|end| pair.end.as_deref().is_none_or(|known| known < *end)) {
            pair.end = Some(end.to_owned());
        }
        if pair.service.is_none() {
            pair.service = columns.name.get(row).map(ToOwned::to_owned);
        }
        true
    }

    /// Whether there are too many of them.
    pub(super) fn is_full(&self) -> bool {
        self.sums.len() >= MAX_PAIRS
    }

    /// Forgets what adds up to nothing.
    pub(super) fn forget_settled(&mut self) {
        self.sums.retain(|_, pair| pair.sum.rest().is_some());
    }

    /// Charges for what does not add up to nothing, and none of it is left.
    pub(super) fn unsettled(&mut self) -> PolarsResult<Option<RawBatch>> {
        let sums = std::mem::take(&mut self.sums);
        // In order, so that the same bill gives the same charges.
        let left = sums.into_iter().filter_map(|(key, pair)| pair.sum.rest().map(|sum| (key, (pair, sum))));
        let left: BTreeMap<String, (Pair, String)> = left.collect();
        if left.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::new();
        let mut add = |name: &str, values: Vec<Option<&str>>| {
            let values = StringChunked::from_iter_options(PlSmallStr::from_str(name), values.into_iter());
            columns.push(values.into_column());
        };
        let keys: Vec<Vec<&str>> = left.keys().map(|key| key.split(SEPARATOR).collect()).collect();
        for (place, (_, target)) in KEY.iter().enumerate() {
            add(target, keys.iter().map(|key| Some(key[place]).filter(|value| !value.is_empty())).collect());
        }
        let pairs = || left.values().map(|(pair, _)| pair);
        add("ChargePeriodEnd", pairs().map(|pair| pair.end.as_deref()).collect());
        add("ServiceName", pairs().map(|pair| pair.service.as_deref()).collect());
        add("BilledCost", left.values().map(|(_, sum)| Some(sum.as_str())).collect());
        for cost in ["EffectiveCost", "ListCost", "ContractedCost"] {
            add(cost, vec![Some("0"); left.len()]);
        }
        let kind = |pair: &Pair| if pair.negated { "SavingsPlanNegation" } else { "SavingsPlanCoveredUsage" };
        add("x_LineItemType", pairs().map(|pair| Some(kind(pair))).collect());
        for (name, value) in [
            ("ChargeCategory", "Usage"),
            ("ChargeFrequency", "Usage-Based"),
            ("PricingCategory", "Standard"),
            ("ProviderName", "AWS"),
            ("ChargeDescription", "What Savings Plan negations leave of the on-demand cost of the usage they offset"),
        ] {
            add(name, vec![Some(value); left.len()]);
        }
        let repairs = [(Repair::NegationUnpaired, left.len() as u64)].into();
        let lines = pairs().map(|pair| pair.line).collect();
        Ok(Some(RawBatch { cells: DataFrame::new(left.len(), columns)?, lines, repairs, ..RawBatch::default() }))
    }
}
