//! Everything that is a plain list: `{"data": […]}` and what the list is of.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{DimensionInfo, DimensionValue, Refusal, Run};
use outlay_model::part::{Repair, RunState};
use outlay_model::rates::RateTable;
use outlay_model::report::ReconciliationLine;
use outlay_model::{Currency, DateRange, DeliveryKey, Dimension, PartId, RunId, SourceName};
use serde::Serialize;
use serde_json::Number;

use super::Instants;

#[derive(Serialize)]
struct List<T> {
    data: Vec<T>,
}

/// What there is to group and filter by.
pub fn dimensions_json(dimensions: &[DimensionInfo]) -> impl Serialize {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        about: &'a str,
        daily: bool,
    }
    let lines = dimensions.iter().map(|info| Line { name: &info.name, about: &info.about, daily: info.daily });
    List { data: lines.collect() }
}

/// The values of a dimension among the charges of a range.
pub fn values_json(dimension: &Dimension, range: DateRange, values: &[DimensionValue]) -> impl Serialize {
    #[derive(Serialize)]
    struct Line<'a> {
        value: Option<&'a str>,
        charges: u64,
    }
    #[derive(Serialize)]
    struct Values<'a> {
        data: Vec<Line<'a>>,
        dimension: String,
        #[serde(flatten)]
        range: Instants,
    }
    let lines = values.iter().map(|value| Line { value: value.value.as_deref(), charges: value.charges });
    Values { data: lines.collect(), dimension: dimension.to_string(), range: range.into() }
}

/// Runs, in the order given.
pub fn runs_json(runs: &[Run]) -> impl Serialize {
    #[derive(Serialize)]
    struct Line<'a> {
        id: &'a RunId,
        source: &'a SourceName,
        kind: &'a str,
        state: RunState,
        delivery: Option<&'a DeliveryKey>,
        part: Option<&'a PartId>,
        started_at: DateTime<Utc>,
        finished_at: Option<DateTime<Utc>>,
        rows: u64,
        rejected: u64,
        unpriced: u64,
        repairs: &'a BTreeMap<Repair, u64>,
        message: Option<&'a str>,
        refused: Option<&'a Refusal>,
    }
    let lines = runs.iter().map(|run| Line {
        id: &run.id,
        source: &run.source,
        kind: &run.kind,
        state: run.state,
        delivery: run.delivery.as_ref(),
        part: run.part.as_ref(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        rows: run.rows,
        rejected: run.rejected,
        unpriced: run.unpriced,
        repairs: &run.repairs,
        message: run.message.as_deref(),
        refused: run.refused.as_ref(),
    });
    List { data: lines.collect() }
}

/// Reconciliations, in the order given.
pub fn reconciliation_json(lines: &[ReconciliationLine]) -> impl Serialize {
    List { data: lines.iter().collect() }
}

/// The exchange rates, by currency and day, and the currency of answers that name none.
pub fn rates_json(reporting: Currency, rates: &RateTable) -> impl Serialize {
    #[derive(Serialize)]
    struct Line {
        currency: Currency,
        from: NaiveDate,
        to_usd: Number,
    }
    #[derive(Serialize)]
    struct Rates {
        data: Vec<Line>,
        reporting_currency: Currency,
    }
    let mut data = Vec::new();
    for (currency, dated) in rates.iter() {
        // The table writes plain decimals, which JSON numbers are.
        data.extend(dated.map(|(from, rate)| Line { currency, from, to_usd: Number::from_string_unchecked(rate) }));
    }
    Rates { data, reporting_currency: reporting }
}
