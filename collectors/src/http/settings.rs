//! How a source asks its provider.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a source asks its provider: how long, how much at once, how often again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// A connection that is not made after so many seconds is given up: at least 1.
    #[schemars(range(min = 1))]
    pub connect_within_seconds: u32,
    /// A provider that sends nothing for so many seconds is given up: at least 1.
    #[schemars(range(min = 1))]
    pub silent_for_seconds: u32,
    /// An answer that is not there to its end after so many seconds is given up: at least 1. Files may take longer, as
    /// long as something arrives.
    #[schemars(range(min = 1))]
    pub answer_within_seconds: u32,
    /// Requests of a source at once: at least 1.
    #[schemars(range(min = 1))]
    pub requests_at_once: u32,
    /// How often a request is sent before the run fails, when the network or the provider fails: at least 1.
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// Milliseconds before the second attempt, unless the provider says how long; doubled for each further one, and spread
    /// at random.
    pub first_wait_milliseconds: u32,
    /// The most seconds between two attempts. A provider that asks for more fails the run, and the next one tries again.
    pub longest_wait_seconds: u32,
    /// The most requests of a run, repeated ones included: at least 1. A run that needs more fails.
    #[schemars(range(min = 1))]
    pub most_requests: u32,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_within_seconds: 10,
            silent_for_seconds: 60,
            answer_within_seconds: 300,
            requests_at_once: 4,
            attempts: 6,
            first_wait_milliseconds: 500,
            longest_wait_seconds: 120,
            most_requests: 20_000,
        }
    }
}

impl HttpSettings {
    /// What is wrong with them: key and sentence.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let at_least_one = [
            ("connect_within_seconds", self.connect_within_seconds),
            ("silent_for_seconds", self.silent_for_seconds),
            ("answer_within_seconds", self.answer_within_seconds),
            ("requests_at_once", self.requests_at_once),
            ("attempts", self.attempts),
            ("most_requests", self.most_requests),
        ];
        at_least_one.into_iter().filter(|(_, number)| *number == 0).map(|(key, _)| (key, "give at least 1")).collect()
    }

    pub(super) fn first_wait(&self) -> Duration {
        Duration::from_millis(self.first_wait_milliseconds.into())
    }

    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_secs(self.longest_wait_seconds.into())
    }

    pub(crate) fn connect_within(&self) -> Duration {
        Duration::from_secs(self.connect_within_seconds.into())
    }

    pub(crate) fn answer_within(&self) -> Duration {
        Duration::from_secs(self.answer_within_seconds.into())
    }
}

/// Whether it can be asked: an address of a web server, without a password or a query.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<reqwest::Url>().is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    })
}
