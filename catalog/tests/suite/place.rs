//! Where a story happens: a fresh catalog of some database.

use outlay_catalog::Catalog;
use tempfile::TempDir;

/// A fresh catalog and its address.
pub struct Place {
    /// The catalog.
    pub catalog: Catalog,
    url: String,
    _folder: TempDir,
}

impl Place {
    /// In a SQLite file that goes away with the place.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/data/catalog.db", folder.path().display());
        let catalog = Catalog::open(&url).await.expect("opens");
        Self { catalog, url, _folder: folder }
    }

    /// A fresh catalog in the same kind of database.
    pub async fn another(_like: &Self) -> Self {
        Self::sqlite().await
    }

    /// Another handle that shares nothing with the first but the database, as another replica would have.
    pub async fn replica(&self) -> Catalog {
        Catalog::open(&self.url).await.expect("opens again")
    }
}
