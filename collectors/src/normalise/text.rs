//! Cells as text: what stands for null, and lists, maps and structs, which only Parquet has, as JSON.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use outlay_ledger::decimal::cell_text;
use outlay_model::money::plain;
use polars::prelude::{AnyValue, Column, DataType, PlSmallStr, Series, StringChunked, StringChunkedBuilder};
use serde_json::{Map, Value};

use crate::labels::Labels;

/// A column as text, with nulls where the bill says nothing, and how often it said so with a word.
pub(super) struct Texts {
    /// The texts.
    pub values: StringChunked,
    /// Cells that held the word `NULL`.
    pub null_words: u64,
    /// Cells that held only blanks.
    pub blanks: u64,
}

/// Reads a column of any type as text. A text keeps its case and its blanks; one that is only blanks is null.
pub(super) fn texts(column: &Column, name: &str) -> Texts {
    let series = column.as_materialized_series();
    if let Ok(texts) = series.str()
        && texts.iter().flatten().all(says_something)
    {
        return Texts { values: texts.clone().with_name(PlSmallStr::from_str(name)), null_words: 0, blanks: 0 };
    }
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
        Err(_) => series.iter().for_each(|cell| push(text_of(&cell).as_deref())),
    }
    Texts { values: builder.finish(), null_words, blanks }
}

/// Whether a text, by its first character, can be neither blank nor a word for null; nearly all are such.
fn says_something(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text != "NULL"
}

/// The tags of every row as JSON text: text as it is, a Parquet map or struct as an object; null where they say nothing.
pub(crate) fn tags_texts(tags: &Series) -> Labels<Option<String>> {
    let stated = |text: &str| !text.trim().is_empty() && text != "NULL";
    if let Ok(texts) = tags.str() {
        return Labels::of(texts.iter()).map(|text| text.filter(|text| stated(text)).map(ToOwned::to_owned));
    }
    let texts: Vec<Option<String>> = tags.iter().map(|cell| text_of(&cell).filter(|text| stated(text))).collect();
    Labels::of(texts.iter().map(Option::as_deref)).map(|text| text.map(ToOwned::to_owned))
}

/// The text of any cell: a list, map or struct as JSON; one that holds nothing is null.
pub(crate) fn text_of(cell: &AnyValue<'_>) -> Option<String> {
    match cell {
        AnyValue::List(_) | AnyValue::Struct(..) | AnyValue::StructOwned(_) => match json(cell) {
            Value::Object(object) if object.is_empty() => None,
            Value::Array(items) if items.is_empty() => None,
            value => Some(value.to_string()),
        },
        other => cell_text(other),
    }
}

fn json(cell: &AnyValue<'_>) -> Value {
    match cell {
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::Float64(double) => Value::from(*double),
        AnyValue::Decimal(units, _, scale) => {
            let number = BigDecimal::new(BigInt::from(*units), *scale as i64);
            plain(&number).parse().map_or(Value::Null, Value::Number)
        }
        AnyValue::List(items) => map(items).unwrap_or_else(|| items.iter().map(|item| json(&item)).collect()),
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            // A struct has every field in every row; a null one says nothing.
            struct_fields(cell).into_iter().filter(|(_, value)| !value.is_null()).collect()
        }
        other => {
            let text = cell_text(other);
            let number = text.as_deref().filter(|_| other.is_primitive_numeric()).and_then(|text| text.parse().ok());
            number.map(Value::Number).or_else(|| text.map(Value::String)).unwrap_or_default()
        }
    }
}

/// A Parquet map is a list of structs of a key and a value.
fn map(entries: &Series) -> Option<Value> {
    let DataType::Struct(fields) = entries.dtype() else { return None };
    let [key, value] = &fields[..] else { return None };
    if key.name() != "key" || value.name() != "value" {
        return None;
    }
    let mut object = Map::new();
    for entry in entries.iter() {
        let mut fields = struct_fields(&entry).into_iter().map(|(_, value)| value);
        if let (Some(Value::String(key)), Some(value)) = (fields.next(), fields.next()) {
            object.insert(key, value);
        }
    }
    Some(Value::Object(object))
}

fn struct_fields(cell: &AnyValue<'_>) -> Vec<(String, Value)> {
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
