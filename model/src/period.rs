//! Days, ranges of days, and every word a person may say for one.
//!
//! A day is a UTC day. A [`DateRange`] is half-open and never empty. Whoever parses a word passes `today` in: nothing
//! here reads the clock.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

/// Whole UTC days from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DateRange {
    from: NaiveDate,
    to: NaiveDate,
}

/// A period or date that was not understood. The text says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PeriodError(String);

/// The words [`DateRange::parse_period`] understands, for error texts and documentation.
pub const PERIOD_WORDS: &str = "today, yesterday, last_<N>_days, last_<N>_months, week_to_date, month_to_date, \
    quarter_to_date, year_to_date, this_week, this_month, this_quarter, this_year, last_week, last_month, last_quarter, \
    last_year, a day (2026-10-31), ISO week (2026-W44), month (2026-10), quarter (2026-Q3) or year (2026)";

impl DateRange {
    /// Every day there is.
    pub const ALWAYS: Self = Self { from: NaiveDate::MIN, to: NaiveDate::MAX };

    /// The days from `from` up to, not including, `to`; `None` when that is no day at all.
    #[must_use]
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// The first day.
    #[must_use]
    pub const fn from(self) -> NaiveDate {
        self.from
    }

    /// The day after the last.
    #[must_use]
    pub const fn to(self) -> NaiveDate {
        self.to
    }

    /// How many days.
    #[must_use]
    pub fn days(self) -> u64 {
        self.to.signed_duration_since(self.from).num_days().unsigned_abs()
    }

    /// Whether the day lies inside.
    #[must_use]
    pub fn contains(self, day: NaiveDate) -> bool {
        self.from <= day && day < self.to
    }

    /// The days from the first of both to the last of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// Every day, in order.
    pub fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take_while(move |day| *day < self.to)
    }

    /// The range that `period` names.
    ///
    /// `last_7_days` and its kin are the whole days *before* today, so that what they compare is complete; the
    /// `…_to_date` words include today.
    ///
    /// # Errors
    /// [`PeriodError`] naming the words there are.
    pub fn parse_period(text: &str, today: NaiveDate) -> Result<Self, PeriodError> {
        named(text, today)
            .or_else(|| calendar(text))
            .ok_or_else(|| PeriodError(format!("{text:?} is not a period; use {PERIOD_WORDS}")))
    }

    /// The range between two bounds, each a date, an RFC 3339 instant or epoch milliseconds. Instants inside a day
    /// widen to the whole UTC day.
    ///
    /// # Errors
    /// Which bound is wrong, and a [`PeriodError`] that says how: it is not understood, or `from` is not before `to`.
    pub fn parse_bounds(from: &str, to: &str) -> Result<Self, (&'static str, PeriodError)> {
        let (start, _) = bound(from).map_err(|error| ("from", error))?;
        let (end, inside) = bound(to).map_err(|error| ("to", error))?;
        let end = if inside { end.checked_add_days(Days::new(1)) } else { Some(end) };
        end.and_then(|end| Self::new(start, end))
            .ok_or_else(|| ("from", PeriodError(format!("{from} must be before to ({to}); to is exclusive"))))
    }

    /// Refuses a range longer than a query can cut into buckets: a century, or 400 days of hours.
    ///
    /// # Errors
    /// [`PeriodError`] with the limit.
    pub fn fits(self, granularity: Granularity) -> Result<Self, PeriodError> {
        let most = if granularity == Granularity::Hour { 400 } else { 36_600 };
        if self.days() <= most {
            return Ok(self);
        }
        Err(PeriodError(format!("{self} is {} days long; by {} at most {most} fit", self.days(), granularity.as_str())))
    }

    /// The range of the same shape just before this one: the months before for whole months, else as many days.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        let whole_months = self.from.day() == 1 && self.to.day() == 1;
        let from = if whole_months {
            self.from.checked_sub_months(Months::new(months_between(self.from, self.to)))
        } else {
            self.from.checked_sub_days(Days::new(self.days()))
        };
        from.and_then(|from| Self::new(from, self.from))
    }

    /// The same days a year earlier.
    #[must_use]
    pub fn previous_year(self) -> Option<Self> {
        // The last day moves, not the day after it, which may be a 29 February that has no counterpart.
        let year = Months::new(12);
        let last = self.to.pred_opt()?.checked_sub_months(year)?;
        Self::new(self.from.checked_sub_months(year)?, last.succ_opt()?)
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

fn months_between(from: NaiveDate, to: NaiveDate) -> u32 {
    let months = (to.year() - from.year()) * 12 + to.month() as i32 - from.month() as i32;
    months.unsigned_abs()
}

fn named(text: &str, today: NaiveDate) -> Option<DateRange> {
    let tomorrow = today.checked_add_days(Days::new(1))?;
    let week = Granularity::Week.start_of(today);
    let month = Granularity::Month.start_of(today);
    let quarter = Granularity::Quarter.start_of(today);
    let year = Granularity::Year.start_of(today);
    let whole = |start: NaiveDate, unit: Granularity| DateRange::new(start, unit.next(start)?);
    let before = |start: NaiveDate, unit: Granularity| {
        DateRange::new(unit.start_of(start.checked_sub_days(Days::new(1))?), start)
    };
    match text {
        "today" => DateRange::new(today, tomorrow),
        "yesterday" => DateRange::new(today.checked_sub_days(Days::new(1))?, today),
        "week_to_date" => DateRange::new(week, tomorrow),
        "month_to_date" => DateRange::new(month, tomorrow),
        "quarter_to_date" => DateRange::new(quarter, tomorrow),
        "year_to_date" => DateRange::new(year, tomorrow),
        "this_week" => whole(week, Granularity::Week),
        "this_month" => whole(month, Granularity::Month),
        "this_quarter" => whole(quarter, Granularity::Quarter),
        "this_year" => whole(year, Granularity::Year),
        "last_week" => before(week, Granularity::Week),
        "last_month" => before(month, Granularity::Month),
        "last_quarter" => before(quarter, Granularity::Quarter),
        "last_year" => before(year, Granularity::Year),
        _ => {
            let (count, unit) = text.strip_prefix("last_")?.rsplit_once('_')?;
            let count: u32 = count.parse().ok().filter(|n| (1..=3660).contains(n))?;
            match unit {
                "days" => DateRange::new(today.checked_sub_days(Days::new(count.into()))?, today),
                "months" => DateRange::new(month.checked_sub_months(Months::new(count))?, month),
                _ => None,
            }
        }
    }
}

fn calendar(text: &str) -> Option<DateRange> {
    let whole = |start: NaiveDate, unit: Granularity| DateRange::new(start, unit.next(start)?);
    let digits = |text: &str, count: usize| {
        (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u32>().ok()).flatten()
    };
    let year_text = text.get(..4)?;
    let year = i32::try_from(digits(year_text, 4)?).ok()?;
    match text.get(4..)? {
        "" => whole(NaiveDate::from_ymd_opt(year, 1, 1)?, Granularity::Year),
        rest if rest.starts_with("-Q") => {
            let quarter = digits(&rest[2..], 1).filter(|q| (1..=4).contains(q))?;
            whole(NaiveDate::from_ymd_opt(year, quarter * 3 - 2, 1)?, Granularity::Quarter)
        }
        rest if rest.starts_with("-W") => {
            whole(NaiveDate::from_isoywd_opt(year, digits(&rest[2..], 2)?, Weekday::Mon)?, Granularity::Week)
        }
        rest if rest.len() == 3 => {
            whole(NaiveDate::from_ymd_opt(year, digits(rest.strip_prefix('-')?, 2)?, 1)?, Granularity::Month)
        }
        _ => whole(strict_date(text)?, Granularity::Day),
    }
}

/// `YYYY-MM-DD` and nothing looser.
fn strict_date(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// The UTC day of a bound, and whether the bound lies inside that day rather than at its start.
fn bound(text: &str) -> Result<(NaiveDate, bool), PeriodError> {
    let instant = if let Some(date) = strict_date(text) {
        return Ok((date, false));
    } else if text.len() >= 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok().and_then(DateTime::from_timestamp_millis)
    } else {
        DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc())
    };
    let instant = instant.ok_or_else(|| {
        PeriodError(format!(
            "{text:?} is not a date (2026-10-01), an RFC 3339 instant (2026-10-01T00:00:00Z) or epoch milliseconds"
        ))
    })?;
    let midnight = instant.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    Ok((instant.date_naive(), instant != midnight))
}

/// How finely an answer is cut in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Granularity {
    /// One figure for the whole range.
    #[default]
    Total,
    /// By UTC hour.
    Hour,
    /// By UTC day.
    Day,
    /// By ISO week, starting on Monday.
    Week,
    /// By calendar month.
    Month,
    /// By calendar quarter.
    Quarter,
    /// By calendar year.
    Year,
}

impl Granularity {
    /// All of them, finest last but for `total`.
    pub const ALL: [Self; 7] = [Self::Total, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The first day of the bucket that holds `day`. `total` and `hour` have no coarser bucket than the day itself.
    #[must_use]
    pub fn start_of(self, day: NaiveDate) -> NaiveDate {
        let start = match self {
            Self::Total | Self::Hour | Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
            Self::Month => day.with_day(1),
            Self::Quarter => NaiveDate::from_ymd_opt(day.year(), (day.month0() / 3) * 3 + 1, 1),
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        };
        start.unwrap_or(day)
    }

    /// The first day of the bucket after the one that starts on `start`; `None` past the end of time.
    #[must_use]
    pub fn next(self, start: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Total | Self::Hour | Self::Day => start.checked_add_days(Days::new(1)),
            Self::Week => start.checked_add_days(Days::new(7)),
            Self::Month => start.checked_add_months(Months::new(1)),
            Self::Quarter => start.checked_add_months(Months::new(3)),
            Self::Year => start.checked_add_months(Months::new(12)),
        }
    }
}

impl FromStr for Granularity {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|g| g.as_str() == text).ok_or_else(|| {
            PeriodError(format!("{text:?} is not a granularity; use total, hour, day, week, month, quarter or year"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        strict_date(text).expect("a date")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let today = day("2026-11-21"); // a Saturday
        assert_eq!(DateRange::parse_period(text, today).expect(text).to_string(), expected);
    }

    #[test]
    fn every_period_word() {
        check("today", "2026-11-21..2026-11-22");
        check("yesterday", "2026-11-20..2026-11-21");
        check("last_7_days", "2026-11-14..2026-11-21");
        check("last_30_days", "2026-10-22..2026-11-21");
        check("last_3_months", "2026-08-01..2026-11-01");
        check("week_to_date", "2026-11-16..2026-11-22");
        check("month_to_date", "2026-11-01..2026-11-22");
        check("quarter_to_date", "2026-10-01..2026-11-22");
        check("year_to_date", "2026-01-01..2026-11-22");
        check("this_week", "2026-11-16..2026-11-23");
        check("this_month", "2026-11-01..2026-12-01");
        check("this_quarter", "2026-10-01..2027-01-01");
        check("this_year", "2026-01-01..2027-01-01");
        check("last_week", "2026-11-09..2026-11-16");
        check("last_month", "2026-10-01..2026-11-01");
        check("last_quarter", "2026-07-01..2026-10-01");
        check("last_year", "2025-01-01..2026-01-01");
        check("2026", "2026-01-01..2027-01-01");
        check("2026-Q3", "2026-07-01..2026-10-01");
        check("2026-12", "2026-12-01..2027-01-01");
        check("2026-W53", "2026-12-28..2027-01-04");
        check("2024-02-29", "2024-02-29..2024-03-01");
    }

    #[test]
    fn refuses_what_is_not_a_period() {
        for text in [
            "",
            "2026-13",
            "2026-Q5",
            "2026-W54",
            "last_0_days",
            "last_x_days",
            "2026-1",
            "26-10",
            "october",
            "2026-10-32",
            "+026",
            "２０２６",
        ] {
            assert!(DateRange::parse_period(text, day("2026-11-21")).is_err(), "{text:?}");
        }
    }

    #[test]
    fn bounds_widen_to_whole_days() {
        let check = |from, to, expected| {
            assert_eq!(DateRange::parse_bounds(from, to).map(|r| r.to_string()).as_deref(), Ok(expected));
        };
        check("2026-10-01", "2026-11-01", "2026-10-01..2026-11-01");
        check("2026-10-01T13:00:00Z", "2026-10-03T00:00:00Z", "2026-10-01..2026-10-03");
        check("2026-10-01T01:00:00+02:00", "2026-10-03T00:00:01Z", "2026-09-30..2026-10-04");
        check("1790812800000", "1790899200001", "2026-10-01..2026-10-03");
        assert!(DateRange::parse_bounds("2026-10-01", "2026-10-01").is_err());
        assert!(DateRange::parse_bounds("20261001", "2026-10-02").is_err());
    }

    #[test]
    fn previous_ranges_keep_their_shape() {
        let range = |from, to| DateRange::new(day(from), day(to)).expect("not empty");
        let text = |range: Option<DateRange>| range.map(|r| r.to_string());
        assert_eq!(text(range("2026-10-01", "2026-11-01").previous()).as_deref(), Some("2026-09-01..2026-10-01"));
        assert_eq!(text(range("2026-10-05", "2026-10-12").previous()).as_deref(), Some("2026-09-28..2026-10-05"));
        assert_eq!(text(range("2024-02-01", "2024-02-29").previous_year()).as_deref(), Some("2023-02-01..2023-03-01"));
        assert_eq!(text(range("2024-02-28", "2024-02-29").previous_year()).as_deref(), Some("2023-02-28..2023-03-01"));
        assert_eq!(text(range("2024-02-29", "2024-03-01").previous_year()).as_deref(), Some("2023-02-28..2023-03-01"));
        assert_eq!(text(range("2026-01-01", "2027-01-01").previous_year()).as_deref(), Some("2025-01-01..2026-01-01"));
    }
}
