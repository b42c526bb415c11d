//! The cells of a batch that are read one by one, as text, by the names of CUR 2.0.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, PolarsResult, StringChunked};

use super::fold::{Fold, Folded, fold};
use super::layout::Layout;
use crate::native::{Cells, texts};

/// What product maps say of the columns that other reports have one by one: the map's key, and the column.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("product_name", "product_product_name"),
    ("servicename", "product_servicename"),
    ("sku", "product_sku"),
    ("region_code", "product_region_code"),
    ("region", "product_region"),
    ("location", "product_location"),
    ("location_type", "product_location_type"),
];

/// The cells of a batch.
pub(super) struct Native {
    columns: BTreeMap<&'static str, StringChunked>,
    /// The columns that became one.
    pub folded: Vec<(Fold, StringChunked)>,
}

impl Native {
    /// Reads the columns of a batch.
    pub(super) fn of(batch: &DataFrame, layout: &Layout) -> PolarsResult<Self> {
        let mut columns = BTreeMap::new();
        for (name, raw) in layout.read() {
            columns.insert(name, texts(batch.column(raw)?)?);
        }
        let mut all = Vec::new();
        for one in Fold::ALL {
            let wanted: Vec<&str> = match one {
                Fold::Product => ATTRIBUTES.iter().map(|(key, _)| *key).collect(),
                _ => Vec::new(),
            };
            let Some(Folded { json, attributes }) = fold(one, layout, batch, &wanted)? else { continue };
            for ((_, name), values) in ATTRIBUTES.iter().zip(attributes) {
                // A column of its own says it better than the map.
                columns.entry(name).or_insert(values);
            }
            all.push((one, json));
        }
        Ok(Self { columns, folded: all })
    }

    /// The cells of a column; all null when the report does not have it.
    pub(super) fn cells(&self, name: &str) -> Cells<'_> {
        Cells(self.columns.get(name))
    }
}
