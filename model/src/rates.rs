//! Dated exchange rates (P7).
//!
//! A rate says what one unit of a currency is worth in US dollars from a day on, until the next one. Conversion between
//! any two currencies goes through the dollar, exactly, and is rounded once, half-even, to 12 decimals.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::{BigDecimal, One, RoundingMode, ToPrimitive};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::money::{self, MoneyError, SCALE};
use crate::{Currency, DateRange, Money};

/// Decimals a converted amount is rounded to.
pub const CONVERTED_SCALE: i64 = 12;

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

/// Every rate there is, checked.
#[derive(Debug, Clone, Default)]
pub struct RateTable {
    rates: BTreeMap<Currency, BTreeMap<NaiveDate, BigDecimal>>,
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
            let dated: &mut BTreeMap<NaiveDate, BigDecimal> = rates.entry(*currency).or_default();
            for RateEntry { from, to_usd } in entries {
                match Money::read(to_usd).ok().filter(|read| read.rounding.is_none() && read.money > Money::ZERO) {
                    None => problems.push(format!(
                        "rates.{currency}: to_usd = {to_usd:?} is not a positive decimal of at most 18 decimals"
                    )),
                    Some(read) => {
                        if dated.insert(*from, read.money.to_exact()).is_some() {
                            problems.push(format!("rates.{currency}: two rates from {from}"));
                        }
                    }
                }
            }
        }
        if problems.is_empty() { Ok(Self { rates }) } else { Err(problems) }
    }

    /// The currencies that have rates, with their dated rates in order.
    pub fn iter(&self) -> impl Iterator<Item = (Currency, impl Iterator<Item = (NaiveDate, String)>)> {
        self.rates
            .iter()
            .map(|(currency, dated)| (*currency, dated.iter().map(|(from, rate)| (*from, money::plain(rate)))))
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
        involved
            .filter_map(|currency| self.rates.get(&currency))
            .flat_map(|dated| dated.keys().copied())
            .filter(|day| range.contains(*day) && *day != range.from())
            .collect()
    }

    /// What one unit of the currency is worth in dollars on a day.
    fn to_usd(&self, currency: Currency, day: NaiveDate) -> Option<BigDecimal> {
        if currency == Currency::USD {
            return Some(BigDecimal::from(1));
        }
        self.rates.get(&currency)?.range(..=day).next_back().map(|(_, rate)| rate.clone())
    }

    /// The exact rate between two currencies on a day, or `None` where one is missing.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, day: NaiveDate) -> Option<Rate> {
        if from == to {
            return Some(Rate::new(BigDecimal::from(1), BigDecimal::from(1)));
        }
        Some(Rate::new(self.to_usd(from, day)?, self.to_usd(to, day)?))
    }
}

/// An exact rate, kept as a fraction so that nothing is rounded before the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    multiply: BigDecimal,
    divide: BigDecimal,
    /// `multiply` in 10⁻⁹, where it has no more decimals and nothing is to be divided by: most rates into dollars.
    billionths: Option<i128>,
}

impl Rate {
    fn new(multiply: BigDecimal, divide: BigDecimal) -> Self {
        let short = multiply.with_scale(9);
        let exact = short == multiply && divide.is_one();
        let billionths = if exact { short.into_bigint_and_exponent().0.to_i128() } else { None };
        Self { multiply, divide, billionths }
    }
}

/// Amounts of one cell on their way into another currency: added up exactly, rounded once.
#[derive(Debug, Clone, Default)]
pub struct Converted {
    /// Σ in 10⁻²⁷ of what a machine's integers can hold; `None` before anything was added.
    small: Option<i128>,
    /// Exact sums of the rest by divisor, so that division happens once per divisor and at the end.
    sums: BTreeMap<BigDecimal, BigDecimal>,
}

impl Converted {
    /// Adds an amount at its rate.
    pub fn add(&mut self, amount: Money, rate: &Rate) {
        if !rate.billionths.is_some_and(|billionths| self.add_small(amount, billionths)) {
            *self.sums.entry(rate.divide.clone()).or_default() += amount.to_exact() * &rate.multiply;
        }
    }

    /// Adds an amount that already is in the target currency.
    pub fn add_exact(&mut self, amount: Money) {
        if !self.add_small(amount, 1_000_000_000) {
            *self.sums.entry(BigDecimal::from(1)).or_default() += amount.to_exact();
        }
    }

    /// Adds the amount times so many billionths, unless that is too large.
    fn add_small(&mut self, amount: Money, billionths: i128) -> bool {
        let more = amount.units().checked_mul(billionths);
        let sum = more.and_then(|more| self.small.unwrap_or(0).checked_add(more));
        self.small = sum.or(self.small);
        sum.is_some()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.small.is_none() && self.sums.is_empty()
    }

    /// The sum, half-even at 12 decimals.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn round(self) -> Result<Money, MoneyError> {
        /// 10⁻¹² in 10⁻²⁷.
        const UNIT: i128 = 10_i128.pow(15);
        let small = self.small.unwrap_or(0);
        if self.sums.is_empty() {
            let (down, rest) = (small.div_euclid(UNIT), small.rem_euclid(UNIT));
            let up = rest > UNIT / 2 || (rest == UNIT / 2 && down % 2 != 0);
            let units = (down + i128::from(up)).checked_mul(10_i128.pow(SCALE - CONVERTED_SCALE as u32));
            return units.and_then(Money::from_units).ok_or(MoneyError::OutOfRange);
        }
        let sum: BigDecimal = self.sums.into_iter().map(|(divide, sum)| sum / divide).sum();
        let sum = sum + BigDecimal::new(small.into(), 27);
        Money::round(&sum.with_scale_round(CONVERTED_SCALE, RoundingMode::HalfEven))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn code(text: &str) -> Currency {
        text.parse().expect("a code")
    }

    fn table(lines: &[(&str, &str, &str)]) -> Result<RateTable, Vec<String>> {
        let mut entries: BTreeMap<Currency, Vec<RateEntry>> = BTreeMap::new();
        for (currency, from, to_usd) in lines {
            entries.entry(code(currency)).or_default().push(RateEntry { from: day(from), to_usd: (*to_usd).into() });
        }
        RateTable::new(&entries)
    }

    #[track_caller]
    fn convert(table: &RateTable, amount: &str, from: &str, to: &str, on: &str) -> Option<String> {
        let mut converted = Converted::default();
        converted.add(amount.parse().expect("money"), &table.rate(code(from), code(to), day(on))?);
        Some(converted.round().expect("fits").to_string())
    }

    #[test]
    fn converts_by_the_rate_of_the_day() {
        let table = table(&[("EUR", "2026-01-01", "1.08"), ("EUR", "2026-02-01", "1.1"), ("GBP", "2026-01-01", "1.3")])
            .expect("fine");
        let check = |amount, from, to, on, expected: Option<&str>| {
            assert_eq!(convert(&table, amount, from, to, on).as_deref(), expected);
        };
        check("100", "EUR", "USD", "2026-01-31", Some("108"));
        check("100", "EUR", "USD", "2026-02-01", Some("110"));
        check("100", "EUR", "USD", "2025-12-31", None);
        check("100", "USD", "EUR", "2026-02-01", Some("90.909090909091"));
        check("1", "GBP", "EUR", "2026-01-05", Some("1.203703703704"));
        check("7", "JPY", "JPY", "2026-01-05", Some("7"));
        check("0.0000000000005", "USD", "USD", "2026-01-05", Some("0"));
    }

    proptest! {
        #[test]
        fn small_sums_are_rounded_as_large_ones(
            amounts in prop::collection::vec(
                prop_oneof![-10_i128.pow(38) + 1..10_i128.pow(38), -10_i128.pow(22)..10_i128.pow(22), Just(5 * 10_i128.pow(5))], 1..5,
            ),
            rate in prop_oneof![1..3_000_000_000_i64, Just(1_000_000_000), Just(500_000_000)],
        ) {
            let rate = Rate::new(BigDecimal::new(rate.into(), 9), BigDecimal::from(1));
            let slow = Rate { billionths: None, ..rate.clone() };
            prop_assert!(rate.billionths.is_some());
            let (mut one, mut other) = (Converted::default(), Converted::default());
            for amount in amounts {
                let amount = Money::from_units(amount).expect("within the limit");
                one.add(amount, &rate);
                other.add(amount, &slow);
            }
            prop_assert_eq!(one.round(), other.round());
        }
    }

    #[test]
    fn knows_where_rates_change() {
        let table = table(&[("EUR", "2026-01-01", "1.08"), ("EUR", "2026-02-01", "1.1")]).expect("fine");
        let range = DateRange::new(day("2026-01-01"), day("2026-03-01")).expect("days");
        let changes: Vec<_> = table.changes([&code("EUR")], Currency::USD, range).into_iter().collect();
        assert_eq!(changes, [day("2026-02-01")]);
        assert!(table.changes([&Currency::USD], Currency::USD, range).is_empty());
        assert_eq!(table.changes([&Currency::USD], code("EUR"), range).len(), 1);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let problems = table(&[("USD", "2026-01-01", "1"), ("EUR", "2026-01-01", "x"), ("GBP", "2026-01-01", "0")])
            .expect_err("wrong");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
