//! Small files beside the charges: whole or not there, and read back as they were written.

use crate::folder::Listed;
use crate::{Store, StoreError};

/// What a store is tried with: the name of a document, and what it says.
const PROBE: &str = "probe";
/// A document that is never there, for the right to remove one.
const GONE: &str = "probe-gone";

impl Store {
    /// Writes a document. Whoever reads it sees all of it, all of the one before, or none; when this returns, it
    /// survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub async fn put_document(&self, path: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.home.put(path, bytes).await
    }

    /// Reads a document; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it is there and cannot be read.
    pub async fn document(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.home.get(path).await
    }

    /// Removes a document. One that is not there is fine.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub async fn remove_document(&self, path: &str) -> Result<(), StoreError> {
        self.home.remove(path).await?;
        self.home.remove_unfinished(path).await
    }

    /// Removes what crashes left of writing documents into a folder. Nobody may be writing one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub async fn remove_unfinished(&self, folder: &str) -> Result<(), StoreError> {
        self.home.remove_unfinished(&format!("{}/", folder.trim_end_matches('/'))).await
    }

    /// The paths of everything below a folder, at any depth, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be listed.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.home.list(folder).await?.into_iter().map(|Listed { path, .. }| path).collect())
    }

    /// Writes a document, reads it back and removes one that is not there: whether the store can be used at all.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    pub async fn probe(&self) -> Result<(), StoreError> {
        // Others may be looking at the same moment, from other machines: they write the same, and nobody removes it. So whoever is
        // killed here leaves nothing that is not there anyway.
        self.put_document(PROBE, PROBE.into()).await?;
        let read = self.document(PROBE).await?;
        self.remove_document(GONE).await?;
        if read.as_deref() == Some(PROBE.as_bytes()) { Ok(()) } else { Err(StoreError::Corrupt { what: "probe" }) }
    }
}
