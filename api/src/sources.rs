//! Sources: how fresh each is, and collecting one now.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use outlay_insights::{InsightError, Wanted};
use outlay_model::part::Force;
use outlay_model::query::days;
use outlay_model::report::Scope;
use outlay_model::{JobId, Request, RequestedBy, SourceName};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::{RefOr, Response as Documented};
use utoipa::{IntoResponses, ToSchema};

use crate::body::{Body, IdempotencyKey};
use crate::caller::Caller;
use crate::etag::Known;
use crate::openapi::{Answers, words};
use crate::params::{Closed, NoParameters, Segment, nearest, parameters};
use crate::problem::{Code, Problem};
use crate::{Api, identify, wire};

parameters! {
    /// Which days of a source.
    SourceParameters {
        /// Which days, by a word or as a day, ISO week, month, quarter or year; else all it has stated.
        period: words::any_period();
        /// The first day, instead of `period` and with `to`: a date, an RFC 3339 instant or epoch milliseconds.
        from: words::bound("2026-10-01");
        /// The day after the last, with `from`.
        to: words::bound("2026-11-01");
    }
}

/// What is to be collected. Without days it is what is new, and what the provider may have restated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectRequest {
    /// The first day, with `to`: a date, an RFC 3339 instant or epoch milliseconds.
    #[schema(schema_with = words::first_day)]
    from: Option<String>,
    /// The day after the last, with `from`.
    #[schema(schema_with = words::day_after)]
    to: Option<String>,
    /// Let in copies that are much smaller than the last.
    #[serde(default)]
    accept_shrink: bool,
    /// Let in copies with too many rejected lines.
    #[serde(default)]
    accept_rejects: bool,
}

struct SourcesAnswers;

impl IntoResponses for SourcesAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::list::<wire::SourceLine<'_>>("Sources, by name.").refusing(&[Code::Forbidden])
    }
}

struct SourceAnswers;

impl IntoResponses for SourceAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::SourceDetails<'_>>("The source.").refusing(&[
            Code::RepeatedParameter,
            Code::InvalidParameter,
            Code::Forbidden,
            Code::UnknownSource,
        ])
    }
}

struct CollectAnswers;

impl IntoResponses for CollectAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::accepted::<wire::JobLine<'_>>("The job that does it.")
            .header("Location", "Where the job is.")
            .refusing(&[
                Code::InvalidParameter,
                Code::InvalidBody,
                Code::UnsupportedMediaType,
                Code::Forbidden,
                Code::UnknownSource,
            ])
    }
}

/// The sources, and how fresh each is.
///
/// Those that are configured, were once, or whose bills were imported.
#[utoipa::path(get, path = "/sources", tag = "sources", responses(SourcesAnswers))]
pub async fn list_sources(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Closed(NoParameters {}): Closed<NoParameters>,
) -> Result<Response, Problem> {
    let sources = api.insights.sources(api.today(), &scope).await?;
    // Jobs come and go without a new generation, so the answer itself is what is compared.
    crate::json_tagged(&known, &wire::sources_json(&sources, &api.next_tick()))
}

/// One source: how sure its days are, what is live of it, and what was done last.
#[utoipa::path(
    get,
    path = "/sources/{source}",
    tag = "sources",
    params(("source" = String, Path, description = "The source's name", example = "aws-prod"), SourceParameters),
    responses(SourceAnswers)
)]
pub async fn get_source(
    State(api): State<Api>,
    Caller(scope): Caller,
    known: Known,
    Segment(name): Segment,
    Closed(params): Closed<SourceParameters>,
) -> Result<Response, Problem> {
    let SourceParameters { period, from, to } = params;
    let range = days(period.as_deref(), from.as_deref(), to.as_deref(), api.today())?;
    match api.insights.source(&SourceName::new(&*name), range, api.today(), &scope).await? {
        Some(detail) => crate::json_tagged(&known, &wire::source_json(&detail, &api.next_tick())),
        None => Err(unknown(&name, &known_names(&api, &scope, |_| true).await?)),
    }
}

/// Collects a source now.
///
/// While a job of the source waits, it is that one, and does both. Any server of this catalog takes it on; `/jobs/{job}` says
/// how far it is.
#[utoipa::path(
    post,
    path = "/sources/{source}/collect",
    tag = "sources",
    params(
        ("source" = String, Path, description = "The source's name", example = "aws-prod"),
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "The same key again gives the job it once made, also when that is over.",
            min_length = 1,
            max_length = 255,
            example = "nightly-2026-11-21"
        )
    ),
    request_body(content = Option<CollectRequest>, description = "Which days, and what is let in; may be left out."),
    responses(CollectAnswers)
)]
pub async fn collect_source(
    State(api): State<Api>,
    Caller(scope): Caller,
    Segment(name): Segment,
    Closed(NoParameters {}): Closed<NoParameters>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CollectRequest>,
) -> Result<Response, Problem> {
    let now = (api.clock)();
    let window = days(None, body.from.as_deref(), body.to.as_deref(), now.date_naive())?;
    let force = Force { shrink: body.accept_shrink, rejects: body.accept_rejects };
    let id = JobId::new(match key {
        Some(key) => named(&name, &key),
        None => identify::new_id(&api.clock).to_string(),
    });
    let (source, request) = (SourceName::new(&*name), Request { window, force });
    let wanted = Wanted { id, source, by: RequestedBy::Api, request };
    let job = match api.insights.collect(&wanted, now, &scope).await {
        Ok(job) => job,
        Err(InsightError::NotConfigured { .. }) => {
            return Err(unknown(&name, &known_names(&api, &scope, |configured| configured).await?));
        }
        Err(error) => return Err(error.into()),
    };
    let location = format!("/api/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], crate::json(&wire::job_json(&job))?).into_response())
}

/// The id of the job that a source's wish of this name makes, and no other.
fn named(source: &str, key: &str) -> String {
    let hash = Sha256::digest(format!("{source}\0{key}"));
    hash.iter().take(16).fold(String::new(), |id, byte| id + &format!("{byte:02x}"))
}

/// The names of sources, of those that are configured or not as asked.
async fn known_names(api: &Api, scope: &Scope, wanted: impl Fn(bool) -> bool) -> Result<Vec<String>, Problem> {
    let sources = api.insights.sources(api.today(), scope).await?;
    let names = sources.into_iter().filter(|source| wanted(source.configured)).map(|source| source.name.to_string());
    Ok(names.collect())
}

/// That there is no such source, and which there are.
fn unknown(name: &str, names: &[String]) -> Problem {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let detail = match (nearest(name, &names), &*names) {
        (_, []) => format!("no source {name:?} is configured, nor any other"),
        (Some(meant), _) => format!("there is no source {name:?}; did you mean {meant}?"),
        (None, names) => format!("there is no source {name:?}; there are {}", names.join(", ")),
    };
    Problem::new(Code::UnknownSource, detail)
}
