//! A file being written by the engine, which only says *that* a write failed: this remembers why.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::PolarsError;

use crate::StoreError;

/// What the engine writes to. Its small writes are gathered.
pub(crate) struct Sink {
    file: BufWriter<File>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

/// Says why a write to the file failed.
pub(crate) struct Why {
    path: PathBuf,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Sink {
    /// Makes a file that is not there yet, and the folders it is in.
    pub(crate) fn create(path: &Path) -> Result<(Self, Why), StoreError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| StoreError::io(folder, source))?;
        }
        let file = File::create_new(path).map_err(|source| StoreError::io(path, source))?;
        let failure = Arc::default();
        let why = Why { path: path.to_owned(), failure: Arc::clone(&failure) };
        Ok((Self { file: BufWriter::new(file), failure }, why))
    }

    fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::from(error.kind());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            told
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.remember(flushed)
    }
}

impl Why {
    /// What the disk said, or else what the engine says.
    pub(crate) fn explain(&self, error: PolarsError) -> StoreError {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(source) => StoreError::io(&self.path, source),
            None => error.into(),
        }
    }
}
