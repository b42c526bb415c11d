//! Dated exchange rates (P7).
//!
//! There are two kinds. The `[rates]` table of the configuration says what one unit of a currency is worth in US dollars from a
//! day on, until the next one. What a publisher states ([`Published`]) holds for its day and is carried over days without a
//! statement, such as weekends, but not for long. Where the table has a rate of a currency that holds on a day, that is the
//! one. Conversion between any two currencies goes through the dollar, exactly, and is rounded once, half-even, to 12
//! decimals.

mod convert;
mod published;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{Currency, DateRange};

pub(crate) use convert::rounded;
pub use convert::{CONVERTED_SCALE, Converted, Rate};
pub use published::{Brought, CARRIED_DAYS, Fixing, Moved, News, Published, Quote, QuoteError};

/// One line of `[rates]`: `{ from = "2026-01-01", to_usd = "1.08" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateEntry {
    /// The first day it holds.
    #[schemars(with = "String", extend("format" = "date"))]
    pub from: NaiveDate,
    /// US dollars for one unit, as decimal text.
    pub to_usd: String,
}

/// Every rate there is, checked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RateTable {
    table: Arc<BTreeMap<Currency, BTreeMap<NaiveDate, Quote>>>,
    published: Arc<Published>,
}

/// The rate of a currency that holds on some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held<'a> {
    /// It stands in the table.
    Table {
        /// Since this day.
        from: NaiveDate,
        /// US dollars for one unit.
        to_usd: Quote,
    },
    /// It was published, on this day or one of the days before.
    Published(&'a Fixing),
}

/// How long which rate of a currency holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch<'a> {
    /// The currency.
    pub currency: Currency,
    /// The rate.
    pub held: Held<'a>,
    /// The first day that it does not hold any more; `None` for the last of the table.
    pub to: Option<NaiveDate>,
}

impl Held<'_> {
    /// The first day that it holds.
    #[must_use]
    pub const fn from(&self) -> NaiveDate {
        match self {
            Self::Table { from, .. } => *from,
            Self::Published(fixing) => fixing.day,
        }
    }

    /// What one unit of the currency is worth in dollars, as a fraction.
    fn worth(&self, currency: Currency) -> Option<(Quote, Quote)> {
        match self {
            Self::Table { to_usd, .. } => Some((*to_usd, Quote::ONE)),
            Self::Published(fixing) => fixing.worth(currency),
        }
    }

    /// US dollars for one unit of the currency.
    #[must_use]
    pub fn to_usd(&self, currency: Currency) -> Option<Rate> {
        let (dollars, units) = self.worth(currency)?;
        Some(Rate::new([dollars.units(), 1], [units.units(), 1]))
    }
}

impl RateTable {
    /// Checks the configured rates.
    ///
    /// # Errors
    /// Every problem, each a sentence naming its key.
    pub fn new(entries: &BTreeMap<Currency, Vec<RateEntry>>) -> Result<Self, Vec<String>> {
        let (mut rates, mut problems) = (BTreeMap::new(), Vec::new());
        for (currency, entries) in entries {
            if *currency == Currency::USD {
                problems.push("rates.USD: rates are quoted against USD, so it has none".to_owned());
            }
            let dated: &mut BTreeMap<NaiveDate, Quote> = rates.entry(*currency).or_default();
            for RateEntry { from, to_usd } in entries {
                match to_usd.parse() {
                    Err(error) => {
                        let error: QuoteError = error;
                        problems.push(format!("rates.{currency}: to_usd = {to_usd:?} {error}"));
                    }
                    Ok(quote) => {
                        if dated.insert(*from, quote).is_some() {
                            problems.push(format!("rates.{currency}: two rates from {from}"));
                        }
                    }
                }
            }
        }
        let published = Arc::default();
        if problems.is_empty() { Ok(Self { table: Arc::new(rates), published }) } else { Err(problems) }
    }

    /// The same table beside what is published.
    #[must_use]
    pub fn beside(&self, published: Arc<Published>) -> Self {
        Self { table: Arc::clone(&self.table), published }
    }

    /// The rate of a currency that holds on a day; `None` where it is missing. The dollar needs none.
    #[must_use]
    pub fn held(&self, currency: Currency, day: NaiveDate) -> Option<Held<'_>> {
        let in_table = self.table.get(&currency).and_then(|dated| dated.range(..=day).next_back());
        match in_table {
            Some((from, to_usd)) => Some(Held::Table { from: *from, to_usd: *to_usd }),
            None => self.published.holding(currency, day).map(Held::Published),
        }
    }

    /// The first day after this one on which another rate of the currency holds, or none any more.
    fn next_change(&self, currency: Currency, day: NaiveDate) -> Option<NaiveDate> {
        let held = self.held(currency, day);
        let in_table = self.table.get(&currency).and_then(|dated| dated.range(day.succ_opt()?..).next());
        let in_table = in_table.map(|(from, _)| *from);
        match held {
            Some(Held::Table { .. }) => in_table,
            _ => {
                let end = held.and_then(|held| held.from().checked_add_days(Days::new(CARRIED_DAYS + 1)));
                [in_table, self.published.next(currency, day), end].into_iter().flatten().min()
            }
        }
    }

    /// Every rate that holds on some day of the range, by currency and day.
    #[must_use]
    pub fn stretches(&self, range: DateRange) -> Vec<Stretch<'_>> {
        let published = self.published.iter().flat_map(|fixing| fixing.quotes.keys().copied().chain([fixing.base]));
        let currencies: BTreeSet<Currency> = self.table.keys().copied().chain(published).collect();
        let mut stretches = Vec::new();
        for currency in currencies.into_iter().filter(|currency| *currency != Currency::USD) {
            let mut next = Some(range.from());
            while let Some(day) = next.filter(|day| range.contains(*day)) {
                next = self.next_change(currency, day);
                stretches.extend(self.held(currency, day).map(|held| Stretch { currency, held, to: next }));
            }
        }
        stretches
    }

    /// Every day inside the range on which a rate between one of `currencies` and `target` changes. Between two of them,
    /// and before the first, one rate holds: sums may be taken over the whole stretch and converted once.
    #[must_use]
    pub fn changes<'a>(
        &self,
        currencies: impl IntoIterator<Item = &'a Currency>,
        target: Currency,
        range: DateRange,
    ) -> BTreeSet<NaiveDate> {
        let foreign: BTreeSet<_> = currencies.into_iter().copied().filter(|currency| *currency != target).collect();
        let involved = foreign.iter().copied().chain((!foreign.is_empty()).then_some(target));
        let mut changes = BTreeSet::new();
        for currency in involved.filter(|currency| *currency != Currency::USD) {
            let after = |day: &NaiveDate| self.next_change(currency, *day).filter(|day| range.contains(*day));
            changes.extend(std::iter::successors(Some(range.from()), after).skip(1));
        }
        changes
    }

    /// What one unit of the currency is worth in dollars on a day, as a fraction.
    fn worth(&self, currency: Currency, day: NaiveDate) -> Option<(Quote, Quote)> {
        if currency == Currency::USD {
            return Some((Quote::ONE, Quote::ONE));
        }
        self.held(currency, day)?.worth(currency)
    }

    /// The exact rate between two currencies on a day, or `None` where one is missing.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, day: NaiveDate) -> Option<Rate> {
        if from == to {
            return Some(Rate::new([1, 1], [1, 1]));
        }
        let ((from_above, from_below), (to_above, to_below)) = (self.worth(from, day)?, self.worth(to, day)?);
        Some(Rate::new([from_above.units(), to_below.units()], [from_below.units(), to_above.units()]))
    }
}

#[cfg(test)]
mod tests;
