//! Addresses: what the server listens on, and where things are kept.
//!
//! Messages name an address's scheme and never the rest of it: a database's may hold a password.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use outlay_catalog::Address;
use outlay_store::{BucketUrl, BucketUrlError};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::DATA_FOLDER;

/// Where the store is: a local folder, or a bucket and a prefix in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline)]
pub struct StoreUrl {
    text: String,
    place: Place,
}

/// What a store's address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(BucketUrl),
}

impl StoreUrl {
    /// What it means.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self { text: DATA_FOLDER.to_owned(), place: Place::Folder(DATA_FOLDER.into()) }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const EXAMPLE: &str =
            "write a local folder such as \"./outlay-data\", or a bucket such as \"s3://bucket/prefix\"";
        let place = match text.split_once("://") {
            None if text.trim().is_empty() => return Err(format!("names no folder; {EXAMPLE}")),
            None => Place::Folder(text.clone().into()),
            Some(("file", path)) => match unescaped(path).filter(|path| path.starts_with('/')) {
                Some(path) => Place::Folder(path.into()),
                None => return Err(format!("is no path from the root, as file:// takes it; {EXAMPLE}")),
            },
            Some((scheme, _)) => match text.parse::<BucketUrl>() {
                Ok(url) => Place::Bucket(url),
                Err(BucketUrlError::Scheme) => {
                    return Err(format!("{scheme}:// is not a place for a store; {EXAMPLE}"));
                }
                Err(error) => return Err(format!("{error}; write one such as \"{scheme}://bucket/prefix\"")),
            },
        };
        Ok(Self { text, place })
    }
}

impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        url.text
    }
}

/// A path in an address, where `%20` is a space; `None` when it is not one.
fn unescaped(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut pieces = path.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// Where the catalog is: a SQLite file or a PostgreSQL database.
///
/// It may hold a password, which is never written out: not in messages, not for `config print`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline)]
pub struct CatalogUrl {
    text: String,
    address: Address,
}

impl CatalogUrl {
    /// The catalog in a data folder.
    ///
    /// The characters that mean something in an address are escaped, so that any folder will do.
    pub(super) fn in_folder(folder: &str) -> Self {
        let file = Path::new(folder).join("catalog.db").display().to_string();
        let text = format!("sqlite://{}", file.replace('%', "%25").replace('?', "%3F").replace('#', "%23"));
        Self::try_from(text).expect("it names a file")
    }

    /// The address, as the catalog is opened by.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds a password.
    pub(super) fn has_password(&self) -> bool {
        self.address.has_password()
    }
}

impl Default for CatalogUrl {
    fn default() -> Self {
        Self::in_folder(DATA_FOLDER)
    }
}

impl TryFrom<String> for CatalogUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Address::parse(&text) {
            Ok(address) => Ok(Self { text, address }),
            Err(wrong) => Err(format!("{wrong}; write one such as {}", Address::EXAMPLES)),
        }
    }
}

impl From<CatalogUrl> for String {
    fn from(url: CatalogUrl) -> Self {
        url.address.without_password()
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// Reads an address to listen on; the standard library's own error does not say what one looks like.
pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is not an address and port; write one such as \"127.0.0.1:8080\" or \"[::]:8080\""
        ))
    })
}
