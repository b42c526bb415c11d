//! The kinds of rows, a folder each: what becomes of them stands beside them.

use std::fs;

use super::{billed, fixture, read, told};

/// What the rows of a folder become: the columns that matter for it, the sums, and what was put right or not taken.
#[track_caller]
fn check(case: &str, columns: &[&str]) {
    let read = read(&fixture(case).join("rows.jsonl"));
    let sums = billed(&read).into_iter().map(|(period, sum)| format!("{period}: {sum}"));
    let repairs = read.repairs().into_iter().map(|(repair, times)| format!("{times} × {}", repair.as_str()));
    let text = [
        columns.join(" | "),
        read.table(columns).join("\n"),
        "Billed".to_owned(),
        sums.collect::<Vec<_>>().join("\n"),
        "Put right".to_owned(),
        repairs.collect::<Vec<_>>().join("\n"),
        "Not taken".to_owned(),
        read.rejected().join("\n"),
    ]
    .join("\n");
    same(case, &text);
}

#[track_caller]
fn same(case: &str, text: &str) {
    let path = fixture(case).join("charges.txt");
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text.trim_end() == expected.trim_end(), "{} should say\n{text}", path.display());
}

const COSTS: [&str; 5] = ["ChargeCategory", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];

#[test]
fn discounts_stay_on_their_row_and_grants_are_charges() {
    check(
        "credits",
        &[&COSTS[..], &["ChargeDescription", "ChargeFrequency", "x_Cost", "x_CreditType", "x_CreditId"]].concat(),
    );
}

#[test]
fn commitments_are_bought_and_used() {
    let commitment = [
        "PricingCategory",
        "CommitmentDiscountId",
        "CommitmentDiscountCategory",
        "CommitmentDiscountStatus",
        "CommitmentDiscountName",
        "ResourceId",
        "PricingQuantity",
        "PricingUnit",
        "ConsumedQuantity",
        "ContractedUnitPrice",
        "ListUnitPrice",
        "SkuPriceId",
    ];
    check("commitments", &[&COSTS[..], &commitment[..]].concat());
}

#[test]
fn what_is_no_usage_is_kept() {
    let columns =
        ["ChargeClass", "ServiceName", "ChargeDescription", "SubAccountId", "RegionId", "SkuId", "x_CostType"];
    check("adjustments", &[&COSTS[..], &columns[..]].concat());
}

#[test]
fn the_invoice_is_not_the_time_of_usage() {
    let columns = ["ChargePeriodStart", "x_BillingPeriod", "BillingPeriodStart", "BillingPeriodEnd", "x_InvoiceMonth"];
    check("invoice_months", &[&["BilledCost"], &columns[..]].concat());
}

#[test]
fn labels_and_tags_are_one_object_without_persons() {
    check("labels", &["SubAccountName", "Tags", "tags.team", "tags.cost-center", "x_Project"]);
}

#[test]
fn damage_costs_no_money() {
    check("damage", &[&COSTS[..], &["x_NewThing", "x_Cost", "x_Credits"]].concat());
}

#[test]
fn all_that_a_charge_says() {
    same("four_shapes", &told(&read(&fixture("four_shapes/rows.jsonl"))).join("\n"));
}
