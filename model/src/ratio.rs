//! Exact fractions of amounts: shares, costs of one unit, means. They are divided once, at the end (P2).

use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, Sign};

use crate::Money;
use crate::money::{MoneyError, SCALE};
use crate::rates::rounded;

/// A fraction. What it is of (an amount a unit, a share) is for its user to know.
#[derive(Debug, Clone)]
pub struct Ratio {
    above: BigInt,
    /// Always positive.
    below: BigInt,
}

impl Ratio {
    /// One amount over another; `None` over nothing.
    #[must_use]
    pub fn of(above: Money, below: Money) -> Option<Self> {
        Self::new(above.units().into(), below.units().into())
    }

    /// An amount as it is.
    #[must_use]
    pub fn whole(amount: Money) -> Self {
        Self { above: amount.units().into(), below: BigInt::from(10_i128.pow(SCALE)) }
    }

    /// A count over another; `None` over nothing.
    #[must_use]
    pub fn of_counts(above: u64, below: u64) -> Option<Self> {
        Self::new(above.into(), below.into())
    }

    fn new(above: BigInt, below: BigInt) -> Option<Self> {
        match below.sign() {
            Sign::NoSign => None,
            Sign::Minus => Some(Self { above: -above, below: -below }),
            Sign::Plus => Some(Self { above, below }),
        }
    }

    /// This over another; `None` over nothing.
    #[must_use]
    pub fn over(&self, other: &Self) -> Option<Self> {
        Self::new(&self.above * &other.below, &self.below * &other.above)
    }

    /// This less another.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        Self { above: &self.above * &other.below - &other.above * &self.below, below: &self.below * &other.below }
    }

    /// This and another.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { above: &self.above * &other.below + &other.above * &self.below, below: &self.below * &other.below }
    }

    /// Half-even at 12 decimals.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn rounded(&self) -> Result<Money, MoneyError> {
        rounded(&self.above * 10_i128.pow(SCALE), &self.below)
    }

    /// To two significant digits, half-even: about how much it is.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn about(&self) -> Result<Money, MoneyError> {
        let units = &self.above * 10_i128.pow(SCALE);
        // The largest power of ten that leaves two digits before the point.
        let mut step = BigInt::from(1);
        while BigInt::from(units.magnitude().clone()) >= &self.below * &step * 100 {
            step *= 10;
        }
        let below = &self.below * &step;
        let (sign, units) = (units.sign(), BigInt::from(units.magnitude().clone()));
        let (mut digits, rest) = (&units / &below, units % &below);
        let twice = rest * 2;
        if twice > below || (twice == below && digits.bit(0)) {
            digits += 1;
        }
        let rounded = if sign == Sign::Minus { -digits * step } else { digits * step };
        i128::try_from(rounded).ok().and_then(Money::from_units).ok_or(MoneyError::OutOfRange)
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.above * &other.below).cmp(&(&other.above * &self.below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().expect("money")
    }

    fn of(above: &str, below: &str) -> Ratio {
        Ratio::of(money(above), money(below)).expect("not over nothing")
    }

    #[test]
    fn a_fraction_is_rounded_once_half_even() {
        let check = |above, below, expected| assert_eq!(of(above, below).rounded().expect("fits"), money(expected));
        check("1", "3", "0.333333333333");
        check("2", "3", "0.666666666667");
        check("-2", "3", "-0.666666666667");
        check("2", "-3", "-0.666666666667");
        check("0.000000000001", "2", "0");
        check("0.000000000003", "2", "0.000000000002");
        check("100", "0.5", "200");
        assert_eq!(Ratio::of(money("1"), Money::ZERO), None);
    }

    #[test]
    fn thirds_add_up() {
        let third = of("1", "3");
        assert_eq!(third.and(&third).and(&third), Ratio::whole(money("1")));
        assert_eq!(of("5", "6").less(&of("1", "2")), third);
        assert_eq!(of("1", "6").over(&of("1", "2")), Some(third.clone()));
        assert_eq!(third.over(&third.less(&third)), None);
        assert!(of("-1", "3") < third && third < of("34", "100"));
        assert_eq!(Ratio::of_counts(60, 30).expect("days").rounded().expect("fits"), money("2"));
    }

    #[test]
    fn about_how_much() {
        let check = |amount, expected| {
            assert_eq!(Ratio::whole(money(amount)).about().expect("fits"), money(expected), "{amount}");
        };
        check("1234.5", "1200");
        check("1250", "1200");
        check("1350", "1400");
        check("996", "1000");
        check("12", "12");
        check("0.00123", "0.0012");
        check("-98765", "-99000");
        check("0", "0");
    }
}
