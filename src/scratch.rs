//! Folders for bills that are being read. They go away with whoever reads, and what a killed process left goes with the next one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// What our folders are called; nobody else's are touched.
const PREFIX: &str = "bill-";

/// Held for as long as somebody reads, so that others see whether he still lives.
const LOCK: &str = ".lock";

/// A folder that goes away when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one below a folder, and removes those there whose makers are gone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn below(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        clear(folder)?;
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
        let lock = File::create(made.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder: made, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// One that cannot be removed keeps nobody from reading bills: it is told, and tried again.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        // Without a lock it is being made, or being removed.
        let Some(lock) = ours.then(|| File::open(path.join(LOCK)).ok()).flatten() else { continue };
        match lock.try_lock() {
            Ok(()) => {
                if let Err(error) = fs::remove_dir_all(&path) {
                    tracing::warn!(path = %path.display(), %error, "what a killed process left cannot be removed");
                }
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_any_more_goes_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("bill-of-somebody")).expect("creates");
        fs::create_dir(folder.path().join("other")).expect("creates");
        let killed = Scratch::below(folder.path()).expect("makes");
        let read = Scratch::below(folder.path()).expect("makes");
        fs::create_dir_all(killed.path().join("1/deep")).expect("creates");
        // Its process is gone, and with it the lock, but not the folder.
        let Scratch { folder: left, _lock } = killed;
        let left = left.keep();
        drop(_lock);
        let next = Scratch::below(folder.path()).expect("makes");
        assert!(!left.exists() && read.path().exists() && next.path().exists());
        drop((read, next));
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("reads").map(|entry| entry.expect("reads").file_name()).collect();
        names.sort();
        assert_eq!(names, ["bill-of-somebody", "other"]);
    }
}
