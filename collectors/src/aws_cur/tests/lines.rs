//! What becomes of lines that belong together, or are damaged.

use outlay_model::part::Repair;

use super::{csv, read, read_csvs, sums};
use crate::focus::tests::Read;

const TYPE: &str = "line_item_line_item_type";
const COST: &str = "line_item_unblended_cost";
const START: &str = "line_item_usage_start_date";

const BILLED: &[&str] = &["x_LineItemType", "SubAccountId", "ChargePeriodStart", "BilledCost", "EffectiveCost"];

fn line<'a>(kind: &'a str, cost: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [(TYPE, kind), (COST, cost)].into_iter().chain(more.iter().copied()).collect()
}

const EFFECTIVE: (&str, &str) = ("savings_plan_savings_plan_effective_cost", "0.6");

fn counted(read: &Read, repair: Repair) -> u64 {
    read.repairs().into_iter().find(|(known, _)| *known == repair).map_or(0, |(_, times)| times)
}

#[test]
fn negations_cancel_across_files_and_hours() {
    let covered = csv(&[
        line("SavingsPlanCoveredUsage", "1.0", &[EFFECTIVE, (START, "2026-10-05T01:00:00Z")]),
        line("SavingsPlanCoveredUsage", "0.5", &[EFFECTIVE, (START, "2026-10-05T02:00:00Z")]),
    ]);
    let negation = csv(&[line("SavingsPlanNegation", "-1.5", &[])]);
    for order in [[&covered, &negation], [&negation, &covered]] {
        let read = read_csvs(&order.map(String::as_str));
        let expected = [
            "SavingsPlanCoveredUsage | 000000000042 | 2026-10-05T01:00:00Z | 0 | 0.6",
            "SavingsPlanCoveredUsage | 000000000042 | 2026-10-05T02:00:00Z | 0 | 0.6",
        ];
        assert_eq!(read.table(BILLED), expected);
        assert_eq!([Repair::NegationFolded, Repair::NegationUnpaired].map(|of| counted(&read, of)), [1, 0]);
    }
}

#[test]
fn what_does_not_cancel_is_a_charge() {
    let other = [("line_item_usage_account_id", "000000000043")];
    let read = read_csvs(&[&csv(&[
        line("SavingsPlanCoveredUsage", "1.0", &[EFFECTIVE]),
        line("SavingsPlanNegation", "-0.25", &[]),
        line("SavingsPlanNegation", "-0.5", &other),
        line("SavingsPlanCoveredUsage", "0.00000000000000000001", &[EFFECTIVE, (START, "2026-10-06T00:00:00Z")]),
    ])]);
    let expected = [
        "SavingsPlanCoveredUsage | 000000000042 | 2026-10-05T00:00:00Z | 0 | 0.6",
        "SavingsPlanCoveredUsage | 000000000042 | 2026-10-06T00:00:00Z | 0 | 0.6",
        "SavingsPlanNegation | 000000000042 | 2026-10-05T00:00:00Z | 0.75 | 0",
        "SavingsPlanCoveredUsage | 000000000042 | 2026-10-06T00:00:00Z | 0 | 0",
        "SavingsPlanNegation | 000000000043 | 2026-10-05T00:00:00Z | -0.5 | 0",
    ];
    assert_eq!(read.table(BILLED), expected);
    assert_eq!([Repair::NegationFolded, Repair::NegationUnpaired].map(|of| counted(&read, of)), [2, 3]);
}

#[test]
fn a_damaged_line_is_rejected_with_its_money() {
    let read = read_csvs(&[&csv(&[
        line("SavingsPlanNegation", "a lot", &[]),
        line("SavingsPlanCoveredUsage", "1.0", &[EFFECTIVE, (START, "soon")]),
        line("SavingsPlanNegation", "-1.0", &[(START, "soon")]),
        line("RIFee", "7", &[(START, ""), ("reservation_unused_recurring_fee", "0.5")]),
        line("RIFee", "8", &[("reservation_unused_recurring_fee", "half")]),
        line("SavingsPlanRecurringFee", "9", &[("savings_plan_total_commitment_to_date", "9")]),
    ])]);
    let expected = [
        "unreadable_number at 0.csv:2 BilledCost=\"a lot\"; 2026-10-01 INV-1 USD: effective 0, list 0, contracted 0, unpriced",
        "unreadable_time at 0.csv:3 ChargePeriodStart=\"soon\"; 2026-10-01 INV-1 USD: effective 0.6, billed 0, contracted 1",
        "missing_charge_period at 0.csv:5 ChargePeriodStart; 2026-10-01 INV-1 USD: effective 0, billed 7, list 7, contracted 7",
        "missing_charge_period at 0.csv:5 ChargePeriodStart; 2026-10-01 INV-1 USD: effective 0.5, billed 0, list 0, contracted 0",
        "unreadable_number at 0.csv:6 EffectiveCost=\"0 + half\"; 2026-10-01 INV-1 USD: billed 0, list 0, contracted 0, unpriced",
    ];
    assert_eq!(read.rejected(), expected);
    // What nobody used of the last fee is not known, so neither is what is left on it.
    let kept = ["RIFee | 8 | 0", "SavingsPlanRecurringFee | 9 | -"];
    assert_eq!(read.table(&["x_LineItemType", "BilledCost", "EffectiveCost"]), kept);
}

#[test]
fn net_columns_win_where_they_say_something() {
    let net = |cost| ("line_item_net_unblended_cost", cost);
    let read = read_csvs(&[&csv(&[
        line("Usage", "10", &[net("9")]),
        line("EdpDiscount", "-1", &[net("0.0")]),
        line("Usage", "3", &[]),
        line("SavingsPlanCoveredUsage", "4", &[net("3.6"), EFFECTIVE, NET_PLAN]),
        line("SavingsPlanNegation", "-4", &[net("-3.6")]),
        line("DiscountedUsage", "0", &[net("0"), ("reservation_effective_cost", "2"), NET_RESERVATION]),
        line("RIFee", "20", &[net("18"), ("reservation_unused_recurring_fee", "4"), NET_UNUSED]),
    ])]);
    let columns = ["x_LineItemType", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "x_UnblendedCost"];
    let expected = [
        "Usage | 9 | 9 | - | 9 | 10",
        "EdpDiscount | 0 | 0 | 0 | 0 | -1",
        "Usage | 3 | 3 | - | 3 | 3",
        "SavingsPlanCoveredUsage | 0 | 0.54 | - | 3.6 | 4",
        "DiscountedUsage | 0 | 1.8 | - | - | 0",
        "RIFee | 18 | 0 | 18 | 18 | 20",
        "RIFee | 0 | 3.6 | 0 | 0 | -",
    ];
    assert_eq!(read.table(&columns), expected);
}

const NET_PLAN: (&str, &str) = ("savings_plan_net_savings_plan_effective_cost", "0.54");
const NET_RESERVATION: (&str, &str) = ("reservation_net_effective_cost", "1.8");
const NET_UNUSED: (&str, &str) = ("reservation_net_unused_recurring_fee", "3.6");

#[test]
fn list_cost_is_a_product_kept_to_its_last_digit_or_what_is_stated_or_null() {
    let rate = |rate| ("pricing_public_on_demand_rate", rate);
    let cost = |cost| ("pricing_public_on_demand_cost", cost);
    let amount = |amount| ("line_item_usage_amount", amount);
    let unit = ("pricing_unit", "GB");
    let paid = |rate| ("line_item_unblended_rate", rate);
    let read = read_csvs(&[&csv(&[
        line("Usage", "1.3E-9", &[rate("0.02"), amount("6.71E-8"), cost("1.3E-9"), unit, paid("0.02")]),
        line("Usage", "0.4", &[rate("0.3"), amount("2"), unit, paid("0.2")]),
        line("DiscountedUsage", "0", &[rate("No Upfront"), amount("2"), cost("convertible"), unit]),
        line("DiscountedUsage", "0", &[rate("No Upfront"), amount("2"), cost("0.5")]),
        line("Usage", "-0.4", &[rate("0.3"), amount("-2"), unit, paid("0.2")]),
    ])]);
    let columns =
        ["ListCost", "ListUnitPrice", "ContractedCost", "ContractedUnitPrice", "PricingQuantity", "x_UsageAmount"];
    let expected = [
        "0.000000001342 | 0.02 | 0.0000000013 | - | 0.0000000671 | -",
        "0.6 | 0.3 | 0.4 | 0.2 | 2 | -",
        "- | - | - | - | 2 | -",
        "0.5 | - | - | - | - | 2",
        "-0.6 | 0.3 | -0.4 | 0.2 | -2 | -",
    ];
    assert_eq!(read.table(&columns), expected);
}

#[test]
fn people_stay_out() {
    let read = read_csvs(&[&csv(&[line(
        "Usage",
        "1",
        &[
            ("line_item_iam_principal", "arn:aws:iam::012345678901:user/ann"),
            ("line_item_user_identifier", "ann"),
            ("cost_category", r#"{"Owner":"ann@example.com","Tier":"prod"}"#),
            (
                "resource_tags",
                r#"{"user_team":"search","aws_created_by":"IAMUser:AID:ann","user_owner":"ann@example.com"}"#,
            ),
        ],
    )])]);
    let said = read.table(&["x_IamPrincipal", "x_UserIdentifier", "x_CostCategories", "Tags"]);
    assert_eq!(said, [r#"- | - | {"Tier":"prod"} | {"team":"search"}"#]);
}

#[test]
fn the_sample_adds_up_kind_by_kind() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/aws-cur-sample");
    let Ok(mut entries) = path.read_dir() else {
        // tests/run says so.
        return;
    };
    let file = entries
        .find_map(|entry| Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|of| of == "csv")));
    let file = file.expect("a report");
    let read = read(&file);
    let mut records = ::csv::Reader::from_path(&file).expect("a report");
    let header = records.headers().expect("a header").clone();
    let place = |name: &str| header.iter().position(|column| column == name).expect(name);
    let (kind, cost) = (place("lineItem/LineItemType"), place("lineItem/UnblendedCost"));
    let mut expected: std::collections::BTreeMap<String, bigdecimal::BigDecimal> = Default::default();
    for record in records.records() {
        let record = record.expect("a line");
        *expected.entry(record[kind].to_owned()).or_default() +=
            record[cost].parse::<bigdecimal::BigDecimal>().expect("a number");
    }
    let expected = expected.into_iter().map(|(kind, sum)| (kind, outlay_model::money::plain(&sum))).collect();
    assert_eq!(sums(&read, "BilledCost"), expected);
    assert_eq!(sums(&read, "EffectiveCost"), expected);
}
