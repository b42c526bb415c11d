//! CSV, record by record, in bounded memory.
//!
//! One damaged line must cost neither the file nor its neighbours, so this reader knows lines as well as records:
//!
//! - A line ends with LF, CRLF or CR. Lines of nothing but blanks are passed over. A quoted field may hold line ends.
//! - A quote opens a field as its first byte only, and closes it where it stands alone. Text behind a closing quote is
//!   damage; a quote within a field that did not begin with one is text.
//! - **An open quote swallows lines.** Where, of the lines that a record holds beyond its first, one is a record as wide
//!   as the header by itself, the quote is damage: the first line alone is the damaged record, and reading goes on with
//!   the second. All other records of several lines stay what they are, because texts may hold line ends. Among lines
//!   that had been swallowed, one with a stray quote is not trusted: it may be the end of a text.
//! - A record longer than a limit is passed over, not held.
//!
//! Invariant: every byte of the input is in the header, in one record, or between two: a line end, blanks, or a
//! byte-order mark. Nothing is interpreted as text here.

mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use memchr::memchr;
use scan::{At, Field, Scan, line_end, line_ends, lines, scan, split};

/// Bytes that a record may have. FOCUS exports stay far below: two thousand tags of a hundred bytes make 200 kB.
pub const MAX_RECORD: usize = 4 << 20;
/// Bytes read at once, at least.
const CHUNK: usize = 1 << 18;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A row of the table.
    Row,
    /// Commas and nothing else: it states nothing.
    Empty,
    /// The header once more, as where files were joined.
    Header,
    /// Another header: the rows behind it have other columns.
    OtherHeader,
    /// It has more or fewer fields than the header.
    Width,
    /// Text stands behind a closing quote; or a quote in a text, among lines that had been swallowed.
    StrayQuote,
    /// A quote is not closed.
    OpenQuote,
    /// The same, and the lines it had swallowed follow one by one.
    Swallowing,
    /// It is longer than the limit, and was passed over.
    TooLong,
}

/// A record.
#[derive(Debug)]
pub struct Record<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What it is.
    pub kind: Kind,
    /// Whether a byte-order mark stands before it, though it is not the first.
    pub marked: bool,
    /// Where it stands in the input, without its line end.
    pub extent: Range<u64>,
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl Record<'_> {
    /// How many fields it has; none if they cannot be told.
    #[must_use]
    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// Whether it holds a NUL, which is no text but a hole in the file.
    #[must_use]
    pub fn has_nul(&self) -> bool {
        memchr(0, self.bytes).is_some()
    }

    /// What a field holds; nothing where a row leaves out a nameless column at its end.
    #[must_use]
    pub fn field<'b>(&'b self, place: usize, unescaped: &'b mut Vec<u8>) -> &'b [u8] {
        self.fields.get(place).map_or(&[], |field| field.text(self.bytes, unescaped))
    }
}

/// Reads records.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    limit: usize,
    chunk: usize,
    buffer: Vec<u8>,
    /// Where the next record begins in the buffer.
    start: usize,
    /// Bytes of the input before the buffer.
    before: u64,
    /// The buffer holds all the rest.
    ended: bool,
    /// Why there is no more to read, once what is held has been given.
    failed: Option<io::Error>,
    /// The line of `start`.
    line: u64,
    header: Vec<Vec<u8>>,
    names: HashSet<Vec<u8>>,
    /// Fields up to the last column that has a name: a row may leave out the others.
    named: usize,
    fields: Vec<Field>,
    /// Up to here in the input, a quote had swallowed lines.
    swallowed: u64,
}

impl<R: Read> Records<R> {
    /// Reads the header; it is empty when nothing is there.
    ///
    /// # Errors
    /// When the input cannot be read, or its first record is longer than [`MAX_RECORD`] or never closes a quote.
    pub fn open(input: R) -> io::Result<Self> {
        Self::with_bounds(input, MAX_RECORD, CHUNK)
    }

    /// The same with other bounds: for the bytes of a record, and for those read at once.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn with_bounds(input: R, limit: usize, chunk: usize) -> io::Result<Self> {
        let mut records = Self {
            input,
            limit,
            chunk: chunk.max(1),
            buffer: Vec::new(),
            start: 0,
            before: 0,
            ended: false,
            failed: None,
            line: 1,
            header: Vec::new(),
            names: HashSet::new(),
            named: 0,
            fields: Vec::new(),
            swallowed: 0,
        };
        let mut header = Vec::new();
        if let Some(record) = records.next()? {
            if matches!(record.kind, Kind::TooLong | Kind::OpenQuote) {
                return Err(io::Error::new(ErrorKind::InvalidData, "the header has no end"));
            }
            let mut unescaped = Vec::new();
            header.extend((0..record.fields()).map(|place| record.field(place, &mut unescaped).trim_ascii().to_vec()));
        }
        records.named = header.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        records.names = header.iter().filter(|name| !name.is_empty()).cloned().collect();
        records.header = header;
        Ok(records)
    }

    /// The names of the columns, without blanks around them.
    #[must_use]
    pub fn header(&self) -> &[Vec<u8>] {
        &self.header
    }

    /// The last line that was read.
    #[must_use]
    pub const fn last_line(&self) -> u64 {
        self.line - 1
    }

    /// Bytes of memory that are held for text.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    #[expect(clippy::should_implement_trait, reason = "a record borrows the reader's buffer")]
    pub fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let (found, marked) = loop {
            let marked = self.pass_mark()?;
            let Some(found) = self.scan_record()? else { return Ok(None) };
            match found.end.filter(|_| self.fields.len() == 1 && found.quote.is_none()) {
                Some(length) if length <= self.limit && self.fields[0].is_blank(self.rest()) => self.pass(length),
                _ => break (found, marked),
            }
        };
        let (line, offset) = (self.line, self.before + self.start as u64);
        let length = found.end.unwrap_or(self.rest().len());
        let (length, kind) = if self.swallows(&found, length) {
            self.swallowed = self.swallowed.max(offset + length.min(self.limit) as u64);
            (self.open_quote(), Kind::Swallowing)
        } else if length > self.limit {
            let extent = offset..self.pass_over(found)?;
            return Ok(Some(Record { line, kind: Kind::TooLong, marked, extent, bytes: &[], fields: &[] }));
        } else if found.end.is_none() && lines(self.rest()).nth(1).is_none() {
            (self.open_quote(), Kind::OpenQuote)
        } else if found.end.is_none() {
            self.fields.clear();
            (length, Kind::OpenQuote)
        } else if found.behind {
            (length, Kind::StrayQuote)
        } else if found.stray && offset < self.swallowed {
            self.fields.clear();
            (length, Kind::StrayQuote)
        } else {
            (length, self.kind(&self.rest()[..length]))
        };
        let start = self.start;
        self.pass(length);
        let bytes = &self.buffer[start..start + length];
        let extent = offset..offset + length as u64;
        Ok(Some(Record { line, kind, marked, extent, bytes, fields: &self.fields }))
    }

    /// What is yet to be given.
    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Passes a byte-order mark; whether it is one within the input, not at its start.
    fn pass_mark(&mut self) -> io::Result<bool> {
        while self.rest().len() < BYTE_ORDER_MARK.len() && !self.ended {
            self.fill()?;
        }
        let marked = self.rest().starts_with(BYTE_ORDER_MARK);
        let within = self.before + self.start as u64 > 0;
        self.start += if marked { BYTE_ORDER_MARK.len() } else { 0 };
        Ok(marked && within)
    }

    /// Scans until the record ends, the input ends, or the record is longer than the limit. `None` at the input's end.
    fn scan_record(&mut self) -> io::Result<Option<Scan>> {
        loop {
            self.fields.clear();
            let rest = &self.buffer[self.start..];
            if rest.is_empty() && self.ended {
                return Ok(None);
            }
            let found = scan(rest, At::Start, self.ended, &mut self.fields);
            // Two bytes beyond the limit tell what the last within it means.
            if found.end.is_some() || self.ended || rest.len() > self.limit + 2 {
                return Ok(Some(found));
            }
            self.fill()?;
        }
    }

    /// Reads more, at least as much as is held: a record that is scanned again and again must not cost its square.
    fn fill(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.buffer.drain(..self.start);
        self.before += self.start as u64;
        self.start = 0;
        let held = self.buffer.len();
        let more = held.clamp(self.chunk, self.chunk.max(self.limit));
        match Read::take(&mut self.input, more as u64).read_to_end(&mut self.buffer) {
            Ok(read) => self.ended = read < more,
            Err(error) if self.buffer.len() == held => return Err(error),
            Err(error) => self.failed = Some(error),
        }
        Ok(())
    }

    /// Passes bytes of the buffer and the line end behind them.
    fn pass(&mut self, length: usize) {
        let rest = self.rest();
        let end = line_end(&rest[length..], true).unwrap_or_default();
        self.line += line_ends(&rest[..length]) + 1;
        self.start += length + end;
    }

    /// Passes the rest of a record without holding it, and gives where it ends.
    fn pass_over(&mut self, mut found: Scan) -> io::Result<u64> {
        while found.end.is_none() && !self.ended {
            // A CR may be half of a line end.
            let seen = found.seen - usize::from(self.rest()[..found.seen].ends_with(b"\r"));
            self.line += line_ends(&self.rest()[..seen]);
            self.start += seen;
            self.fill()?;
            self.fields.clear();
            found = scan(&self.buffer, found.at, self.ended, &mut self.fields);
        }
        let length = found.end.unwrap_or(self.rest().len());
        let end = self.before + (self.start + length) as u64;
        self.pass(length);
        Ok(end)
    }

    /// Whether a quote that is damage had swallowed lines of these bytes. Beyond the limit nothing is looked at, so that
    /// the answer does not depend on how the input comes.
    fn swallows(&self, found: &Scan, length: usize) -> bool {
        if found.quote.is_none() || self.header.is_empty() {
            return false;
        }
        let cut = length > self.limit;
        let mut lines = lines(&self.rest()[..length.min(self.limit)]).skip(1).peekable();
        let mut fields = Vec::new();
        while let Some(line) = lines.next().filter(|_| !cut || lines.peek().is_some()) {
            fields.clear();
            let found = scan(line, At::Start, true, &mut fields);
            let clean = found.end.is_some() && !found.behind && !found.stray;
            if clean && self.fits(line, &fields) && !is_empty(line) {
                return true;
            }
        }
        false
    }

    /// Takes the first line, in which a quote is not closed, for the record: the quote is a letter like any other, and
    /// commas behind it separate fields. Gives its length.
    fn open_quote(&mut self) -> usize {
        let line = lines(&self.buffer[self.start..]).next().unwrap_or_default();
        self.fields.clear();
        let found = scan(line, At::Start, true, &mut self.fields);
        self.fields.extend(split(line, found.quote.unwrap_or_default()));
        line.len()
    }

    /// What an undamaged record is.
    fn kind(&self, record: &[u8]) -> Kind {
        if is_empty(record) {
            return Kind::Empty;
        }
        let mut unescaped = Vec::new();
        let mut names = |field: &Field| self.names.contains(field.text(record, &mut unescaped).trim_ascii());
        if [self.fields.first(), self.fields.last()].into_iter().flatten().any(&mut names) {
            let named = self.fields.iter().filter(|field| names(field)).count();
            let mut header = self.fields.iter().zip(&self.header);
            if self.fields.len() == self.header.len()
                && header.all(|(field, name)| field.text(record, &mut unescaped).trim_ascii() == name)
            {
                return Kind::Header;
            }
            if named > 1 && named * 2 >= self.fields.len() {
                return Kind::OtherHeader;
            }
        }
        if self.fits(record, &self.fields) { Kind::Row } else { Kind::Width }
    }

    /// Whether each field has a column, or is blank behind the last; and each column with a name has a field.
    fn fits(&self, record: &[u8], fields: &[Field]) -> bool {
        let width = self.header.len();
        fields.len() >= self.named && fields.iter().skip(width).all(|field| field.is_blank(record))
    }
}

/// Whether nothing but commas and empty fields is there.
fn is_empty(record: &[u8]) -> bool {
    record.iter().all(|byte| matches!(byte, b',' | b'"') || byte.is_ascii_whitespace())
}
