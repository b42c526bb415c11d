//! Exact decimals for prices, quantities and costs.
//!
//! Kept apart from `outlay-model` on purpose: the demo's figures are the truth the pipeline is checked against,
//! and a fault in the pipeline's own arithmetic must not be able to hide here as well.
//!
//! Invariants: no value passes through a float once it is a [`Decimal`]; a product keeps every digit; the only roundings are
//! [`Decimal::drawn`] (a random quantity becomes a decimal), [`Decimal::rounded`] (an invoice amount becomes whole cents) and
//! [`Decimal::fitting`] (how much a commitment still pays for).
//!
//! Bounds: quantities stay below 10^9 and amounts below 10^9 with at most 12 digits after the point, so units stay below
//! 10^22 and plain `i128` operators cannot overflow.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// `units` × 10^-`scale`. The scale is part of the printed form: 1.50 prints as `1.50`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

const fn power_of_ten(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

impl Decimal {
    /// Zero, printed like any other amount.
    pub(crate) const ZERO: Decimal = Decimal::new(0, 6);

    /// The value `units` × 10^-`scale`.
    pub(crate) const fn new(units: i128, scale: u32) -> Decimal {
        Decimal { units, scale }
    }

    /// A whole amount of money, with the six digits the bills print at least.
    pub(crate) const fn whole(amount: i128) -> Decimal {
        Decimal::new(amount * 1_000_000, 6)
    }

    /// A drawn quantity, rounded once to `scale` digits.
    pub(crate) fn drawn(quantity: f64, scale: u32) -> Decimal {
        let unit = power_of_ten(scale) as f64;
        Decimal::new((quantity * unit).round() as i128, scale)
    }

    /// `percent` hundredths of the value, exactly: the scale grows by two.
    pub(crate) const fn percent(self, percent: i128) -> Decimal {
        Decimal::new(self.units * percent, self.scale + 2)
    }

    /// `part` of `whole` equal parts of the value, rounded down to its own scale; for what is not negative.
    pub(crate) const fn share(self, part: i128, whole: i128) -> Decimal {
        Decimal::new(self.units * part / whole, self.scale)
    }

    /// The largest quantity of `scale` digits that costs no more than `self` at `price` each.
    pub(crate) fn fitting(self, price: Decimal, scale: u32) -> Decimal {
        let product_scale = price.scale + scale;
        let budget = self.rescaled(product_scale.max(self.scale));
        let price = price.units * power_of_ten(budget.scale - product_scale);
        Decimal::new(budget.units.div_euclid(price), scale)
    }

    /// As text without zeros that say nothing: 1.50 is `1.5`.
    pub(crate) fn shortest(self) -> String {
        let text = self.to_string();
        if self.scale == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
    }

    /// The value rounded half-even to `scale` digits.
    pub(crate) fn rounded(self, scale: u32) -> Decimal {
        if scale >= self.scale {
            return self.rescaled(scale);
        }
        let unit = power_of_ten(self.scale - scale);
        let floor = self.units.div_euclid(unit);
        let up = match (self.units.rem_euclid(unit) * 2).cmp(&unit) {
            Ordering::Less => 0,
            Ordering::Equal => floor.rem_euclid(2),
            Ordering::Greater => 1,
        };
        Decimal::new(floor + up, scale)
    }

    /// The same value with at least `scale` digits after the point.
    pub(crate) fn rescaled(self, scale: u32) -> Decimal {
        if scale <= self.scale {
            return self;
        }
        Decimal::new(self.units * power_of_ten(scale - self.scale), scale)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.units == 0
    }

    pub(crate) const fn is_positive(self) -> bool {
        self.units > 0
    }

    pub(crate) const fn scale(self) -> u32 {
        self.scale
    }

    /// An approximation, for drawing quantities only: it never finds its way back into money.
    pub(crate) fn approximate(self) -> f64 {
        self.units as f64 / power_of_ten(self.scale) as f64
    }

    pub(crate) fn smaller(self, other: Decimal) -> Decimal {
        if (self - other).units < 0 { self } else { other }
    }
}

impl Add for Decimal {
    type Output = Decimal;

    fn add(self, other: Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal::new(self.rescaled(scale).units + other.rescaled(scale).units, scale)
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Decimal) {
        *self = *self + other;
    }
}

impl Neg for Decimal {
    type Output = Decimal;

    fn neg(self) -> Decimal {
        Decimal::new(-self.units, self.scale)
    }
}

impl Sub for Decimal {
    type Output = Decimal;

    fn sub(self, other: Decimal) -> Decimal {
        self + -other
    }
}

impl Mul for Decimal {
    type Output = Decimal;

    fn mul(self, other: Decimal) -> Decimal {
        Decimal::new(self.units * other.units, self.scale + other.scale)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let unit = power_of_ten(self.scale).unsigned_abs();
        let magnitude = self.units.unsigned_abs();
        write!(f, "{sign}{}", magnitude / unit)?;
        if self.scale == 0 {
            return Ok(());
        }
        write!(f, ".{:0width$}", magnitude % unit, width = self.scale as usize)
    }
}

/// The four costs of one charge, or a sum of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    pub(crate) list: Decimal,
    pub(crate) contracted: Decimal,
    pub(crate) billed: Decimal,
    pub(crate) effective: Decimal,
}

impl Costs {
    pub(crate) const ZERO: Costs = Costs::same(Decimal::ZERO);

    /// All four the same: what FOCUS asks of charges that have no unit price of their own.
    pub(crate) const fn same(amount: Decimal) -> Costs {
        Costs { list: amount, contracted: amount, billed: amount, effective: amount }
    }

    /// Each cost through the same function.
    pub(crate) fn map(self, f: impl Fn(Decimal) -> Decimal) -> Costs {
        Costs {
            list: f(self.list),
            contracted: f(self.contracted),
            billed: f(self.billed),
            effective: f(self.effective),
        }
    }
}

impl AddAssign for Costs {
    fn add_assign(&mut self, other: Costs) {
        self.list += other.list;
        self.contracted += other.contracted;
        self.billed += other.billed;
        self.effective += other.effective;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_keep_every_digit() {
        let cost = Decimal::new(1920, 5) * Decimal::new(24_001, 3);
        assert_eq!(cost.to_string(), "0.46081920");
        assert_eq!((cost - Decimal::whole(1)).to_string(), "-0.53918080");
        assert_eq!(Decimal::new(250, 3).percent(93).to_string(), "0.23250");
    }

    #[test]
    fn the_shortest_text_has_no_zeros_that_say_nothing() {
        let check = |value: Decimal, expected: &str| assert_eq!(value.shortest(), expected);
        check(Decimal::new(1_500, 3), "1.5");
        check(Decimal::new(-2_000, 3), "-2");
        check(Decimal::new(100, 0), "100");
        check(Decimal::ZERO, "0");
    }

    #[test]
    fn ties_round_to_the_even_neighbour() {
        let check = |units, expected: &str| assert_eq!(Decimal::new(units, 3).rounded(2).to_string(), expected);
        check(1_005, "1.00");
        check(1_015, "1.02");
        check(-1_005, "-1.00");
        check(-1_016, "-1.02");
    }

    #[test]
    fn a_fitting_quantity_never_costs_more_than_the_budget() {
        let budget = Decimal::new(10_000_001, 6);
        let quantity = budget.fitting(Decimal::new(3, 1), 4);
        assert_eq!(quantity.to_string(), "33.3333");
        assert!((budget - quantity * Decimal::new(3, 1)).is_positive());
    }
}
