//! Jobs: what was asked to be collected, and how far that is.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::JobsQuery;
use outlay_model::JobId;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, NoParameters, Segment, parameters, source};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Jobs of one page.
const JOBS: Count = Count { default: 100, most: 1_000 };

parameters! {
    /// Which jobs.
    JobsParameters {
        /// Only of this source.
        source: words::source();
        /// At most so many.
        limit: words::count(JOBS);
        /// `next_cursor` of the page before, with `source` unchanged.
        cursor: words::id();
    }
}

struct JobsAnswers;

impl IntoResponses for JobsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::page::<wire::JobLine<'_>>("Jobs, the newest first.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::Forbidden,
        ])
    }
}

struct JobAnswers;

impl IntoResponses for JobAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::JobLine<'_>>("The job.").refusing(&[Code::Forbidden, Code::UnknownJob])
    }
}

/// What was asked to be collected, and how far it is.
#[utoipa::path(get, path = "/jobs", tag = "sources", params(JobsParameters), responses(JobsAnswers))]
pub async fn list_jobs(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<JobsParameters>,
) -> Result<Response, Problem> {
    let query = JobsQuery { source: source(params.source)?, before: params.cursor.map(JobId::new) };
    let limit = JOBS.read("limit", params.limit.as_deref())?;
    let page = api.insights.jobs(&query, limit, &scope).await?;
    crate::json_tagged(&known, &wire::jobs_json(&page.rows, page.next.map(|id| id.to_string())))
}

/// One job, and how far it is.
#[utoipa::path(
    get,
    path = "/jobs/{job}",
    tag = "sources",
    params(("job" = String, Path, description = "The job's id", example = "01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa")),
    responses(JobAnswers)
)]
pub async fn get_job(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(job): Segment,
    Closed(NoParameters {}): Closed<NoParameters>,
) -> Result<Response, Problem> {
    match api.insights.job(&JobId::new(&*job), &scope).await? {
        Some(job) => crate::json_tagged(&known, &wire::job_json(&job)),
        None => {
            let detail = format!("there is no job {job:?} any more, or there never was; /api/v1/jobs lists them");
            Err(Problem::new(Code::UnknownJob, detail))
        }
    }
}
