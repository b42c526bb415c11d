//! What transfers say beside their costs: when, by which method, and whose share they are, as FOCUS 1.3 has it.
//!
//! Daily rows are no charges, so an export of them has to be told what charges state by themselves: their period as instants
//! and their tags as one text. What a day's totals do not keep (names of accounts and regions, issuers, SKUs) they cannot say.

use bigdecimal::BigDecimal;
use chrono::{Days, Months, NaiveDate};
use outlay_model::dimension::tag_column;
use outlay_model::money::plain;
use outlay_model::ownership::team_of_pool;
use outlay_model::{PoolId, TagKey};
use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked,
};
use polars::prelude::{IntoColumn, IntoSeries as _};
use serde_json::{Map, Number, Value, json};

use super::{Shares, pattern};
use crate::schema::{BILLING_PERIOD, OWNERSHIP_RULE, instant};

/// The columns that transfers have beside those of daily rows.
pub const DESCRIBED: &[&str] = &[
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "Tags",
    OWNERSHIP_RULE,
];

/// How a day of a pool is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The word of the split.
    pub word: &'static str,
    /// What it goes by, where that is counted.
    pub usage: Option<Usage>,
}

/// What is counted of those who share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// What one of it is.
    pub unit: String,
    /// How many of it, in the order of the targets.
    pub quantities: Vec<BigDecimal>,
}

/// Adds to rows of a pool what their transfers all have of them: the billing period, and the tags that are kept by day.
///
/// # Errors
/// When they are not daily rows.
pub fn prepare<'a>(rows: &mut DataFrame, tags: impl IntoIterator<Item = &'a TagKey>) -> PolarsResult<()> {
    let periods = rows.column(BILLING_PERIOD)?.cast(&DataType::Int32)?;
    let periods: Vec<Option<NaiveDate>> =
        periods.i32()?.iter().map(|day| day.and_then(NaiveDate::from_epoch_days)).collect();
    // Only where it starts is kept by day. The providers' billing periods are months.
    let ends: Vec<_> = periods.iter().map(|day| day.and_then(|day| day.checked_add_months(Months::new(1)))).collect();
    let mut texts = Vec::new();
    for key in tags {
        texts.push((key.as_str(), rows.column(&tag_column(key))?.str()?.clone()));
    }
    let tags = (0..rows.height()).map(|row| {
        let pairs = texts.iter().filter_map(|(key, values)| Some(((*key).to_owned(), values.get(row)?.into())));
        let pairs: Map<String, Value> = pairs.collect();
        (!pairs.is_empty()).then(|| Value::from(pairs).to_string())
    });
    let tags = StringChunked::from_iter_options(PlSmallStr::from_static("Tags"), tags).into_series().into_column();
    rows.with_column(instants("BillingPeriodStart", &periods)?)?;
    rows.with_column(instants("BillingPeriodEnd", &ends)?)?;
    rows.with_column(tags)?;
    Ok(())
}

/// Adds to the transfers of prepared rows of one day what they say of themselves. What is taken away is nobody's share.
///
/// # Errors
/// When they are not transfers in these shares.
pub fn describe(
    transfers: &mut DataFrame,
    day: NaiveDate,
    pool: &PoolId,
    method: &Method,
    shares: &Shares,
) -> PolarsResult<()> {
    let width = shares.targets().len() + 1;
    let rows = transfers.height() / width;
    let details: Vec<String> = details(method, shares);
    let details: Vec<Option<&str>> =
        std::iter::once(None).chain(details.iter().map(|text| Some(text.as_str()))).collect();
    let targets = || shares.targets().iter().map(|target| Some(target.as_str()));
    let targets: Vec<Option<&str>> = std::iter::once(None).chain(targets()).collect();
    let all = |name: &str, text: &str| pattern(name, &vec![Some(text); width], rows);
    let next = day.checked_add_days(Days::new(1));
    for column in [
        pattern("AllocatedMethodDetails", &details, rows),
        all("AllocatedMethodId", &format!("outlay:{pool}:{}", method.word)),
        pattern("AllocatedResourceId", &targets, rows),
        pattern("AllocatedResourceName", &targets, rows),
        all("ChargeDescription", &format!("shared cost {pool}, split by {}", words(method.word))),
        all(OWNERSHIP_RULE, team_of_pool(pool).as_str()),
        instants("ChargePeriodStart", &vec![Some(day); transfers.height()])?,
        instants("ChargePeriodEnd", &vec![next; transfers.height()])?,
    ] {
        transfers.with_column(column)?;
    }
    Ok(())
}

fn words(method: &str) -> &str {
    match method {
        "even" => "equal shares",
        "fixed" => "fixed shares",
        "spend" => "the teams' own spend",
        other => other,
    }
}

/// The AllocatedMethodDetails of each target (FOCUS 1.3: Elements with AllocatedRatio, UsageUnit, UsageQuantity).
fn details(method: &Method, shares: &Shares) -> Vec<String> {
    let number = |exact: &BigDecimal| Value::from(Number::from_string_unchecked(plain(exact)));
    let ratios = shares.ratios();
    let one = |(place, ratio): (usize, &BigDecimal)| {
        let mut element = json!({ "AllocatedRatio": number(ratio) });
        let usage = method.usage.as_ref().and_then(|usage| Some((&usage.unit, usage.quantities.get(place)?)));
        if let Some((unit, quantity)) = usage {
            element["UsageUnit"] = unit.as_str().into();
            element["UsageQuantity"] = number(quantity);
        }
        json!({ "Elements": [element] }).to_string()
    };
    ratios.iter().enumerate().map(one).collect()
}

fn instants(name: &str, days: &[Option<NaiveDate>]) -> PolarsResult<Column> {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    let micros = days.iter().map(|day| day.map(|day| i64::from(day.to_epoch_days()) * DAY));
    let micros = Int64Chunked::from_iter_options(PlSmallStr::from_str(name), micros).into_series();
    Ok(micros.cast(&instant())?.into_column())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bigdecimal::num_bigint::BigInt;
    use outlay_model::TeamId;

    use super::*;

    #[test]
    fn a_share_says_how_large_it_is_and_why() {
        let weights = BTreeMap::from([(TeamId::new("a"), BigInt::from(30)), (TeamId::new("b"), BigInt::from(10))]);
        let shares = Shares::new(&weights).expect("somebody weighs something");
        let quantities = vec!["30".parse().expect("a number"), "10".parse().expect("a number")];
        let usage = Some(Usage { unit: "CPU hour".to_owned(), quantities });
        assert_eq!(
            details(&Method { word: "metric", usage }, &shares),
            [
                r#"{"Elements":[{"AllocatedRatio":0.75,"UsageUnit":"CPU hour","UsageQuantity":30}]}"#,
                r#"{"Elements":[{"AllocatedRatio":0.25,"UsageUnit":"CPU hour","UsageQuantity":10}]}"#,
            ]
        );
        let even = details(&Method { word: "even", usage: None }, &shares);
        assert_eq!(even[0], r#"{"Elements":[{"AllocatedRatio":0.75}]}"#);
    }
}
