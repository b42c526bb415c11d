//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::PolarsError;

use crate::address::BucketUrl;
use crate::refusal::Refusal;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk would not.
    #[error("{} cannot be read or written; {}", path.display(), advice(source))]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The object store would not.
    #[error("{place} cannot {action}: {refusal}")]
    Remote {
        /// Which bucket and prefix.
        place: String,
        /// What it was to do: `take charges/…`.
        action: String,
        /// Why not, and what to do.
        refusal: Refusal,
    },
    /// The cache of remote files cannot take one.
    #[error("{}: the cache cannot take a file of {bytes} bytes; make room there or set [store] cache", path.display())]
    Cache {
        /// Where it was to be.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that the catalog counts on is gone.
    #[error("{file} is gone from {place}: restore it from a backup, or import its bill again")]
    Missing {
        /// Which file; its name is the part's.
        file: String,
        /// From where.
        place: String,
    },
    /// A file that the catalog counts on is not what was written.
    #[error("{file} in {place} is damaged: restore it from a backup, or import its bill again")]
    Damaged {
        /// Which file; its name is the part's.
        file: String,
        /// Where.
        place: String,
    },
    /// The engine would not; a bug, or a damaged file.
    #[error("the query engine failed")]
    Engine(#[from] PolarsError),
    /// More groups than can be given at once.
    #[error("{groups} groups, more than {most}")]
    TooManyGroups {
        /// How many.
        groups: usize,
        /// At most.
        most: usize,
    },
    /// A sum that does not fit 38 digits, or text that the store never writes.
    #[error("stored {what} cannot be understood")]
    Corrupt {
        /// What.
        what: &'static str,
    },
    /// The daily roll-up does not add up to the charges; never committed.
    #[error("the daily roll-up of {column} does not add up to the charges")]
    NotConserved {
        /// The column.
        column: &'static str,
    },
    /// What is exported cannot be written to where it goes.
    #[error("the export cannot be written")]
    Output(#[source] io::Error),
    /// The thread that did the work is gone.
    #[error("the query was stopped")]
    Stopped,
}

/// What to do about a disk.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk and run it again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let outlay write there and run it again"
        }
        _ => "look at that disk and run it again",
    }
}

impl StoreError {
    pub(crate) fn remote(url: &BucketUrl, action: impl Into<String>, refusal: Refusal) -> Self {
        Self::Remote { place: url.to_string(), action: action.into(), refusal }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
