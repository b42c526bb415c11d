//! The answers as they are kept ([`kept`]). Amounts stay texts here, as they stand in the JSON: survey and translation read
//! them, each in its own way (P1).

use chrono::NaiveDate;
use outlay_model::DateRange;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::level::Level;
use super::scope::Scope;
use crate::CollectError;
use crate::input::InputFile;
use crate::kept::{self, LineError};

/// What `answers` is the first line's word for; a later layout would be another.
const LAYOUT: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The layout of the lines below.
    answers: u32,
    /// Whose costs.
    pub scope: Scope,
    /// Whose bill it is.
    pub billing_account_id: String,
    /// What usage is told apart by, one within the other.
    pub levels: Vec<Level>,
    /// The first day that was asked about: the first of a month.
    pub from: NaiveDate,
    /// The day after the last.
    pub to: NaiveDate,
}

impl Head {
    pub(super) fn new(scope: &Scope, billing_account_id: &str, levels: &[Level], days: DateRange) -> Self {
        let (scope, billing_account_id, levels) = (scope.clone(), billing_account_id.to_owned(), levels.to_vec());
        Self { answers: LAYOUT, scope, billing_account_id, levels, from: days.from(), to: days.to() }
    }
}

/// A query that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exchange {
    /// What for.
    pub asked: Asked,
    /// Of which costs.
    pub cost: Cost,
    /// The body that was sent.
    pub request: String,
    /// The body that came back; empty where there is nothing of what was asked for.
    pub response: String,
}

/// What a query was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    /// The month's total, not grouped by anything.
    Total,
    /// Which charge types the month has.
    ChargeTypes,
    /// What subscriptions are called.
    Names,
    /// Of a charge type, what these values of the first levels have, by day, service and the next level. Without values,
    /// and over all charge types, this is all of the money that can be told apart; with values, a part of that again.
    Cells {
        /// Which.
        charge_type: String,
        /// Which.
        path: Vec<String>,
    },
}

/// Which of the two ways that Azure states costs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cost {
    /// As they are billed.
    Actual,
    /// With what commitments cost spread over what they are used for.
    Amortized,
}

impl Cost {
    /// What is billed, and what it effectively costs.
    pub(super) const ALL: [Self; 2] = [Self::Actual, Self::Amortized];

    /// The query's `type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Actual => "ActualCost",
            Self::Amortized => "AmortizedCost",
        }
    }
}

/// The body of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Body {
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default)]
    next_link: Option<String>,
    columns: Vec<Named>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

impl Body {
    /// Where the next page is asked for.
    pub(super) fn next(&self) -> Option<&str> {
        self.properties.next_link.as_deref().filter(|link| !link.is_empty())
    }

    /// The rows, with what is asked for found in them by name: the day, and at most two keys.
    ///
    /// # Errors
    /// A text that says what is missing.
    pub(super) fn rows<'a>(
        &'a self,
        days: bool,
        keys: &[&str],
    ) -> Result<impl Iterator<Item = Row<'a>> + use<'a>, String> {
        let Properties { columns, rows, .. } = &self.properties;
        let find = |name: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let need = |name: &str| find(name).ok_or_else(|| format!("has no column {name}"));
        let mut found = [0; 2];
        for (found, name) in found.iter_mut().zip(keys) {
            *found = need(name)?;
        }
        let place = Place {
            cost: need("Cost")?,
            usd: find("CostUSD"),
            currency: need("Currency")?,
            day: if days { Some(need("UsageDate")?) } else { find("BillingMonth") },
            keys: found,
        };
        if let Some(row) = rows.iter().find(|row| row.len() != columns.len()) {
            return Err(format!("has a row of {} cells in {} columns", row.len(), columns.len()));
        }
        Ok(rows.iter().map(move |cells| Row { cells, place }))
    }
}

/// Where in a row something stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    cost: usize,
    usd: Option<usize>,
    currency: usize,
    day: Option<usize>,
    /// A query has at most two.
    keys: [usize; 2],
}

/// One row of an answer.
#[derive(Debug)]
pub(super) struct Row<'a> {
    cells: &'a [Value],
    place: Place,
}

impl<'a> Row<'a> {
    /// The cost in the bill's currency, as the JSON writes it.
    pub(super) fn cost(&self) -> Result<String, String> {
        number(&self.cells[self.place.cost]).ok_or_else(|| "has a cost that is no number".to_owned())
    }

    /// The same in dollars, where Azure says it.
    pub(super) fn usd(&self) -> Option<String> {
        number(&self.cells[self.place.usd?])
    }

    pub(super) fn currency(&self) -> Result<&'a str, String> {
        let text = self.cells[self.place.currency].as_str().unwrap_or_default();
        if text.is_empty() { Err("has a cost without a currency".to_owned()) } else { Ok(text) }
    }

    /// The day, or the first of the month: `20261001`, or the start of it as a time.
    pub(super) fn day(&self) -> Result<NaiveDate, String> {
        let text = self.place.day.map(|at| match &self.cells[at] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let text = text.unwrap_or_default();
        let found = match text.get(..10) {
            Some(date) => date.parse().ok(),
            None => NaiveDate::parse_from_str(&text, "%Y%m%d").ok(),
        };
        found.ok_or_else(|| "has a row without a day".to_owned())
    }

    /// A key's value; none where Azure says that there is none.
    pub(super) fn key(&self, at: usize) -> Option<&'a str> {
        self.cells[self.place.keys[at]].as_str().filter(|text| !text.trim().is_empty())
    }
}

/// A number as the JSON writes it, to its last digit.
fn number(cell: &Value) -> Option<String> {
    match cell {
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Exchange {
    /// The answer; none where there is nothing of what was asked for.
    ///
    /// # Errors
    /// A text that says how the body is something else.
    pub(super) fn body(&self) -> Result<Option<Body>, String> {
        if self.response.is_empty() {
            return Ok(None);
        }
        // The error's own words may quote the body.
        let wrong = |error: serde_json::Error| {
            format!("is not what the Query API answers (line {}, column {})", error.line(), error.column())
        };
        serde_json::from_str(&self.response).map(Some).map_err(wrong)
    }
}

/// The columns with the keys of cells: the service, and the level that a path of this length is told apart by.
pub(super) fn keys(levels: &[Level], path: &[String]) -> Vec<&'static str> {
    std::iter::once("ServiceName").chain(levels.get(path.len()).map(Level::column)).collect()
}

/// Reads a file of them: see [`kept::read`].
pub(super) fn read(
    file: &InputFile,
    each: impl FnMut(&Head, u64, &Exchange) -> Result<(), LineError>,
) -> Result<Head, CollectError> {
    kept::read(file, "Azure's Query API", |head: &Head| head.answers == LAYOUT && head.from < head.to, each)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(properties: &str) -> Exchange {
        let response = format!(r#"{{"id":"x","properties":{properties}}}"#);
        Exchange { asked: Asked::Total, cost: Cost::Actual, request: String::new(), response }
    }

    fn said(row: Result<Row<'_>, String>) -> Result<String, String> {
        let row = row?;
        let usd = row.usd().unwrap_or_else(|| "none".to_owned());
        let key = row.key(0).unwrap_or("none");
        Ok(format!("{} {usd} {} {} {key}", row.cost()?, row.currency()?, row.day()?))
    }

    /// The first row of an answer, with a service as its key.
    #[track_caller]
    fn check(columns: &[&str], row: &str, expected: Result<&str, &str>) {
        let columns: Vec<Value> = columns.iter().map(|name| json!({ "name": name, "type": "?" })).collect();
        let exchange = exchange(&format!(r#"{{"columns":{},"rows":[{row}]}}"#, Value::from(columns)));
        let body = exchange.body().expect("reads").expect("is there");
        let found = body.rows(true, &["ServiceName"]).map(|mut rows| rows.next().expect("a row"));
        assert_eq!(said(found), expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
    }

    #[test]
    fn columns_are_found_by_name_and_numbers_keep_their_digits() {
        let columns = ["Cost", "CostUSD", "UsageDate", "ServiceName", "Currency"];
        let long = "[0.009865586851323632,1.0E-6,20261001,\"Storage\",\"EUR\"]";
        check(&columns, long, Ok("0.009865586851323632 1.0e-6 EUR 2026-10-01 Storage"));
        check(
            &["Currency", "servicename", "UsageDate", "Cost"],
            r#"["EUR",null,"2026-10-31T00:00:00",123456789012345678.123456789]"#,
            Ok("123456789012345678.123456789 none EUR 2026-10-31 none"),
        );
        check(&["Cost", "UsageDate", "Currency"], r#"[1,20261001,"EUR"]"#, Err("has no column ServiceName"));
        check(&columns, r#"["1",1,20261001,"Storage","EUR"]"#, Err("has a cost that is no number"));
        check(&columns, r#"[null,1,20261001,"Storage","EUR"]"#, Err("has a cost that is no number"));
        check(&columns, r#"[1,1,20261341,"Storage","EUR"]"#, Err("has a row without a day"));
        check(&columns, r#"[1,1,20261001,"Storage",""]"#, Err("has a cost without a currency"));
        check(&columns, r#"[1,1,20261001,"Storage"]"#, Err("has a row of 4 cells in 5 columns"));
    }

    #[test]
    fn nothing_is_an_answer_and_a_page_is_not_another_thing() {
        let mut nothing = exchange("");
        nothing.response.clear();
        assert!(nothing.body().expect("reads").is_none());
        assert_eq!(
            exchange(r#"{"rows":[]}"#).body().map(drop),
            Err("is not what the Query API answers (line 1, column 34)".to_owned())
        );
        let link = exchange(r#"{"nextLink":"","columns":[],"rows":[]}"#).body().expect("reads");
        assert_eq!(link.expect("is there").next(), None);
    }
}
