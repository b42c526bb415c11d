//! A local folder that holds the store's files.
//!
//! What is written here survives a power cut before its writer is told that it is done: bytes, name and every folder
//! above are synced. These calls block; [`Home`](crate::home::Home) makes them on threads that may.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;
use crate::cache::Held;

/// How names end that are not there yet.
const UNFINISHED: &str = ".tmp";

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    /// Its path below the store.
    pub(crate) path: String,
    /// Its length.
    pub(crate) bytes: u64,
}

/// A local folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens the folder, and makes it if it is not there.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(|source| StoreError::io(root, source))?;
        let root = root.canonicalize().map_err(|source| StoreError::io(root, source))?;
        Ok(Self { root })
    }

    /// Where a file is.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether there is such a file or folder.
    pub(crate) fn there(&self, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        fs::metadata(&path).map(drop).map_err(|source| StoreError::io(&path, source))
    }

    /// Writes a small file whole: whoever reads it sees all of it, all of the one before, or none.
    pub(crate) fn put(&self, relative: &str, bytes: &[u8]) -> Result<(), StoreError> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let path = self.path(relative);
        let failed = |source| StoreError::io(&path, source);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(failed)?;
        // Two writers never share an unfinished file, whatever process they are in.
        let (own, process) = (WRITTEN.fetch_add(1, Ordering::Relaxed), std::process::id());
        let unfinished = folder.join(format!("{}{process}-{own}{UNFINISHED}", unfinished_prefix(&path)));
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        });
        if let Err(error) = written {
            // It may not even be there; the error that matters is the first one.
            let _ = fs::remove_file(&unfinished);
            // Whoever wrote the same file meanwhile has tidied up.
            if error.kind() != io::ErrorKind::NotFound || !path.exists() {
                return Err(failed(error));
            }
        }
        self.remove_unfinished(relative)?;
        self.sync_above(&path)
    }

    /// A small file, or `None` when it is not there.
    pub(crate) fn get(&self, relative: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(relative);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|source| StoreError::io(&path, source)),
        }
    }

    /// The last bytes of a file, all of it if it is shorter.
    pub(crate) fn tail(&self, relative: &str, most: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(relative);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| StoreError::io(&path, source))
    }

    /// Where files are, if they are. Nobody moves them.
    pub(crate) fn hold(&self, files: &BTreeSet<String>) -> Result<Held, StoreError> {
        for file in files {
            let path = self.path(file);
            match path.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let place = self.root.display().to_string();
                    return Err(StoreError::Missing { file: file.clone(), place });
                }
                there => there.map_err(|source| StoreError::io(&path, source))?,
            };
        }
        Ok(Held::in_place(self.root.clone()))
    }

    /// Every finished file below a folder, sorted; none when the folder is not there.
    pub(crate) fn list(&self, relative: &str) -> Result<Vec<Listed>, StoreError> {
        let (mut found, mut folders) = (Vec::new(), vec![relative.trim_end_matches('/').to_owned()]);
        while let Some(folder) = folders.pop() {
            let path = self.path(&folder);
            let failed = |source| StoreError::io(&path, source);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let inside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                match entry.metadata() {
                    Ok(of) if of.is_dir() => folders.push(inside),
                    Ok(_) if name.starts_with('.') && name.ends_with(UNFINISHED) => {}
                    Ok(of) => found.push(Listed { path: inside, bytes: of.len() }),
                    // Removed since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes a file for good: it does not come back after a power cut, when nobody remembers it. One that is not there is fine.
    pub(crate) fn remove(&self, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        let folder = path.parent().unwrap_or(&self.root);
        let removed = fs::remove_file(&path).and_then(|()| File::open(folder)?.sync_all());
        gone(removed).map_err(|source| StoreError::io(&path, source))
    }

    /// Removes what crashes left of writing a file; of every file in a folder when the path ends with a `/`.
    pub(crate) fn remove_unfinished(&self, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        let failed = |source| StoreError::io(&path, source);
        let every = relative.ends_with('/');
        let folder = if every { path.as_path() } else { path.parent().unwrap_or(&self.root) };
        let Ok(entries) = folder.read_dir() else { return Ok(()) };
        let prefix = if every { ".".to_owned() } else { unfinished_prefix(&path) };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(UNFINISHED)) {
                gone(fs::remove_file(entry.path())).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Makes sure that the names of a file and of the folders it is in survive a power cut.
    fn sync_above(&self, path: &Path) -> Result<(), StoreError> {
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root)) {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| StoreError::io(folder, source))?;
        }
        Ok(())
    }
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// How the names of unfinished copies of a file start.
fn unfinished_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}
