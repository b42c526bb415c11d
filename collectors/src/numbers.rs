//! Exact numbers of native cells, for the formats that compute with them. This is the normaliser's side: a survey reads the
//! same cells by [`crate::exact`] and shares nothing of this (P1).

use std::str::FromStr;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use outlay_model::Money;
use outlay_model::money::{ReadMoney, plain};

use crate::native::is_short;

/// An exact number; `None` when the text is none of at most 128 digits and an exponent within ±60.
pub(crate) fn number(text: &str) -> Option<BigDecimal> {
    let text = text.trim();
    if let Ok(ReadMoney { money, rounding: None }) = Money::read(text) {
        return Some(money.to_exact());
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && (1..=128).contains(&count);
    exponent.parse().ok().filter(|exponent: &i32| plain && exponent.abs() <= 60)?;
    BigDecimal::from_str(text).ok()
}

/// The exact product of two numbers.
pub(crate) fn product(one: &str, other: &str) -> Option<BigDecimal> {
    let (one, other) = (one.trim(), other.trim());
    if !(is_short(one) && is_short(other)) {
        return None;
    }
    let units = |text: &str| match Money::read(text) {
        Ok(ReadMoney { money, rounding: None }) => Some(money.units()),
        _ => None,
    };
    // Nearly all products fit a machine's number, which is much faster.
    if let (Some(one), Some(other)) = (units(one), units(other))
        && let Some(product) = one.checked_mul(other)
    {
        return Some(BigDecimal::new(BigInt::from(product), 36));
    }
    Some(number(one)? * number(other)?)
}

/// An exact, growing sum of amounts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    money: Money,
    /// What does not fit: digits beyond the 18th, sums beyond the 20th.
    more: BigDecimal,
}

impl Sum {
    /// Adds an amount.
    pub(crate) fn add(&mut self, ReadMoney { money, rounding }: ReadMoney) {
        match self.money.checked_add(money) {
            Some(sum) => self.money = sum,
            None => self.more += money.to_exact(),
        }
        if let Some(rounding) = rounding {
            self.more += rounding;
        }
    }

    /// Takes an amount away.
    pub(crate) fn subtract(&mut self, ReadMoney { money, rounding }: ReadMoney) {
        match self.money.checked_sub(money) {
            Some(sum) => self.money = sum,
            None => self.more -= money.to_exact(),
        }
        if let Some(rounding) = rounding {
            self.more -= rounding;
        }
    }

    /// Adds an amount of any size.
    pub(crate) fn add_exact(&mut self, amount: &BigDecimal) {
        self.more += amount;
    }

    /// What it adds up to, unless that is nothing.
    pub(crate) fn rest(&self) -> Option<String> {
        let sum = self.money.to_exact() + &self.more;
        (sum != 0).then(|| plain(&sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact() {
        let cases = [
            ("0.02", "6.71E-8", Some("0.000000001342")),
            ("3.06", "744", Some("2276.64")),
            ("0.15", "0.08564975806962156", Some("0.012847463710443234")),
            ("1e-18", "1e-18", Some("0.000000000000000000000000000000000001")),
            ("99999999999999999999", "99999999999999999999", Some("9999999999999999999800000000000000000001")),
            ("No Upfront", "1", None),
        ];
        for (one, other, expected) in cases {
            assert_eq!(product(one, other).map(|product| plain(&product)).as_deref(), expected, "{one} × {other}");
        }
    }

    #[test]
    fn sums_keep_every_digit() {
        let mut sum = Sum::default();
        for text in ["0.1", "99999999999999999999", "99999999999999999999", "-0.1", "1e-20"] {
            sum.add(Money::read(text).expect("a number"));
        }
        assert_eq!(sum.rest().as_deref(), Some("199999999999999999998.00000000000000000001"));
        sum.subtract(Money::read("7").expect("a number"));
        sum.add(Money::read("7").expect("a number"));
        sum.add_exact(&-number(&sum.rest().expect("is not nothing")).expect("a number"));
        assert_eq!(sum.rest(), None);
    }
}
