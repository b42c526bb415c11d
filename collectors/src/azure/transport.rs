//! What azure_identity sends, sent as all else is: the same timeouts, attempts, budget, counters, and end.

use std::fmt;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::refusal;
use crate::http::{Ask, Failed, FetchError, Http, Vendor, Verdict};

/// The most that an answer with a token may hold.
const MOST: usize = 1 << 20;

/// Who gives a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Giver {
    /// Entra ID, at this address.
    Entra(Url),
    /// Azure's service for the machine we run on.
    Machine,
}

/// The way of azure_identity to whoever gives tokens.
#[derive(Clone)]
pub(super) struct Transport {
    pub http: Http,
    pub giver: Giver,
}

impl Transport {
    /// The request as we send it.
    fn plain(&self, request: &Request) -> Result<reqwest::Request, azure_core::Error> {
        let mut url = request.url().clone();
        // azure_identity takes no address without TLS; a stand-in on this machine has none.
        if let Giver::Entra(authority) = &self.giver
            && url.host() == authority.host()
        {
            url.set_scheme(authority.scheme()).map_err(|()| other("the scheme cannot be set"))?;
        }
        let method: Method = request.method().as_ref().parse().map_err(other)?;
        let mut plain = reqwest::Request::new(method, url);
        for (name, value) in request.headers().iter() {
            // Requests are told apart by nobody, and we say who we are ourselves.
            if matches!(name.as_str(), "user-agent" | "x-ms-client-request-id") {
                continue;
            }
            let mut value: HeaderValue = value.as_str().parse().map_err(other)?;
            value.set_sensitive(true);
            plain.headers_mut().insert(name.as_str().parse::<HeaderName>().map_err(other)?, value);
        }
        let Body::Bytes(body) = request.body() else { return Err(other("the body is a stream")) };
        *plain.body_mut() = Some(body.clone().into());
        Ok(plain)
    }

    fn place(&self) -> String {
        match &self.giver {
            Giver::Entra(authority) => format!("a token of {}", authority.host_str().unwrap_or("Entra ID")),
            Giver::Machine => "a token of the managed identity".to_owned(),
        }
    }
}

#[async_trait]
impl HttpClient for Transport {
    /// Gives an answer only if it is a success. What others mean is said by the error, a [`FetchError`].
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let place = self.place();
        let ask = Ask { place: &place, request: self.plain(request)?, repeatable: true };
        let answer = self.http.send(ask, self, MOST).await.map_err(other)?;
        // azure_identity would quote what it does not understand.
        let body: serde_json::Value = answer.json().map_err(other)?;
        if body["access_token"].as_str().is_none_or(str::is_empty) {
            return Err(other(refusal::no_token(&place)));
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::default(), answer.body))
    }
}

#[async_trait]
impl Vendor for Transport {
    /// What azure_identity sends is allowed by what is in it.
    async fn authorise(&self, _: &mut reqwest::Request) -> Result<(), FetchError> {
        Ok(())
    }

    async fn renew(&self) {}

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        match self.giver {
            Giver::Entra(_) => refusal::of_entra(failed),
            Giver::Machine => refusal::of_machine(failed),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("giver", &self.giver).finish_non_exhaustive()
    }
}

/// An error that azure_identity does not take for one to be tried again: that has been done.
fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Other, error)
}
