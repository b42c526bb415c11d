//! The columns of charges, one by one, from the native cells. Each rule with its reason: docs/GOOGLE.md.

use std::borrow::Cow;

use polars::prelude::{PlSmallStr, StringChunked, StringChunkedBuilder};

use super::amounts::{Amount, Amounts};
use super::credits::{Credit, Kind};
use super::invoices::Invoice;
use super::lines::Line;
use super::native::Native;
use super::words;
use crate::labels::Labels;
use crate::native::Cells;

/// A charge: the row it comes from, and which of its credits it is, if it is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub row: usize,
    pub line: Line,
    pub credit: Option<usize>,
}

/// The credits of every row; `None` where they cannot be taken apart.
pub(super) type RowCredits = Labels<Option<Vec<Credit>>>;

/// The native cells that charges are made of.
pub(super) struct Charges<'a> {
    pub native: &'a Native,
    amounts: &'a Amounts<'a>,
    credits: &'a RowCredits,
    invoices: &'a Labels<Invoice>,
    adjustment: [Cells<'a>; 2],
    consumption: [Cells<'a>; 2],
    places: [Cells<'a>; 2],
    pricing: [Cells<'a>; 2],
    resource: [Cells<'a>; 2],
    sku: [Cells<'a>; 2],
    start: Cells<'a>,
    subscription: Cells<'a>,
    usage: [Cells<'a>; 2],
}

impl<'a> Charges<'a> {
    pub(super) fn of(
        native: &'a Native,
        amounts: &'a Amounts<'a>,
        credits: &'a RowCredits,
        invoices: &'a Labels<Invoice>,
    ) -> Self {
        let two = |one, other| [native.cells(one), native.cells(other)];
        Self {
            native,
            amounts,
            credits,
            invoices,
            adjustment: two("adjustment_info.type", "adjustment_info.mode"),
            consumption: two("consumption_model.id", "consumption_model.description"),
            places: two("location.region", "location.location"),
            pricing: two("usage.amount_in_pricing_units", "usage.pricing_unit"),
            resource: two("resource.global_name", "resource.name"),
            sku: two("sku.id", "sku.description"),
            start: native.cells("usage_start_time"),
            subscription: native.cells("subscription.instance_id"),
            usage: two("usage.amount", "usage.unit"),
        }
    }

    /// A column of the charges.
    pub(super) fn column(&self, target: &str, charges: &[Charge]) -> StringChunked {
        let one = |path| self.native.cells(path);
        let same = |path| {
            let cells = one(path);
            fill(target, charges, move |charge| cells.get(charge.row))
        };
        let amounts = self.amounts;
        match target {
            "BilledCost" | "EffectiveCost" => amount(target, charges, |charge| match self.grant(charge) {
                Some(credit) => Some(Cow::Borrowed(credit.amount.as_str())),
                None => amounts.billed(charge.row, self.credits_of(charge.row)),
            }),
            "ListCost" => fill(target, charges, |charge| match self.grant(charge) {
                Some(credit) => Some(credit.amount.as_str()),
                None => amounts.list(charge.line, charge.row),
            }),
            "ContractedCost" => fill(target, charges, |charge| match self.grant(charge) {
                Some(credit) => Some(credit.amount.as_str()),
                None => amounts.contracted(charge.row),
            }),
            "x_Cost" => fill(target, charges, |charge| {
                let reduced = || self.credits_of(charge.row)?.iter().find(|credit| credit.kind.reduces());
                amounts.cost(charge.row).filter(|_| charge.credit.is_none() && reduced().is_some())
            }),
            "ListUnitPrice" => fill(target, charges, |charge| {
                amounts.list_price(charge.row).filter(|_| priced(charge) && self.quantity(charge).is_some())
            }),
            "ContractedUnitPrice" => fill(target, charges, |charge| {
                amounts.contracted_price(charge.row).filter(|_| priced(charge) && self.quantity(charge).is_some())
            }),
            "PricingQuantity" => fill(target, charges, |charge| self.quantity(charge)),
            "PricingUnit" => amount(target, charges, |charge| {
                self.quantity(charge).and_then(|_| self.pricing[1].get(charge.row)).map(words::unit)
            }),
            "ConsumedQuantity" => fill(target, charges, |charge| self.consumed(charge)),
            "ConsumedUnit" => amount(target, charges, |charge| {
                self.consumed(charge).and_then(|_| self.usage[1].get(charge.row)).map(words::unit)
            }),
            "BillingPeriodStart" => fill(target, charges, |charge| self.invoice(charge).start.as_deref()),
            "BillingPeriodEnd" => fill(target, charges, |charge| self.invoice(charge).end.as_deref()),
            "ChargeCategory" => fill(target, charges, |charge| Some(category(charge))),
            "ChargeClass" => fill(target, charges, |charge| self.corrects(charge).then_some("Correction")),
            "ChargeFrequency" => fill(target, charges, |charge| {
                Some(match category(charge) {
                    "Usage" => "Usage-Based",
                    "Purchase" => "Recurring",
                    _ => "One-Time",
                })
            }),
            "ChargeDescription" => fill(target, charges, |charge| match self.grant(charge) {
                Some(credit) => credit.full_name.as_deref().or(credit.name.as_deref()).or(credit.id.as_deref()),
                None => self.sku[1].get(charge.row),
            }),
            "PricingCategory" => fill(target, charges, |charge| match category(charge) {
                "Usage" if self.covered(charge).is_some() => Some("Committed"),
                "Usage" if self.sku[1].get(charge.row).is_some_and(is_spot) => Some("Dynamic"),
                "Usage" | "Purchase" => Some("Standard"),
                _ => None,
            }),
            "CommitmentDiscountId" => fill(target, charges, |charge| self.commitment(charge)),
            "CommitmentDiscountName" => fill(target, charges, |charge| {
                self.commitment(charge)?;
                self.commitment_credit(charge.row)?.full_name.as_deref()
            }),
            "CommitmentDiscountCategory" => fill(target, charges, |charge| {
                self.commitment(charge)?;
                self.covered(charge).or_else(|| self.sold(charge))
            }),
            "CommitmentDiscountType" => {
                fill(target, charges, |charge| self.commitment(charge).map(|_| "Committed Use Discount"))
            }
            "CommitmentDiscountStatus" => fill(target, charges, |charge| {
                self.commitment(charge).filter(|_| charge.line == Line::Usage).map(|_| "Used")
            }),
            "ProviderName" | "InvoiceIssuerName" => fill(target, charges, |_| Some("Google Cloud")),
            "PublisherName" => {
                let (seller, transaction) = (one("seller_name"), one("transaction_type"));
                fill(target, charges, |charge| {
                    let other = transaction.get(charge.row).is_none_or(|kind| !kind.eq_ignore_ascii_case("google"));
                    Some(seller.get(charge.row).filter(|_| other).unwrap_or("Google Cloud"))
                })
            }
            "RegionId" => fill(target, charges, |charge| self.region(charge)),
            "RegionName" => fill(target, charges, |charge| self.region(charge).map(words::region)),
            "ResourceId" => fill(target, charges, |charge| self.bought(charge).or_else(|| self.resource(charge))),
            "ResourceName" => fill(target, charges, |charge| {
                let here = self.bought(charge).is_none();
                // FOCUS 1.2, ResourceName: not the id once more.
                self.resource[1].get(charge.row).filter(|name| here && self.resource(charge) != Some(*name))
            }),
            "ResourceType" => fill(target, charges, |charge| match self.bought(charge) {
                Some(_) => Some("Committed Use Discount"),
                None => self.resource[0].get(charge.row).and_then(words::resource_type),
            }),
            "SkuId" => fill(target, charges, |charge| self.sku(charge)),
            "SkuMeter" => fill(target, charges, |charge| self.sku(charge).and_then(|_| self.sku[1].get(charge.row))),
            "SkuPriceId" => {
                let tier = one("price.tier_start_amount");
                amount(target, charges, |charge| {
                    let sku = self.sku(charge).filter(|_| charge.credit.is_none())?;
                    Some(match tier.get(charge.row) {
                        Some(tier) => format!("{sku}/{tier}").into(),
                        None => sku.into(),
                    })
                })
            }
            "SubAccountType" => {
                let id = one("project.id");
                fill(target, charges, |charge| id.get(charge.row).map(|_| "Project"))
            }
            "x_CreditId" => fill(target, charges, |charge| self.grant(charge)?.id.as_deref()),
            "x_CreditName" => fill(target, charges, |charge| self.grant(charge)?.name.as_deref()),
            "x_CreditType" => fill(target, charges, |charge| self.grant(charge)?.type_name.as_deref()),
            "x_Credits" => {
                let cells = one("credits");
                fill(target, charges, |charge| {
                    let any = self.credits_of(charge.row).is_none_or(|credits| !credits.is_empty());
                    cells.get(charge.row).filter(|_| any && charge.credit.is_none())
                })
            }
            "AvailabilityZone" => same("location.zone"),
            "BillingAccountId" => same("billing_account_id"),
            "BillingCurrency" => same("currency"),
            "ChargePeriodEnd" => same("usage_end_time"),
            "ChargePeriodStart" => same("usage_start_time"),
            "ServiceName" => same("service.description"),
            "SubAccountId" => same("project.id"),
            "SubAccountName" => same("project.name"),
            "x_CostType" => same("cost_type"),
            "x_InvoiceMonth" => same("invoice.month"),
            "x_ServiceId" => same("service.id"),
            other => unreachable!("{other} is a column of TARGETS, and each of them is here"),
        }
    }

    fn credits_of(&self, row: usize) -> Option<&'a [Credit]> {
        self.credits.values[self.credits.rows[row]].as_deref()
    }

    /// The credit that a charge is.
    fn grant(&self, charge: &Charge) -> Option<&'a Credit> {
        self.credits_of(charge.row)?.get(charge.credit?)
    }

    fn invoice(&self, charge: &Charge) -> &'a Invoice {
        &self.invoices.values[self.invoices.rows[charge.row]]
    }

    /// Whether a charge corrects one of an earlier invoice. FOCUS 1.2, ChargeClass: corrections within a month that is not
    /// invoiced yet are none. Other adjustments, such as a closed account's, correct nothing.
    fn corrects(&self, charge: &Charge) -> bool {
        let correction = match self.adjustment.map(|cells| cells.get(charge.row).map(str::trim)) {
            [Some(kind), _] => kind.ends_with("_CORRECTION"),
            [None, Some(mode)] => mode.contains("CORRECTION") || mode.contains("NEGATION"),
            [None, None] => false,
        };
        correction
            && charge.credit.is_none()
            && self.start.get(charge.row).is_some_and(|start| self.invoice(charge).is_after(start))
    }

    /// The discount of a row that a commitment gives.
    fn commitment_credit(&self, row: usize) -> Option<&'a Credit> {
        self.credits_of(row)?.iter().find(|credit| matches!(credit.kind, Kind::Commitment(_)))
    }

    /// What kind of commitment covers a charge, some of it or all: one that gives a discount, or one by which usage is priced.
    fn covered(&self, charge: &Charge) -> Option<&'static str> {
        if charge.credit.is_some() {
            return None;
        }
        if let Some(Kind::Commitment(category)) = self.commitment_credit(charge.row).map(|credit| credit.kind) {
            return Some(category);
        }
        let [id, name] = self.consumption.map(|cells| cells.get(charge.row));
        let default = id == Some(DEFAULT_MODEL) || name.is_some_and(|name| name.eq_ignore_ascii_case("default"));
        ((id.is_some() || name.is_some()) && !default && charge.line == Line::Usage).then_some("Spend")
    }

    /// What kind of commitment a fee is for, by the SKU's name.
    fn sold(&self, charge: &Charge) -> Option<&'static str> {
        let sku = self.sku[1].get(charge.row)?;
        let spend = sku.to_ascii_lowercase().contains("dollar");
        (charge.line == Line::Fee).then_some(if spend { "Spend" } else { "Usage" })
    }

    /// The commitment that a charge buys or uses. The id of a credit is one only where it has a name besides; else it is a
    /// description: `Committed Usage Discount: CPU`.
    fn commitment(&self, charge: &Charge) -> Option<&'a str> {
        let here = charge.credit.is_none() && matches!(charge.line, Line::Usage | Line::Fee);
        let subscription = || self.subscription.get(charge.row);
        let named = || {
            let credit = self.commitment_credit(charge.row)?;
            credit.full_name.as_ref().and(credit.id.as_deref())
        };
        here.then(|| subscription().or_else(named)).flatten()
    }

    /// The commitment that a charge buys. FOCUS 1.2: it is the resource of its purchase.
    fn bought(&self, charge: &Charge) -> Option<&'a str> {
        self.commitment(charge).filter(|_| charge.line == Line::Fee)
    }

    fn resource(&self, charge: &Charge) -> Option<&'a str> {
        self.resource.into_iter().find_map(|cells| cells.get(charge.row))
    }

    fn region(&self, charge: &Charge) -> Option<&'a str> {
        self.places.into_iter().find_map(|cells| cells.get(charge.row))
    }

    /// FOCUS 1.2, SkuId: null on tax.
    fn sku(&self, charge: &Charge) -> Option<&'a str> {
        self.sku[0].get(charge.row).filter(|_| charge.line != Line::Tax)
    }

    /// The amount in pricing units of a charge that has a unit.
    fn quantity(&self, charge: &Charge) -> Option<&'a str> {
        let [amount, unit] = self.pricing.map(|cells| cells.get(charge.row));
        amount.filter(|_| unit.is_some() && charge.credit.is_none() && charge.line != Line::Tax)
    }

    /// What was used. FOCUS 1.2, ConsumedQuantity: usage only.
    fn consumed(&self, charge: &Charge) -> Option<&'a str> {
        let [amount, unit] = self.usage.map(|cells| cells.get(charge.row));
        amount.filter(|_| unit.is_some() && charge.credit.is_none() && charge.line == Line::Usage)
    }
}

/// The id of the consumption model that no commitment changes.
const DEFAULT_MODEL: &str = "7754-699E-0EBF";

fn category(charge: &Charge) -> &'static str {
    if charge.credit.is_some() { "Credit" } else { charge.line.category() }
}

/// Whether a unit price may stand on the charge.
fn priced(charge: &Charge) -> bool {
    charge.credit.is_none() && matches!(charge.line, Line::Usage | Line::Fee)
}

fn is_spot(sku: &str) -> bool {
    ["Spot ", "Preemptible "].iter().any(|word| sku.contains(word))
}

fn fill<'a>(target: &str, charges: &[Charge], say: impl Fn(&Charge) -> Option<&'a str>) -> StringChunked {
    amount(target, charges, |charge| say(charge).map(Cow::Borrowed))
}

fn amount<'a>(target: &str, charges: &[Charge], say: impl Fn(&Charge) -> Amount<'a>) -> StringChunked {
    let mut texts = StringChunkedBuilder::new(PlSmallStr::from_str(target), charges.len());
    charges.iter().for_each(|charge| texts.append_option(say(charge).as_deref()));
    texts.finish()
}
