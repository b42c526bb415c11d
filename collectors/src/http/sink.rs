//! Where an answer goes.

use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::FetchError;

/// A file to be written.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where it is kept.
    pub path: &'a Path,
    /// How many bytes it must have.
    pub size: u64,
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    target: Target<'a>,
    file: Option<File>,
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

impl<'a> Sink<'a> {
    pub(super) fn file(target: Target<'a>) -> Self {
        Self::File(Filling { target, file: None, written: 0 })
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Forgets what an earlier attempt brought.
    pub(super) async fn restart(&mut self) -> Result<(), FetchError> {
        match self {
            Self::Memory { bytes, .. } => bytes.clear(),
            Self::File(Filling { target, file, written }) => {
                *written = 0;
                *file = Some(File::create(target.path).await.map_err(|error| failed(target.path, &error))?);
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
            Self::File(Filling { target, file, written }) => {
                *written += more.len() as u64;
                let file = file.as_mut().expect("it was made when the answer began");
                file.write_all(more).await.map_err(|error| failed(target.path, &error))
            }
        }
    }

    /// Whether what came is all of it, or why not.
    pub(super) fn check_size(&self) -> Result<(), String> {
        match self {
            Self::File(Filling { target, written, .. }) if target.size != *written => {
                Err(format!("{written} bytes came in place of {}", target.size))
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
            Self::File(Filling { target, file: Some(mut file), .. }) => {
                file.flush().await.map_err(|error| failed(target.path, &error))
            }
            _ => Ok(()),
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> FetchError {
    FetchError::Scratch { path: path.display().to_string(), why: error.to_string() }
}
