//! MongoDB Atlas: FOCUS 1.0 in pounds, billed by the British subsidiary; most clusters carry a `team` tag.

use crate::company::{Cloud, Component, Environment, Stack};
use crate::form::Form;
use crate::line::Workshop;
use crate::money::Decimal;
use crate::offer::{self, Offer, Part, Region, Rhythm, Service, SubAccount};
use crate::row::{Column, Letterhead, Sku, Subject};
use crate::source::{self, Event, Fee, Source, Tax, Usage, What};
use crate::tags::Scheme;

pub(crate) const NAME: &str = "mongodb-atlas";

pub(crate) const SCHEME: Scheme =
    Scheme { team: "team", component: "component", environment: "env", blank: None, creator: None, untagged: 12 };

static PRODUCTION: SubAccount = SubAccount { id: "64c1f0a97be2d35510a8b3e4", name: "brightwater-prod" };
static NON_PROD: SubAccount = SubAccount { id: "64c1f1338ad07e6f42c95d10", name: "brightwater-nonprod" };

static LONDON: Region = Region { id: "EU_WEST_2", name: "London (eu-west-2)", zone: "EU_WEST_2" };

static CLUSTERS: Service = Service::new("Atlas Clusters", "ATLAS_AWS_INSTANCE", "Databases", "NoSQL Databases");
static BACKUP: Service = Service::new("Atlas Backup", "ATLAS_AWS_BACKUP", "Storage", "Backup Storage");
static TRANSFER: Service =
    Service::new("Atlas Data Transfer", "ATLAS_AWS_DATA_TRANSFER", "Networking", "Other (Networking)");
static SEARCH: Service = Service::new("Atlas Search", "ATLAS_AWS_SEARCH", "Analytics", "Search");
static SUBSCRIPTION: Service = Service::new("Atlas Support", "ATLAS_SUPPORT", "Management and Governance", "Support");

const CLUSTER: &str = "clusters/{long}";

static M40: Offer = Offer::new(
    &CLUSTERS,
    "ATLAS_AWS_INSTANCE_M40",
    "Atlas M40 cluster on AWS, per server hour",
    "Hours",
    Decimal::new(8_190, 4),
    Rhythm::Steady,
)
.resource("Cluster", CLUSTER);
static SNAPSHOTS: Offer = Offer::new(
    &BACKUP,
    "ATLAS_AWS_BACKUP_SNAPSHOT_STORAGE",
    "Continuous cloud backup, snapshot storage",
    "GB-Days",
    Decimal::new(41, 4),
    Rhythm::Steady,
)
.resource("Cluster", CLUSTER);
static INTERNET: Offer = Offer::new(
    &TRANSFER,
    "ATLAS_AWS_DATA_TRANSFER_INTERNET",
    "Data transfer to the internet",
    "GB",
    Decimal::new(720, 4),
    Rhythm::Traffic,
)
.resource("Cluster", CLUSTER);
static SEARCH_NODES: Offer = Offer::new(
    &SEARCH,
    "ATLAS_AWS_SEARCH_INSTANCE_S20_COMPUTE_NVME",
    "Atlas Search dedicated node S20",
    "Hours",
    Decimal::new(1_320, 4),
    Rhythm::Steady,
)
.resource("Cluster", CLUSTER);

static DOCUMENTS: &[Part] = &[(&M40, 68), (&SNAPSHOTS, 12), (&INTERNET, 9), (&SEARCH_NODES, 11)];

static COLUMNS: &[Column] = {
    use Column::*;
    &[
        BillingAccountId,
        BillingAccountName,
        BillingPeriodStart,
        BillingPeriodEnd,
        ChargePeriodStart,
        ChargePeriodEnd,
        SubAccountId,
        SubAccountName,
        Tags,
        ResourceId,
        ResourceName,
        ResourceType,
        SkuId,
        SkuPriceId,
        ChargeDescription,
        ChargeCategory,
        ChargeClass,
        ChargeFrequency,
        PricingCategory,
        PricingQuantity,
        PricingUnit,
        ConsumedQuantity,
        ConsumedUnit,
        ListUnitPrice,
        ListCost,
        ContractedUnitPrice,
        ContractedCost,
        BilledCost,
        EffectiveCost,
        BillingCurrency,
        ProviderName,
        PublisherName,
        InvoiceIssuerName,
        ServiceName,
        ServiceCategory,
        RegionId,
        RegionName,
        AvailabilityZone,
        CommitmentDiscountCategory,
        CommitmentDiscountId,
        CommitmentDiscountName,
        CommitmentDiscountStatus,
        CommitmentDiscountType,
    ]
};

pub(crate) fn sku(offer: &Offer) -> (String, String) {
    (offer.meter.to_owned(), format!("{}_GBP", offer.meter))
}

fn stacks(stack: Stack) -> &'static [Part] {
    match stack {
        Stack::Documents => DOCUMENTS,
        _ => &[],
    }
}

fn place(_: &Component, environment: Environment) -> (&'static SubAccount, &'static Region) {
    match environment {
        Environment::Prod => (&PRODUCTION, &LONDON),
        Environment::Staging | Environment::Dev => (&NON_PROD, &LONDON),
    }
}

/// MongoDB Atlas's bill.
pub(crate) fn source(workshop: &Workshop<'_>) -> Source {
    Source {
        name: NAME,
        head: Letterhead {
            provider: "MongoDB",
            publisher: "MongoDB",
            host: "AWS",
            issuer: "MongoDB Limited",
            account_id: "5f2a9c11d84e7b003c66a1f9",
            account_name: "Brightwater Goods Ltd",
            account_type: "Organization",
            sub_account_type: "Project",
            currency: "GBP",
        },
        form: Form::Focus { columns: COLUMNS },
        lines: workshop.components(Cloud::Atlas, stacks, place),
        commitment: None,
        discounts: None,
        fees: vec![Fee {
            subject: Subject {
                sku: Some(Sku {
                    id: "ATLAS_SUPPORT_PRO".to_owned(),
                    price_id: "ATLAS_SUPPORT_PRO_GBP".to_owned(),
                    meter: "ATLAS_SUPPORT_PRO",
                    details: None,
                }),
                ..Subject::bare(&SUBSCRIPTION, "Atlas Pro support subscription")
            },
            amount: Decimal::whole(480),
            whole_month: true,
        }],
        events: vec![
            Event {
                month: 3,
                day: 14,
                description: "Promotional credit",
                what: What::Credit(&CLUSTERS, Decimal::whole(150)),
            },
            Event {
                month: 8,
                day: 25,
                description: "Refund for a cluster that could not be paused",
                what: What::Refund(Usage { component: "wishlist", service: &CLUSTERS, share: 0.6 }),
            },
        ],
        tax: Tax { description: "VAT 20 %", rate: Decimal::new(20, 2), on: &[], booked: None },
        rounding: &offer::ROUNDING,
        begins: source::at_midnight,
        invoice: None,
    }
}
