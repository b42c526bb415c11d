//! Why a charge is whose it is, and what a change would move before it is made.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use outlay_model::filter::FilterError;
use outlay_model::ownership::{Component, Edit, Kind, Pool, Rule, Series, Team};
use outlay_model::query::{ParameterError, SpendParams, days};
use outlay_model::{Dimension, Filter};
use serde::Deserialize;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use super::named::{Named, Names};
use crate::body::{Body, invalid};
use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, definitions, words};
use crate::params::{Closed, Count, NoParameters, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Rows of one answer. Where there are more it is refused (P6).
const ROWS: Count = Count { default: 1_000, most: 10_000 };
/// Changes of one preview.
pub const MOST_EDITS: usize = 1_000;

parameters! {
    /// What is to be explained.
    ExplainParameters {
        /// What a charge says, as `dimension = 'value'` joined by `AND`; what is not named it does not say. With `day`; it need not
        /// be there.
        dimensions: words::text("service = 'Amazon VPC' AND account = '111'");
        /// The day of that charge.
        day: words::day("2026-10-05");
        /// Instead of both: which stored charges, as for `/spend`.
        filter: words::text("resource = 'i-0abc'");
        /// With `filter`: which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// With `filter`: where there are more rows than this the answer is refused.
        limit: words::count(ROWS);
    }
}

/// Changes that are not made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    edits: Vec<EditRequest>,
    from: Option<String>,
    to: Option<String>,
}

/// One of them.
#[expect(clippy::large_enum_variant, reason = "there are few at a time, and a box would only be in the way")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EditRequest {
    Team(Named<Team>),
    Component(Named<Component>),
    Map(Named<Names>),
    Pool(Named<Pool>),
    Series(Named<Series>),
    Rule(Named<Rule>),
    Remove(Subject),
}

/// What nothing is to be said of any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    kind: Kind,
    name: String,
}

impl EditRequest {
    fn edit(self) -> Result<Edit, Problem> {
        match self {
            Self::Team(said) => said.named(),
            Self::Component(said) => said.named(),
            Self::Map(said) => said.named(),
            Self::Pool(said) => said.named(),
            Self::Series(said) => said.named(),
            Self::Rule(said) => said.named(),
            Self::Remove(Subject { kind, name }) => Ok(Edit::Remove { kind, name }),
        }
    }
}

struct PreviewAnswers;

impl IntoResponses for PreviewAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Preview>("What would move.").untagged().refusing(&[
            Code::InvalidParameter,
            Code::InvalidBody,
            Code::UnsupportedMediaType,
            Code::Forbidden,
            Code::UnknownTeam,
            Code::UnknownComponent,
            Code::UnknownMap,
            Code::UnknownPool,
            Code::UnknownSeries,
            Code::UnknownRule,
            Code::SaidElsewhere,
            Code::OwnershipProblems,
            Code::TooManyRows,
            Code::Overflow,
        ])
    }
}

struct ExplainAnswers;

impl IntoResponses for ExplainAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let about = "With `dimensions`, why; with `filter`, whose the charges are and would be.";
        Answers::either::<wire::Explanation<'_>, wire::WhoseRows<'_>>(about).refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::InvalidFilter,
            Code::Forbidden,
            Code::DetailExpired,
            Code::TooManyRows,
        ])
    }
}

/// What changes would move, before they are made.
///
/// Amounts by month, team before, team after and currency, against what is stored: what the changes would then do. Shared cost
/// moves to its pool (`shared:<pool>`), before it is split. `from` and `to` look at some days only.
#[utoipa::path(
    post,
    path = "/rules/preview",
    tag = "ownership",
    request_body = definitions::PreviewRequest,
    responses(PreviewAnswers)
)]
pub async fn preview_rules(
    State(api): State<Api>,
    Caller(scope): Caller,
    Closed(NoParameters {}): Closed<NoParameters>,
    Body(PreviewRequest { edits, from, to }): Body<PreviewRequest>,
) -> Result<Response, Problem> {
    let range = days(None, from.as_deref(), to.as_deref(), api.today())?;
    if edits.is_empty() || edits.len() > MOST_EDITS {
        return Err(invalid(format_args!("it has {} edits, and 1 to {MOST_EDITS} are taken at once", edits.len())));
    }
    let edits = edits.into_iter().map(EditRequest::edit).collect::<Result<Vec<_>, _>>()?;
    crate::json(&wire::preview_json(&api.insights.preview(edits, range, &scope).await?))
}

/// Why charges are whose they are.
///
/// For what a charge says (`dimensions` and `day`): every rule in order, whether it holds, and what it has to say. For stored
/// charges (`filter`): whose they are and by what rule, and whose they would be by the rules of now.
#[utoipa::path(get, path = "/rules/explain", tag = "ownership", params(ExplainParameters), responses(ExplainAnswers))]
pub async fn explain_rules(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<ExplainParameters>,
) -> Result<Response, Problem> {
    let ExplainParameters { dimensions, day, filter, period, from, to, limit } = params;
    let others = filter.is_some() || period.is_some() || from.is_some() || to.is_some() || limit.is_some();
    match (dimensions, day) {
        (Some(text), Some(day)) if !others => {
            let said = said(&text)?;
            let day: NaiveDate = day
                .parse()
                .map_err(|_| ParameterError::new("day", format!("{day:?} is not a day such as 2026-10-01")))?;
            let answer = async {
                let explanation = api.insights.explain(day, said.clone(), &scope).await?;
                crate::json(&wire::explanation_json(day, &said, &explanation))
            };
            api.unless_known(&known, &scope, ("explain", day, &said), answer).await
        }
        (None, None) => {
            let filter = filter.ok_or_else(|| {
                ParameterError::new("dimensions", "give dimensions and day, or a filter for stored charges")
            })?;
            let limit = ROWS.read("limit", limit.as_deref())? as usize;
            // Days and filters mean what they mean in a spend query, so they are read as one.
            let spend = SpendParams { period, from, to, filter: Some(filter), ..SpendParams::default() };
            let spend = spend.query(api.today(), api.insights.reporting_currency())?;
            let answer = async {
                let whose = api.insights.whose(&spend.filter, spend.range, limit, &scope).await;
                let (generation, rows) = whose.map_err(|error| match error {
                    outlay_insights::InsightError::TooManyRows { rows, most } => {
                        let detail =
                            format!("there are at least {rows} rows, more than {most}: narrow the filter or the days");
                        Problem::new(Code::TooManyRows, detail).about("limit")
                    }
                    error => error.into(),
                })?;
                crate::json(&wire::whose_json(spend.range, generation, &rows))
            };
            api.unless_known(&known, &scope, ("whose", &spend.filter, spend.range, limit), answer).await
        }
        (Some(_), None) => Err(ParameterError::new("day", "give the day of the charge as well as dimensions").into()),
        (None, Some(_)) => {
            Err(ParameterError::new("dimensions", "say of which charge: give dimensions as well as day").into())
        }
        (Some(_), Some(_)) => {
            Err(ParameterError::new("dimensions", "give either dimensions and day, or a filter and its days, not both")
                .into())
        }
    }
}

/// What a charge says, as `dimension = 'value'` joined by `AND`.
fn said(text: &str) -> Result<BTreeMap<Dimension, String>, ParameterError> {
    let filter = Filter::parse(text).map_err(|error: FilterError| ParameterError {
        position: Some(error.position),
        ..ParameterError::new("dimensions", &error)
    })?;
    let mut said = BTreeMap::new();
    let mut open = vec![filter];
    while let Some(filter) = open.pop() {
        match filter {
            Filter::And(parts) => open.extend(parts),
            Filter::In(dimension, values) if values.len() == 1 => {
                let value = values.into_iter().next().unwrap_or_default();
                if dimension.is_decided() {
                    let message = format!("{dimension} is what rules decide; say what the charge says");
                    return Err(ParameterError::new("dimensions", message));
                }
                if said.insert(dimension.clone(), value.clone()).is_some_and(|other| other != value) {
                    return Err(ParameterError::new("dimensions", format!("{dimension} is said to be two things")));
                }
            }
            _ => {
                let message = "say what one charge says: dimension = 'value', joined by AND";
                return Err(ParameterError::new("dimensions", message));
            }
        }
    }
    Ok(said)
}
