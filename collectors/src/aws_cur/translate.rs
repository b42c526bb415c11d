//! A batch of a report as a batch of FOCUS cells.

use std::collections::HashSet;

use outlay_model::part::Repair;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr, PolarsResult};

use super::amounts::Amounts;
use super::charge::{Charge, Charges};
use super::layout::Layout;
use super::lines::LineType;
use super::native::Native;
use super::pairs::{PairColumns, Pairs};
use crate::labels::Labels;
use crate::native::column;
use crate::raw::{Damaged, RawBatch};

/// Translates a batch. Negations go into the pairs and leave no charge; fees that state what was not used of a commitment
/// give two.
pub(super) fn translate(layout: &Layout, raw: RawBatch, pairs: &mut Pairs) -> PolarsResult<RawBatch> {
    let native = Native::of(&raw.cells, layout)?;
    let amounts = Amounts::of(&native);
    let pair_columns = PairColumns::of(&native);
    let damaged: HashSet<usize> = raw.damaged.iter().map(|damaged| damaged.row).collect();
    let mut charges = Vec::with_capacity(raw.lines.len());
    let (mut unknown, mut negations) = (0, 0);
    for (row, line) in line_types(&native, raw.lines.len()).into_iter().enumerate() {
        let pairs_up = matches!(line, LineType::Covered | LineType::Negation) && !damaged.contains(&row);
        let stated = amounts.stated(row).filter(|_| pairs_up);
        let folded = stated
            .is_some_and(|stated| pairs.take(&pair_columns, (row, raw.lines[row]), stated, line == LineType::Negation));
        if folded && line == LineType::Negation {
            negations += 1;
            continue;
        }
        unknown += u64::from(line == LineType::Unknown);
        charges.push(Charge { row, line, unused: false, folded });
        if amounts.unused(line, row).is_some_and(|unused| unused != "0") {
            charges.push(Charge { row, line, unused: true, folded });
        }
    }
    let mut repairs = raw.repairs;
    let counted = [(Repair::LineTypeUnknown, unknown), (Repair::NegationFolded, negations)];
    repairs.extend(counted.into_iter().filter(|(_, times)| *times > 0));
    Ok(RawBatch {
        cells: cells(layout, &raw.cells, &native, &Charges::of(&native, &amounts), &charges)?,
        lines: charges.iter().map(|charge| raw.lines[charge.row]).collect(),
        damaged: Damaged::moved(&raw.damaged, &charges.iter().map(|charge| charge.row).collect::<Vec<_>>()),
        malformed: raw.malformed,
        repairs,
    })
}

fn line_types(native: &Native, height: usize) -> Vec<LineType> {
    let cells = native.cells("line_item_line_item_type");
    let labels = Labels::of((0..height).map(|row| cells.get(row))).map(LineType::of);
    labels.rows.iter().map(|label| labels.values[*label]).collect()
}

/// The columns of the translated batch.
fn cells(
    layout: &Layout,
    raw: &DataFrame,
    native: &Native,
    charges: &Charges<'_>,
    rows: &[Charge],
) -> PolarsResult<DataFrame> {
    let places = rows.iter().map(|charge| charge.row as IdxSize);
    let places = IdxCa::from_iter_values(PlSmallStr::EMPTY, places);
    let all = rows.len() == raw.height() && rows.iter().enumerate().all(|(place, charge)| place == charge.row);
    let picked = |cells: &Column| if all { Ok(cells.clone()) } else { cells.take(&places) };
    let mut columns = Vec::new();
    for target in layout.targets() {
        columns.push(match native.folded.iter().find(|(fold, _)| fold.target() == target) {
            Some((_, json)) => picked(&column(target, json.clone()))?,
            None => column(target, charges.column(target, rows)),
        });
    }
    for (name, target) in &layout.kept {
        columns.push(picked(raw.column(name)?)?.with_name(PlSmallStr::from_str(target)));
    }
    DataFrame::new(rows.len(), columns)
}
