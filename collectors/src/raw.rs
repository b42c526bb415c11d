//! Raw batches: the cells of a file as it states them, with the line each stands on.
//!
//! Text is read by a record reader that knows lines, because one damaged line must not cost the file; Parquet comes
//! through Polars' streaming engine. Either way a batch is bounded and nothing is interpreted here.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use outlay_model::part::{RejectReason, Repair, Repairs};
use polars::prelude::{
    Column, DataFrame, DataType, Engine, IdxSize, IntoColumn, LazyFrame, NewChunkedArray, ParquetReader, PlRefPath,
    PolarsError, PolarsResult, ScanArgsParquet, SerReader as _, StringChunked, StringChunkedBuilder, col, polars_err,
};

use crate::CollectError;
use crate::input::{Format, InputFile, hex};
use crate::json_lines::{self, JsonLines};
use crate::records::{Kind, MAX_RECORD, Record, Records};

/// Lines in one batch, at most.
pub const BATCH_ROWS: usize = 1 << 16;
/// Rows of a Parquet file that are decoded at once.
const DECODED_ROWS: usize = 4 * BATCH_ROWS;
/// Cells of a Parquet file that are decoded at once. One stretch is read while the next is decoded: both are held.
const DECODED_CELLS: usize = 1 << 23;
/// Cells in one batch of text, at most: a file may have thousands of columns.
pub(crate) const BATCH_CELLS: usize = 1 << 23;
/// Bytes of text after which a batch is full: a line may have millions.
pub(crate) const BATCH_BYTES: u64 = 1 << 26;

/// Some lines of a file.
#[derive(Debug, Default)]
pub struct RawBatch {
    /// The cells, under the file's own column names.
    pub cells: DataFrame,
    /// The line (in Parquet: row) of each, from 1.
    pub lines: Vec<u64>,
    /// Rows of `cells` that cannot be taken, though their fields can be told apart.
    pub damaged: Vec<Damaged>,
    /// Lines whose fields cannot be told apart; they are in no row of `cells`.
    pub malformed: Vec<Malformed>,
    /// What was put right to tell the rows.
    pub repairs: Repairs,
}

impl RawBatch {
    /// The same rows in batches of at most so many, in order.
    pub(crate) fn pieces(mut self, rows: usize) -> impl Iterator<Item = Self> {
        let height = self.lines.len();
        (0..height.max(1)).step_by(rows).map(move |start| {
            let end = height.min(start + rows);
            let here = |damaged: &&Damaged| (start..end).contains(&damaged.row);
            let moved = |damaged: &Damaged| Damaged { row: damaged.row - start, ..damaged.clone() };
            Self {
                cells: self.cells.slice(start as i64, end - start),
                lines: self.lines[start..end].to_vec(),
                damaged: self.damaged.iter().filter(here).map(moved).collect(),
                // Lines without rows, and what was put right, are the first one's.
                malformed: std::mem::take(&mut self.malformed),
                repairs: std::mem::take(&mut self.repairs),
            }
        })
    }
}

/// A row that cannot be taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Which row of the cells.
    pub row: usize,
    /// Why.
    pub reason: RejectReason,
    /// What is wrong with it.
    pub what: String,
}

impl Damaged {
    /// The same damage where the rows have become others: which of the old rows each of them is of.
    pub(crate) fn moved(damaged: &[Self], rows: &[usize]) -> Vec<Self> {
        if damaged.is_empty() {
            return Vec::new();
        }
        let places = rows.iter().enumerate().flat_map(|(place, row)| {
            let of_row = damaged.iter().filter(move |damaged| damaged.row == *row);
            of_row.map(move |damaged| Self { row: place, ..damaged.clone() })
        });
        places.collect()
    }
}

/// A line whose fields cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it starts.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// The file's column names, in its order.
///
/// # Errors
/// [`CollectError`] when it cannot be read.
pub fn header(file: &InputFile) -> Result<Vec<String>, CollectError> {
    match file.format {
        Format::Csv | Format::CsvGz => Ok(CsvRecords::open(file)?.header),
        Format::JsonLines | Format::JsonLinesGz => json_lines::names(file),
        Format::Parquet => {
            let mut frame = scan(&file.path).map_err(|source| parquet(file, source))?;
            let schema = frame.collect_schema().map_err(|source| parquet(file, source))?;
            Ok(schema.iter_names().map(ToString::to_string).collect())
        }
    }
}

/// Calls `each` with every batch of the file, in order. `wanted` picks columns; all of them when it is `None`.
///
/// # Errors
/// [`CollectError`] when the file cannot be read to its end, or what `each` fails with.
pub fn batches<E: From<CollectError>>(
    file: &InputFile,
    wanted: Option<&[String]>,
    mut each: impl FnMut(RawBatch) -> Result<(), E>,
) -> Result<(), E> {
    match file.format {
        Format::Csv | Format::CsvGz => {
            let mut records = CsvRecords::open(file)?;
            while let Some(batch) = records.batch(wanted)? {
                each(batch)?;
            }
            Ok(())
        }
        Format::JsonLines | Format::JsonLinesGz => {
            let mut lines = JsonLines::open(file, wanted)?;
            while let Some(batch) = lines.batch()? {
                each(batch)?;
            }
            Ok(())
        }
        Format::Parquet => {
            let mut next_row = 1;
            let (batches, scan) = parquet_batches(file, wanted);
            for cells in batches {
                let cells = unpacked(&cells).map_err(|source| parquet(file, source))?;
                let lines: Vec<u64> = (next_row..).take(cells.height()).collect();
                next_row += cells.height() as u64;
                each(RawBatch { cells, lines, ..RawBatch::default() })?;
            }
            // Polars panics on some damaged files: then the batches that came are not all there are.
            let scanned = scan.join().unwrap_or_else(|_| Err(polars_err!(ComputeError: "the file is damaged")));
            scanned.map_err(|source| parquet(file, source).into())
        }
    }
}

fn parquet(file: &InputFile, source: PolarsError) -> CollectError {
    CollectError::Parquet { path: file.path.clone(), source }
}

fn scan(path: &Path) -> PolarsResult<LazyFrame> {
    let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), args)
}

/// Batches as they come, and how reading them ends.
type Scan = (Receiver<DataFrame>, JoinHandle<PolarsResult<()>>);

/// Decodes the file on a thread of its own, a stretch ahead of who reads.
fn parquet_batches(file: &InputFile, wanted: Option<&[String]>) -> Scan {
    let (path, wanted) = (file.path.clone(), wanted.map(<[String]>::to_vec));
    let (send, receive) = sync_channel(1);
    let decoding = std::thread::spawn(move || {
        let metadata = ParquetReader::new(File::open(&path)?).get_metadata()?.clone();
        let mut frame = scan(&path)?;
        if let Some(wanted) = wanted {
            frame = frame.select(wanted.iter().map(|name| col(name.as_str())).collect::<Vec<_>>());
        }
        let width = frame.collect_schema()?.len();
        let most = (DECODED_CELLS / width.max(1)).clamp(BATCH_ROWS, DECODED_ROWS);
        for stretch in stretches(metadata.row_groups.iter().map(|group| group.num_rows()), most) {
            let part = frame.clone().slice(stretch.start as i64, stretch.len() as IdxSize);
            let cells = part.collect_with_engine(Engine::Streaming)?.unwrap_single();
            for first in (0..cells.height()).step_by(BATCH_ROWS) {
                // A reader that has gone is no error.
                if send.send(cells.slice(first as i64, BATCH_ROWS)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    });
    (receive, decoding)
}

/// Stretches of at most so many rows: whole row groups where these are small enough, equal pieces of one that is not. What
/// is packed together is unpacked for each piece.
fn stretches(groups: impl Iterator<Item = usize>, most: usize) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for rows in groups.filter(|rows| *rows > 0) {
        match stretches.last_mut() {
            Some(last) if last.len() + rows <= most => last.end += rows,
            _ => {
                let pieces = rows.div_ceil(most);
                let piece = |place: usize| end + rows * place / pieces;
                stretches.extend((0..pieces).map(|place| piece(place)..piece(place + 1)));
            }
        }
        end += rows;
    }
    stretches
}

/// Dictionaries and bytes are how a file packs its texts, not what it states. Bytes that are no text become hexadecimal.
fn unpacked(cells: &DataFrame) -> PolarsResult<DataFrame> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), ToOwned::to_owned);
    let columns = cells.columns().iter().map(|column| match column.dtype() {
        DataType::Categorical(..) | DataType::Enum(..) => column.cast(&DataType::String),
        DataType::Binary => {
            let texts = column.binary()?.iter().map(|bytes| bytes.map(text));
            Ok(StringChunked::from_iter_options(column.name().clone(), texts).into_column())
        }
        _ => Ok(column.clone()),
    });
    DataFrame::new(cells.height(), columns.collect::<PolarsResult<_>>()?)
}

/// A CSV file, batch by batch.
struct CsvRecords<'a> {
    file: &'a InputFile,
    records: Records<Box<dyn Read + Send>>,
    header: Vec<String>,
}

impl<'a> CsvRecords<'a> {
    fn open(file: &'a InputFile) -> Result<Self, CollectError> {
        let fail = |source| CollectError::Read { path: file.path.clone(), line: 0, source };
        let mut text = file.text().map_err(fail)?;
        let mut first = Vec::new();
        text.by_ref().take(4).read_to_end(&mut first).map_err(fail)?;
        if first.is_empty() {
            return Err(CollectError::Empty { path: file.path.clone() });
        }
        if let Some(what) = other_than_text(&first) {
            return Err(CollectError::NotText { path: file.path.clone(), what });
        }
        let records = Records::open(Box::new(io::Cursor::new(first).chain(text)) as Box<dyn Read + Send>);
        let records = records.map_err(fail)?;
        let header = unique(records.header().iter().map(|name| String::from_utf8_lossy(name).into_owned()));
        Ok(Self { file, records, header })
    }

    /// The next lines, or `None` at the end.
    fn batch(&mut self, wanted: Option<&[String]>) -> Result<Option<RawBatch>, CollectError> {
        let picked =
            self.header.iter().enumerate().filter(|(_, name)| wanted.is_none_or(|wanted| wanted.contains(name)));
        let picked: Vec<(usize, &String)> = picked.collect();
        let rows = BATCH_ROWS.min(BATCH_CELLS / picked.len().max(1)).max(1);
        let columns =
            picked.into_iter().map(|(place, name)| (place, StringChunkedBuilder::new(name.into(), rows))).collect();
        let mut batch =
            TextBatch { columns, width: self.header.len(), unescaped: Vec::new(), raw: RawBatch::default() };
        let (mut lines, mut bytes) = (0, 0);
        while lines < rows && bytes < BATCH_BYTES {
            let record = match self.records.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(source) => {
                    let line = self.records.last_line();
                    return Err(CollectError::Read { path: self.file.path.clone(), line, source });
                }
            };
            if record.kind == Kind::OtherHeader {
                return Err(CollectError::OtherHeader { path: self.file.path.clone(), line: record.line });
            }
            lines += 1;
            bytes += record.extent.end - record.extent.start;
            batch.add(&record);
        }
        if lines == 0 { Ok(None) } else { batch.finish().map(Some) }
    }
}

/// A batch of text in the making.
struct TextBatch {
    columns: Vec<(usize, StringChunkedBuilder)>,
    width: usize,
    unescaped: Vec<u8>,
    raw: RawBatch,
}

impl TextBatch {
    fn add(&mut self, record: &Record<'_>) {
        let fields = record.fields();
        let note = |repair| *self.raw.repairs.entry(repair).or_default() += 1;
        let notes = [
            (record.marked, Repair::ByteOrderMark),
            (record.kind == Kind::Row && fields > self.width, Repair::TrailingCommas),
            (record.kind == Kind::Empty, Repair::EmptyLine),
            (record.kind == Kind::Header, Repair::HeaderRepeated),
            (record.kind == Kind::Swallowing, Repair::OpenQuote),
        ];
        notes.into_iter().filter(|(holds, _)| *holds).map(|(_, repair)| repair).for_each(note);
        let what = match record.kind {
            Kind::Empty | Kind::Header | Kind::OtherHeader => return,
            Kind::Row => None,
            Kind::Width => Some(format!("{fields} fields, the header has {}", self.width)),
            Kind::StrayQuote => Some("a quote within a text, where it is not doubled".to_owned()),
            Kind::OpenQuote | Kind::Swallowing => Some("a quote that is not closed".to_owned()),
            Kind::TooLong => Some(format!("more than {} MB in one record", MAX_RECORD >> 20)),
        };
        match what {
            Some(what) if record.kind == Kind::Width || fields != self.width => {
                self.raw.malformed.push(Malformed { line: record.line, what });
            }
            what => self.row(record, what),
        }
    }

    fn row(&mut self, record: &Record<'_>, what: Option<String>) {
        let row = self.raw.lines.len();
        let mut invalid = record.has_nul().then_some("a NUL where text should be");
        for (place, builder) in &mut self.columns {
            let field = record.field(*place, &mut self.unescaped);
            match std::str::from_utf8(field) {
                Ok(text) => builder.append_value(text),
                Err(_) => {
                    invalid = Some("text that is not UTF-8");
                    builder.append_value(String::from_utf8_lossy(field));
                }
            }
        }
        if let Some(what) = what {
            self.raw.damaged.push(Damaged { row, reason: RejectReason::MalformedRecord, what });
        } else if let Some(what) = invalid {
            self.raw.damaged.push(Damaged { row, reason: RejectReason::InvalidText, what: what.to_owned() });
        }
        self.raw.lines.push(record.line);
    }

    fn finish(mut self) -> Result<RawBatch, CollectError> {
        let columns = self.columns.into_iter().map(|(_, builder)| builder.finish().into_column());
        self.raw.cells = DataFrame::new(self.raw.lines.len(), columns.collect::<Vec<Column>>())?;
        Ok(self.raw)
    }
}

/// What these first bytes of a file are, if they are no UTF-8 text.
fn other_than_text(first: &[u8]) -> Option<&'static str> {
    match first {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..] => Some("UTF-16 text"),
        [b'P', b'K', 3, 4] => Some("a ZIP archive"),
        [b'[', b'{' | b'\r' | b'\n', ..] | [b'[', b' ', b'{' | b' ', ..] => {
            Some("one JSON array, where each line must be an object")
        }
        [0x28, 0xb5, 0x2f, 0xfd] => Some("packed with zstd"),
        [0xfd, b'7', b'z', b'X'] => Some("packed with xz"),
        [b'B', b'Z', b'h', b'0'..=b'9'] => Some("packed with bzip2"),
        _ => None,
    }
}

/// Names a frame can hold: an empty or repeated one gets its place behind it.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for (place, mut name) in names.enumerate() {
        if name.is_empty() || taken.contains(&name) {
            name = format!("{name}_{}", place + 1);
        }
        while taken.contains(&name) {
            name.push('_');
        }
        taken.push(name);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_hold_every_row_once() {
        let check = |groups: &[usize], expected: &[(usize, usize)]| {
            let stretches = stretches(groups.iter().copied(), 10);
            let ends: Vec<_> = stretches.iter().map(|stretch| (stretch.start, stretch.end)).collect();
            assert_eq!(ends, expected, "{groups:?}");
        };
        check(&[], &[]);
        check(&[0, 3, 0], &[(0, 3)]);
        check(&[4, 4, 4, 2], &[(0, 8), (8, 14)]);
        check(&[10, 1], &[(0, 10), (10, 11)]);
        check(&[3, 25, 3], &[(0, 3), (3, 11), (11, 19), (19, 28), (28, 31)]);
    }
}
