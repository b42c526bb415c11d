//! A batch of an export as a batch of FOCUS cells.

use outlay_model::part::Repair;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr, PolarsResult};

use super::amounts::Amounts;
use super::charge::{Charge, Charges, RowCredits};
use super::credits::{self, Kind};
use super::invoices::Invoice;
use super::layout::Layout;
use super::lines::Line;
use super::native::{Native, flat};
use super::tags;
use crate::labels::Labels;
use crate::native::column;
use crate::numbers::number;
use crate::raw::{Damaged, RawBatch};

/// Translates a batch: a charge for each row, and one for each of its credits that is no discount.
pub(super) fn translate(layout: &Layout, raw: RawBatch) -> PolarsResult<RawBatch> {
    let native = Native::of(&raw.cells, layout)?;
    let height = raw.lines.len();
    let (credits, lines, invoices) =
        (credits_of(&native, height), lines_of(layout, &native, height), invoices_of(&native, height));
    let (mut unknown_lines, mut unknown_credits, mut guessed) = (0, 0, 0);
    let mut charges = Vec::with_capacity(height);
    for row in 0..height {
        let line = lines.values[lines.rows[row]];
        unknown_lines += u64::from(line == Line::Unknown);
        guessed += u64::from(invoices.values[invoices.rows[row]].guessed);
        charges.push(Charge { row, line, credit: None });
        let of_row = credits.values[credits.rows[row]].as_deref().unwrap_or_default();
        for (place, credit) in of_row.iter().enumerate() {
            // Of nothing no charge is made; what is no number is one, and is rejected for it.
            let grants = !credit.kind.reduces() && number(&credit.amount).is_none_or(|amount| amount != 0);
            if grants {
                unknown_credits += u64::from(credit.kind == Kind::Unknown);
                charges.push(Charge { row, line, credit: Some(place) });
            }
        }
    }
    let counted = [
        (Repair::LineTypeUnknown, unknown_lines),
        (Repair::CreditTypeUnknown, unknown_credits),
        (Repair::PeriodFromUsage, guessed),
    ];
    let mut repairs = raw.repairs;
    repairs.extend(counted.into_iter().filter(|(_, times)| *times > 0));
    let amounts = Amounts::of(&native);
    let columns = Charges::of(&native, &amounts, &credits, &invoices);
    Ok(RawBatch {
        cells: cells(layout, &raw.cells, &columns, &charges)?,
        lines: charges.iter().map(|charge| raw.lines[charge.row]).collect(),
        damaged: Damaged::moved(&raw.damaged, &charges.iter().map(|charge| charge.row).collect::<Vec<_>>()),
        malformed: raw.malformed,
        repairs,
    })
}

/// The credits of every row.
pub(super) fn credits_of(native: &Native, height: usize) -> RowCredits {
    let cells = native.cells("credits");
    Labels::of((0..height).map(|row| cells.get(row))).map(credits::read)
}

/// What every row is.
pub(super) fn lines_of(layout: &Layout, native: &Native, height: usize) -> Labels<Line> {
    let cells = ["cost_type", "sku.description", "adjustment_info.type"].map(|path| native.cells(path));
    let typed = layout.has("cost_type");
    Labels::of((0..height).map(|row| cells.map(|cells| cells.get(row))))
        .map(|[cost_type, sku, adjustment]| Line::of(cost_type, sku, adjustment, typed))
}

/// The invoice of every row.
pub(super) fn invoices_of(native: &Native, height: usize) -> Labels<Invoice> {
    let (months, starts) = (native.cells("invoice.month"), native.cells("usage_start_time"));
    let stated = (0..height).map(|row| match months.get(row) {
        Some(month) => (Some(month), None),
        None => (None, starts.get(row)),
    });
    Labels::of(stated).map(|(month, start)| Invoice::of(month, start))
}

/// The columns of the translated batch.
fn cells(layout: &Layout, raw: &DataFrame, columns: &Charges<'_>, rows: &[Charge]) -> PolarsResult<DataFrame> {
    let places = rows.iter().map(|charge| charge.row as IdxSize);
    let places = IdxCa::from_iter_values(PlSmallStr::EMPTY, places);
    let all = rows.len() == raw.height();
    let picked = |cells: &Column| if all { Ok(cells.clone()) } else { cells.take(&places) };
    let mut made = Vec::new();
    for target in layout.targets() {
        made.push(match target {
            "Tags" => picked(&column(target, tags::objects(columns.native, raw.height())))?,
            _ => column(target, columns.column(target, rows)),
        });
    }
    for (target, rest) in &columns.native.rest {
        made.push(picked(&column(target, rest.clone()))?);
    }
    for (name, target) in &layout.kept {
        made.push(picked(&column(target, flat(raw.column(name)?)?))?);
    }
    DataFrame::new(rows.len(), made)
}
