//! Native cells as texts, for the formats that translate them, and columns in the making. No number is read here.

use outlay_ledger::decimal::cell_text;
use polars::prelude::{
    AnyValue, Column, DataType, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked, TimeUnit,
};

use crate::labels::Labels;

/// The cells of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'a>(pub Option<&'a StringChunked>);

impl<'a> Cells<'a> {
    /// What a cell says; `None` when it is null, blank or the word `NULL`.
    pub(crate) fn get(self, row: usize) -> Option<&'a str> {
        self.0?.get(row).filter(|text| is_stated(text))
    }
}

/// Whether a text says anything. Nearly all that do show it by their first byte.
pub(crate) fn is_stated(text: &str) -> bool {
    match text.as_bytes() {
        [] | b"NULL" => false,
        [first, ..] => first.is_ascii_graphic() || !text.trim().is_empty(),
    }
}

/// Whether a text, if it is a number, may be computed with: what comes out of two such has fewer digits than a number may
/// have. No bill has others, but what is in a bill is not ours to say.
pub(crate) fn is_short(text: &str) -> bool {
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
    text.len() <= 40 && exponent.is_ok_and(|exponent| exponent.abs() <= 20)
}

/// A column as text, in one piece: numbers by their shortest text, instants as RFC 3339.
pub(crate) fn texts(column: &Column) -> PolarsResult<StringChunked> {
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
pub(crate) fn column(name: &str, texts: StringChunked) -> Column {
    texts.with_name(PlSmallStr::from_str(name)).into_column()
}
