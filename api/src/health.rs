//! For load balancers and container schedulers. Probes may add whatever parameters they like.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response as Documented};

use crate::openapi::Answers;
use crate::problem::{Code, Problem};
use crate::{Api, wire};

struct HealthAnswers;

impl IntoResponses for HealthAnswers {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        Answers::of::<wire::Health>("The process is alive.").untagged().refusing(&[])
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
