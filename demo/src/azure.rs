//! Microsoft Azure: cost details in euros, with reserved virtual machines.

use chrono::NaiveDate;

use crate::chance;
use crate::company::{Cloud, Component, Environment, Stack};
use crate::form::Form;
use crate::form::cost_details::CostExports;
use crate::line::Workshop;
use crate::money::Decimal;
use crate::offer::{Offer, Part, Region, Rhythm, Service, SubAccount};
use crate::row::{CommitmentName, Letterhead, Resource, Sku, Subject};
use crate::source::{self, Commitment, Event, Fee, Source, Tax, Usage, What};
use crate::tags::Scheme;

pub(crate) const NAME: &str = "azure";

pub(crate) const SCHEME: Scheme =
    Scheme { team: "Team", component: "service", environment: "environment", blank: None, creator: None, untagged: 10 };

static OPERATIONS: SubAccount =
    SubAccount { id: "3f0c2a9e-8d14-4b7a-9c55-1e6f70b2d481", name: "brightwater-operations" };
static CORPORATE: SubAccount = SubAccount { id: "a81d6b37-52e9-4f06-8b3d-c94e7720f15a", name: "brightwater-corporate" };
static NON_PROD: SubAccount = SubAccount { id: "6be4917c-0a2f-4d83-a6f1-5d09c38e72b4", name: "brightwater-nonprod" };

static WEST_EUROPE: Region = Region { id: "westeurope", name: "West Europe", zone: "1" };
static GERMANY: Region = Region { id: "germanywestcentral", name: "Germany West Central", zone: "2" };

// A service is called what the meter's category is.
static VIRTUAL_MACHINES: Service = Service::new("Virtual Machines", "Microsoft.Compute", "Compute", "Virtual Machines");
static MANAGED_DISKS: Service = Service::new("Storage", "Microsoft.Compute", "Storage", "Storage Platforms");
static SQL: Service = Service::new("SQL Database", "Microsoft.Sql", "Databases", "Relational Databases");
static STORAGE: Service = Service::new("Storage", "Microsoft.Storage", "Storage", "Storage Platforms");
static APP_GATEWAY: Service =
    Service::new("Application Gateway", "Microsoft.Network", "Networking", "Application Networking");
static BANDWIDTH: Service = Service::new("Bandwidth", "Microsoft.Network", "Networking", "Network Infrastructure");
static MONITOR: Service =
    Service::new("Azure Monitor", "Microsoft.Insights", "Management and Governance", "Observability");
static FUNCTIONS: Service = Service::new("Functions", "Microsoft.Web", "Compute", "Serverless Compute");
static SERVICE_BUS: Service = Service::new("Service Bus", "Microsoft.ServiceBus", "Integration", "Messaging");
static COSMOS: Service = Service::new("Azure Cosmos DB", "Microsoft.DocumentDB", "Databases", "NoSQL Databases");
static DATA_FACTORY: Service =
    Service::new("Azure Data Factory v2", "Microsoft.DataFactory", "Analytics", "Data Processing");
static SYNAPSE: Service = Service::new("Azure Synapse Analytics", "Microsoft.Synapse", "Databases", "Data Warehouses");
static POWER_BI: Service =
    Service::new("Power BI Embedded", "Microsoft.PowerBIDedicated", "Analytics", "Business Intelligence");
static OPENAI: Service =
    Service::new("Azure OpenAI", "Microsoft.CognitiveServices", "AI and Machine Learning", "Generative AI");
static AI_SEARCH: Service = Service::new("Azure Cognitive Search", "Microsoft.Search", "Analytics", "Search");
static SUPPORT: Service = Service::new("Support", "Microsoft.Support", "Management and Governance", "Support");
static ROUNDING: Service = Service::new("", "", "", "");

/// Most of the bill comes from Ireland without VAT (reverse charge); these are supplied from Germany.
static TAXED: &[&Service] = &[&SUPPORT, &POWER_BI];

const fn offer(
    service: &'static Service,
    meter: &'static str,
    description: &'static str,
    unit: &'static str,
    list: (i128, u32),
    rhythm: Rhythm,
) -> Offer {
    Offer::new(service, meter, description, unit, Decimal::new(list.0, list.1), rhythm)
}

static D4S: Offer =
    offer(&VIRTUAL_MACHINES, "D4s v5", "Virtual Machines Dsv5 Series - D4s v5", "Hours", (2_112, 4), Rhythm::Traffic)
        .resource(
            "Virtual machine",
            "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Compute/virtualMachines/vm-{name}",
        )
        .details(r#"{"ServiceType":"Standard_D4s_v5","VCPUs":4,"UsageType":"ComputeHR"}"#)
        .committable()
        .zonal();
static DISK: Offer = offer(
    &MANAGED_DISKS,
    "P20 LRS Disk",
    "Premium SSD Managed Disks - P20 LRS",
    "Disk-Months",
    (6_796, 2),
    Rhythm::Steady,
)
.resource("Disk", "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Compute/disks/disk-{name}");
static VCORE: Offer = offer(
    &SQL,
    "vCore",
    "SQL Database Single/Elastic Pool General Purpose - Compute Gen5 - vCore",
    "vCore-Hours",
    (1_386, 4),
    Rhythm::Steady,
)
.resource(
    "SQL database",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Sql/servers/sql-{name}/databases/main",
);
static BLOBS: Offer = offer(
    &STORAGE,
    "Hot LRS Data Stored",
    "General Block Blob v2 Hierarchical Namespace - Hot LRS Data Stored",
    "GB-Months",
    (184, 4),
    Rhythm::Steady,
)
.resource(
    "Storage account",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Storage/storageAccounts/st{hex}",
);
static GATEWAY: Offer = offer(
    &APP_GATEWAY,
    "Standard Capacity Units",
    "Application Gateway Standard v2 - Capacity Units",
    "Capacity Unit-Hours",
    (76, 4),
    Rhythm::Traffic,
)
.resource(
    "Application gateway",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Network/applicationGateways/agw-{name}",
);
static EGRESS: Offer = offer(
    &BANDWIDTH,
    "Standard Data Transfer Out",
    "Rtn Preference: MGN - Standard Data Transfer Out",
    "GB",
    (81, 3),
    Rhythm::Traffic,
);
static LOGS: Offer = offer(
    &MONITOR,
    "Analytics Logs Data Ingestion",
    "Azure Monitor - Analytics Logs Data Ingestion",
    "GB",
    (276, 2),
    Rhythm::Traffic,
)
.resource(
    "Log Analytics workspace",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.OperationalInsights/workspaces/log-{name}",
);
static EXECUTION: Offer = offer(
    &FUNCTIONS,
    "Premium vCPU Duration",
    "Premium Functions - vCPU Duration",
    "vCPU-Hours",
    (1_712, 4),
    Rhythm::Office,
)
.resource(
    "Function app",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Web/sites/func-{name}",
);
static MESSAGES: Offer = offer(
    &SERVICE_BUS,
    "Premium Messaging Unit",
    "Service Bus - Premium Messaging Unit",
    "Hours",
    (8_560, 4),
    Rhythm::Steady,
)
.resource(
    "Service Bus namespace",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.ServiceBus/namespaces/sb-{name}",
);
static REQUEST_UNITS: Offer = offer(
    &COSMOS,
    "100 RU/s",
    "Azure Cosmos DB autoscale - 100 RU/s",
    "100 RU-Hours",
    (111, 4),
    Rhythm::Traffic,
)
.resource(
    "Cosmos DB account",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.DocumentDB/databaseAccounts/cosmos-{name}",
);
static PIPELINES: Offer = offer(
    &DATA_FACTORY,
    "Cloud Data Movement",
    "Azure Data Factory v2 - Cloud Data Movement",
    "DIU-Hours",
    (2_310, 4),
    Rhythm::Batch,
)
.resource(
    "Data factory",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.DataFactory/factories/adf-{name}",
);
static DWU: Offer = offer(
    &SYNAPSE,
    "100 DWUs",
    "Azure Synapse Analytics Dedicated SQL Pool - 100 DWUs",
    "100 DWU-Hours",
    (1_210, 3),
    Rhythm::Office,
)
.resource(
    "Synapse SQL pool",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Synapse/workspaces/syn-{name}/sqlPools/main",
);
static REPORTS: Offer =
    offer(&POWER_BI, "A2 Node", "Power BI Embedded - A2 Node", "Hours", (20_161, 4), Rhythm::Steady).resource(
        "Power BI Embedded capacity",
        "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.PowerBIDedicated/capacities/{hex}",
    );
static TOKENS: Offer = offer(
    &OPENAI,
    "gpt 4o Outp glbl Tokens",
    "Azure OpenAI - gpt 4o Outp glbl Tokens",
    "1000000 Tokens",
    (92_400, 4),
    Rhythm::Traffic,
)
.resource(
    "Azure OpenAI account",
    "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.CognitiveServices/accounts/oai-{name}",
);
static SEARCH_UNITS: Offer =
    offer(&AI_SEARCH, "Standard S1 Unit", "Azure AI Search - Standard S1 Unit", "Hours", (3_110, 4), Rhythm::Steady)
        .resource(
            "Search service",
            "/subscriptions/{account}/resourceGroups/rg-{name}/providers/Microsoft.Search/searchServices/srch-{name}",
        );

static SERVICE: &[Part] = &[(&D4S, 37), (&VCORE, 30), (&DISK, 9), (&LOGS, 8), (&BLOBS, 4), (&GATEWAY, 6), (&EGRESS, 6)];
static FUNCTION: &[Part] = &[(&EXECUTION, 42), (&MESSAGES, 22), (&REQUEST_UNITS, 20), (&BLOBS, 6), (&LOGS, 10)];
static DATA: &[Part] = &[(&PIPELINES, 41), (&BLOBS, 22), (&REQUEST_UNITS, 24), (&LOGS, 7), (&EGRESS, 6)];
static WAREHOUSE: &[Part] = &[(&DWU, 51), (&REPORTS, 33), (&BLOBS, 11), (&LOGS, 5)];
static MODEL: &[Part] = &[(&TOKENS, 68), (&SEARCH_UNITS, 18), (&BLOBS, 6), (&LOGS, 8)];

static EXPORTS: CostExports = CostExports {
    root: "cost-exports",
    actual: "brightwater-actual",
    amortised: "brightwater-amortized",
    container: "/subscriptions/3f0c2a9e-8d14-4b7a-9c55-1e6f70b2d481/resourceGroups/rg-finops/providers/Microsoft.Storage\
        /storageAccounts/stbrightwaterbilling/blobServices/default/containers/billing",
    account: "7c9a1d52-30e8-5b64-8f27-2d0b6e91a4c3:e51f08b7-6a2d-4c19-9d73-80c4f1a6b2e9_2019-05-31",
    section: ("QK4T-7ZWD-PJA-PGB", "Operations"),
    order: "5d1e0a47-96c3-4f28-b7d0-3a8e52c91f64",
    invoice,
};

/// Microsoft's invoices have a letter and nine digits.
fn invoice(month: NaiveDate) -> String {
    format!("G{}", chance::digits(9, &["azure-invoice", &month.format("%Y-%m").to_string()]))
}

/// A product's id, and its meter's.
pub(crate) fn sku(offer: &Offer) -> (String, String) {
    sku_of(&[offer.service.name, offer.meter])
}

fn sku_of(words: &[&str]) -> (String, String) {
    let tail = chance::letters("0123456789BCDFGHJKLMNPQRSTVWXZ", 8, &[&["azure-sku"], words].concat());
    (format!("DZH3{tail}"), chance::uuid(&[&["azure-meter"], words].concat()))
}

fn stacks(stack: Stack) -> &'static [Part] {
    match stack {
        Stack::Service => SERVICE,
        Stack::Function => FUNCTION,
        Stack::Data => DATA,
        Stack::Warehouse => WAREHOUSE,
        Stack::Model => MODEL,
        _ => &[],
    }
}

fn place(component: &Component, environment: Environment) -> (&'static SubAccount, &'static Region) {
    let corporate = matches!(component.team, "internal-tools" | "identity");
    let account = match environment {
        Environment::Prod if corporate => &CORPORATE,
        Environment::Prod => &OPERATIONS,
        Environment::Staging | Environment::Dev => &NON_PROD,
    };
    (account, if corporate { &GERMANY } else { &WEST_EUROPE })
}

/// Azure's share of the company's bills.
pub(crate) fn source(workshop: &Workshop<'_>) -> Source {
    Source {
        name: NAME,
        head: Letterhead {
            provider: "Microsoft",
            publisher: "Microsoft",
            host: "Microsoft",
            issuer: "Microsoft",
            account_id: "B3XM-55NQ-BG7-PGB",
            account_name: "Brightwater Goods GmbH",
            account_type: "Billing Profile",
            sub_account_type: "Subscription",
            currency: "EUR",
        },
        form: Form::CostExports(&EXPORTS),
        lines: workshop.components(Cloud::Azure, stacks, place),
        commitment: Some(reservation()),
        discounts: None,
        fees: vec![Fee {
            subject: Subject {
                sku: Some(one_sku("Standard Support")),
                ..Subject::bare(&SUPPORT, "Azure Standard Support plan")
            },
            amount: Decimal::whole(92),
            whole_month: true,
        }],
        events: vec![
            Event {
                month: 5,
                day: 9,
                description: "Service level credit for an outage in West Europe",
                what: What::Credit(&SQL, Decimal::whole(410)),
            },
            Event {
                month: 8,
                day: 6,
                description: "Refund of log ingestion during an incident",
                what: What::Refund(Usage { component: "warehouse-ops", service: &MONITOR, share: 0.7 }),
            },
            Event {
                month: 6,
                day: 11,
                description: "Correction of data movement billed in the previous month",
                what: What::Correction(Usage { component: "stock-sync", service: &DATA_FACTORY, share: 1.6 }),
            },
        ],
        tax: Tax { description: "VAT 19 %", rate: Decimal::new(19, 2), on: TAXED, booked: None },
        rounding: &ROUNDING,
        invoice: Some(invoice),
        begins: source::at_midnight,
    }
}

fn reservation() -> Commitment {
    let id = format!(
        "/providers/Microsoft.Capacity/reservationOrders/{}/reservations/{}",
        chance::uuid(&["azure-reservation-order"]),
        chance::uuid(&["azure-reservation"])
    );
    let subject = |description: &str| Subject {
        region: Some(&WEST_EUROPE),
        resource: Some(Resource { id: id.clone(), name: None, kind: "Reservation" }),
        sku: Some(one_sku("Reservation, D4s v5, 3 Years")),
        ..Subject::bare(&VIRTUAL_MACHINES, description)
    };
    Commitment {
        purchase: subject("Reserved VM Instance, Standard_D4s_v5, EU West, 3 Years, monthly payment"),
        unused: subject("Reserved VM Instance, Standard_D4s_v5, EU West, 3 Years, unused"),
        name: CommitmentName {
            id: id.clone(),
            name: "VM_RI_D4s_v5_westeurope",
            kind: "Reservation",
            category: "Usage",
            unit: "Hours",
        },
        // 27 machines at 0.12672 euros an hour.
        hourly: Decimal::new(342_144, 5),
        rate: 60,
    }
}

fn one_sku(meter: &'static str) -> Sku {
    let (id, price_id) = sku_of(&[meter]);
    Sku { id, price_id, meter, details: None }
}
