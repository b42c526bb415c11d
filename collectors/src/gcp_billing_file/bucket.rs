//! Reading a bucket of Cloud Storage, by its JSON API.
//!
//! An object is told from others of its name by its generation: listed with it, and asked for by it. Objects that are kept
//! gzipped are asked for as they are kept; otherwise the service unpacks them on the way, and they have another size than
//! they were listed with.

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};
use reqwest::{Request, StatusCode, Url};
use serde::Deserialize;

use crate::google::Google;
use crate::google::refusal::{self, Refusal};
use crate::http::{Answer, Ask, Failed, FetchError, Target, Vendor, Verdict};
use crate::objects::{Found, Object, Place};

/// The right that is asked for.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";

/// The most that a page of a listing may hold: a thousand names of a kilobyte, and what is around them.
const MOST_OF_A_PAGE: usize = 16 << 20;

/// What a listing is asked for, and nothing else: objects have forty fields.
const FIELDS: &str = "kind,nextPageToken,prefixes,items(name,size,updated,generation)";

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    google: Google,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    kind: String,
    next_page_token: Option<String>,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    prefixes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    name: String,
    // Numbers of 64 bits are texts in JSON of Google's.
    size: String,
    updated: DateTime<Utc>,
    generation: String,
}

impl Bucket {
    pub(super) fn new(google: Google, name: &str) -> Self {
        Self { google, name: name.to_owned() }
    }

    /// The address of the bucket's objects, or of one.
    fn url(&self, key: Option<&str>, query: &[(&str, &str)]) -> Url {
        let start = self.google.endpoint("storage");
        let mut url: Url = start.parse().expect("settings name only addresses");
        url.path_segments_mut()
            .expect("it is one of a web server")
            .pop_if_empty()
            .extend(["storage", "v1", "b", self.name.as_str(), "o"])
            .extend(key);
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    /// A request for an object, as it is kept.
    fn object<'a>(&self, place: &'a str, key: &str, query: &[(&str, &str)]) -> Ask<'a> {
        let mut ask = Ask::get(place, self.url(Some(key), &[&[("alt", "media")][..], query].concat()));
        ask.request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        ask
    }
}

#[async_trait]
impl Place for Bucket {
    fn name(&self, key: &str) -> String {
        format!("gs://{}/{key}", self.name)
    }

    async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError> {
        let (place, mut found) = (self.name(prefix), Found::default());
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("prefix", prefix), ("fields", FIELDS)];
            if to_the_next_slash {
                query.push(("delimiter", "/"));
            }
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let answer =
                self.google.http().send(Ask::get(&place, self.url(None, &query)), self, MOST_OF_A_PAGE).await?;
            let page: Page = answer.json()?;
            if page.kind != "storage#objects" {
                return Err(not_a_listing(&place, "what came is not a listing of Cloud Storage"));
            }
            for Item { name, size, updated, generation } in page.items {
                let size = size.parse().map_err(|_| not_a_listing(&place, "a size in the listing is no number"))?;
                found.objects.push(Object { key: name, size, written: updated, etag: generation });
            }
            found.folders.extend(page.prefixes);
            match page.next_page_token {
                None => break,
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(not_a_listing(&place, "the listing does not say how it goes on")),
            }
        }
        found.objects.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    async fn get(&self, key: &str, most: usize) -> Result<(Answer, String), FetchError> {
        let place = self.name(key);
        let answer = self.google.http().send(self.object(&place, key, &[]), self, most).await?;
        let generation = answer.headers.get("x-goog-generation").and_then(|value| value.to_str().ok());
        let generation = generation.unwrap_or_default().to_owned();
        Ok((answer, generation))
    }

    async fn download(&self, listed: &Object, path: &Path) -> Result<(), FetchError> {
        let place = self.name(&listed.key);
        let ask = self.object(&place, &listed.key, &[("ifGenerationMatch", &listed.etag)]);
        let headers = self.google.http().download(ask, self, Target { path, size: listed.size }).await?;
        // Not every stand-in for Cloud Storage keeps to conditions.
        match headers.get("x-goog-generation").is_none_or(|generation| generation.as_bytes() == listed.etag.as_bytes())
        {
            true => Ok(()),
            false => Err(FetchError::Changed { place }),
        }
    }

    async fn probe(&self, key: &str) -> Result<(), FetchError> {
        let place = self.name(key);
        let mut ask = self.object(&place, key, &[]);
        ask.request.headers_mut().insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        self.google.http().send(ask, self, 1).await.map(drop)
    }
}

#[async_trait]
impl Vendor for Bucket {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        self.google.authorise(request).await
    }

    async fn renew(&self) {
        self.google.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let name = &self.name;
        let need = format!("grant storage.objects.list and storage.objects.get on gs://{name} (docs/COLLECTORS.md)");
        let missing = "there is no such bucket, or the file was deleted; look at url, and at who deletes";
        // What is asked for as a file is refused in plain words.
        let place = failed.place.to_owned();
        match (failed.status, Refusal::read(failed.body)) {
            (StatusCode::FORBIDDEN, None) => {
                Verdict::Final(FetchError::Refused { place, why: failed.status_text(), advice: need })
            }
            (StatusCode::NOT_FOUND, None) => Verdict::Final(FetchError::Missing { place, advice: missing.to_owned() }),
            _ => refusal::judge(failed, &need, missing),
        }
    }
}

fn not_a_listing(place: &str, what: &str) -> FetchError {
    FetchError::NotUnderstood {
        place: place.to_owned(),
        what: what.to_owned(),
        advice: "look at what the endpoint leads to".to_owned(),
    }
}
