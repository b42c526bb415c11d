//! Everything that is a plain list: `{"data": […]}` and what the list is of.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{Change, DayFigures, DimensionInfo, DimensionValue, Refusal, RejectCount, Run};
use outlay_model::money::plain;
use outlay_model::part::{Reject, Repair, RunState};
use outlay_model::query::Metric;
use outlay_model::rates::RateTable;
use outlay_model::report::ReconciliationLine;
use outlay_model::{Currency, DateRange, DeliveryKey, Dimension, Money, PartId, RunId, SourceName};
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

/// What a run did not take: how much of each kind, and lines in the order given.
pub fn rejects_json<'a>(run: &'a RunId, counts: &'a [RejectCount], rejects: &'a [Reject]) -> impl Serialize {
    #[derive(Serialize)]
    struct Count<'a> {
        reason: &'static str,
        currency: &'a str,
        rows: u64,
        unpriced: u64,
        billed: Number,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        reason: &'static str,
        file: &'a str,
        line: u64,
        column: Option<&'a str>,
        value: Option<&'a str>,
        billing_period: Option<NaiveDate>,
        invoice: Option<&'a str>,
        currency: &'a str,
        costs: BTreeMap<Metric, Number>,
        unpriced: bool,
    }
    #[derive(Serialize)]
    struct Rejects<'a> {
        run: &'a RunId,
        counts: Vec<Count<'a>>,
        data: Vec<Line<'a>>,
    }
    // A bill may state more digits than money is kept with, so these are not `Money`.
    let number = |exact: &_| Number::from_string_unchecked(plain(exact));
    let counts = counts.iter().map(|count| Count {
        reason: count.reason.as_str(),
        currency: &count.currency,
        rows: count.rows,
        unpriced: count.unpriced,
        billed: number(&count.billed),
    });
    let lines = rejects.iter().map(|reject| Line {
        reason: reject.reason.as_str(),
        file: &reject.file,
        line: reject.line,
        column: reject.column.as_deref(),
        value: reject.value.as_deref(),
        billing_period: reject.key.billing_period,
        invoice: reject.key.invoice.as_deref(),
        currency: &reject.key.currency,
        costs: reject.costs.iter().map(|(metric, cost)| (*metric, number(cost))).collect(),
        unpriced: reject.unpriced,
    });
    Rejects { run, counts: counts.collect(), data: lines.collect() }
}

/// What restatements moved, in the order given.
pub fn changes_json(changes: &[Change]) -> impl Serialize {
    #[derive(Serialize)]
    struct Figures {
        rows: u64,
        billed: Option<Money>,
        effective: Option<Money>,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        generation: u64,
        changed_at: DateTime<Utc>,
        run: &'a RunId,
        source: &'a SourceName,
        delivery: &'a DeliveryKey,
        day: NaiveDate,
        provider: Option<&'a str>,
        billing_account: Option<&'a str>,
        currency: Currency,
        before: Figures,
        after: Figures,
    }
    let figures = |DayFigures { rows, billed, effective }| Figures { rows, billed, effective };
    let lines = changes.iter().map(|change| Line {
        generation: change.generation,
        changed_at: change.at,
        run: &change.run,
        source: &change.source,
        delivery: &change.delivery,
        day: change.day,
        provider: change.provider.as_deref(),
        billing_account: change.billing_account.as_deref(),
        currency: change.currency,
        before: figures(change.before),
        after: figures(change.after),
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
