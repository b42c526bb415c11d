//! How the figures came here: runs, reconciliation, exchange rates.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use outlay_model::SourceName;
use outlay_model::query::ParameterError;

use crate::caller::Caller;
use crate::params::Params;
use crate::problem::Problem;
use crate::{Api, wire};

/// Runs of one answer when `limit` says nothing, and at most.
const RUNS: (u32, u32) = (100, 1_000);

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
