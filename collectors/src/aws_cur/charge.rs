//! The columns of charges, one by one, from the native cells. Each rule with its reason: docs/AWS.md.

use std::borrow::Cow;

use polars::prelude::{PlSmallStr, StringChunked, StringChunkedBuilder};

use super::amounts::{Amount, Amounts};
use super::lines::LineType;
use super::native::Native;
use super::words;
use crate::native::Cells;

/// A charge: the line it comes from, and whether it is more than that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    /// The row of the line.
    pub row: usize,
    pub line: LineType,
    /// It is the share of a commitment that nobody used, which the fee's line states.
    pub unused: bool,
    /// Its billed cost went into a pair.
    pub folded: bool,
}

/// The native cells that charges are made of.
pub(super) struct Charges<'a> {
    native: &'a Native,
    amounts: &'a Amounts<'a>,
    plan: Cells<'a>,
    reservation: Cells<'a>,
    tax_type: Cells<'a>,
    product_code: Cells<'a>,
    pricing_unit: Cells<'a>,
    currency: Cells<'a>,
    region: [Cells<'a>; 2],
    sku: Cells<'a>,
    rate_code: Cells<'a>,
}

impl<'a> Charges<'a> {
    pub(super) fn of(native: &'a Native, amounts: &'a Amounts<'a>) -> Self {
        let one = |name| native.cells(name);
        Self {
            native,
            amounts,
            plan: one("savings_plan_savings_plan_a_r_n"),
            reservation: one("reservation_reservation_a_r_n"),
            tax_type: one("line_item_tax_type"),
            product_code: one("line_item_product_code"),
            pricing_unit: one("pricing_unit"),
            currency: one("line_item_currency_code"),
            region: [one("product_region_code"), one("product_region")],
            sku: one("product_sku"),
            rate_code: one("pricing_rate_code"),
        }
    }

    /// A column of the charges.
    pub(super) fn column(&self, target: &str, charges: &[Charge]) -> StringChunked {
        let one = |name| self.native.cells(name);
        let same = |name| {
            let cells = one(name);
            fill(target, charges, move |charge| cells.get(charge.row))
        };
        let amounts = self.amounts;
        match target {
            "BilledCost" => amount(target, charges, |charge| match charge.unused {
                true => NOTHING,
                false if charge.folded => NOTHING,
                false => amounts.stated(charge.row).map(Cow::Borrowed),
            }),
            "EffectiveCost" => amount(target, charges, |charge| match charge.unused {
                true => amounts.unused(charge.line, charge.row),
                false => amounts.effective(charge.line, charge.row),
            }),
            "ListCost" => amount(target, charges, |charge| match charge.unused {
                true => NOTHING,
                false => amounts.list(charge.line, charge.row).0,
            }),
            "ContractedCost" => amount(target, charges, |charge| match charge.unused {
                true => NOTHING,
                false => amounts.contracted(charge.line, charge.row),
            }),
            "ListUnitPrice" => fill(target, charges, |charge| {
                let price = amounts.list_price(charge.row).filter(|_| self.quantity(charge).is_some())?;
                amounts.list(charge.line, charge.row).1.then_some(price)
            }),
            "ContractedUnitPrice" => fill(target, charges, |charge| {
                self.quantity(charge)?;
                amounts.contracted_price(charge.line, charge.row)
            }),
            "PricingQuantity" => fill(target, charges, |charge| self.quantity(charge)),
            "PricingUnit" => amount(target, charges, |charge| self.quantity(charge).and_then(|_| self.unit(charge))),
            "ConsumedQuantity" => fill(target, charges, |charge| self.quantity(charge).filter(|_| consumes(charge))),
            "ConsumedUnit" => amount(target, charges, |charge| {
                self.quantity(charge).filter(|_| consumes(charge)).and_then(|_| self.unit(charge))
            }),
            "x_UsageAmount" => fill(target, charges, |charge| match self.quantity(charge) {
                Some(_) => None,
                None => amounts.quantity.get(charge.row).filter(|_| !charge.unused),
            }),
            "ChargeCategory" => fill(target, charges, |charge| Some(self.category(charge))),
            "ChargeClass" => {
                let (start, period) = (one("line_item_usage_start_date"), one("bill_billing_period_start_date"));
                fill(target, charges, |charge| {
                    let day = |cells: Cells<'a>| cells.get(charge.row).and_then(|text| text.get(..10));
                    let earlier = day(start).zip(day(period)).is_some_and(|(day, first)| day < first);
                    (charge.line == LineType::Refund && earlier).then_some("Correction")
                })
            }
            "ChargeFrequency" => fill(target, charges, |charge| Some(self.frequency(charge))),
            "PricingCategory" => {
                let (term, usage_type) = (one("pricing_term"), one("line_item_usage_type"));
                fill(target, charges, |charge| {
                    let spot = || {
                        term.get(charge.row) == Some("Spot")
                            || usage_type.get(charge.row).is_some_and(|usage| usage.contains("SpotUsage"))
                    };
                    match (charge.line, self.category(charge)) {
                        (LineType::Covered | LineType::Reserved, _) => Some("Committed"),
                        (_, "Usage") if charge.unused => Some("Committed"),
                        (LineType::Usage, _) if spot() => Some("Dynamic"),
                        (_, "Usage" | "Purchase") => Some("Standard"),
                        _ => None,
                    }
                })
            }
            "CommitmentDiscountId" => fill(target, charges, |charge| self.commitment(charge).map(|(id, _)| id)),
            "CommitmentDiscountCategory" => {
                fill(target, charges, |charge| self.commitment(charge).map(|(_, of)| of.category()))
            }
            "CommitmentDiscountType" => {
                fill(target, charges, |charge| self.commitment(charge).map(|(_, of)| of.title()))
            }
            "CommitmentDiscountStatus" => fill(target, charges, |charge| match charge.line {
                _ if self.commitment(charge).is_none() => None,
                _ if charge.unused => Some("Unused"),
                LineType::Covered | LineType::Reserved => Some("Used"),
                _ => None,
            }),
            "CommitmentDiscountQuantity" => {
                amount(target, charges, |charge| self.committed(charge).map(|(quantity, _)| quantity))
            }
            "CommitmentDiscountUnit" => amount(target, charges, |charge| self.committed(charge).map(|(_, unit)| unit)),
            "ResourceId" => {
                let resource = one("line_item_resource_id");
                fill(target, charges, |charge| match self.buys(charge) {
                    Some((id, _)) => Some(id),
                    None => resource.get(charge.row),
                })
            }
            "ResourceType" => {
                let resource = one("line_item_resource_id");
                fill(target, charges, |charge| match self.buys(charge) {
                    Some((_, of)) => Some(of.title()),
                    None => words::resource_type(resource.get(charge.row)?, self.product_code.get(charge.row)),
                })
            }
            "RegionId" => fill(target, charges, |charge| self.region(charge)),
            "RegionName" => {
                let (location, of) = (one("product_location"), one("product_location_type"));
                fill(target, charges, |charge| {
                    let id = self.region(charge)?;
                    let stated = location.get(charge.row).filter(|_| of.get(charge.row) == Some("AWS Region"));
                    words::region(id).or(stated)
                })
            }
            "ServiceName" => {
                let names = [one("product_product_name"), one("product_servicename")];
                fill(target, charges, |charge| names.iter().find_map(|cells| cells.get(charge.row)))
            }
            "SkuId" => fill(target, charges, |charge| self.sku(charge)),
            "SkuPriceId" => {
                fill(target, charges, |charge| self.rate_code.get(charge.row).filter(|_| self.sku(charge).is_some()))
            }
            "SkuMeter" => {
                let usage_type = one("line_item_usage_type");
                fill(target, charges, |charge| usage_type.get(charge.row).filter(|_| self.sku(charge).is_some()))
            }
            "ProviderName" => fill(target, charges, |_| Some("AWS")),
            "AvailabilityZone" => same("line_item_availability_zone"),
            "BillingAccountId" => same("bill_payer_account_id"),
            "BillingAccountName" => same("bill_payer_account_name"),
            "BillingCurrency" => same("line_item_currency_code"),
            "BillingPeriodEnd" => same("bill_billing_period_end_date"),
            "BillingPeriodStart" => same("bill_billing_period_start_date"),
            "ChargeDescription" => same("line_item_line_item_description"),
            "ChargePeriodEnd" => same("line_item_usage_end_date"),
            "ChargePeriodStart" => same("line_item_usage_start_date"),
            "InvoiceId" => same("bill_invoice_id"),
            "InvoiceIssuerName" => same("bill_invoicing_entity"),
            "PublisherName" => same("line_item_legal_entity"),
            "SubAccountId" => same("line_item_usage_account_id"),
            "SubAccountName" => same("line_item_usage_account_name"),
            "x_ServiceCode" => same("line_item_product_code"),
            "x_UnblendedCost" => {
                let unblended = one("line_item_unblended_cost");
                fill(target, charges, |charge| unblended.get(charge.row).filter(|_| !charge.unused))
            }
            other => unreachable!("{other} is a column of TARGETS, and each of them is here"),
        }
    }

    fn category(&self, charge: &Charge) -> &'static str {
        match charge.line {
            _ if charge.unused => "Usage",
            LineType::Usage | LineType::Reserved | LineType::Covered | LineType::Negation | LineType::Discount => {
                "Usage"
            }
            LineType::PlanFee
            | LineType::PlanUpfront
            | LineType::ReservationFee
            | LineType::Fee
            | LineType::Subscription => "Purchase",
            LineType::Tax => "Tax",
            LineType::Credit => "Credit",
            LineType::Refund if self.tax_type.get(charge.row).is_some() => "Tax",
            LineType::Refund if self.commitment(charge).is_some() => "Purchase",
            LineType::Refund => "Usage",
            LineType::Unknown => "Adjustment",
        }
    }

    fn frequency(&self, charge: &Charge) -> &'static str {
        let support = || self.product_code.get(charge.row).is_some_and(|code| code.starts_with("AWSSupport"));
        match charge.line {
            _ if charge.unused => "Usage-Based",
            LineType::Usage | LineType::Reserved | LineType::Covered | LineType::Negation | LineType::Discount => {
                "Usage-Based"
            }
            LineType::PlanFee | LineType::ReservationFee | LineType::Subscription => "Recurring",
            LineType::Fee if support() => "Recurring",
            _ => "One-Time",
        }
    }

    /// The commitment that a charge buys, uses or leaves unused.
    fn commitment(&self, charge: &Charge) -> Option<(&'a str, Commitment)> {
        let plan = || self.plan.get(charge.row).map(|id| (id, Commitment::SavingsPlan));
        let reservation = || self.reservation.get(charge.row).map(|id| (id, Commitment::Reservation));
        match charge.line {
            LineType::Covered | LineType::PlanFee | LineType::PlanUpfront => plan(),
            LineType::Reserved | LineType::ReservationFee | LineType::Fee => reservation(),
            LineType::Refund => plan().or_else(reservation),
            _ => None,
        }
    }

    /// The same of a charge whose resource is the commitment.
    fn buys(&self, charge: &Charge) -> Option<(&'a str, Commitment)> {
        self.commitment(charge).filter(|_| !matches!(charge.line, LineType::Covered | LineType::Reserved))
    }

    /// How much of the commitment a charge is about, and in what unit: the currency, or the hours of normalised units
    /// where AWS has those, which are the same for all sizes of a family.
    fn committed(&self, charge: &Charge) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let (_, of) = self.commitment(charge)?;
        let one = |name| self.native.cells(name).get(charge.row).map(Cow::Borrowed);
        if of == Commitment::SavingsPlan {
            let quantity = match charge.line {
                _ if charge.unused => self.amounts.unused(charge.line, charge.row),
                // Before discounts, for a commitment is not discounted.
                LineType::Covered => one("savings_plan_savings_plan_effective_cost"),
                LineType::PlanFee => one("savings_plan_total_commitment_to_date"),
                _ => None,
            };
            return quantity.zip(self.currency.get(charge.row).map(Cow::Borrowed));
        }
        let (normalised, units) = match charge.line {
            _ if charge.unused => ("reservation_unused_normalized_unit_quantity", "reservation_unused_quantity"),
            LineType::Reserved => ("line_item_normalized_usage_amount", "line_item_usage_amount"),
            LineType::ReservationFee => {
                ("reservation_total_reserved_normalized_units", "reservation_total_reserved_units")
            }
            _ => return None,
        };
        match one(normalised) {
            Some(quantity) => Some((quantity, "Normalized-Unit-Hours".into())),
            None => one(units).zip(self.unit(charge).or(Some("Hours".into()))),
        }
    }

    /// The usage amount of a charge that has a unit.
    fn quantity(&self, charge: &Charge) -> Option<&'a str> {
        let priced = !matches!(charge.line, LineType::Tax | LineType::Discount | LineType::Negation) && !charge.unused;
        self.pricing_unit.get(charge.row).filter(|_| priced)?;
        self.amounts.quantity.get(charge.row)
    }

    fn unit(&self, charge: &Charge) -> Amount<'a> {
        self.pricing_unit.get(charge.row).map(words::unit)
    }

    fn region(&self, charge: &Charge) -> Option<&'a str> {
        self.region.into_iter().find_map(|cells| cells.get(charge.row))
    }

    /// The SKU; where only the price is named, its first part is the SKU.
    fn sku(&self, charge: &Charge) -> Option<&'a str> {
        if charge.line == LineType::Tax {
            return None;
        }
        let of_price = || self.rate_code.get(charge.row).and_then(|code| code.split('.').next());
        self.sku.get(charge.row).or_else(of_price)
    }
}

/// What AWS sells in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commitment {
    SavingsPlan,
    Reservation,
}

impl Commitment {
    const fn category(self) -> &'static str {
        match self {
            Self::SavingsPlan => "Spend",
            Self::Reservation => "Usage",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::SavingsPlan => "Savings Plan",
            Self::Reservation => "Reserved Instance",
        }
    }
}

const NOTHING: Amount<'static> = Some(Cow::Borrowed("0"));

/// Whether the charge is for usage that was measured.
fn consumes(charge: &Charge) -> bool {
    matches!(charge.line, LineType::Usage | LineType::Reserved | LineType::Covered)
}

fn fill<'a>(target: &str, charges: &[Charge], say: impl Fn(&Charge) -> Option<&'a str>) -> StringChunked {
    amount(target, charges, |charge| say(charge).map(Cow::Borrowed))
}

fn amount<'a>(target: &str, charges: &[Charge], say: impl Fn(&Charge) -> Amount<'a>) -> StringChunked {
    let mut texts = StringChunkedBuilder::new(PlSmallStr::from_str(target), charges.len());
    charges.iter().for_each(|charge| texts.append_option(say(charge).as_deref()));
    texts.finish()
}
