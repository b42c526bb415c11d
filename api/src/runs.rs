//! How the figures came here: runs, what they rejected, reconciliation.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::RunsQuery;
use outlay_model::{JobId, RunId};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, NoParameters, Segment, parameters, source};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Runs of one answer.
const RUNS: Count = Count { default: 100, most: 1_000 };
/// Rejects likewise. More than the most are never kept.
const REJECTS: Count = Count { default: 100, most: 1_000 };
/// What may be wrong with the parameters of these routes.
const LISTED: &[Code] = &[Code::RepeatedParameter, Code::InvalidParameter, Code::Forbidden];

parameters! {
    /// Which runs.
    RunsParameters {
        /// Only of this source.
        source: words::source();
        /// Only those that were made for this job.
        job: words::id();
        /// At most so many.
        limit: words::count(RUNS);
        /// `next_cursor` of the page before, with `source` and `job` unchanged.
        cursor: words::id();
    }
}

parameters! {
    /// How many rejects.
    RejectsParameters {
        /// At most so many, the first.
        limit: words::count(REJECTS);
    }
}

parameters! {
    /// Which reconciliations.
    ReconciliationParameters {
        /// Only of this source.
        source: words::source();
    }
}

struct RunsAnswers;

impl IntoResponses for RunsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::page::<wire::RunLine<'_>>("Runs, the newest first.").refusing(LISTED)
    }
}

struct RunAnswers;

impl IntoResponses for RunAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::RunLine<'_>>("The run.").refusing(&[Code::Forbidden, Code::UnknownRun])
    }
}

struct RejectsAnswers;

impl IntoResponses for RejectsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let answers = Answers::of::<wire::Rejects<'_>>("What the run did not take, in the order it was found.");
        answers.refusing(&[LISTED, &[Code::UnknownRun]].concat())
    }
}

struct ReconciliationAnswers;

impl IntoResponses for ReconciliationAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::list::<wire::ReconciliationLine<'_>>(
            "One line per delivery, billing period, invoice, currency, metric.",
        )
        .refusing(LISTED)
    }
}

/// What was collected or imported, and what came of it.
#[utoipa::path(get, path = "/runs", tag = "figures", params(RunsParameters), responses(RunsAnswers))]
pub async fn list_runs(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<RunsParameters>,
) -> Result<Response, Problem> {
    let RunsParameters { source: name, job, limit, cursor } = params;
    let query = RunsQuery { source: source(name)?, job: job.map(JobId::new), before: cursor.map(RunId::new) };
    let limit = RUNS.read("limit", limit.as_deref())?;
    let page = api.insights.runs(&query, limit, &scope).await?;
    // Runs come and go without a new generation, so the answer itself is what is compared.
    crate::json_tagged(&known, &wire::runs_json(&page.rows, page.next.map(|id| id.to_string())))
}

/// One run.
#[utoipa::path(
    get,
    path = "/runs/{run}",
    tag = "figures",
    params(("run" = String, Path, description = "The run's id", example = "01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa")),
    responses(RunAnswers)
)]
pub async fn get_run(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(run): Segment,
    Closed(NoParameters {}): Closed<NoParameters>,
) -> Result<Response, Problem> {
    let run = RunId::new(run);
    match api.insights.run(&run, &scope).await? {
        Some(run) => crate::json_tagged(&known, &wire::run_json(&run)),
        None => Err(unknown(&run)),
    }
}

/// The lines a run did not take.
///
/// `counts` knows of every line, `data` of the first thousand of a run.
#[utoipa::path(
    get,
    path = "/runs/{run}/rejects",
    tag = "figures",
    params(
        ("run" = String, Path, description = "The run's id", example = "01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa"),
        RejectsParameters
    ),
    responses(RejectsAnswers)
)]
pub async fn list_rejects(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(run): Segment,
    Closed(params): Closed<RejectsParameters>,
) -> Result<Response, Problem> {
    let limit = REJECTS.read("limit", params.limit.as_deref())?;
    let run = RunId::new(run);
    if api.insights.run(&run, &scope).await?.is_none() {
        // A run that rejected nothing and one that never was are different answers.
        return Err(unknown(&run));
    }
    let counts = api.insights.reject_counts(&run, &scope).await?;
    let rejects = api.insights.rejects(&run, limit, &scope).await?;
    crate::json_tagged(&known, &wire::rejects_json(&run, &counts, &rejects))
}

/// Source total against stored, to the last digit.
#[utoipa::path(
    get,
    path = "/reconciliation",
    tag = "figures",
    params(ReconciliationParameters),
    responses(ReconciliationAnswers)
)]
pub async fn list_reconciliation(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<ReconciliationParameters>,
) -> Result<Response, Problem> {
    let source = source(params.source)?;
    let answer =
        async { crate::json(&wire::reconciliation_json(&api.insights.reconciliation(source.as_ref(), &scope).await?)) };
    api.unless_known(&known, &scope, ("reconciliation", &source), answer).await
}

fn unknown(run: &RunId) -> Problem {
    let detail = format!("there never was a run {:?}; /api/v1/runs lists them", run.as_str());
    Problem::new(Code::UnknownRun, detail)
}
