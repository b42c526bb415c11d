//! The places a store can be in, for stories that must be the same in all of them.

use std::path::Path;
use std::sync::Arc;

use outlay_store::{BucketSettings, Store};
use tempfile::TempDir;

use crate::gcs::{self, Gcs};

/// A place, empty at first.
pub struct Place {
    /// What is on this machine: all of the store, or its cache.
    pub folder: TempDir,
    bucket: Option<(String, Vec<(String, String)>)>,
    /// The stand-in behind it, if one is.
    pub gcs: Option<Gcs>,
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run, or start what tests/needs does"))
}

impl Place {
    pub fn local() -> Self {
        Self { folder: TempDir::new().expect("a folder"), bucket: None, gcs: None }
    }

    pub fn s3() -> Self {
        let endpoint = needed("TEST_S3_ENDPOINT");
        Self::in_bucket(
            "s3",
            variables(&[
                ("AWS_ENDPOINT_URL", &endpoint),
                ("AWS_ACCESS_KEY_ID", "nobody"),
                ("AWS_SECRET_ACCESS_KEY", "nothing"),
                ("AWS_REGION", "us-east-1"),
            ]),
        )
    }

    pub fn azure() -> Self {
        let endpoint = needed("TEST_AZURITE_ENDPOINT");
        Self::in_bucket("az", variables(&azurite(&endpoint)))
    }

    pub async fn gcs() -> Self {
        let gcs = Gcs::start().await;
        Self { gcs: Some(gcs.clone()), ..Self::in_bucket("gs", gcs.variables()) }
    }

    /// A prefix of its own in the bucket that all tests share.
    fn in_bucket(scheme: &str, variables: Vec<(String, String)>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let own = folder.path().file_name().and_then(|name| name.to_str()).expect("text").trim_start_matches('.');
        let url = format!("{scheme}://{}/tests/{own}", gcs::BUCKET);
        Self { folder, bucket: Some((url, variables)), gcs: None }
    }

    pub fn is_remote(&self) -> bool {
        self.bucket.is_some()
    }

    /// Opens the store, as a process would that starts now.
    pub async fn open(&self) -> Arc<Store> {
        self.open_with(u64::MAX).await
    }

    /// With a cache of at most so many bytes.
    pub async fn open_with(&self, cache_bytes: u64) -> Arc<Store> {
        let store = match &self.bucket {
            None => Store::open(&self.folder.path().join("store"), Default::default(), Default::default()),
            Some(_) => Store::open_bucket(self.settings(cache_bytes), Default::default(), Default::default()).await,
        };
        Arc::new(store.expect("opens"))
    }

    pub fn settings(&self, cache_bytes: u64) -> BucketSettings {
        let (url, variables) = self.bucket.clone().expect("is a bucket");
        let cache = self.folder.path().join("cache");
        BucketSettings { url: url.parse().expect("an address"), variables, cache, cache_bytes }
    }

    /// The folder with the files themselves, or copies of them.
    pub fn files(&self) -> std::path::PathBuf {
        match &self.bucket {
            None => self.folder.path().join("store"),
            Some(_) => found(&self.folder.path().join("cache"), "files").expect("is there"),
        }
    }

    /// The folder that processes work in.
    pub fn scratch(&self) -> std::path::PathBuf {
        found(&self.folder.path().join("cache"), "scratch").expect("is there")
    }
}

/// The well-known account of every Azurite; its key is no secret.
pub fn azurite(endpoint: &str) -> [(&str, &str); 3] {
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    [
        ("AZURE_STORAGE_ENDPOINT", endpoint),
        ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
        ("AZURE_STORAGE_ACCOUNT_KEY", key),
    ]
}

fn found(below: &Path, name: &str) -> Option<std::path::PathBuf> {
    let folders = below.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir());
    let folders: Vec<_> = folders.collect();
    let here = folders.iter().find(|path| path.file_name().is_some_and(|last| last == name)).cloned();
    here.or_else(|| folders.iter().find_map(|folder| found(folder, name)))
}

/// Tells each story in each place.
#[macro_export]
macro_rules! in_every_place {
    ($($story:ident),* $(,)?) => {
        $(mod $story {
            use $crate::place::Place;

            #[tokio::test(flavor = "multi_thread")]
            async fn local() {
                super::$story(Place::local()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn s3() {
                super::$story(Place::s3()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn azure() {
                super::$story(Place::azure()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn gcs() {
                super::$story(Place::gcs().await).await;
            }
        })*
    };
}
