//! The row rules of FOCUS 1.2 that the invented bills promise to keep.

use std::collections::HashMap;

use crate::read::{Row, SCALE};

/// Pairs of which both are null or neither is.
const TOGETHER: [(&str, &str); 7] = [
    ("SubAccountId", "SubAccountName"),
    ("ResourceId", "ResourceType"),
    ("RegionId", "RegionName"),
    ("PricingQuantity", "PricingUnit"),
    ("ConsumedQuantity", "ConsumedUnit"),
    ("CommitmentDiscountId", "CommitmentDiscountCategory"),
    ("CommitmentDiscountId", "CommitmentDiscountType"),
];

/// Notes in `broken` what is wrong with `row`; `categories` remembers each service's class.
pub fn check(row: &Row<'_>, categories: &mut HashMap<String, String>, broken: &mut Vec<String>) {
    let mut rule = |name: &str, holds: bool| {
        if !holds {
            let what = row.get("ChargeDescription").unwrap_or_default();
            broken.push(format!("{} {}: {name}: {what}", row.source, row.month));
        }
    };
    let null = |column: &str| row.get(column).is_none();
    let category = row.get("ChargeCategory").unwrap_or_default();
    let status = row.get("CommitmentDiscountStatus");
    let committed = !null("CommitmentDiscountId");
    let sold = matches!(category, "Usage" | "Purchase") && null("ChargeClass");

    rule("periods start before they end", row.day("ChargePeriodStart") < row.day("ChargePeriodEnd"));
    rule(
        "the file's month is the billing period",
        row.get("BillingPeriodStart").unwrap_or_default()[..7] == *row.month,
    );
    for (one, other) in TOGETHER {
        rule(one, null(one) == null(other) || !row.has(one) || !row.has(other));
    }
    let digits = row.get("BilledCost").and_then(|cost| cost.split_once('.')).map_or(0, |parts| parts.1.len());
    rule("six to ten digits", (6..=10).contains(&digits));
    rule("all costs but the contracted one", !null("ListCost") && !null("EffectiveCost"));
    rule("ListCost is a product", product(row, "ListCost", "ListUnitPrice"));
    rule("ContractedCost is a product", product(row, "ContractedCost", "ContractedUnitPrice"));

    let unpriced =
        ["ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "PricingCategory", "SkuId", "SkuPriceId"];
    rule("taxes have no prices", category != "Tax" || unpriced.into_iter().all(null));
    let priced = ["ListUnitPrice", "PricingQuantity", "PricingCategory", "SkuId", "SkuPriceId"];
    rule("what is sold has a price", !sold || !priced.into_iter().any(null));
    rule("unit prices are not negative", row.amount("ListUnitPrice").is_none_or(|price| price >= 0));
    rule("only usage is consumed", null("ConsumedQuantity") != (category == "Usage" && status != Some("Unused")));
    rule("purchases are not usage-based", (category == "Usage") == (row.get("ChargeFrequency") == Some("Usage-Based")));

    rule("status only with a commitment", committed || status.is_none());
    rule("status on committed usage", !(committed && category == "Usage") || status.is_some());
    rule("covered usage is not billed", status.is_none() || row.amount("BilledCost") == Some(0));
    rule("committed pricing", (row.get("PricingCategory") == Some("Committed")) == status.is_some());
    let about_itself = category == "Purchase" || status == Some("Unused");
    rule(
        "a commitment's own rows name it as resource",
        !committed || about_itself == (row.get("ResourceId") == row.get("CommitmentDiscountId")),
    );
    rule(
        "a commitment's purchase is not effective",
        !(committed && category == "Purchase") || row.amount("EffectiveCost") == Some(0),
    );
    rule(
        "credits have one amount",
        category != "Credit" || ["ListCost", "EffectiveCost"].iter().all(|cost| row.get(cost) == row.get("BilledCost")),
    );
    rule("the open month has no invoice", !row.has("InvoiceId") || null("InvoiceId") == row.open);
    rule(
        "corrections concern an earlier month",
        null("ChargeClass") == (row.day("ChargePeriodStart") >= row.day("BillingPeriodStart")),
    );
    rule("tags are flat", row.tags.values().all(serde_json::Value::is_string));

    let class = format!("{:?} {:?}", row.get("ServiceCategory"), row.get("ServiceSubcategory"));
    let service = format!("{} {:?}", row.source, row.get("ServiceName"));
    rule("a service has one class", *categories.entry(service).or_insert_with(|| class.clone()) == class);
}

/// Whether `cost` = `price` × PricingQuantity to the last digit, where all are stated.
fn product(row: &Row<'_>, cost: &str, price: &str) -> bool {
    match (row.amount(cost), row.amount(price), row.amount("PricingQuantity")) {
        (Some(cost), Some(price), Some(quantity)) => cost * 10_i128.pow(SCALE) == price * quantity,
        _ => true,
    }
}
