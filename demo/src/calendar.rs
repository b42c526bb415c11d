//! The thirteen months a demo covers: twelve whole ones and the current one up to yesterday.
//!
//! Invariants: ranges are half-open; no month is empty, so on the first of a month the current one is absent.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Weekday};

use crate::money::Decimal;

/// The whole range of days the bills cover.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// First day, the first of a month.
    pub(crate) start: NaiveDate,
    /// First day that is not covered.
    pub(crate) today: NaiveDate,
    pub(crate) months: Vec<Month>,
}

/// One billing month.
#[derive(Clone, Debug)]
pub(crate) struct Month {
    /// Position in the window, from 0.
    pub(crate) index: usize,
    pub(crate) start: NaiveDate,
    /// First day of the next month.
    pub(crate) end: NaiveDate,
    /// First day without usage: `end`, or today in the open month.
    pub(crate) charged_until: NaiveDate,
}

/// A day, or a piece of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) day: NaiveDate,
    /// Hours from midnight UTC.
    pub(crate) from: u32,
    pub(crate) until: u32,
}

impl Span {
    pub(crate) fn start(&self) -> NaiveDateTime {
        at(self.day, self.from)
    }

    pub(crate) fn end(&self) -> NaiveDateTime {
        at(self.day, self.until)
    }

    pub(crate) fn hours(&self) -> i128 {
        i128::from(self.until - self.from)
    }

    /// What of a day's quantity is in it. A day's pieces add up to the day.
    pub(crate) fn of(&self, quantity: Decimal) -> Decimal {
        quantity.share(i128::from(self.until), 24) - quantity.share(i128::from(self.from), 24)
    }
}

impl Window {
    /// The window ending on the day before `today`; `None` where the calendar ends.
    pub(crate) fn ending(today: NaiveDate) -> Option<Window> {
        let current = today.with_day(1)?;
        let start = current.checked_sub_months(Months::new(12))?;
        let mut months = Vec::with_capacity(13);
        let mut first = start;
        while first < today {
            let end = first.checked_add_months(Months::new(1))?;
            months.push(Month { index: months.len(), start: first, end, charged_until: end.min(today) });
            first = end;
        }
        Some(Window { start, today, months })
    }

    /// How many days `day` lies after the first one; 0 for days before it.
    pub(crate) fn position(&self, day: NaiveDate) -> usize {
        usize::try_from((day - self.start).num_days()).unwrap_or(0)
    }

    /// Every day with usage, in order.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        days(self.start, self.today)
    }

    /// The day `days` before today, not before the window's start.
    pub(crate) fn ago(&self, days: u64) -> NaiveDate {
        self.today.checked_sub_days(Days::new(days)).map_or(self.start, |day| day.max(self.start))
    }
}

impl Month {
    /// `2026-10`
    pub(crate) fn label(&self) -> String {
        self.start.format("%Y-%m").to_string()
    }

    /// Whether the month still runs, so that nothing in it is invoiced yet.
    pub(crate) fn is_open(&self) -> bool {
        self.charged_until < self.end
    }

    /// How many days have usage.
    pub(crate) fn charged_days(&self) -> i128 {
        i128::from((self.charged_until - self.start).num_days())
    }

    /// Every day with usage, in order.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        days(self.start, self.charged_until)
    }

    /// The `number`th day of the month; the last one where the month is shorter.
    pub(crate) fn day(&self, number: u32) -> NaiveDate {
        let last = self.end.pred_opt().unwrap_or(self.start);
        self.start.with_day(number).unwrap_or(last)
    }
}

fn days(from: NaiveDate, until: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    from.iter_days().take_while(move |day| *day < until)
}

/// That many hours after midnight UTC.
pub(crate) fn at(day: NaiveDate, hours: u32) -> NaiveDateTime {
    NaiveDateTime::from(day) + TimeDelta::hours(i64::from(hours))
}

/// The end of a daily charge.
pub(crate) fn midnight_after(day: NaiveDate) -> NaiveDateTime {
    at(day, 24)
}

/// Saturday or Sunday.
pub(crate) fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(year: i32, month: u32, day: u32) -> Window {
        Window::ending(NaiveDate::from_ymd_opt(year, month, day).expect("a date")).expect("a window")
    }

    #[test]
    fn a_month_in_progress_is_the_thirteenth_and_open() {
        let window = window(2024, 2, 29);
        assert_eq!(window.months.len(), 13);
        assert_eq!(window.start.to_string(), "2023-02-01");
        assert_eq!(window.months[12].charged_days(), 28);
        assert!(window.months[12].is_open());
        assert!(!window.months[11].is_open());
    }

    #[test]
    fn the_first_of_a_month_leaves_only_whole_months() {
        let window = window(2024, 3, 1);
        assert_eq!(window.months.len(), 12);
        assert!(window.months.iter().all(|month| !month.is_open()));
        assert_eq!(window.months[11].charged_days(), 29);
    }

    #[test]
    fn the_pieces_of_a_day_add_up_to_it() {
        let day = "2026-11-01".parse().expect("a date");
        let [early, late, whole] = [(0, 7), (7, 24), (0, 24)].map(|(from, until)| Span { day, from, until });
        for units in [0, 1, 23, 24, 100_001] {
            let quantity = Decimal::new(units, 3);
            assert_eq!((early.of(quantity) + late.of(quantity)).to_string(), quantity.to_string());
            assert_eq!(whole.of(quantity).to_string(), quantity.to_string());
        }
        assert_eq!(
            [early.end(), late.end()].map(|end| end.to_string()),
            ["2026-11-01 07:00:00", "2026-11-02 00:00:00"]
        );
    }

    #[test]
    fn the_calendar_has_an_end() {
        assert!(Window::ending(NaiveDate::MIN).is_none());
    }
}
