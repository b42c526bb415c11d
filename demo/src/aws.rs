//! Amazon Web Services: FOCUS 1.2 in dollars, with a Savings Plan.

use chrono::NaiveDate;

use crate::chance;
use crate::company::{Cloud, Component, Environment, Stack};
use crate::form::Form;
use crate::form::data_export::DataExport;
use crate::line::{Line, Order, Workshop};
use crate::money::Decimal;
use crate::offer::{self, Offer, Part, Region, Service, SubAccount};
use crate::row::{Column, CommitmentName, Letterhead, Resource, Sku, Subject};
use crate::source::{self, Commitment, Event, Fee, Source, Tax, Usage, What};
use crate::tags::{Owner, Scheme};

mod offers;

use offers::{
    ATHENA, BATCH, CONTAINER, DATA, DATA_TRANSFER, EC2, EDGE, FREE_LAMBDA, FREE_SQS, FUNCTION, LAKE, LAMBDA, NETWORK,
    RDS, SERVICE, STREAM,
};

pub(crate) const NAME: &str = "aws";

pub(crate) const SCHEME: Scheme = Scheme {
    team: "team",
    component: "component",
    environment: "env",
    blank: Some("{}"),
    creator: Some("aws:createdBy"),
    untagged: 8,
};

const fn account(id: &'static str, name: &'static str) -> SubAccount {
    SubAccount { id, name }
}

static PAYER: &str = "048213390127";
static COMMERCE: SubAccount = account("004512378891", "brightwater-commerce-prod");
static DISCOVERY: SubAccount = account("219940057316", "brightwater-discovery-prod");
static DATA_PROD: SubAccount = account("371608824415", "brightwater-data-prod");
static SHARED: SubAccount = account("580027719343", "brightwater-shared-prod");
static STAGING: SubAccount = account("662915408870", "brightwater-staging");
static SANDBOX: SubAccount = account("093376541208", "brightwater-dev");

static IRELAND: Region = Region { id: "eu-west-1", name: "EU (Ireland)", zone: "eu-west-1b" };
static VIRGINIA: Region = Region { id: "us-east-1", name: "US East (N. Virginia)", zone: "us-east-1a" };

static SAVINGS_PLANS: Service =
    Service::new("Savings Plans for AWS Compute usage", "ComputeSavingsPlans", "Compute", "Other (Compute)");
static SUPPORT: Service =
    Service::new("AWS Support (Business)", "AWSSupportBusiness", "Management and Governance", "Support");

/// What the states AWS bills the company in tax.
static TAXED: &[&Service] = &[&DATA_TRANSFER, &SUPPORT, &ATHENA];

static EXPORT: DataExport = DataExport {
    url: "s3://brightwater-billing/exports",
    name: "brightwater-focus",
    table: "FOCUS_1_2_AWS",
    columns: COLUMNS,
};

/// The columns of `FOCUS_1_2_AWS` in the alphabetical order AWS writes them in, its own one last.
static COLUMNS: &[Column] = {
    use Column::*;
    &[
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
    ]
};

/// AWS's SKU ids are sixteen capitals and digits; its price ids add the on-demand offer term and rate codes.
pub(crate) fn sku(offer: &Offer) -> (String, String) {
    let id = sku_id(&[offer.service.code, offer.meter]);
    let price = format!("{id}.JRTCKXETXF.6YS6EN2CT7");
    (id, price)
}

fn sku_id(words: &[&str]) -> String {
    chance::letters("ABCDEFGHJKMNPQRSTUVWXYZ23456789", 16, &[&["aws-sku"], words].concat())
}

fn stacks(stack: Stack) -> &'static [Part] {
    match stack {
        Stack::Service => SERVICE,
        Stack::Function => FUNCTION,
        Stack::Container => CONTAINER,
        Stack::Batch => BATCH,
        Stack::Data => DATA,
        Stack::Lake => LAKE,
        Stack::Stream => STREAM,
        Stack::Edge => EDGE,
        Stack::Network => NETWORK,
        Stack::Warehouse | Stack::Model | Stack::Documents => &[],
    }
}

fn place(component: &Component, environment: Environment) -> (&'static SubAccount, &'static Region) {
    let region = if component.team == "web" { &VIRGINIA } else { &IRELAND };
    let account = match (environment, component.team) {
        (Environment::Staging, _) => &STAGING,
        (Environment::Dev, _) => &SANDBOX,
        (_, "payments" | "checkout" | "identity" | "logistics") => &COMMERCE,
        (_, "search" | "mobile" | "web") => &DISCOVERY,
        (_, "data-platform" | "ml") => &DATA_PROD,
        _ => &SHARED,
    };
    (account, region)
}

/// AWS's share of the company's bills.
pub(crate) fn source(workshop: &Workshop<'_>) -> Source {
    let mut lines = workshop.components(Cloud::Aws, stacks, place);
    lines.extend(free_tier(workshop));
    Source {
        name: NAME,
        head: Letterhead {
            provider: "AWS",
            publisher: "Amazon Web Services",
            host: "AWS",
            issuer: "AWS",
            account_id: PAYER,
            account_name: "Brightwater Goods",
            account_type: "Payer",
            sub_account_type: "Account",
            currency: "USD",
        },
        form: Form::DataExport(&EXPORT),
        lines,
        commitment: Some(savings_plan()),
        discounts: None,
        fees: vec![Fee {
            subject: Subject {
                sku: Some(one_sku("Support-Business")),
                ..Subject::bare(&SUPPORT, "AWS Support (Business), monthly minimum by contract")
            },
            amount: Decimal::whole(4_900),
            whole_month: false,
        }],
        events: events(),
        tax: Tax { description: "US sales tax to be collected", rate: Decimal::new(625, 4), on: TAXED, booked: None },
        rounding: &offer::ROUNDING,
        begins: source::at_midnight,
        invoice: Some(|month: NaiveDate| {
            format!("EUINIE{}-{}", month.format("%y"), chance::digits(7, &["aws-invoice", &month.to_string()]))
        }),
    }
}

/// Usage within the free tier: real quantities at a price of zero.
fn free_tier(workshop: &Workshop<'_>) -> Vec<Line> {
    let owner = Owner { team: "platform", component: None, environment: Environment::Dev };
    [(&FREE_LAMBDA, 0.021), (&FREE_SQS, 0.034)]
        .into_iter()
        .map(|(offer, daily)| {
            workshop.line(Order { owner, offer, account: &SANDBOX, region: Some(&IRELAND), daily, growth: 5 })
        })
        .collect()
}

fn savings_plan() -> Commitment {
    let id = format!("arn:aws:savingsplans::{PAYER}:savingsplan/{}", chance::uuid(&["aws-savings-plan"]));
    let subject = |description: &str, meter| Subject {
        resource: Some(Resource { id: id.clone(), name: None, kind: "Savings Plan" }),
        sku: Some(one_sku(meter)),
        ..Subject::bare(&SAVINGS_PLANS, description)
    };
    Commitment {
        purchase: subject("3 year No Upfront Compute Savings Plan", "ComputeSP:3yrNoUpfront"),
        unused: subject("Compute Savings Plan commitment not used", "ComputeSP:3yrNoUpfront"),
        name: CommitmentName {
            id: id.clone(),
            name: "compute-3y-2024",
            kind: "Compute Savings Plan",
            category: "Spend",
            unit: "USD",
        },
        hourly: Decimal::new(19_900, 3),
        rate: 68,
    }
}

fn one_sku(meter: &'static str) -> Sku {
    let id = sku_id(&[meter]);
    Sku { price_id: format!("{id}.JRTCKXETXF.6YS6EN2CT7"), id, meter, details: None }
}

fn events() -> Vec<Event> {
    let credit = |month, amount| Event {
        month,
        day: 15,
        description: "AWS Migration Acceleration Program credit",
        what: What::Credit(&EC2, Decimal::whole(amount)),
    };
    vec![
        credit(2, 1_500),
        credit(3, 1_500),
        credit(4, 1_500),
        credit(9, 600),
        Event {
            month: 7,
            day: 12,
            description: "Refund for Lambda duration billed twice",
            what: What::Refund(Usage { component: "promo-engine", service: &LAMBDA, share: 0.85 }),
        },
        Event {
            month: 9,
            day: 20,
            description: "Correction of database storage billed in the previous month",
            what: What::Correction(Usage { component: "ledger-service", service: &RDS, share: 2.4 }),
        },
    ]
}
