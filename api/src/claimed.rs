//! How much of all spend has an owner, and what to claim next.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::ClaimedQuery;
use outlay_model::query::SpendParams;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::owned::{REFUSALS, owned};
use crate::params::{Closed, Count, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// What is named of each kind that has no owner.
const NAMED: Count = Count { default: 10, most: 100 };

parameters! {
    /// Of which spend.
    CoverageParameters {
        /// Which days, as for `/spend`.
        period: words::period();
        /// The first day, instead of `period` and with `to`, as for `/spend`.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Which charges count, as for `/spend`.
        filter: words::text("provider = 'AWS'");
        /// Which cost, beside the billed one: amortised, invoiced, at public or at negotiated prices.
        metric: words::metric();
        /// A code to convert to by the dated rates; else the reporting currency.
        currency: words::code();
        /// How many of the biggest accounts, services and resources without an owner are named.
        limit: words::count(NAMED);
    }
}

struct CoverageAnswers;

impl IntoResponses for CoverageAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Coverage<'_>>("How much has an owner, and the biggest that has none.")
            .refusing(&[&REFUSALS[..], &[Code::InvalidFilter]].concat())
    }
}

/// How much of the spend has an owner.
///
/// What is with a team, in pools and unallocated is all of it. The biggest accounts, services and resources that no rule claims
/// come each with the condition of a rule that would.
#[utoipa::path(get, path = "/coverage", tag = "owners", params(CoverageParameters), responses(CoverageAnswers))]
pub async fn get_coverage(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<CoverageParameters>,
) -> Result<Response, Problem> {
    let CoverageParameters { period, from, to, filter, metric, currency, limit } = params;
    let most = NAMED.read("limit", limit.as_deref())? as usize;
    let params = SpendParams { period, from, to, filter, metric, currency, ..SpendParams::default() };
    let (owned, spend) = owned(&api, params)?;
    let (query, today) = (ClaimedQuery { owned, filter: spend.filter, most }, api.today());
    let answer = async { crate::json(&wire::coverage_json(&api.insights.claimed(&query, today, &scope).await?)) };
    api.unless_known(&known, &scope, ("coverage", &query, today), answer).await
}
