//! Small files beside the charges: whole or not there, and read back as they were written.

use crate::folder::{Folder, Listed};
use crate::{Store, StoreError};

impl Store {
    /// Writes a document. Whoever reads it sees all of it, all of the one before, or none; when this returns, it
    /// survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub async fn put_document(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = path.to_owned();
        self.in_folder(move |folder| folder.put(&path, &bytes)).await
    }

    /// Reads a document; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it is there and cannot be read.
    pub async fn document(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = path.to_owned();
        self.in_folder(move |folder| folder.get(&path)).await
    }

    /// Removes a document. One that is not there is fine.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub async fn remove_document(&self, path: &str) -> Result<(), StoreError> {
        let path = path.to_owned();
        self.in_folder(move |folder| folder.remove(&path).and_then(|()| folder.remove_unfinished(&path))).await
    }

    /// The paths of everything below a folder, at any depth, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be listed.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.listed(folder).await?.into_iter().map(|listed| listed.path).collect())
    }

    /// Writes a document, reads it back and removes it: whether the store can be used at all.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub async fn probe(&self) -> Result<(), StoreError> {
        const PROBE: &str = "probe";
        self.put_document(PROBE, PROBE.into()).await?;
        let read = self.document(PROBE).await?;
        self.remove_document(PROBE).await?;
        if read.as_deref() == Some(PROBE.as_bytes()) { Ok(()) } else { Err(StoreError::Corrupt { what: "probe" }) }
    }

    pub(crate) async fn listed(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let path = folder.to_owned();
        self.in_folder(move |folder| folder.list(&path)).await
    }

    pub(crate) async fn tail(&self, path: &str, most: u64) -> Result<Vec<u8>, StoreError> {
        let path = path.to_owned();
        self.in_folder(move |folder| folder.tail(&path, most)).await
    }

    pub(crate) async fn in_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(|_| StoreError::Stopped)?
    }
}
