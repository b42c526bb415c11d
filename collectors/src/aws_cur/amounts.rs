//! What a line costs, in each of the four ways, and its prices and quantities.
//!
//! Numbers are passed on as the texts they are; where one has to be computed it is computed exactly, and normalise rounds
//! it like any other. The survey (`survey.rs`) says the same in its own way: that is the check (P1). Rules: docs/AWS.md.

use std::borrow::Cow;

use outlay_model::money::plain;

use super::lines::LineType;
use super::native::Native;
use crate::native::{Cells, is_short};
use crate::numbers::{number, product};

/// A number as text, if the line has it.
pub(super) type Amount<'a> = Option<Cow<'a, str>>;

const NOTHING: Amount<'static> = Some(Cow::Borrowed("0"));

/// The columns of numbers.
pub(super) struct Amounts<'a> {
    pub quantity: Cells<'a>,
    unblended: [Cells<'a>; 2],
    unblended_rate: [Cells<'a>; 2],
    list_rate: Cells<'a>,
    list_cost: Cells<'a>,
    plan_effective: [Cells<'a>; 2],
    plan_total: Cells<'a>,
    plan_used: Cells<'a>,
    reservation: Cells<'a>,
    reservation_effective: [Cells<'a>; 2],
    unused_upfront: [Cells<'a>; 2],
    unused_recurring: [Cells<'a>; 2],
}

/// The cell of the first column that has one: net of discounts, where the report has such columns.
fn first<'a>(columns: [Cells<'a>; 2], row: usize) -> Option<&'a str> {
    columns.into_iter().find_map(|cells| cells.get(row))
}

impl<'a> Amounts<'a> {
    pub(super) fn of(native: &'a Native) -> Self {
        let one = |name| native.cells(name);
        let net = |net, gross| [native.cells(net), native.cells(gross)];
        Self {
            quantity: one("line_item_usage_amount"),
            unblended: net("line_item_net_unblended_cost", "line_item_unblended_cost"),
            unblended_rate: net("line_item_net_unblended_rate", "line_item_unblended_rate"),
            list_rate: one("pricing_public_on_demand_rate"),
            list_cost: one("pricing_public_on_demand_cost"),
            plan_effective: net(
                "savings_plan_net_savings_plan_effective_cost",
                "savings_plan_savings_plan_effective_cost",
            ),
            plan_total: one("savings_plan_total_commitment_to_date"),
            plan_used: one("savings_plan_used_commitment"),
            reservation: one("reservation_reservation_a_r_n"),
            reservation_effective: net("reservation_net_effective_cost", "reservation_effective_cost"),
            unused_upfront: net(
                "reservation_net_unused_amortized_upfront_fee_for_billing_period",
                "reservation_unused_amortized_upfront_fee_for_billing_period",
            ),
            unused_recurring: net("reservation_net_unused_recurring_fee", "reservation_unused_recurring_fee"),
        }
    }

    /// What the line puts on the invoice.
    pub(super) fn stated(&self, row: usize) -> Option<&'a str> {
        first(self.unblended, row)
    }

    /// What a fee's line says was not used of the commitment; `None` for other lines and where it does not say.
    pub(super) fn unused(&self, line: LineType, row: usize) -> Amount<'a> {
        let (add, more, sign) = match line {
            LineType::ReservationFee => (first(self.unused_upfront, row), first(self.unused_recurring, row), '+'),
            LineType::PlanFee => (Some(self.plan_total.get(row)?), Some(self.plan_used.get(row)?), '-'),
            _ => return None,
        };
        if add.is_none() && more.is_none() {
            return None;
        }
        let (add, more) = (add.unwrap_or("0").trim(), more.unwrap_or("0").trim());
        let short = |text: &str| number(text).filter(|_| is_short(text));
        Some(match (short(add), short(more), sign) {
            (Some(add), Some(more), '+') => plain(&(add + more)).into(),
            (Some(add), Some(more), _) => plain(&(add - more)).into(),
            // No number, so the charge is rejected for it, and says this.
            _ => format!("{add} {sign} {more}").into(),
        })
    }

    /// EffectiveCost.
    pub(super) fn effective(&self, line: LineType, row: usize) -> Amount<'a> {
        match line {
            LineType::Covered => first(self.plan_effective, row).map(Cow::Borrowed),
            LineType::Reserved => first(self.reservation_effective, row).map(Cow::Borrowed),
            LineType::Negation | LineType::PlanUpfront => NOTHING,
            LineType::Fee if self.reservation.get(row).is_some() => NOTHING,
            // Where the fee does not say what of it was used, nobody knows what is left on it.
            LineType::PlanFee | LineType::ReservationFee => self.unused(line, row).and(NOTHING),
            _ => self.stated(row).map(Cow::Borrowed),
        }
    }

    /// ListCost, and whether it is ListUnitPrice × PricingQuantity.
    pub(super) fn list(&self, line: LineType, row: usize) -> (Amount<'a>, bool) {
        match line {
            LineType::Usage | LineType::Reserved | LineType::Covered => {
                let rate = self.list_rate.get(row).zip(self.quantity.get(row));
                if let Some(product) = rate.and_then(|(rate, quantity)| product(rate, quantity)) {
                    return (Some(plain(&product).into()), true);
                }
                let cost = self.list_cost.get(row).filter(|cost| number(cost).is_some());
                (cost.map(Cow::Borrowed), false)
            }
            LineType::Negation | LineType::Discount => (NOTHING, false),
            _ => (self.stated(row).map(Cow::Borrowed), false),
        }
    }

    /// ContractedCost.
    pub(super) fn contracted(&self, line: LineType, row: usize) -> Amount<'a> {
        match line {
            LineType::Reserved => None,
            LineType::Negation => NOTHING,
            _ => self.stated(row).map(Cow::Borrowed),
        }
    }

    /// ListUnitPrice of a line whose list cost is a product.
    pub(super) fn list_price(&self, row: usize) -> Option<&'a str> {
        self.list_rate.get(row).filter(|rate| !rate.trim_start().starts_with('-'))
    }

    /// ContractedUnitPrice: the rate, where it gives exactly what the line costs.
    pub(super) fn contracted_price(&self, line: LineType, row: usize) -> Option<&'a str> {
        if !matches!(line, LineType::Usage | LineType::Covered) {
            return None;
        }
        let rate = first(self.unblended_rate, row).filter(|rate| !rate.trim_start().starts_with('-'))?;
        let (cost, product) = (number(self.stated(row)?)?, product(rate, self.quantity.get(row)?)?);
        (cost == product).then_some(rate)
    }
}
