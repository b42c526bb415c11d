//! The objects of a bucket, below a prefix.
//!
//! Each call is tried again for what may pass (the provider is busy, a connection breaks), a bounded number of times;
//! what is sent and fetched is held against its length. A put is whole or not there: object stores promise that.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path as FilePath;
use std::sync::Arc;

use futures_util::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};

use crate::StoreError;
use crate::address::BucketUrl;
use crate::connect::connect;
use crate::folder::Listed;
use crate::refusal::Refusal;

/// A file up to this size is put at once; a larger one in parts of this size, unless that makes too many.
const PART: u64 = 16 << 20;
/// The most parts an object may have (S3: 10 000).
const PARTS: u64 = 9_000;
/// Parts under way at once: what bounds the memory an upload takes.
const PARTS_AT_ONCE: usize = 4;

/// The objects of a bucket, below a prefix.
#[derive(Debug)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    url: BucketUrl,
}

impl Bucket {
    pub(crate) fn new(url: &BucketUrl, options: &[(String, String)]) -> Result<Self, StoreError> {
        Ok(Self { objects: connect(url, options)?, url: url.clone() })
    }

    /// Looks whether the bucket is there and may be read. One small request: what is asked for need not be there.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let path = self.path("probe")?;
        match self.objects.get(&path).await.map_err(Refusal::from) {
            Ok(_) | Err(Refusal::NotFound) => Ok(()),
            Err(refusal) => Err(StoreError::remote(&self.url, "be read", refusal)),
        }
    }

    pub(crate) async fn put(&self, relative: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = self.path(relative)?;
        let put = self.objects.put(&path, bytes.into()).await;
        put.map(|_| ()).map_err(|error| self.failed(&format!("take {relative}"), error))
    }

    pub(crate) async fn get(&self, relative: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(relative)?;
        let read = async { self.objects.get(&path).await?.bytes().await };
        match read.await.map_err(Refusal::from) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Refusal::NotFound) => Ok(None),
            Err(refusal) => Err(StoreError::remote(&self.url, format!("give {relative}"), refusal)),
        }
    }

    /// The last bytes of an object of that length, all of it if it is shorter.
    pub(crate) async fn tail(&self, relative: &str, length: u64, most: u64) -> Result<Vec<u8>, StoreError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let path = self.path(relative)?;
        let read = self.objects.get_range(&path, length.saturating_sub(most)..length).await;
        read.map(|bytes| bytes.to_vec()).map_err(|error| self.failed(&format!("give {relative}"), error))
    }

    pub(crate) async fn list(&self, relative: &str) -> Result<Vec<Listed>, StoreError> {
        let folder = self.path(relative)?;
        let failed = |error| self.failed(&format!("list {relative}"), error);
        let objects: Vec<_> = self.objects.list(Some(&folder)).try_collect().await.map_err(failed)?;
        let prefix = self.url.prefix.as_ref();
        let below =
            |path: &Path| path.as_ref().strip_prefix(prefix).map(|path| path.trim_start_matches('/').to_owned());
        let mut listed: Vec<Listed> = objects
            .iter()
            .filter_map(|object| Some(Listed { path: below(&object.location)?, bytes: object.size }))
            .collect();
        listed.sort();
        Ok(listed)
    }

    /// Removes an object. One that is not there is fine.
    pub(crate) async fn remove(&self, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative)?;
        match self.objects.delete(&path).await.map_err(Refusal::from) {
            Ok(()) | Err(Refusal::NotFound) => Ok(()),
            Err(refusal) => Err(StoreError::remote(&self.url, format!("delete {relative}"), refusal)),
        }
    }

    /// Sends a file. When this returns, the object is there, all of it.
    pub(crate) async fn upload(&self, relative: &str, file: &FilePath) -> Result<(), StoreError> {
        let path = self.path(relative)?;
        let length = std::fs::metadata(file).map_err(|source| StoreError::io(file, source))?.len();
        let part = PART.max(length.div_ceil(PARTS));
        if length <= part {
            let bytes = read_part(file, 0, length).await?;
            let put = self.objects.put(&path, bytes.into()).await;
            put.map_err(|error| self.failed(&format!("take {relative}"), error))?;
        } else {
            self.upload_parts(relative, &path, file, length, part).await?;
        }
        let arrived = self.length(relative).await?;
        if arrived == length {
            return Ok(());
        }
        let refusal = Refusal::CutShort { got: arrived, sent: length };
        Err(StoreError::remote(&self.url, format!("take {relative}"), refusal))
    }

    /// The length of an object.
    pub(crate) async fn length(&self, relative: &str) -> Result<u64, StoreError> {
        let path = self.path(relative)?;
        let about = self.objects.head(&path).await;
        about.map(|about| about.size).map_err(|error| self.failed(&format!("give {relative}"), error))
    }

    async fn upload_parts(
        &self,
        relative: &str,
        path: &Path,
        file: &FilePath,
        length: u64,
        part: u64,
    ) -> Result<(), StoreError> {
        let failed = |error| self.failed(&format!("take {relative}"), error);
        let upload = self.objects.put_multipart(path).await.map_err(failed)?;
        let size = usize::try_from(part).map_err(|_| StoreError::Stopped)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, size);
        for start in (0..length).step_by(size) {
            let sent = async {
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
                let bytes = read_part(file, start, part.min(length - start)).await?;
                upload.put(bytes.into());
                Ok(())
            };
            if let Err(error) = sent.await {
                // Parts that stay behind cost money; but it is the first error that matters.
                if let Err(left) = upload.abort().await {
                    tracing::warn!(reason = %Refusal::from(left), "parts of {relative} stay behind in {}", self.url);
                }
                return Err(error);
            }
        }
        upload.finish().await.map(|_| ()).map_err(failed)
    }

    /// Fetches an object into a new file, and gives its length.
    pub(crate) async fn download(&self, relative: &str, file: &FilePath) -> Result<u64, StoreError> {
        let path = self.path(relative)?;
        let failed = |error| self.failed(&format!("give {relative}"), error);
        let object = self.objects.get(&path).await.map_err(failed)?;
        let sent = object.meta.size;
        let full = |source| StoreError::Cache { path: file.to_owned(), bytes: sent, source };
        let mut local = File::create_new(file).map_err(full)?;
        let (mut stream, mut got) = (object.into_stream(), 0);
        while let Some(bytes) = stream.try_next().await.map_err(failed)? {
            local.write_all(&bytes).map_err(full)?;
            got += bytes.len() as u64;
        }
        // A power cut must not leave a file of the right length with nothing in it.
        local.sync_all().map_err(full)?;
        if got == sent {
            return Ok(got);
        }
        Err(StoreError::remote(&self.url, format!("give {relative}"), Refusal::CutShort { got, sent }))
    }

    pub(crate) const fn url(&self) -> &BucketUrl {
        &self.url
    }

    fn path(&self, relative: &str) -> Result<Path, StoreError> {
        let relative = Path::parse(relative).map_err(|_| StoreError::Corrupt { what: "path" })?;
        Ok(relative.parts().fold(self.url.prefix.clone(), |path, part| path.join(part)))
    }

    fn failed(&self, action: &str, error: object_store::Error) -> StoreError {
        StoreError::remote(&self.url, action, Refusal::from(error))
    }
}

async fn read_part(file: &FilePath, start: u64, length: u64) -> Result<Vec<u8>, StoreError> {
    let path = file.to_owned();
    let read = move || -> io::Result<Vec<u8>> {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Stopped)?;
    read.map_err(|source| StoreError::io(file, source))
}
