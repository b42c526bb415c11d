//! Cells as text: what stands for null, and tags in the shapes Parquet gives them.

use outlay_ledger::decimal::cell_text;
use polars::prelude::{AnyValue, Column, PlSmallStr, Series, StringChunked, StringChunkedBuilder};
use serde_json::{Map, Value};

/// A column as text, with nulls where the bill says nothing, and how often it said so with a word.
pub(super) struct Texts {
    /// The texts.
    pub values: StringChunked,
    /// Cells that held the word `NULL`.
    pub null_words: u64,
    /// Cells that held only blanks.
    pub blanks: u64,
}

/// Reads a column of any scalar type as text. A text keeps its case and its blanks; one that is only blanks is null.
pub(super) fn texts(column: &Column, name: &str) -> Texts {
    let series = column.as_materialized_series();
    let (mut null_words, mut blanks) = (0, 0);
    let mut builder = StringChunkedBuilder::new(PlSmallStr::from_str(name), series.len());
    let mut push = |text: Option<&str>| match text {
        Some("NULL") => {
            null_words += 1;
            builder.append_null();
        }
        // An empty CSV field is how CSV writes null; only blanks that somebody wrote deserve a word.
        Some("") => builder.append_null(),
        Some(text) if text.trim().is_empty() => {
            blanks += 1;
            builder.append_null();
        }
        other => builder.append_option(other),
    };
    match series.str() {
        Ok(texts) => texts.iter().for_each(&mut push),
        Err(_) => series.iter().for_each(|cell| push(cell_text(&cell).as_deref())),
    }
    Texts { values: builder.finish(), null_words, blanks }
}

/// The JSON text of a tags cell: text as it is, a Parquet map or struct as an object.
pub(super) fn tags_text(cell: &AnyValue<'_>) -> Option<String> {
    let stated = |text: String| (!text.trim().is_empty() && text != "NULL").then_some(text);
    match cell {
        AnyValue::List(entries) => map_text(entries),
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            let fields = struct_fields(cell);
            let object: Map<_, _> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
            (!object.is_empty()).then(|| Value::Object(object).to_string())
        }
        other => cell_text(other).and_then(stated),
    }
}

/// A Parquet map is a list of key–value structs.
fn map_text(entries: &Series) -> Option<String> {
    let mut object = Map::new();
    for entry in entries.iter() {
        let mut fields = struct_fields(&entry).into_iter().map(|(_, value)| value);
        if let (Some(Value::String(key)), Some(value)) = (fields.next(), fields.next()) {
            object.insert(key, value);
        }
    }
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

fn struct_fields(cell: &AnyValue<'_>) -> Vec<(String, Value)> {
    let json = |value: &AnyValue<'_>| match value {
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        other => cell_text(other).map_or(Value::Null, Value::String),
    };
    match cell {
        AnyValue::Struct(_, _, fields) => {
            let names = fields.iter().map(|field| field.name().to_string());
            let mut values = Vec::new();
            cell._materialize_struct_av(&mut values);
            names.zip(values.iter().map(json)).collect()
        }
        AnyValue::StructOwned(owned) => {
            let (values, fields) = owned.as_ref();
            fields.iter().zip(values).map(|(field, value)| (field.name().to_string(), json(value))).collect()
        }
        _ => Vec::new(),
    }
}
