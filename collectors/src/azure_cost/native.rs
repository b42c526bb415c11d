//! The cells of a batch that are read one by one, as text.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, PolarsResult, StringChunked};

use super::layout::{Field, Layout};
use super::lines::{ChargeType, Line, PricingModel};
use crate::labels::Labels;
use crate::native::{Cells, texts};

/// The cells of a batch.
pub(super) struct Native {
    columns: BTreeMap<Field, StringChunked>,
    /// What each line is.
    pub lines: Vec<Line>,
}

impl Native {
    /// Reads the columns of a batch.
    pub(super) fn of(batch: &DataFrame, layout: &Layout) -> PolarsResult<Self> {
        let columns: PolarsResult<_> = layout
            .read()
            .filter(|(_, raw)| batch.get_column_index(raw).is_some())
            .map(|(field, raw)| Ok((field, texts(batch.column(raw)?)?)))
            .collect();
        let mut native = Self { columns: columns?, lines: Vec::new() };
        let (types, models) = (native.cells(Field::ChargeType), native.cells(Field::PricingModel));
        // Where there are no charge types, everything is usage: purchases had files of their own.
        let typed = layout.raw(Field::ChargeType).is_some();
        let labels = Labels::of((0..batch.height()).map(|row| (types.get(row), models.get(row))));
        let labels = labels.map(|(charge_type, model)| Line {
            charge_type: if typed { ChargeType::of(charge_type) } else { ChargeType::Usage },
            pricing: PricingModel::of(model),
        });
        native.lines = labels.rows.iter().map(|label| labels.values[*label]).collect();
        Ok(native)
    }

    /// The cells of a column; all null when the file does not have it.
    pub(super) fn cells(&self, field: Field) -> Cells<'_> {
        Cells(self.columns.get(&field))
    }
}
