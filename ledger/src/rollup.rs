//! From charges to one row per day and everything a team asks about.
//!
//! The sums are exact and nothing is dropped: Σ daily = Σ charges for every metric. A sum is null when no charge behind
//! it states the metric (P6); how many leave it out, and their billed cost, stand beside it.

use std::collections::BTreeSet;

use outlay_model::TagKey;
use outlay_model::query::Metric;
use polars::prelude::{Expr, LazyFrame, NULL, SortMultipleOptions, col, len, lit, when};

use crate::decimal;
use crate::schema::{self, ROWS, daily_keys, data_type, nulls_billed_column, nulls_column};

/// Rolls charges up. `columns` are those the charges have; a dimension they lack is null throughout.
pub fn roll_up(charges: LazyFrame, columns: &BTreeSet<String>, tags: &BTreeSet<TagKey>) -> LazyFrame {
    let keys = daily_keys(tags);
    let have = |name: &str| -> Expr {
        if columns.contains(name) { col(name) } else { lit(NULL).cast(data_type(name)).alias(name) }
    };
    let mut needed: Vec<Expr> = keys.iter().map(|key| have(key)).collect();
    needed.extend(Metric::ALL.iter().map(|metric| have(metric.column())));
    let aggregates: Vec<Expr> = std::iter::once(len().cast(data_type(ROWS)).alias(ROWS))
        .chain(Metric::ALL.iter().flat_map(|metric| metric_aggregates(*metric)))
        .collect();
    let order = SortMultipleOptions::default().with_maintain_order(false);
    let present: Vec<Expr> = keys.iter().map(|key| col(key.as_str())).collect();
    let output: Vec<Expr> = present.iter().cloned().chain(schema::daily_values().into_iter().map(col)).collect();
    charges
        .select(needed)
        .with_columns(Metric::ALL.iter().map(|metric| billed_where_null(*metric)).collect::<Vec<_>>())
        .group_by(present.clone())
        .agg(aggregates)
        .select(output)
        .sort_by_exprs(present, order)
}

/// The billed cost of a charge that leaves the metric out, under the name of its sum.
pub fn billed_where_null(metric: Metric) -> Expr {
    when(col(metric.column()).is_null())
        .then(col(Metric::Billed.column()))
        .otherwise(lit(NULL).cast(decimal::data_type()))
        .alias(nulls_billed_column(metric))
}

fn metric_aggregates(metric: Metric) -> [Expr; 3] {
    [
        sum_or_null(metric.column()),
        col(metric.column()).null_count().cast(data_type(ROWS)).alias(nulls_column(metric)),
        col(nulls_billed_column(metric)).sum(),
    ]
}

/// The sum of a column, null when all of it is (Polars says 0).
pub fn sum_or_null(column: &str) -> Expr {
    when(col(column).count().eq(lit(0)))
        .then(lit(NULL).cast(decimal::data_type()))
        .otherwise(col(column).sum())
        .alias(column)
}
