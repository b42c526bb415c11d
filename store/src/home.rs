//! Where the files of a store are: a local folder, or a bucket with copies on a local disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::StoreError;
use crate::bucket::Bucket;
use crate::cache::{Cache, Held};
use crate::folder::{Folder, Listed};

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    Folder(Folder),
    Bucket(Arc<Remote>),
}

/// A bucket, and copies of its files.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) bucket: Bucket,
    pub(crate) cache: Arc<Cache>,
}

impl Home {
    /// Where a file is written before it is published.
    pub(crate) fn staging(&self, file: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path(file),
            Self::Bucket(remote) => remote.cache.staging(file),
        }
    }

    /// Makes staged files part of the store. In a local folder they are where they belong already.
    pub(crate) async fn publish(&self, files: &[&str]) -> Result<(), StoreError> {
        let Self::Bucket(remote) = self else { return Ok(()) };
        for file in files {
            remote.bucket.upload(file, &remote.cache.staging(file)).await?;
            let (cache, file) = (Arc::clone(&remote.cache), (*file).to_owned());
            blocking(move || cache.take_staged(&file)).await?;
        }
        Ok(())
    }

    /// Makes files local, and keeps them so until what is given is dropped.
    pub(crate) async fn hold(&self, files: BTreeSet<String>) -> Result<Held, StoreError> {
        match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.hold(&files)).await
            }
            Self::Bucket(remote) => remote.cache.hold(&remote.bucket, files).await,
        }
    }

    /// Whether this file can be read or, without one, anything at all.
    pub(crate) async fn ready(&self, file: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), file.unwrap_or_default().to_owned());
                blocking(move || folder.there(&path)).await
            }
            Self::Bucket(remote) => match file {
                Some(file) => remote.bucket.length(file).await.map(drop),
                None => remote.bucket.check().await,
            },
        }
    }

    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), path.to_owned());
                blocking(move || folder.put(&path, &bytes)).await
            }
            Self::Bucket(remote) => remote.bucket.put(path, bytes).await,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), path.to_owned());
                blocking(move || folder.get(&path)).await
            }
            Self::Bucket(remote) => remote.bucket.get(path).await,
        }
    }

    /// The last bytes of a file of this length.
    pub(crate) async fn tail(&self, file: &Listed, most: u64) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), file.path.clone());
                blocking(move || folder.tail(&path, most)).await
            }
            Self::Bucket(remote) => remote.bucket.tail(&file.path, file.bytes, most).await,
        }
    }

    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Listed>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, path) = (folder.clone(), path.to_owned());
                blocking(move || folder.list(&path)).await
            }
            Self::Bucket(remote) => remote.bucket.list(path).await,
        }
    }

    /// Removes a file and its copies. One that is not there is fine.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let owned = path.to_owned();
        match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || folder.remove(&owned)).await
            }
            Self::Bucket(remote) => {
                remote.bucket.remove(path).await?;
                let cache = Arc::clone(&remote.cache);
                blocking(move || cache.remove(&owned)).await
            }
        }
    }

    /// Removes what a crash left of putting a file; a bucket never shows such.
    pub(crate) async fn remove_unfinished(&self, path: &str) -> Result<(), StoreError> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let (folder, path) = (folder.clone(), path.to_owned());
        blocking(move || folder.remove_unfinished(&path)).await
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
}
