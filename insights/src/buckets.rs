//! Time buckets of a range, by number, so that two ranges can be laid side by side.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use outlay_model::{DateRange, Granularity};

/// The buckets of a range, in order. A total has none.
#[derive(Debug)]
pub(crate) struct Buckets(Vec<NaiveDateTime>);

impl Buckets {
    /// The buckets that hold a day of the range; the first may start before it.
    pub(crate) fn new(granularity: Granularity, range: DateRange) -> Self {
        let midnight = |day: chrono::NaiveDate| day.and_time(Default::default());
        let first = granularity.start_of(range.from());
        let days = || {
            std::iter::successors(Some(first), |start| granularity.next(*start)).take_while(|start| *start < range.to())
        };
        Self(match granularity {
            Granularity::Total => Vec::new(),
            Granularity::Hour => {
                days().flat_map(|day| (0..24).map(move |hour| midnight(day) + TimeDelta::hours(hour))).collect()
            }
            _ => days().map(midnight).collect(),
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of the bucket that starts then.
    pub(crate) fn number(&self, start: NaiveDateTime) -> Option<usize> {
        self.0.binary_search(&start).ok()
    }

    /// When a bucket starts.
    pub(crate) fn start(&self, number: usize) -> Option<DateTime<Utc>> {
        self.0.get(number).map(NaiveDateTime::and_utc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_numbered_from_the_one_that_holds_the_first_day() {
        let day = |text: &str| text.parse().expect("a day");
        let range = DateRange::new(day("2026-10-01"), day("2026-10-13")).expect("days");
        let weeks = Buckets::new(Granularity::Week, range);
        assert_eq!(weeks.count(), 3);
        assert_eq!(weeks.start(0).map(|start| start.date_naive()), Some(day("2026-09-28")));
        assert_eq!(weeks.number(day("2026-10-05").and_time(Default::default())), Some(1));
        assert_eq!(Buckets::new(Granularity::Hour, range).count(), 12 * 24);
        assert_eq!(Buckets::new(Granularity::Total, range).count(), 0);
    }
}
