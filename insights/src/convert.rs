//! From exact sums per currency to the cells of an answer.
//!
//! A cell's exact amounts are converted at the rate of their days and added up exactly; it is rounded once, at the end
//! (P7). Totals add up cells, so what is shown adds up to what is shown.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use foldhash::fast::RandomState;
use outlay_model::query::TargetCurrency;
use outlay_model::rates::{Converted, Rate, RateTable};
use outlay_model::{Currency, Money};
use outlay_store::{Group, Keys};

use crate::InsightError;

/// Where a cell stands: its time bucket by number, its keys, its currency where these are kept apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub bucket: Option<usize>,
    pub keys: Keys,
    pub currency: Option<Currency>,
}

/// What a cell says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The cost; `None` when every charge leaves the metric out.
    pub cost: Option<Money>,
    /// Charges that leave it out.
    pub nulls: u64,
    /// Their billed cost, in the currencies of their bills.
    pub nulls_billed: BTreeMap<Currency, Money>,
}

impl Cell {
    /// Takes another cell in.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), InsightError> {
        self.cost = add(self.cost, other.cost)?;
        self.nulls += other.nulls;
        for (currency, amount) in &other.nulls_billed {
            let sum = self.nulls_billed.entry(*currency).or_default();
            *sum = sum.checked_add(*amount).ok_or(InsightError::Overflow)?;
        }
        Ok(())
    }
}

/// Adds two costs, either of which may not be stated.
pub(crate) fn add(a: Option<Money>, b: Option<Money>) -> Result<Option<Money>, InsightError> {
    match (a, b) {
        (Some(a), Some(b)) => a.checked_add(b).map(Some).ok_or(InsightError::Overflow),
        (a, b) => Ok(a.or(b)),
    }
}

/// The cells of an answer, one a place, in no order.
pub(crate) type Cells = Vec<(Place, Cell)>;

/// A cell that is still being added up.
#[derive(Default)]
struct Adding {
    cell: Cell,
    converted: Converted,
}

/// The cells of an answer, and the currencies that had no rate for some of their days.
pub(crate) fn cells(
    groups: Vec<Group>,
    target: TargetCurrency,
    rates: &RateTable,
    bucket_of: impl Fn(&Group) -> Option<usize>,
) -> Result<(Cells, Vec<Currency>), InsightError> {
    let mut sums: HashMap<Place, Adding, RandomState> =
        HashMap::with_capacity_and_hasher(groups.len(), RandomState::default());
    let mut without_rate = Vec::new();
    let mut known: BTreeMap<(Currency, NaiveDate), Option<Rate>> = BTreeMap::new();
    for group in groups {
        let bucket = bucket_of(&group);
        let kept_apart = (target == TargetCurrency::Native).then_some(group.currency);
        let Adding { cell, converted } =
            sums.entry(Place { bucket, keys: group.keys, currency: kept_apart }).or_default();
        if group.nulls > 0 {
            cell.nulls += group.nulls;
            let billed = cell.nulls_billed.entry(group.currency).or_default();
            *billed = billed.checked_add(group.nulls_billed).ok_or(InsightError::Overflow)?;
        }
        let Some(sum) = group.sum else { continue };
        match target {
            TargetCurrency::To(target) if target != group.currency => {
                let find = || rates.rate(group.currency, target, group.segment);
                match known.entry((group.currency, group.segment)).or_insert_with(find) {
                    Some(rate) => converted.add(sum, rate),
                    None if sum.is_zero() || without_rate.contains(&group.currency) => {}
                    None => without_rate.push(group.currency),
                }
                cell.cost = add(cell.cost, Some(Money::ZERO))?;
            }
            _ => cell.cost = add(cell.cost, Some(sum))?,
        }
    }
    let finish = |(place, Adding { mut cell, mut converted }): (Place, Adding)| {
        // The own currency's part of a mixed cell is rounded with the rest, so that the cell is rounded once.
        if !converted.is_empty() {
            converted.add_exact(cell.cost.unwrap_or_default());
            cell.cost = Some(converted.round().map_err(|_| InsightError::Overflow)?);
        }
        Ok((place, cell))
    };
    Ok((sums.into_iter().map(finish).collect::<Result<_, InsightError>>()?, without_rate))
}
