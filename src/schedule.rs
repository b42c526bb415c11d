//! When sources are collected: cron expressions of six fields, in UTC, as the scheduler reads them.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};

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
        self.0.find_next_occurrence(&time, false).ok()
    }

    /// The last time that is not after this one: what a tick is called by, however late it comes.
    #[must_use]
    pub fn last_until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_previous_occurrence(&time, true).ok()
    }
}
