//! Sources: accounts with providers that bills are collected from, as the configuration tells of them.

use serde::{Deserialize, Serialize};

use crate::SourceName;

/// Whether what a source states counts (P4).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It does. No other primary source may state the same days of the same billing account.
    #[default]
    Primary,
    /// It is kept and reconciled only: no total knows of it.
    Shadow,
}

impl Role {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Shadow => "shadow",
        }
    }
}

/// What a source brings.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Yields {
    /// Bills: days of charges.
    #[default]
    Charges,
    /// Exchange rates. It states no charge, so no day is missing and no total waits for it.
    Rates,
}

impl Yields {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charges => "charges",
            Self::Rates => "rates",
        }
    }
}

/// A source as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it collects, such as `aws_data_export`.
    pub kind: String,
    /// What that is.
    #[serde(default)]
    pub yields: Yields,
    /// Whether it counts.
    pub role: Role,
    /// When it is collected: a cron expression of six fields, in UTC. `None`: only on demand.
    pub schedule: Option<String>,
    /// Where that is, for people; nothing secret.
    pub place: String,
    /// How many months before the running one are read again because the provider may still restate them.
    pub restates_months: u32,
}

/// How sure the figures of a day are (P6), from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DayState {
    /// Nothing is stated for it.
    Missing,
    /// The provider calls it estimated, or its billing month is not over.
    Provisional,
    /// Its billing month is over, but still read again.
    Settling,
    /// It is not read again by itself.
    Final,
}

impl DayState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Provisional => "provisional",
            Self::Settling => "settling",
            Self::Final => "final",
        }
    }
}
