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

/// Rolls charges up, in no order. `columns` are those the charges have; a dimension they lack is null throughout.
pub fn roll_up(charges: LazyFrame, columns: &BTreeSet<String>, tags: &BTreeSet<TagKey>) -> LazyFrame {
    let keys = daily_keys(tags);
    let have = |name: &str| -> Expr {
        if columns.contains(name) { col(name) } else { lit(NULL).cast(data_type(name)).alias(name) }
    };
    let mut needed: Vec<Expr> = keys.iter().map(|key| have(key)).collect();
    needed.extend(Metric::ALL.iter().map(|metric| have(metric.column())));
    let count = len().cast(data_type(ROWS)).alias(ROWS);
    let charges = charges
        .select(needed)
        .with_columns(Metric::ALL.iter().map(|metric| billed_where_null(*metric)).collect::<Vec<_>>());
    by_keys(charges, &keys, count, |metric| {
        col(metric.column()).null_count().cast(data_type(ROWS)).alias(nulls_column(metric))
    })
}

/// Rolls daily rows of several roll-ups up into one, in no order.
pub fn combine(daily: LazyFrame, tags: &BTreeSet<TagKey>) -> LazyFrame {
    by_keys(daily, &daily_keys(tags), col(ROWS).sum(), |metric| col(nulls_column(metric)).sum())
}

/// Puts daily rows in the order of a daily file.
pub fn in_order(daily: LazyFrame, tags: &BTreeSet<TagKey>) -> LazyFrame {
    let order = SortMultipleOptions::default().with_maintain_order(false);
    daily.sort_by_exprs(daily_keys(tags).iter().map(|key| col(key.as_str())).collect::<Vec<_>>(), order)
}

fn by_keys(rows: LazyFrame, keys: &[String], count: Expr, nulls: impl Fn(Metric) -> Expr) -> LazyFrame {
    let present: Vec<Expr> = keys.iter().map(|key| col(key.as_str())).collect();
    let sums = |metric: Metric| [sum_or_null(metric.column()), nulls(metric), col(nulls_billed_column(metric)).sum()];
    let aggregates: Vec<Expr> =
        std::iter::once(count).chain(Metric::ALL.iter().flat_map(|metric| sums(*metric))).collect();
    let output: Vec<Expr> = present.iter().cloned().chain(schema::daily_values().into_iter().map(col)).collect();
    rows.group_by(present).agg(aggregates).select(output)
}

/// The billed cost of a charge that leaves the metric out, under the name of its sum.
pub fn billed_where_null(metric: Metric) -> Expr {
    when(col(metric.column()).is_null())
        .then(col(Metric::Billed.column()))
        .otherwise(lit(NULL).cast(decimal::data_type()))
        .alias(nulls_billed_column(metric))
}

/// The sum of a column, null when all of it is (Polars says 0).
pub fn sum_or_null(column: &str) -> Expr {
    when(col(column).count().eq(lit(0)))
        .then(lit(NULL).cast(decimal::data_type()))
        .otherwise(col(column).sum())
        .alias(column)
}
