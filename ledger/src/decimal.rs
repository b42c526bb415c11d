//! Exact decimals as columns: `Decimal(38, 18)`, moved in and out as whole units of 10⁻¹⁸.
//!
//! Nothing here casts a float. A double becomes a decimal through its shortest text, which is the number the provider
//! wrote (P2).

use chrono::{DateTime, NaiveDate, SecondsFormat};
use outlay_model::Money;
use outlay_model::money::{MoneyError, ReadMoney, SCALE};
use polars::prelude::{
    AnyValue, Column, DataType, Int128Chunked, IntoSeries, NewChunkedArray, PlSmallStr, PolarsResult, Series, TimeUnit,
};

/// The type every cost, price and quantity is stored in.
#[must_use]
pub fn data_type() -> DataType {
    DataType::Decimal(38, SCALE as usize)
}

/// A decimal column from amounts.
pub fn column(name: &str, amounts: impl IntoIterator<Item = Option<Money>>) -> Column {
    let units = amounts.into_iter().map(|amount| amount.map(Money::units));
    Int128Chunked::from_iter_options(PlSmallStr::from_str(name), units)
        .into_decimal_unchecked(38, SCALE as usize)
        .into_series()
        .into()
}

/// The amounts of a decimal column of our own type.
///
/// # Errors
/// When the column is not a decimal.
pub fn amounts(series: &Series) -> PolarsResult<Vec<Option<Money>>> {
    let decimals = series.decimal()?;
    debug_assert_eq!(decimals.scale(), SCALE as usize);
    Ok(decimals.physical().iter().map(|units| units.and_then(Money::from_units)).collect())
}

/// Reads a double as the shortest decimal that names it.
///
/// # Errors
/// [`MoneyError`] for infinities, NaN and numbers that do not fit.
pub fn read_double(double: f64) -> Result<ReadMoney, MoneyError> {
    match short_double(double) {
        Some(money) => Ok(ReadMoney { money, rounding: None }),
        // `{:e}` prints the shortest digits that read back to the same double.
        None => Money::read(&format!("{double:e}")),
    }
}

/// The amount of a double that a decimal of at most 15 digits names, which is what bills write; without its text.
///
/// `n` and `10^d` are exact doubles, and IEEE division rounds correctly. So if `n / 10^d` is the double, it is what the
/// decimal `n·10^-d` reads as. No two decimals of at most 15 digits read as the same double: so this one is the number
/// that was written, and the shortest text of the double, which then has no more digits, is the same number.
fn short_double(double: f64) -> Option<Money> {
    const DIGITS: f64 = 1e15;
    let magnitude = double.abs();
    if magnitude >= DIGITS {
        return None;
    }
    // Decimals for which `n` surely stays below 10^15, from the double's power of two: log10(2) < 0.30103.
    let power_of_two = (magnitude.to_bits() >> 52) as i64 - 1022;
    let whole_digits = (power_of_two * 30103).div_euclid(100_000) + 1;
    let decimals = (15 - whole_digits).clamp(0, i64::from(SCALE)) as usize;
    let n = (magnitude * POWERS_OF_TEN[decimals]).round_ties_even();
    if n >= DIGITS || n / POWERS_OF_TEN[decimals] != magnitude {
        return None;
    }
    let units = i128::from(n as i64) * i128::from(10_i64.pow(SCALE - decimals as u32));
    Money::from_units(if double.is_sign_negative() { -units } else { units })
}

/// The powers of ten up to 10^18, each an exact double.
const POWERS_OF_TEN: [f64; SCALE as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// Reads a decimal of any scale, as Parquet may hold it.
///
/// # Errors
/// [`MoneyError::OutOfRange`] when it does not fit.
pub fn read_scaled(units: i128, scale: usize) -> Result<ReadMoney, MoneyError> {
    let widen = (SCALE as usize).checked_sub(scale).and_then(|shift| 10_i128.checked_pow(u32::try_from(shift).ok()?));
    match widen {
        Some(factor) => units
            .checked_mul(factor)
            .and_then(Money::from_units)
            .map(|money| ReadMoney { money, rounding: None })
            .ok_or(MoneyError::OutOfRange),
        None => Money::read(&format!("{units}e-{scale}")),
    }
}

/// The text of any scalar cell, as a bill might have written it; `None` for null and for nested values.
#[must_use]
pub fn cell_text(cell: &AnyValue<'_>) -> Option<String> {
    match cell {
        AnyValue::Null | AnyValue::List(_) | AnyValue::Struct(..) | AnyValue::StructOwned(_) => None,
        AnyValue::String(text) => Some((*text).to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        // The shortest digits that name it, without an exponent: an account id that became a double is digits again.
        AnyValue::Float64(double) => Some(double.to_string()),
        AnyValue::Float32(float) => Some(float.to_string()),
        AnyValue::Decimal(units, _, scale) => Some(format!("{units}e-{scale}")),
        AnyValue::Boolean(flag) => Some(flag.to_string()),
        AnyValue::Date(days) => NaiveDate::from_epoch_days(*days).map(|day| day.to_string()),
        AnyValue::Datetime(time, unit, _) => instant_text(*time, *unit),
        AnyValue::DatetimeOwned(time, unit, _) => instant_text(*time, *unit),
        other => Some(other.to_string()),
    }
}

fn instant_text(time: i64, unit: TimeUnit) -> Option<String> {
    let instant = match unit {
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(time)),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(time),
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(time),
    };
    instant.map(|instant| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_become_the_number_that_was_written() {
        let read = |double| read_double(double).map(|read| read.money.to_string());
        assert_eq!(read(0.1), Ok("0.1".into()));
        assert_eq!(read(0.0049), Ok("0.0049".into()));
        assert_eq!(read(-1.0e-7), Ok("-0.0000001".into()));
        assert_eq!(read(123456789.123), Ok("123456789.123".into()));
        assert_eq!(read(f64::NAN), Err(MoneyError::Unreadable));
        assert_eq!(read(f64::INFINITY), Err(MoneyError::Unreadable));
        assert_eq!(read(1e300), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn doubles_at_the_edges_of_the_short_way() {
        let edges = [0.0, 5e-324, f64::MIN_POSITIVE, 1e-19, 5e-19, 1e-18, 1e-3, 0.3, 1.0, 1e15, 1e19, 1e20, f64::MAX];
        for edge in edges {
            for double in [edge, edge.next_up(), edge.next_down(), 0.1 + edge, edge * 3.0, edge / 3.0] {
                assert_eq!(read_double(double), Money::read(&format!("{double:e}")), "{double:e}");
                assert_eq!(read_double(-double), Money::read(&format!("{:e}", -double)), "-{double:e}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Any bits; sums and shares, whose digits are many; decimals of every length; and their neighbours.
        #[test]
        fn doubles_are_read_as_their_shortest_text(
            bits in any::<u64>(), share in -1e9..1e9_f64, digits in 0..10_000_000_000_000_000_u64, point in -3..22_i32,
        ) {
            let written: f64 = format!("{digits}e-{point}").replace("--", "").parse().expect("a number");
            for double in [f64::from_bits(bits), share, share / 3.0, written, written.next_up(), -written.next_down()] {
                prop_assert_eq!(read_double(double), Money::read(&format!("{double:e}")));
            }
        }
    }

    #[test]
    fn ids_that_became_doubles_are_digits_again() {
        assert_eq!(cell_text(&AnyValue::Float64(123_456_789_012.0)).as_deref(), Some("123456789012"));
        assert_eq!(cell_text(&AnyValue::Float64(0.1)).as_deref(), Some("0.1"));
        assert_eq!(cell_text(&AnyValue::Null), None);
    }

    #[test]
    fn decimals_of_other_scales_keep_every_digit() {
        assert_eq!(read_scaled(12_345, 2).map(|read| read.money.to_string()), Ok("123.45".into()));
        assert_eq!(read_scaled(5, 20).map(|read| read.money.to_string()), Ok("0".into()));
        assert!(read_scaled(i128::MAX, 0).is_err());
    }

    #[test]
    fn columns_give_back_what_was_put_in() {
        let amounts = [Some("1.5".parse().expect("money")), None, Some(Money::ZERO)];
        let column = column("BilledCost", amounts);
        assert_eq!(column.dtype(), &data_type());
        assert_eq!(super::amounts(column.as_materialized_series()).expect("decimal"), amounts);
    }
}
