//! The REST interface: a URL in, one question to `insights`, its answer out.
//!
//! Nothing is computed here. A handler reads its parameters from a closed list, asks, and hands the report to
//! [`wire`], which the command line shares, so that both print the same bytes.
//!
//! Invariants:
//! - A parameter that is unknown, repeated or malformed is a 4xx, never ignored (P8).
//! - Every answer but a 2xx is a problem (RFC 9457) with a stable code, whoever refuses: a handler, the router, the
//!   guards around them, or a panic.
//! - Every question carries the caller's scope, which comes from one place, `caller`.
//! - What is documented (`openapi`) is what is there: both come from the same handlers, parameters and types.
//! - Nobody here reads the clock; [`Server`] is given one.

mod body;
mod caller;
mod changes;
mod claimed;
mod components;
mod dimensions;
mod docs;
mod etag;
mod export;
mod guard;
mod health;
mod identify;
mod jobs;
mod openapi;
mod owned;
mod ownership;
mod params;
mod problem;
mod rates;
mod runs;
mod sources;
mod spend;
mod teams;
pub mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{Insights, SourceReport};
use serde::Serialize;
use tokio::sync::Semaphore;
use tower_http::compression::predicate::{NotForContentType, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel, Predicate as _};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use etag::{Known, Tag};
use problem::{Code, Problem};

/// Below so many bytes an answer is not worth compressing.
const SMALL: u64 = 1024;

/// What time it is. Only the binary reads the real clock.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// When a source of this schedule is collected next. Only the binary knows how schedules are written.
pub type NextTick = fn(&str, DateTime<Utc>) -> Option<DateTime<Utc>>;

/// Writes what `/metrics` answers, of sources as they are at a time.
pub type WriteMetrics = Arc<dyn Fn(&[SourceReport], DateTime<Utc>) -> String + Send + Sync>;

/// Set when the server has been asked to stop. All clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// From here on the server is not ready.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much is taken on at once, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until an answer begins.
    pub answer_within: Duration,
    /// Questions under way, those that wait for the store included; more are refused at once.
    pub most_requests: usize,
}

/// What the API is served from.
#[derive(Clone)]
pub struct Server {
    /// The answers.
    pub insights: Insights,
    /// Named periods such as `last_30_days` are counted from it.
    pub clock: Clock,
    /// How much is taken on.
    pub limits: Limits,
    /// Whether it is over.
    pub stopping: Stopping,
    /// How schedules are read.
    pub next_tick: NextTick,
    /// How metrics are written.
    pub metrics: WriteMetrics,
}

/// What handlers work with.
#[derive(Clone)]
struct Api {
    insights: Insights,
    clock: Clock,
    stopping: Stopping,
    next_tick: NextTick,
    metrics: WriteMetrics,
    /// The OpenAPI document.
    document: Bytes,
}

impl Api {
    fn today(&self) -> NaiveDate {
        (self.clock)().date_naive()
    }

    /// When a source of some schedule is collected next.
    fn next_tick(&self) -> impl Fn(&str) -> Option<DateTime<Utc>> + use<> {
        let (next_tick, now) = (self.next_tick, (self.clock)());
        move |schedule| next_tick(schedule, now)
    }
}

/// Every route there is.
///
/// It has its own answers for unknown paths and methods, so a router merged with it must not bring others.
pub fn router(Server { insights, clock, limits, stopping, next_tick, metrics }: Server) -> Router {
    let (routes, document) = documented(limits).split_for_parts();
    let document = written(&document).into();
    let routes = routes
        .route("/openapi.json", get(docs::get_openapi))
        .route("/docs", get(docs::get_docs))
        .route("/docs/", get(docs::get_docs_page))
        .route("/docs/{file}", get(docs::get_docs_file));
    let api = Api { insights, clock: Arc::clone(&clock), stopping, next_tick, metrics, document };
    guarded(routes, clock, limits.answer_within).with_state(api)
}

/// The OpenAPI document of the routes, as it is served and checked in.
#[must_use]
pub fn openapi() -> String {
    written(documented(Limits { answer_within: Duration::ZERO, most_requests: 0 }).get_openapi())
}

fn written(document: &utoipa::openapi::OpenApi) -> String {
    let serialises = "a document of texts, numbers and lists always serialises";
    let mut document = serde_json::to_value(document).expect(serialises);
    openapi::definitions::splice(&mut document);
    let text = serde_json::to_string_pretty(&document).expect(serialises);
    text + "\n"
}

fn documented(limits: Limits) -> OpenApiRouter<Api> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(spend::get_spend))
        .routes(routes!(spend::get_team_spend))
        .routes(routes!(spend::get_service_spend))
        .routes(routes!(spend::get_component_spend))
        .routes(routes!(teams::list_teams))
        .routes(routes!(teams::get_team))
        .routes(routes!(teams::get_team_unit_cost))
        .routes(routes!(teams::get_team_peers))
        .routes(routes!(components::list_components))
        .routes(routes!(components::get_component))
        .routes(routes!(components::get_component_unit_cost))
        .routes(routes!(components::list_component_releases))
        .routes(routes!(components::list_events))
        .routes(routes!(claimed::get_coverage))
        .routes(routes!(dimensions::list_dimensions))
        .routes(routes!(dimensions::list_dimension_values))
        .routes(routes!(export::export_focus))
        .routes(routes!(sources::list_sources))
        .routes(routes!(sources::get_source))
        .routes(routes!(sources::collect_source))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(runs::list_rejects))
        .routes(routes!(changes::list_changes))
        .routes(routes!(runs::list_reconciliation))
        .routes(routes!(rates::list_rates))
        .merge(ownership_changes())
        .layer(from_fn_with_state(Arc::new(Semaphore::new(limits.most_requests)), guard::shed_load));
    // Probes are answered however many questions wait.
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .nest("/api/v1", v1)
        .routes(routes!(health::get_health))
        .routes(routes!(health::get_readiness))
        .routes(routes!(health::get_metrics))
}

/// Changing who owns what, and what is asked about that.
fn ownership_changes() -> OpenApiRouter<Api> {
    use ownership::{components, maps, pools, rules, series, teams};
    OpenApiRouter::new()
        .routes(routes!(teams::put_team, teams::delete_team))
        .routes(routes!(components::put_component, components::delete_component))
        .routes(routes!(maps::list_maps))
        .routes(routes!(maps::get_map, maps::put_map, maps::delete_map))
        .routes(routes!(pools::list_pools))
        .routes(routes!(pools::get_pool, pools::put_pool, pools::delete_pool))
        .routes(routes!(series::list_series))
        .routes(routes!(series::get_series, series::put_series, series::delete_series))
        .routes(routes!(rules::list_rules, ownership::create_rule))
        .routes(routes!(rules::get_rule, rules::put_rule, rules::delete_rule))
        .routes(routes!(ownership::explain_rules))
        .routes(routes!(ownership::preview_rules))
        .routes(routes!(ownership::list_points, ownership::put_points))
        .routes(routes!(ownership::record_events))
        .routes(routes!(ownership::list_audit))
        .routes(routes!(ownership::get_ownership))
}

/// Sees to it that whatever is refused around the handlers is a problem, too. The last layer is the outermost.
fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>, clock: Clock, answer_within: Duration) -> Router<S> {
    // What is compressed already gains nothing.
    let worth_it = SizeAbove::new(SMALL)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("application/vnd.apache.parquet"));
    routes
        .fallback(guard::no_such_path)
        .method_not_allowed_fallback(guard::no_such_method)
        .layer(from_fn(guard::check_request))
        .layer(from_fn_with_state(answer_within, guard::answer_in_time))
        .layer(from_fn(guard::catch_panics))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_it))
        .layer(from_fn_with_state(clock, identify::identify))
}

fn json(body: &impl Serialize) -> Result<Response, Problem> {
    Ok(([(CONTENT_TYPE, "application/json")], json_bytes(body)?).into_response())
}

/// An answer that is compared by what it says.
fn json_tagged(known: &Known, body: &impl Serialize) -> Result<Response, Problem> {
    let bytes = json_bytes(body)?;
    Ok(Tag::of(&bytes).on(known, ([(CONTENT_TYPE, "application/json")], bytes)))
}

fn json_bytes(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "the answer could not be written as JSON");
        Problem::new(Code::Internal, "the answer could not be written")
    })
}
