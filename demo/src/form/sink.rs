//! Files being written.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use serde::Serialize;

use crate::DemoError;

/// A file, gzipped where its name ends so.
pub(crate) struct Sink {
    pub(crate) path: PathBuf,
    file: Packing,
}

enum Packing {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    /// An empty one, with the folders it is in.
    pub(crate) fn create(path: PathBuf) -> Result<Sink, DemoError> {
        let create = || -> io::Result<Packing> {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            let file = BufWriter::with_capacity(1 << 18, File::create(&path)?);
            Ok(match path.extension().is_some_and(|extension| extension == "gz") {
                false => Packing::Plain(file),
                // No time and no name in the header: the same bills are the same bytes.
                true => Packing::Gzip(Box::new(GzBuilder::new().mtime(0).write(file, Compression::fast()))),
            })
        };
        match create() {
            Ok(file) => Ok(Sink { path, file }),
            Err(source) => Err(DemoError::Write { path, source }),
        }
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), DemoError> {
        self.write_all(text.as_bytes()).map_err(|source| DemoError::Write { path: self.path.clone(), source })
    }

    /// Ends the file: where it is, and how many bytes it has.
    pub(crate) fn finish(self) -> Result<(PathBuf, u64), DemoError> {
        let end = || -> io::Result<u64> {
            let mut file = match self.file {
                Packing::Plain(file) => file,
                Packing::Gzip(encoder) => encoder.finish()?,
            };
            file.flush()?;
            Ok(file.get_ref().metadata()?.len())
        };
        match end() {
            Ok(bytes) => Ok((self.path, bytes)),
            Err(source) => Err(DemoError::Write { path: self.path, source }),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Packing::Plain(file) => file.write(bytes),
            Packing::Gzip(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.file {
            Packing::Plain(file) => file.flush(),
            Packing::Gzip(file) => file.flush(),
        }
    }
}

/// Lines of cells that become a file.
pub(crate) struct Cells(csv::Writer<Sink>);

impl Cells {
    pub(crate) fn new(sink: Sink) -> Cells {
        Cells(csv::Writer::from_writer(sink))
    }

    /// Writes one line.
    pub(crate) fn line(
        &mut self,
        write: impl FnOnce(&mut csv::Writer<Sink>) -> csv::Result<()>,
    ) -> Result<(), DemoError> {
        // The CSV writer is only given lines of one length, so what fails is always the file below it.
        write(&mut self.0)
            .map_err(|error| DemoError::Write { path: self.0.get_ref().path.clone(), source: error.into() })
    }

    /// See [`Sink::finish`].
    pub(crate) fn finish(self) -> Result<(PathBuf, u64), DemoError> {
        let path = self.0.get_ref().path.clone();
        let sink = self.0.into_inner().map_err(|error| DemoError::Write { path, source: error.into_error() })?;
        sink.finish()
    }
}

/// Writes a JSON file, with the folders it is in.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DemoError> {
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)
    };
    write().map_err(|source| DemoError::Write { path: path.to_owned(), source })
}
