//! What asking comes to.

use super::explorer::PRICE;
use crate::http::dollars;

/// How many months before the present one Cost Explorer has by day: "the past 14 months", the present one included.
pub(super) const REACH_MONTHS: u32 = 13;
/// How many months before the present one are still restated as a matter of course: until the invoice is final, around the
/// seventh; refunds and credits come later, and are noticed by the totals.
pub(super) const RESTATES_MONTHS: u32 = 1;

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

    #[test]
    fn what_collecting_costs_can_be_told_before() {
        let plan = Plan { record_types: 8, refined: 0, backfill_months: 13 };
        assert_eq!((plan.month(), plan.run(), plan.calendar_month(), plan.first_run()), (11, 12, 438, 155));
        assert_eq!(plan.notes(0, 10_000_000).len(), 3);
        assert!(plan.notes(0, 5_000_000)[3].contains("raise it to 6"));
    }
}
