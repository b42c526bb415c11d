//! Rolls a file of charges up, holding a bounded number of rows.
//!
//! A slice of the charges at a time is rolled up. What comes out is gathered, and combined when it grows: nearly every
//! bill rolls up to few rows, which never leave memory. Those of a bill that hardly does (a tag with a value per charge)
//! are put aside as sorted runs, and merged in the end. Either way the rows are the same, in the same order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use outlay_ledger::{rollup, schema};
use outlay_model::TagKey;
use polars::prelude::{
    AnyValue, DataFrame, IdxSize, IntoLazy, ParquetCompression, ParquetReader, ParquetWriter, SerReader as _, len,
};

use crate::StoreError;
use crate::stage::{ROW_GROUP, scan, streamed};

/// Charges rolled up at once.
const SLICE: usize = ROW_GROUP;
/// Daily rows gathered before they are combined; more than half as many that are left are put aside.
const MOST: usize = ROW_GROUP;
/// Rows of a run that are read at once, at least.
const LEAST: usize = GROUP;
/// Rows of a row group of a run.
const GROUP: usize = 1 << 12;

/// Rolls up the charges in a file, which have these columns, and gives their daily rows in order, some at a time.
pub(crate) fn roll_up(
    charges: &Path,
    columns: &BTreeSet<String>,
    tags: &BTreeSet<TagKey>,
    each: impl FnMut(DataFrame) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    roll_up_within(charges, columns, tags, Bounds { slice: SLICE, most: MOST, least: LEAST }, each)
}

/// How much is held at once.
#[derive(Clone, Copy)]
struct Bounds {
    slice: usize,
    most: usize,
    least: usize,
}

fn roll_up_within(
    charges: &Path,
    columns: &BTreeSet<String>,
    tags: &BTreeSet<TagKey>,
    bounds: Bounds,
    mut each: impl FnMut(DataFrame) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let rows = streamed(scan(charges)?.select([len()]))?;
    let rows = rows.columns()[0].get(0)?.try_extract::<usize>()?;
    // On a disk that has room for the charges.
    let folder = charges.parent().unwrap_or(Path::new("."));
    let mut gathered = Gathered { tags, most: bounds.most, folder, rows: None, combined: true, runs: Vec::new() };
    // No charges at all are one slice of none.
    for first in (0..rows.max(1)).step_by(bounds.slice) {
        let slice = scan(charges)?.slice(first as i64, bounds.slice as IdxSize);
        gathered.add(streamed(rollup::roll_up(slice, columns, tags))?)?;
    }
    match gathered.finish()? {
        (Some(rows), runs) if runs.is_empty() => each(rows),
        (rest, mut runs) => {
            if let Some(rest) = rest {
                runs.push(Run::write(folder, rest)?);
            }
            merge(runs, tags, bounds, each)
        }
    }
}

/// Daily rows of slices.
struct Gathered<'a> {
    tags: &'a BTreeSet<TagKey>,
    most: usize,
    /// Where runs are put.
    folder: &'a Path,
    rows: Option<DataFrame>,
    /// Whether each key is among the rows only once.
    combined: bool,
    runs: Vec<Run>,
}

impl Gathered<'_> {
    fn add(&mut self, more: DataFrame) -> Result<(), StoreError> {
        let Some(rows) = &mut self.rows else {
            (self.rows, self.combined) = (Some(more), true);
            return Ok(());
        };
        rows.vstack_mut(&more)?;
        self.combined = false;
        if rows.height() <= self.most {
            return Ok(());
        }
        let rows = self.take_combined()?;
        if let Some(rows) = rows {
            if rows.height() > self.most / 2 {
                self.runs.push(Run::write(self.folder, streamed(rollup::in_order(rows.lazy(), self.tags))?)?);
            } else {
                self.rows = Some(rows);
            }
        }
        Ok(())
    }

    fn take_combined(&mut self) -> Result<Option<DataFrame>, StoreError> {
        match self.rows.take() {
            Some(rows) if !self.combined => {
                self.combined = true;
                streamed(rollup::combine(rows.lazy(), self.tags)).map(Some)
            }
            rows => Ok(rows),
        }
    }

    /// What is held, in order, and what was put aside.
    fn finish(mut self) -> Result<(Option<DataFrame>, Vec<Run>), StoreError> {
        let rows = self.take_combined()?;
        let rows = rows.map(|rows| streamed(rollup::in_order(rows.lazy(), self.tags))).transpose()?;
        Ok((rows, self.runs))
    }
}

/// Sorted rows, each key once, in a file without a name: it is gone with whoever wrote it, however that ended.
struct Run {
    file: File,
    folder: PathBuf,
    rows: usize,
    /// Rows read so far.
    read: usize,
    /// Those of them that were not taken yet.
    block: DataFrame,
}

impl Run {
    fn write(folder: &Path, mut rows: DataFrame) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io(folder, source);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        let writer = ParquetWriter::new(file.try_clone().map_err(failed)?)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_row_group_size(Some(GROUP));
        writer.finish(&mut rows)?;
        Ok(Self { file, folder: folder.to_owned(), rows: rows.height(), read: 0, block: rows.clear() })
    }

    fn is_read(&self) -> bool {
        self.read == self.rows
    }

    /// Reads on once less than half of so many rows are left to take.
    fn fill(&mut self, block: usize) -> Result<(), StoreError> {
        let left = self.block.height();
        if self.is_read() || left > block / 2 {
            return Ok(());
        }
        let file = self.file.try_clone().map_err(|source| StoreError::io(&self.folder, source))?;
        let next = ParquetReader::new(file).with_slice(Some((self.read, block - left))).finish()?;
        self.read += next.height();
        self.block.vstack_mut(&next)?;
        Ok(())
    }

    /// Takes the rows up to this place, or all that were read.
    fn take(&mut self, keys: &[String], until: Option<&Place>) -> Result<DataFrame, StoreError> {
        let height = self.block.height();
        let (mut low, mut high) = (0, height);
        match until {
            None => low = height,
            Some(until) => {
                while low < high {
                    let middle = low.midpoint(high);
                    if is_behind(&self.block, keys, middle, until)? { high = middle } else { low = middle + 1 }
                }
            }
        }
        let taken = self.block.slice(0, low);
        self.block = self.block.slice(low as i64, height - low);
        Ok(taken)
    }
}

/// Gives the rows of all runs in order, each key once.
fn merge(
    mut runs: Vec<Run>,
    tags: &BTreeSet<TagKey>,
    bounds: Bounds,
    mut each: impl FnMut(DataFrame) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let keys = schema::daily_keys(tags);
    let block = (bounds.most / runs.len().max(1)).max(bounds.least);
    loop {
        for run in &mut runs {
            run.fill(block)?;
        }
        runs.retain(|run| run.block.height() > 0);
        // Behind the last row that was read of a run, more of it may come.
        let mut until: Option<Place> = None;
        for run in runs.iter().filter(|run| !run.is_read()) {
            let last = place(&run.block, &keys, run.block.height() - 1)?;
            until = Some(until.map_or(last.clone(), |until| until.min(last)));
        }
        let mut rows: Option<DataFrame> = None;
        for run in &mut runs {
            let taken = run.take(&keys, until.as_ref())?;
            match &mut rows {
                Some(rows) => {
                    rows.vstack_mut(&taken)?;
                }
                None => rows = Some(taken),
            }
        }
        let Some(rows) = rows else { return Ok(()) };
        each(streamed(rollup::in_order(rollup::combine(rows.lazy(), tags), tags))?)?;
    }
}

/// Where a row stands among daily rows: its key. They are sorted by it, nulls first.
type Place = Vec<Cell<'static>>;

/// A key's cell, in the engine's order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cell<'a> {
    Null,
    Day(i32),
    Text(Cow<'a, str>),
}

fn cell<'a>(rows: &'a DataFrame, key: &str, row: usize) -> Result<Cell<'a>, StoreError> {
    match rows.column(key)?.get(row)? {
        AnyValue::Null => Ok(Cell::Null),
        AnyValue::Date(day) => Ok(Cell::Day(day)),
        AnyValue::String(text) => Ok(Cell::Text(Cow::Borrowed(text))),
        AnyValue::StringOwned(text) => Ok(Cell::Text(Cow::Owned(text.to_string()))),
        _ => Err(StoreError::Corrupt { what: "key of a daily row" }),
    }
}

fn place(rows: &DataFrame, keys: &[String], row: usize) -> Result<Place, StoreError> {
    let owned = |cell: Cell<'_>| match cell {
        Cell::Null => Cell::Null,
        Cell::Day(day) => Cell::Day(day),
        Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
    };
    keys.iter().map(|key| cell(rows, key, row).map(owned)).collect()
}

/// Whether a row comes after a place.
fn is_behind(rows: &DataFrame, keys: &[String], row: usize, place: &Place) -> Result<bool, StoreError> {
    for (key, there) in keys.iter().zip(place) {
        match cell(rows, key, row)?.cmp(there) {
            Ordering::Equal => {}
            order => return Ok(order == Ordering::Greater),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
