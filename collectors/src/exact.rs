//! Exact sums of numbers as text, for the survey's side of the conservation check.
//!
//! Numbers are added as integers per power of ten, so no digit is ever rounded, however long. This shares nothing with
//! [`outlay_model::Money`], which is the point: the check compares two ways of reading the same cells (P1).

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

/// An exact, growing sum.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// Σ of integers by the power of ten they are multiplied with.
    by_power: BTreeMap<i32, i128>,
    /// What no longer fitted an `i128`.
    spilled: BigDecimal,
}

impl ExactSum {
    /// Adds a number. Gives `false`, and adds nothing, when the text is not a number of at most 128 digits and an
    /// exponent within ±60.
    pub fn add(&mut self, text: &str) -> bool {
        let Some((integer, power)) = parse(text.as_bytes()) else {
            let long = parse_long(text);
            self.spilled += long.as_ref().unwrap_or(&BigDecimal::default());
            return long.is_some();
        };
        let sum = self.by_power.entry(power).or_default();
        match sum.checked_add(integer) {
            Some(total) => *sum = total,
            None => {
                self.spilled += BigDecimal::new(BigInt::from(*sum), -i64::from(power));
                *sum = integer;
            }
        }
        true
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.spilled += other.total();
    }

    /// The sum so far.
    #[must_use]
    pub fn total(&self) -> BigDecimal {
        let powers = self.by_power.iter().map(|(power, sum)| BigDecimal::new(BigInt::from(*sum), -i64::from(*power)));
        powers.fold(self.spilled.clone(), |total, part| total + part)
    }
}

/// `[+-]digits[.digits][e[+-]digits]` as an integer and a power of ten; `None` also for digits beyond an `i128`.
fn parse(text: &[u8]) -> Option<(i128, i32)> {
    let mut bytes = text.iter().copied().peekable();
    let negative = bytes.next_if(|b| matches!(b, b'+' | b'-')) == Some(b'-');
    let (mut integer, mut power, mut digits, mut fraction) = (0_i128, 0_i32, 0_u32, false);
    while let Some(byte) = bytes.next_if(|b| b.is_ascii_digit() || (*b == b'.' && !fraction)) {
        if byte == b'.' {
            fraction = true;
            continue;
        }
        integer = integer.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        power -= i32::from(fraction);
        digits += 1;
    }
    if digits == 0 {
        return None;
    }
    if bytes.next_if(|b| matches!(b, b'e' | b'E')).is_some() {
        let down = bytes.next_if(|b| matches!(b, b'+' | b'-')) == Some(b'-');
        let (mut exponent, mut any) = (0_i32, false);
        while let Some(byte) = bytes.next_if(u8::is_ascii_digit) {
            exponent = exponent.checked_mul(10)?.checked_add(i32::from(byte - b'0'))?;
            any = true;
        }
        if !any || exponent > 60 {
            return None;
        }
        power += if down { -exponent } else { exponent };
    }
    bytes.peek().is_none().then_some((if negative { -integer } else { integer }, power))
}

/// The same for digits beyond an `i128`.
fn parse_long(text: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok().filter(|exponent| (-60..=60).contains(exponent))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    let plain = !unsigned.is_empty() && unsigned.len() <= 128 && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let integer = plain.then(|| BigInt::parse_bytes(digits.as_bytes(), 10)).flatten()?;
    Some(BigDecimal::new(integer, fraction.len() as i64 - exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use outlay_model::money::plain;

    #[test]
    fn adds_every_digit() {
        let mut sum = ExactSum::default();
        for text in ["0.1", "0.2", "1e-30", "-35.2E-7", "+5", "1.0E+7", "99999999999999999999"] {
            assert!(sum.add(text), "{text}");
        }
        assert_eq!(plain(&sum.total()), "100000000000010000004.299996480000000000000000000001");
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        let mut sum = ExactSum::default();
        let endless = "1".repeat(129);
        for text in ["", "-", ".", "1,5", "1.2.3", "NaN", "1e", "1e61", "1 ", "0x1", "-.", "1.-5", "--1", &endless] {
            assert!(!sum.add(text), "{text}");
        }
        assert_eq!(plain(&sum.total()), "0");
    }

    #[test]
    fn adds_numbers_longer_than_any_integer() {
        let mut sum = ExactSum::default();
        let long = format!("-0.{}1E-3", "0".repeat(50));
        for text in ["7.0000000000000000000000000000000000000000", long.as_str(), "+1e5"] {
            assert!(sum.add(text), "{text}");
        }
        assert_eq!(plain(&sum.total()), format!("100006.{}", "9".repeat(54)));
    }

    #[test]
    fn never_overflows() {
        let mut sum = ExactSum::default();
        for _ in 0..3 {
            assert!(sum.add("99999999999999999999999999999999999999"));
        }
        assert_eq!(plain(&sum.total()), "299999999999999999999999999999999999997");
    }
}
