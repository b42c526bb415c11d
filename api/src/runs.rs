//! How the figures came here: runs, what they rejected and moved, reconciliation, exchange rates.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use outlay_model::query::ParameterError;
use outlay_model::{RunId, SourceName};

use crate::caller::Caller;
use crate::params::{Params, Segment};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Runs of one answer when `limit` says nothing, and at most.
const RUNS: (u32, u32) = (100, 1_000);
/// Rejects likewise. More than the most are never kept.
const REJECTS: (u32, u32) = (100, 1_000);
/// Changes likewise. One restatement moves as many as a month has days, for every billing account.
const CHANGES: (u32, u32) = (1_000, 10_000);

/// `GET /api/v1/runs`
pub async fn list_runs(
    State(api): State<Api>,
    Caller(scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::read(query.as_deref(), &["source", "limit"])?;
    let source = take_source(&mut params)?;
    let (default, most) = RUNS;
    let limit = params.take_count("limit", default, most)?;
    crate::json(&wire::runs_json(&api.insights.runs(source.as_ref(), limit, &scope).await?))
}

/// `GET /api/v1/runs/{run}/rejects`
pub async fn list_rejects(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(run): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (default, most) = REJECTS;
    let limit = Params::read(query.as_deref(), &["limit"])?.take_count("limit", default, most)?;
    let run = RunId::new(run);
    if api.insights.run(&run, &scope).await?.is_none() {
        // A run that rejected nothing and one that never was are different answers.
        let detail = format!("there never was a run {:?}; /api/v1/runs lists them", run.as_str());
        return Err(Problem::new(Code::UnknownRun, detail));
    }
    let counts = api.insights.reject_counts(&run, &scope).await?;
    let rejects = api.insights.rejects(&run, limit, &scope).await?;
    crate::json(&wire::rejects_json(&run, &counts, &rejects))
}

/// `GET /api/v1/changes`
pub async fn list_changes(
    State(api): State<Api>,
    Caller(scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::read(query.as_deref(), &["source", "limit"])?;
    let source = take_source(&mut params)?;
    let (default, most) = CHANGES;
    let limit = params.take_count("limit", default, most)?;
    crate::json(&wire::changes_json(&api.insights.changes(source.as_ref(), limit, &scope).await?))
}

/// `GET /api/v1/reconciliation`
pub async fn list_reconciliation(
    State(api): State<Api>,
    Caller(scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::read(query.as_deref(), &["source"])?;
    let source = take_source(&mut params)?;
    crate::json(&wire::reconciliation_json(&api.insights.reconciliation(source.as_ref(), &scope).await?))
}

/// `GET /api/v1/rates`
pub async fn list_rates(
    State(api): State<Api>,
    Caller(_scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    crate::json(&wire::rates_json(api.insights.reporting_currency(), api.insights.rates()))
}

fn take_source(params: &mut Params) -> Result<Option<SourceName>, ParameterError> {
    let source = params.take("source").map(|text| SourceName::parse(&text)).transpose();
    source.map_err(|error| ParameterError::new("source", error))
}
