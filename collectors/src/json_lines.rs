//! JSON lines: an object on each line, as BigQuery and others export rows.
//!
//! The keys of the objects are the columns; a file has those that any of its rows has. A cell is what a CSV of the same rows
//! would hold: texts as they are, numbers with the digits that are written, `true` and `false`, objects and lists as JSON.
//! Null, an empty list and an empty object say nothing, nor does a key that a row does not have.
//!
//! A line that is no object costs itself and nothing else; one that is too long is passed over, not held.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use outlay_model::part::{RejectReason, Repair};
use polars::prelude::{Column, DataFrame, IntoColumn, PlSmallStr, StringChunkedBuilder};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::CollectError;
use crate::input::InputFile;
use crate::raw::{BATCH_BYTES, BATCH_CELLS, BATCH_ROWS, Damaged, Malformed, RawBatch};
use crate::records::MAX_RECORD;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The keys that rows of the file have, in the order they are met.
///
/// # Errors
/// [`CollectError::Read`] when it cannot be read to its end.
pub(crate) fn names(file: &InputFile) -> Result<Vec<String>, CollectError> {
    let mut lines = Lines::open(file)?;
    let mut known = HashSet::new();
    let mut names = Vec::new();
    while let Some(Line { bytes, .. }) = lines.next()? {
        let text = String::from_utf8_lossy(bytes);
        let mut met = Vec::new();
        if parse(&text, Keys(&mut met)).is_ok() {
            names.extend(met.into_iter().filter(|name| known.insert(name.clone())));
        }
    }
    Ok(names)
}

/// The rows of a file, batch by batch.
pub(crate) struct JsonLines<'a> {
    lines: Lines<'a>,
    columns: Vec<String>,
}

impl<'a> JsonLines<'a> {
    /// `wanted` picks columns; all of them when it is `None`.
    pub(crate) fn open(file: &'a InputFile, wanted: Option<&[String]>) -> Result<Self, CollectError> {
        let columns = wanted.map_or_else(|| names(file), |wanted| Ok(wanted.to_vec()))?;
        Ok(Self { lines: Lines::open(file)?, columns })
    }

    /// The next rows, or `None` at the end.
    pub(crate) fn batch(&mut self) -> Result<Option<RawBatch>, CollectError> {
        let rows = BATCH_ROWS.min(BATCH_CELLS / self.columns.len().max(1)).max(1);
        let mut batch = Batch::of(&self.columns, rows);
        let (mut count, mut bytes) = (0, 0);
        while count < rows && bytes < BATCH_BYTES {
            let Some(line) = self.lines.next()? else { break };
            count += 1;
            bytes += line.bytes.len() as u64;
            batch.add(&line);
        }
        if count == 0 { Ok(None) } else { batch.finish().map(Some) }
    }
}

/// A line that is not blank.
struct Line<'a> {
    number: u64,
    /// What stands on it; nothing if that is longer than the limit.
    bytes: &'a [u8],
    too_long: bool,
}

/// The lines of a file that are not blank.
struct Lines<'a> {
    file: &'a InputFile,
    input: BufReader<Box<dyn Read + Send>>,
    number: u64,
    held: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn open(file: &'a InputFile) -> Result<Self, CollectError> {
        let text = file.text().map_err(|source| CollectError::Read { path: file.path.clone(), line: 0, source })?;
        Ok(Self { file, input: BufReader::with_capacity(1 << 18, text), number: 0, held: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<Line<'_>>, CollectError> {
        loop {
            let read = self.read();
            let Some(too_long) =
                read.map_err(|source| CollectError::Read { path: self.file.path.clone(), line: self.number, source })?
            else {
                return Ok(None);
            };
            self.number += 1;
            if too_long || !self.held.trim_ascii().is_empty() {
                let bytes = if too_long { &[] } else { self.held.as_slice() };
                return Ok(Some(Line { number: self.number, bytes, too_long }));
            }
        }
    }

    /// Reads a line; whether it is longer than the limit, or `None` at the end of the file.
    fn read(&mut self) -> io::Result<Option<bool>> {
        self.held.clear();
        let (mut too_long, mut any) = (false, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(any.then_some(too_long));
            }
            any = true;
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            too_long |= self.held.len() + part.len() > MAX_RECORD;
            if !too_long {
                self.held.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

/// A batch in the making.
struct Batch {
    places: HashMap<String, usize>,
    columns: Vec<StringChunkedBuilder>,
    cells: Vec<Option<String>>,
    raw: RawBatch,
}

impl Batch {
    fn of(columns: &[String], rows: usize) -> Self {
        let builder = |name: &String| StringChunkedBuilder::new(PlSmallStr::from_str(name), rows);
        Self {
            places: columns.iter().cloned().zip(0..).collect(),
            columns: columns.iter().map(builder).collect(),
            cells: vec![None; columns.len()],
            raw: RawBatch::default(),
        }
    }

    fn add(&mut self, line: &Line<'_>) {
        if line.too_long {
            let what = format!("more than {} MB on one line", MAX_RECORD >> 20);
            self.raw.malformed.push(Malformed { line: line.number, what });
            return;
        }
        let text = String::from_utf8_lossy(line.bytes);
        let marked = text.starts_with(BYTE_ORDER_MARK) && line.number > 1;
        if marked {
            *self.raw.repairs.entry(Repair::ByteOrderMark).or_default() += 1;
        }
        self.cells.fill(None);
        let mut twice = None;
        if let Err(error) = parse(&text, Row { places: &self.places, cells: &mut self.cells, twice: &mut twice }) {
            // What serde_json says has the value in it, and its own line number.
            let what = if error.is_data() { "not a JSON object" } else { "not JSON" }.to_owned();
            self.raw.malformed.push(Malformed { line: line.number, what });
            return;
        }
        let row = self.raw.lines.len();
        let invalid = std::str::from_utf8(line.bytes).is_err();
        let what = twice.map(|key| (RejectReason::MalformedRecord, format!("the key {key} stands there twice")));
        let what = what.or(invalid.then(|| (RejectReason::InvalidText, "text that is not UTF-8".to_owned())));
        if let Some((reason, what)) = what {
            self.raw.damaged.push(Damaged { row, reason, what });
        }
        for (builder, cell) in self.columns.iter_mut().zip(&self.cells) {
            builder.append_option(cell.as_deref());
        }
        self.raw.lines.push(line.number);
    }

    fn finish(mut self) -> Result<RawBatch, CollectError> {
        let columns = self.columns.into_iter().map(|builder| builder.finish().into_column());
        self.raw.cells = DataFrame::new(self.raw.lines.len(), columns.collect::<Vec<Column>>())?;
        Ok(self.raw)
    }
}

/// Reads what stands on a line, to its end.
fn parse<'de, S: DeserializeSeed<'de>>(line: &'de str, seed: S) -> serde_json::Result<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_str(line.trim_start_matches(BYTE_ORDER_MARK));
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Takes the keys of an object.
struct Keys<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            self.0.push(key);
        }
        Ok(())
    }
}

/// Takes the cells of a row. All values are read, those of other columns too, so that a line is damaged for all who read it
/// or for none.
struct Row<'a> {
    places: &'a HashMap<String, usize>,
    cells: &'a mut Vec<Option<String>>,
    /// A key that the object has twice, if there is one; the first counts.
    twice: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut met = vec![false; self.cells.len()];
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            let Some(place) = self.places.get(&key).copied() else { continue };
            if std::mem::replace(&mut met[place], true) {
                self.twice.get_or_insert(key);
            } else {
                self.cells[place] = cell(value);
            }
        }
        Ok(())
    }
}

/// What a cell holds of a value.
pub(crate) fn cell(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) if items.is_empty() => None,
        Value::Object(fields) if fields.is_empty() => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::input::Format;
    use crate::raw;

    fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, InputFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let file = InputFile::open(path).expect("opens");
        (folder, file)
    }

    /// Every row as its line and its cells, `-` for null; and the lines that are no rows.
    fn rows(file: &InputFile, wanted: Option<&[String]>) -> (Vec<String>, Vec<String>) {
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        raw::batches(file, wanted, |batch| -> Result<(), CollectError> {
            let columns: Vec<_> = batch.cells.columns().iter().map(|column| column.str().expect("texts")).collect();
            for (row, line) in batch.lines.iter().enumerate() {
                let cells: Vec<_> = columns.iter().map(|cells| cells.get(row).unwrap_or("-")).collect();
                rows.push(format!("{line}: {}", cells.join(" | ")));
            }
            others.extend(batch.malformed.iter().map(|malformed| format!("{}: {}", malformed.line, malformed.what)));
            others.extend(batch.damaged.iter().map(|damaged| format!("row {}: {}", damaged.row, damaged.what)));
            Ok(())
        })
        .expect("reads");
        (rows, others)
    }

    const TEXT: &str = concat!(
        "{\"cost\": 1.0E-6, \"service\": {\"id\": \"A\", \"n\": 1.50}, \"when\": \"2026-10-01 00:00:00 UTC\"}\n",
        "\n",
        "{\"cost\": \"0.10\", \"labels\": [{\"key\":\"a\",\"value\":\"b\"}], \"empty\": [], \"service\": null}\r\n",
        "{\"cost\": 12345678901234567890.123456789012345678901234567890, \"flag\": true}",
    );

    #[test]
    fn keys_are_columns_and_every_digit_stays() {
        let (_folder, file) = write("rows.jsonl", TEXT.as_bytes());
        assert_eq!(file.format, Format::JsonLines);
        assert_eq!(raw::header(&file).expect("reads"), ["cost", "service", "when", "labels", "empty", "flag"]);
        let expected = [
            "1: 1.0e-6 | {\"id\":\"A\",\"n\":1.50} | 2026-10-01 00:00:00 UTC | - | - | -",
            "3: 0.10 | - | - | [{\"key\":\"a\",\"value\":\"b\"}] | - | -",
            "4: 12345678901234567890.123456789012345678901234567890 | - | - | - | - | true",
        ];
        assert_eq!(rows(&file, None), (expected.map(ToOwned::to_owned).to_vec(), vec![]));
        let wanted = ["flag".to_owned(), "cost".to_owned()];
        assert_eq!(rows(&file, Some(&wanted)).0[1], "3: - | 0.10");
    }

    #[test]
    fn a_packed_file_is_told_by_what_is_in_it() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(TEXT.as_bytes()).expect("into memory");
        let (_folder, file) = write("rows.csv", &packed.finish().expect("into memory"));
        assert_eq!(file.format, Format::JsonLinesGz);
        assert_eq!(rows(&file, None).0.len(), 3);
    }

    #[test]
    fn a_broken_line_costs_itself() {
        let text = [
            "\u{feff}{\"a\": 1}",
            "{\"a\": 2",
            "[1]",
            "{\"a\": 3} x",
            "{\"a\": 4, \"b\": \"\\ud800\"}",
            "\u{feff}{\"a\": 5, \"a\": 6}",
            "{\"a\": 7}",
        ]
        .join("\n");
        let (_folder, file) = write("rows.jsonl", text.as_bytes());
        let expected = ["1: 1", "6: 5", "7: 7"].map(ToOwned::to_owned).to_vec();
        let others = [
            "2: not JSON",
            "3: not a JSON object",
            "4: not JSON",
            "5: not JSON",
            "row 1: the key a stands there twice",
        ];
        let found = rows(&file, Some(&["a".to_owned()]));
        assert_eq!(found, (expected, others.map(ToOwned::to_owned).to_vec()));
        let (_folder, file) = write("rows.jsonl", b"{\"a\": 1}\n{\"a\": \"\xff\"}\n");
        assert_eq!(rows(&file, None).1, ["row 1: text that is not UTF-8"]);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let text = format!("{{\"a\": 1}}\n{{\"a\": \"{}\"}}\n{{\"a\": 2}}\n", "x".repeat(MAX_RECORD));
        let (_folder, file) = write("rows.jsonl", text.as_bytes());
        let found = rows(&file, None);
        assert_eq!(found.0, ["1: 1", "3: 2"]);
        assert_eq!(found.1, ["2: more than 4 MB on one line"]);
    }

    #[test]
    fn an_array_of_rows_is_told_what_to_be() {
        for text in ["[{\"a\": 1}]", "[\n  {\"a\": 1}\n]"] {
            let (_folder, file) = write("rows.json", text.as_bytes());
            let error = raw::header(&file).expect_err("no lines").to_string();
            assert!(error.contains("one JSON array, where each line must be an object"), "{error}");
        }
    }
}
