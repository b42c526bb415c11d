//! What BigQuery states of a delivery, and what was read of it: they must be the same.

use std::str::FromStr as _;

use bigdecimal::{BigDecimal, RoundingMode, Zero as _};
use chrono::{DateTime, NaiveDate};
use outlay_model::money::plain;
use outlay_model::{DateRange, DeliveryKey};
use serde_json::{Map, Value};

use super::bigquery::{Parameter, odd};
use super::cells::Row;
use super::shape::{Export, Shape};
use crate::collector::Listed;
use crate::http::FetchError;

/// The digits after the point that a BIGNUMERIC has. What is longer it rounds, half away from zero.
const DIGITS: i64 = 38;

/// What an invoice month and day come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Lines of the export.
    pub lines: u64,
    /// Σ cost.
    pub cost: BigDecimal,
    /// Σ credits; of a FOCUS export, which has them in its costs, Σ effective cost.
    pub credits: BigDecimal,
}

impl Tally {
    /// Adds a row, of which `lines` were made.
    pub(super) fn add(&mut self, export: Export, row: &Map<String, Value>, lines: u64) -> Result<(), String> {
        self.lines += lines;
        match export {
            Export::Native => {
                self.cost += number(row.get("cost"))?;
                for credit in row.get("credits").and_then(Value::as_array).into_iter().flatten() {
                    self.credits += number(credit.get("amount"))?;
                }
            }
            Export::Focus => {
                self.cost += number(row.get("BilledCost"))?;
                let effective = row.get("EffectiveCost").or_else(|| row.get("BilledCost"));
                self.credits += number(effective)?;
            }
        }
        Ok(())
    }
}

/// A cell as a BIGNUMERIC has it; nothing is nothing.
fn number(cell: Option<&Value>) -> Result<BigDecimal, String> {
    let Some(cell) = cell.filter(|cell| !cell.is_null()) else { return Ok(BigDecimal::zero()) };
    let text = match cell {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err("has an amount that is no number".to_owned()),
    };
    let number = BigDecimal::from_str(&text).map_err(|_| format!("has the amount {text:?}, which is no number"))?;
    Ok(number.with_scale_round(DIGITS, RoundingMode::HalfUp))
}

/// What BigQuery states of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// As the queries name it: `202610/2026-10-03`.
    pub name: String,
    /// The day of usage, if its rows have one.
    pub day: Option<NaiveDate>,
    /// When its newest row was exported, in microseconds.
    exported: Option<String>,
    pub tally: Tally,
    /// The partitions that hold it.
    pub partitions: Vec<Parameter>,
}

impl Statement {
    /// What a row of the statements' query says.
    pub(super) fn read(place: &str, shape: &Shape, row: Row) -> Result<Self, FetchError> {
        let wrong = || odd(place, "states something else than asked for");
        let [delivery, day, rows, exported, cost, credits, partitions]: [Value; 7] =
            row.try_into().map_err(|_| wrong())?;
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let sum = |value: &Value| number(Some(value)).map_err(|what| odd(place, &what));
        let day = match text(&day) {
            Some(day) => Some(day.parse().map_err(|_| wrong())?),
            None => None,
        };
        let mut held = Vec::new();
        for partition in partitions.as_array().into_iter().flatten() {
            let partition = partition.get("v").and_then(Value::as_str).ok_or_else(wrong)?;
            let micros = partition.parse().ok().and_then(DateTime::from_timestamp_micros).map(Parameter::Time);
            let day = || partition.parse().ok().map(Parameter::Date);
            held.push(micros.or_else(day).ok_or_else(wrong)?);
        }
        if held.is_empty() && shape.partition.column().is_some() {
            return Err(wrong());
        }
        let rows = rows.as_str().and_then(|rows| rows.parse().ok()).ok_or_else(wrong)?;
        let tally = Tally { lines: rows, cost: sum(&cost)?, credits: sum(&credits)? };
        let name = text(&delivery).ok_or_else(wrong)?;
        Ok(Self { name, day, exported: text(&exported), tally, partitions: held })
    }

    /// Its key: invoice month and day of usage, `none` for what its rows do not have.
    pub(super) fn key(&self) -> DeliveryKey {
        let (month, day) = self.name.split_once('/').unwrap_or((&self.name, ""));
        let month = match month.len() {
            6 if month.is_ascii() => format!("{}-{}", &month[..4], &month[4..]),
            0 => "none".to_owned(),
            _ => month.to_owned(),
        };
        let day = if day.is_empty() { "none" } else { day };
        DeliveryKey::new(format!("{month}/{day}"))
    }

    /// The invoice month, as the queries name it.
    pub(super) fn month(&self) -> &str {
        self.name.split_once('/').map_or("", |(month, _)| month)
    }

    /// What tells this statement from others, and how it is read.
    pub(super) fn listed(&self, place: &str, aggregate: bool) -> Listed {
        let Tally { lines, cost, credits } = &self.tally;
        let read = if aggregate { "; added up" } else { "" };
        let exported = self.exported.as_deref().unwrap_or("-");
        Listed {
            key: self.key(),
            days: self.day.and_then(|day| DateRange::new(day, day.succ_opt()?)),
            edition: Some(format!("{exported}: {lines} lines, {}, {}{read}", plain(cost), plain(credits))),
            place: format!("{place}, {}", self.key()),
            bytes: None,
        }
    }
}
