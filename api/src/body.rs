//! Bodies of requests: JSON objects against a closed list of properties (P8).

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::guard::{MAX_BODY, too_large};
use crate::problem::{Code, Problem};

/// What a client calls one and the same wish by, so that sending it twice does no harm.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key taken.
const MAX_KEY: usize = 255;

/// What no body at all, or null, stands for.
const NOTHING: &[u8] = b"{}";

/// The JSON object a request brings.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_owned());
        let limit = usize::try_from(MAX_BODY).unwrap_or(usize::MAX);
        // Whoever goes away half-way reads no answer.
        let bytes = to_bytes(request.into_body(), limit).await.map_err(|_| too_large())?;
        if bytes.is_empty() {
            return read(NOTHING);
        }
        let is_json = kind.as_deref().is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            let detail = "the body is read as JSON: send it with Content-Type: application/json, or send none";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        read(if bytes.trim_ascii() == b"null" { NOTHING } else { &bytes })
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Problem> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // A list of values would do for their names otherwise.
        return Err(Problem::new(Code::InvalidBody, "the body is not what is read here: it is no JSON object"));
    }
    let body = serde_json::from_slice(bytes);
    body.map(Body)
        .map_err(|error| Problem::new(Code::InvalidBody, format!("the body is not what is read here: {error}")))
}

/// The key a client gives its wish, if it gives one.
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else { return Ok(Self(None)) };
        let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()) && keys.next().is_none());
        let key = key.ok_or_else(|| {
            let detail = format!("Idempotency-Key is one text of 1 to {MAX_KEY} visible ASCII characters");
            Problem::new(Code::InvalidParameter, detail).about("Idempotency-Key")
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}
