//! The columns of charges, one by one, from the native cells. Each rule with its reason: docs/AZURE.md.

use std::borrow::Cow;

use polars::prelude::{NewChunkedArray, PlSmallStr, StringChunked, StringChunkedBuilder};

use super::amounts::{Amount, Amounts};
use super::layout::Field;
use super::lines::{ChargeType, Line, PricingModel};
use super::native::Native;
use super::regions::region;
use super::{dates, words};
use crate::labels::Labels;
use crate::native::Cells;

/// The native cells that charges are made of.
pub(super) struct Charges<'a> {
    native: &'a Native,
    amounts: &'a Amounts<'a>,
    /// The rows that become charges.
    rows: &'a [usize],
    customer: bool,
    benefit: [Cells<'a>; 2],
    unit: Cells<'a>,
    date: Cells<'a>,
    period_start: Cells<'a>,
}

impl<'a> Charges<'a> {
    pub(super) fn of(native: &'a Native, amounts: &'a Amounts<'a>, rows: &'a [usize], customer: bool) -> Self {
        let one = |field| native.cells(field);
        Self {
            native,
            amounts,
            rows,
            customer,
            benefit: [one(Field::BenefitId), one(Field::ReservationId)],
            unit: one(Field::Unit),
            date: one(Field::Date),
            period_start: one(Field::PeriodStart),
        }
    }

    /// A column of the charges.
    pub(super) fn column(&self, target: &str) -> StringChunked {
        let one = |field| self.native.cells(field);
        let amounts = self.amounts;
        let said = |fields: &[Field]| {
            let cells: Vec<Cells<'a>> = fields.iter().map(|field| one(*field)).collect();
            self.fill(target, move |row, _| cells.iter().find_map(|cells| cells.get(row)))
        };
        match target {
            "BilledCost" => self.amount(target, |row, _| amounts.billed(row)),
            "EffectiveCost" => self.amount(target, |row, _| amounts.effective(row)),
            "ListCost" => self.amount(target, |row, _| amounts.list(row)),
            "ContractedCost" => self.amount(target, |row, _| amounts.contracted(row)),
            "ListUnitPrice" => self.amount(target, |row, _| amounts.list_unit_price(row)),
            "ContractedUnitPrice" => self.amount(target, |row, _| amounts.contracted_unit_price(row)),
            "PricingQuantity" => self.amount(target, |row, _| amounts.pricing_quantity(row)),
            "PricingUnit" => self.unit(target, |row, _| amounts.pricing_quantity(row).is_some()),
            "ConsumedQuantity" => {
                self.fill(target, |row, line| amounts.quantity(row).filter(|_| line.charge_type == ChargeType::Usage))
            }
            "ConsumedUnit" => {
                self.unit(target, |row, line| line.charge_type == ChargeType::Usage && amounts.quantity(row).is_some())
            }
            "x_Quantity" => {
                let quantities = one(Field::Quantity);
                self.fill(target, |row, _| match amounts.pricing_quantity(row) {
                    Some(_) => None,
                    None => quantities.get(row),
                })
            }
            "BillingAccountId" => said(&self.account(Field::BillingAccountId, Field::BillingProfileId)),
            "BillingAccountName" => said(&self.account(Field::BillingAccountName, Field::BillingProfileName)),
            "BillingAccountType" => {
                let [first, second] = self.account(Field::BillingAccountId, Field::BillingProfileId).map(&one);
                let types = match self.customer {
                    true => ["Billing Profile", "Billing Account"],
                    false => ["Billing Account", "Billing Profile"],
                };
                self.fill(target, move |row, _| match (first.get(row), second.get(row)) {
                    (Some(_), _) => Some(types[0]),
                    (None, Some(_)) => Some(types[1]),
                    (None, None) => None,
                })
            }
            "BillingCurrency" => said(&[Field::Currency]),
            "BillingPeriodStart" => self.each(target, self.period(self.period_start), |(said, date)| match said {
                Some(said) => Some(dates::start(said)),
                None => dates::month(date?).map(|(start, _)| start),
            }),
            "BillingPeriodEnd" => self.each(target, self.period(one(Field::PeriodEnd)), |(said, date)| match said {
                Some(said) => dates::end(said),
                None => dates::month(date?).map(|(_, end)| end),
            }),
            "ChargePeriodStart" => self.each(target, self.cells(self.date), |date| date.map(dates::start)),
            "ChargePeriodEnd" => self.each(target, self.cells(self.date), |date| date.and_then(dates::end)),
            "ChargeCategory" => self.fill(target, |_, line| Some(category(line))),
            "ChargeClass" => {
                let previous = one(Field::PreviousInvoiceId);
                self.fill(target, |row, line| {
                    let corrects = || previous.get(row).is_some() || self.is_of_an_earlier_period(row);
                    (line.charge_type == ChargeType::Refund && corrects()).then_some("Correction")
                })
            }
            "ChargeFrequency" => {
                let frequency = one(Field::Frequency);
                self.fill(target, |row, line| Some(self::frequency(frequency.get(row), line)))
            }
            "ChargeDescription" => said(&[Field::ProductName, Field::MeterName]),
            "PricingCategory" => self.fill(target, |_, line| pricing_category(line)),
            "CommitmentDiscountId" => self.fill(target, |row, line| self.commitment(row, line).map(|(id, _)| id)),
            "CommitmentDiscountName" => {
                let names = [one(Field::BenefitName), one(Field::ReservationName)];
                self.fill(target, |row, line| {
                    self.commitment(row, line)?;
                    names.iter().find_map(|cells| cells.get(row))
                })
            }
            "CommitmentDiscountCategory" => {
                self.fill(target, |row, line| self.commitment(row, line).map(|(_, of)| of.category()))
            }
            "CommitmentDiscountType" => {
                self.fill(target, |row, line| self.commitment(row, line).map(|(_, of)| of.title()))
            }
            "CommitmentDiscountStatus" => self.fill(target, |row, line| {
                self.commitment(row, line)?;
                match line.charge_type {
                    ChargeType::Unused => Some("Unused"),
                    ChargeType::Usage => Some("Used"),
                    _ => None,
                }
            }),
            "ResourceId" => {
                let (ids, names) = (one(Field::ResourceId), one(Field::ResourceName));
                self.fill(target, |row, line| match self.is_the_resource(row, line) {
                    Some((id, _)) => Some(id),
                    None => ids.get(row).or_else(|| names.get(row)),
                })
            }
            "ResourceName" => {
                let (ids, names) = (one(Field::ResourceId), one(Field::ResourceName));
                self.fill(target, |row, line| match self.is_the_resource(row, line) {
                    Some(_) => None,
                    None => names.get(row).or_else(|| ids.get(row)?.rsplit_once('/').map(|(_, name)| name)),
                })
            }
            "ResourceType" => {
                let ids = one(Field::ResourceId);
                self.amount(target, |row, line| match self.is_the_resource(row, line) {
                    Some((_, of)) => Some(of.title().into()),
                    None => words::resource_type(ids.get(row)?).map(Cow::Owned),
                })
            }
            "RegionId" => self.each(target, self.cells(one(Field::Location)), |said| Some(region(said?)?.0)),
            "RegionName" => self.each(target, self.cells(one(Field::Location)), |said| Some(region(said?)?.1)),
            "ServiceName" => said(&[Field::MeterCategory]),
            "x_ServiceCode" => said(&[Field::ConsumedService]),
            "SkuId" => self.sku(target, &[Field::ProductId, Field::MeterId, Field::PartNumber]),
            "SkuPriceId" => self.sku(target, &[Field::PartNumber, Field::MeterId, Field::ProductId]),
            "SkuMeter" => {
                let (meter, ids) = (one(Field::MeterName), SKUS.map(&one));
                self.fill(target, |row, line| {
                    meter
                        .get(row)
                        .filter(|_| line.charge_type != ChargeType::Tax && ids.iter().any(|ids| ids.get(row).is_some()))
                })
            }
            "SkuPriceDetails" => {
                let (info, ids) = (one(Field::AdditionalInfo), SKUS.map(&one));
                let cells = self.rows.iter().map(|row| {
                    let tax = self.native.lines[*row].charge_type == ChargeType::Tax;
                    info.get(*row).filter(|_| !tax && ids.iter().any(|ids| ids.get(*row).is_some()))
                });
                self.each(target, cells, |said| words::price_details(said?))
            }
            "Tags" => self.each(target, self.cells(one(Field::Tags)), |said| Some(words::tags(said?).into_owned())),
            "SubAccountId" => said(&[Field::SubscriptionId]),
            "SubAccountName" => {
                let (ids, names) = (one(Field::SubscriptionId), one(Field::SubscriptionName));
                self.fill(target, move |row, _| names.get(row).filter(|_| ids.get(row).is_some()))
            }
            "SubAccountType" => {
                let ids = one(Field::SubscriptionId);
                self.fill(target, move |row, _| ids.get(row).map(|_| "Subscription"))
            }
            "AvailabilityZone" => said(&[Field::AvailabilityZone]),
            "InvoiceId" => said(&[Field::InvoiceId]),
            "InvoiceIssuerName" => {
                let partner = one(Field::PartnerName);
                self.fill(target, move |row, _| partner.get(row).or(Some("Microsoft")))
            }
            "ProviderName" => self.fill(target, |_, _| Some("Microsoft")),
            "PublisherName" => {
                let (names, types) = (one(Field::PublisherName), one(Field::PublisherType));
                let own = |kind: &&str| ["Azure", "Microsoft"].iter().any(|own| own.eq_ignore_ascii_case(kind.trim()));
                self.fill(target, move |row, _| {
                    names.get(row).or_else(|| types.get(row).filter(own).map(|_| "Microsoft"))
                })
            }
            other => unreachable!("{other} is a column of TARGETS, and each of them is here"),
        }
    }

    /// Who is invoiced, and who if that is not said.
    fn account(&self, account: Field, profile: Field) -> [Field; 2] {
        if self.customer { [profile, account] } else { [account, profile] }
    }

    fn is_of_an_earlier_period(&self, row: usize) -> bool {
        let day = |cells: Cells<'a>| cells.get(row).and_then(dates::day);
        day(self.date).zip(day(self.period_start)).is_some_and(|(day, first)| day < first)
    }

    /// The commitment that a charge buys, uses or leaves unused.
    fn commitment(&self, row: usize, line: Line) -> Option<(&'a str, Commitment)> {
        let id = self.benefit.iter().find_map(|cells| cells.get(row))?;
        let named = id.to_lowercase();
        let of = match line.pricing {
            _ if named.contains("/microsoft.billingbenefits/") => Commitment::SavingsPlan,
            _ if named.contains("/microsoft.capacity/") => Commitment::Reservation,
            PricingModel::SavingsPlan => Commitment::SavingsPlan,
            // Older files have the bare id of a reservation.
            _ => Commitment::Reservation,
        };
        Some((id, of))
    }

    /// The same of a charge whose resource is the commitment.
    fn is_the_resource(&self, row: usize, line: Line) -> Option<(&'a str, Commitment)> {
        self.commitment(row, line).filter(|_| line.charge_type == ChargeType::Unused || line.buys())
    }

    fn sku(&self, target: &str, fields: &[Field]) -> StringChunked {
        let cells: Vec<Cells<'a>> = fields.iter().map(|field| self.native.cells(*field)).collect();
        self.fill(target, |row, line| match line.charge_type {
            ChargeType::Tax => None,
            _ => cells.iter().find_map(|cells| cells.get(row)),
        })
    }

    fn unit(&self, target: &str, has: impl Fn(usize, Line) -> bool) -> StringChunked {
        let cells = self.rows.iter().map(|row| self.unit.get(*row).filter(|_| has(*row, self.native.lines[*row])));
        self.each(target, cells, |said| said.map(|said| words::unit(said).1.into_owned()))
    }

    /// The cells of a column.
    fn cells(&self, cells: Cells<'a>) -> impl Iterator<Item = Option<&'a str>> {
        self.rows.iter().map(move |row| cells.get(*row))
    }

    /// What is said of the billing period, and the date where nothing is.
    fn period(&self, cells: Cells<'a>) -> impl Iterator<Item = (Option<&'a str>, Option<&'a str>)> {
        let date = self.date;
        self.rows.iter().map(move |row| match cells.get(*row) {
            Some(said) => (Some(said), None),
            None => (None, date.get(*row)),
        })
    }

    fn fill<'b>(&self, target: &str, say: impl Fn(usize, Line) -> Option<&'b str>) -> StringChunked {
        self.amount(target, |row, line| say(row, line).map(Cow::Borrowed))
    }

    fn amount<'b>(&self, target: &str, say: impl Fn(usize, Line) -> Amount<'b>) -> StringChunked {
        let mut texts = StringChunkedBuilder::new(PlSmallStr::from_str(target), self.rows.len());
        self.rows.iter().for_each(|row| texts.append_option(say(*row, self.native.lines[*row]).as_deref()));
        texts.finish()
    }

    /// Says the same of the same cells, once.
    fn each<T: Copy + Eq + std::hash::Hash>(
        &self,
        target: &str,
        cells: impl Iterator<Item = T>,
        say: impl FnMut(T) -> Option<String>,
    ) -> StringChunked {
        let labels = Labels::of(cells).map(say);
        let texts = labels.rows.iter().map(|label| labels.values[*label].as_deref());
        StringChunked::from_iter_options(PlSmallStr::from_str(target), texts)
    }
}

/// Columns that say which SKU a charge is for.
const SKUS: [Field; 3] = [Field::ProductId, Field::MeterId, Field::PartNumber];

fn category(line: Line) -> &'static str {
    match line.charge_type {
        ChargeType::Usage | ChargeType::Unused => "Usage",
        ChargeType::Purchase | ChargeType::Refund => "Purchase",
        ChargeType::Tax => "Tax",
        ChargeType::Credit => "Credit",
        ChargeType::Rounding | ChargeType::Unknown => "Adjustment",
    }
}

fn frequency(stated: Option<&str>, line: Line) -> &'static str {
    let stated: String = stated.unwrap_or_default().chars().filter(|letter| letter.is_alphabetic()).collect();
    match stated.to_lowercase().as_str() {
        "onetime" => "One-Time",
        "recurring" => "Recurring",
        // A purchase is never by usage.
        _ if category(line) == "Usage" => "Usage-Based",
        _ => "One-Time",
    }
}

fn pricing_category(line: Line) -> Option<&'static str> {
    match (line.charge_type, line.pricing) {
        (ChargeType::Unused, _) => Some("Committed"),
        (ChargeType::Usage, PricingModel::Reservation | PricingModel::SavingsPlan) => Some("Committed"),
        // What is bought is the commitment, at its price.
        (ChargeType::Purchase | ChargeType::Refund, PricingModel::Reservation | PricingModel::SavingsPlan) => {
            Some("Standard")
        }
        (ChargeType::Usage | ChargeType::Purchase | ChargeType::Refund, PricingModel::OnDemand) => Some("Standard"),
        (ChargeType::Usage | ChargeType::Purchase | ChargeType::Refund, PricingModel::Spot) => Some("Dynamic"),
        _ => None,
    }
}

/// What Azure sells in advance.
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
            Self::Reservation => "Reservation",
        }
    }
}
