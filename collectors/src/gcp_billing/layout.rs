//! What the columns of an export are, by name and in any order.
//!
//! BigQuery has records: `service` with an `id` and a `description`. Whoever dumps its rows as CSV flattens them, to
//! `service.description` or `service_description`. All three name the same field, by its path: `service.description`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::CollectError;
use crate::normalise::columns;

/// The records of a row. What one holds that no other column of a charge carries is kept as an object under `x_`.
const RECORDS: &[(&str, &str)] = &[
    ("adjustment_info", "x_AdjustmentInfo"),
    ("consumption_model", "x_ConsumptionModel"),
    ("invoice", "x_Invoice"),
    ("location", "x_Location"),
    ("price", "x_Price"),
    ("project", "x_Project"),
    ("resource", "x_Resource"),
    ("service", "x_Service"),
    ("sku", "x_Sku"),
    ("subscription", "x_Subscription"),
    ("usage", "x_Usage"),
];

/// The fields that become something else than a text under `x_`, by path; and whether they stay there as well, because
/// what a charge says of them elsewhere is not all of it.
const READ: &[(&str, bool)] = &[
    ("adjustment_info.mode", true),
    ("adjustment_info.type", true),
    ("billing_account_id", false),
    ("consumption_model.description", true),
    ("consumption_model.id", true),
    ("cost", false),
    ("cost_at_effective_price_default", false),
    ("cost_at_list", false),
    ("cost_type", false),
    ("credits", false),
    ("currency", false),
    ("invoice.month", false),
    ("labels", false),
    ("location.location", true),
    ("location.region", false),
    ("location.zone", false),
    ("price.effective_price", true),
    ("price.effective_price_default", true),
    ("price.list_price", true),
    ("price.pricing_unit_quantity", true),
    ("price.tier_start_amount", true),
    ("project.id", false),
    ("project.labels", false),
    ("project.name", false),
    ("resource.global_name", false),
    ("resource.name", false),
    ("seller_name", true),
    ("service.description", false),
    ("service.id", false),
    ("sku.description", false),
    ("sku.id", false),
    ("subscription.instance_id", false),
    ("system_labels", false),
    ("tags", false),
    ("transaction_type", true),
    ("usage.amount", false),
    ("usage.amount_in_pricing_units", false),
    ("usage.pricing_unit", false),
    ("usage.unit", false),
    ("usage_end_time", false),
    ("usage_start_time", false),
];

/// Fields without which no charge can be kept.
const NEEDED: &[&str] = &["cost", "currency", "usage_start_time"];

/// The columns of a charge, and for those that not every file can fill, what fills them: one of these.
const TARGETS: &[(&str, &[&str])] = &[
    ("AvailabilityZone", &["location.zone"]),
    ("BilledCost", &[]),
    ("BillingAccountId", &["billing_account_id"]),
    ("BillingCurrency", &[]),
    ("BillingPeriodEnd", &[]),
    ("BillingPeriodStart", &[]),
    ("ChargeCategory", &[]),
    ("ChargeClass", &[]),
    ("ChargeDescription", &["sku.description", "credits"]),
    ("ChargeFrequency", &[]),
    ("ChargePeriodEnd", &["usage_end_time"]),
    ("ChargePeriodStart", &[]),
    ("CommitmentDiscountCategory", COMMITMENTS),
    ("CommitmentDiscountId", COMMITMENTS),
    ("CommitmentDiscountName", &["credits"]),
    ("CommitmentDiscountStatus", COMMITMENTS),
    ("CommitmentDiscountType", COMMITMENTS),
    ("ConsumedQuantity", &["usage.amount"]),
    ("ConsumedUnit", &["usage.amount"]),
    ("ContractedCost", &[]),
    ("ContractedUnitPrice", &["price.effective_price", "price.effective_price_default"]),
    ("EffectiveCost", &[]),
    ("InvoiceIssuerName", &[]),
    ("ListCost", &[]),
    ("ListUnitPrice", &["price.list_price"]),
    ("PricingCategory", &[]),
    ("PricingQuantity", &["usage.amount_in_pricing_units"]),
    ("PricingUnit", &["usage.amount_in_pricing_units"]),
    ("ProviderName", &[]),
    ("PublisherName", &[]),
    ("RegionId", &["location.region", "location.location"]),
    ("RegionName", &["location.region", "location.location"]),
    ("ResourceId", &["resource.global_name", "resource.name", "subscription.instance_id"]),
    ("ResourceName", &["resource.name"]),
    ("ResourceType", &["resource.global_name", "subscription.instance_id"]),
    ("ServiceName", &["service.description"]),
    ("SkuId", &["sku.id"]),
    ("SkuMeter", &["sku.description"]),
    ("SkuPriceId", &["sku.id"]),
    ("SubAccountId", &["project.id"]),
    ("SubAccountName", &["project.name"]),
    ("SubAccountType", &["project.id"]),
    ("Tags", &super::tags::SCHEMES),
    ("x_Cost", &["credits"]),
    ("x_CostType", &["cost_type"]),
    ("x_CreditId", &["credits"]),
    ("x_CreditName", &["credits"]),
    ("x_CreditType", &["credits"]),
    ("x_Credits", &["credits"]),
    ("x_InvoiceMonth", &["invoice.month"]),
    ("x_ServiceId", &["service.id"]),
];

const COMMITMENTS: &[&str] = &["credits", "subscription.instance_id"];

/// A record of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// What it is.
    pub name: &'static str,
    /// Its name in the file.
    pub raw: String,
    /// Where what is left of it is kept.
    pub target: &'static str,
}

impl Record {
    /// The fields that are read: their paths, and whether they are kept with the rest as well.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let name = self.name;
        READ.iter().filter_map(move |(path, kept)| {
            let field = path.strip_prefix(name)?.strip_prefix('.')?;
            Some((*path, field, *kept))
        })
    }
}

/// What the columns of a file are.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Columns that are a field: its path, and their name in the file.
    pub fields: Vec<(&'static str, String)>,
    /// Columns that are a record.
    pub records: Vec<Record>,
    /// Columns that stay as they are: their name in the file and in the charge.
    pub kept: Vec<(String, String)>,
}

impl Layout {
    /// Tells the columns of a file apart.
    ///
    /// # Errors
    /// [`CollectError::NotGcpBilling`] when it lacks columns, or repeats rows.
    pub(super) fn of(path: &Path, header: &[String]) -> Result<Self, CollectError> {
        let mut layout = Self::default();
        header.iter().for_each(|raw| layout.place(raw));
        let not = |what| Err(CollectError::NotGcpBilling { path: path.to_owned(), what });
        // Joined with its credits, a row with two of them is there twice, cost and all.
        let spread = header.iter().find(|raw| ["credits.amount", "credits_amount"].contains(&lower(raw).as_str()));
        if let Some(raw) = spread {
            return not(format!(
                "a row is repeated for each of its credits (column {raw}); export the credits of a row as one list"
            ));
        }
        let missing: Vec<_> = NEEDED.iter().copied().filter(|name| !layout.has(name)).collect();
        if missing.is_empty() {
            return Ok(layout);
        }
        not(format!("the columns {} are missing", missing.join(", ")))
    }

    fn place(&mut self, raw: &str) {
        let name = lower(raw);
        let record =
            RECORDS.iter().find(|(known, _)| *known == name && !self.records.iter().any(|had| had.name == *known));
        if let Some((name, target)) = record {
            self.records.push(Record { name, raw: raw.to_owned(), target });
            return;
        }
        let read = READ.iter().find(|(path, _)| {
            (*path == name || path.replace('.', "_") == name) && !self.fields.iter().any(|(had, _)| had == path)
        });
        if let Some((path, _)) = read {
            self.fields.push((*path, raw.to_owned()));
        }
        if read.is_none_or(|(_, kept)| *kept) {
            let wanted = custom(read.map_or(name.as_str(), |(path, _)| path));
            let mut target = wanted.clone();
            while self.takes(&target) {
                target.push('2');
            }
            self.kept.push((raw.to_owned(), target));
        }
    }

    fn takes(&self, target: &str) -> bool {
        let known = TARGETS.iter().map(|(known, _)| *known).chain(RECORDS.iter().map(|(_, known)| *known));
        known.chain(self.kept.iter().map(|(_, kept)| kept.as_str())).any(|known| known == target)
    }

    /// Whether the file may state a field.
    pub(super) fn has(&self, path: &str) -> bool {
        let record = path.split_once('.').map(|(record, _)| record);
        self.fields.iter().any(|(known, _)| *known == path)
            || self.records.iter().any(|known| Some(known.name) == record)
    }

    /// The columns of the file that hold these fields.
    pub(super) fn raws(&self, paths: &[&str]) -> Vec<String> {
        let fields = self.fields.iter().filter(|(path, _)| paths.contains(path)).map(|(_, raw)| raw.clone());
        let within = |record: &&Record| record.read().any(|(path, ..)| paths.contains(&path));
        fields.chain(self.records.iter().filter(within).map(|record| record.raw.clone())).collect()
    }

    /// The names of the columns a translated batch has, but for what is left of records and what is kept as it is.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'static str> {
        let gives = |sources: &[&str]| sources.is_empty() || sources.iter().any(|path| self.has(path));
        TARGETS.iter().filter(move |(_, sources)| gives(sources)).map(|(target, _)| *target)
    }

    /// The names of all columns a translated batch has, in its order.
    pub(super) fn header(&self) -> Vec<String> {
        let rest = self.records.iter().map(|record| record.target);
        let kept = self.kept.iter().map(|(_, target)| target.clone());
        self.targets().chain(rest).map(ToOwned::to_owned).chain(kept).collect()
    }

    /// The columns that charges of the file have, but for those that tags and ownership add.
    pub(super) fn charge_columns(&self) -> BTreeSet<String> {
        columns::of_charges(&self.header())
    }
}

fn lower(raw: &str) -> String {
    raw.trim().to_ascii_lowercase()
}

/// The name under `x_` of a column, in Pascal case.
fn custom(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
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

    fn layout(header: &[&str]) -> Result<Layout, CollectError> {
        let header: Vec<String> = header.iter().chain(NEEDED).map(|name| (*name).to_owned()).collect();
        Layout::of(Path::new("rows.jsonl"), &header)
    }

    #[test]
    fn three_spellings_are_one_field() {
        for raw in ["service", "service.description", "service_description", "Service.Description"] {
            let layout = layout(&[raw]).expect("an export");
            assert!(layout.has("service.description"), "{raw}");
            assert_eq!(layout.raws(&["service.description"]), [raw]);
        }
    }

    #[test]
    fn what_nobody_asks_for_is_kept_by_a_name_of_its_own() {
        let layout =
            layout(&["partition_date", "project.number", "price_unit", "price.effective_price", "_PARTITIONTIME"]);
        let layout = layout.expect("an export");
        let kept: Vec<&str> = layout.kept.iter().map(|(_, target)| target.as_str()).collect();
        let expected =
            ["x_PartitionDate", "x_ProjectNumber", "x_PriceUnit", "x_PriceEffectivePrice", "x_Partitiontime"];
        assert_eq!(kept, expected);
    }

    #[test]
    fn a_file_that_is_no_export_is_told_why() {
        let error = Layout::of(Path::new("a.csv"), &["cost".to_owned()]).expect_err("no export").to_string();
        assert!(error.ends_with("the columns currency, usage_start_time are missing"), "{error}");
        let error = layout(&["credits.amount", "credits.type"]).expect_err("repeats rows").to_string();
        assert!(error.contains("repeated for each of its credits (column credits.amount)"), "{error}");
    }
}
