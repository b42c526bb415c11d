//! For load balancers and container schedulers. Probes may add whatever parameters they like.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::Api;
use crate::problem::Problem;

/// `GET /healthz`: the process is alive, whatever else is not.
pub async fn get_health() -> Result<Response, Problem> {
    crate::json(&json!({"status": "ok"}))
}

/// `GET /readyz`: the catalog can be read, so questions can be answered.
pub async fn get_readiness(State(api): State<Api>) -> Result<Response, Problem> {
    let generation = api.insights.generation().await?;
    crate::json(&json!({"status": "ready", "generation": generation}))
}
