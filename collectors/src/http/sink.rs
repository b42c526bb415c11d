//! Where an answer goes.

use std::io::SeekFrom;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::FetchError;

/// A file to be written.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where it is kept.
    pub path: &'a Path,
    /// How many bytes it must have.
    pub size: u64,
}

impl<'a> Target<'a> {
    pub(super) async fn create(self) -> Result<Filling<'a>, FetchError> {
        let file = File::create(self.path).await.map_err(|error| failed(self.path, &error))?;
        Ok(Filling { file, path: self.path, expected: self.size, written: 0 })
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    file: File,
    path: &'a Path,
    expected: u64,
    written: u64,
}

/// Where an answer goes.
#[derive(Debug)]
pub(super) enum Sink<'a> {
    /// Memory, up to a bound.
    Memory {
        /// What it is, for people.
        place: &'a str,
        /// What came.
        bytes: Vec<u8>,
        /// The most there may be.
        most: usize,
    },
    /// A file, of any size.
    File(Filling<'a>),
}

impl Sink<'_> {
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Forgets what an earlier attempt brought.
    pub(super) async fn restart(&mut self) -> Result<(), FetchError> {
        match self {
            Self::Memory { bytes, .. } => bytes.clear(),
            Self::File(Filling { file, path, written, .. }) => {
                *written = 0;
                file.seek(SeekFrom::Start(0)).await.map_err(|error| failed(path, &error))?;
                file.set_len(0).await.map_err(|error| failed(path, &error))?;
            }
        }
        Ok(())
    }

    pub(super) async fn take(&mut self, more: &[u8]) -> Result<(), FetchError> {
        match self {
            Self::Memory { place, bytes, most } if bytes.len() + more.len() > *most => Err(FetchError::NotUnderstood {
                place: (*place).to_owned(),
                what: format!("the answer is longer than {most} bytes"),
                advice: "no good one is; look at what the service's address leads to".to_owned(),
            }),
            Self::Memory { bytes, .. } => {
                bytes.extend_from_slice(more);
                Ok(())
            }
            Self::File(Filling { file, path, written, .. }) => {
                *written += more.len() as u64;
                file.write_all(more).await.map_err(|error| failed(path, &error))
            }
        }
    }

    /// Whether what came is all of it, or why not.
    pub(super) fn check_size(&self) -> Result<(), String> {
        match self {
            Self::File(Filling { expected, written, .. }) if expected != written => {
                Err(format!("{written} bytes came in place of {expected}"))
            }
            _ => Ok(()),
        }
    }

    /// What came into memory.
    pub(super) fn into_memory(self) -> Vec<u8> {
        match self {
            Self::Memory { bytes, .. } => bytes,
            Self::File(_) => Vec::new(),
        }
    }

    /// Waits until a file is written: errors of a full disk may come this late.
    pub(super) async fn finish(self) -> Result<(), FetchError> {
        match self {
            Self::Memory { .. } => Ok(()),
            Self::File(Filling { mut file, path, .. }) => file.flush().await.map_err(|error| failed(path, &error)),
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> FetchError {
    FetchError::Scratch { path: path.display().to_string(), why: error.to_string() }
}
