//! What stands around the handlers, so that even what never reaches one is answered with a problem.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::params;
use crate::problem::{Code, Problem};

/// The longest query taken, in bytes; twice the longest filter.
const MAX_QUERY: usize = 32 * 1024;

/// Answers for paths nobody serves.
pub async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {}; docs/API.md lists the routes", uri.path()))
}

/// Answers for methods a path does not take; the router adds `Allow`.
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} is read with GET, not {method}", uri.path()))
}

/// Refuses URLs that are too long or not percent-encoded UTF-8 before anybody takes them apart. Queries are decoded,
/// and so checked, with their parameters.
pub async fn check_url(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let length = uri.query().map_or(0, str::len);
    if length > MAX_QUERY {
        let detail = format!("the query has {length} bytes, more than {MAX_QUERY}: shorten its filter");
        return Problem::new(Code::UriTooLong, detail).into_response();
    }
    if params::decode(uri.path()).is_none() {
        let detail = "the path holds a % that is not followed by two hex digits, or bytes that are not UTF-8";
        return Problem::new(Code::MalformedUrl, detail).into_response();
    }
    next.run(request).await
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
