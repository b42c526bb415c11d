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
//! - Nobody here reads the clock; [`router`] is given one.

mod caller;
mod dimensions;
mod guard;
mod health;
mod params;
mod problem;
mod runs;
mod spend;
pub mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::Insights;
use serde::Serialize;

use problem::{Code, Problem};

/// What time it is. Only the binary reads the real clock.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What handlers work with.
#[derive(Clone)]
struct Api {
    insights: Insights,
    clock: Clock,
}

impl Api {
    fn today(&self) -> NaiveDate {
        (self.clock)().date_naive()
    }
}

/// Every route there is, answered by `insights`; named periods such as `last_30_days` are counted from `clock`.
///
/// It has its own answers for unknown paths and methods, so a router merged with it must not bring others.
pub fn router(insights: Insights, clock: Clock) -> Router {
    let v1 = Router::new()
        .route("/spend", get(spend::get_spend))
        .route("/teams/{team}/spend", get(spend::get_team_spend))
        .route("/services/{service}/spend", get(spend::get_service_spend))
        .route("/dimensions", get(dimensions::list_dimensions))
        .route("/dimensions/{dimension}/values", get(dimensions::list_dimension_values))
        .route("/runs", get(runs::list_runs))
        .route("/runs/{run}/rejects", get(runs::list_rejects))
        .route("/changes", get(runs::list_changes))
        .route("/reconciliation", get(runs::list_reconciliation))
        .route("/rates", get(runs::list_rates));
    let routes = Router::new()
        .nest("/api/v1", v1)
        .route("/healthz", get(health::get_health))
        .route("/readyz", get(health::get_readiness));
    guarded(routes).with_state(Api { insights, clock })
}

/// Sees to it that whatever is refused around the handlers is a problem, too.
fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(guard::no_such_path)
        .method_not_allowed_fallback(guard::no_such_method)
        .layer(from_fn(guard::check_url))
        .layer(from_fn(guard::catch_panics))
}

fn json(body: &impl Serialize) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "the answer could not be written as JSON");
        Problem::new(Code::Internal, "the answer could not be written")
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}
