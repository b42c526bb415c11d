//! A page of a listing.

use chrono::DateTime;
use serde::Deserialize;

use crate::http::{Answer, FetchError};
use crate::objects::{Found, Object};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(default)]
    blobs: Blobs,
    #[serde(default)]
    next_marker: Option<String>,
}

impl Page {
    /// Reads what came.
    pub(super) fn read(answer: &Answer) -> Result<Self, FetchError> {
        let text = std::str::from_utf8(&answer.body).map_err(|_| not_a_listing(answer, "the listing is not UTF-8"))?;
        let text = text.trim_start_matches('\u{feff}');
        if !text.contains("<EnumerationResults") {
            return Err(not_a_listing(answer, "what came is not a listing of a container"));
        }
        quick_xml::de::from_str(text).map_err(|_| not_a_listing(answer, "the listing cannot be read"))
    }

    /// Adds what is on it, and says where the next one starts, if there is one.
    pub(super) fn add_to(self, found: &mut Found, answer: &Answer) -> Result<Option<String>, FetchError> {
        for entry in self.blobs.entries {
            match entry {
                Entry::BlobPrefix(folder) => found.folders.push(folder.name),
                Entry::Blob(blob) if blob.properties.resource_type.as_deref() == Some("directory") => {}
                Entry::Blob(blob) => {
                    let object = blob.object();
                    let object = object.ok_or_else(|| not_a_listing(answer, "the listing has a time that is none"))?;
                    found.objects.push(object);
                }
            }
        }
        Ok(self.next_marker.filter(|next| !next.is_empty()))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Blobs {
    /// Blobs and prefixes stand among each other.
    #[serde(rename = "$value", default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
enum Entry {
    Blob(Blob),
    BlobPrefix(BlobPrefix),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BlobPrefix {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Properties {
    #[serde(rename = "Last-Modified")]
    last_modified: String,
    #[serde(rename = "Etag")]
    etag: String,
    #[serde(rename = "Content-Length")]
    content_length: u64,
    /// `directory` of a hierarchical namespace: it is listed like a blob.
    #[serde(rename = "ResourceType", default)]
    resource_type: Option<String>,
}

impl Blob {
    fn object(self) -> Option<Object> {
        let Properties { last_modified, etag, content_length, .. } = self.properties;
        let written = DateTime::parse_from_rfc2822(&last_modified).ok()?.to_utc();
        Some(Object { key: self.name, size: content_length, written, etag: bare(&etag) })
    }
}

/// Listings have ETags without the quotes that headers have.
pub(super) fn bare(etag: &str) -> String {
    etag.trim().trim_matches('"').to_owned()
}

pub(super) fn not_a_listing(answer: &Answer, what: &str) -> FetchError {
    FetchError::NotUnderstood {
        place: answer.place.clone(),
        what: what.to_owned(),
        advice: "look at what the endpoint leads to".to_owned(),
    }
}
