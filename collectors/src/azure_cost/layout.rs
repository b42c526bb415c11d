//! What the columns of a file are, by name and in any order.
//!
//! The same column has other letters and other words in each kind of agreement and version (`CostInBillingCurrency`,
//! `costInBillingCurrency`, `Cost`, `PreTaxCost`), and in translated exports its English name stands in brackets behind the
//! translated one. Names are compared by their letters and digits.

use std::collections::BTreeSet;
use std::path::Path;

use crate::CollectError;
use crate::normalise::columns;

/// The native columns that become something else than a text under `x_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    AdditionalInfo,
    AvailabilityZone,
    BenefitId,
    BenefitName,
    BillingAccountId,
    BillingAccountName,
    BillingProfileId,
    BillingProfileName,
    ChargeType,
    ConsumedService,
    Cost,
    Currency,
    Date,
    ExchangeRate,
    Frequency,
    InvoiceId,
    ListCost,
    ListPrice,
    Location,
    MeterCategory,
    MeterId,
    MeterName,
    PartNumber,
    PartnerName,
    PeriodEnd,
    PeriodStart,
    PreviousInvoiceId,
    PricingCurrency,
    PricingModel,
    ProductId,
    ProductName,
    PublisherName,
    PublisherType,
    Quantity,
    ReservationId,
    ReservationName,
    ResourceId,
    ResourceName,
    SubscriptionId,
    SubscriptionName,
    Tags,
    Unit,
    UnitPrice,
}

/// The names of each, in lower case and without anything but letters and digits; of two that a file has, the first counts.
const NAMES: &[(Field, &[&str])] = &[
    (Field::AdditionalInfo, &["additionalinfo"]),
    (Field::AvailabilityZone, &["availabilityzone"]),
    (Field::BenefitId, &["benefitid"]),
    (Field::BenefitName, &["benefitname"]),
    (Field::BillingAccountId, &["billingaccountid"]),
    (Field::BillingAccountName, &["billingaccountname"]),
    (Field::BillingProfileId, &["billingprofileid"]),
    (Field::BillingProfileName, &["billingprofilename"]),
    (Field::ChargeType, &["chargetype"]),
    (Field::ConsumedService, &["consumedservice"]),
    (Field::Cost, &["costinbillingcurrency", "cost", "pretaxcost", "extendedcost"]),
    (Field::Currency, &["billingcurrency", "billingcurrencycode", "currency", "currencycode"]),
    (Field::Date, &["date", "usagedatetime", "usagedate"]),
    (Field::ExchangeRate, &["exchangeratepricingtobilling", "exchangerate"]),
    (Field::Frequency, &["frequency"]),
    (Field::InvoiceId, &["invoiceid"]),
    (Field::ListCost, &["paygcostinbillingcurrency"]),
    (Field::ListPrice, &["paygprice", "marketprice"]),
    (Field::Location, &["resourcelocation", "resourcelocationnormalized", "location", "meterregion"]),
    (Field::MeterCategory, &["metercategory"]),
    (Field::MeterId, &["meterid"]),
    (Field::MeterName, &["metername"]),
    (Field::PartNumber, &["partnumber"]),
    (Field::PartnerName, &["partnername"]),
    (Field::PeriodEnd, &["billingperiodenddate", "billingperiodend"]),
    (Field::PeriodStart, &["billingperiodstartdate", "billingperiodstart"]),
    (Field::PreviousInvoiceId, &["previousinvoiceid"]),
    (Field::PricingCurrency, &["pricingcurrency", "pricingcurrencycode"]),
    (Field::PricingModel, &["pricingmodel"]),
    (Field::ProductId, &["productid"]),
    (Field::ProductName, &["productname", "product"]),
    (Field::PublisherName, &["publishername"]),
    (Field::PublisherType, &["publishertype"]),
    (Field::Quantity, &["quantity", "usagequantity", "consumedquantity"]),
    (Field::ReservationId, &["reservationid"]),
    (Field::ReservationName, &["reservationname"]),
    (Field::ResourceId, &["resourceid", "instanceid", "instancename"]),
    (Field::ResourceName, &["resourcename"]),
    (Field::SubscriptionId, &["subscriptionid", "subscriptionguid"]),
    (Field::SubscriptionName, &["subscriptionname"]),
    (Field::Tags, &["tags"]),
    (Field::Unit, &["unitofmeasure"]),
    (Field::UnitPrice, &["unitprice", "resourcerate"]),
];

/// Those whose text a charge does not carry on in another column: they stay under `x_` as well.
const ALSO_KEPT: &[Field] = &[
    Field::ChargeType,
    Field::ExchangeRate,
    Field::ListPrice,
    Field::PreviousInvoiceId,
    Field::PricingCurrency,
    Field::PricingModel,
    Field::PublisherType,
    Field::Unit,
    Field::UnitPrice,
];

/// Columns without which no charge can be kept, as the newest files name them.
const NEEDED: &[(Field, &str)] =
    &[(Field::Currency, "BillingCurrency"), (Field::Cost, "CostInBillingCurrency"), (Field::Date, "Date")];

/// The columns of a charge, and for those that not every file can fill, what fills them: one of these.
const TARGETS: &[(&str, &[Field])] = &[
    ("AvailabilityZone", &[Field::AvailabilityZone]),
    ("BilledCost", &[]),
    ("BillingAccountId", ACCOUNTS),
    ("BillingAccountName", &[Field::BillingAccountName, Field::BillingProfileName]),
    ("BillingAccountType", ACCOUNTS),
    ("BillingCurrency", &[]),
    ("BillingPeriodEnd", &[]),
    ("BillingPeriodStart", &[]),
    ("ChargeCategory", &[]),
    ("ChargeClass", &[]),
    ("ChargeDescription", &[Field::ProductName, Field::MeterName]),
    ("ChargeFrequency", &[]),
    ("ChargePeriodEnd", &[]),
    ("ChargePeriodStart", &[]),
    ("CommitmentDiscountCategory", COMMITMENTS),
    ("CommitmentDiscountId", COMMITMENTS),
    ("CommitmentDiscountName", &[Field::BenefitName, Field::ReservationName]),
    ("CommitmentDiscountStatus", COMMITMENTS),
    ("CommitmentDiscountType", COMMITMENTS),
    ("ConsumedQuantity", &[Field::Quantity]),
    ("ConsumedUnit", &[Field::Quantity]),
    ("ContractedCost", &[]),
    ("ContractedUnitPrice", &[Field::UnitPrice]),
    ("EffectiveCost", &[]),
    ("InvoiceId", &[Field::InvoiceId]),
    ("InvoiceIssuerName", &[]),
    ("ListCost", &[]),
    ("ListUnitPrice", &[Field::ListPrice]),
    ("PricingCategory", &[]),
    ("PricingQuantity", &[Field::Quantity]),
    ("PricingUnit", &[Field::Quantity]),
    ("ProviderName", &[]),
    ("PublisherName", &[Field::PublisherName, Field::PublisherType]),
    ("RegionId", &[Field::Location]),
    ("RegionName", &[Field::Location]),
    ("ResourceId", RESOURCES),
    ("ResourceName", RESOURCES),
    ("ResourceType", RESOURCES),
    ("ServiceName", &[Field::MeterCategory]),
    ("SkuId", SKUS),
    ("SkuMeter", &[Field::MeterName]),
    ("SkuPriceDetails", &[Field::AdditionalInfo]),
    ("SkuPriceId", SKUS),
    ("SubAccountId", &[Field::SubscriptionId]),
    ("SubAccountName", &[Field::SubscriptionName]),
    ("SubAccountType", &[Field::SubscriptionId]),
    ("Tags", &[Field::Tags]),
    ("x_Quantity", &[Field::Quantity]),
    ("x_ServiceCode", &[Field::ConsumedService]),
];

const ACCOUNTS: &[Field] = &[Field::BillingAccountId, Field::BillingProfileId];
const COMMITMENTS: &[Field] = &[Field::BenefitId, Field::ReservationId];
const RESOURCES: &[Field] = &[Field::ResourceId, Field::ResourceName, Field::BenefitId, Field::ReservationId];
const SKUS: &[Field] = &[Field::MeterId, Field::PartNumber, Field::ProductId];

/// What the columns of a file are.
#[derive(Debug)]
pub(super) struct Layout {
    read: Vec<(Field, String)>,
    /// Whether it is of a Microsoft customer agreement, where billing profiles are invoiced.
    pub customer: bool,
    /// Columns that stay as they are: their name in the file and in the charge.
    pub kept: Vec<(String, String)>,
}

impl Layout {
    /// Tells the columns of a file apart.
    ///
    /// # Errors
    /// [`CollectError::NotAzureCost`] naming the columns it lacks.
    pub(super) fn of(path: &Path, header: &[String]) -> Result<Self, CollectError> {
        let names: Vec<String> = header.iter().map(|raw| canonical(raw)).collect();
        let customer = names.iter().any(|name| name == "exchangeratepricingtobilling" || name == "pricingcurrency");
        let mut layout = Self { read: Vec::new(), customer, kept: Vec::new() };
        for (field, known) in NAMES {
            let place = known.iter().find_map(|name| names.iter().position(|other| other == name));
            layout.read.extend(place.map(|place| (*field, header[place].clone())));
        }
        header.iter().for_each(|raw| layout.keep(raw));
        let lacks = |field: Field| layout.raw(field).is_none();
        let missing: Vec<_> = NEEDED.iter().filter(|(field, _)| lacks(*field)).map(|(_, name)| *name).collect();
        if missing.is_empty() {
            return Ok(layout);
        }
        let focus = ["billedcost", "chargeperiodstart"].iter().all(|name| names.iter().any(|other| other == name));
        let hint = if focus { "; it is a FOCUS export, which is of kind focus" } else { "" };
        Err(CollectError::NotAzureCost { path: path.to_owned(), missing: missing.join(", "), hint })
    }

    /// Keeps a column as it is, unless charges carry it on.
    fn keep(&mut self, raw: &str) {
        let field = self.read.iter().find(|(_, read)| read == raw).map(|(field, _)| *field);
        // Who is not invoiced stays as well: the account of a profile, the profile of an account.
        let other = match self.customer {
            true => field.is_some_and(|field| matches!(field, Field::BillingAccountId | Field::BillingAccountName)),
            false => field.is_some_and(|field| matches!(field, Field::BillingProfileId | Field::BillingProfileName)),
        };
        if field.is_some_and(|field| !other && !ALSO_KEPT.contains(&field)) {
            return;
        }
        let wanted = custom(raw);
        let mut target = wanted.clone();
        while self.kept.iter().any(|(_, kept)| *kept == target) || TARGETS.iter().any(|(other, _)| *other == target) {
            target.push('2');
        }
        self.kept.push((raw.to_owned(), target));
    }

    /// The file's name of a column.
    pub(super) fn raw(&self, field: Field) -> Option<&str> {
        self.read.iter().find(|(known, _)| *known == field).map(|(_, raw)| raw.as_str())
    }

    /// The columns that are read one by one.
    pub(super) fn read(&self) -> impl Iterator<Item = (Field, &str)> {
        self.read.iter().map(|(field, raw)| (*field, raw.as_str()))
    }

    /// The names of the columns a translated batch has, but for those that are kept as they are.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'static str> {
        let gives = |sources: &[Field]| sources.is_empty() || sources.iter().any(|field| self.raw(*field).is_some());
        TARGETS.iter().filter(move |(_, sources)| gives(sources)).map(|(target, _)| *target)
    }

    /// The names of all columns a translated batch has, in its order.
    pub(super) fn header(&self) -> Vec<String> {
        let kept = self.kept.iter().map(|(_, target)| target.clone());
        self.targets().map(ToOwned::to_owned).chain(kept).collect()
    }

    /// The columns that charges of the file have, but for those that tags and ownership add.
    pub(super) fn charge_columns(&self) -> BTreeSet<String> {
        columns::of_charges(&self.header())
    }
}

/// The English name: what stands in brackets behind a translated one.
fn english(raw: &str) -> &str {
    let raw = raw.trim();
    raw.strip_suffix(')').and_then(|raw| raw.rsplit_once('(')).map_or(raw, |(_, name)| name.trim())
}

/// A name without what is written in several ways.
fn canonical(raw: &str) -> String {
    english(raw).chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The name under `x_` of a column: in Pascal case.
fn custom(raw: &str) -> String {
    let name = english(raw);
    let name = name.strip_prefix("x_").unwrap_or(name);
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let pascal: String = words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        })
        .collect();
    format!("x_{}", if pascal.is_empty() { "Unnamed" } else { &pascal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(header: &[&str]) -> Result<Layout, CollectError> {
        Layout::of(Path::new("cost.csv"), &header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_version_has_the_same_columns() {
        for header in [
            ["Date", "CostInBillingCurrency", "BillingCurrencyCode"],
            ["date", "costInBillingCurrency", "billingCurrency"],
            ["UsageDateTime", "PreTaxCost", "Currency"],
            ["Datum (Date)", "Kosten in Abrechnungswährung (CostInBillingCurrency)", "Währung (BillingCurrencyCode)"],
            ["DATE", "cost", "Billing Currency"],
        ] {
            let layout = layout(&header).expect("cost details");
            let raws = [Field::Date, Field::Cost, Field::Currency].map(|field| layout.raw(field));
            assert_eq!(raws, header.map(Some));
            assert_eq!(layout.kept, []);
        }
    }

    #[test]
    fn what_charges_do_not_carry_on_is_kept() {
        let header = [
            "Date",
            "CostInBillingCurrency",
            "Cost",
            "BillingCurrency",
            "costInUsd",
            "ChargeType",
            "BillingAccountId",
            "BillingProfileId",
            "PricingCurrency",
            "Dienstfamilie (ServiceFamily)",
            "x_Odd one",
            "Größe",
        ];
        let layout = layout(&header).expect("cost details");
        let kept: Vec<&str> = layout.kept.iter().map(|(_, target)| target.as_str()).collect();
        let expected = [
            "x_Cost",
            "x_CostInUsd",
            "x_ChargeType",
            "x_BillingAccountId",
            "x_PricingCurrency",
            "x_ServiceFamily",
            "x_OddOne",
            "x_Größe",
        ];
        assert_eq!(kept, expected);
        assert!(layout.customer);
    }

    #[test]
    fn a_file_that_is_none_is_told_what_it_lacks() {
        let error = layout(&["Date", "Tags"]).expect_err("is none").to_string();
        assert!(error.ends_with("these columns are missing: BillingCurrency, CostInBillingCurrency"), "{error}");
        let error = layout(&["BilledCost", "BillingCurrency", "ChargePeriodStart"]).expect_err("is none").to_string();
        assert!(error.ends_with("it is a FOCUS export, which is of kind focus"), "{error}");
    }
}
