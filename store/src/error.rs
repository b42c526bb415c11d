//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use polars::prelude::PolarsError;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk would not.
    #[error("{}: cannot be read or written", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
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

impl StoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
