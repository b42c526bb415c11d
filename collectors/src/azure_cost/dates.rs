//! Days as Azure writes them: `10/05/2026` (month first), `2026-10-05`, either with a midnight behind it. Ends of periods are
//! the last day, where FOCUS wants the first after it.

use chrono::{Months, NaiveDate};

/// A day that was read.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let end = text.find(['T', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at(end);
    if !is_midnight(time.trim_start_matches(['T', ' '])) {
        return None;
    }
    let numbers = |separator: char| -> Option<[u32; 3]> {
        let pieces: Vec<&str> = date.split(separator).collect();
        let digits = |piece: &&str| !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit());
        let numbers: Vec<u32> =
            pieces.iter().filter(|piece| digits(piece)).filter_map(|piece| piece.parse().ok()).collect();
        (numbers.len() == pieces.len()).then(|| numbers.try_into().ok()).flatten()
    };
    let (year, month, day) = match (numbers('/'), numbers('-')) {
        (Some([month, day, year]), _) | (_, Some([year, month, day])) => (year, month, day),
        _ => return None,
    };
    NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day).filter(|_| (1000..10_000).contains(&year))
}

/// `00:00:00`, with or without fractions and a zone that is UTC, or `12:00:00 AM`.
fn is_midnight(time: &str) -> bool {
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let (clock, half) = time.split_once(' ').unwrap_or((time, ""));
    let noon_or_midnight = clock.strip_prefix("12:").filter(|_| half.eq_ignore_ascii_case("AM"));
    match noon_or_midnight {
        Some(rest) => rest.bytes().all(|byte| b"0:.".contains(&byte)),
        None => half.is_empty() && clock.bytes().all(|byte| b"0:.".contains(&byte)),
    }
}

/// The beginning of a day; a text that is no day stays as it is, for whoever reads instants to judge.
pub(super) fn start(text: &str) -> String {
    day(text).map_or_else(|| text.to_owned(), instant)
}

/// The end of a day.
pub(super) fn end(text: &str) -> Option<String> {
    Some(instant(day(text)?.succ_opt()?))
}

/// The month that a day is in, first day and the first of the next: where a file does not say the billing period.
pub(super) fn month(text: &str) -> Option<(String, String)> {
    let first = chrono::Datelike::with_day(&day(text)?, 1)?;
    Some((instant(first), instant(first.checked_add_months(Months::new(1))?)))
}

fn instant(day: NaiveDate) -> String {
    format!("{day}T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_azure_writes_them() {
        for text in [
            "10/05/2026",
            "10/5/2026",
            "2026-10-05",
            "2026-10-05T00:00:00Z",
            "2026-10-05T00:00:00.0000000",
            "2026-10-05 00:00:00+00:00",
            "10/05/2026 00:00:00",
            "10/5/2026 12:00:00 AM",
        ] {
            assert_eq!(start(text), "2026-10-05T00:00:00Z", "{text}");
            assert_eq!(end(text).as_deref(), Some("2026-10-06T00:00:00Z"), "{text}");
        }
        assert_eq!(end("12/31/2026").as_deref(), Some("2027-01-01T00:00:00Z"));
        let month = month("12/31/2026").expect("a day");
        assert_eq!(month, ("2026-12-01T00:00:00Z".to_owned(), "2027-01-01T00:00:00Z".to_owned()));
    }

    #[test]
    fn what_is_no_day_stays() {
        for text in ["31/10/2026", "2026-10-05T13:00:00Z", "10/05/26", "some day", "", "10/05/2026 12:00:00 PM"] {
            assert_eq!((start(text).as_str(), end(text)), (text, None));
        }
    }
}
