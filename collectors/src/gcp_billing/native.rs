//! The cells of a batch that are read one by one, as text, by their paths.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, DataType, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked};
use serde_json::{Map, Value};

use super::layout::{Layout, Record};
use super::literal;
use crate::json_lines::cell;
use crate::labels::Labels;
use crate::native::{Cells, is_stated, texts};
use crate::normalise::text::text_of;

/// The cells of a batch.
pub(super) struct Native {
    fields: BTreeMap<&'static str, StringChunked>,
    /// What is left of records, as objects, by the columns that keep it.
    pub rest: Vec<(&'static str, StringChunked)>,
}

impl Native {
    /// Reads a batch. One that has not all columns of the file has the fields of those it has.
    pub(super) fn of(batch: &DataFrame, layout: &Layout) -> PolarsResult<Self> {
        let mut native = Self { fields: BTreeMap::new(), rest: Vec::new() };
        for (path, raw) in &layout.fields {
            if let Ok(column) = batch.column(raw) {
                native.fields.insert(*path, flat(column)?);
            }
        }
        for record in &layout.records {
            if let Ok(column) = batch.column(&record.raw) {
                native.take_apart(record, &flat(column)?);
            }
        }
        Ok(native)
    }

    fn take_apart(&mut self, record: &Record, cells: &StringChunked) {
        // A table has few services, projects and prices, many times each.
        let labels = Labels::of(cells.iter().map(|text| text.filter(|text| is_stated(text))));
        let maps: Vec<Option<Map<String, Value>>> = labels.values.iter().map(|text| object((*text)?)).collect();
        let column = |name: &str, values: &[Option<String>]| {
            let cells = labels.rows.iter().map(|label| values[*label].as_deref());
            StringChunked::from_iter_options(PlSmallStr::from_str(name), cells)
        };
        let mut rest = maps.clone();
        for (path, field, kept) in record.read() {
            let said = |map: &Option<Map<String, Value>>| cell(map.as_ref()?.get(field)?.clone());
            let values: Vec<_> = maps.iter().map(said).collect();
            self.fields.entry(path).or_insert_with(|| column(path, &values));
            if !kept {
                rest.iter_mut().flatten().for_each(|map| drop(map.shift_remove(field)));
            }
        }
        let left = labels.values.iter().zip(rest).map(|(text, map)| match map {
            Some(map) => {
                let said: Map<_, _> = map.into_iter().filter(|(_, value)| says_something(value)).collect();
                cell(Value::Object(said))
            }
            // No record, but what it says is not thrown away.
            None => text.map(ToOwned::to_owned),
        });
        self.rest.push((record.target, column(record.target, &left.collect::<Vec<_>>())));
    }

    /// The cells of a field; all null when the file does not have it.
    pub(super) fn cells(&self, path: &str) -> Cells<'_> {
        Cells(self.fields.get(path))
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match literal::parse(text) {
        Some(Value::Object(map)) => Some(map),
        _ => None,
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// A column of any type as text; the records and lists of Parquet as JSON.
pub(super) fn flat(column: &Column) -> PolarsResult<StringChunked> {
    match column.dtype() {
        DataType::List(_) | DataType::Struct(_) => {
            let texts: Vec<_> = column.as_materialized_series().iter().map(|cell| text_of(&cell)).collect();
            Ok(StringChunked::from_iter_options(column.name().clone(), texts.into_iter()))
        }
        _ => texts(column),
    }
}
