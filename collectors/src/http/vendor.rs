//! What differs between providers: how a request is allowed, and what an answer that is no success means.

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::FetchError;

/// The most of a provider's message that is shown.
const MOST: usize = 400;

/// A provider's ways.
#[async_trait]
pub trait Vendor: Send + Sync {
    /// Signs a request, or adds a token. It is called for every attempt, so a signature is never old.
    ///
    /// # Errors
    /// When there are no credentials.
    async fn authorise(&self, request: &mut reqwest::Request) -> Result<(), FetchError>;

    /// Forgets credentials that were not accepted, so that [`authorise`](Self::authorise) asks for new ones.
    async fn renew(&self);

    /// What to make of an answer that is no success.
    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        failed.verdict()
    }
}

/// What an answer that is no success means.
#[derive(Debug)]
pub enum Verdict {
    /// It stays so.
    Final(FetchError),
    /// It may be better soon.
    Again {
        /// Because of too many requests.
        throttled: bool,
        /// In words.
        why: String,
    },
    /// With new credentials it may be better at once.
    Renew {
        /// In words.
        why: String,
    },
}

/// An answer that is no success.
#[derive(Debug)]
pub struct Failed<'a> {
    /// What was asked for.
    pub place: &'a str,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as far as it is not longer than 64 KiB. It may quote the request: show only what is known to be safe.
    pub body: &'a str,
}

impl Failed<'_> {
    /// The status in words, such as `HTTP 503 with an HTML page`.
    #[must_use]
    pub fn status_text(&self) -> String {
        let page = if is_html(self.body.as_bytes()) { " with an HTML page" } else { "" };
        format!("HTTP {}{page}", self.status.as_u16())
    }

    /// What an answer of this status means everywhere.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (place, why) = (self.place.to_owned(), self.status_text());
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Verdict::Again { throttled: true, why },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Verdict::Again { throttled: false, why },
            StatusCode::NOT_IMPLEMENTED => refused(place, why, "the service does not offer this; look at its address"),
            status if status.is_server_error() => Verdict::Again {
                throttled: status == StatusCode::SERVICE_UNAVAILABLE && super::wait::told(self.headers).is_some(),
                why,
            },
            StatusCode::UNAUTHORIZED => Verdict::Renew { why },
            StatusCode::FORBIDDEN => refused(place, why, "grant what docs/COLLECTORS.md lists for this collector"),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Verdict::Final(FetchError::Missing { place, advice: "look at the source's settings".to_owned() })
            }
            StatusCode::PRECONDITION_FAILED => Verdict::Final(FetchError::Changed { place }),
            status if status.is_redirection() => {
                refused(place, why, "the service wants to be asked elsewhere; correct its address or region")
            }
            _ => refused(place, why, "look at the source's settings"),
        }
    }
}

fn refused(place: String, why: String, advice: &str) -> Verdict {
    Verdict::Final(FetchError::Refused { place, why, advice: advice.to_owned() })
}

/// Whether a body is a page for people: what proxies, login pages and load balancers answer in a service's place.
pub(super) fn is_html(body: &[u8]) -> bool {
    let start: String = String::from_utf8_lossy(&body[..body.len().min(256)]).to_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head")
}

/// The first line of a provider's message, within bounds.
pub(crate) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
