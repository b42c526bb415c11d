//! The columnar store: immutable Parquet files below one folder, or in one bucket.
//!
//! A file here means nothing by itself: a row is visible if and only if the catalog says its part is live. So writing
//! never disturbs a reader, and removing waits until nobody can still be reading. The interface carries no Polars types,
//! so that something other than local files can stand behind it.

mod address;
mod bucket;
mod cache;
mod connect;
mod daily;
mod documents;
mod error;
mod export;
mod folder;
mod footer;
mod gather;
mod group;
mod home;
mod moves;
mod own;
mod refusal;
mod reshape;
mod scan;
mod scratch;
mod share;
mod sink;
mod stage;
mod whose;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outlay_ledger::tags::Privacy;
use outlay_model::part::{Layer, PartFile};
use outlay_model::tags::TagSettings;
use outlay_model::{PartId, SourceName};
use tokio::sync::Semaphore;

use crate::bucket::Bucket;
use crate::cache::Cache;
use crate::folder::Folder;
use crate::home::{Home, Remote};

pub use address::{BucketUrl, BucketUrlError};
pub use error::StoreError;
pub use export::{ExportCounts, ExportPlan, ExportScan};
pub use footer::{Footer, Found, Unreadable};
pub use group::{Group, GroupQuery, Keys, Segments};
pub use moves::{Move, MovesQuery};
pub use outlay_ledger::own::{Decision, Explained, Tried};
pub use own::ExplainQuery;
pub use refusal::Refusal;
pub use scan::Scan;
pub use share::{DailyRows, PoolPlan, SharePlan, SharedPart};
pub use stage::{Stage, StageSpec, Staged};
pub use whose::Whose;

/// Queries that run at once; each uses every core already.
const QUERIES: usize = 4;
/// Exports that run at once, beside them.
const EXPORTS: usize = 2;

/// A bucket to keep a store in, and how it is reached.
pub struct BucketSettings {
    /// Which bucket, and where in it.
    pub url: BucketUrl,
    /// Credentials, endpoint and region, as the provider's own tools read them from the environment: names such as
    /// `AWS_REGION`, and their values. Those of other programs are left alone.
    pub variables: Vec<(String, String)>,
    /// A folder for copies of its files; other buckets may have it, too.
    pub cache: PathBuf,
    /// The most bytes of copies to keep there. Those that running queries read may go beyond it.
    pub cache_bytes: u64,
}

/// A store.
#[derive(Debug)]
pub struct Store {
    home: Home,
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
        Ok(Self::at(Home::Folder(Folder::open(root)?), tags, privacy))
    }

    /// Opens the store in a bucket, which must be there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be listed, or the folder of its cache cannot be written.
    pub async fn open_bucket(
        settings: BucketSettings,
        tags: TagSettings,
        privacy: Privacy,
    ) -> Result<Self, StoreError> {
        let bucket = Bucket::new(&settings.url, &settings.variables)?;
        let cache = Cache::open(&settings.cache.join(settings.url.folder()), settings.cache_bytes)?;
        bucket.check().await?;
        let remote = Remote { bucket, cache: Arc::new(cache) };
        Ok(Self::at(Home::Bucket(Arc::new(remote)), tags, privacy))
    }

    fn at(home: Home, tags: TagSettings, privacy: Privacy) -> Self {
        let (permits, exports) = (Arc::new(Semaphore::new(QUERIES)), Arc::new(Semaphore::new(EXPORTS)));
        Self { home, tags, privacy, permits, exports }
    }

    /// The files a part will have. They are named in the catalog before the first byte is written.
    #[must_use]
    pub fn files_of(source: &SourceName, part: &PartId) -> Vec<PartFile> {
        vec![PartFile::new(Layer::Charges, source, part), PartFile::new(Layer::Daily, source, part)]
    }

    /// Stages a copy of a file that is kept as it came, and syncs it.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be read or written.
    pub fn keep(&self, file: &PartFile, from: &Path) -> Result<(), StoreError> {
        let path = self.home.staging(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::io(folder, source))?;
        }
        std::fs::copy(from, &path).map_err(|source| StoreError::io(&path, source))?;
        stage::sync(&path)
    }

    /// Makes the files of a staged part last where the store is. Must be done before they are committed; a part that is
    /// not to be committed need not go the way.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be brought there.
    pub async fn publish(&self, files: &[PartFile]) -> Result<(), StoreError> {
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        self.home.publish(&paths).await
    }

    /// Removes a file of a part that no reader can need any more, staged or published. One that is not there is fine.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub async fn remove(&self, file: &PartFile) -> Result<(), StoreError> {
        self.home.remove(&file.path).await
    }

    /// Whether the store can be read: this file of it or, where there is none yet, its folder or bucket.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub async fn ready(&self, file: Option<&str>) -> Result<(), StoreError> {
        self.home.ready(file).await
    }
}
