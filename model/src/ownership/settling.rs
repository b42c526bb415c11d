//! Settling: after bills or rules have changed, every charge gets the owner, and every pool the split, that it should have.
//!
//! It is no job that somebody asks for. What is settled is compared with the catalog's generation, and whoever finds it behind
//! settles; to do it again when there is nothing to do changes nothing.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettlingProgress {
    /// Parts whose charges may have another owner.
    pub parts: u64,
    /// Those that are done.
    pub parts_done: u64,
    /// Charges in those parts.
    pub charges: u64,
    /// Those that are done.
    pub charges_done: u64,
    /// The first day of the month that is at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<NaiveDate>,
}

/// Where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// The generation up to which every charge has its owner and every pool its split.
    pub settled: u64,
    /// The generation of the catalog.
    pub generation: u64,
    /// Which replica is at it, or was when it was last heard of.
    pub holder: Option<String>,
    /// When it was last begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When that ended; `None` while it goes on.
    pub finished_at: Option<DateTime<Utc>>,
    /// How far it is, or was when it ended.
    pub progress: SettlingProgress,
    /// What went wrong the last time it ended, for a person.
    pub message: Option<String>,
}

impl Settling {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled >= self.generation
    }
}

/// The right to settle: it holds until another replica has taken it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlingFence {
    /// Its number.
    pub number: u64,
    /// The generation of the catalog when it was taken on: what was there then can be settled.
    pub generation: u64,
}
