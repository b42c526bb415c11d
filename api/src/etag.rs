//! 304: an answer that has not changed is not worked out again, nor sent again.
//!
//! A tag is made of everything that an answer depends on: what is asked (with its days resolved, so that `today` is
//! another question tomorrow), who asks, the revision of what there is to know, and the build. So a 304 costs the lookup
//! of the revision and nothing else. Tags are weak, because an answer is the same whether it is compressed or not.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, ETAG, IF_NONE_MATCH, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use outlay_model::report::Scope;

use crate::Api;
use crate::problem::Problem;

/// Whoever keeps an answer asks again before using it, and nobody keeps it for others (P8).
pub const PRIVATE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));

/// The tags of answers that the client has already (`If-None-Match`).
#[derive(Debug, Default)]
pub struct Known(Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let lines = parts.headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        // Our tags have no comma, so a foreign one that has cannot hide one of ours.
        Ok(Self(lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect()))
    }
}

impl Known {
    /// Compares weakly (RFC 9110, 8.8.3.2).
    fn names(&self, tag: &Tag) -> bool {
        self.0.iter().any(|known| known.strip_prefix("W/").unwrap_or(known) == tag.0)
    }

    /// Whatever there is (`*`); whether there is anything shows when it is answered.
    fn any(&self) -> bool {
        self.0.iter().any(|known| known == "*")
    }
}

/// What tells one answer from another, in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of what has these properties, as this build answers it.
    pub fn of(content: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), content).hash(&mut hasher);
        Self(format!("\"{:016x}\"", hasher.finish()))
    }

    /// The answer with this tag, or that the client has it.
    pub fn on(&self, known: &Known, answer: impl IntoResponse) -> Response {
        let mut response = if known.names(self) || known.any() {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            answer.into_response()
        };
        let headers = response.headers_mut();
        headers.insert(PRIVATE.0, PRIVATE.1);
        headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
        headers.insert(ETAG, HeaderValue::try_from(format!("W/{}", self.0)).expect("hex digits are fine in a header"));
        response
    }
}

impl Api {
    /// The answer to a question that only the revision can change, worked out only if the client does not
    /// have it. `question` is everything that was asked, with the route.
    pub async fn unless_known(
        &self,
        known: &Known,
        scope: &Scope,
        question: impl Hash,
        answer: impl Future<Output = Result<Response, Problem>>,
    ) -> Result<Response, Problem> {
        let tag = Tag::of((self.insights.revision(self.today()).await?, scope, question));
        if known.names(&tag) { Ok(tag.on(known, ())) } else { Ok(tag.on(known, answer.await?)) }
    }
}
