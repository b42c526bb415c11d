//! From exact sums per currency to the cells of an answer.
//!
//! A cell's exact amounts are converted at the rate of their days and added up exactly; it is rounded once, at the end
//! (P7). Totals add up cells, so what is shown adds up to what is shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use foldhash::fast::RandomState;
use outlay_model::query::{MAX_ROWS, TargetCurrency};
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

/// The most amounts that may wait to be converted: some 200 MB of them.
const MOST_AMOUNTS: usize = 6_000_000;

/// Adds up the cells of an answer, from groups that may come in several lots.
pub(crate) struct Sums<'a> {
    target: TargetCurrency,
    rates: &'a RateTable,
    sums: HashMap<Place, Adding, RandomState>,
    known: HashMap<(Currency, NaiveDate), Option<Arc<Rate>>, RandomState>,
    without_rate: Vec<Currency>,
    amounts: usize,
}

impl<'a> Sums<'a> {
    /// None yet.
    pub(crate) fn new(target: TargetCurrency, rates: &'a RateTable) -> Self {
        let (sums, known) = (HashMap::default(), HashMap::default());
        Self { target, rates, sums, known, without_rate: Vec::new(), amounts: 0 }
    }

    /// Takes groups in.
    pub(crate) fn take(
        &mut self,
        groups: Vec<Group>,
        bucket_of: impl Fn(&Group) -> Option<usize>,
    ) -> Result<(), InsightError> {
        let Self { target, rates, sums, known, without_rate, amounts } = self;
        if sums.is_empty() {
            sums.reserve(groups.len());
        }
        for group in groups {
            let bucket = bucket_of(&group);
            let kept_apart = (*target == TargetCurrency::Native).then_some(group.currency);
            let Adding { cell, converted } =
                sums.entry(Place { bucket, keys: group.keys, currency: kept_apart }).or_default();
            if group.nulls > 0 {
                cell.nulls += group.nulls;
                let billed = cell.nulls_billed.entry(group.currency).or_default();
                *billed = billed.checked_add(group.nulls_billed).ok_or(InsightError::Overflow)?;
            }
            let Some(sum) = group.sum else { continue };
            match *target {
                TargetCurrency::To(target) if target != group.currency => {
                    let find = || rates.rate(group.currency, target, group.segment).map(Arc::new);
                    match known.entry((group.currency, group.segment)).or_insert_with(find) {
                        Some(rate) => {
                            converted.add(sum, rate);
                            *amounts += 1;
                        }
                        None if sum.is_zero() || without_rate.contains(&group.currency) => {}
                        None => without_rate.push(group.currency),
                    }
                    cell.cost = add(cell.cost, Some(Money::ZERO))?;
                }
                _ => cell.cost = add(cell.cost, Some(sum))?,
            }
        }
        match *amounts {
            rows if rows > MOST_AMOUNTS => Err(InsightError::TooManyRows { rows, most: MAX_ROWS }),
            _ => Ok(()),
        }
    }

    /// The cells, and the currencies that had no rate for some of their days.
    pub(crate) fn finish(self) -> Result<(Cells, Vec<Currency>), InsightError> {
        let finish = |(place, Adding { mut cell, mut converted }): (Place, Adding)| {
            // The own currency's part of a mixed cell is rounded with the rest, so that the cell is rounded once.
            if !converted.is_empty() {
                let rounded = converted.add_exact(cell.cost.unwrap_or_default()).and_then(|()| converted.round());
                cell.cost = Some(rounded.map_err(|_| InsightError::Overflow)?);
            }
            Ok((place, cell))
        };
        Ok((self.sums.into_iter().map(finish).collect::<Result<_, InsightError>>()?, self.without_rate))
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use outlay_model::SourceName;
    use outlay_model::rates::{Fixing, Published};

    use super::*;

    fn code(text: &str) -> Currency {
        text.parse().expect("a code")
    }

    /// A rate a day, each another; none of them divides anything evenly.
    fn rates() -> RateTable {
        let quote = |day: u64| format!("1.{:03}", day * 7 % 1000 + 1).parse().expect("a quote");
        let fixings = (0..200).map(|day| Fixing {
            day: first() + Days::new(day),
            source: SourceName::new("ecb"),
            base: code("EUR"),
            quotes: [(Currency::USD, quote(day))].into(),
        });
        RateTable::default().beside(Arc::new(Published::new(fixings)))
    }

    fn first() -> NaiveDate {
        "2025-01-01".parse().expect("a day")
    }

    /// One amount a day, in dollars and every third day in euros.
    fn groups() -> Vec<Group> {
        let group = |day: u64| Group {
            time: None,
            segment: first() + Days::new(day),
            currency: if day.is_multiple_of(3) { code("EUR") } else { Currency::USD },
            keys: vec![Some(if day.is_multiple_of(2) { "even" } else { "odd" }.into())],
            sum: Some(format!("{}.000000000000000001", day + 1).parse().expect("money")),
            rows: 1,
            nulls: u64::from(day == 5),
            nulls_billed: Money::ZERO,
        };
        (0..200).map(group).collect()
    }

    fn cells(lots: Vec<Vec<Group>>) -> BTreeMap<Place, Cell> {
        let rates = rates();
        let mut sums = Sums::new(TargetCurrency::To(code("EUR")), &rates);
        for lot in lots {
            sums.take(lot, |_| None).expect("fits");
        }
        let (cells, without_rate) = sums.finish().expect("fits");
        assert_eq!(without_rate, []);
        cells.into_iter().collect()
    }

    #[test]
    fn groups_in_several_lots_are_rounded_once() {
        let all = cells(vec![groups()]);
        assert_eq!(all.len(), 2);
        for size in [1, 7, 31, 199] {
            assert_eq!(cells(groups().chunks(size).map(<[Group]>::to_vec).collect()), all, "{size}");
        }
    }
}
