//! Bodies of requests: JSON against a closed list of properties (P8), or text of another kind that a route reads.

use std::fmt;
use std::marker::PhantomData;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
        let sent = Sent::read(request, MAX_BODY).await?;
        if sent.bytes.is_empty() {
            return object(NOTHING).map(Body);
        }
        if !sent.is(JSON) {
            let detail = "the body is read as JSON: send it with Content-Type: application/json, or send none";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        object(if sent.bytes.trim_ascii() == b"null" { NOTHING } else { &sent.bytes }).map(Body)
    }
}

/// How JSON is called.
pub const JSON: &str = "application/json";

/// What a request brings, and what that is said to be.
pub struct Sent {
    kind: Option<String>,
    /// All of it.
    pub bytes: Bytes,
}

impl Sent {
    /// Reads at most so many bytes.
    ///
    /// # Errors
    /// When there are more.
    pub async fn read(request: Request, most: u64) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_owned());
        let limit = usize::try_from(most).unwrap_or(usize::MAX);
        // Whoever goes away half-way reads no answer.
        let bytes = to_bytes(request.into_body(), limit).await.map_err(|_| too_large(most))?;
        Ok(Self { kind, bytes })
    }

    /// Whether it is said to be of this kind.
    pub fn is(&self, kind: &str) -> bool {
        let said = self.kind.as_deref().and_then(|said| said.split(';').next());
        said.is_some_and(|said| said.trim().eq_ignore_ascii_case(kind))
    }
}

/// Reads a JSON object.
///
/// # Errors
/// What is wrong with it, and where.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // A list of values would do for their names otherwise.
        return Err(invalid("it is no JSON object"));
    }
    serde_json::from_slice(bytes).map_err(invalid)
}

/// Reads a JSON list of objects.
///
/// # Errors
/// What is wrong with it, and where.
pub fn objects<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, Problem> {
    let objects = serde_json::from_slice::<Vec<Object<T>>>(bytes).map_err(invalid)?;
    Ok(objects.into_iter().map(|Object(object)| object).collect())
}

/// Refuses a body.
pub fn invalid(why: impl fmt::Display) -> Problem {
    Problem::new(Code::InvalidBody, format!("the body is not what is read here: {why}"))
}

/// Something that is written as an object, not as a list of its values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectOf(PhantomData)).map(Self)
    }
}

struct ObjectOf<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
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
