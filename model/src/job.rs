//! Jobs: work on a source that takes time. Whoever wants it done adds one; any replica does it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::part::Force;
use crate::{DateRange, JobId, SourceName};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for a replica.
    Queued,
    /// A replica is at it, or was until its lease ended.
    Running,
    /// Every delivery is as the provider states it.
    Done,
    /// Something could not be had; what could is in.
    Failed,
    /// It was given up before it was done; the message says why.
    Cancelled,
}

impl JobState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more becomes of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Who wanted a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestedBy {
    /// The source's schedule.
    Schedule,
    /// Somebody at the command line.
    Cli,
    /// Somebody over HTTP.
    Api,
}

impl RequestedBy {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Cli => "cli",
            Self::Api => "api",
        }
    }
}

/// What is to be collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// These days, whatever is known of them. `None`: what is new, and what the provider may have restated.
    pub window: Option<DateRange>,
    /// What is let in although a guard would refuse it.
    pub force: Force,
}

/// How far a job is, in deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobProgress {
    /// Those the provider has in the window.
    pub listed: u64,
    /// Those that are live already as the provider states them.
    pub skipped: u64,
    /// Those that were collected: committed, or found unchanged.
    pub done: u64,
    /// Those that failed or were refused.
    pub failed: u64,
}

/// One time a source is collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Which source.
    pub source: SourceName,
    /// Where it stands.
    pub state: JobState,
    /// When it was first wanted.
    pub requested_at: DateTime<Utc>,
    /// By whom.
    pub requested_by: RequestedBy,
    /// What is to be done.
    pub request: Request,
    /// Which replica is at it, or was.
    pub holder: Option<String>,
    /// Until when it is that replica's, unless it gives another sign of life.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often a replica has taken it on. With it goes the right to commit: who has an older number has lost it.
    pub fence: u64,
    /// When it was last taken on.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How far it is.
    pub progress: JobProgress,
    /// What to tell a person.
    pub message: Option<String>,
}

impl Job {
    /// What commits on its behalf are fenced with.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { job: self.id.clone(), number: self.fence }
    }
}

/// The right to work on a job: it holds until another replica has taken the job on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Which job.
    pub job: JobId,
    /// Its number when it was taken on.
    pub number: u64,
}
