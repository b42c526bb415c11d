//! What can go wrong between here and a provider.

use std::time::Duration;

/// A provider gave no usable answer.
///
/// It holds only texts that were chosen for people: no address with its query, no header, no body, so that it can be
/// shown and logged as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The provider understood, and says no.
    #[error("{place}: refused: {why}; {advice}")]
    Refused {
        /// What was asked for.
        place: String,
        /// What the provider says.
        why: String,
        /// What to do.
        advice: String,
    },
    /// What was asked for is not there.
    #[error("{place}: is not there; {advice}")]
    Missing {
        /// What was asked for.
        place: String,
        /// What to do.
        advice: String,
    },
    /// The credentials are not, or no longer, good, and new ones were no better.
    #[error(
        "{place}: the credentials are not accepted: {why}; look at who issues them, and at the clock of this machine"
    )]
    Expired {
        /// What was asked for.
        place: String,
        /// What the provider says.
        why: String,
    },
    /// The provider asks for fewer requests.
    #[error("{place}: too many requests, says the provider{}{}; {}", said(wait), after(tries), THROTTLED)]
    Throttled {
        /// What was asked for.
        place: String,
        /// How often it was asked for; 0 where that is not known.
        tries: u32,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// The network or the provider fails.
    #[error("{place}: {why}{}; the next run tries again", after(tries))]
    Unavailable {
        /// What was asked for.
        place: String,
        /// How it fails.
        why: String,
        /// How often it was asked for; 0 where that is not known.
        tries: u32,
    },
    /// The run has sent as many requests as it may.
    #[error(
        "the {most} requests that a run may send are spent; raise most_requests in the source's [http], or collect fewer months at once"
    )]
    BudgetSpent {
        /// How many.
        most: u32,
    },
    /// The month's calls have cost as much as they may.
    #[error(
        "a further call would make this month's calls cost {} of {}: raise monthly_cap_dollars, or wait for the next month",
        dollars(*would_be),
        dollars(*cap)
    )]
    CapReached {
        /// What they would have cost with it, in millionths of a dollar.
        would_be: u64,
        /// What they may cost.
        cap: u64,
    },
    /// What calls cost cannot be written down, so none is made.
    #[error("what the calls of this month have cost cannot be written down: {why}")]
    Purse {
        /// Why.
        why: String,
    },
    /// Somebody stopped the run.
    #[error("stopped")]
    Cancelled,
    /// What was being read is not what it was.
    #[error("{place}: was replaced while it was read; the next run reads it from its start")]
    Changed {
        /// What was being read.
        place: String,
    },
    /// The answer is something else than what was asked for.
    #[error("{place}: {what}; {advice}")]
    NotUnderstood {
        /// What was asked for.
        place: String,
        /// What the answer is.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The answer cannot be kept on this machine.
    #[error("{path}: {why}; make room, or correct the folder's permissions")]
    Scratch {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
}

/// What can be done about it.
const THROTTLED: &str = "the next run tries again; if it stays so, collect less often or lower requests_at_once";

/// Millionths of a dollar, as people write them.
pub(crate) fn dollars(micros: u64) -> String {
    let (whole, cents) = (micros / 1_000_000, micros % 1_000_000 / 10_000);
    format!("${whole}.{cents:02}")
}

fn said(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(", and to come back in {} s", wait.as_secs())).unwrap_or_default()
}

fn after(tries: &u32) -> String {
    match tries {
        0 => String::new(),
        1 => ", after 1 attempt".to_owned(),
        tries => format!(", after {tries} attempts"),
    }
}
