//! Reading a bucket: what is in it, and single objects.
//!
//! Keys are used as they are. AWS writes bills under keys with empty pieces (`exports//daily/…`) where a prefix ended in a
//! slash, which object_store's paths cannot say; so only its signature is used here.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::header::{ETAG, HeaderValue, IF_MATCH, RANGE};
use reqwest::{Request, Url};
use serde::Deserialize;

use super::settings::Partition;
use super::{Aws, refusal};
use crate::http::{Answer, Ask, Failed, FetchError, Target, Vendor, Verdict};
use crate::objects::{Found, Object, Place};

/// The most that a page of a listing may hold: a thousand keys of a kilobyte, and what is around them.
const MOST_OF_A_PAGE: usize = 16 << 20;

/// A bucket.
#[derive(Debug)]
pub struct Bucket {
    aws: Aws,
    name: String,
    region: Mutex<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
    #[serde(default)]
    contents: Vec<Content>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    size: u64,
    last_modified: DateTime<Utc>,
    #[serde(rename = "ETag")]
    etag: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
}

impl Bucket {
    /// A bucket of an account.
    #[must_use]
    pub fn new(aws: Aws, name: &str) -> Self {
        let region = Mutex::new(aws.region());
        Self { aws, name: name.to_owned(), region }
    }

    fn page(&self, answer: &Answer) -> Result<Page, FetchError> {
        let text = std::str::from_utf8(&answer.body).map_err(|_| not_a_listing(answer, "the listing is not UTF-8"))?;
        if !text.contains("<ListBucketResult") {
            return Err(not_a_listing(answer, "what came is not a listing of S3"));
        }
        quick_xml::de::from_str(text).map_err(|_| not_a_listing(answer, "the listing cannot be read"))
    }

    async fn asked(&self, key: &str, query: &[(&str, &str)], place: &str, most: usize) -> Result<Answer, FetchError> {
        self.in_region(|| self.aws.http().send(Ask::get(place, self.url(key, query)), self, most)).await
    }

    /// Asks, and once more where the bucket turns out to be elsewhere.
    async fn in_region<T, F: Future<Output = Result<T, FetchError>>>(
        &self,
        asked: impl Fn() -> F,
    ) -> Result<T, FetchError> {
        let before = self.region();
        match asked().await {
            Err(_) if self.region() != before => asked().await,
            result => result,
        }
    }

    fn region(&self) -> String {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By the bucket's own name where it can be one of a host. A stand-in has one address for all buckets.
    fn url(&self, key: &str, query: &[(&str, &str)]) -> Url {
        let (name, region) = (&self.name, self.region());
        let suffix = Partition::of_region(&region).suffix;
        let start = match self.aws.endpoint("S3") {
            Some(endpoint) => format!("{}/{name}", endpoint.trim_end_matches('/')),
            None if name.contains('.') => format!("https://s3.{region}.{suffix}/{name}"),
            None => format!("https://{name}.s3.{region}.{suffix}"),
        };
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", escaped(value, false))).collect();
        let url = format!("{start}/{}?{}", escaped(key, true), query.join("&"));
        url.trim_end_matches('?').parse().expect("settings name only addresses, and the rest is escaped")
    }
}

#[async_trait]
impl Place for Bucket {
    fn name(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError> {
        let mut found = Found::default();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("list-type", "2"), ("prefix", prefix)];
            if to_the_next_slash {
                query.push(("delimiter", "/"));
            }
            query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let place = self.name(prefix);
            let answer = self.asked("", &query, &place, MOST_OF_A_PAGE).await?;
            let page = self.page(&answer)?;
            found.objects.extend(page.contents.into_iter().map(|content| {
                let Content { key, size, last_modified, etag } = content;
                Object { key, size, written: last_modified, etag }
            }));
            found.folders.extend(page.common_prefixes.into_iter().map(|folder| folder.prefix));
            match page.next_continuation_token {
                Some(next) if page.is_truncated && token.as_ref() != Some(&next) => token = Some(next),
                _ if !page.is_truncated => return Ok(found),
                _ => return Err(not_a_listing(&answer, "the listing does not say how it goes on")),
            }
        }
    }

    async fn get(&self, key: &str, most: usize) -> Result<(Answer, String), FetchError> {
        let answer = self.asked(key, &[], &self.name(key), most).await?;
        let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default().to_owned();
        Ok((answer, etag))
    }

    async fn download(&self, object: &Object, path: &Path) -> Result<(), FetchError> {
        let place = self.name(&object.key);
        self.in_region(|| async {
            let mut ask = Ask::get(&place, self.url(&object.key, &[]));
            let etag = object.etag.parse().map_err(|_| FetchError::Changed { place: place.clone() })?;
            ask.request.headers_mut().insert(IF_MATCH, etag);
            let headers = self.aws.http().download(ask, self, Target { path, size: object.size }).await?;
            // Not every stand-in for S3 keeps to If-Match.
            match headers.get(ETAG).is_none_or(|etag| etag.as_bytes() == object.etag.as_bytes()) {
                true => Ok(()),
                false => Err(FetchError::Changed { place: place.clone() }),
            }
        })
        .await
    }

    async fn probe(&self, key: &str) -> Result<(), FetchError> {
        let place = self.name(key);
        self.in_region(|| async {
            let mut ask = Ask::get(&place, self.url(key, &[]));
            ask.request.headers_mut().insert(RANGE, HeaderValue::from_static("bytes=0-0"));
            self.aws.http().send(ask, self, 1).await.map(drop)
        })
        .await
    }
}

fn not_a_listing(answer: &Answer, what: &str) -> FetchError {
    FetchError::NotUnderstood {
        place: answer.place.clone(),
        what: what.to_owned(),
        advice: "look at what the endpoint leads to".to_owned(),
    }
}

/// Escaped as S3 wants it for its signature.
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
impl Vendor for Bucket {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        let credentials = self.aws.credentials().get().await?;
        let credential = AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(ToOwned::to_owned),
        };
        let mut signed = HttpRequest::new(HttpRequestBody::empty());
        *signed.method_mut() = request.method().clone();
        *signed.uri_mut() = request.url().as_str().parse().expect("an address of a web server is a URI");
        *signed.headers_mut() = request.headers().clone();
        let region = self.region();
        AwsAuthorizer::new(&credential, "s3", &region).try_authorize(&mut signed, None).map_err(|_| {
            FetchError::Refused {
                place: self.name(""),
                why: "the request cannot be signed".to_owned(),
                advice: "this build has no cryptography; get another".to_owned(),
            }
        })?;
        *request.headers_mut() = signed.headers().clone();
        Ok(())
    }

    async fn renew(&self) {
        self.aws.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let place = failed.place.to_owned();
        if let Some(region) = failed.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok()) {
            *self.region.lock().unwrap_or_else(PoisonError::into_inner) = region.to_owned();
        }
        let Refusal { code, message } = quick_xml::de::from_str(failed.body).unwrap_or_default();
        let missing =
            |advice: &str| Verdict::Final(FetchError::Missing { place: place.clone(), advice: advice.to_owned() });
        let need = |actions: &str| {
            let name = &self.name;
            let text = format!("allow {actions} on arn:aws:s3:::{name} and arn:aws:s3:::{name}/* (docs/COLLECTORS.md)");
            Verdict::Final(refusal::refused(&place, &code, &message, &text))
        };
        match code.as_str() {
            "" => failed.verdict(),
            code if refusal::is_throttled(code) => {
                Verdict::Again { throttled: true, why: format!("{} ({code})", failed.status_text()) }
            }
            "RequestTimeout" | "InternalError" | "ServiceUnavailable" => {
                Verdict::Again { throttled: false, why: format!("{} ({code})", failed.status_text()) }
            }
            code if refusal::is_expired(code) => Verdict::Renew { why: code.to_owned() },
            "NoSuchBucket" => missing("there is no such bucket; correct url"),
            "NoSuchKey" => missing("it was deleted, or never came"),
            "PreconditionFailed" => Verdict::Final(FetchError::Changed { place }),
            "InvalidObjectState" => Verdict::Final(FetchError::Refused {
                place,
                why: "it is archived (Glacier)".to_owned(),
                advice: "restore it, and keep lifecycle rules away from bills".to_owned(),
            }),
            "AccessDenied" if message.contains("kms:") => {
                need("kms:Decrypt on the bucket's key, s3:ListBucket and s3:GetObject")
            }
            _ => need("s3:ListBucket and s3:GetObject"),
        }
    }
}
