//! Cells of an answer, as BigQuery's own JSON export writes them: a line per row, with what is nested nested, and without
//! what is null.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Number, Value};

use super::table::Field;

/// A row: a cell per column.
pub(super) type Row = Vec<Value>;

/// The cells of a row as it comes: `{"f": [{"v": …}, …]}`.
pub(super) fn cells(row: Value) -> Option<Row> {
    let Value::Object(mut row) = row else { return None };
    let Some(Value::Array(cells)) = row.remove("f") else { return None };
    cells.into_iter().map(value).collect()
}

fn value(cell: Value) -> Option<Value> {
    let Value::Object(mut cell) = cell else { return None };
    cell.remove("v")
}

/// A row as one object.
pub(super) fn object(fields: &[Field], row: Row) -> Result<Map<String, Value>, String> {
    if fields.len() != row.len() {
        return Err(format!("has a row of {} cells in place of {}", row.len(), fields.len()));
    }
    let mut object = Map::new();
    for (field, cell) in fields.iter().zip(row) {
        let written = written(field, cell)?;
        if !written.is_null() {
            object.insert(field.name.clone(), written);
        }
    }
    Ok(object)
}

fn written(field: &Field, cell: Value) -> Result<Value, String> {
    let odd = || format!("has something else than {} {} in {:?}", field.mode, field.kind, field.name);
    match cell {
        Value::Null => Ok(Value::Null),
        Value::Array(cells) if field.is_repeated() => {
            let one = Field { mode: String::new(), ..field.clone() };
            let each = |cell: Value| written(&one, value(cell).ok_or_else(odd)?);
            cells.into_iter().map(each).collect::<Result<_, _>>().map(Value::Array)
        }
        _ if field.is_repeated() => Err(odd()),
        Value::Object(_) if field.is_record() => {
            let row = cells(cell).ok_or_else(odd)?;
            object(&field.fields, row).map(Value::Object)
        }
        Value::String(text) if !field.is_record() => Ok(scalar(&field.kind, text)),
        _ => Err(odd()),
    }
}

/// What a text says, with every digit it has. One that is no number (`NaN`) stays a text.
fn scalar(kind: &str, text: String) -> Value {
    let read = match kind {
        "INTEGER" | "INT64" | "FLOAT" | "FLOAT64" | "NUMERIC" | "BIGNUMERIC" => {
            serde_json::from_str::<Number>(&text).ok().map(Value::Number)
        }
        "BOOLEAN" | "BOOL" => text.parse().ok().map(Value::Bool),
        "TIMESTAMP" => text
            .parse()
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()),
        _ => None,
    };
    read.unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gcp_bigquery::table::Schema;

    fn schema() -> Schema {
        serde_json::from_value(json!({"fields": [
            {"name": "cost", "type": "FLOAT", "mode": "NULLABLE"},
            {"name": "price", "type": "NUMERIC"},
            {"name": "count", "type": "INTEGER"},
            {"name": "inherited", "type": "BOOLEAN"},
            {"name": "usage_start_time", "type": "TIMESTAMP"},
            {"name": "project", "type": "RECORD", "fields": [
                {"name": "id", "type": "STRING"}, {"name": "number", "type": "STRING"},
            ]},
            {"name": "credits", "type": "RECORD", "mode": "REPEATED", "fields": [
                {"name": "name", "type": "STRING"}, {"name": "amount", "type": "FLOAT"},
            ]},
        ]}))
        .expect("is one")
    }

    #[track_caller]
    fn check(row: Value, expected: &str) {
        let object = object(&schema().fields, cells(row).expect("is a row")).expect("reads");
        assert_eq!(serde_json::to_string(&object).expect("writes"), expected);
    }

    #[test]
    fn cells_keep_every_digit_and_their_nesting() {
        check(
            json!({"f": [
                {"v": "1.0E-6"}, {"v": "0.123456789012345678901234567890"}, {"v": "9007199254740993"}, {"v": "true"},
                {"v": "1790812800000001"}, {"v": {"f": [{"v": "shop"}, {"v": null}]}},
                {"v": [{"v": {"f": [{"v": "Free tier"}, {"v": "-0.05"}]}}, {"v": {"f": [{"v": null}, {"v": "-1"}]}}]},
            ]}),
            "{\"cost\":1.0e-6,\"price\":0.123456789012345678901234567890,\"count\":9007199254740993,\"inherited\":true,\
             \"usage_start_time\":\"2026-10-01T00:00:00.000001Z\",\"project\":{\"id\":\"shop\"},\
             \"credits\":[{\"name\":\"Free tier\",\"amount\":-0.05},{\"amount\":-1}]}",
        );
        check(
            json!({"f": [{"v": "NaN"}, {"v": null}, {"v": null}, {"v": null}, {"v": "1790812800000000"}, {"v": null}, {"v": []}]}),
            "{\"cost\":\"NaN\",\"usage_start_time\":\"2026-10-01T00:00:00Z\",\"credits\":[]}",
        );
    }

    #[test]
    fn what_is_no_row_of_the_schema_is_told() {
        for (row, expected) in [
            (json!({"f": [{"v": "1"}]}), "has a row of 1 cells in place of 7"),
            (
                json!({"f": [{"v": ["1"]}, {"v": null}, {"v": null}, {"v": null}, {"v": null}, {"v": null}, {"v": []}]}),
                "has something else than NULLABLE FLOAT in \"cost\"",
            ),
        ] {
            let error = object(&schema().fields, cells(row).expect("is a row")).expect_err("is none");
            assert_eq!(error, expected);
        }
        assert!(cells(json!({"f": [1]})).is_none() && cells(json!([])).is_none());
    }
}
