//! Who asks, and so whose spend they may see (P8).
//!
//! Every handler that reads data takes a [`Caller`]; there is no other way to a scope. There are no tokens yet, so
//! everybody sees the company. When there are, only this extractor changes, and it may then refuse.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use outlay_model::report::Scope;

use crate::Api;
use crate::problem::Problem;

/// What the caller may see.
pub struct Caller(pub Scope);

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        Ok(Self(Scope::Company))
    }
}
