//! Raw batches: the cells of a file as it states them, with the line each stands on.
//!
//! Text is read by a record reader that knows lines, because one damaged line must not cost the file; Parquet comes
//! through Polars' streaming engine. Either way a batch is bounded and nothing is interpreted here.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use polars::prelude::{
    Column, DataFrame, Engine, IntoColumn, LazyFrame, PlRefPath, PlanCallback, PolarsError, PolarsResult,
    ScanArgsParquet, StringChunkedBuilder, col,
};

use crate::CollectError;
use crate::input::{Format, InputFile};

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
    /// Lines with more or fewer fields than the header; they are in no row of `cells`.
    pub malformed: Vec<Malformed>,
}

/// A line whose fields cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it starts.
    pub line: u64,
    /// How many fields it has.
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
            for cells in parquet_batches(file, wanted)? {
                let cells = cells.map_err(|source| parquet(file, source))?;
                let lines: Vec<u64> = (next_row..).take(cells.height()).collect();
                next_row += cells.height() as u64;
                each(RawBatch { cells, lines, invalid_text: Vec::new(), malformed: Vec::new() })?;
            }
            Ok(())
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

/// Runs the scan on a thread of its own; the channel holds it back to the reader's pace.
fn parquet_batches(
    file: &InputFile,
    wanted: Option<&[String]>,
) -> Result<Receiver<PolarsResult<DataFrame>>, CollectError> {
    let mut frame = scan(&file.path).map_err(|source| parquet(file, source))?;
    if let Some(wanted) = wanted {
        frame = frame.select(wanted.iter().map(|name| col(name.as_str())).collect::<Vec<_>>());
    }
    let (send, receive) = sync_channel(1);
    let failed = send.clone();
    std::thread::spawn(move || {
        // A reader that has gone is no error: it stops the scan.
        let callback = PlanCallback::new(move |batch: DataFrame| Ok(send.send(Ok(batch)).is_err()));
        let run = frame
            .sink_batches(callback, true, std::num::NonZeroUsize::new(BATCH_ROWS))
            .and_then(|plan| plan.collect_with_engine(Engine::Streaming));
        if let Err(error) = run {
            let _ = failed.send(Err(error));
        }
    });
    Ok(receive)
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
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1 << 18).from_reader(text);
        let mut records = Self { file, reader, header: Vec::new(), record: csv::ByteRecord::new(), last_line: 0 };
        if records.next()? {
            let names = records.record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned());
            records.header = unique(names);
        }
        Ok(records)
    }

    fn next(&mut self) -> Result<bool, CollectError> {
        let read = self.reader.read_byte_record(&mut self.record);
        let more = read.map_err(|error| CollectError::Read {
            path: self.file.path.clone(),
            line: self.last_line,
            source: error.into(),
        })?;
        if more {
            self.last_line = self.record.position().map_or(self.last_line, csv::Position::line);
        }
        Ok(more)
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
            if fields != expected {
                malformed.push(Malformed { line: self.last_line, fields, expected });
                continue;
            }
            let mut valid = true;
            for (place, builder) in &mut builders {
                let field = self.record.get(*place).unwrap_or_default();
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
    let mut taken = Vec::new();
    for (place, name) in names.enumerate() {
        let name = if name.is_empty() || taken.contains(&name) { format!("{name}_{}", place + 1) } else { name };
        taken.push(name);
    }
    taken
}
