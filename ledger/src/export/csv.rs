//! Exported rows as CSV: RFC 4180, CRLF, UTF-8 without a mark.
//!
//! As FOCUS 1.2 wants it: null is an empty field without quotes, an empty text is `""`, a number is plain decimal text
//! with every digit it has, a time is `2026-10-01T00:00:00Z`. Text is written as it is, also where it starts with `=`,
//! `+`, `-` or `@`: what other programs read must not be changed for the sake of spreadsheets.

use std::io::Write;

use chrono::{DateTime, SecondsFormat};
use outlay_model::Money;
use outlay_model::export::ExportColumn;
use outlay_model::focus::FocusType;
use polars::prelude::{DataFrame, DataType, Int64Chunked, PolarsResult, StringChunked};

use crate::decimal;

/// The line of column names.
#[must_use]
pub fn header(columns: &[ExportColumn]) -> Vec<u8> {
    let mut line = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            line.push(b',');
        }
        text(&mut line, &column.name);
    }
    line.extend(b"\r\n");
    line
}

/// The cells of one column.
enum Cells {
    Texts(StringChunked),
    Amounts(Vec<Option<Money>>),
    /// Microseconds, and the text of the last one: bills repeat the same few times.
    Instants(Int64Chunked, Option<(i64, String)>),
}

/// The lines of some rows.
///
/// # Errors
/// When the rows are not those of an export with these columns.
pub fn lines(columns: &[ExportColumn], rows: &DataFrame) -> PolarsResult<Vec<u8>> {
    let mut cells = columns.iter().map(|column| cells(column, rows)).collect::<PolarsResult<Vec<_>>>()?;
    let mut lines = Vec::with_capacity(rows.height() * columns.len() * 12);
    for row in 0..rows.height() {
        for (place, cells) in cells.iter_mut().enumerate() {
            if place > 0 {
                lines.push(b',');
            }
            match cells {
                Cells::Texts(texts) => {
                    if let Some(value) = texts.get(row) {
                        text(&mut lines, value);
                    }
                }
                Cells::Amounts(amounts) => {
                    if let Some(amount) = amounts[row] {
                        write!(lines, "{amount}")?;
                    }
                }
                Cells::Instants(micros, last) => {
                    if let Some(micros) = micros.get(row) {
                        instant(&mut lines, micros, last);
                    }
                }
            }
        }
        lines.extend(b"\r\n");
    }
    Ok(lines)
}

fn cells(column: &ExportColumn, rows: &DataFrame) -> PolarsResult<Cells> {
    let series = rows.column(&column.name)?.as_materialized_series();
    Ok(match column.data_type {
        FocusType::String | FocusType::Json => Cells::Texts(series.str()?.rechunk().into_owned()),
        FocusType::Decimal => Cells::Amounts(decimal::amounts(series)?),
        FocusType::DateTime => Cells::Instants(series.cast(&DataType::Int64)?.i64()?.rechunk().into_owned(), None),
    })
}

fn instant(line: &mut Vec<u8>, micros: i64, last: &mut Option<(i64, String)>) {
    if last.as_ref().is_none_or(|(known, _)| *known != micros) {
        *last = DateTime::from_timestamp_micros(micros)
            .map(|instant| (micros, instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)));
    }
    if let Some((_, text)) = last {
        line.extend(text.as_bytes());
    }
}

fn text(line: &mut Vec<u8>, text: &str) {
    let quoted = text.is_empty() || text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if !quoted {
        line.extend(text.as_bytes());
        return;
    }
    line.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use outlay_model::export;
    use outlay_model::focus::FocusVersion;
    use polars::prelude::{IntoLazy, df};

    use super::*;
    use crate::export::expressions;
    use crate::schema::instant;

    #[test]
    fn rows_are_written_as_focus_wants_them() {
        let stored: BTreeSet<String> = ["BilledCost", "ChargePeriodStart", "Tags", "x_A"].map(ToOwned::to_owned).into();
        let mut columns = export::columns(FocusVersion::V1_2, &stored);
        columns.retain(|column| stored.contains(&column.name) || column.name == "PricingUnit");
        let amounts = [Some("-0.000000000000000001"), Some("1200"), None];
        let amounts = amounts.map(|text| text.map(|text| text.parse().expect("money")));
        let frame = df!(
            "ChargePeriodStart" => [1_790_812_800_000_000_i64, 1_790_812_800_000_000, 1_790_812_800_500_000],
            "Tags" => [Some(r#"{"a":"b"}"#), None, Some("{}")],
            "x_A" => [Some("two\nlines"), Some(""), Some("=1+1")],
        );
        let mut frame = frame.expect("a frame");
        frame.with_column(decimal::column("BilledCost", amounts)).expect("a column");
        let rows = frame
            .lazy()
            .with_column(polars::prelude::col("ChargePeriodStart").cast(instant()))
            .select(expressions(&columns))
            .collect()
            .expect("rows");
        let mut file = header(&columns);
        file.extend(lines(&columns, &rows).expect("lines"));
        let expected = "BilledCost,ChargePeriodStart,PricingUnit,Tags,x_A\r\n\
             -0.000000000000000001,2026-10-01T00:00:00Z,,\"{\"\"a\"\":\"\"b\"\"}\",\"two\nlines\"\r\n\
             1200,2026-10-01T00:00:00Z,,,\"\"\r\n\
             ,2026-10-01T00:00:00.500Z,,{},=1+1\r\n";
        assert_eq!(String::from_utf8(file).expect("UTF-8"), expected);
    }
}
