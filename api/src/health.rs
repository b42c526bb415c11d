//! For load balancers, container schedulers and Prometheus. Probes may add whatever parameters they like.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::caller::Caller;
use crate::openapi::Answers;
use crate::problem::{Code, Problem};
use crate::{Api, wire};

/// The text that Prometheus and others read metrics from.
const METRICS: &str = "application/openmetrics-text";

struct HealthAnswers;

impl IntoResponses for HealthAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Health>("The process is alive.").untagged().refusing(&[])
    }
}

struct MetricsAnswers;

impl IntoResponses for MetricsAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::text(METRICS, "The metrics.").untagged().refusing(&[])
    }
}

struct ReadinessAnswers;

impl IntoResponses for ReadinessAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Readiness>("Questions can be answered.").untagged().refusing(&[Code::Stopping])
    }
}

/// Whether the process is alive, whatever else is not.
#[utoipa::path(get, path = "/healthz", tag = "service", responses(HealthAnswers))]
pub async fn get_health() -> Result<Response, Problem> {
    crate::json(&wire::Health { status: "ok" })
}

/// Whether questions can be answered.
///
/// Catalog and store can be read, and nobody has asked the server to stop.
#[utoipa::path(get, path = "/readyz", tag = "service", responses(ReadinessAnswers))]
pub async fn get_readiness(State(api): State<Api>) -> Result<Response, Problem> {
    if api.stopping.is_set() {
        return Err(Problem::new(Code::Stopping, "this server finishes what it has begun and takes no more"));
    }
    let generation = api.insights.ready().await?;
    crate::json(&wire::Readiness { status: "ready", generation })
}

/// What Prometheus reads: what this server did, and how fresh each source is.
#[utoipa::path(get, path = "/metrics", tag = "service", responses(MetricsAnswers))]
pub async fn get_metrics(State(api): State<Api>, Caller(scope): Caller) -> Result<Response, Problem> {
    let now = (api.clock)();
    let text = (api.metrics)(&api.insights.sources(now.date_naive(), &scope).await?, now);
    Ok(([(CONTENT_TYPE, format!("{METRICS}; version=1.0.0; charset=utf-8"))], text).into_response())
}
