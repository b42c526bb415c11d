//! On which invoice a row is.
//!
//! Google's invoices are for months in California, whose first hours are still the month before in UTC there: a month begins
//! at 07:00Z or 08:00Z of its first day. The row says which month; usage of the last hours of a month, and what services report late, is often
//! on the next one's invoice, so the time of usage does not tell.

use std::borrow::Cow;

use chrono::{DateTime, Datelike};

use crate::normalise::times::instant;

/// The invoice month of a row, as FOCUS has billing periods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Invoice {
    /// Its first instant; a month that is none as it is stated, so that the row is rejected for it.
    pub start: Option<String>,
    /// The next one's.
    pub end: Option<String>,
    /// The row names no month, so it is taken for the one in which its usage began.
    pub guessed: bool,
}

impl Invoice {
    /// Of what the row states: `invoice.month` and `usage_start_time`.
    pub(super) fn of(month: Option<&str>, usage_start: Option<&str>) -> Self {
        let Some(stated) = month else {
            let month = usage_start.and_then(instant).and_then(month_of);
            return Self { guessed: month.is_some(), ..month.map(Self::months).unwrap_or_default() };
        };
        match read(stated) {
            Some(month) => Self::months(month),
            None => Self { start: Some(stated.to_owned()), ..Self::default() },
        }
    }

    fn months((year, month): (i32, u32)) -> Self {
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Self { start: Some(first((year, month))), end: Some(first(next)), guessed: false }
    }

    /// Whether an instant is before the month.
    pub(super) fn is_after(&self, usage_start: &str) -> bool {
        let start = self.start.as_deref().and_then(instant);
        instant(usage_start).zip(start).is_some_and(|(usage, start)| usage < start)
    }
}

/// `202610`, or `2026-10`.
fn read(text: &str) -> Option<(i32, u32)> {
    let text: Cow<'_, str> = match text.trim().split_once('-') {
        Some((year, month)) => format!("{year}{month}").into(),
        None => text.trim().into(),
    };
    let plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, month) = text.split_at_checked(4).filter(|_| plain)?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    (1..=12).contains(&month).then_some((year, month))
}

/// Midnight in California at the start of a month. Clocks go forward on the second Sunday of March and back on the first of
/// November, at two in the morning: both months begin as the one before ends.
fn first((year, month): (i32, u32)) -> String {
    let hour = if (4..=11).contains(&month) { 7 } else { 8 };
    format!("{year:04}-{month:02}-01T{hour:02}:00:00Z")
}

/// The month of an instant in California.
fn month_of(micros: i64) -> Option<(i32, u32)> {
    let at = DateTime::from_timestamp_micros(micros)?;
    let month = (at.year(), at.month());
    let before = instant(&first(month)).is_some_and(|first| micros < first);
    Some(match month {
        (year, 1) if before => (year - 1, 12),
        (year, month) if before => (year, month - 1),
        month => month,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(month: Option<&str>, usage: Option<&str>, expected: &str) {
        let Invoice { start, end, guessed } = Invoice::of(month, usage);
        let told = [start.as_deref().unwrap_or("-"), end.as_deref().unwrap_or("-")].join(" to ");
        assert_eq!(told + if guessed { ", guessed" } else { "" }, expected, "{month:?} {usage:?}");
    }

    #[test]
    fn a_month_is_one_in_california() {
        check(Some("202610"), None, "2026-10-01T07:00:00Z to 2026-11-01T07:00:00Z");
        check(Some("2026-11"), None, "2026-11-01T07:00:00Z to 2026-12-01T08:00:00Z");
        check(Some("202603"), None, "2026-03-01T08:00:00Z to 2026-04-01T07:00:00Z");
        check(Some("202612"), None, "2026-12-01T08:00:00Z to 2027-01-01T08:00:00Z");
        for other in ["202613", "10/2026", "2026100", "+20261", "2026-1-0"] {
            check(Some(other), Some("2026-10-05 00:00:00 UTC"), &format!("{other} to -"));
        }
    }

    #[test]
    fn a_row_without_a_month_is_of_that_of_its_usage() {
        check(None, Some("2026-10-01 06:59:59 UTC"), "2026-09-01T07:00:00Z to 2026-10-01T07:00:00Z, guessed");
        check(None, Some("2026-10-01T07:00:00Z"), "2026-10-01T07:00:00Z to 2026-11-01T07:00:00Z, guessed");
        check(None, Some("2026-01-01T07:59:00Z"), "2025-12-01T08:00:00Z to 2026-01-01T08:00:00Z, guessed");
        check(None, Some("some day"), "- to -");
        check(None, None, "- to -");
    }
}
