//! Whatever an export holds: Σ surveyed = Σ charges + Σ rejected + Σ rounding, exactly, per invoice month and cost (P1), and
//! Σ cost + Σ credits = Σ billed.
//!
//! [`super::read`] asserts the first; what is random here is the export.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use outlay_model::money::plain;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{billed, read};

const TYPES: &[&str] = &[
    "SUSTAINED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
    "FEE_UTILIZATION_OFFSET",
    "DISCOUNT",
    "FREE_TIER",
    "RESELLER_MARGIN",
    "SUBSCRIPTION_BENEFIT",
    "PROMOTION",
    "LOYALTY",
    "",
];

fn plain_number() -> BoxedStrategy<Value> {
    "-?[0-9]{1,6}(\\.[0-9]{1,12})?".prop_map(Value::String).boxed()
}

fn any_number() -> BoxedStrategy<Value> {
    prop_oneof![
        6 => plain_number(),
        2 => Just(Value::Null),
        1 => "[+-]?[0-9]{0,21}\\.[0-9]{15,70}".prop_map(Value::String),
        1 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,30})?[eE][+-]?[0-9]{1,2}"
            .prop_map(|text| serde_json::from_str(&text).expect("a number")),
        1 => select(&["", " ", "NULL", "1,5", "NaN", "inf", "$3", "-", "1e", "1e999", " 7 "][..])
            .prop_map(|text| Value::String(text.to_owned())),
        1 => "[0-9]{15,140}".prop_map(Value::String),
        1 => (-1e6..1e6_f64).prop_map(Value::from),
    ]
    .boxed()
}

fn row(number: fn() -> BoxedStrategy<Value>, whole: bool) -> impl Strategy<Value = Value> {
    let credits = prop::collection::vec((select(TYPES), number()), 0..4);
    let damages = if whole { vec![0] } else { vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5] };
    (
        (number(), number(), number()),
        credits,
        select(&["regular", "tax", "adjustment", "rounding_error", "surprise"][..]),
        select(&["202610", "202611", "202609"][..]),
        select(damages),
        select(&["Core", "Commitment v1: Core"][..]),
    )
        .prop_map(|((cost, list, default), credits, kind, month, damage, sku)| {
            let credit = |(kind, amount)| json!({"type": kind, "amount": amount, "name": "x"});
            let mut row = json!({
                "cost": cost, "cost_at_list": list, "cost_at_effective_price_default": default, "currency": "USD",
                "credits": credits.into_iter().map(credit).collect::<Vec<_>>(), "cost_type": kind,
                "invoice": {"month": month}, "usage_start_time": "2026-10-05 10:00:00 UTC", "sku": {"description": sku},
            });
            match damage {
                1 => row["usage_start_time"] = "soon".into(),
                2 => row["currency"] = "".into(),
                3 => row["invoice"] = Value::Null,
                4 => row["credits"] = "some".into(),
                5 => row["invoice"]["month"] = "soon".into(),
                _ => {}
            }
            row
        })
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn read_lines(text: &str) -> crate::focus::tests::Read {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rows.jsonl"), text).expect("a file");
    read(folder.path())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_money_is_lost(rows in prop::collection::vec(row(any_number, false), 1..12)) {
        read_lines(&lines(&rows));
    }

    #[test]
    fn cost_and_credits_are_what_is_billed(
        rows in prop::collection::vec(row(plain_number, true), 1..12),
    ) {
        let mut expected: BTreeMap<String, BigDecimal> = BTreeMap::new();
        for row in &rows {
            let month = row["invoice"]["month"].as_str().expect("a month");
            let credits = row["credits"].as_array().expect("a list").iter().map(|credit| &credit["amount"]);
            let sum = expected.entry(format!("{}-{}-01", &month[..4], &month[4..])).or_default();
            for amount in credits.chain([&row["cost"]]) {
                *sum += amount.as_str().expect("a text").parse::<BigDecimal>().expect("a number");
            }
        }
        let expected: BTreeMap<_, _> = expected.into_iter().map(|(month, sum)| (month, plain(&sum))).collect();
        prop_assert_eq!(billed(&read_lines(&lines(&rows))), expected);
    }
}
