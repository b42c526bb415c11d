//! Reading a container of a storage account: what is in it, and single blobs. Accounts with a hierarchical namespace (ADLS
//! Gen2) answer the same way.
//!
//! Who may read it is asked of Entra ID like for everything else of Azure, unless the account's own key or a shared access
//! signature is given. Only object_store's signature is used here: its paths cannot say all names that blobs may have.

mod address;
mod page;
mod refusal;
mod right;

#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use object_store::azure::AzureAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_MATCH, RANGE};
use reqwest::{Request, Url};

use super::{Azure, STORAGE_SCOPE};
use crate::collector::Variables;
use crate::http::{Answer, Ask, Failed, FetchError, Target, Vendor, Verdict};
use crate::objects::{Found, Object, Place};

pub use address::ContainerAddress;
pub use right::StorageSettings;

use page::{Page, bare, not_a_listing};
use right::Right;

/// The most that a page of a listing may hold: five thousand names of a kilobyte, and what is around them.
const MOST_OF_A_PAGE: usize = 32 << 20;

/// The version of the service that is spoken with.
const VERSION: (&str, &str) = ("x-ms-version", "2023-11-03");

/// A container.
#[derive(Debug)]
pub struct Container {
    azure: Azure,
    address: ContainerAddress,
    right: Right,
}

impl Container {
    /// A container of an account.
    ///
    /// # Errors
    /// [`FetchError`] when the secret that the settings name is not there.
    pub fn new(
        azure: Azure,
        address: ContainerAddress,
        settings: &StorageSettings,
        variables: &Variables,
    ) -> Result<Self, FetchError> {
        Ok(Self { azure, address, right: settings.right(variables)? })
    }

    fn own_address(&self) -> String {
        format!("https://{}.blob.{}", self.address.account, self.address.suffix)
    }

    fn url(&self, key: &str, query: &[(&str, &str)]) -> Url {
        let start = self.azure.endpoint().map_or_else(|| self.own_address(), ToOwned::to_owned);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", escaped(value, false))).collect();
        let slash = if key.is_empty() { "" } else { "/" };
        let url = format!("{start}/{}{slash}{}?{}", self.address.container, escaped(key, true), query.join("&"));
        url.trim_end_matches('?').parse().expect("settings name only addresses, and the rest is escaped")
    }
}

#[async_trait]
impl Place for Container {
    fn name(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.own_address(), self.address.container)
    }

    async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError> {
        let mut found = Found::default();
        let mut marker: Option<String> = None;
        loop {
            let mut query = vec![("comp", "list"), ("restype", "container"), ("prefix", prefix)];
            if to_the_next_slash {
                query.push(("delimiter", "/"));
            }
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let place = self.name(prefix);
            let ask = Ask::get(&place, self.url("", &query));
            let answer = self.azure.http().send(ask, self, MOST_OF_A_PAGE).await?;
            let page = Page::read(&answer)?;
            match page.add_to(&mut found, &answer)? {
                None => return Ok(found),
                Some(next) if marker.as_ref() == Some(&next) => {
                    return Err(not_a_listing(&answer, "the listing does not go on"));
                }
                next => marker = next,
            }
        }
    }

    async fn get(&self, key: &str, most: usize) -> Result<(Answer, String), FetchError> {
        let place = self.name(key);
        let answer = self.azure.http().send(Ask::get(&place, self.url(key, &[])), self, most).await?;
        let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(bare).unwrap_or_default();
        Ok((answer, etag))
    }

    async fn download(&self, listed: &Object, path: &Path) -> Result<(), FetchError> {
        let place = self.name(&listed.key);
        let changed = || FetchError::Changed { place: place.clone() };
        let mut ask = Ask::get(&place, self.url(&listed.key, &[]));
        let etag = format!("\"{}\"", listed.etag).parse().map_err(|_| changed())?;
        ask.request.headers_mut().insert(IF_MATCH, etag);
        let headers = self.azure.http().download(ask, self, Target { path, size: listed.size }).await?;
        // Not every stand-in keeps to If-Match.
        let came = headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(bare);
        if came.is_none_or(|etag| etag == listed.etag) { Ok(()) } else { Err(changed()) }
    }

    async fn probe(&self, key: &str) -> Result<(), FetchError> {
        let place = self.name(key);
        let mut ask = Ask::get(&place, self.url(key, &[]));
        ask.request.headers_mut().insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        self.azure.http().send(ask, self, 1).await.map(drop)
    }
}

/// Escaped as paths and queries want it, the slashes of a key left.
fn escaped(text: &str, keep_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' if keep_slashes => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[async_trait]
impl Vendor for Container {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        let version = (HeaderName::from_static(VERSION.0), HeaderValue::from_static(VERSION.1));
        request.headers_mut().insert(version.0, version.1);
        match &self.right {
            Right::Role => self.azure.authorise(request, STORAGE_SCOPE).await,
            Right::Signature(token) => {
                let query = request.url().query().map_or_else(|| token.clone(), |query| format!("{query}&{token}"));
                request.url_mut().set_query(Some(&query));
                Ok(())
            }
            Right::Key(key) => {
                let mut signed = HttpRequest::new(HttpRequestBody::empty());
                *signed.method_mut() = request.method().clone();
                *signed.uri_mut() = request.url().as_str().parse().expect("an address of a web server is a URI");
                *signed.headers_mut() = request.headers().clone();
                let signer = AzureAuthorizer::new(key, &self.address.account);
                signer.try_authorize(&mut signed).map_err(|_| FetchError::Refused {
                    place: self.name(""),
                    why: "the request cannot be signed".to_owned(),
                    advice: "this build has no cryptography; get another".to_owned(),
                })?;
                *request.headers_mut() = signed.headers().clone();
                Ok(())
            }
        }
    }

    async fn renew(&self) {
        self.azure.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        refusal::judge(&self.right, failed)
    }
}
