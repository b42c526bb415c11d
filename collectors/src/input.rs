//! Finds the files of a delivery and tells what they are from their first bytes, not their names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use glob::MatchOptions;
use sha2::{Digest, Sha256};

use crate::CollectError;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated text.
    Csv,
    /// The same, gzipped.
    CsvGz,
    /// A JSON object on each line.
    JsonLines,
    /// The same, gzipped.
    JsonLinesGz,
    /// Parquet.
    Parquet,
}

/// Which of the statements that a provider makes of the same costs a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    /// What is invoiced, when it is.
    Actual,
    /// What was used, with its share of what was paid before.
    Amortised,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub format: Format,
    /// Which statement it is of, where a format has several and it is known.
    pub statement: Option<Statement>,
    /// How many rows it has, says who wrote it.
    pub rows: Option<u64>,
}

/// Endings that make a file of a folder part of a delivery. A plain `.json` there is more often a manifest than a bill.
pub(crate) const ENDINGS: &[&str] =
    &[".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json.gz"];

/// As in a shell, a pattern does not mean hidden files.
const PATTERNS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: false, require_literal_leading_dot: true };

/// The files that the given files, folders and patterns name, in order of their paths, each once.
///
/// # Errors
/// [`CollectError::NothingFound`] for one that names nothing.
pub fn find(patterns: &[String]) -> Result<Vec<InputFile>, CollectError> {
    find_ending(patterns, ENDINGS)
}

/// The same, where the files of a folder that are bills have other endings.
pub(crate) fn find_ending(patterns: &[String], endings: &[&str]) -> Result<Vec<InputFile>, CollectError> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let before = paths.len();
        let literal = Path::new(pattern);
        if literal.exists() {
            collect(literal, true, endings, &mut paths)?;
        } else {
            let matches = glob::glob_with(pattern, PATTERNS)
                .map_err(|source| CollectError::Pattern { pattern: pattern.clone(), source })?;
            for path in matches {
                let path = path.map_err(|source| CollectError::Search { pattern: pattern.clone(), source })?;
                collect(&path, true, endings, &mut paths)?;
            }
        }
        if paths.len() == before {
            return Err(CollectError::NothingFound { pattern: pattern.clone() });
        }
    }
    paths.sort();
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        // One file may be named in two ways: `a.csv`, `./a.csv`, through a link.
        let file = path.canonicalize().map_err(|source| CollectError::Read { path: path.clone(), line: 0, source })?;
        if known.insert(file) {
            files.push(InputFile::open(path)?);
        }
    }
    Ok(files)
}

/// Adds a named file, or the bills below a folder; hidden files are not bills.
fn collect(path: &Path, named: bool, endings: &[&str], paths: &mut Vec<PathBuf>) -> Result<(), CollectError> {
    let fail = |source| CollectError::Read { path: path.to_owned(), line: 0, source };
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if path.is_dir() {
        for entry in path.read_dir().map_err(fail)? {
            let child = entry.map_err(fail)?.path();
            if !child.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                collect(&child, false, endings, paths)?;
            }
        }
    } else if named || endings.iter().any(|ending| name.ends_with(ending)) {
        paths.push(path.to_owned());
    }
    Ok(())
}

impl InputFile {
    /// Looks at the first bytes of a file.
    ///
    /// # Errors
    /// [`CollectError::Read`] when it cannot be opened.
    pub fn open(path: PathBuf) -> Result<Self, CollectError> {
        let mut magic = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(4).read_to_end(&mut magic));
        match read {
            Err(source) => Err(CollectError::Read { path, line: 0, source }),
            Ok(_) => {
                let (text, lines) = match magic.as_slice() {
                    b"PAR1" => return Ok(Self { path, format: Format::Parquet, statement: None, rows: None }),
                    [0x1f, 0x8b, ..] => (Format::CsvGz, Format::JsonLinesGz),
                    _ => (Format::Csv, Format::JsonLines),
                };
                let file = Self { path, format: text, statement: None, rows: None };
                let format = if file.opens_with_an_object() { lines } else { text };
                Ok(Self { format, ..file })
            }
        }
    }

    /// Whether the first thing in its text is a brace, as no CSV begins. What cannot be read is told when it is read.
    fn opens_with_an_object(&self) -> bool {
        let mut first = Vec::new();
        let read = self.text().and_then(|text| text.take(1 << 12).read_to_end(&mut first));
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first);
        read.is_ok() && text.trim_ascii_start().starts_with(b"{")
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// Its text, unpacked.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn text(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(1 << 18, File::open(&self.path)?);
        Ok(match self.format {
            Format::CsvGz | Format::JsonLinesGz => Box::new(Gunzip { member: Some(GzDecoder::new(file)) }),
            Format::Csv | Format::JsonLines | Format::Parquet => Box::new(file),
        })
    }

    /// The hash of what it holds, so that a bill is the same bill packed or not.
    ///
    /// # Errors
    /// [`CollectError::Read`] when it cannot be read to its end.
    pub fn sha256(&self) -> Result<String, CollectError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut hash_all = || -> io::Result<()> {
            let mut file = self.text()?;
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => hash.update(&buffer[..count]),
                }
            }
        };
        hash_all().map_err(|source| CollectError::Read { path: self.path.clone(), line: 0, source })?;
        Ok(hex(&hash.finalize()))
    }
}

/// Gzipped text of one or several members. Zeros behind the last are padding; anything else there is refused, for it may
/// have been a member.
struct Gunzip {
    member: Option<GzDecoder<BufReader<File>>>,
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer)? {
                0 if !buffer.is_empty() => self.member = self.member.take().map(next_member).transpose()?.flatten(),
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}

fn next_member(member: GzDecoder<BufReader<File>>) -> io::Result<Option<GzDecoder<BufReader<File>>>> {
    let mut file = member.into_inner();
    if file.fill_buf()?.starts_with(&[0x1f]) {
        return Ok(Some(GzDecoder::new(file)));
    }
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            let what =
                "what follows the packed text is not gzip; unpack the file, look at its end, and import the text";
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        let count = bytes.len();
        file.consume(count);
    }
}

/// Bytes as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
