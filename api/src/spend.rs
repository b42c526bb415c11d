//! `GET /spend`, and the same question about one team or one service.

use std::str::FromStr;

use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use outlay_model::dimension::Fixed;
use outlay_model::query::{ParameterError, SpendQuery};
use outlay_model::report::{Scope, SpendReport};
use outlay_model::{Dimension, Filter};

use crate::caller::Caller;
use crate::params::{self, Params, Segment};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// The distinct codes of an answer's warnings, where its body has no room for them.
const WARNINGS: HeaderName = HeaderName::from_static("outlay-warnings");
/// Where the next page starts, likewise.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("outlay-next-cursor");

/// `GET /api/v1/spend`
pub async fn get_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (query, format) = read(&api, query.as_deref())?;
    answer(&api.insights.spend(&query, &scope).await?, format)
}

/// `GET /api/v1/teams/{team}/spend`
pub async fn get_team_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(team): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    spend_of(&api, &scope, Fixed::Team, &team, Code::UnknownTeam, query.as_deref()).await
}

/// `GET /api/v1/services/{service}/spend`
pub async fn get_service_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(service): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    spend_of(&api, &scope, Fixed::Service, &service, Code::UnknownService, query.as_deref()).await
}

/// The spend of what has one value of a dimension. Nothing spent and never heard of are different answers.
async fn spend_of(
    api: &Api,
    scope: &Scope,
    fixed: Fixed,
    value: &str,
    unknown: Code,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let dimension = Dimension::Fixed(fixed);
    let (mut query, format) = read(api, query)?;
    query.filter = query.filter.and(Filter::equals(dimension.clone(), value));
    let report = api.insights.spend(&query, scope).await?;
    let empty = report.rows.iter().all(|row| row.cost.is_none());
    if empty && !api.insights.known(&dimension, value, scope).await? {
        let names = format!("/api/v1/dimensions/{dimension}/values");
        let detail = format!("no charge ever had the {dimension} {value:?}; {names} lists those of a period");
        return Err(Problem::new(unknown, detail));
    }
    answer(&report, format)
}

/// How the answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One object a figure.
    Rows,
    /// One column a group.
    Wide,
    /// A file.
    Csv,
}

impl FromStr for Format {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        match text {
            "rows" => Ok(Self::Rows),
            "wide" => Ok(Self::Wide),
            "csv" => Ok(Self::Csv),
            _ => Err(ParameterError::new("format", format!("{text:?} is not one of rows, wide, csv"))),
        }
    }
}

fn read(api: &Api, query: Option<&str>) -> Result<(SpendQuery, Format), Problem> {
    let allowed: Vec<_> = params::SPEND.iter().copied().chain(["format"]).collect();
    let mut params = Params::read(query, &allowed)?;
    let format = params.take("format").map_or(Ok(Format::Rows), |text| text.parse())?;
    let query = params.take_spend().query(api.today(), api.insights.reporting_currency())?;
    if format == Format::Wide && (query.limit.is_some() || query.cursor.is_some()) {
        // A page is cut between rows, which are the cells of this table: columns would end in the middle.
        let message = "a wide table is not paged; leave limit and cursor out and bound it with top";
        return Err(ParameterError::new("format", message).into());
    }
    Ok((query, format))
}

fn answer(report: &SpendReport, format: Format) -> Result<Response, Problem> {
    match format {
        Format::Rows => crate::json(&wire::spend_rows(report)),
        Format::Wide => {
            let wide = wire::spend_wide(report);
            crate::json(&wide.map_err(|error| Problem::new(Code::TooWide, error.to_string()))?)
        }
        Format::Csv => Ok(csv(report)),
    }
}

fn csv(report: &SpendReport) -> Response {
    let name = format!("attachment; filename=\"{}\"", wire::csv_name(report));
    let mut response = wire::spend_csv(report).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let texts = [
        (CONTENT_DISPOSITION, Some(name)),
        (WARNINGS, warning_codes(report)),
        (NEXT_CURSOR, report.next_cursor.clone()),
    ];
    for (header, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header, value);
        }
    }
    response
}

fn warning_codes(report: &SpendReport) -> Option<String> {
    let mut codes: Vec<_> = report.warnings.iter().map(|warning| warning.code).collect();
    codes.sort_unstable();
    codes.dedup();
    (!codes.is_empty()).then(|| codes.join(", "))
}
