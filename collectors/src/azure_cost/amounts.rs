//! What a line costs, in each of the four ways, and its prices and quantities.
//!
//! Numbers are passed on as the texts they are; where one has to be computed it is computed exactly, and normalise rounds
//! it like any other. The survey (`survey.rs`) says the same in its own way: that is the check (P1). Rules: docs/AZURE.md.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use outlay_model::money::plain;

use super::layout::Field;
use super::lines::{ChargeType, Line};
use super::native::Native;
use super::words;
use crate::input::Statement;
use crate::native::{Cells, is_short};
use crate::numbers::{number, product};

/// A number as text, if the line has it.
pub(super) type Amount<'a> = Option<Cow<'a, str>>;

const NOTHING: Amount<'static> = Some(Cow::Borrowed("0"));

/// The most letters and powers of ten that factors may have together: their product is a number that can be read.
pub(super) const MOST_OF_FACTORS: usize = 120;

/// Whether texts, if they are numbers, may be multiplied. No bill has longer ones, but what is in a bill is not ours to say.
pub(super) fn fit(factors: &[&str]) -> bool {
    if !factors.iter().all(|text| is_short(text)) {
        return false;
    }
    let size = |text: &&str| {
        let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
        exponent.ok().map(|exponent| text.len() + exponent.unsigned_abs() as usize)
    };
    factors.iter().try_fold(0, |sum, text| Some(sum + size(text)?)).is_some_and(|sum| sum <= MOST_OF_FACTORS)
}

/// The columns of numbers.
pub(super) struct Amounts<'a> {
    statement: Statement,
    /// Whether the other statement of the same costs is there too.
    beside: bool,
    lines: &'a [Line],
    cost: Cells<'a>,
    quantity: Cells<'a>,
    unit: Cells<'a>,
    unit_price: Cells<'a>,
    list_price: Cells<'a>,
    list_cost: Cells<'a>,
    rate: Cells<'a>,
    pricing_currency: Cells<'a>,
    currency: Cells<'a>,
}

impl<'a> Amounts<'a> {
    pub(super) fn of(native: &'a Native, statement: Statement, beside: bool) -> Self {
        let one = |field| native.cells(field);
        Self {
            statement,
            beside,
            lines: &native.lines,
            cost: one(Field::Cost),
            quantity: one(Field::Quantity),
            unit: one(Field::Unit),
            unit_price: one(Field::UnitPrice),
            list_price: one(Field::ListPrice),
            list_cost: one(Field::ListCost),
            rate: one(Field::ExchangeRate),
            pricing_currency: one(Field::PricingCurrency),
            currency: one(Field::Currency),
        }
    }

    /// What the line states.
    pub(super) fn stated(&self, row: usize) -> Option<&'a str> {
        self.cost.get(row)
    }

    /// Whether all that is taken of the line is its billed cost, for the other statement has the line as well.
    pub(super) fn folds(&self, row: usize) -> bool {
        self.statement == Statement::Actual && self.beside && !self.lines[row].buys()
    }

    /// Whether the billed cost of the line's charge is stated by the actual lines of its day as well.
    pub(super) fn is_stated_twice(&self, row: usize) -> bool {
        self.statement == Statement::Amortised && self.beside && !self.lines[row].is_covered()
    }

    /// BilledCost.
    pub(super) fn billed(&self, row: usize) -> Amount<'a> {
        match self.statement {
            Statement::Amortised if self.lines[row].is_covered() => NOTHING.filter(|_| self.beside),
            _ => self.stated(row).map(Cow::Borrowed),
        }
    }

    /// EffectiveCost.
    pub(super) fn effective(&self, row: usize) -> Amount<'a> {
        match self.statement {
            Statement::Amortised => self.stated(row).map(Cow::Borrowed),
            // It is in the amortised lines. Where there are none, nobody says what it is.
            Statement::Actual => NOTHING.filter(|_| self.beside),
        }
    }

    /// ListCost.
    pub(super) fn list(&self, row: usize) -> Amount<'a> {
        match self.lines[row].charge_type {
            _ if self.folds(row) => None,
            ChargeType::Usage => match self.list_cost.get(row).filter(|cost| number(cost).is_some()) {
                Some(cost) => Some(Cow::Borrowed(cost)),
                None => self.product(self.list_price, row),
            },
            ChargeType::Unused => NOTHING,
            _ => self.stated(row).map(Cow::Borrowed),
        }
    }

    /// ContractedCost.
    pub(super) fn contracted(&self, row: usize) -> Amount<'a> {
        match self.lines[row].charge_type {
            _ if self.folds(row) => None,
            ChargeType::Usage => self.product(self.unit_price, row),
            ChargeType::Unused => NOTHING,
            _ => self.stated(row).map(Cow::Borrowed),
        }
    }

    /// ListUnitPrice, where the list cost is that times the quantity.
    pub(super) fn list_unit_price(&self, row: usize) -> Amount<'a> {
        let (cost, product) = (self.list(row)?, self.product(self.list_price, row)?);
        (number(&cost)? == number(&product)?).then(|| self.price(self.list_price, row)).flatten()
    }

    /// ContractedUnitPrice, of usage.
    pub(super) fn contracted_unit_price(&self, row: usize) -> Amount<'a> {
        self.product(self.unit_price, row)?;
        self.price(self.unit_price, row)
    }

    /// A price of usage in the currency of the bill. A negative one is none.
    fn price(&self, prices: Cells<'a>, row: usize) -> Amount<'a> {
        if self.lines[row].charge_type != ChargeType::Usage {
            return None;
        }
        let price = prices.get(row).filter(|price| !price.trim_start().starts_with('-'))?;
        match self.exchange(row)? {
            "1" => Some(Cow::Borrowed(price)),
            rate => Some(plain(&(number(price)? * number(rate)?)).into()),
        }
    }

    /// A price times the quantity, by the size of the unit that the price is for, in the currency of the bill.
    fn product(&self, prices: Cells<'a>, row: usize) -> Amount<'a> {
        let (price, quantity) = (prices.get(row)?.trim(), self.quantity.get(row)?.trim());
        let (part, rate) = (words::one_of(self.size(row))?, self.exchange(row)?);
        if !fit(&[price, quantity, &part, rate]) {
            return None;
        }
        let mut cost = product(price, quantity)?;
        for factor in [part.as_str(), rate].into_iter().filter(|factor| *factor != "1") {
            cost *= number(factor)?;
        }
        Some(plain(&cost).into())
    }

    /// What one of the currency that prices are in is of the currency of the bill.
    fn exchange(&self, row: usize) -> Option<&'a str> {
        let (priced, billed) = (self.pricing_currency.get(row), self.currency.get(row));
        let same = |(priced, billed): (&str, &str)| priced.trim().eq_ignore_ascii_case(billed.trim());
        if priced.is_none() || priced.zip(billed).is_some_and(same) {
            return Some("1");
        }
        self.rate.get(row).map(str::trim)
    }

    /// How many of the unit a price is for.
    fn size(&self, row: usize) -> u64 {
        self.unit.get(row).map_or(1, |unit| words::unit(unit).0)
    }

    /// ConsumedQuantity: what was used of it.
    pub(super) fn quantity(&self, row: usize) -> Option<&'a str> {
        self.unit.get(row)?;
        self.quantity.get(row)
    }

    /// PricingQuantity: the same in units that prices are for.
    pub(super) fn pricing_quantity(&self, row: usize) -> Amount<'a> {
        let quantity = self.quantity(row)?;
        if self.lines[row].charge_type == ChargeType::Tax {
            return None;
        }
        let size = self.size(row);
        if size == 1 {
            return Some(Cow::Borrowed(quantity));
        }
        // It is no cost: what has no end is cut at as many digits as are kept.
        match number(quantity).filter(|_| fit(&[quantity.trim()])) {
            Some(number) => Some(plain(&(number / BigDecimal::from(size)).with_prec(60)).into()),
            None => Some(Cow::Borrowed(quantity)),
        }
    }
}
