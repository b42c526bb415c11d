//! A batch of cost details as a batch of FOCUS cells.

use std::collections::{HashMap, HashSet};

use outlay_model::part::Repair;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};

use super::amounts::Amounts;
use super::charge::Charges;
use super::differences::{Belongs, Differences, KEY, NAMES};
use super::layout::Layout;
use super::lines::ChargeType;
use super::native::Native;
use crate::input::Statement;
use crate::native::column;
use crate::numbers::number;
use crate::raw::{Damaged, RawBatch};

/// How a file is read.
pub(super) struct Reading<'a> {
    pub layout: &'a Layout,
    pub statement: Statement,
    /// Whether the other statement of the same costs is in the delivery too.
    pub beside: bool,
}

/// Translates a batch. Actual lines that amortised cost states as well leave no charge, only their cost in the differences.
pub(super) fn translate(reading: &Reading<'_>, raw: RawBatch, differences: &mut Differences) -> PolarsResult<RawBatch> {
    let native = Native::of(&raw.cells, reading.layout)?;
    let amounts = Amounts::of(&native, reading.statement, reading.beside);
    let damaged: HashSet<usize> = raw.damaged.iter().map(|damaged| damaged.row).collect();
    // A line that cannot be taken is rejected with its cost, so it stays.
    let folds = |row: usize| {
        let readable = amounts.stated(row).is_none_or(|cost| number(cost).is_some());
        amounts.folds(row) && readable && !damaged.contains(&row)
    };
    let (folded, rows): (Vec<usize>, Vec<usize>) = (0..raw.lines.len()).partition(|row| folds(*row));
    differ(reading, &native, &amounts, (&folded, &rows), &raw.lines, differences);
    let unknown = rows.iter().filter(|row| native.lines[**row].charge_type == ChargeType::Unknown).count() as u64;
    let counted = [(Repair::LineTypeUnknown, unknown), (Repair::ActualFolded, folded.len() as u64)];
    let mut repairs = raw.repairs;
    repairs.extend(counted.into_iter().filter(|(_, times)| *times > 0));
    Ok(RawBatch {
        cells: cells(
            reading.layout,
            &raw.cells,
            &Charges::of(&native, &amounts, &rows, reading.layout.customer),
            &rows,
        )?,
        lines: rows.iter().map(|row| raw.lines[*row]).collect(),
        damaged: moved(&raw.damaged, &rows),
        malformed: raw.malformed,
        repairs,
    })
}

/// Takes what both statements say of a batch's lines into the differences.
fn differ(
    reading: &Reading<'_>,
    native: &Native,
    amounts: &Amounts<'_>,
    (folded, rows): (&[usize], &[usize]),
    lines: &[u64],
    differences: &mut Differences,
) {
    let twice: Vec<usize> = match reading.statement {
        Statement::Actual => folded.to_vec(),
        Statement::Amortised => rows.iter().copied().filter(|row| amounts.is_stated_twice(*row)).collect(),
    };
    if twice.is_empty() {
        return;
    }
    let charges = Charges::of(native, amounts, &twice, reading.layout.customer);
    let given: HashSet<&str> = reading.layout.targets().collect();
    let columns: Vec<Option<StringChunked>> =
        KEY.iter().chain(&NAMES).map(|name| given.contains(name).then(|| charges.column(name))).collect();
    // Lines of one day and subscription are many: where they belong is made once.
    let mut known: HashMap<Vec<Option<&str>>, Belongs> = HashMap::new();
    for (place, row) in twice.iter().enumerate() {
        let Some(cost) = amounts.stated(*row) else { continue };
        let texts: Vec<Option<&str>> = columns.iter().map(|texts| texts.as_ref()?.get(place)).collect();
        let of = known.entry(texts).or_insert_with_key(|texts| {
            let mut of = Belongs::default();
            of.key
                .iter_mut()
                .chain(&mut of.names)
                .zip(texts)
                .for_each(|(own, text)| *own = text.map(ToOwned::to_owned));
            of
        });
        differences.take(of, lines[*row], cost, reading.statement == Statement::Amortised);
    }
}

/// The columns of the translated batch.
fn cells(layout: &Layout, raw: &DataFrame, charges: &Charges<'_>, rows: &[usize]) -> PolarsResult<DataFrame> {
    let places = IdxCa::from_iter_values(PlSmallStr::EMPTY, rows.iter().map(|row| *row as IdxSize));
    let all = rows.len() == raw.height();
    let picked = |cells: &Column| if all { Ok(cells.clone()) } else { cells.take(&places) };
    let mut columns: Vec<Column> = layout.targets().map(|target| column(target, charges.column(target))).collect();
    for (name, target) in &layout.kept {
        columns.push(picked(raw.column(name)?)?.with_name(PlSmallStr::from_str(target)));
    }
    DataFrame::new(rows.len(), columns)
}

/// The same damage, where the charges of the damaged rows are now.
fn moved(damaged: &[Damaged], rows: &[usize]) -> Vec<Damaged> {
    let place = |damaged: &Damaged| rows.iter().position(|row| *row == damaged.row);
    damaged.iter().filter_map(|damaged| Some(Damaged { row: place(damaged)?, ..damaged.clone() })).collect()
}
