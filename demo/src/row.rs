//! One FOCUS row: what a charge is, and how each column of it is spelled in a file.
//!
//! Invariants: a null is an unquoted empty field, times are UTC with a trailing `Z`, numbers are plain decimals (FOCUS 1.2,
//! handling of null, date/time and numeric formats); ListCost is ListUnitPrice × PricingQuantity wherever all three are printed.

use std::fmt::Write as _;
use std::io;

use chrono::NaiveDateTime;

use crate::money::{Costs, Decimal};
use crate::offer::{Pricing, Region, Service, SubAccount};

/// A column of an export. Variants are named exactly as their FOCUS columns; the `X…` ones are the providers' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    AvailabilityZone,
    BilledCost,
    BillingAccountId,
    BillingAccountName,
    BillingAccountType,
    BillingCurrency,
    BillingPeriodEnd,
    BillingPeriodStart,
    CapacityReservationId,
    CapacityReservationStatus,
    ChargeCategory,
    ChargeClass,
    ChargeDescription,
    ChargeFrequency,
    ChargePeriodEnd,
    ChargePeriodStart,
    CommitmentDiscountCategory,
    CommitmentDiscountId,
    CommitmentDiscountName,
    CommitmentDiscountQuantity,
    CommitmentDiscountStatus,
    CommitmentDiscountType,
    CommitmentDiscountUnit,
    ConsumedQuantity,
    ConsumedUnit,
    ContractedCost,
    ContractedUnitPrice,
    EffectiveCost,
    HostProviderName,
    InvoiceId,
    InvoiceIssuerName,
    ListCost,
    ListUnitPrice,
    PricingCategory,
    PricingCurrency,
    PricingCurrencyContractedUnitPrice,
    PricingCurrencyEffectiveCost,
    PricingCurrencyListUnitPrice,
    PricingQuantity,
    PricingUnit,
    ProviderName,
    PublisherName,
    RegionId,
    RegionName,
    ResourceId,
    ResourceName,
    ResourceType,
    ServiceCategory,
    ServiceName,
    ServiceProviderName,
    ServiceSubcategory,
    SkuId,
    SkuMeter,
    SkuPriceDetails,
    SkuPriceId,
    SubAccountId,
    SubAccountName,
    SubAccountType,
    Tags,
    XServiceCode,
}

impl Column {
    /// The name in the file's header.
    pub(crate) fn name(self) -> String {
        match self {
            Column::XServiceCode => "x_ServiceCode".to_owned(),
            focus => format!("{focus:?}"),
        }
    }
}

/// What a cell holds, before it is spelled; None is null.
enum Cell<'a> {
    Text(Option<&'a str>),
    Number(Option<Decimal>),
    Time(NaiveDateTime),
}

/// FOCUS ChargeCategory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Usage,
    Purchase,
    Tax,
    Credit,
    Adjustment,
}

impl Category {
    /// FOCUS ChargeCategory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Category::Usage => "Usage",
            Category::Purchase => "Purchase",
            Category::Tax => "Tax",
            Category::Credit => "Credit",
            Category::Adjustment => "Adjustment",
        }
    }
}

/// Why a charge gives money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// Within its month.
    Refund,
    /// It corrects a month that is already invoiced: FOCUS ChargeClass.
    Correction,
}

/// Money that is taken off a charge in the same line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    pub(crate) kind: CreditKind,
    /// Never positive.
    pub(crate) amount: Decimal,
}

/// Why it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreditKind {
    /// A commitment has paid.
    Committed,
    /// For what runs most of the month.
    Sustained,
    /// What everybody gets for nothing.
    FreeTier,
    /// A gift, and no price: it is a charge of its own in FOCUS, and not in the costs of the charge it stands on.
    Promotion(&'static str),
}

/// FOCUS ChargeFrequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    OneTime,
    Recurring,
    UsageBased,
}

/// What every row of a source says about itself.
#[derive(Debug)]
pub(crate) struct Letterhead {
    pub(crate) provider: &'static str,
    pub(crate) publisher: &'static str,
    /// Whose infrastructure it runs on (FOCUS 1.3).
    pub(crate) host: &'static str,
    pub(crate) issuer: &'static str,
    pub(crate) account_id: &'static str,
    pub(crate) account_name: &'static str,
    pub(crate) account_type: &'static str,
    pub(crate) sub_account_type: &'static str,
    pub(crate) currency: &'static str,
}

/// The billing month a file belongs to.
#[derive(Debug)]
pub(crate) struct Period {
    pub(crate) start: NaiveDateTime,
    pub(crate) end: NaiveDateTime,
    /// None while the month is open.
    pub(crate) invoice: Option<String>,
}

impl Period {
    /// `2026-10`
    pub(crate) fn label(&self) -> String {
        self.start.format("%Y-%m").to_string()
    }
}

/// What is charged for: the part of a row that stays the same from day to day.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) service: &'static Service,
    pub(crate) description: String,
    pub(crate) account: Option<&'static SubAccount>,
    pub(crate) region: Option<&'static Region>,
    pub(crate) zonal: bool,
    pub(crate) resource: Option<Resource>,
    pub(crate) sku: Option<Sku>,
    pub(crate) tags: Option<String>,
    /// Azure's resource group.
    pub(crate) group: Option<String>,
}

impl Subject {
    /// Something without account, place, resource, SKU or tags.
    pub(crate) fn bare(service: &'static Service, description: impl Into<String>) -> Subject {
        Subject {
            service,
            description: description.into(),
            account: None,
            region: None,
            zonal: false,
            resource: None,
            sku: None,
            tags: None,
            group: None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Sku {
    pub(crate) id: String,
    pub(crate) price_id: String,
    pub(crate) meter: &'static str,
    pub(crate) details: Option<&'static str>,
}

/// A quantity at its unit prices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priced {
    pub(crate) quantity: Decimal,
    pub(crate) unit: &'static str,
    pub(crate) list: Decimal,
    pub(crate) contracted: Decimal,
}

/// A commitment as its rows name it.
#[derive(Clone, Debug)]
pub(crate) struct CommitmentName {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    /// The provider's word for it: FOCUS CommitmentDiscountType.
    pub(crate) kind: &'static str,
    /// `Spend` or `Usage`.
    pub(crate) category: &'static str,
    pub(crate) unit: &'static str,
}

/// A row's part in a commitment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied<'a> {
    pub(crate) name: &'a CommitmentName,
    /// `Used` or `Unused`; None on the purchase.
    pub(crate) status: Option<&'static str>,
    pub(crate) quantity: Decimal,
    /// What a unit of what is charged for costs with it.
    pub(crate) price: Decimal,
}

/// One charge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) category: Category,
    pub(crate) returned: Option<Return>,
    pub(crate) frequency: Frequency,
    pub(crate) pricing: Option<&'static str>,
    pub(crate) start: NaiveDateTime,
    pub(crate) end: NaiveDateTime,
    pub(crate) priced: Option<Priced>,
    /// Less the credits, unless they are charges of their own.
    pub(crate) costs: Costs,
    pub(crate) credits: &'a [Credit],
    pub(crate) commitment: Option<Applied<'a>>,
}

impl Pricing {
    /// FOCUS PricingCategory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Pricing::Standard => "Standard",
            Pricing::Dynamic => "Dynamic",
        }
    }
}

impl Charge<'_> {
    /// What was measured; null unless something was used (FOCUS 1.2, ConsumedQuantity).
    fn consumed(&self) -> Option<&Priced> {
        self.priced.as_ref().filter(|_| self.category == Category::Usage && !self.is_unused())
    }

    /// Whether it is for a commitment that nobody used.
    pub(crate) fn is_unused(&self) -> bool {
        self.commitment.is_some_and(|applied| applied.status == Some("Unused"))
    }

    /// Writes the row's cells in the order of `columns`.
    pub(crate) fn write<W: io::Write>(
        &self,
        columns: &[Column],
        head: &Letterhead,
        period: &Period,
        file: &mut csv::Writer<W>,
    ) -> csv::Result<()> {
        let mut number = String::with_capacity(40);
        for column in columns {
            number.clear();
            // Writing into a String cannot fail.
            let text = match self.cell(*column, head, period) {
                Cell::Text(text) => text.unwrap_or_default(),
                Cell::Number(None) => "",
                Cell::Number(Some(value)) => {
                    let _ = write!(number, "{value}");
                    &number
                }
                Cell::Time(instant) => {
                    let _ = write!(number, "{instant:?}Z");
                    &number
                }
            };
            file.write_field(text)?;
        }
        file.write_record(None::<&[u8]>)
    }

    fn cell<'b>(&'b self, column: Column, head: &'b Letterhead, period: &'b Period) -> Cell<'b> {
        let subject = self.subject;
        let text = match column {
            Column::BillingPeriodStart => return Cell::Time(period.start),
            Column::BillingPeriodEnd => return Cell::Time(period.end),
            Column::ChargePeriodStart => return Cell::Time(self.start),
            Column::ChargePeriodEnd => return Cell::Time(self.end),
            Column::BilledCost => return Cell::Number(Some(self.costs.billed)),
            Column::EffectiveCost => return Cell::Number(Some(self.costs.effective)),
            Column::ListCost => return Cell::Number(Some(self.costs.list)),
            Column::ContractedCost => return Cell::Number(Some(self.costs.contracted)),
            Column::ListUnitPrice => return Cell::Number(self.priced.map(|priced| priced.list)),
            Column::ContractedUnitPrice => return Cell::Number(self.priced.map(|priced| priced.contracted)),
            // Everybody here is billed in the currency that prices are set in.
            Column::PricingCurrencyEffectiveCost => return Cell::Number(Some(self.costs.effective)),
            Column::PricingCurrencyListUnitPrice => return Cell::Number(self.priced.map(|priced| priced.list)),
            Column::PricingCurrencyContractedUnitPrice => {
                return Cell::Number(self.priced.map(|priced| priced.contracted));
            }
            Column::PricingCurrency => Some(head.currency),
            Column::PricingQuantity => return Cell::Number(self.priced.map(|priced| priced.quantity)),
            Column::ConsumedQuantity => return Cell::Number(self.consumed().map(|priced| priced.quantity)),
            Column::CommitmentDiscountQuantity => {
                return Cell::Number(self.commitment.map(|applied| applied.quantity));
            }
            Column::PricingUnit => self.priced.map(|priced| priced.unit),
            Column::ConsumedUnit => self.consumed().map(|priced| priced.unit),
            Column::ProviderName | Column::ServiceProviderName => Some(head.provider),
            Column::PublisherName => Some(head.publisher),
            Column::HostProviderName => Some(head.host),
            Column::InvoiceIssuerName => Some(head.issuer),
            Column::InvoiceId => period.invoice.as_deref(),
            Column::BillingAccountId => Some(head.account_id),
            Column::BillingAccountName => Some(head.account_name),
            Column::BillingAccountType => Some(head.account_type),
            Column::BillingCurrency => Some(head.currency),
            Column::SubAccountId => subject.account.map(|account| account.id),
            Column::SubAccountName => subject.account.map(|account| account.name),
            Column::SubAccountType => subject.account.map(|_| head.sub_account_type),
            Column::ChargeCategory => Some(self.category.name()),
            Column::ChargeClass => self.returned.filter(|why| *why == Return::Correction).map(|_| "Correction"),
            Column::ChargeFrequency => Some(match self.frequency {
                Frequency::OneTime => "One-Time",
                Frequency::Recurring => "Recurring",
                Frequency::UsageBased => "Usage-Based",
            }),
            Column::ChargeDescription => Some(subject.description.as_str()),
            Column::PricingCategory => self.pricing,
            Column::CommitmentDiscountId => self.commitment.map(|applied| applied.name.id.as_str()),
            Column::CommitmentDiscountName => self.commitment.map(|applied| applied.name.name),
            Column::CommitmentDiscountType => self.commitment.map(|applied| applied.name.kind),
            Column::CommitmentDiscountCategory => self.commitment.map(|applied| applied.name.category),
            Column::CommitmentDiscountUnit => self.commitment.map(|applied| applied.name.unit),
            Column::CommitmentDiscountStatus => self.commitment.and_then(|applied| applied.status),
            Column::ServiceName => Some(subject.service.name),
            Column::ServiceCategory => Some(subject.service.category),
            Column::ServiceSubcategory => Some(subject.service.subcategory),
            Column::RegionId => subject.region.map(|region| region.id),
            Column::RegionName => subject.region.map(|region| region.name),
            Column::AvailabilityZone => subject.region.filter(|_| subject.zonal).map(|region| region.zone),
            Column::ResourceId => subject.resource.as_ref().map(|resource| resource.id.as_str()),
            Column::ResourceName => subject.resource.as_ref().and_then(|resource| resource.name.as_deref()),
            Column::ResourceType => subject.resource.as_ref().map(|resource| resource.kind),
            Column::SkuId => subject.sku.as_ref().map(|sku| sku.id.as_str()),
            Column::SkuPriceId => subject.sku.as_ref().map(|sku| sku.price_id.as_str()),
            Column::SkuMeter => subject.sku.as_ref().map(|sku| sku.meter),
            Column::SkuPriceDetails => subject.sku.as_ref().and_then(|sku| sku.details),
            Column::Tags => subject.tags.as_deref(),
            Column::XServiceCode => Some(subject.service.code),
            // Nobody in this company reserves capacity.
            Column::CapacityReservationId | Column::CapacityReservationStatus => None,
        };
        Cell::Text(text)
    }
}
