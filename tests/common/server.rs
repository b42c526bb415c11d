//! The API of a house, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use outlay::schedule::next_tick;
use outlay_api::{Limits, Stopping};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{House, today};

/// A server on a port of its own; it ends with the test.
pub struct Server {
    pub house: House,
    /// Where the API begins.
    pub base: String,
}

impl Server {
    pub async fn over(house: House) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/api/v1/", listener.local_addr().expect("an address"));
        let noon = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
        let metrics = house.app.metrics.clone();
        let router = outlay_api::router(outlay_api::Server {
            insights: house.app.insights.clone(),
            clock: Arc::new(move || noon),
            limits: Limits { answer_within: Duration::from_secs(60), most_requests: 100 },
            stopping: Stopping::default(),
            next_tick,
            metrics: Arc::new(move |sources, now| metrics.text(sources, now)),
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base }
    }

    pub async fn ask(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    pub async fn refused(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.ask(path).await;
        (status, serde_json::from_str(&body).expect("a problem"))
    }

    /// What is asked to be done: status, headers and body of the answer.
    pub async fn post(&self, path: &str, key: Option<&str>, body: Option<&str>) -> (u16, HeaderMap, Value) {
        let mut request = reqwest::Client::new().post(format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, serde_json::from_str(&answer.text().await.expect("text")).expect("JSON"))
    }
}
