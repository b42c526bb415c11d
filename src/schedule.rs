//! When sources are collected: cron expressions of six fields, in UTC, as the scheduler reads them.

use chrono::{DateTime, Timelike as _, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};

/// When a source of this schedule is collected next; `None` when never.
#[must_use]
pub fn next_tick(schedule: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Schedule::parse(schedule).ok()?.next_after(now)
}

/// A cron expression that was understood.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`CronError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        parser.parse(text).map(Self)
    }

    /// The first time after this one; `None` when there is no such.
    #[must_use]
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_next_occurrence(&whole_second(time)?, false).ok()
    }

    /// The last time that is not after this one: what a tick is called by, however late it comes.
    #[must_use]
    pub fn last_until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_previous_occurrence(&whole_second(time)?, true).ok()
    }
}

/// croner leaves fractions of a second as they are; every replica has to find the same time.
fn whole_second(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    time.with_nanosecond(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_has_one_time_whenever_it_is_asked_for() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let check = |schedule: &str, now: &str, last: &str, next: &str| {
            let schedule = Schedule::parse(schedule).expect("a schedule");
            assert_eq!(
                (schedule.last_until(time(now)), schedule.next_after(time(now))),
                (Some(time(last)), Some(time(next)))
            );
        };
        check("* * * * * *", "2026-11-21T08:00:00.9Z", "2026-11-21T08:00:00Z", "2026-11-21T08:00:01Z");
        check("* * * * * *", "2026-11-21T08:00:01Z", "2026-11-21T08:00:01Z", "2026-11-21T08:00:02Z");
        check("0 15 */6 * * *", "2026-11-21T08:15:00.123Z", "2026-11-21T06:15:00Z", "2026-11-21T12:15:00Z");
        check("0 15 */6 * * *", "2026-11-21T06:15:00.123Z", "2026-11-21T06:15:00Z", "2026-11-21T12:15:00Z");
        check("0 15 */6 * * *", "2026-11-21T06:14:59.999Z", "2026-11-21T00:15:00Z", "2026-11-21T06:15:00Z");
        check("0 0 0 1 1 *", "2026-11-21T08:00:00.5Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    }
}
