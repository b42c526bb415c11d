//! Converting exactly: rates as fractions, amounts added up before anything is rounded (P7).

use std::collections::BTreeMap;
use std::sync::Arc;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{ToPrimitive, Zero};

use crate::Money;
use crate::money::{MoneyError, SCALE};

/// Decimals a converted amount is rounded to.
pub const CONVERTED_SCALE: u32 = 12;

/// What is rounded away, in units of money.
const UNIT: i128 = 10_i128.pow(SCALE - CONVERTED_SCALE);

/// How finely parts of a unit of money are told apart before a sum is worked out in full.
const FINE: i128 = 10_i128.pow(9);

/// An exact rate, kept as a fraction in its lowest terms so that nothing is rounded before the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    multiply: BigInt,
    divide: BigInt,
    /// The same, where a machine's integers can hold it: nearly always.
    small: Option<(i128, i128)>,
}

impl Rate {
    /// The product of these over the product of those; all are positive.
    pub(super) fn new(above: [i128; 2], below: [i128; 2]) -> Self {
        let product = |[a, b]: [i128; 2]| BigInt::from(a) * b;
        let (above, below) = (product(above), product(below));
        let common = gcd(above.clone(), below.clone());
        let (multiply, divide) = (above / &common, below / &common);
        let small = multiply.to_i64().zip(divide.to_i64());
        Self { small: small.map(|(multiply, divide)| (multiply.into(), divide.into())), multiply, divide }
    }

    /// The fraction itself: what is multiplied by, and what is divided by.
    #[must_use]
    pub fn ratio(&self) -> (BigInt, BigInt) {
        (self.multiply.clone(), self.divide.clone())
    }

    /// What one unit is worth, half-even at 12 decimals: to be looked at, never to be reckoned with.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn rounded(&self) -> Result<Money, MoneyError> {
        let one = BigInt::from(10_i128.pow(SCALE));
        rounded(one * &self.multiply, &self.divide)
    }
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// Amounts of one cell on their way into another currency: added up exactly, rounded once.
#[derive(Debug, Clone, Default)]
pub struct Converted {
    /// Σ of what is in the target currency already.
    own: Money,
    /// The others, each with its rate.
    foreign: Vec<(Money, Arc<Rate>)>,
}

impl Converted {
    /// Adds an amount at its rate.
    pub fn add(&mut self, amount: Money, rate: &Arc<Rate>) {
        self.foreign.push((amount, Arc::clone(rate)));
    }

    /// Adds an amount that already is in the target currency.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the sum does not fit.
    pub fn add_exact(&mut self, amount: Money) -> Result<(), MoneyError> {
        self.own = self.own.checked_add(amount).ok_or(MoneyError::OutOfRange)?;
        Ok(())
    }

    /// Whether nothing was converted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.foreign.is_empty()
    }

    /// The sum, half-even at 12 decimals.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn round(&self) -> Result<Money, MoneyError> {
        match self.narrow() {
            Some(units) => Money::from_units(units).ok_or(MoneyError::OutOfRange),
            None => self.in_full(),
        }
    }

    /// The rounded sum in units, by the machine's integers: each quotient is known to within a fine part below, so the sum is
    /// between two bounds. `None` where these are on two sides of a tie, or something is too large.
    fn narrow(&self) -> Option<i128> {
        let (mut units, mut parts, mut below) = (self.own.units(), 0_i128, 0_i128);
        for (amount, rate) in &self.foreign {
            let (multiply, divide) = rate.small?;
            let product = amount.units().checked_mul(multiply)?;
            units = units.checked_add(product.div_euclid(divide))?;
            let rest = product.rem_euclid(divide) * FINE;
            parts += rest / divide;
            below += i128::from(rest % divide != 0);
        }
        let (down, rest) = (units.div_euclid(UNIT), units.rem_euclid(UNIT) * FINE + parts);
        /// A rounded unit, and half of it, in fine parts.
        const ONE: i128 = UNIT * FINE;
        const HALF: i128 = ONE / 2;
        let whole = rest / ONE;
        let rest = rest % ONE;
        let up = match below {
            0 => rest > HALF || (rest == HALF && (down + whole) % 2 != 0),
            // Above `rest` and below `rest + below`, and so no tie unless one lies between.
            _ if (rest < HALF) == (rest + below - 1 < HALF) && rest + below - 1 < ONE => rest >= HALF,
            _ => return None,
        };
        (down + whole + i128::from(up)).checked_mul(UNIT)
    }

    /// The same, in full: one fraction for each divisor, and at last one of all.
    fn in_full(&self) -> Result<Money, MoneyError> {
        let mut sums: BTreeMap<&BigInt, BigInt> = BTreeMap::new();
        for (amount, rate) in &self.foreign {
            *sums.entry(&rate.divide).or_default() += &rate.multiply * amount.units();
        }
        let (mut above, mut below) = (BigInt::from(self.own.units()), BigInt::from(1));
        for (divide, sum) in sums {
            above = above * divide + sum * &below;
            below *= divide;
        }
        rounded(above, &below)
    }
}

/// A fraction of units, half-even at 12 decimals.
pub(crate) fn rounded(above: BigInt, below: &BigInt) -> Result<Money, MoneyError> {
    let below = below * UNIT;
    let (sign, above) = (above.sign(), BigInt::from(above.magnitude().clone()));
    let (mut whole, rest) = (&above / &below, above % &below);
    let twice = rest * 2;
    if twice > below || (twice == below && whole.bit(0)) {
        whole += 1;
    }
    let whole = if sign == Sign::Minus { -whole } else { whole };
    (whole * UNIT).to_i128().and_then(Money::from_units).ok_or(MoneyError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::num_bigint::BigInt;
    use proptest::prelude::*;

    fn sum(terms: &[(i128, i128, i128)]) -> Converted {
        let mut converted = Converted::default();
        for (units, multiply, divide) in terms {
            let rate = Arc::new(Rate::new([*multiply, 1], [*divide, 1]));
            converted.add(Money::from_units(*units).expect("within the limit"), &rate);
        }
        converted
    }

    /// The definition: a fraction with the product of all divisors below, and the nearest whole number of 10⁻¹².
    fn slow(terms: &[(i128, i128, i128)]) -> Option<i128> {
        let below: BigInt = terms.iter().map(|(_, _, divide)| BigInt::from(*divide)).product();
        let above: BigInt =
            terms.iter().map(|(units, multiply, divide)| BigInt::from(*units) * multiply * (&below / divide)).sum();
        let unit = &below * UNIT;
        let mut whole = &above / &unit;
        if &whole * &unit > above {
            whole -= 1;
        }
        let twice = (&above - &whole * &unit) * 2;
        if twice > unit || (twice == unit && whole.bit(0)) {
            whole += 1;
        }
        (whole * UNIT).to_i128().filter(|units| Money::from_units(*units).is_some())
    }

    fn amounts() -> impl Strategy<Value = i128> {
        prop_oneof![
            -10_i128.pow(38) + 1..10_i128.pow(38),
            -10_i128.pow(24)..10_i128.pow(24),
            -10_000_000_i128..10_000_000,
            (-9_i128..9).prop_map(|half| half * UNIT / 2),
        ]
    }

    fn divisors() -> impl Strategy<Value = i128> {
        prop_oneof![1..30_i128, 10_000..20_000_i128, Just(1_000_000_000), 1..10_i128.pow(37)]
    }

    proptest! {
        #[test]
        fn sums_are_rounded_once_to_the_nearest(
            terms in prop::collection::vec((amounts(), prop_oneof![1..30_i128, 1..2_000_000_i128], divisors()), 1..6),
        ) {
            let converted = sum(&terms);
            let expected = slow(&terms);
            prop_assert_eq!(converted.round().ok().map(Money::units), expected);
            prop_assert_eq!(converted.in_full().ok().map(Money::units), expected);
        }

        #[test]
        fn the_order_does_not_matter(
            mut terms in prop::collection::vec((amounts(), 1..99_i128, divisors()), 1..6),
        ) {
            let one = sum(&terms).round();
            terms.reverse();
            prop_assert_eq!(one, sum(&terms).round());
        }
    }

    #[test]
    fn a_tie_of_parts_that_have_no_end_is_a_tie() {
        // 1/3 and 1/6 of 10⁻¹² are half of it, which goes to the even side: to nothing.
        let tie = sum(&[(UNIT, 1, 3), (UNIT, 1, 6)]);
        assert_eq!(tie.narrow(), None);
        assert_eq!(tie.round(), Ok(Money::ZERO));
        // A unit more, and it is one and a half: to two.
        assert_eq!(sum(&[(UNIT, 1, 3), (UNIT, 1, 6), (UNIT, 1, 1)]).round().map(Money::units), Ok(2 * UNIT));
        assert_eq!(sum(&[(-UNIT, 1, 3), (-UNIT, 1, 6), (-UNIT, 1, 1)]).round().map(Money::units), Ok(-2 * UNIT));
        // A hair above the tie goes up.
        assert_eq!(sum(&[(UNIT, 1, 3), (UNIT, 1, 6), (1, 1, 1)]).round().map(Money::units), Ok(UNIT));
    }

    #[test]
    fn a_rate_is_shown_rounded() {
        assert_eq!(Rate::new([1, 1], [3, 1]).rounded().map(|rate| rate.to_string()).as_deref(), Ok("0.333333333333"));
        assert_eq!(Rate::new([108, 7], [700, 1]).rounded().map(|rate| rate.to_string()).as_deref(), Ok("1.08"));
    }
}
