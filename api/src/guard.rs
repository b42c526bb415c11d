//! What stands around the handlers, so that even what never reaches one is answered with a problem.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::params;
use crate::problem::{Code, Problem};

/// The longest query taken, in bytes; twice the longest filter.
const MAX_QUERY: usize = 32 * 1024;
/// The longest path taken, in bytes: a team's or a service's name is its longest part.
const MAX_PATH: usize = 4 * 1024;
/// The longest headers taken, in bytes, names and values together.
const MAX_HEADERS: usize = 16 * 1024;
/// The longest body taken, in bytes.
pub const MAX_BODY: u64 = 1024 * 1024;
/// The longest body with points of a series, likewise.
pub const MAX_POINTS: u64 = 16 * 1024 * 1024;

/// How a browser says whose page makes it send the request (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers for paths nobody serves.
pub async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {}; /docs lists the routes", uri.path()))
}

/// Answers for methods a path does not take; the router adds `Allow`.
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} does not take {method}; Allow says what it takes", uri.path()))
}

/// Refuses what is too large, and paths that are not percent-encoded UTF-8, before anybody takes them apart. Queries are
/// decoded, and so checked, with their parameters.
pub async fn check_request(request: Request, next: Next) -> Response {
    match check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let (path, query) = (uri.path().len(), uri.query().map_or(0, str::len));
    if query > MAX_QUERY {
        let detail = format!("the query has {query} bytes, more than {MAX_QUERY}: shorten its filter");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    if path > MAX_PATH {
        let detail = format!("the path has {path} bytes, more than {MAX_PATH}: ask /api/v1/spend with a filter");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > MAX_HEADERS {
        let detail = format!("the headers have {size} bytes, more than {MAX_HEADERS}: leave cookies and the like out");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let most = longest_body(uri.path());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    // Reading is harmless, and another site's page cannot look at the answer.
    let elsewhere = headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
    if elsewhere && !method.is_safe() {
        let detail = "a page of another site may not have this server do anything";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    if params::decode(uri.path()).is_none() {
        let detail = "the path holds a % that is not followed by two hex digits, or bytes that are not UTF-8";
        return Err(Problem::new(Code::MalformedUrl, detail));
    }
    Ok(())
}

/// The longest body a path takes, in bytes.
fn longest_body(path: &str) -> u64 {
    if path.starts_with("/api/v1/series/") && path.ends_with("/points") { MAX_POINTS } else { MAX_BODY }
}

/// Refuses a body beyond the limit.
pub fn too_large(most: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the request brings a body of more than {most} bytes"))
}

/// Stops waiting for an answer. What counts is the time until it begins: a long stream may take as long as it takes.
/// Work that has begun on a blocking thread ends by itself and then frees its place.
pub async fn answer_in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!(
                "there is no answer after {} s: ask for a shorter period, fewer groups, or dimensions that the daily \
                 roll-up has (/api/v1/dimensions)",
                limit.as_secs_f64()
            );
            Problem::new(Code::TimedOut, detail).into_response()
        }
    }
}

/// Refuses at once what would only wait: so many requests may be under way, those that wait for the store included.
pub async fn shed_load(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            let detail = "as many requests as fit are under way already: ask again a little later";
            Problem::new(Code::Overloaded, detail).into_response()
        }
    }
}

/// Turns a panic into a problem instead of a connection cut off.
pub async fn catch_panics(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut handling = Box::pin(next.run(request));
    // Unwind-safe: after a panic the handler's future is dropped and never polled again.
    let outcome = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await;
    outcome.unwrap_or_else(|panic| {
        tracing::error!(path, panic = panic_text(panic.as_ref()), "a handler panicked");
        Problem::new(Code::Internal, "something went wrong here that is not the question's fault; the log says more")
            .into_response()
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)")
}
