//! The outermost of what stands around the handlers: every request has an id, in its answer and in every line that is
//! logged for it, and is logged once when its answer is sent or given up.
//!
//! A line says method, route, status, time and bytes. It never has the path or the query as they were asked: they name
//! teams and people and can be as long as they like.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tracing::{Instrument as _, Span};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{Clock, problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// The longest id taken from a client.
const MAX_ID: usize = 128;
/// Figures and problems have nothing to load, and stand in nobody's page.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Gives the request its id, completes the answer, and logs it.
pub async fn identify(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let id = given_id(request.headers()).unwrap_or_else(|| new_id(&clock));
    let route = request.extensions().get::<MatchedPath>().map_or("-", |path| path.as_str());
    let trace = trace_id(request.headers());
    // Of the highest level, so that whatever is logged below it says whose it is.
    let span = tracing::error_span!("request", id = &*id, %method, route, trace);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem::complete(response, &method, &id);
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::try_from(&*id).expect("its characters are fine in a header"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let line = Line { span, status: status.as_u16(), begun, bytes: 0 };
    response.map(|body| Body::new(Watched { body, line }))
}

/// The client's own id, if it can stand in a header and in a log.
fn given_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let sane =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=');
    ((1..=MAX_ID).contains(&id.len()) && id.bytes().all(sane)).then(|| id.into())
}

/// An id that sorts by time (UUIDv7).
pub fn new_id(clock: &Clock) -> Arc<str> {
    let now = clock();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())).to_string().into()
}

/// The trace that the request is part of (W3C Trace Context, `00-<trace>-<parent>-<flags>`).
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACE_PARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let known = hex(version, 2) && version != "ff" && hex(parent, 16) && hex(flags, 2);
    let traced = hex(trace, 32) && trace.bytes().any(|byte| byte != b'0');
    (known && traced).then_some(trace)
}

/// A body whose end is logged.
struct Watched {
    body: Body,
    line: Line,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let more = frame.data_ref().map_or(0, Bytes::len);
            self.line.bytes += more as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is logged of an answer, when it is sent or given up.
struct Line {
    span: Span,
    status: u16,
    begun: Instant,
    bytes: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        let milliseconds = self.begun.elapsed().as_secs_f64() * 1e3;
        let (status, bytes) = (self.status, self.bytes);
        self.span.in_scope(|| tracing::info!(status, milliseconds, bytes, "answered"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_traces_of_clients_are_taken_if_they_are_sane() {
        let id = |text: &'static str| {
            given_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))])).map(|id| id.to_string())
        };
        assert_eq!(id("01931f2e-9d40").as_deref(), Some("01931f2e-9d40"));
        assert!(id("Root=1-67891233-abcdef012345678912345678").is_some());
        for wrong in ["", "a b", "a\"b", "a,b", "<script>"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
        let long = HeaderValue::try_from("x".repeat(MAX_ID + 1)).expect("fine");
        assert_eq!(given_id(&HeaderMap::from_iter([(REQUEST_ID, long)])), None);

        let trace = |text: &'static str| {
            trace_id(&HeaderMap::from_iter([(TRACE_PARENT, HeaderValue::from_static(text))])).map(ToOwned::to_owned)
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace(good).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for wrong in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert_eq!(trace(wrong), None, "{wrong}");
        }
    }
}
