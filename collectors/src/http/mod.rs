//! One HTTP behaviour for every collector.
//!
//! Whatever a collector asks a provider goes through [`Http`], be it a plain API, a file in a bucket or a call of the AWS
//! SDK: the same timeouts, so many requests at once, a budget of requests for the run, the same counters, and one way to
//! stop. What differs between providers is a [`Vendor`].
//!
//! Invariants: an answer is whole or an error, never short; a request is sent again only when it is safe to repeat; a wait
//! is never longer than the settings say; errors and logs hold no query, header or body; redirects are not followed, for
//! they would carry credentials elsewhere.

mod counters;
mod error;
mod sdk;
mod settings;
mod sink;
mod vendor;
mod wait;

#[cfg(test)]
pub(crate) mod teller;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Request, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

pub use counters::{Counted, Counters};
pub use error::FetchError;
pub(crate) use error::dollars;
pub use settings::HttpSettings;
pub(crate) use settings::is_address;
pub use sink::Target;
pub(crate) use vendor::short;
pub use vendor::{Failed, Vendor, Verdict};

use sink::Sink;

/// What Outlay calls itself.
const NAME: &str = concat!("outlay/", env!("CARGO_PKG_VERSION"));

/// The most of a failed answer that is looked at.
const MOST_OF_A_FAILURE: usize = 1 << 16;

/// The way of one run of a source to its provider. Clones share everything.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    client: Client,
    settings: HttpSettings,
    slots: Semaphore,
    sent: AtomicU32,
    cancelled: CancellationToken,
    counters: Arc<Counters>,
}

/// What to ask for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What it is, for people: `s3://bucket/key`, `the costs of 2026-10`. No secrets.
    pub place: &'a str,
    /// The request, without credentials; a [`Vendor`] adds them.
    pub request: Request,
    /// Whether it may be sent again when nobody knows what became of it.
    pub repeatable: bool,
}

impl<'a> Ask<'a> {
    /// A GET, which may always be repeated.
    #[must_use]
    pub fn get(place: &'a str, url: Url) -> Self {
        Self { place, request: Request::new(Method::GET, url), repeatable: true }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// What was asked for.
    pub place: String,
    /// Its status, which is a success.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Whether it is a page for people: what proxies and login pages answer in a service's place.
    pub(crate) fn is_page(&self) -> bool {
        vendor::is_html(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`FetchError::NotUnderstood`] that says what it is in place of it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, FetchError> {
        let not = |what: String, advice: &str| FetchError::NotUnderstood {
            place: self.place.clone(),
            what,
            advice: advice.to_owned(),
        };
        if self.is_page() {
            return Err(not(
                "an HTML page came where JSON was expected".to_owned(),
                "a proxy or a login page answers in the service's place: look at the address and at the network",
            ));
        }
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        // The error's own words quote the body.
        serde_json::from_slice(body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "the JSON is cut short".to_owned(),
                serde_json::error::Category::Data => {
                    format!(
                        "the JSON has other fields than expected (line {}, column {})",
                        error.line(),
                        error.column()
                    )
                }
                _ => format!("is not JSON (line {}, column {})", error.line(), error.column()),
            };
            not(what, "deliver it again, or tell us of it")
        })
    }
}

/// An exchange without a usable answer.
enum Snag {
    /// Not to be tried again.
    Stop(FetchError),
    /// The network failed, or the answer was cut short.
    Network(String),
}

/// An answer's head, and the body if it is no success.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    failed: Vec<u8>,
}

impl Http {
    /// The way of a run that ends with `cancelled` and counts in `counters`.
    ///
    /// # Errors
    /// [`FetchError::Unavailable`] when this machine's certificates or proxy settings cannot be used.
    pub fn new(
        settings: HttpSettings,
        cancelled: CancellationToken,
        counters: Arc<Counters>,
    ) -> Result<Self, FetchError> {
        let seconds = |number: u32| Duration::from_secs(number.into());
        let client = Client::builder()
            .user_agent(NAME)
            .connect_timeout(seconds(settings.connect_within_seconds))
            .read_timeout(seconds(settings.silent_for_seconds))
            .redirect(redirect::Policy::none())
            // Attempts are counted and paid for here, none may be made behind our back.
            .retry(reqwest::retry::never())
            // A file that is kept packed has to arrive as it is kept.
            .no_gzip()
            .build()
            .map_err(|error| FetchError::Unavailable { place: "HTTP".to_owned(), why: reason(&error), tries: 0 })?;
        let slots = Semaphore::new(settings.requests_at_once as usize);
        Ok(Self(Arc::new(Shared { client, settings, slots, sent: AtomicU32::new(0), cancelled, counters })))
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &HttpSettings {
        &self.0.settings
    }

    /// What the source's requests come to.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Asks, and takes an answer of at most `most` bytes into memory.
    ///
    /// # Errors
    /// [`FetchError`] when there is no whole answer after all attempts.
    pub async fn send(&self, ask: Ask<'_>, vendor: &dyn Vendor, most: usize) -> Result<Answer, FetchError> {
        let mut sink = Sink::Memory { place: ask.place, bytes: Vec::new(), most };
        let Head { status, headers, .. } = self.fill(&ask, vendor, &mut sink).await?;
        Ok(Answer { place: ask.place.to_owned(), status, headers, body: sink.into_memory().into() })
    }

    /// Asks for a file, streams it to where it is kept, and gives the headers that came with it.
    ///
    /// # Errors
    /// [`FetchError`] when it is not there in its whole size after all attempts.
    pub async fn download(
        &self,
        ask: Ask<'_>,
        vendor: &dyn Vendor,
        target: Target<'_>,
    ) -> Result<HeaderMap, FetchError> {
        let mut sink = Sink::file(target);
        let Head { headers, .. } = self.fill(&ask, vendor, &mut sink).await?;
        sink.finish().await?;
        Ok(headers)
    }

    /// Attempt after attempt.
    async fn fill(&self, ask: &Ask<'_>, vendor: &dyn Vendor, sink: &mut Sink<'_>) -> Result<Head, FetchError> {
        let place = ask.place;
        let settings = &self.0.settings;
        let (mut tries, mut renewed) = (0, false);
        loop {
            let mut request = ask.request.try_clone().expect("bodies are bytes");
            vendor.authorise(&mut request).await?;
            tries += 1;
            let (why, throttled, told) = match self.exchange(request, sink).await {
                Ok(head) if head.status.is_success() => return Ok(head),
                Ok(Head { status, headers, failed }) => {
                    let body = String::from_utf8_lossy(&failed);
                    let verdict = vendor.judge(&Failed { place, status, headers: &headers, body: &body });
                    self.0.counters.add_failure(matches!(verdict, Verdict::Again { throttled: true, .. }));
                    match verdict {
                        Verdict::Final(error) => return Err(error),
                        Verdict::Renew { why } if renewed => {
                            return Err(FetchError::Expired { place: place.to_owned(), why });
                        }
                        Verdict::Renew { why } => {
                            tracing::debug!(place, why, "asking for new credentials");
                            renewed = true;
                            vendor.renew().await;
                            self.0.counters.add_retry();
                            continue;
                        }
                        Verdict::Again { throttled, why } => (why, throttled, wait::told(&headers)),
                    }
                }
                Err(Snag::Stop(error)) => return Err(error),
                Err(Snag::Network(why)) => (why, false, None),
            };
            let too_long = told.is_some_and(|wait| wait > settings.longest_wait());
            if !ask.repeatable || tries >= settings.attempts || too_long {
                let place = place.to_owned();
                return Err(match throttled || too_long {
                    true => FetchError::Throttled { place, tries, wait: told },
                    false => FetchError::Unavailable { place, why, tries },
                });
            }
            let wait = told.unwrap_or_else(|| wait::backoff(settings.first_wait(), settings.longest_wait(), tries));
            tracing::debug!(place, why, tries, wait_ms = wait.as_millis() as u64, "asking again");
            self.unless_cancelled(tokio::time::sleep(wait)).await?;
            self.0.counters.add_retry();
        }
    }

    /// Sends a request once. Whatever a source sends, it sends here.
    async fn exchange(&self, request: Request, sink: &mut Sink<'_>) -> Result<Head, Snag> {
        let _slot = self.slot().await.map_err(Snag::Stop)?;
        let within = self.0.settings.answer_within();
        let limit = if sink.is_file() { Duration::MAX } else { within };
        let work = tokio::time::timeout(limit, self.exchanged(request, sink));
        let result = match self.unless_cancelled(work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Snag::Network(format!("no whole answer within {} s", within.as_secs()))),
            Err(cancelled) => Err(Snag::Stop(cancelled)),
        };
        if matches!(result, Err(Snag::Network(_))) {
            self.0.counters.add_failure(false);
        }
        result
    }

    async fn exchanged(&self, request: Request, sink: &mut Sink<'_>) -> Result<Head, Snag> {
        let mut response = self.0.client.execute(request).await.map_err(|error| Snag::Network(reason(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut failed = Vec::new();
        if status.is_success() {
            sink.restart().await.map_err(Snag::Stop)?;
            while let Some(bytes) = self.chunk(&mut response).await? {
                sink.take(&bytes).await.map_err(Snag::Stop)?;
            }
            sink.check_size().map_err(Snag::Network)?;
        } else {
            while let Some(bytes) = self.chunk(&mut response).await? {
                if failed.len() < MOST_OF_A_FAILURE {
                    failed.extend_from_slice(&bytes);
                }
            }
        }
        Ok(Head { status, headers, failed })
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Snag> {
        let bytes = response.chunk().await.map_err(|error| Snag::Network(reason(&error)))?;
        self.0.counters.add_bytes(bytes.as_ref().map_or(0, Bytes::len));
        Ok(bytes)
    }

    /// The right to send one request, out of the run's budget.
    async fn slot(&self) -> Result<SemaphorePermit<'_>, FetchError> {
        let slot = self.unless_cancelled(self.0.slots.acquire()).await?.expect("it is never closed");
        let most = self.0.settings.most_requests;
        let spend = |sent: u32| (sent < most).then_some(sent + 1);
        self.0
            .sent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .map_err(|_| FetchError::BudgetSpent { most })?;
        self.0.counters.add_request();
        Ok(slot)
    }

    /// Has a library do what it can only send itself, such as asking for credentials: it counts as one request, and ends
    /// when the time is up or the run is stopped.
    pub(crate) async fn lend<T>(
        &self,
        place: &str,
        within: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let _slot = self.slot().await?;
        self.unless_cancelled(tokio::time::timeout(within, work)).await?.map_err(|_| {
            let why = format!("no whole answer within {} s", within.as_secs());
            FetchError::Unavailable { place: place.to_owned(), why, tries: 0 }
        })
    }

    /// Waits before something is asked for once more, for the longer the more often it was.
    pub(crate) async fn pause(&self, tries: u32) -> Result<(), FetchError> {
        let settings = self.settings();
        let wait = wait::backoff(settings.first_wait(), settings.longest_wait(), tries);
        self.unless_cancelled(tokio::time::sleep(wait)).await
    }

    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, FetchError> {
        self.0.cancelled.run_until_cancelled(work).await.ok_or(FetchError::Cancelled)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Why the network failed: the innermost words, for the outer ones name the address with its query.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let what = if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "sent nothing for too long"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut short"
    } else {
        "the connection failed"
    };
    if error.source().is_none() { what.to_owned() } else { format!("{what} ({inner})") }
}
