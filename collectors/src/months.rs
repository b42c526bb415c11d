//! Which months a provider is asked about that is asked by the month.

use chrono::{Datelike, Months as More, NaiveDate};
use outlay_model::DateRange;

/// Whole months, the last one through yesterday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Months {
    /// The first of the first.
    from: NaiveDate,
    /// The day after the last day that is asked for.
    to: NaiveDate,
}

/// The months from so many before the present one on, or those of them that the window touches. `None` when the window
/// touches none of them.
pub(crate) fn months(today: NaiveDate, back: u32, window: Option<DateRange>) -> Option<Months> {
    let this = today.with_day(1)?;
    let first = this.checked_sub_months(More::new(back))?;
    let after = this.checked_add_months(More::new(1))?;
    let (from, to) = match window {
        None => (first, after),
        Some(window) => {
            let last = window.to().pred_opt()?.with_day(1)?.checked_add_months(More::new(1))?;
            (window.from().with_day(1)?.max(first), last.min(after))
        }
    };
    // The end is exclusive, and today is not over.
    (from < to).then(|| Months { from, to: to.min(today) })
}

impl Months {
    /// All their days. On the first of a month that month has none yet.
    pub(crate) fn days(&self) -> Option<DateRange> {
        DateRange::new(self.from, self.to)
    }

    /// The first of the first of them.
    pub(crate) fn first(&self) -> NaiveDate {
        self.from
    }

    /// How many of them have days.
    pub(crate) fn count(&self) -> usize {
        self.each().count()
    }

    /// The days of each of them that has some, the first month first.
    pub(crate) fn each(&self) -> impl Iterator<Item = DateRange> {
        (0..).map_while(move |number| {
            let month = |number| self.from.checked_add_months(More::new(number));
            // Beyond the end there are no days.
            DateRange::new(month(number)?, month(number + 1)?.min(self.to))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    /// The days of the months, and how many they are.
    #[track_caller]
    fn check(today: &str, back: u32, window: Option<(&str, &str)>, expected: Option<(&str, &str, usize)>) {
        let window = window.map(|(from, to)| DateRange::new(day(from), day(to)).expect("a range"));
        let found = months(day(today), back, window);
        let days = found.as_ref().and_then(|months| Some((months.days()?, months.count())));
        let expected = expected.map(|(from, to, count)| (DateRange::new(day(from), day(to)).expect("a range"), count));
        assert_eq!(days, expected);
    }

    #[test]
    fn months_are_whole_but_for_today() {
        check("2026-11-21", 0, None, Some(("2026-11-01", "2026-11-21", 1)));
        check("2026-11-21", 13, None, Some(("2025-10-01", "2026-11-21", 14)));
        // On the first of a month nothing of it is there yet.
        check("2026-11-01", 1, None, Some(("2026-10-01", "2026-11-01", 1)));
        check("2026-11-01", 0, None, None);
    }

    #[test]
    fn a_window_asks_for_the_months_it_touches() {
        let today = "2026-11-21";
        check(today, 13, Some(("2026-10-01", "2026-11-01")), Some(("2026-10-01", "2026-11-01", 1)));
        check(today, 13, Some(("2026-09-30", "2026-10-02")), Some(("2026-09-01", "2026-11-01", 2)));
        check(today, 13, Some(("2020-01-01", "2030-01-01")), Some(("2025-10-01", "2026-11-21", 14)));
        check(today, 1, Some(("2026-09-01", "2026-10-01")), None);
        check(today, 13, Some(("2025-08-01", "2025-10-01")), None);
        check(today, 13, Some(("2026-12-01", "2026-12-02")), None);
    }

    #[test]
    fn each_month_has_its_days() {
        let found = months(day("2026-03-15"), 2, None).expect("there are some");
        let days: Vec<String> = found.each().map(|days| format!("{} {}", days.from(), days.to())).collect();
        assert_eq!(days, ["2026-01-01 2026-02-01", "2026-02-01 2026-03-01", "2026-03-01 2026-03-15"]);
    }
}
