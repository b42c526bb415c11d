//! What the columns of a report are, by name and in any order.
//!
//! Three spellings name the same columns: `lineItem/UnblendedCost` of legacy CSV, `line_item_unblended_cost` of legacy
//! Parquet and of CUR 2.0. All are brought to the last. Columns that a report has by the hundred (product attributes, tags,
//! cost categories, discounts), or as one map, become one JSON column each.

use std::collections::BTreeSet;
use std::path::Path;

use crate::CollectError;
use crate::normalise::columns;

/// The native columns that become something else than a text under `x_`.
const READ: &[&str] = &[
    "bill_billing_period_end_date",
    "bill_billing_period_start_date",
    "bill_invoice_id",
    "bill_invoicing_entity",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "line_item_availability_zone",
    "line_item_currency_code",
    "line_item_legal_entity",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_net_unblended_cost",
    "line_item_net_unblended_rate",
    "line_item_normalized_usage_amount",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_tax_type",
    "line_item_unblended_cost",
    "line_item_unblended_rate",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_public_on_demand_cost",
    "pricing_public_on_demand_rate",
    "pricing_rate_code",
    "pricing_term",
    "pricing_unit",
    "product_location",
    "product_location_type",
    "product_product_name",
    "product_region",
    "product_region_code",
    "product_servicename",
    "product_sku",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "reservation_reservation_a_r_n",
    "reservation_total_reserved_normalized_units",
    "reservation_total_reserved_units",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_normalized_unit_quantity",
    "reservation_unused_quantity",
    "reservation_unused_recurring_fee",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_savings_plan_a_r_n",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
];

/// Those whose text a charge does not carry on in another column: they stay under `x_` as well.
const ALSO_KEPT: &[&str] = &[
    "line_item_line_item_type",
    "line_item_normalized_usage_amount",
    "line_item_operation",
    "line_item_tax_type",
    "line_item_usage_type",
    "pricing_term",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
];

/// Columns without which no charge can be kept.
const NEEDED: &[&str] = &[
    "bill_billing_period_start_date",
    "line_item_currency_code",
    "line_item_line_item_type",
    "line_item_unblended_cost",
    "line_item_usage_start_date",
];

/// The columns of a charge, and for those that not every report can fill, what fills them: one of these.
pub(super) const TARGETS: &[(&str, &[&str])] = &[
    ("AvailabilityZone", &["line_item_availability_zone"]),
    ("BilledCost", &[]),
    ("BillingAccountId", &["bill_payer_account_id"]),
    ("BillingAccountName", &["bill_payer_account_name"]),
    ("BillingCurrency", &[]),
    ("BillingPeriodEnd", &["bill_billing_period_end_date"]),
    ("BillingPeriodStart", &[]),
    ("ChargeCategory", &[]),
    ("ChargeClass", &[]),
    ("ChargeDescription", &["line_item_line_item_description"]),
    ("ChargeFrequency", &[]),
    ("ChargePeriodEnd", &["line_item_usage_end_date"]),
    ("ChargePeriodStart", &[]),
    ("CommitmentDiscountCategory", COMMITMENTS),
    ("CommitmentDiscountId", COMMITMENTS),
    ("CommitmentDiscountQuantity", COMMITMENTS),
    ("CommitmentDiscountStatus", &[]),
    ("CommitmentDiscountType", COMMITMENTS),
    ("CommitmentDiscountUnit", COMMITMENTS),
    ("ConsumedQuantity", &["line_item_usage_amount"]),
    ("ConsumedUnit", &["line_item_usage_amount"]),
    ("ContractedCost", &[]),
    ("ContractedUnitPrice", &["line_item_unblended_rate", "line_item_net_unblended_rate"]),
    ("EffectiveCost", &[]),
    ("InvoiceId", &["bill_invoice_id"]),
    ("InvoiceIssuerName", &["bill_invoicing_entity"]),
    ("ListCost", &[]),
    ("ListUnitPrice", &["pricing_public_on_demand_rate"]),
    ("PricingCategory", &[]),
    ("PricingQuantity", &["line_item_usage_amount"]),
    ("PricingUnit", &["line_item_usage_amount"]),
    ("ProviderName", &[]),
    ("PublisherName", &["line_item_legal_entity"]),
    ("RegionId", &["product_region_code", "product_region", "product"]),
    ("RegionName", &["product_region_code", "product_region", "product"]),
    ("ResourceId", &["line_item_resource_id", "reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"]),
    ("ResourceType", &["line_item_resource_id", "reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"]),
    ("ServiceName", &["product_product_name", "product_servicename", "product"]),
    ("SkuId", &["product_sku", "pricing_rate_code", "product"]),
    ("SkuMeter", &["line_item_usage_type"]),
    ("SkuPriceId", &["pricing_rate_code"]),
    ("SubAccountId", &["line_item_usage_account_id"]),
    ("SubAccountName", &["line_item_usage_account_name"]),
    ("x_ServiceCode", &["line_item_product_code"]),
    ("x_UnblendedCost", &["line_item_net_unblended_cost"]),
    ("x_UsageAmount", &["line_item_usage_amount"]),
];

const COMMITMENTS: &[&str] = &["reservation_reservation_a_r_n", "savings_plan_savings_plan_a_r_n"];

/// Columns that come in any number and become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// `resource_tags`, and the newer `tags`.
    Tags,
    /// `product`.
    Product,
    /// `cost_category`.
    CostCategories,
    /// `discount`.
    Discounts,
}

impl Fold {
    pub(super) const ALL: [Self; 4] = [Self::Tags, Self::Product, Self::CostCategories, Self::Discounts];

    /// The column of the charge.
    pub(super) const fn target(self) -> &'static str {
        match self {
            Self::Tags => "Tags",
            Self::Product => "x_Product",
            Self::CostCategories => "x_CostCategories",
            Self::Discounts => "x_Discounts",
        }
    }

    /// The column that is all of them as a map.
    const fn map(self) -> &'static str {
        match self {
            Self::Tags => "resource_tags",
            Self::Product => "product",
            Self::CostCategories => "cost_category",
            Self::Discounts => "discount",
        }
    }
}

/// One of many columns that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its name in the file.
    pub raw: String,
    /// Its key, as the file spells it; `None` for a map of keys.
    pub key: Option<String>,
}

/// What the columns of a file are.
#[derive(Debug)]
pub(super) struct Layout {
    read: Vec<(&'static str, String)>,
    folded: Vec<(Fold, Part)>,
    /// Columns that stay as they are: their name in the file and in the charge.
    pub kept: Vec<(String, String)>,
}

impl Layout {
    /// Tells the columns of a file apart.
    ///
    /// # Errors
    /// [`CollectError::NotCur`] naming the columns it lacks.
    pub(super) fn of(path: &Path, header: &[String]) -> Result<Self, CollectError> {
        let mut layout = Self { read: Vec::new(), folded: Vec::new(), kept: Vec::new() };
        for raw in header {
            layout.place(raw);
        }
        let missing: Vec<_> = NEEDED.iter().copied().filter(|name| layout.raw(name).is_none()).collect();
        if missing.is_empty() {
            return Ok(layout);
        }
        Err(CollectError::NotCur { path: path.to_owned(), missing: missing.join(", ") })
    }

    fn place(&mut self, raw: &str) {
        let name = canonical(raw);
        let read = READ.iter().copied().find(|known| *known == name && self.raw(known).is_none());
        if let Some(name) = read {
            self.read.push((name, raw.to_owned()));
        }
        if let Some(part) = part(raw, &name) {
            self.folded.push(part);
        } else if read.is_none_or(|name| ALSO_KEPT.contains(&name)) {
            let wanted = custom(&name);
            let mut target = wanted.clone();
            while self.kept.iter().any(|(_, kept)| *kept == target) || TARGETS.iter().any(|(other, _)| *other == target)
            {
                target.push('2');
            }
            self.kept.push((raw.to_owned(), target));
        }
    }

    /// The file's name of a column.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.read.iter().find(|(known, _)| *known == name).map(|(_, raw)| raw.as_str())
    }

    /// The columns that are read one by one: what they are, and their names in the file.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.read.iter().map(|(name, raw)| (*name, raw.as_str()))
    }

    /// The columns that become one.
    pub(super) fn parts(&self, fold: Fold) -> impl Iterator<Item = &Part> {
        self.folded.iter().filter(move |(of, _)| *of == fold).map(|(_, part)| part)
    }

    /// Whether charges have this column.
    fn gives(&self, sources: &[&str]) -> bool {
        let map = |name: &str| name == "product" && self.parts(Fold::Product).any(|part| part.key.is_none());
        sources.is_empty() || sources.iter().any(|name| self.raw(name).is_some() || map(name))
    }

    /// The names of the columns a translated batch has, but for those that are kept as they are.
    pub(super) fn targets(&self) -> Vec<&'static str> {
        let given = TARGETS.iter().filter(|(_, sources)| self.gives(sources)).map(|(target, _)| *target);
        let folded = Fold::ALL.into_iter().filter(|fold| self.parts(*fold).next().is_some()).map(Fold::target);
        given.chain(folded).collect()
    }

    /// The names of all columns a translated batch has, in its order.
    pub(super) fn header(&self) -> Vec<String> {
        let kept = self.kept.iter().map(|(_, target)| target.clone());
        self.targets().into_iter().map(ToOwned::to_owned).chain(kept).collect()
    }

    /// The columns that charges of the file have, but for those that tags and ownership add.
    pub(super) fn charge_columns(&self) -> BTreeSet<String> {
        columns::of_charges(&self.header())
    }
}

/// What a column is a part of, if it is one of many.
fn part(raw: &str, name: &str) -> Option<(Fold, Part)> {
    let whole = |fold: Fold| Some((fold, Part { raw: raw.to_owned(), key: None }));
    if name == "tags" {
        return whole(Fold::Tags);
    }
    Fold::ALL.into_iter().find_map(|fold| {
        let rest = name.strip_prefix(fold.map())?;
        if rest.is_empty() {
            return whole(fold);
        }
        // The key of a legacy column is what stands behind its section, in its own letters.
        let key = raw.split_once('/').map_or_else(|| rest.strip_prefix('_'), |(_, key)| Some(key))?;
        Some((fold, Part { raw: raw.to_owned(), key: Some(key.to_owned()) }))
    })
}

/// `section/CamelCase` as the Parquet files write it: `section_camel_case`.
fn canonical(raw: &str) -> String {
    let name = match raw.trim().split_once('/') {
        Some((section, name)) => format!("{}_{}", words_of(section), words_of(name)),
        None => raw.trim().to_ascii_lowercase(),
    };
    match name.as_str() {
        "savings_plan_savings_plan_arn" => "savings_plan_savings_plan_a_r_n".to_owned(),
        "reservation_reservation_arn" => "reservation_reservation_a_r_n".to_owned(),
        _ => name,
    }
}

/// A name in lower case, where each capital begins a word.
pub(super) fn words_of(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() && !words.ends_with('_') {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Sections that say nothing in a column's name.
const PLAIN_SECTIONS: &[&str] = &["line_item_", "bill_", "identity_"];

/// The name under `x_` of a column: in Pascal case, without the section where that says nothing or says it twice.
fn custom(name: &str) -> String {
    let plain = PLAIN_SECTIONS.iter().find_map(|section| name.strip_prefix(section)).unwrap_or(name);
    let twice = ["savings_plan_", "reservation_", "capacity_reservation_", "split_line_item_"];
    let once = twice.iter().find_map(|section| plain.strip_prefix(section).filter(|rest| rest.starts_with(section)));
    let words = once.unwrap_or(plain).split(|c: char| !c.is_ascii_alphanumeric());
    let pascal: String = words
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(format!("{}{rest}", first.to_ascii_uppercase()))
        })
        .collect();
    format!("x_{}", if pascal.is_empty() { "Unnamed" } else { &pascal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(header: &[&str]) -> Layout {
        let needed = NEEDED.iter().copied().filter(|name| !header.iter().any(|raw| canonical(raw) == *name));
        let header: Vec<String> = header.iter().copied().chain(needed).map(ToOwned::to_owned).collect();
        Layout::of(Path::new("report.csv"), &header).expect("a report")
    }

    #[test]
    fn three_spellings_are_one_column() {
        for raw in ["savingsPlan/SavingsPlanARN", "savingsPlan/SavingsPlanArn", "savings_plan_savings_plan_a_r_n"] {
            assert_eq!(layout(&[raw]).raw("savings_plan_savings_plan_a_r_n"), Some(raw));
        }
        for raw in ["lineItem/UnblendedCost", "line_item_unblended_cost"] {
            assert_eq!(layout(&[raw]).raw("line_item_unblended_cost"), Some(raw));
        }
    }

    #[test]
    fn what_nobody_asks_for_is_kept_by_a_name_of_its_own() {
        let raws = [
            "lineItem/BlendedCost",
            "bill_bill_type",
            "identity/LineItemId",
            "savingsPlan/SavingsPlanRate",
            "reservation/StartTime",
            "capacity_reservation_capacity_reservation_arn",
            "split_line_item_split_cost",
            "pricing/RateId",
            "lineItem/LineItemType",
        ];
        let layout = layout(&raws);
        let kept: Vec<&str> = layout.kept.iter().map(|(_, target)| target.as_str()).collect();
        let expected = [
            "x_BlendedCost",
            "x_BillType",
            "x_LineItemId",
            "x_SavingsPlanRate",
            "x_ReservationStartTime",
            "x_CapacityReservationArn",
            "x_SplitLineItemSplitCost",
            "x_PricingRateId",
            "x_LineItemType",
        ];
        assert_eq!(kept, expected);
    }

    #[test]
    fn columns_by_the_hundred_become_one() {
        let raws =
            ["resourceTags/user:Team", "resource_tags", "tags", "product/fromLocation", "product", "discount_edp"];
        let layout = layout(&raws);
        let keys = |fold| layout.parts(fold).map(|part| part.key.as_deref()).collect::<Vec<_>>();
        assert_eq!(keys(Fold::Tags), [Some("user:Team"), None, None]);
        assert_eq!(keys(Fold::Product), [Some("fromLocation"), None]);
        assert_eq!(keys(Fold::Discounts), [Some("edp")]);
        assert_eq!(keys(Fold::CostCategories), [None::<&str>; 0]);
    }

    #[test]
    fn a_file_that_is_no_report_is_told_what_it_lacks() {
        let header = ["BilledCost".to_owned(), "line_item_currency_code".to_owned()];
        let error = Layout::of(Path::new("a.csv"), &header).expect_err("no report").to_string();
        assert!(error.contains("line_item_line_item_type, line_item_unblended_cost"), "{error}");
    }
}
