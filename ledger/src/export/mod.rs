//! Charges on their way out in the FOCUS format: which columns, as which text, adding up to what, breaking which rules.
//!
//! Values leave as they were stated: nothing is invented, rounded or left out here (P2, P5).

pub mod checks;
pub mod csv;

use std::collections::BTreeMap;

use outlay_model::export::{ExportColumn, ExportSums};
use outlay_model::query::Metric;
use outlay_model::{Currency, Money};
use polars::prelude::{DataFrame, Expr, NULL, PlSmallStr, PolarsResult, Schema, coalesce, col, lit, polars_err};

use crate::decimal;
use crate::schema::data_type;

/// The exported columns over stored ones.
#[must_use]
pub fn expressions(columns: &[ExportColumn]) -> Vec<Expr> {
    let one = |column: &ExportColumn| {
        let from: Vec<Expr> = column.from.iter().map(|name| col(name.as_str())).collect();
        let value = match from.as_slice() {
            [] => lit(NULL).cast(data_type(&column.name)),
            [one] => one.clone(),
            several => coalesce(several),
        };
        value.alias(column.name.as_str())
    };
    columns.iter().map(one).collect()
}

/// The types of the exported columns.
#[must_use]
pub fn schema(columns: &[ExportColumn]) -> Schema {
    columns.iter().map(|column| (PlSmallStr::from_str(&column.name), data_type(&column.name))).collect()
}

/// Adds the costs of exported rows to sums per currency.
///
/// # Errors
/// When the columns are not those of an export, or a sum does not fit 38 digits.
pub fn add_up(sums: &mut ExportSums, rows: &DataFrame) -> PolarsResult<()> {
    let currencies = rows.column("BillingCurrency")?.str()?;
    for metric in Metric::ALL {
        let amounts = decimal::amounts(rows.column(metric.column())?.as_materialized_series())?;
        let mut by_currency: BTreeMap<&str, Option<Money>> = BTreeMap::new();
        for (currency, amount) in currencies.iter().zip(amounts) {
            let code = currency.ok_or_else(|| polars_err!(ComputeError: "a charge without a currency"))?;
            let sum = by_currency.entry(code).or_default();
            *sum = plus(*sum, amount)?;
        }
        for (code, more) in by_currency {
            let currency: Currency =
                code.parse().map_err(|_| polars_err!(ComputeError: "{:?} is not a currency", code))?;
            let sum = sums.entry(currency).or_default().entry(*metric).or_default();
            *sum = plus(*sum, more)?;
        }
    }
    Ok(())
}

fn plus(sum: Option<Money>, more: Option<Money>) -> PolarsResult<Option<Money>> {
    match (sum, more) {
        (Some(sum), Some(more)) => match sum.checked_add(more) {
            Some(sum) => Ok(Some(sum)),
            None => Err(polars_err!(ComputeError: "a sum is beyond 20 digits before the point")),
        },
        (sum, more) => Ok(sum.or(more)),
    }
}
