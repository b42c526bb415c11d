//! What asking comes to.

use outlay_model::DateRange;

use crate::months::Months;

/// How many months before the present one Azure has costs of: seven years.
pub(super) const REACH_MONTHS: u32 = 83;
/// How many months before the present one are still restated as a matter of course: a month is closed within three days of its
/// end, and may move until the fifth.
pub(super) const RESTATES_MONTHS: u32 = 1;
/// Until which day of a month the one before it is read again each day.
pub(super) const SETTLED_ON: u32 = 10;
/// For how many days after its end a month is not closed.
pub(super) const CLOSED_AFTER: u64 = 5;

/// Queries of a year at most are answered.
const YEAR: usize = 12;

/// The months in pieces that can be asked for at once.
pub(super) fn years(months: &Months) -> Vec<DateRange> {
    let months: Vec<DateRange> = months.each().collect();
    let ends = |piece: &[DateRange]| DateRange::new(piece.first()?.from(), piece.last()?.to());
    months.chunks(YEAR).filter_map(ends).collect()
}

/// What collecting asks, as far as it can be told before. Azure counts a query about a month as one unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Charge types of a month.
    pub charge_types: u64,
    /// Queries that refine a month.
    pub refined: u64,
    /// Whether there is more to refine than could be counted.
    pub more: bool,
    /// Whether names are asked for.
    pub names: bool,
    /// Months before the present one that the first run reads.
    pub backfill_months: u32,
}

/// Runs in a calendar month, and how many of them read the month before as well.
const RUNS: u64 = 31;

impl Plan {
    /// Queries that read a month: each of its totals, charge types and cells, twice; and perhaps the totals again.
    fn month(self) -> u64 {
        2 * (3 + self.charge_types) + self.refined + u64::from(self.names)
    }

    /// The totals of all months.
    fn totals(self) -> u64 {
        2 * u64::from(self.backfill_months + 1)
    }

    fn run(self) -> u64 {
        self.totals() + self.month()
    }

    fn calendar_month(self) -> u64 {
        RUNS * self.run() + u64::from(SETTLED_ON) * self.month()
    }

    fn first_run(self) -> u64 {
        self.totals() + u64::from(self.backfill_months + 1) * self.month()
    }

    /// What a person should know of it.
    pub(super) fn notes(self) -> Vec<String> {
        let refined = match (self.refined, self.more) {
            (0, _) => String::new(),
            (refined, false) => format!(" and up to {refined} refinements"),
            (refined, true) => {
                format!(" and {refined} refinements or more: the values of the later ones are not known yet")
            }
        };
        vec![
            format!(
                "a month has {} charge types{refined}: reading it takes {} queries (1 QPU each), and one more for each further page of an answer",
                self.charge_types,
                self.month()
            ),
            format!(
                "a run that reads the present month takes {} QPU, a calendar month of them, one a day, {}; the first run reads {} months \
                 and takes {}; Azure answers 12 in ten seconds, 60 in a minute, 600 in an hour",
                self.run(),
                self.calendar_month(),
                self.backfill_months + 1,
                self.first_run()
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::months::months;

    #[test]
    fn no_query_is_about_more_than_a_year() {
        let months = months("2026-11-21".parse().expect("a day"), 13, None).expect("there are some");
        let pieces: Vec<String> = years(&months).iter().map(|days| format!("{} {}", days.from(), days.to())).collect();
        assert_eq!(pieces, ["2025-10-01 2026-10-01", "2026-10-01 2026-11-21"]);
    }

    #[test]
    fn what_collecting_takes_can_be_told_before() {
        let plan = Plan { charge_types: 4, refined: 6, more: false, names: true, backfill_months: 13 };
        assert_eq!((plan.month(), plan.run(), plan.calendar_month(), plan.first_run()), (21, 49, 1729, 322));
        assert!(plan.notes()[0].contains("4 charge types and up to 6 refinements: reading it takes 21 queries"));
    }
}
