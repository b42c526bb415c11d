//! The cells of a batch that are read one by one, as text, by the names of CUR 2.0.

use std::collections::BTreeMap;

use outlay_ledger::decimal::cell_text;
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked,
    TimeUnit,
};

use super::fold::{Fold, Folded, fold};
use super::layout::Layout;
use crate::labels::Labels;

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

/// The cells of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a>(Option<&'a StringChunked>);

impl<'a> Cells<'a> {
    /// What a cell says; `None` when it is null, blank or the word `NULL`.
    pub(super) fn get(self, row: usize) -> Option<&'a str> {
        self.0?.get(row).filter(|text| is_stated(text))
    }
}

/// Whether a text says anything. Nearly all that do show it by their first byte.
pub(super) fn is_stated(text: &str) -> bool {
    match text.as_bytes() {
        [] | b"NULL" => false,
        [first, ..] => first.is_ascii_graphic() || !text.trim().is_empty(),
    }
}

/// Whether a text, if it is a number, may be computed with: what comes out of two such has fewer digits than a number may
/// have. No bill has others, but what is in a bill is not ours to say.
pub(super) fn is_short(text: &str) -> bool {
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
    text.len() <= 40 && exponent.is_ok_and(|exponent| exponent.abs() <= 20)
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

/// A column as text, in one piece: numbers by their shortest text, instants as RFC 3339.
pub(super) fn texts(column: &Column) -> PolarsResult<StringChunked> {
    let series = column.as_materialized_series();
    if let Ok(texts) = series.str() {
        return Ok(texts.rechunk().into_owned());
    }
    let name: PlSmallStr = column.name().clone();
    if let Ok(doubles) = series.f64() {
        let texts = doubles.iter().map(|double| Some(double?.to_string()));
        return Ok(StringChunked::from_iter_options(name, texts));
    }
    if series.dtype().is_temporal() {
        let unit = TimeUnit::Microseconds;
        let times = series.cast(&DataType::Datetime(unit, None))?;
        // A bill has a few instants, many times each.
        let labels = Labels::of(times.datetime()?.physical().iter())
            .map(|time| cell_text(&AnyValue::Datetime(time?, unit, None)));
        let texts = labels.rows.iter().map(|label| labels.values[*label].as_deref());
        return Ok(StringChunked::from_iter_options(name, texts));
    }
    let texts: Vec<Option<String>> = series.iter().map(|cell| cell_text(&cell)).collect();
    Ok(StringChunked::from_iter_options(name, texts.into_iter()))
}

/// A column of a batch in the making.
pub(super) fn column(name: &str, texts: StringChunked) -> Column {
    texts.with_name(PlSmallStr::from_str(name)).into_column()
}
