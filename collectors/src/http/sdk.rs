//! The AWS SDK's requests, sent as all others are.
//!
//! The SDK signs each of its attempts anew and knows its services' errors, so it repeats its requests itself, as often as
//! the settings say ([`Http::sdk_retries`]). Each attempt comes through here.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::Request;

use super::sink::Sink;
use super::{FetchError, Head, Http, Snag};

/// The most that an answer of the SDK's services may hold.
const MOST: usize = 64 << 20;

/// What services of AWS call too many requests.
const THROTTLING: &[&str] =
    &["Throttl", "LimitExceeded", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "BandwidthLimitExceeded"];

impl Http {
    /// How often the SDK repeats a request.
    #[must_use]
    pub fn sdk_retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.settings().attempts)
            .with_initial_backoff(self.settings().first_wait())
            .with_max_backoff(self.settings().longest_wait())
    }
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // Where there are no instance credentials, nobody answers: the SDK then wants to give up after a second.
        let own = settings.connect_timeout().zip(settings.read_timeout()).map(|(connect, read)| connect + read);
        SharedHttpConnector::new(Connector { http: self.clone(), within: own })
    }
}

#[derive(Debug)]
struct Connector {
    http: Http,
    within: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, within) = (self.http.clone(), self.within);
        HttpConnectorFuture::new(async move { answered(&http, request, within).await })
    }
}

async fn answered(http: &Http, request: HttpRequest, within: Option<Duration>) -> Result<HttpResponse, ConnectorError> {
    let tries = attempt(&request);
    if tries > 1 {
        http.0.counters.add_retry();
    }
    let place = place(&request);
    let request = plain(request)?;
    let mut sink = Sink::Memory { place: &place, bytes: Vec::new(), most: MOST };
    let exchange = http.exchange(request, &mut sink);
    let result = match within {
        Some(within) => tokio::time::timeout(within, exchange)
            .await
            .unwrap_or_else(|_| Err(Snag::Network(format!("no answer within {} s", within.as_secs_f32())))),
        None => exchange.await,
    };
    let Head { status, headers, failed } = match result {
        Ok(head) => head,
        Err(Snag::Stop(error)) => return Err(ConnectorError::user(error.into())),
        Err(Snag::Network(why)) => {
            let place = place.clone();
            return Err(ConnectorError::io(FetchError::Unavailable { place, why, tries }.into()));
        }
    };
    let body = if status.is_success() {
        sink.into_memory()
    } else {
        let text = String::from_utf8_lossy(&failed);
        let throttled = status.as_u16() == 429 || THROTTLING.iter().any(|code| text.contains(code));
        http.0.counters.add_failure(throttled);
        failed
    };
    let status = status.as_u16().try_into().map_err(other)?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        let Ok(value) = value.to_str() else { continue };
        response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned()).map_err(other)?;
    }
    Ok(response)
}

/// Which attempt it is: the SDK says `attempt=2; max=3`.
fn attempt(request: &HttpRequest) -> u32 {
    let said = request.headers().get("amz-sdk-request").and_then(|text| text.strip_prefix("attempt="));
    said.and_then(|text| text.split(';').next()?.parse().ok()).unwrap_or(1)
}

/// Where a request goes, without its query.
fn place(request: &HttpRequest) -> String {
    request.uri().split('?').next().unwrap_or_default().to_owned()
}

fn plain(request: HttpRequest) -> Result<Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(other)?;
    let (parts, body) = request.into_parts();
    let url = parts.uri.to_string().parse().map_err(other)?;
    let mut plain = Request::new(parts.method, url);
    *plain.headers_mut() = parts.headers;
    let bytes = body.bytes().ok_or_else(|| other("the body is a stream"))?;
    *plain.body_mut() = Some(bytes.to_vec().into());
    Ok(plain)
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::other(error.into(), None)
}
