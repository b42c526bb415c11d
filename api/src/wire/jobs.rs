//! Jobs: what was asked to be collected, and how far that is.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::job::{Job, JobState, RequestedBy};
use outlay_model::{JobId, SourceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::lists::Page;

/// How far a job is, in deliveries.
#[derive(Serialize, ToSchema)]
pub struct JobProgress {
    /// Those the provider has for the days asked about.
    listed: u64,
    /// Those that were here already as the provider states them.
    skipped: u64,
    /// Those that were collected: committed, or found unchanged.
    done: u64,
    /// Those that failed or were refused; `/runs?job=` says why.
    failed: u64,
}

/// One time a source is collected.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobLine<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: &'a JobId,
    /// Of which source.
    #[schema(value_type = String)]
    source: &'a SourceName,
    /// `queued`, `running`, `done` (every delivery is as the provider states it), `failed` (something could not be had; what
    /// could is in) or `cancelled`.
    #[schema(value_type = String, example = "running")]
    state: JobState,
    /// When it was first asked for.
    requested_at: DateTime<Utc>,
    /// By whom: `schedule`, `cli` or `api`.
    #[schema(value_type = String, example = "schedule")]
    requested_by: RequestedBy,
    /// The first day asked about; null where it is what is new and what the provider may have restated.
    #[schema(required)]
    from: Option<NaiveDate>,
    /// The day after the last, likewise.
    #[schema(required)]
    to: Option<NaiveDate>,
    /// Whether copies are let in that are much smaller than the last.
    accept_shrink: bool,
    /// Whether copies are let in with too many rejected lines.
    accept_rejects: bool,
    /// How often a server has taken it on: more than once where one was lost.
    attempts: u64,
    /// When it was last taken on.
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// How far it is.
    progress: JobProgress,
    /// What to know about it.
    #[schema(required)]
    message: Option<&'a str>,
}

/// One job.
pub fn job_json(job: &Job) -> JobLine<'_> {
    JobLine {
        id: &job.id,
        source: &job.source,
        state: job.state,
        requested_at: job.requested_at,
        requested_by: job.requested_by,
        from: job.request.window.map(|window| window.from()),
        to: job.request.window.map(|window| window.to()),
        accept_shrink: job.request.force.shrink,
        accept_rejects: job.request.force.rejects,
        attempts: job.fence,
        started_at: job.started_at,
        finished_at: job.finished_at,
        progress: JobProgress {
            listed: job.progress.listed,
            skipped: job.progress.skipped,
            done: job.progress.done,
            failed: job.progress.failed,
        },
        message: job.message.as_deref(),
    }
}

/// Jobs, in the order given, and where the next page starts.
pub fn jobs_json(jobs: &[Job], next_cursor: Option<String>) -> impl Serialize {
    Page { data: jobs.iter().map(job_json).collect(), next_cursor }
}
