//! A folder that one process works in, and that is cleared away after it, however it ended.
//!
//! Each process makes one below a common folder and keeps a lock on a file in it for as long as it lives; the system
//! takes the lock away with the process. So a folder whose lock can be had belongs to nobody any more. Process numbers
//! decide nothing: they repeat, and containers that share a disk may have the same.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Its lock is held while its process lives.
const ALIVE: &str = "alive";
/// Held while folders are made or cleared away, so that none is taken for dead before it is locked.
const DOOR: &str = "door";

/// A process's own folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    _alive: File,
}

impl Scratch {
    /// Clears away what dead processes left below `common`, and makes a folder of this process's own.
    pub(crate) fn open(common: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io(common, source);
        fs::create_dir_all(common).map_err(failed)?;
        let door = File::create(common.join(DOOR)).and_then(|door| door.lock().map(|()| door)).map_err(failed)?;
        clear(common).map_err(failed)?;
        let process = std::process::id();
        let mut own = 0;
        let folder = loop {
            let folder = common.join(format!("{process}-{own}"));
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => own += 1,
                made => break made.map(|()| folder).map_err(failed)?,
            }
        };
        let alive = File::create(folder.join(ALIVE)).and_then(|alive| alive.lock().map(|()| alive)).map_err(failed)?;
        drop(door);
        Ok(Self { folder, _alive: alive })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is cleared away by the next process.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn clear(common: &Path) -> io::Result<()> {
    for entry in fs::read_dir(common)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && is_dead(&entry.path())? {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn is_dead(folder: &Path) -> io::Result<bool> {
    let alive = match File::open(folder.join(ALIVE)) {
        Ok(alive) => alive,
        // Its process died between making the folder and the file in it: nobody else is inside the door.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match alive.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_is_cleared_and_the_living_are_left_alone() {
        let common = tempfile::TempDir::new().expect("a folder");
        let living = Scratch::open(common.path()).expect("opens");
        fs::write(living.folder().join("work"), "").expect("writes");
        for dead in ["1-0", "1-1"] {
            fs::create_dir_all(common.path().join(dead).join("held")).expect("creates");
        }
        fs::write(common.path().join("1-0").join(ALIVE), "").expect("writes");
        let own = Scratch::open(common.path()).expect("opens");
        assert!(!common.path().join("1-0").exists() && !common.path().join("1-1").exists());
        assert!(living.folder().join("work").exists() && own.folder() != living.folder());
        let folder = own.folder().to_owned();
        drop(own);
        assert!(!folder.exists() && living.folder().exists());
    }
}
