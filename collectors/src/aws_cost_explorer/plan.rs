//! Which months are asked for, and what asking comes to.

use chrono::{Datelike, Months as More, NaiveDate};
use outlay_model::DateRange;

use super::explorer::PRICE;
use crate::http::dollars;

/// How many months before the present one Cost Explorer has by day: "the past 14 months", the present one included.
pub(super) const REACH_MONTHS: u32 = 13;
/// How many months before the present one are still restated as a matter of course: until the invoice is final, around the
/// seventh; refunds and credits come later, and are noticed by the totals.
pub(super) const RESTATES_MONTHS: u32 = 1;

/// Whole months, the last one through yesterday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Months {
    /// The first of the first.
    from: NaiveDate,
    /// The day after the last day that is asked for.
    to: NaiveDate,
}

/// The months from so many before the present one on, or those of them that the window touches. `None` when the window
/// touches none of them.
pub(super) fn months(today: NaiveDate, back: u32, window: Option<DateRange>) -> Option<Months> {
    let this = today.with_day(1)?;
    let first = this.checked_sub_months(More::new(back.min(REACH_MONTHS)))?;
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
    pub(super) fn days(&self) -> Option<DateRange> {
        DateRange::new(self.from, self.to)
    }

    pub(super) fn first(&self) -> Option<NaiveDate> {
        Some(self.from)
    }

    /// How many of them have days.
    pub(super) fn count(&self) -> usize {
        let firsts = self.from.iter_days().take_while(|day| *day < self.to).filter(|day| day.day() == 1);
        firsts.count()
    }
}

/// What collecting asks, as far as it can be told before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Record types of a month.
    pub record_types: u64,
    /// Refinements of a month, at most: of each account's record types of usage.
    pub refined: u64,
    /// Months before the present one that the first run reads.
    pub backfill_months: u32,
}

/// Runs in a calendar month, one a day, and how often in it a month before is read again: once a week while it is restated, and
/// once when that is over.
const RUNS: u64 = 31;
const REREADS: u64 = 5 * RESTATES_MONTHS as u64 + 1;

impl Plan {
    /// Calls that read a month: its total, its record types, each of them, the refinements, and perhaps the total again.
    fn month(self) -> u64 {
        3 + self.record_types + self.refined
    }

    /// Calls of a run: one for all totals, and the present month.
    fn run(self) -> u64 {
        1 + self.month()
    }

    fn calendar_month(self) -> u64 {
        RUNS * self.run() + REREADS * self.month()
    }

    fn first_run(self) -> u64 {
        1 + u64::from(self.backfill_months + 1) * self.month()
    }

    /// What a person should know of it.
    pub(super) fn notes(self, spent: u64, cap: u64) -> Vec<String> {
        let priced = |calls: u64| format!("{calls} calls ({})", dollars(calls * PRICE));
        let refined = match self.refined {
            0 => String::new(),
            refined => format!(" and up to {refined} refinements"),
        };
        let mut notes = vec![
            format!(
                "a month has {} record types{refined}: reading it takes {}, and one more for each further page of an answer",
                self.record_types,
                priced(self.month())
            ),
            format!(
                "a daily run takes {}, a month of them {}; the first run reads {} months and takes {}",
                priced(self.run()),
                priced(self.calendar_month()),
                self.backfill_months + 1,
                priced(self.first_run())
            ),
            format!("{} of {} are spent this month (monthly_cap_dollars)", dollars(spent), dollars(cap)),
        ];
        let most = (self.calendar_month() + self.first_run()) * PRICE;
        if most > cap {
            notes.push(format!(
                "the first month may cost {}: with monthly_cap_dollars = {} collecting would stop in its course; raise it to {}, \
                 lower backfill_months, or collect less often",
                dollars(most),
                cap / 1_000_000,
                most.div_ceil(1_000_000)
            ));
        }
        notes
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
        check("2026-11-21", 40, None, Some(("2025-10-01", "2026-11-21", 14)));
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
    fn what_collecting_costs_can_be_told_before() {
        let plan = Plan { record_types: 8, refined: 0, backfill_months: 13 };
        assert_eq!((plan.month(), plan.run(), plan.calendar_month(), plan.first_run()), (11, 12, 438, 155));
        assert_eq!(plan.notes(0, 10_000_000).len(), 3);
        assert!(plan.notes(0, 5_000_000)[3].contains("raise it to 6"));
    }
}
