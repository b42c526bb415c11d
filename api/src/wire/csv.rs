//! `format=csv`: RFC 4180, a header, CRLF, UTF-8 without a mark, the same columns as `rows`.
//!
//! Money is plain decimal text. Null is an empty field, an empty text is `""`. Text is written as it is, also where it
//! starts with `=`, `+`, `-` or `@`: a file that other programs add up must not be changed for the sake of
//! spreadsheets, so whoever opens it in one should import such columns as text.

use chrono::SecondsFormat;
use outlay_model::report::SpendReport;

use super::{Cell, Column};

/// Writes an answer as a CSV file.
#[must_use]
pub fn spend_csv(report: &SpendReport) -> String {
    let columns = Column::of(report);
    let mut file = String::new();
    line(&mut file, columns.iter().map(|(name, _)| Cell::Text(name)));
    for row in &report.rows {
        line(&mut file, columns.iter().map(|(_, column)| column.cell(row)));
    }
    file
}

/// A name for the file that says what the figures in it cannot: range, metric, currency.
#[must_use]
pub fn csv_name(report: &SpendReport) -> String {
    let currency = report.currency.map_or("native".to_owned(), |currency| currency.to_string());
    let (from, to) = (report.range.from(), report.range.to());
    format!("outlay-spend_{from}_{to}_{}_{currency}.csv", report.metric)
}

fn line<'a>(file: &mut String, cells: impl Iterator<Item = Cell<'a>>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            file.push(',');
        }
        match cell {
            Cell::Null => {}
            Cell::Time(time) => file.push_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Cell::Text(text) => quote(file, text),
            Cell::Money(money) => file.push_str(&money.to_string()),
        }
    }
    file.push_str("\r\n");
}

fn quote(file: &mut String, text: &str) {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        file.push('"');
        file.push_str(&text.replace('"', "\"\""));
        file.push('"');
    } else {
        file.push_str(text);
    }
}
