//! Whether every charge has the owner, and every pool the split, that it should have.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::Answers;
use crate::params::{Closed, NoParameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

struct SettlingAnswers;

impl IntoResponses for SettlingAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::SettlingLine<'_>>("How far it is.").refusing(&[Code::Forbidden])
    }
}

/// How far charges have the owners, and pools the splits, that they should have.
#[utoipa::path(get, path = "/ownership", tag = "ownership", responses(SettlingAnswers))]
pub async fn get_ownership(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(NoParameters {}): Closed<NoParameters>,
) -> Result<Response, Problem> {
    let report = api.insights.settling(&scope).await?;
    // It goes on without a new generation, so the answer itself is what is compared.
    crate::json_tagged(&known, &wire::settling_json(&report))
}
