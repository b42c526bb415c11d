//! What restatements moved.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::ChangesQuery;
use outlay_model::query::{ParameterError, days};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, parameters, source};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Changes of one page. One restatement moves as many as a month has days, for every billing account.
const CHANGES: Count = Count { default: 1_000, most: 10_000 };

parameters! {
    /// Which changes.
    ChangesParameters {
        /// Only of this source; else of all that are no shadows.
        source: words::source();
        /// Only of these days, by a word or as a day, ISO week, month, quarter or year; else of all.
        period: words::any_period();
        /// The first day, instead of `period` and with `to`: a date, an RFC 3339 instant or epoch milliseconds.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
        /// Only what came after this generation, which an earlier answer named.
        since: words::number(412);
        /// At most so many.
        limit: words::count(CHANGES);
        /// `next_cursor` of the page before, with everything else unchanged.
        cursor: words::text("412.1000");
    }
}

struct ChangesAnswers;

impl IntoResponses for ChangesAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::page::<wire::ChangeLine<'_>>("What moved, the newest first.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::Forbidden,
        ])
    }
}

/// What restatements moved.
///
/// One line per run, day, provider, billing account and currency.
#[utoipa::path(get, path = "/changes", tag = "figures", params(ChangesParameters), responses(ChangesAnswers))]
pub async fn list_changes(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<ChangesParameters>,
) -> Result<Response, Problem> {
    let ChangesParameters { source: name, period, from, to, since, limit, cursor } = params;
    let since = since.map(|text| {
        let message = format!("{text:?} is not a generation; take it from another answer");
        text.parse::<u64>().map_err(|_| ParameterError::new("since", message))
    });
    let behind = cursor.map(|text| text.parse().map_err(|error| ParameterError::new("cursor", error)));
    let query = ChangesQuery {
        source: source(name)?,
        days: days(period.as_deref(), from.as_deref(), to.as_deref(), api.today())?,
        since: since.transpose()?,
        behind: behind.transpose()?,
    };
    let limit = CHANGES.read("limit", limit.as_deref())?;
    let answer = async {
        let page = api.insights.changes(&query, limit, &scope).await?;
        crate::json(&wire::changes_json(&page.rows, page.next.map(|place| place.to_string())))
    };
    api.unless_known(&known, &scope, ("changes", &query, limit), answer).await
}
