//! Answers of a provider as they are kept: JSON lines, packed, the first of which says what was asked about, each further one
//! a request and the body that came back, as it came.
//!
//! Everything that is known of a delivery is in this file, so that it can be read again without asking again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::CollectError;
use crate::http::FetchError;
use crate::input::InputFile;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Writes answers down as they come.
pub(crate) struct Keeper {
    path: PathBuf,
    file: zstd::Encoder<'static, File>,
}

impl Keeper {
    /// With what is asked about as its first line.
    pub(crate) fn create(path: PathBuf, head: &impl Serialize) -> Result<Self, FetchError> {
        let file = File::create(&path).and_then(|file| zstd::Encoder::new(file, 0));
        let file = file.map_err(|error| scratch(&path, &error))?;
        let mut keeper = Self { path, file };
        keeper.keep(head)?;
        Ok(keeper)
    }

    /// One more line.
    pub(crate) fn keep(&mut self, line: &impl Serialize) -> Result<(), FetchError> {
        let mut text = serde_json::to_vec(line).expect("texts are JSON");
        text.push(b'\n');
        self.file.write_all(&text).map_err(|error| scratch(&self.path, &error))
    }

    /// Gives the file, which is whole now.
    pub(crate) fn finish(self) -> Result<PathBuf, FetchError> {
        let Self { path, file, .. } = self;
        file.finish().map_err(|error| scratch(&path, &error))?;
        Ok(path)
    }
}

fn scratch(path: &Path, error: &io::Error) -> FetchError {
    FetchError::Scratch { path: path.display().to_string(), why: error.to_string() }
}

/// What keeps a line from being taken.
#[derive(Debug)]
pub(crate) enum LineError {
    /// It says something else.
    Wrong(String),
    /// It is not the line's fault.
    Other(CollectError),
}

impl From<String> for LineError {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

impl From<CollectError> for LineError {
    fn from(error: CollectError) -> Self {
        Self::Other(error)
    }
}

/// Calls `each` with the first line, and every further one and its number. `known` says whether the first line is of a layout
/// that is read, `whose` answers they should be.
///
/// # Errors
/// [`CollectError`] when the file cannot be read to its end or holds something else, or what `each` finds wrong with a line.
pub(crate) fn read<H: DeserializeOwned, L: DeserializeOwned>(
    file: &InputFile,
    whose: &str,
    known: impl Fn(&H) -> bool,
    mut each: impl FnMut(&H, u64, &L) -> Result<(), LineError>,
) -> Result<H, CollectError> {
    let path = &file.path;
    let wrong = |line, what: String| CollectError::NotAnswers { path: path.clone(), line, what };
    let mut head: Option<H> = None;
    for (line, text) in
        (1..).zip(lines(path).map_err(|source| CollectError::Read { path: path.clone(), line: 0, source })?)
    {
        let text = text.map_err(|source| CollectError::Read { path: path.clone(), line: line - 1, source })?;
        let column = |error: serde_json::Error| format!("is no answer of {whose} (column {})", error.column());
        match &head {
            None => {
                let first: H = serde_json::from_str(&text).map_err(|error| wrong(line, column(error)))?;
                if !known(&first) {
                    return Err(wrong(line, "is not of a layout that this version reads".to_owned()));
                }
                head = Some(first);
            }
            Some(head) => {
                let further: L = serde_json::from_str(&text).map_err(|error| wrong(line, column(error)))?;
                each(head, line, &further).map_err(|error| match error {
                    LineError::Wrong(what) => wrong(line, what),
                    LineError::Other(error) => error,
                })?;
            }
        }
    }
    head.ok_or_else(|| CollectError::Empty { path: path.clone() })
}

fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let mut file = BufReader::new(File::open(path)?);
    let text: Box<dyn Read> = match file.fill_buf()?.starts_with(&ZSTD) {
        true => Box::new(zstd::Decoder::with_buffer(file)?),
        false => Box::new(file),
    };
    Ok(BufReader::with_capacity(1 << 18, text).lines())
}
