//! What a row costs, in each of the four ways, and its prices.
//!
//! Numbers are passed on as the texts they are; where they have to be added they are added exactly, and normalise rounds
//! the sum like any other. The survey (`survey.rs`) says the same in its own way: that is the check (P1).

use std::borrow::Cow;

use bigdecimal::{BigDecimal, One as _};
use outlay_model::money::plain;

use super::credits::Credit;
use super::lines::Line;
use super::native::Native;
use crate::native::{Cells, is_short};
use crate::numbers::number;

/// A number as text, if the row has it.
pub(super) type Amount<'a> = Option<Cow<'a, str>>;

/// The columns of costs and prices.
pub(super) struct Amounts<'a> {
    cost: Cells<'a>,
    credits: Cells<'a>,
    at_list: Cells<'a>,
    at_default: Cells<'a>,
    list_price: Cells<'a>,
    prices: [Cells<'a>; 2],
    per: Cells<'a>,
}

impl<'a> Amounts<'a> {
    pub(super) fn of(native: &'a Native) -> Self {
        let one = |path| native.cells(path);
        Self {
            cost: one("cost"),
            credits: one("credits"),
            at_list: one("cost_at_list"),
            at_default: one("cost_at_effective_price_default"),
            list_price: one("price.list_price"),
            prices: [one("price.effective_price_default"), one("price.effective_price")],
            per: one("price.pricing_unit_quantity"),
        }
    }

    /// What the row states, before credits.
    pub(super) fn cost(&self, row: usize) -> Option<&'a str> {
        self.cost.get(row)
    }

    /// BilledCost and EffectiveCost: what the row states, and its discounts. `None` for the credits where nobody knows them.
    pub(super) fn billed(&self, row: usize, credits: Option<&[Credit]>) -> Amount<'a> {
        let cost = self.cost(row);
        let Some(credits) = credits else {
            // No number, so the charge is rejected for it, and says this.
            let unreadable = self.credits.get(row).unwrap_or_default();
            return Some(format!("{} + {unreadable}", cost.unwrap_or("0")).into());
        };
        let discounts = || credits.iter().filter(|credit| credit.kind.reduces()).map(|credit| credit.amount.as_str());
        if discounts().next().is_none() {
            return cost.map(Cow::Borrowed);
        }
        let terms = || cost.map(str::trim).into_iter().chain(discounts());
        let sum: Option<BigDecimal> = terms().map(|term| number(term).filter(|_| is_short(term))).sum();
        Some(sum.map_or_else(|| terms().collect::<Vec<_>>().join(" + ") + " +", |sum| plain(&sum)).into())
    }

    /// ListCost. Only usage and fees have a price that could be another than what they cost.
    pub(super) fn list(&self, line: Line, row: usize) -> Option<&'a str> {
        let stated = self.at_list.get(row);
        if line == Line::Usage { stated } else { stated.or_else(|| self.cost(row)) }
    }

    /// ContractedCost: at the prices of the contract, without what commitments change. Before there was a column for that,
    /// none did.
    pub(super) fn contracted(&self, row: usize) -> Option<&'a str> {
        self.at_default.get(row).or_else(|| self.cost(row))
    }

    /// ListUnitPrice.
    pub(super) fn list_price(&self, row: usize) -> Option<&'a str> {
        self.unit_price(self.list_price, row)
    }

    /// ContractedUnitPrice.
    pub(super) fn contracted_price(&self, row: usize) -> Option<&'a str> {
        self.prices.into_iter().find_map(|cells| self.unit_price(cells, row))
    }

    /// A price of one unit: a price of a thousand would have to be divided, which may have no end.
    fn unit_price(&self, cells: Cells<'a>, row: usize) -> Option<&'a str> {
        let one = self.per.get(row).is_none_or(|per| number(per).is_some_and(|per| per.is_one()));
        cells.get(row).filter(|price| one && !price.trim_start().starts_with('-'))
    }
}
