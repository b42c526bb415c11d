//! Where Azure's two statements of the same costs do not agree on what is billed.
//!
//! What no commitment has to do with is stated twice: by a line of actual cost, and by one of amortised cost. No id tells
//! which lines are the same, so charges are made of the amortised ones, billed what they state, and the actual ones are only
//! added up and taken against them, per account, subscription, invoice and day. Where a sum is not zero at the end it is a
//! charge of its own. So what is billed is always what actual cost says, and what is effective what amortised cost says, to
//! the last digit, also when the two were written at different hours of a month that is still open.
//!
//! How many sums are kept is bounded. When there are too many they become charges, and what comes later of them other ones.

use std::collections::{BTreeMap, HashMap};

use outlay_model::Money;
use outlay_model::part::Repair;
use polars::prelude::{DataFrame, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};

use crate::numbers::{Sum, number};
use crate::raw::RawBatch;

/// Sums kept at most: some 200 MB.
const MOST: usize = 1 << 18;

/// The columns that sums are kept per.
pub(super) const KEY: [&str; 8] = [
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "InvoiceId",
    "BillingCurrency",
    "BillingAccountId",
    "SubAccountId",
    "ChargePeriodStart",
    "ChargePeriodEnd",
];

/// What the first line of each says besides: names change while ids do not.
pub(super) const NAMES: [&str; 2] = ["BillingAccountName", "SubAccountName"];

/// What a line says of where it belongs.
#[derive(Debug, Clone, Default)]
pub(super) struct Belongs {
    pub key: Key,
    pub names: [Option<String>; NAMES.len()],
}

/// What sums are kept per.
pub(super) type Key = [Option<String>; KEY.len()];

/// The sums so far.
#[derive(Debug, Default)]
pub(super) struct Differences {
    sums: HashMap<Key, Difference>,
}

/// One sum.
#[derive(Debug, Default)]
struct Difference {
    sum: Sum,
    /// The first line that counts in it.
    line: u64,
    names: [Option<String>; NAMES.len()],
}

impl Differences {
    /// Takes in what a line states: an actual one's cost, or against it an amortised one's.
    pub(super) fn take(&mut self, of: &Belongs, line: u64, cost: &str, amortised: bool) {
        let entry = match self.sums.get_mut(&of.key) {
            Some(known) => known,
            None => self.sums.entry(of.key.clone()).or_insert_with(|| Difference {
                sum: Sum::default(),
                line,
                names: of.names.clone(),
            }),
        };
        // What is no number is rejected where it stands, and is part of no sum.
        match Money::read(cost.trim()) {
            Ok(amount) if amortised => entry.sum.subtract(amount),
            Ok(amount) => entry.sum.add(amount),
            Err(_) => {
                if let Some(amount) = number(cost) {
                    entry.sum.add_exact(&if amortised { -amount } else { amount });
                }
            }
        }
    }

    /// Whether there are too many of them.
    pub(super) fn is_full(&self) -> bool {
        self.sums.len() >= MOST
    }

    /// Charges for what does not add up to nothing, and none of it is left.
    pub(super) fn settle(&mut self) -> PolarsResult<Option<RawBatch>> {
        let sums = std::mem::take(&mut self.sums);
        // In order, so that the same bill gives the same charges.
        let left = sums.into_iter().filter_map(|(key, of)| of.sum.rest().map(|rest| (key, (rest, of))));
        let left: BTreeMap<Key, (String, Difference)> = left.collect();
        if left.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::new();
        let mut add = |name: &str, values: Vec<Option<&str>>| {
            let values = StringChunked::from_iter_options(PlSmallStr::from_str(name), values.into_iter());
            columns.push(values.into_column());
        };
        for (place, name) in KEY.iter().enumerate() {
            add(name, left.keys().map(|key| key[place].as_deref()).collect());
        }
        for (place, name) in NAMES.iter().enumerate() {
            add(name, left.values().map(|(_, of)| of.names[place].as_deref()).collect());
        }
        add("BilledCost", left.values().map(|(rest, _)| Some(rest.as_str())).collect());
        let sub_account = KEY.iter().position(|name| *name == "SubAccountId").unwrap_or_default();
        add("SubAccountType", left.keys().map(|key| key[sub_account].as_ref().map(|_| "Subscription")).collect());
        for (name, value) in [
            ("EffectiveCost", "0"),
            ("ListCost", "0"),
            ("ContractedCost", "0"),
            ("ChargeCategory", "Adjustment"),
            ("ChargeFrequency", "One-Time"),
            ("ProviderName", "Microsoft"),
            ("InvoiceIssuerName", "Microsoft"),
            ("ChargeDescription", "What actual cost has beyond the amortised lines of the same day"),
            ("x_ChargeType", "ActualCostDifference"),
        ] {
            add(name, vec![Some(value); left.len()]);
        }
        let repairs = [(Repair::ActualDiffers, left.len() as u64)].into();
        let lines = left.values().map(|(_, of)| of.line).collect();
        Ok(Some(RawBatch { cells: DataFrame::new(left.len(), columns)?, lines, repairs, ..RawBatch::default() }))
    }
}
