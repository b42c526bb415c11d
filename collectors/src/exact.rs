//! Exact sums of numbers as text, for the survey's side of the conservation check.
//!
//! Numbers are added as integers per power of ten, so no digit is ever rounded, however long. This shares nothing with
//! [`outlay_model::Money`], which is the point: the check compares two ways of reading the same cells (P1).

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

/// An exact, growing sum.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// Powers of ten, and Σ of the integers that are multiplied with each. A bill has a handful of them.
    by_power: Vec<(i32, i128)>,
    /// What no longer fitted an `i128`.
    spilled: BigDecimal,
}

impl ExactSum {
    /// Adds a number. Gives `false`, and adds nothing, when the text is not a number of at most 128 digits and an
    /// exponent within ±60.
    pub fn add(&mut self, text: &str) -> bool {
        match parse(text.as_bytes()) {
            Some((integer, power)) => self.add_scaled(integer, power),
            None => {
                let long = parse_long(text);
                self.spilled += long.as_ref().unwrap_or(&BigDecimal::default());
                return long.is_some();
            }
        }
        true
    }

    /// Adds the number that a double's shortest text names, as [`ExactSum::add`] would.
    pub fn add_double(&mut self, double: f64) -> bool {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format(double);
        // A point or an exponent, and at most 15 digits: no others so short name the double. Of two longer texts that do
        // equally well each printer takes its own, and rejects are priced by the standard library's.
        let short = text.len() <= 16 && (1e-15..1e15).contains(&double.abs());
        double == 0.0 || if short { self.add(text) } else { self.add(&double.to_string()) }
    }

    /// Adds an integer times a power of ten.
    pub fn add_scaled(&mut self, integer: i128, power: i32) {
        let Some((_, sum)) = self.by_power.iter_mut().find(|(known, _)| *known == power) else {
            self.by_power.push((power, integer));
            return;
        };
        match sum.checked_add(integer) {
            Some(total) => *sum = total,
            None => {
                self.spilled += BigDecimal::new(BigInt::from(*sum), -i64::from(power));
                *sum = integer;
            }
        }
    }

    /// Adds the product of numbers. Gives `false`, and adds nothing, when one is none that [`ExactSum::add`] takes.
    pub fn add_product(&mut self, factors: &[&str]) -> bool {
        let short = factors.iter().try_fold((1_i128, 0_i32), |(product, power), factor| {
            let (integer, more) = parse(factor.as_bytes())?;
            Some((product.checked_mul(integer)?, power + more))
        });
        if let Some((product, power)) = short {
            self.add_scaled(product, power);
            return true;
        }
        let long = |text: &str| match parse(text.as_bytes()) {
            Some((integer, power)) => Some(BigDecimal::new(BigInt::from(integer), -i64::from(power))),
            None => parse_long(text),
        };
        let product = factors.iter().try_fold(BigDecimal::from(1), |product, factor| Some(product * long(factor)?));
        self.spilled += product.as_ref().unwrap_or(&BigDecimal::default());
        product.is_some()
    }

    /// Takes another sum away.
    pub fn subtract(&mut self, other: &Self) {
        for (power, sum) in &other.by_power {
            match sum.checked_neg() {
                Some(negative) => self.add_scaled(negative, *power),
                None => self.spilled -= BigDecimal::new(BigInt::from(*sum), -i64::from(*power)),
            }
        }
        self.spilled -= &other.spilled;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        other.by_power.iter().for_each(|(power, sum)| self.add_scaled(*sum, *power));
        self.spilled += &other.spilled;
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
    // Eighteen digits fit a machine word, and few numbers have more.
    let (mut word, mut integer) = (0_u64, None::<i128>);
    let (mut power, mut digits, mut fraction) = (0_i32, 0_u32, false);
    while let Some(byte) = bytes.next_if(|b| b.is_ascii_digit() || (*b == b'.' && !fraction)) {
        if byte == b'.' {
            fraction = true;
            continue;
        }
        let digit = byte - b'0';
        match integer {
            None if digits < 18 => word = word * 10 + u64::from(digit),
            _ => integer = Some(integer.unwrap_or(word.into()).checked_mul(10)?.checked_add(digit.into())?),
        }
        power -= i32::from(fraction);
        digits += 1;
    }
    if !(1..=128).contains(&digits) {
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
    let integer = integer.unwrap_or(word.into());
    bytes.peek().is_none().then_some((if negative { -integer } else { integer }, power))
}

/// The same for digits beyond an `i128`.
fn parse_long(text: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok().filter(|exponent| (-60..=60).contains(exponent))?;
    let (sign, unsigned) = mantissa.split_at(mantissa.starts_with(['-', '+']).into());
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let plain = !digits.is_empty() && digits.len() <= 128 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let integer = plain.then(|| BigInt::parse_bytes(digits.as_bytes(), 10)).flatten()?;
    Some(BigDecimal::new(if sign == "-" { -integer } else { integer }, fraction.len() as i64 - exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use outlay_model::money::plain;
    use proptest::prelude::*;

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
        let zeros = format!("0.{}1", "0".repeat(128));
        for text in [
            "", "-", ".", "1,5", "1.2.3", "NaN", "1e", "1e61", "1 ", "0x1", "-.", "1.-5", "--1", ".-5", &endless,
            &zeros,
        ] {
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

    proptest! {
        #[test]
        fn doubles_are_added_as_their_text(bits in any::<u64>(), share in -1e9..1e9_f64, power in -45..45_i32) {
            let tie = 0.5 + 0.5_f64.powi(17);
            for double in [f64::from_bits(bits), share, share / 3.0, share * 10_f64.powi(power), 0.0, tie] {
                let (mut sum, mut text) = (ExactSum::default(), ExactSum::default());
                prop_assert_eq!(sum.add_double(double), text.add(&double.to_string()), "{:e}", double);
                prop_assert_eq!(sum.total(), text.total(), "{:e}", double);
            }
        }
    }

    #[test]
    fn products_and_differences_keep_every_digit() {
        let mut sum = ExactSum::default();
        let long = "12345678901234567890123456789012345678.5";
        for (one, other) in [("0.02", "6.71E-8"), ("-3", "4e2"), (long, "2"), (long, long)] {
            assert!(sum.add_product(&[one, other]), "{one} × {other}");
        }
        assert!(!sum.add_product(&["1", "No Upfront"]) && !sum.add_product(&["", "1"]));
        let mut less = ExactSum::default();
        assert!(less.add_product(&[long, "1", long]) && less.add(long) && less.add(long) && less.add("-1200"));
        sum.subtract(&less);
        assert_eq!(plain(&sum.total()), "0.000000001342");
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
