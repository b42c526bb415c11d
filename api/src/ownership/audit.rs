//! Who changed what of it, and when.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use outlay_insights::{AuditPlace, AuditQuery};
use outlay_model::ownership::Kind;
use outlay_model::query::ParameterError;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, Count, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Changes of one page.
const CHANGES: Count = Count { default: 100, most: 1_000 };

parameters! {
    /// Which changes of ownership.
    AuditParameters {
        /// Only of this kind.
        kind: words::one_of(Kind::ALL.iter().map(|kind| kind.as_str()), None);
        /// Only of this name.
        name: words::text("network");
        /// At most so many.
        limit: words::count(CHANGES);
        /// `next_cursor` of the page before, with everything else unchanged.
        cursor: words::text("412.3");
    }
}

struct AuditAnswers;

impl IntoResponses for AuditAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::page::<wire::AuditLine<'_>>("What was changed, the latest first.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::Forbidden,
        ])
    }
}

/// Every change of ownership: by whom, what was said before, and what since.
#[utoipa::path(get, path = "/audit", tag = "ownership", params(AuditParameters), responses(AuditAnswers))]
pub async fn list_audit(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(params): Closed<AuditParameters>,
) -> Result<Response, Problem> {
    let AuditParameters { kind, name, limit, cursor } = params;
    let query = AuditQuery {
        kind: kind.as_deref().map(word).transpose()?,
        name,
        before: cursor.as_deref().map(place).transpose()?,
    };
    let limit = CHANGES.read("limit", limit.as_deref())?;
    let answer = async {
        let page = api.insights.audit(&query, limit, &scope).await?;
        crate::json(&wire::audit_json(&page.rows, page.next.map(|(generation, place)| format!("{generation}.{place}"))))
    };
    api.unless_known(&known, &scope, ("audit", query.kind, &query.name, query.before, limit), answer).await
}

fn word(text: &str) -> Result<Kind, ParameterError> {
    let known = Kind::ALL.iter().copied().find(|kind| kind.as_str() == text);
    let words = || Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    known.ok_or_else(|| ParameterError::new("kind", format!("{text:?} is not one of {}", words())))
}

fn place(text: &str) -> Result<AuditPlace, ParameterError> {
    let read =
        text.split_once('.').and_then(|(generation, place)| Some((generation.parse().ok()?, place.parse().ok()?)));
    read.ok_or_else(|| ParameterError::new("cursor", format!("{text:?} is no cursor; take next_cursor of an answer")))
}
