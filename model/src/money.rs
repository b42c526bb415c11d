//! Exact money (P2).
//!
//! [`Money`] is a checked `i128` of 10⁻¹⁸ units: wide enough for 10²⁰ of any currency, fine enough for every price a
//! provider quotes. Nothing here touches a float. A source number with more than 18 decimals is rounded half-even once,
//! and what the rounding moved is handed back exactly so that it can be counted (P1).

use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimals that money is kept with.
pub const SCALE: u32 = 18;

/// An exact amount of some currency, in units of 10⁻¹⁸.
///
/// Its text and JSON form is a plain decimal: no exponent, no trailing zeros, every digit it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number such as `12.5` or `3.1E-7`.
    #[error("not a decimal number")]
    Unreadable,
    /// Twenty or more digits before the point.
    #[error("beyond 20 digits before the point")]
    OutOfRange,
}

/// The widest amount that fits `Decimal(38,18)`.
const LIMIT: i128 = 10_i128.pow(38) - 1;

/// A number read from a bill: the amount kept, and the exact difference to the source where it had to be rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMoney {
    /// The amount, half-even at 18 decimals.
    pub money: Money,
    /// `source − kept`; `None` when nothing was lost.
    pub rounding: Option<BigDecimal>,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 10⁻¹⁸, as the store keeps them. `None` beyond 38 digits.
    #[must_use]
    pub const fn from_units(units: i128) -> Option<Self> {
        if units.unsigned_abs() > LIMIT as u128 { None } else { Some(Self(units)) }
    }

    /// In units of 10⁻¹⁸.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Reads a number as bills write it: digits, one point, an optional sign and exponent (`35.2E-7`, `1e+3`).
    ///
    /// # Errors
    /// [`MoneyError`] when it is not such a number, or does not fit.
    pub fn read(text: &str) -> Result<ReadMoney, MoneyError> {
        if let Some(money) = read_plain(text.as_bytes()) {
            return Ok(ReadMoney { money, rounding: None });
        }
        let exact = read_exact(text)?;
        let money = Self::round(&exact)?;
        let lost = exact - money.to_exact();
        Ok(ReadMoney { money, rounding: (lost != 0).then_some(lost) })
    }

    /// Rounds an exact number half-even to 18 decimals.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when it does not fit.
    pub fn round(exact: &BigDecimal) -> Result<Self, MoneyError> {
        let scaled = exact.with_scale_round(i64::from(SCALE), RoundingMode::HalfEven);
        let (digits, _) = scaled.into_bigint_and_exponent();
        digits.to_i128().and_then(Self::from_units).ok_or(MoneyError::OutOfRange)
    }

    /// The same amount as an arbitrary-precision number, for sums that must not overflow and for conversions.
    #[must_use]
    pub fn to_exact(self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.0), i64::from(SCALE))
    }

    /// Adds, or `None` on overflow.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_units)
    }

    /// Subtracts, or `None` on overflow.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_units)
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Whether this is exactly nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The nearest float, for drawing and for telling sizes apart; never to be added up, stored or shown as an amount.
    #[must_use]
    pub fn approximate(self) -> f64 {
        self.0 as f64 / 1e18
    }
}

/// The fast path for what nearly every bill holds: `-?digits[.digits][e±digits]` with at most 18 decimals and 19 digits
/// before.
fn read_plain(text: &[u8]) -> Option<Money> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 38 {
        return None;
    }
    let (mut units, mut decimals, mut exponent, mut seen_point, mut seen_digit) = (0_i128, 0_i32, 0_i32, false, false);
    for (place, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                units = units.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                decimals += i32::from(seen_point);
                seen_digit = true;
            }
            b'.' if !seen_point => seen_point = true,
            b'e' | b'E' => {
                exponent = std::str::from_utf8(&digits[place + 1..]).ok()?.parse().ok()?;
                break;
            }
            _ => return None,
        }
    }
    let shift = (SCALE as i32 - decimals).checked_add(exponent).filter(|_| seen_digit)?;
    let units = units.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    Money::from_units(if negative { -units } else { units })
}

/// Reads any decimal number exactly. Bounded: an exponent beyond ±60 is not money.
fn read_exact(text: &str) -> Result<BigDecimal, MoneyError> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| MoneyError::Unreadable)?),
        None => (text, 0),
    };
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') || !(1..=128).contains(&count) {
        return Err(MoneyError::Unreadable);
    }
    if exponent.abs() > 60 {
        return Err(MoneyError::OutOfRange);
    }
    BigDecimal::from_str(text).map_err(|_| MoneyError::Unreadable)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs();
        let one = 10_u128.pow(SCALE);
        let (whole, fraction) = (digits / one, digits % one);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let fraction = format!("{fraction:018}");
        f.pad(&format!("{sign}{whole}.{}", fraction.trim_end_matches('0')))
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads the canonical text back. A number that would have to be rounded is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = Self::read(text)?;
        if read.rounding.is_some() { Err(MoneyError::OutOfRange) } else { Ok(read.money) }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::Number::from_string_unchecked(self.to_string()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        number.as_str().parse().map_err(serde::de::Error::custom)
    }
}

/// The plain text of an exact number: no exponent, no trailing zeros, so that equal numbers have equal texts.
#[must_use]
pub fn plain(number: &BigDecimal) -> String {
    let text = number.to_plain_string();
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
            if text == "-0" { "0".to_owned() } else { text }
        }
        None => text,
    }
}

/// Exact numbers in JSON: as the text [`plain`] gives them, for `#[serde(with = "exact")]`.
pub mod exact {
    use std::str::FromStr;

    use bigdecimal::BigDecimal;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the plain text.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(number: &BigDecimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::plain(number))
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is not a decimal number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BigDecimal, D::Error> {
        let text = String::deserialize(deserializer)?;
        BigDecimal::from_str(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, kept: &str, lost: Option<&str>) {
        let read = Money::read(text).expect("a number");
        assert_eq!(read.money.to_string(), kept);
        assert_eq!(read.rounding.as_ref().map(plain).as_deref(), lost);
    }

    #[test]
    fn reads_what_bills_write() {
        check("0.00000080000", "0.0000008", None);
        check("0.009865586851323632", "0.009865586851323632", None);
        check("-2.6137", "-2.6137", None);
        check("35.2E-7", "0.00000352", None);
        check("1.0E+7", "10000000", None);
        check("+5", "5", None);
        check(".5", "0.5", None);
        check("5.", "5", None);
        check("-0", "0", None);
        check("99999999999999999999", "99999999999999999999", None);
    }

    #[test]
    fn rounds_longer_numbers_half_even_and_says_what_was_lost() {
        check("0.0000000000000000005", "0", Some("0.0000000000000000005"));
        check("0.0000000000000000015", "0.000000000000000002", Some("-0.0000000000000000005"));
        check("1e-30", "0", Some("0.000000000000000000000000000001"));
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for text in ["", " ", "-", ".", "1,5", "$1.2", "1.2.3", "NaN", "inf", "1e", "0x10", "1_000", "--1", "1e1.5"] {
            assert_eq!(Money::read(text), Err(MoneyError::Unreadable), "{text:?}");
        }
        assert_eq!(Money::read("1e20"), Err(MoneyError::OutOfRange));
        assert_eq!(Money::read("1e999999999"), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn a_thousand_small_charges_add_up() {
        let one: Money = "0.0049".parse().expect("a number");
        let sum = (0..1000).try_fold(Money::ZERO, |sum, _| sum.checked_add(one)).expect("no overflow");
        assert_eq!(sum.to_string(), "4.9");
    }

    proptest! {
        #[test]
        fn print_and_parse_are_inverse(units in -LIMIT..=LIMIT) {
            let money = Money::from_units(units).expect("within the limit");
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
            let json = serde_json::to_string(&money).expect("serialises");
            prop_assert_eq!(&json, &money.to_string());
            prop_assert_eq!(serde_json::from_str::<Money>(&json).expect("deserialises"), money);
        }

        #[test]
        fn the_fast_path_reads_what_the_exact_one_reads(text in "-?[0-9]{0,21}\\.?[0-9]{0,20}([eE][+-]?[0-9]{1,2})?") {
            if let Some(money) = read_plain(text.as_bytes()) {
                prop_assert_eq!(read_exact(&text).map(|exact| exact - money.to_exact()), Ok(BigDecimal::default()));
            }
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,40}") {
            let _ = Money::read(&text);
        }
    }
}
