//! The columnar store: immutable Parquet files below one folder.
//!
//! A file here means nothing by itself: a row is visible if and only if the catalog says its part is live. So writing
//! never disturbs a reader, and removing waits until nobody can still be reading. The interface carries no Polars types,
//! so that something other than local files can stand behind it.

mod documents;
mod error;
mod export;
mod folder;
mod footer;
mod group;
mod reshape;
mod scan;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outlay_ledger::tags::Privacy;
use outlay_model::part::{Layer, PartFile};
use outlay_model::tags::TagSettings;
use outlay_model::{PartId, SourceName};
use tokio::sync::Semaphore;

use crate::folder::Folder;

pub use error::StoreError;
pub use export::{ExportCounts, ExportPlan};
pub use footer::{Footer, Found, Unreadable};
pub use group::{Group, GroupQuery, Keys, Segments};
pub use scan::Scan;
pub use stage::{Stage, StageSpec, Staged};

/// Queries that run at once; each uses every core already.
const QUERIES: usize = 4;
/// Exports that run at once, beside them.
const EXPORTS: usize = 2;

/// A store below a local folder.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    tags: TagSettings,
    privacy: Privacy,
    permits: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Store {
    /// Opens the store below `root`, creating the folder if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be created.
    pub fn open(root: &Path, tags: TagSettings, privacy: Privacy) -> Result<Self, StoreError> {
        let (permits, exports) = (Arc::new(Semaphore::new(QUERIES)), Arc::new(Semaphore::new(EXPORTS)));
        Ok(Self { folder: Folder::open(root)?, tags, privacy, permits, exports })
    }

    /// The files a part will have. They are named in the catalog before the first byte is written.
    #[must_use]
    pub fn files_of(source: &SourceName, part: &PartId) -> Vec<PartFile> {
        vec![PartFile::new(Layer::Charges, source, part), PartFile::new(Layer::Daily, source, part)]
    }

    /// Removes a file of a part that no reader can need any more. One that is not there is fine.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub async fn remove(&self, file: &PartFile) -> Result<(), StoreError> {
        let path = file.path.clone();
        self.in_folder(move |folder| folder.remove(&path)).await
    }

    /// Whether the store can be read: this file of it or, where there is none yet, its folder.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub async fn ready(&self, file: Option<&str>) -> Result<(), StoreError> {
        let path = file.unwrap_or_default().to_owned();
        self.in_folder(move |folder| folder.there(&path)).await
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path(relative)
    }
}
