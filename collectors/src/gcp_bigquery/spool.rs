//! Rows on their way into files, one for each delivery.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

use super::bigquery::odd;
use super::cells::{self, Row};
use super::shape::Export;
use super::sql::{DELIVERY, LINES};
use super::statement::Tally;
use super::table::Schema;
use crate::http::FetchError;

/// The rows of a delivery, in a file.
#[derive(Debug)]
pub(super) struct Spooled {
    pub path: PathBuf,
    /// What they come to.
    pub tally: Tally,
    /// How many there are.
    pub rows: u64,
}

/// A file that is being written.
struct Writing {
    done: Spooled,
    file: GzEncoder<BufWriter<File>>,
}

/// Takes the rows of an answer apart.
pub(super) struct Spool<'a> {
    place: &'a str,
    export: Export,
    files: BTreeMap<String, Writing>,
}

impl<'a> Spool<'a> {
    /// For these deliveries.
    pub(super) fn new<'n>(
        place: &'a str,
        folder: &Path,
        export: Export,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Self, FetchError> {
        let opened = |name: &'n str| {
            let path = folder.join(format!("{}.jsonl.gz", name.replace('/', "_")));
            let file = File::create(&path).map_err(|error| scratch(&path, &error))?;
            // Read once and thrown away: how small it gets matters less than how soon.
            let file = GzEncoder::new(BufWriter::new(file), Compression::fast());
            let done = Spooled { path, tally: Tally::default(), rows: 0 };
            Ok((name.to_owned(), Writing { done, file }))
        };
        Ok(Self { place, export, files: names.map(opened).collect::<Result<_, _>>()? })
    }

    pub(super) fn take(&mut self, schema: &Schema, rows: Vec<Row>) -> Result<(), FetchError> {
        for row in rows {
            self.row(schema, row).map_err(|error| match error {
                RowError::Odd(what) => odd(self.place, &what),
                RowError::Io(path, error) => scratch(&path, &error),
            })?;
        }
        Ok(())
    }

    fn row(&mut self, schema: &Schema, row: Row) -> Result<(), RowError> {
        let mut object = cells::object(&schema.fields, row).map_err(RowError::Odd)?;
        let delivery = object.shift_remove(DELIVERY);
        let name = delivery.as_ref().and_then(Value::as_str).unwrap_or_default();
        let writing = self.files.get_mut(name);
        let Writing { done, file } =
            writing.ok_or_else(|| RowError::Odd("has rows of another day than asked for".to_owned()))?;
        let lines = match object.shift_remove(LINES) {
            None => 1,
            Some(lines) => lines.as_u64().ok_or_else(|| RowError::Odd("does not count its lines".to_owned()))?,
        };
        done.tally.add(self.export, &object, lines).map_err(RowError::Odd)?;
        done.rows += 1;
        if self.export == Export::Focus {
            tags_as_focus_has_them(&mut object);
        }
        let mut line = serde_json::to_vec(&object).expect("texts and numbers are JSON");
        line.push(b'\n');
        file.write_all(&line).map_err(|error| RowError::Io(done.path.clone(), error))
    }

    pub(super) fn finish(self) -> Result<BTreeMap<String, Spooled>, FetchError> {
        let finished = |(name, Writing { done, file }): (String, Writing)| {
            let flushed = file.finish().and_then(|mut file| file.flush());
            flushed.map_err(|error| scratch(&done.path, &error))?;
            Ok((name, done))
        };
        self.files.into_iter().map(finished).collect()
    }
}

enum RowError {
    Odd(String),
    Io(PathBuf, io::Error),
}

/// Google writes tags as a list of keys and values; FOCUS has one object of them.
fn tags_as_focus_has_them(row: &mut Map<String, Value>) {
    let Some(Value::Array(tags)) = row.get("Tags") else { return };
    let pair =
        |tag: &Value| Some((tag.get("key")?.as_str()?.to_owned(), tag.get("value").cloned().unwrap_or_default()));
    let tags: Map<String, Value> = tags.iter().filter_map(pair).collect();
    row.insert("Tags".to_owned(), tags.into());
}

pub(super) fn scratch(path: &Path, error: &io::Error) -> FetchError {
    FetchError::Scratch { path: path.display().to_string(), why: error.to_string() }
}
