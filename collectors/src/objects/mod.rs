//! Places with objects: buckets, containers, and folders that exports are copied to.
//!
//! Exports of all clouds are files under keys, listed by what their keys start with. What differs is how a place is asked,
//! and is behind [`Place`]. Keys are used as they are: providers write some that no path of a file system could be.
//!
//! Invariant: a download is the object that was listed, whole, or an error.

mod folder;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::http::{Answer, FetchError};

pub use folder::Folder;

/// A place with objects.
#[async_trait]
pub trait Place: fmt::Debug + Send + Sync {
    /// A key as people write it, such as `s3://bucket/key`.
    fn name(&self, key: &str) -> String;

    /// What is below a prefix: everything, or up to the next slash.
    ///
    /// # Errors
    /// [`FetchError`] when it cannot be listed to its end.
    async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError>;

    /// An object of at most `most` bytes, and its ETag.
    ///
    /// # Errors
    /// [`FetchError`] when it is not there or cannot be brought whole.
    async fn get(&self, key: &str, most: usize) -> Result<(Answer, String), FetchError>;

    /// Brings an object, as it was when it was listed.
    ///
    /// # Errors
    /// [`FetchError::Changed`] when it is another by now, others when it cannot be brought whole.
    async fn download(&self, listed: &Object, path: &Path) -> Result<(), FetchError>;

    /// Whether an object may be read: asks for no more than its first byte.
    ///
    /// # Errors
    /// [`FetchError`] when it may not, or is not there.
    async fn probe(&self, key: &str) -> Result<(), FetchError>;
}

/// What is under a prefix.
#[derive(Debug, Default)]
pub struct Found {
    /// Objects, in order of their keys.
    pub objects: Vec<Object>,
    /// What keys go on with up to the next slash, that included.
    pub folders: Vec<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it was written.
    pub written: DateTime<Utc>,
    /// What tells it from others of its key.
    pub etag: String,
}
