//! How values stand in SQL, in the one dialect that SQLite and PostgreSQL share.
//!
//! Everything is TEXT or BIGINT: `sqlx::Any` knows little more, and text means the same in both databases. Times and
//! days are written so that text order is time order; that is what comparisons in SQL rely on.

use std::fmt::Write as _;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::CatalogError;
use crate::error::{BoxError, During as _};

/// Rows per INSERT: few enough for SQLite's 32 766 parameters, many enough that round trips do not count.
const ROWS_PER_INSERT: usize = 64;

/// A value to be written.
pub(crate) enum Cell {
    Text(String),
    OptionalText(Option<String>),
    Number(i64),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(without_nul(text))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(without_nul(text.to_owned()))
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::OptionalText(text.map(without_nul))
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Number(number(count))
    }
}

/// Writes many rows, several to a statement. What is named here are literals of this crate, never input.
pub(crate) async fn insert_rows<const N: usize>(
    conn: &mut AnyConnection,
    table: &'static str,
    columns: [&'static str; N],
    rows: Vec<[Cell; N]>,
) -> Result<(), CatalogError> {
    upsert_rows(conn, table, columns, "", rows).await
}

/// The same, with what is to be done where a row is there already. No two of the rows may be in each other's way.
pub(crate) async fn upsert_rows<const N: usize>(
    conn: &mut AnyConnection,
    table: &'static str,
    columns: [&'static str; N],
    on_conflict: &'static str,
    rows: Vec<[Cell; N]>,
) -> Result<(), CatalogError> {
    let mut rows = rows.into_iter();
    loop {
        let chunk: Vec<[Cell; N]> = rows.by_ref().take(ROWS_PER_INSERT).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        // Only the statement of a full chunk comes again, so only that one is worth keeping prepared.
        let full = chunk.len() == ROWS_PER_INSERT;
        let statement = insert_statement(table, columns, chunk.len()) + on_conflict;
        let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(full);
        for cell in chunk.into_iter().flatten() {
            query = match cell {
                Cell::Text(text) => query.bind(text),
                Cell::OptionalText(text) => query.bind(text),
                Cell::Number(number) => query.bind(number),
            };
        }
        query.execute(&mut *conn).await.during(&format!("write {table}"))?;
    }
}

fn insert_statement<const N: usize>(table: &str, columns: [&str; N], rows: usize) -> String {
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..N {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{comma}${}", row * N + column + 1);
        }
        sql.push(')');
    }
    sql
}

/// PostgreSQL keeps no NUL in a text, and a damaged bill may hold one. Its picture (␀) stands for it, in either database.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{2400}") } else { text }
}

/// A count as SQL has it. Counts beyond 2⁶³ do not occur.
pub(crate) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A time: always UTC and nine decimals, so that text order is time order and nothing is lost.
pub(crate) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// A list or map.
pub(crate) fn json(what: &str, value: &impl Serialize) -> Result<String, CatalogError> {
    serde_json::to_string(value)
        .map_err(|error| CatalogError::Inconsistent(format!("{what} cannot be written as JSON: {error}")))
}

/// What is not stated, as columns that are compared have it.
pub(crate) fn text_or_empty(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// Reads columns by name, and says which one when it cannot.
pub(crate) trait Columns {
    fn optional_text(&self, column: &str) -> Result<Option<String>, CatalogError>;
    fn optional_number(&self, column: &str) -> Result<Option<i64>, CatalogError>;

    fn text(&self, column: &str) -> Result<String, CatalogError> {
        self.optional_text(column)?.ok_or_else(|| missing(column))
    }

    /// A column in which the empty text stands for what is not stated.
    fn text_unless_empty(&self, column: &str) -> Result<Option<String>, CatalogError> {
        Ok(self.optional_text(column)?.filter(|text| !text.is_empty()))
    }

    fn count(&self, column: &str) -> Result<u64, CatalogError> {
        let number = self.optional_number(column)?.ok_or_else(|| missing(column))?;
        u64::try_from(number).map_err(|error| unreadable(column, error))
    }

    fn optional_parsed<T>(&self, column: &str) -> Result<Option<T>, CatalogError>
    where
        T: FromStr,
        T::Err: Into<BoxError>,
    {
        let text = self.optional_text(column)?;
        text.map(|text| text.parse().map_err(|error| unreadable(column, error))).transpose()
    }

    fn parsed<T>(&self, column: &str) -> Result<T, CatalogError>
    where
        T: FromStr,
        T::Err: Into<BoxError>,
    {
        self.optional_parsed(column)?.ok_or_else(|| missing(column))
    }

    fn day(&self, column: &str) -> Result<NaiveDate, CatalogError> {
        self.parsed(column)
    }

    fn exact(&self, column: &str) -> Result<BigDecimal, CatalogError> {
        self.parsed(column)
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, CatalogError> {
        let text = self.optional_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, error))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, CatalogError> {
        self.optional_json(column)?.ok_or_else(|| missing(column))
    }

    /// A word of a closed list, as serde spells it.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, CatalogError> {
        let text = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(text).map_err(|error| unreadable(column, error))
    }
}

impl Columns for AnyRow {
    fn optional_text(&self, column: &str) -> Result<Option<String>, CatalogError> {
        self.try_get(column).map_err(|error| unreadable(column, error))
    }

    fn optional_number(&self, column: &str) -> Result<Option<i64>, CatalogError> {
        self.try_get(column).map_err(|error| unreadable(column, error))
    }
}

fn unreadable(column: &str, error: impl Into<BoxError>) -> CatalogError {
    CatalogError::corrupt(format!("a {column}"), error)
}

fn missing(column: &str) -> CatalogError {
    CatalogError::corrupt(format!("a {column}"), "it is null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_across_rows() {
        assert_eq!(insert_statement("t", ["a", "b"], 2), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
    }

    #[test]
    fn text_order_is_time_order() {
        let at = |text: &str| time(text.parse().expect("a time"));
        assert_eq!(at("2026-10-01T00:00:00Z"), "2026-10-01T00:00:00.000000000Z");
        assert_eq!(at("2026-10-01T02:00:00.5+02:00"), "2026-10-01T00:00:00.500000000Z");
        assert!(at("2026-10-01T00:00:00Z") < at("2026-10-01T00:00:00.000000001Z"));
    }
}
