//! Instants as bills write them: `2026-10-01T00:00:00Z`, with an offset, with a blank for the T, without a zone, or just
//! a date. Without a zone means UTC (FOCUS says it must be), and is counted.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta};

/// An instant that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadTime {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub micros: i64,
    /// Whether the text named its zone.
    pub zoned: bool,
}

/// Reads instants and remembers them; bills repeat the same few.
#[derive(Debug, Default)]
pub(super) struct TimeReader {
    known: HashMap<String, Option<ReadTime>>,
}

impl TimeReader {
    /// The instant, or `None` when the text is none.
    pub(super) fn read(&mut self, text: &str) -> Option<ReadTime> {
        if let Some(read) = self.known.get(text) {
            return *read;
        }
        if self.known.len() >= 10_000 {
            self.known.clear();
        }
        let read = parse(text.trim());
        self.known.insert(text.to_owned(), read);
        read
    }
}

/// The first day of a billing period that starts at this instant, and whether that is not the instant's own day: bills are
/// for months, and one that starts in the last 14 hours of a month starts at midnight somewhere east of Greenwich.
pub(super) fn billing_day(micros: i64) -> Option<(NaiveDate, bool)> {
    let start = DateTime::from_timestamp_micros(micros)?;
    let (day, east) = (start.date_naive(), (start + TimeDelta::hours(14)).date_naive());
    Some(if east != day && east.day() == 1 { (east, true) } else { (day, false) })
}

/// The same for one text: microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn instant(text: &str) -> Option<i64> {
    parse(text.trim()).map(|time| time.micros)
}

fn parse(text: &str) -> Option<ReadTime> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(ReadTime { micros: instant.timestamp_micros(), zoned: true });
    }
    let (text, zoned) = match text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    is_day(text.split(['T', ' ']).next()?).then(|| ReadTime { micros: local.and_utc().timestamp_micros(), zoned })
}

/// Digits only, and four of them for the year: chrono would also take blanks, and `24-01-01` for the year 24.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts[0].len() == 4 && parts.iter().all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, zoned: bool) {
        let read = TimeReader::default().read(text).expect(text);
        let instant = DateTime::from_timestamp_micros(read.micros).expect("in range");
        assert_eq!((instant.to_rfc3339(), read.zoned), (expected.to_owned(), zoned), "{text}");
    }

    #[test]
    fn reads_what_bills_write() {
        check("2026-10-01T00:00:00Z", "2026-10-01T00:00:00+00:00", true);
        check("2026-10-01T00:00:00.000Z", "2026-10-01T00:00:00+00:00", true);
        check("2026-10-01T02:00:00+02:00", "2026-10-01T00:00:00+00:00", true);
        check("2026-10-01 13:00:00 UTC", "2026-10-01T13:00:00+00:00", true);
        check("2024-09-01 22:00:00", "2024-09-01T22:00:00+00:00", false);
        check("2026-10-01T07:00", "2026-10-01T07:00:00+00:00", false);
        check("2026-10-01", "2026-10-01T00:00:00+00:00", false);
        check("2026-9-1 7:00:00", "2026-09-01T07:00:00+00:00", false);
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "yesterday", "2026-13-01", "10/01/2026", "26-10-01", "2026- 9-01", "2026-10-01T25:00:00Z"] {
            assert_eq!(TimeReader::default().read(text), None, "{text}");
        }
    }
}
