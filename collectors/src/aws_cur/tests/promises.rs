//! Whatever a report holds: Σ surveyed = Σ charges + Σ rejected + Σ rounding, exactly, per invoice and cost (P1), and the
//! sums of the kinds of lines are those of the file.
//!
//! [`read`] asserts the first; what is random here is the report.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use outlay_model::money::plain;
use proptest::prelude::*;
use proptest::sample::select;

use super::{csv, read_csvs, sums};

const KINDS: &[&str] = &[
    "Usage",
    "DiscountedUsage",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "RIFee",
    "Fee",
    "Tax",
    "Credit",
    "Refund",
    "EdpDiscount",
    "PrivateRateDiscount",
    "FlatRateSubscription",
    "Surprise",
    "",
];

/// Columns of numbers that some line of a report reads.
const NUMBERS: &[&str] = &[
    "line_item_unblended_cost",
    "line_item_net_unblended_cost",
    "line_item_usage_amount",
    "line_item_unblended_rate",
    "pricing_public_on_demand_rate",
    "pricing_public_on_demand_cost",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "reservation_net_unused_recurring_fee",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
];

fn plain_number() -> impl Strategy<Value = String> {
    "-?[0-9]{1,6}(\\.[0-9]{1,12})?"
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => plain_number(),
        3 => Just(String::new()),
        1 => "[+-]?[0-9]{0,21}\\.[0-9]{15,70}",
        1 => "[+-]?[0-9]{1,25}(\\.[0-9]{0,30})?[eE][+-]?[0-9]{1,2}",
        1 => select(&[" ", "NULL", "1,5", "NaN", "inf", "$3", "-", ".", "1e", "1e999", " 7 ", "None", "No Upfront"][..])
            .prop_map(ToOwned::to_owned),
        1 => "[0-9]{15,140}",
    ]
}

type Line = Vec<(&'static str, String)>;

fn line(number: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Line> {
    (
        select(KINDS),
        prop::collection::vec(number, NUMBERS.len()),
        select(&["2026-10-01T00:00:00Z", "2026-10-01", "2026-09-01", "", "soon"][..]),
        select(&["A", "", " ", "007"][..]),
        select(&["2026-10-05", "2026-10-05T07:00:00Z", "2026-10-06", "2026-09-05", "", "soon"][..]),
        select(&["USD", "usd", "EUR", ""][..]),
        select(&["arn:ri", ""][..]),
    )
        .prop_map(|(kind, numbers, period, invoice, day, currency, reservation)| {
            let mut line: Line = NUMBERS.iter().copied().zip(numbers).collect();
            line.extend([
                ("line_item_line_item_type", kind.to_owned()),
                ("bill_billing_period_start_date", period.to_owned()),
                ("bill_invoice_id", invoice.to_owned()),
                ("line_item_usage_start_date", day.to_owned()),
                ("line_item_currency_code", currency.to_owned()),
                ("reservation_reservation_a_r_n", reservation.to_owned()),
            ]);
            line
        })
}

fn report(lines: &[Line]) -> String {
    let lines: Vec<Vec<(&str, &str)>> =
        lines.iter().map(|line| line.iter().map(|(column, cell)| (*column, cell.as_str())).collect()).collect();
    csv(&lines)
}

/// What folds into one sum.
fn kind(line: &str) -> &str {
    if line == "SavingsPlanNegation" { "SavingsPlanCoveredUsage" } else { line }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_in_it_balances(
        lines in prop::collection::vec(line(number()), 0..25),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = report(&lines).into_bytes();
        if let Some((place, byte)) = damage {
            let header = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bytes.insert(header + place.index(bytes.len() - header + 1), byte);
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("report.csv"), bytes).expect("a file");
        super::read(folder.path());
    }

    #[test]
    fn every_kind_adds_up(mut lines in prop::collection::vec(line(plain_number()), 1..40), cut in any::<prop::sample::Index>()) {
        let cells = [
            ("bill_billing_period_start_date", "2026-10-01"),
            ("line_item_usage_start_date", "2026-10-05"),
            ("line_item_currency_code", "USD"),
        ];
        let mut expected: BTreeMap<String, BigDecimal> = BTreeMap::new();
        for line in &mut lines {
            for (column, cell) in &mut *line {
                if let Some((_, sound)) = cells.iter().find(|(name, _)| name == column) {
                    *cell = (*sound).to_owned();
                }
            }
            let cell = |name: &str| line.iter().find(|(column, _)| *column == name).map_or("", |(_, cell)| cell);
            let cost: BigDecimal = cell("line_item_net_unblended_cost").parse().expect("a number");
            *expected.entry(kind(cell("line_item_line_item_type")).to_owned()).or_default() += cost;
        }
        // In two files, in whatever way.
        let (first, second) = lines.split_at(cut.index(lines.len()));
        let read = read_csvs(&[&report(first), &report(second)]);
        let mut stored: BTreeMap<String, BigDecimal> = BTreeMap::new();
        for (line, sum) in sums(&read, "BilledCost") {
            *stored.entry(kind(&line).to_owned()).or_default() += sum.parse::<BigDecimal>().expect("a number");
        }
        let told = |sums: BTreeMap<String, BigDecimal>| -> Vec<_> {
            sums.into_iter().map(|(kind, sum)| (kind, plain(&sum))).filter(|(_, sum)| sum != "0").collect()
        };
        prop_assert_eq!(told(stored), told(expected));
    }
}
