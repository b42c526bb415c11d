//! What happened to components, told by CI.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use outlay_model::ownership::Event;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::body::{JSON, Sent, invalid, object, objects};
use crate::caller::Caller;
use crate::guard::MAX_BODY;
use crate::openapi::{Answers, definitions};
use crate::params::{Closed, NoParameters};
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// Events of one request.
pub const MOST_EVENTS: usize = 1_000;
/// The most characters of a name.
const LONGEST: usize = 200;

struct RecordAnswers;

impl IntoResponses for RecordAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let answers = Answers::of::<wire::EventsTold>("All of them were known already.").untagged();
        let answers = answers.or_created("Some of them were not known yet.");
        answers.refusing(&[Code::InvalidBody, Code::UnsupportedMediaType, Code::Forbidden])
    }
}

/// Tells what happened to a component: a deployment, a release.
///
/// One event or a list of at most 1000. One of the same component, kind, version and time is the same, however often it is told:
/// what was said of it first stays.
#[utoipa::path(
    post,
    path = "/events",
    tag = "ownership",
    request_body = definitions::EventOrEvents,
    responses(RecordAnswers)
)]
pub async fn record_events(
    State(api): State<Api>,
    Caller(scope): Caller,
    Closed(NoParameters {}): Closed<NoParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let sent = Sent::read(request, MAX_BODY).await?;
    if !sent.is(JSON) {
        let detail = "events are read as JSON: send them with Content-Type: application/json";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let events: Vec<Event> = if sent.bytes.trim_ascii_start().starts_with(b"[") {
        objects(&sent.bytes)?
    } else {
        vec![object(&sent.bytes)?]
    };
    if events.is_empty() || events.len() > MOST_EVENTS {
        return Err(invalid(format_args!("it has {} events, and 1 to {MOST_EVENTS} are taken at once", events.len())));
    }
    let wrong = events.iter().enumerate().find_map(|(place, event)| Some((place, wrong(event)?)));
    if let Some((place, (field, why))) = wrong {
        let at = if sent.bytes.trim_ascii_start().starts_with(b"[") { format!("/{place}") } else { String::new() };
        return Err(invalid(format_args!("{at}/{field}: {why}")));
    }
    let told = api.insights.record_events(&events, (api.clock)(), &scope).await?;
    let status = if told.recorded > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, crate::json(&wire::events_told_json(&told))?).into_response())
}

/// What is wrong with an event, and where.
fn wrong(event: &Event) -> Option<(&'static str, String)> {
    let Event { component, kind, version, environment, .. } = event;
    let texts = [("component", Some(component.as_str())), ("kind", Some(kind)), ("version", Some(version))];
    let texts = texts.into_iter().chain([("environment", environment.as_deref())]);
    texts.filter_map(|(field, text)| Some((field, text?))).find_map(|(field, text)| {
        let why = if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
            "it has no blanks around it, and is not empty".to_owned()
        } else if text.chars().count() > LONGEST {
            format!("it has at most {LONGEST} characters")
        } else {
            return None;
        };
        Some((field, why))
    })
}
