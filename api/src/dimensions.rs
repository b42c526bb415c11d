//! What there is to group and filter by, for people, pickers and Grafana variables.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use outlay_insights::{InsightError, ValuesQuery};
use outlay_model::Dimension;
use outlay_model::query::SpendParams;

use crate::caller::Caller;
use crate::params::{Params, Segment};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Values of one answer when `limit` says nothing, and at most. Where there are more the answer is refused (P6).
const VALUES: (u32, u32) = (1_000, 10_000);

/// `GET /api/v1/dimensions`
pub async fn list_dimensions(
    State(api): State<Api>,
    Caller(scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    crate::json(&wire::dimensions_json(&api.insights.dimensions(&scope).await?))
}

/// `GET /api/v1/dimensions/{dimension}/values`
pub async fn list_dimension_values(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(name): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let dimension: Dimension =
        name.parse().map_err(|error| Problem::new(Code::UnknownDimension, format!("{error}")))?;
    let query = read(&api, dimension, query.as_deref())?;
    let values = api.insights.values(&query, &scope).await.map_err(|error| match error {
        // What helps here is not what helps with figures.
        InsightError::TooManyRows { rows, most } => {
            let detail = format!(
                "there are {rows} values, more than {most}: narrow them with search, filter or a shorter period, or \
                 raise limit"
            );
            Problem::new(Code::TooManyRows, detail).about("limit")
        }
        error => error.into(),
    })?;
    crate::json(&wire::values_json(&query.dimension, query.range, &values))
}

fn read(api: &Api, dimension: Dimension, query: Option<&str>) -> Result<ValuesQuery, Problem> {
    let mut params = Params::read(query, &["period", "from", "to", "filter", "search", "limit"])?;
    let (default, most) = VALUES;
    let limit = params.take_count("limit", default, most)? as usize;
    let search = params.take("search");
    let SpendParams { period, from, to, filter, .. } = params.take_spend();
    // Days and filters mean what they mean in a spend query, so they are read as one.
    let spend = SpendParams { period, from, to, filter, ..SpendParams::default() };
    let spend = spend.query(api.today(), api.insights.reporting_currency())?;
    Ok(ValuesQuery { dimension, range: spend.range, filter: spend.filter, search, limit })
}
