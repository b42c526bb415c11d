//! How the figures came here: runs, what they rejected, reconciliation.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{self as insights, Run};
use outlay_model::money::plain;
use outlay_model::part::{Reject, Repair, RunState};
use outlay_model::query::Metric;
use outlay_model::report;
use outlay_model::{DeliveryKey, JobId, PartId, RunId, SourceName};
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

use super::Amount;
use super::lists::{List, Page};

/// One figure that a guard held against another, or against a limit.
#[derive(Serialize, ToSchema)]
pub struct RefusedFigure<'a> {
    /// Which.
    #[schema(example = "rows")]
    name: &'a str,
    /// The currency of an amount, as the bill writes it; empty when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    currency: Option<&'a str>,
    /// Of the live part, where the two are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "48211")]
    before: Option<&'a str>,
    /// Of the refused one.
    #[schema(example = "107")]
    after: &'a str,
    /// What it may be, where there is a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    limit: Option<&'a str>,
}

/// Why a guard kept a part out.
#[derive(Serialize, ToSchema)]
pub struct Refusal<'a> {
    /// The sentence.
    reason: &'a str,
    /// The figures it goes by.
    #[schema(value_type = Vec<RefusedFigure>)]
    figures: Vec<RefusedFigure<'a>>,
}

/// One run of a collector or importer.
#[derive(Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunLine<'a> {
    /// Its id.
    #[schema(value_type = String)]
    id: &'a RunId,
    /// The job it was made for; null where it was made for none.
    #[schema(value_type = Option<String>, required)]
    job: Option<&'a JobId>,
    /// Of which source.
    #[schema(value_type = String)]
    source: &'a SourceName,
    /// The format it read.
    kind: &'a str,
    /// `running`, `committed` (its part is live), `unchanged` (already there), `refused` (a guard kept it out) or `failed`.
    #[schema(value_type = String, example = "committed")]
    state: RunState,
    /// The delivery it read.
    #[schema(value_type = Option<String>, required)]
    delivery: Option<&'a DeliveryKey>,
    /// The part it staged.
    #[schema(value_type = Option<String>, required)]
    part: Option<&'a PartId>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// Lines kept.
    rows: u64,
    /// Lines not kept.
    rejected: u64,
    /// Of those, lines whose money nobody can read.
    unpriced: u64,
    /// What was put right, and how often.
    #[schema(value_type = BTreeMap<String, u64>)]
    repairs: &'a BTreeMap<Repair, u64>,
    /// What to know about it.
    #[schema(required)]
    message: Option<&'a str>,
    /// Why it was refused.
    #[schema(value_type = Option<Refusal>, required)]
    refused: Option<Refusal<'a>>,
}

/// One run.
pub fn run_json(run: &Run) -> RunLine<'_> {
    RunLine {
        id: &run.id,
        job: run.job.as_ref(),
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
        refused: run.refused.as_ref().map(refusal),
    }
}

/// Runs, in the order given, and where the next page starts.
pub fn runs_json(runs: &[Run], next_cursor: Option<String>) -> impl Serialize {
    Page { data: runs.iter().map(run_json).collect(), next_cursor }
}

fn refusal(refusal: &insights::Refusal) -> Refusal<'_> {
    let figures = refusal.figures.iter().map(|figure| RefusedFigure {
        name: &figure.name,
        currency: figure.currency.as_deref(),
        before: figure.before.as_deref(),
        after: &figure.after,
        limit: figure.limit.as_deref(),
    });
    Refusal { reason: &refusal.reason, figures: figures.collect() }
}

/// How many lines of a run were not taken for one reason.
#[derive(Serialize, ToSchema)]
pub struct RejectCount<'a> {
    /// Why.
    #[schema(example = "unreadable_number")]
    reason: &'static str,
    /// Their currency as the bill writes it, empty where it does not.
    currency: &'a str,
    /// How many lines.
    rows: u64,
    /// Of those, lines whose billed cost cannot be read.
    unpriced: u64,
    /// What the bill states for the others; it may have more digits than stored money.
    #[schema(value_type = Amount)]
    billed: Number,
}

/// One line that was not taken.
#[derive(Serialize, ToSchema)]
#[schema(as = Reject)]
pub struct RejectLine<'a> {
    /// Why.
    #[schema(example = "unreadable_number")]
    reason: &'static str,
    /// In which file.
    file: &'a str,
    /// The line, from 1; in Parquet the row.
    line: u64,
    /// The column at fault.
    #[schema(required)]
    column: Option<&'a str>,
    /// What stands there, cut to 200 characters.
    #[schema(required)]
    value: Option<&'a str>,
    /// The first day of its billing period.
    #[schema(required)]
    billing_period: Option<NaiveDate>,
    /// Its invoice.
    #[schema(required)]
    invoice: Option<&'a str>,
    /// Its currency as the bill writes it, empty where it does not.
    currency: &'a str,
    /// Those of its costs that can be read.
    #[schema(value_type = BTreeMap<String, Amount>)]
    costs: BTreeMap<Metric, Number>,
    /// Whether its billed cost cannot be read.
    unpriced: bool,
}

/// What a run did not take.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejects)]
pub struct Rejects<'a> {
    /// The run.
    #[schema(value_type = String)]
    run: &'a RunId,
    /// How much of each kind, of every line.
    #[schema(value_type = Vec<RejectCount>)]
    counts: Vec<RejectCount<'a>>,
    /// The first lines.
    #[schema(value_type = Vec<RejectLine>)]
    data: Vec<RejectLine<'a>>,
}

/// What a run did not take: how much of each kind, and lines in the order given.
pub fn rejects_json<'a>(run: &'a RunId, counts: &'a [insights::RejectCount], rejects: &'a [Reject]) -> Rejects<'a> {
    // A bill may state more digits than money is kept with, so these are not `Money`.
    let number = |exact: &_| Number::from_string_unchecked(plain(exact));
    let counts = counts.iter().map(|count| RejectCount {
        reason: count.reason.as_str(),
        currency: &count.currency,
        rows: count.rows,
        unpriced: count.unpriced,
        billed: number(&count.billed),
    });
    let lines = rejects.iter().map(|reject| RejectLine {
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

/// One sum of a bill: what the source states, and what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct ReconciliationLine<'a> {
    /// The source.
    source: &'a str,
    /// The delivery.
    delivery: &'a str,
    /// The first day of the billing period, where it can be read.
    #[schema(required)]
    billing_period: Option<NaiveDate>,
    /// The invoice, where the bill names one.
    #[schema(required)]
    invoice: Option<&'a str>,
    /// The currency.
    currency: &'a str,
    /// Which cost.
    #[schema(value_type = String, example = "billed")]
    metric: Metric,
    /// Σ of the raw cells of the bill.
    #[schema(value_type = Amount)]
    source_total: &'a Number,
    /// Σ of what is stored.
    #[schema(value_type = Amount)]
    stored: &'a Number,
    /// Σ of the rejected lines.
    #[schema(value_type = Amount)]
    rejected: &'a Number,
    /// Σ of what rounding took away.
    #[schema(value_type = Amount)]
    rounding: &'a Number,
    /// The invoice's own amount, where it is known.
    #[schema(value_type = Option<Amount>, required)]
    invoiced: Option<&'a Number>,
    /// `source_total` − `stored` − `rejected` − `rounding`: zero, or something is wrong.
    #[schema(value_type = Amount)]
    difference: &'a Number,
}

/// Reconciliations, in the order given.
pub fn reconciliation_json(lines: &[report::ReconciliationLine]) -> impl Serialize {
    let lines = lines.iter().map(|line| ReconciliationLine {
        source: &line.source,
        delivery: &line.delivery,
        billing_period: line.billing_period,
        invoice: line.invoice.as_deref(),
        currency: &line.currency,
        metric: line.metric,
        source_total: &line.source_total,
        stored: &line.stored,
        rejected: &line.rejected,
        rounding: &line.rounding,
        invoiced: line.invoiced.as_ref(),
        difference: &line.difference,
    });
    List { data: lines.collect() }
}
