//! The exchange rates that go with the demo's bills.
//!
//! A rate depends on its calendar month alone, so two demos that overlap agree on the months they share, whatever their seed
//! and their `today`.

use chrono::{Datelike, Months, NaiveDate};

use crate::chance;
use crate::money::Decimal;

/// (currency, rate around which it drifts, reach of the drift), both in 1/10 000 dollar for one unit.
const CURRENCIES: [(&str, i64, i64); 2] = [("EUR", 10_850, 420), ("GBP", 12_780, 460)];

/// One dated rate per currency and month for the thirteen months of a demo ending at `today`: (currency, first day it holds,
/// dollars for one unit, as decimal text with four digits after the point).
///
/// The first rate of each currency starts on the window's first day. The list ends early only where the calendar does.
pub fn rates(today: NaiveDate) -> Vec<(String, NaiveDate, String)> {
    let first = today.with_day(1).and_then(|day| day.checked_sub_months(Months::new(12)));
    let months: Vec<NaiveDate> =
        first.iter().flat_map(|day| (0..13).filter_map(|n| day.checked_add_months(Months::new(n)))).collect();
    CURRENCIES
        .iter()
        .flat_map(|(currency, centre, swing)| {
            months.iter().map(|month| (currency.to_string(), *month, to_usd(currency, *centre, *swing, *month)))
        })
        .collect()
}

/// Dollars for one unit of `currency` in the month that starts on this day, where it has rates.
pub(crate) fn dollars(currency: &str, month: NaiveDate) -> Option<Decimal> {
    let (name, centre, swing) = CURRENCIES.iter().find(|(name, ..)| *name == currency)?;
    Some(Decimal::new(i128::from(rate(name, *centre, *swing, month)), 4))
}

fn to_usd(currency: &str, centre: i64, swing: i64, month: NaiveDate) -> String {
    let rate = rate(currency, centre, swing, month);
    format!("{}.{:04}", rate / 10_000, rate % 10_000)
}

/// In 1/10 000 dollar.
fn rate(currency: &str, centre: i64, swing: i64, month: NaiveDate) -> i64 {
    let number = i64::from(month.year()) * 12 + i64::from(month.month0());
    // A slow triangle wave of nineteen months plus a small shake: rates drift, they do not jump.
    let phase = number.rem_euclid(19);
    let triangle = (phase - 9).abs() - 5;
    let shake = (chance::fingerprint(&["rate", currency, &number.to_string()]) % 61) as i64 - 30;
    centre + swing * triangle / 5 + shake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn thirteen_months_of_two_currencies_from_the_first_day() {
        let rates = rates(day("2026-10-17"));
        assert_eq!(rates.len(), 26);
        for (currency, rows) in [("EUR", &rates[..13]), ("GBP", &rates[13..])] {
            assert!(rows.iter().all(|row| row.0 == currency));
            assert_eq!(rows[0].1, day("2025-10-01"));
            assert_eq!(rows[12].1, day("2026-10-01"));
        }
    }

    #[test]
    fn overlapping_demos_agree_and_rates_stay_believable() {
        let (earlier, later) = (rates(day("2026-09-30")), rates(day("2026-10-01")));
        assert_eq!(earlier[1..13], later[..12]);
        for (currency, _, rate) in earlier {
            let rate: f64 = rate.parse().expect("a number");
            let (low, high) = if currency == "EUR" { (1.02, 1.15) } else { (1.21, 1.34) };
            assert!((low..high).contains(&rate), "{currency} {rate}");
        }
    }
}
