//! What the house answers, before anybody gives it a format.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::part::Layer;
use crate::query::{Basis, Metric};
use crate::{Currency, DateRange, DayState, Dimension, Granularity, Money, TeamId};

/// Whose spend a caller may see (P8). Every function of `insights` takes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    Company,
    /// These teams only.
    Teams(Vec<TeamId>),
}

/// Something a reader of an answer must know: a gap, a partly known figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable word for it.
    pub code: &'static str,
    /// The sentence, with its figures.
    pub message: String,
}

/// One figure of a spend answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendRow {
    /// The start of its time bucket; `None` for a total.
    pub time: Option<DateTime<Utc>>,
    /// Its values of the grouped dimensions, in order; `None` where the charges have none.
    pub keys: Vec<Option<String>>,
    /// Its currency, where currencies are kept apart.
    pub currency: Option<Currency>,
    /// The cost; `None` when no charge in it states this metric (P6).
    pub cost: Option<Money>,
    /// What it is compared with.
    pub compared: Option<Compared>,
}

/// A figure's counterpart in the range it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// The cost then.
    pub previous: Option<Money>,
    /// Now less then.
    pub change: Option<Money>,
}

/// The answer to a spend query.
#[derive(Debug, Clone)]
pub struct SpendReport {
    /// The days it is about.
    pub range: DateRange,
    /// The days it is compared with.
    pub compared_with: Option<DateRange>,
    /// How finely time is cut.
    pub granularity: Granularity,
    /// Which time counts.
    pub basis: Basis,
    /// Which cost.
    pub metric: Metric,
    /// What it is grouped by.
    pub group_by: Vec<Dimension>,
    /// The currency of every figure; `None` when they are kept apart.
    pub currency: Option<Currency>,
    /// The figures.
    pub rows: Vec<SpendRow>,
    /// Σ of all rows of all pages; `None` when currencies are kept apart or no charge states the metric.
    pub total: Option<Money>,
    /// The same per currency, where currencies are kept apart.
    pub totals: Option<BTreeMap<Currency, Option<Money>>>,
    /// The last day up to which every source in it has stated everything.
    pub complete_until: Option<NaiveDate>,
    /// The generation of the catalog it was answered from.
    pub generation: u64,
    /// What to know.
    pub warnings: Vec<Warning>,
    /// Where the next page starts.
    pub next_cursor: Option<String>,
    /// How many parts were answered from which layer.
    pub plan: BTreeMap<Layer, usize>,
}

/// Days of a source, one after the other, that are equally sure (P6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayRun {
    /// How sure.
    pub state: DayState,
    /// Which.
    pub days: DateRange,
}

/// One line of a reconciliation (P1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReconciliationLine {
    /// The source.
    pub source: String,
    /// The delivery.
    pub delivery: String,
    /// The first day of the billing period, when it could be read.
    pub billing_period: Option<NaiveDate>,
    /// The invoice, when the bill names one.
    pub invoice: Option<String>,
    /// The currency.
    pub currency: String,
    /// Which cost.
    pub metric: Metric,
    /// Σ of the raw cells of the bill.
    pub source_total: serde_json::Number,
    /// Σ of what is stored.
    pub stored: serde_json::Number,
    /// Σ of the rejected lines.
    pub rejected: serde_json::Number,
    /// Σ of what rounding to 18 decimals took away.
    pub rounding: serde_json::Number,
    /// The invoice's own amount, when it is known.
    pub invoiced: Option<serde_json::Number>,
    /// source − stored − rejected − rounding: zero, or something is wrong.
    pub difference: serde_json::Number,
}
