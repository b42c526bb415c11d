//! Many columns, or maps, as one JSON object a row.
//!
//! Legacy reports have a column for every tag, product attribute, cost category and kind of discount: hundreds, nearly all
//! of them empty in any row. CUR 2.0 has maps: JSON text in CSV, keys and values in Parquet. Each becomes the same object,
//! with the keys that the row has a value for.

use std::fmt::Write as _;
use std::ops::Range;

use polars::prelude::{
    ChunkExplode, DataFrame, ExplodeOptions, ListNameSpaceImpl, PlSmallStr, PolarsResult, Series, StringChunked,
    StringChunkedBuilder,
};
use serde_json::Value;

pub(super) use super::layout::Fold;
use super::layout::{Layout, words_of};
use crate::labels::Labels;
use crate::native::{is_stated, texts};

/// What became of the columns.
pub(super) struct Folded {
    /// The objects; null where they are empty.
    pub json: StringChunked,
    /// What the maps among them say under the wanted keys.
    pub attributes: Vec<StringChunked>,
}

/// Makes one column of the columns; `None` when the report has none of them.
pub(super) fn fold(fold: Fold, layout: &Layout, batch: &DataFrame, wanted: &[&str]) -> PolarsResult<Option<Folded>> {
    let mut sources = Vec::new();
    for part in layout.parts(fold) {
        let cells = batch.column(&part.raw)?;
        sources.push(match &part.key {
            Some(key) => Source::Column(Key::of(fold, key, wanted), texts(cells)?),
            None => map(fold, cells.as_materialized_series(), wanted)?,
        });
    }
    if sources.is_empty() {
        return Ok(None);
    }
    let builder = |name: &str| StringChunkedBuilder::new(PlSmallStr::from_str(name), batch.height());
    let mut json = builder(fold.target());
    let mut attributes: Vec<_> = wanted.iter().map(|name| builder(name)).collect();
    let mut object = Object::default();
    let mut found: Vec<Option<&str>> = Vec::new();
    for row in 0..batch.height() {
        object.clear();
        found.clear();
        found.resize(wanted.len(), None);
        for source in &sources {
            source.each(row, |key, value| {
                object.add(key, value);
                if let (Some(place), Said::Text(text)) = (key.wanted, value) {
                    found[place] = found[place].or(Some(text));
                }
            });
        }
        json.append_option(object.text());
        attributes.iter_mut().zip(&found).for_each(|(builder, value)| builder.append_option(*value));
    }
    let attributes = attributes.into_iter().map(StringChunkedBuilder::finish).collect();
    Ok(Some(Folded { json: json.finish(), attributes }))
}

/// Where entries come from.
enum Source {
    /// A column of its own.
    Column(Key, StringChunked),
    /// A map as JSON text.
    Text(Labels<Vec<(Key, Value)>>),
    /// A Parquet map: the entries of a row are those from its start to the next one's.
    Map { starts: Vec<usize>, keys: Labels<Key>, values: StringChunked, numbers: bool },
}

/// A value under a key.
#[derive(Clone, Copy)]
enum Said<'a> {
    Text(&'a str),
    Number(&'a str),
    Other(&'a Value),
}

impl Source {
    fn each<'a>(&'a self, row: usize, mut see: impl FnMut(&Key, Said<'a>)) {
        match self {
            Self::Column(key, values) => {
                if let Some(text) = values.get(row).filter(|text| is_stated(text)) {
                    see(key, Said::Text(text));
                }
            }
            Self::Text(labels) => {
                for (key, value) in &labels.values[labels.rows[row]] {
                    see(key, value.as_str().map_or(Said::Other(value), Said::Text));
                }
            }
            Self::Map { starts, keys, values, numbers } => {
                for entry in starts[row]..starts[row + 1] {
                    if let Some(text) = values.get(entry) {
                        see(
                            &keys.values[keys.rows[entry]],
                            if *numbers { Said::Number(text) } else { Said::Text(text) },
                        );
                    }
                }
            }
        }
    }
}

/// Reads a column that is a map.
fn map(fold: Fold, cells: &Series, wanted: &[&str]) -> PolarsResult<Source> {
    if let Ok(list) = cells.list() {
        let mut starts = vec![0_usize];
        let mut end = 0;
        for length in list.lst_lengths().iter() {
            end += length.map_or(0, |length| length as usize);
            starts.push(end);
        }
        let entries = list.explode(ExplodeOptions { empty_as_null: false, keep_nulls: false })?;
        let fields = entries.struct_()?.fields_as_series();
        if let [keys, values] = &fields[..] {
            let keys = texts(&keys.clone().into())?;
            let keys = Labels::of(keys.iter()).map(|key| Key::of(fold, key.unwrap_or_default(), wanted));
            let numbers = values.dtype().is_primitive_numeric();
            return Ok(Source::Map { starts, keys, values: texts(&values.clone().into())?, numbers });
        }
    }
    let cells = texts(&cells.clone().into())?;
    Ok(Source::Text(Labels::of(cells.iter()).map(|text| {
        let Some(text) = text.filter(|text| is_stated(text)) else { return Vec::new() };
        match serde_json::from_str(text) {
            Ok(Value::Object(entries)) => {
                let said = entries.into_iter().filter(|(_, value)| !value.is_null());
                said.map(|(key, value)| (Key::of(fold, &key, wanted), value)).collect()
            }
            // No map, but what it says is not thrown away.
            _ => vec![(Key::of(fold, "unreadable", wanted), Value::String(text.to_owned()))],
        }
    })))
}

/// What a native key becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// `"key":`; `None` where a column of the charge says it already.
    prefix: Option<String>,
    /// Which of the wanted keys it is.
    wanted: Option<usize>,
}

impl Key {
    fn of(fold: Fold, native: &str, wanted: &[&str]) -> Self {
        let (mut key, mut said) = (native.to_owned(), false);
        match fold {
            Fold::Tags => key = tag_key(native),
            Fold::Product => {
                key = words_of(native);
                said = ["product_name", "sku", "region_code"].contains(&key.as_str());
            }
            Fold::CostCategories | Fold::Discounts => {}
        }
        let prefix = (!said).then(|| format!("{}:", Value::String(key)));
        Self { prefix, wanted: wanted.iter().position(|wanted| *wanted == native) }
    }
}

/// A tag's key as FOCUS wants it: the users' own without a prefix, the provider's with `aws:`. Files other than legacy CSV
/// write `user_team` for `user:team`.
fn tag_key(native: &str) -> String {
    let key =
        ["resourceTags/", "resource_tags/"].iter().find_map(|scheme| native.strip_prefix(scheme)).unwrap_or(native);
    if let Some(own) = key.strip_prefix("user:").or_else(|| key.strip_prefix("user_")).filter(|own| !own.is_empty()) {
        return own.to_owned();
    }
    match key.strip_prefix("aws_") {
        Some(theirs) => format!("aws:{theirs}"),
        None => key.to_owned(),
    }
}

/// A JSON object in the making. A key that two columns have is the first one's.
#[derive(Default)]
struct Object {
    text: String,
    keys: Vec<Range<usize>>,
}

impl Object {
    fn clear(&mut self) {
        self.text.clear();
        self.keys.clear();
    }

    fn add(&mut self, key: &Key, value: Said<'_>) {
        let Some(prefix) = &key.prefix else { return };
        if self.keys.iter().any(|known| self.text[known.clone()] == **prefix) {
            return;
        }
        self.text.push(if self.keys.is_empty() { '{' } else { ',' });
        let start = self.text.len();
        self.text.push_str(prefix);
        self.keys.push(start..self.text.len());
        match value {
            Said::Text(text) => quote(&mut self.text, text),
            Said::Number(text) => self.text.push_str(text),
            Said::Other(value) => {
                // Writing to a text cannot fail.
                let _ = write!(self.text, "{value}");
            }
        }
    }

    fn text(&mut self) -> Option<&str> {
        if self.keys.is_empty() {
            return None;
        }
        self.text.push('}');
        Some(&self.text)
    }
}

fn quote(object: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        let _ = write!(object, "{}", Value::String(text.to_owned()));
    } else {
        object.push('"');
        object.push_str(text);
        object.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_called_what_their_owners_call_them() {
        let cases = [
            ("user:Cost Center", "Cost Center"),
            ("user_team", "team"),
            ("aws:createdBy", "aws:createdBy"),
            ("aws_created_by", "aws:created_by"),
            ("resourceTags/user_team", "team"),
            ("costCategory/Tier", "costCategory/Tier"),
            ("user_", "user_"),
        ];
        for (native, expected) in cases {
            assert_eq!(tag_key(native), expected, "{native}");
        }
    }

    #[test]
    fn objects_are_json_with_each_key_once() {
        let mut object = Object::default();
        assert_eq!(object.text(), None);
        for (key, value) in [("a", "x\"y"), ("b", "plain"), ("a", "again")] {
            object.add(&Key::of(Fold::Discounts, key, &[]), Said::Text(value));
        }
        object.add(&Key::of(Fold::Discounts, "n", &[]), Said::Number("0.5"));
        object.add(&Key::of(Fold::Product, "regionCode", &[]), Said::Text("left out"));
        assert_eq!(object.text(), Some(r#"{"a":"x\"y","b":"plain","n":0.5}"#));
    }
}
