//! `GET /spend`, and the same question about one team or one service.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use outlay_model::dimension::Fixed;
use outlay_model::query::{ParameterError, SpendParams, SpendQuery};
use outlay_model::report::{Scope, SpendReport, Warning};
use outlay_model::{Dimension, Filter};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Segment, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// The distinct codes of an answer's warnings, where its body has no room for them.
pub const WARNINGS: HeaderName = HeaderName::from_static("outlay-warnings");
/// Where the next page starts, likewise.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("outlay-next-cursor");

parameters! {
    /// What a spend query is made of, and how its answer is laid out.
    SpendParameters {
        /// Which days, by a word or as a day, ISO week, month, quarter or year. `last_<N>_days` ends yesterday, `…_to_date`
        /// today.
        period: words::period();
        /// The first day, instead of `period` and with `to`: a date, an RFC 3339 instant or epoch milliseconds. Instants
        /// inside a day widen to the whole day.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// How finely time is cut. Hours need a source that states them.
        granularity: words::granularity();
        /// Which time counts: when a charge arose, or when it is invoiced (then by month or coarser).
        basis: words::basis();
        /// Comma list of dimensions, the tag of a key being `tags.<key>` or `tags."odd key"`; `/dimensions` lists them.
        group_by: words::text("team,service");
        /// SQL over dimensions and `'quoted'` values: `=`, `<>`, `IN`, `LIKE`, `IS NULL`, `AND`, `OR`, `NOT`, parentheses. A
        /// comparison with a missing value is false and its `NOT` true, so a filter and its `NOT` add up to everything.
        filter: words::text("provider = 'AWS' AND NOT team IS NULL");
        /// Which groups stay, by their cost over the whole range: `cost > 100`, with `AND`, `OR`, `NOT`.
        having: words::text("cost > 100");
        /// Which cost: amortised, invoiced, at public or at negotiated prices.
        metric: words::metric();
        /// A code to convert to by the dated rates, or `native` to keep currencies apart; else the reporting currency.
        currency: words::currency();
        /// The groups largest over the whole range; the rest becomes one group, `other`.
        top: words::top();
        /// Comma list of `time`, `cost` and grouped dimensions, `-` before one for largest first; else by time, then by
        /// largest cost.
        order_by: words::text("-cost");
        /// Rows of one page. Without it an answer of more rows is refused.
        limit: words::page();
        /// `next_cursor` of the page before, with everything else unchanged. It keeps to the data of the first page.
        cursor: words::text("412.1000.9a0f3c55d1e2b764");
        /// Adds what it was then, and the change.
        compare: words::compare();
        /// One object a figure, one column a group, or a file.
        format: words::one_of(Format::ALL.map(Format::as_str), Some(Format::Rows.as_str()));
    }
}

/// What a spend query answers.
struct SpendAnswers;

impl IntoResponses for SpendAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        spend_answers(&[])
    }
}

/// What the spend of one team answers.
struct TeamSpendAnswers;

impl IntoResponses for TeamSpendAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        spend_answers(&[Code::UnknownTeam])
    }
}

/// What the spend of one service answers.
struct ServiceSpendAnswers;

impl IntoResponses for ServiceSpendAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        spend_answers(&[Code::UnknownService])
    }
}

/// What the spend of one component answers.
struct ComponentSpendAnswers;

impl IntoResponses for ComponentSpendAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        spend_answers(&[Code::UnknownComponent])
    }
}

fn spend_answers(own: &[Code]) -> BTreeMap<String, RefOr<Documented>> {
    let refusals = [
        Code::RepeatedParameter,
        Code::InvalidParameter,
        Code::InvalidFilter,
        Code::Forbidden,
        Code::CursorGone,
        Code::TooManyRows,
        Code::TooWide,
        Code::RateMissing,
        Code::NoHourlyDetail,
        Code::DetailExpired,
        Code::Overflow,
    ];
    Answers::either::<wire::SpendRows<'_>, wire::SpendWide<'_>>("The figures, as `format` lays them out.")
        .or_text("text/csv")
        .header("Outlay-Warnings", "With `format=csv`: the distinct codes of the warnings, when there are any.")
        .header("Outlay-Next-Cursor", "With `format=csv`: where the next page starts, when there is one.")
        .refusing(&[&refusals, own].concat())
}

/// Who spent what.
///
/// The one query everything else is made of: how much, of which charges, cut how.
#[utoipa::path(get, path = "/spend", tag = "spend", params(SpendParameters), responses(SpendAnswers))]
pub async fn get_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<SpendParameters>,
) -> Result<Response, Problem> {
    let (query, format) = read(&api, params)?;
    let answer = async { answer(&api.insights.spend(&query, api.today(), &scope).await?, format) };
    api.unless_known(&known, &scope, ("spend", &query, format), answer).await
}

/// What one team spent.
///
/// As `/spend`, with `team = '…'` added to the filter: the team with all that was part of it on the day. Charges that no rule
/// claims are the team `unallocated`.
#[utoipa::path(
    get,
    path = "/teams/{team}/spend",
    tag = "spend",
    params(("team" = String, Path, description = "The team's name", example = "payments"), SpendParameters),
    responses(TeamSpendAnswers)
)]
pub async fn get_team_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(team): Segment,
    Closed(params): Closed<SpendParameters>,
) -> Result<Response, Problem> {
    spend_of(&api, &scope, &known, Fixed::Team, &team, Code::UnknownTeam, params).await
}

/// What one provider service cost.
///
/// As `/spend`, with `service = '…'` added to the filter.
#[utoipa::path(
    get,
    path = "/services/{service}/spend",
    tag = "spend",
    params(("service" = String, Path, description = "The service's name", example = "Amazon Athena"), SpendParameters),
    responses(ServiceSpendAnswers)
)]
pub async fn get_service_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(service): Segment,
    Closed(params): Closed<SpendParameters>,
) -> Result<Response, Problem> {
    spend_of(&api, &scope, &known, Fixed::Service, &service, Code::UnknownService, params).await
}

/// What one component cost.
///
/// As `/spend`, with `component = '…'` added to the filter.
#[utoipa::path(
    get,
    path = "/components/{component}/spend",
    tag = "spend",
    params(("component" = String, Path, description = "The component's name", example = "checkout"), SpendParameters),
    responses(ComponentSpendAnswers)
)]
pub async fn get_component_spend(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(component): Segment,
    Closed(params): Closed<SpendParameters>,
) -> Result<Response, Problem> {
    spend_of(&api, &scope, &known, Fixed::Component, &component, Code::UnknownComponent, params).await
}

/// The spend of what has one value of a dimension. Nothing spent and never heard of are different answers.
async fn spend_of(
    api: &Api,
    scope: &Scope,
    known: &Known,
    fixed: Fixed,
    value: &str,
    unknown: Code,
    params: SpendParameters,
) -> Result<Response, Problem> {
    let dimension = Dimension::Fixed(fixed);
    let (mut query, format) = read(api, params)?;
    query.filter = query.filter.and(Filter::equals(dimension.clone(), value));
    let answer = async {
        let report = api.insights.spend(&query, api.today(), scope).await?;
        let empty = report.rows.iter().all(|row| row.cost.is_none());
        if empty && !api.insights.known(&dimension, value, scope).await? {
            let names = format!("/api/v1/dimensions/{dimension}/values");
            let detail = format!("no charge ever had the {dimension} {value:?}; {names} lists those of a period");
            return Err(Problem::new(unknown, detail));
        }
        answer(&report, format)
    };
    // Of the route's own: the same filter at /spend never is a 404.
    api.unless_known(known, scope, ("spend of", &query, format), answer).await
}

/// How the answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    /// One object a figure.
    Rows,
    /// One column a group.
    Wide,
    /// A file.
    Csv,
}

impl Format {
    const ALL: [Self; 3] = [Self::Rows, Self::Wide, Self::Csv];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Wide => "wide",
            Self::Csv => "csv",
        }
    }
}

impl FromStr for Format {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            ParameterError::new("format", format!("{text:?} is not one of {words}"))
        })
    }
}

fn read(api: &Api, params: SpendParameters) -> Result<(SpendQuery, Format), Problem> {
    let format = params.format.as_deref().map_or(Ok(Format::Rows), str::parse)?;
    let params = SpendParams {
        period: params.period,
        from: params.from,
        to: params.to,
        granularity: params.granularity,
        basis: params.basis,
        group_by: params.group_by,
        filter: params.filter,
        having: params.having,
        metric: params.metric,
        currency: params.currency,
        top: params.top,
        order_by: params.order_by,
        limit: params.limit,
        cursor: params.cursor,
        compare: params.compare,
    };
    let query = params.query(api.today(), api.insights.reporting_currency())?;
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
        (WARNINGS, codes_of(&report.warnings)),
        (NEXT_CURSOR, report.next_cursor.clone()),
    ];
    for (header, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header, value);
        }
    }
    response
}

/// The distinct codes of warnings, when there are any.
pub fn codes_of(warnings: &[Warning]) -> Option<String> {
    let mut codes: Vec<_> = warnings.iter().map(|warning| warning.code).collect();
    codes.sort_unstable();
    codes.dedup();
    (!codes.is_empty()).then(|| codes.join(", "))
}
