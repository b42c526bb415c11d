//! Copies of a bucket's immutable files on a local disk, bounded.
//!
//! The folder itself is all there is to know, so that it survives restarts and several processes share it:
//!
//! - A file appears in it by a link to a finished copy, so what is there is whole.
//! - Whoever reads files *holds* them: they are linked into the reader's own scratch folder and read there. So nothing
//!   that is removed from the cache, by whatever process, disappears under a query.
//! - A file with more than one link is held by somebody and stays. Of the others, those whose links changed longest ago
//!   were used longest ago, and go first.
//!
//! Holds are cleared with the scratch folder if their process dies.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::FutureExt as _;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};

use crate::StoreError;
use crate::bucket::Bucket;
use crate::footer::{ENDING, MAGIC, footer_length};
use crate::home::blocking;
use crate::refusal::Refusal;
use crate::scratch::Scratch;

/// Files fetched at once.
const AT_ONCE: usize = 4;

/// Copies of a bucket's files.
#[derive(Debug)]
pub(crate) struct Cache {
    files: PathBuf,
    scratch: Scratch,
    most: u64,
    /// Whether there may be more than that, because of what is held.
    full: AtomicBool,
    holds: AtomicU64,
    /// One lock per file that is being fetched, so that it is fetched once.
    fetching: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Files that stay where they are until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    root: PathBuf,
    cache: Option<Arc<Cache>>,
}

impl Held {
    /// Files of a local store, which nobody moves.
    pub(crate) const fn in_place(root: PathBuf) -> Self {
        Self { root, cache: None }
    }

    /// Where a held file is.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(cache) = &self.cache else { return };
        // Links that stay are cleared away with the scratch folder; a cache that is too large is made smaller next time.
        let _ = fs::remove_dir_all(&self.root);
        let shrunk = if cache.full.load(Ordering::Relaxed) { cache.shrink() } else { Ok(()) };
        if let Err(error) = shrunk {
            tracing::warn!(%error, "the cache of the store is not made smaller");
        }
    }
}

impl Cache {
    /// Opens the cache below a folder, which may keep at most so many bytes.
    pub(crate) fn open(folder: &Path, most: u64) -> Result<Self, StoreError> {
        let files = folder.join("files");
        fs::create_dir_all(&files).map_err(|source| StoreError::io(&files, source))?;
        let scratch = Scratch::open(&folder.join("scratch"))?;
        let (full, holds, fetching) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::default());
        let cache = Self { files, scratch, most, full, holds, fetching };
        cache.shrink()?;
        Ok(cache)
    }

    /// Where a file is written before it is sent to the bucket.
    pub(crate) fn staging(&self, relative: &str) -> PathBuf {
        self.scratch.folder().join("staged").join(relative)
    }

    /// Makes files local and keeps them so until what is given is dropped.
    pub(crate) async fn hold(self: &Arc<Self>, bucket: &Bucket, files: BTreeSet<String>) -> Result<Held, StoreError> {
        let own = self.holds.fetch_add(1, Ordering::Relaxed);
        let root = self.scratch.folder().join(format!("held-{own}"));
        let (cache, held) = (Arc::clone(self), Held { root, cache: Some(Arc::clone(self)) });
        // The hold goes along: if nobody waits any more, it is let go when the last link is made, and not before.
        let link = move || -> Result<(Held, Vec<String>), StoreError> {
            let mut absent = Vec::new();
            for file in files {
                if !cache.link_into(&held.root, &file)? {
                    absent.push(file);
                }
            }
            Ok((held, absent))
        };
        let (held, absent) = blocking(link).await?;
        if absent.is_empty() {
            return Ok(held);
        }
        // However the fetching ends, room is made when these are let go.
        self.full.store(true, Ordering::Relaxed);
        // Boxed and collected, or the compiler loses sight of what may be sent between threads.
        let fetches: Vec<_> = absent.iter().map(|file| self.fetch(bucket, &held.root, file).boxed()).collect();
        futures_util::stream::iter(fetches).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let cache = Arc::clone(self);
        blocking(move || cache.shrink()).await?;
        Ok(held)
    }

    /// Fetches a file that is not in the cache, unless somebody else of this process just does.
    async fn fetch(&self, bucket: &Bucket, root: &Path, file: &str) -> Result<(), StoreError> {
        let turn = Arc::clone(self.fetching().entry(file.to_owned()).or_default());
        let fetched = {
            let _turn = turn.lock().await;
            match self.link_into(root, file) {
                Ok(false) => self.fetch_now(bucket, root, file).await,
                there => there.map(|_| ()),
            }
        };
        // Whoever waits for its turn has the lock as well: the last one takes it away.
        let mut fetching = self.fetching();
        drop(turn);
        if fetching.get(file).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            fetching.remove(file);
        }
        fetched
    }

    async fn fetch_now(&self, bucket: &Bucket, root: &Path, file: &str) -> Result<(), StoreError> {
        let copy = root.join(file);
        match bucket.download(file, &copy).await {
            Err(StoreError::Remote { refusal: Refusal::NotFound, place, .. }) => {
                return Err(StoreError::Missing { file: file.to_owned(), place });
            }
            result => result?,
        };
        if !is_whole(&copy).map_err(|source| StoreError::io(&copy, source))? {
            return Err(StoreError::Damaged { file: file.to_owned(), place: bucket.url().to_string() });
        }
        self.keep(&copy, file)
    }

    /// Takes a file that was just sent to the bucket: the first query need not fetch it.
    pub(crate) fn take_staged(&self, file: &str) -> Result<(), StoreError> {
        let staged = self.staging(file);
        self.keep(&staged, file)?;
        fs::remove_file(&staged).map_err(|source| StoreError::io(&staged, source))?;
        self.shrink()
    }

    /// Forgets a file.
    pub(crate) fn remove(&self, file: &str) -> Result<(), StoreError> {
        for path in [self.files.join(file), self.staging(file)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Links a file into a folder; `false` when the cache has none, or a damaged one, which goes.
    fn link_into(&self, root: &Path, file: &str) -> Result<bool, StoreError> {
        let (cached, copy) = (self.files.join(file), root.join(file));
        let folder = copy.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(|source| StoreError::io(folder, source))?;
        match fs::hard_link(&cached, &copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            linked => linked.map_err(|source| StoreError::io(&cached, source))?,
        }
        if is_whole(&copy).map_err(|source| StoreError::io(&copy, source))? {
            return Ok(true);
        }
        tracing::warn!("{} is damaged and fetched anew", cached.display());
        fs::remove_file(&copy).map_err(|source| StoreError::io(&copy, source))?;
        self.remove(file)?;
        Ok(false)
    }

    /// Links a finished copy into the cache, unless another process was faster.
    fn keep(&self, copy: &Path, file: &str) -> Result<(), StoreError> {
        let cached = self.files.join(file);
        let folder = cached.parent().unwrap_or(&self.files);
        fs::create_dir_all(folder).map_err(|source| StoreError::io(folder, source))?;
        match fs::hard_link(copy, &cached) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(|source| StoreError::io(&cached, source)),
        }
    }

    /// Removes what was used longest ago and nobody holds, until the rest fits.
    fn shrink(&self) -> Result<(), StoreError> {
        let mut cached = Vec::new();
        let listed =
            walk(&self.files, &mut |path, about| cached.push((last_used(about), about.len(), is_held(about), path)));
        listed.map_err(|source| StoreError::io(&self.files, source))?;
        let mut bytes: u64 = cached.iter().map(|(_, bytes, ..)| bytes).sum();
        if bytes > self.most {
            cached.sort();
        }
        for (_, length, held, path) in cached {
            if bytes <= self.most {
                break;
            }
            if held {
                continue;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path, error)),
                _ => bytes -= length,
            }
        }
        self.full.store(bytes > self.most, Ordering::Relaxed);
        Ok(())
    }

    fn fetching(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walk(folder: &Path, see: &mut impl FnMut(PathBuf, &fs::Metadata)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(about) if about.is_dir() => walk(&entry.path(), see)?,
            Ok(about) => see(entry.path(), &about),
            // Another process made room as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// When the links of a file last changed: when it was last held, or let go.
#[cfg(unix)]
fn last_used(about: &fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (about.ctime(), about.ctime_nsec())
}

#[cfg(unix)]
fn is_held(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    about.nlink() > 1
}

/// Elsewhere nobody tells. The first that came goes first, and what is held only loses its place in the cache.
#[cfg(not(unix))]
fn last_used(about: &fs::Metadata) -> Option<std::time::SystemTime> {
    about.created().ok()
}

#[cfg(not(unix))]
fn is_held(_: &fs::Metadata) -> bool {
    false
}

/// Whether a file begins and ends as a Parquet file does. A copy that was cut short, or whose bytes never reached the
/// disk, does not.
fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut head, mut tail) = ([0; MAGIC.len()], [0; ENDING as usize]);
    if length < (head.len() + tail.len()) as u64 {
        return Ok(false);
    }
    file.read_exact(&mut head)?;
    file.seek(SeekFrom::Start(length - ENDING))?;
    file.read_exact(&mut tail)?;
    Ok(&head == MAGIC && footer_length(&tail, length).is_some())
}
