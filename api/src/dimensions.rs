//! What there is to group and filter by, for people, pickers and Grafana variables.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::{InsightError, ValuesQuery};
use outlay_model::Dimension;
use outlay_model::query::SpendParams;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, NoParameters, Segment, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Values of one answer. Where there are more it is refused (P6).
const VALUES: Count = Count { default: 1_000, most: 10_000 };

parameters! {
    /// Which values of a dimension.
    ValuesParameters {
        /// Which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Which charges count, as for `/spend`.
        filter: words::text("provider = 'AWS'");
        /// Only values that contain this, in any letters.
        search: words::text("pay");
        /// Where there are more values than this the answer is refused.
        limit: words::count(VALUES);
    }
}

struct DimensionsAnswers;

impl IntoResponses for DimensionsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::list::<wire::DimensionLine<'_>>("Every dimension, the fixed ones first.").refusing(&[])
    }
}

struct ValuesAnswers;

impl IntoResponses for ValuesAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Values<'_>>("The values in order; null stands for charges that have none.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::InvalidFilter,
            Code::UnknownDimension,
            Code::TooManyRows,
            Code::DetailExpired,
        ])
    }
}

/// What there is to group and filter by.
///
/// The fixed dimensions, and a tag for every key that charges carry.
#[utoipa::path(get, path = "/dimensions", tag = "dimensions", responses(DimensionsAnswers))]
pub async fn list_dimensions(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(NoParameters {}): Closed<NoParameters>,
) -> Result<Response, Problem> {
    let answer = async { crate::json(&wire::dimensions_json(&api.insights.dimensions(&scope).await?)) };
    api.unless_known(&known, &scope, "dimensions", answer).await
}

/// The values of a dimension.
///
/// With how many charges of the range have each.
#[utoipa::path(
    get,
    path = "/dimensions/{dimension}/values",
    tag = "dimensions",
    params(
        ("dimension" = String, Path, description = "The dimension: its word in `group_by`", example = "team"),
        ValuesParameters
    ),
    responses(ValuesAnswers)
)]
pub async fn list_dimension_values(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(name): Segment,
    Closed(params): Closed<ValuesParameters>,
) -> Result<Response, Problem> {
    let dimension: Dimension =
        name.parse().map_err(|error| Problem::new(Code::UnknownDimension, format!("{error}")))?;
    let query = read(&api, dimension, params)?;
    let answer = async {
        let values = api.insights.values(&query, &scope).await.map_err(|error| match error {
            // What helps here is not what helps with figures.
            InsightError::TooManyRows { rows, most } => {
                let detail = format!(
                    "there are {rows} values, more than {most}: narrow them with search, filter or a shorter period, \
                     or raise limit"
                );
                Problem::new(Code::TooManyRows, detail).about("limit")
            }
            error => error.into(),
        })?;
        crate::json(&wire::values_json(&query.dimension, query.range, &values))
    };
    api.unless_known(&known, &scope, ("values", &query), answer).await
}

fn read(api: &Api, dimension: Dimension, params: ValuesParameters) -> Result<ValuesQuery, Problem> {
    let ValuesParameters { period, from, to, filter, search, limit } = params;
    let limit = VALUES.read("limit", limit.as_deref())? as usize;
    // Days and filters mean what they mean in a spend query, so they are read as one.
    let spend = SpendParams { period, from, to, filter, ..SpendParams::default() };
    let spend = spend.query(api.today(), api.insights.reporting_currency())?;
    Ok(ValuesQuery { dimension, range: spend.range, filter: spend.filter, search, limit })
}
