//! Raw batches: the cells of a file as it states them, with the line each stands on.
//!
//! Text is read by a record reader that knows lines, because one damaged line must not cost the file; Parquet comes
//! through Polars' streaming engine. Either way a batch is bounded and nothing is interpreted here.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{
    Column, DataFrame, DataType, Engine, IntoColumn, LazyFrame, NewChunkedArray, PlRefPath, PlanCallback, PolarsError,
    PolarsResult, ScanArgsParquet, StringChunked, StringChunkedBuilder, col, polars_err,
};

use crate::CollectError;
use crate::input::{Format, InputFile, hex};

/// Lines in one batch.
pub const BATCH_ROWS: usize = 1 << 16;

/// Some lines of a file.
#[derive(Debug)]
pub struct RawBatch {
    /// The cells, under the file's own column names.
    pub cells: DataFrame,
    /// The line (in Parquet: row) of each, from 1.
    pub lines: Vec<u64>,
    /// Rows of `cells` that held text which is not UTF-8, put right as far as possible.
    pub invalid_text: Vec<usize>,
    /// Lines whose fields cannot be told apart; they are in no row of `cells`.
    pub malformed: Vec<Malformed>,
}

/// A line whose fields cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it starts.
    pub line: u64,
    /// How many fields it has; as many as the header where a quote that is not closed swallowed lines.
    pub fields: usize,
    /// How many the header has.
    pub expected: usize,
}

/// The file's column names, in its order.
///
/// # Errors
/// [`CollectError`] when it cannot be read.
pub fn header(file: &InputFile) -> Result<Vec<String>, CollectError> {
    match file.format {
        Format::Csv | Format::CsvGz => Ok(CsvRecords::open(file)?.header),
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
        Format::Parquet => {
            let mut next_row = 1;
            let (batches, scan) = parquet_batches(file, wanted)?;
            for cells in batches {
                let cells = unpacked(&cells).map_err(|source| parquet(file, source))?;
                let lines: Vec<u64> = (next_row..).take(cells.height()).collect();
                next_row += cells.height() as u64;
                each(RawBatch { cells, lines, invalid_text: Vec::new(), malformed: Vec::new() })?;
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

/// Batches as they come, and how the scan that makes them ends.
type Scan = (Receiver<DataFrame>, JoinHandle<PolarsResult<()>>);

/// Runs the scan on a thread of its own; the channel holds it back to the reader's pace.
fn parquet_batches(file: &InputFile, wanted: Option<&[String]>) -> Result<Scan, CollectError> {
    let mut frame = scan(&file.path).map_err(|source| parquet(file, source))?;
    if let Some(wanted) = wanted {
        frame = frame.select(wanted.iter().map(|name| col(name.as_str())).collect::<Vec<_>>());
    }
    let (send, receive) = sync_channel(1);
    let scan = std::thread::spawn(move || {
        // A reader that has gone is no error: it stops the scan.
        let callback = PlanCallback::new(move |batch: DataFrame| Ok(send.send(batch).is_err()));
        let plan = frame.sink_batches(callback, true, std::num::NonZeroUsize::new(BATCH_ROWS))?;
        plan.collect_with_engine(Engine::Streaming).map(drop)
    });
    Ok((receive, scan))
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

/// A CSV file, record by record.
struct CsvRecords<'a> {
    file: &'a InputFile,
    reader: csv::Reader<Box<dyn std::io::Read + Send>>,
    header: Vec<String>,
    record: csv::ByteRecord,
    last_line: u64,
}

impl<'a> CsvRecords<'a> {
    fn open(file: &'a InputFile) -> Result<Self, CollectError> {
        let text = file.text().map_err(|source| CollectError::Read { path: file.path.clone(), line: 0, source })?;
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            // Were a carriage return an end too, the line feed behind it would count as the next record's.
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(1 << 18)
            .from_reader(text);
        let mut records = Self { file, reader, header: Vec::new(), record: csv::ByteRecord::new(), last_line: 0 };
        if records.next()? {
            let names = records.record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned());
            records.header = unique(names);
        }
        Ok(records)
    }

    fn next(&mut self) -> Result<bool, CollectError> {
        loop {
            let read = self.reader.read_byte_record(&mut self.record);
            let more = read.map_err(|error| CollectError::Read {
                path: self.file.path.clone(),
                line: self.last_line,
                source: error.into(),
            })?;
            if !more {
                return Ok(false);
            }
            if self.record.as_slice() != b"\r" {
                self.last_line = self.line();
                return Ok(true);
            }
        }
    }

    /// The line the record starts on. Its position is that of the empty lines skipped before it.
    fn line(&self) -> u64 {
        let from = self.record.position().map_or(self.last_line, csv::Position::line);
        let lines = self.reader.position().line() - from;
        if lines <= 1 {
            return from;
        }
        let within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        from + lines.saturating_sub(within + 1)
    }

    /// A field, without the carriage return of a Windows line end.
    fn field(&self, place: usize) -> &[u8] {
        let field = self.record.get(place).unwrap_or_default();
        let last = place + 1 == self.record.len();
        field.strip_suffix(b"\r").filter(|_| last).unwrap_or(field)
    }

    /// Whether a field holds what looks like whole records: a quote that was never closed ran on to the next one. What the
    /// swallowed lines said is not known, so the record must not pass for the one it began as.
    fn swallows_lines(&self) -> bool {
        let commas = self.header.len().saturating_sub(1).max(1);
        let record = |line: &[u8]| line.iter().filter(|byte| **byte == b',').count() >= commas;
        self.record.iter().any(|field| field.contains(&b'\n') && field.split(|byte| *byte == b'\n').skip(1).any(record))
    }

    /// The next lines, or `None` at the end.
    fn batch(&mut self, wanted: Option<&[String]>) -> Result<Option<RawBatch>, CollectError> {
        let picked =
            self.header.iter().enumerate().filter(|(_, name)| wanted.is_none_or(|wanted| wanted.contains(name)));
        let mut builders: Vec<(usize, StringChunkedBuilder)> =
            picked.map(|(place, name)| (place, StringChunkedBuilder::new(name.into(), BATCH_ROWS))).collect();
        let expected = self.header.len();
        let (mut lines, mut invalid_text, mut malformed) = (Vec::new(), Vec::new(), Vec::new());
        while lines.len() + malformed.len() < BATCH_ROWS && self.next()? {
            let fields = self.record.len();
            if fields != expected || self.swallows_lines() {
                malformed.push(Malformed { line: self.last_line, fields, expected });
                continue;
            }
            let mut valid = true;
            for (place, builder) in &mut builders {
                let field = self.field(*place);
                match std::str::from_utf8(field) {
                    Ok(text) => builder.append_value(text),
                    Err(_) => {
                        valid = false;
                        builder.append_value(String::from_utf8_lossy(field));
                    }
                }
            }
            if !valid {
                invalid_text.push(lines.len());
            }
            lines.push(self.last_line);
        }
        if lines.is_empty() && malformed.is_empty() {
            return Ok(None);
        }
        let columns: Vec<Column> = builders.into_iter().map(|(_, builder)| builder.finish().into_column()).collect();
        let cells = DataFrame::new(lines.len(), columns)?;
        Ok(Some(RawBatch { cells, lines, invalid_text, malformed }))
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
