//! Google Cloud: the detailed usage export in dollars, with committed cores.
//!
//! Google bills by the days of California, so the first hours of a month, by UTC, are on the bill of the month before.

use chrono::{Datelike, NaiveDate};

use crate::chance;
use crate::company::{Cloud, Component, Environment, Stack};
use crate::form::Form;
use crate::form::usage_export::{self, UsageExport};
use crate::line::{Order, Workshop};
use crate::money::Decimal;
use crate::offer::{Offer, Part, Region, Rhythm, Service, SubAccount};
use crate::row::{CommitmentName, Letterhead, Sku, Subject};
use crate::source::{Discounts, Event, Fee, Source, Tax, Usage, What};
use crate::tags::{Owner, Scheme};

pub(crate) const NAME: &str = "gcp";

pub(crate) const SCHEME: Scheme =
    Scheme { team: "owner-team", component: "app", environment: "env", blank: Some("{}"), creator: None, untagged: 10 };

static ANALYTICS: SubAccount = SubAccount { id: "bw-analytics-prod", name: "Analytics (production)" };
static MODELS: SubAccount = SubAccount { id: "bw-models-prod", name: "Models (production)" };
static APPS: SubAccount = SubAccount { id: "bw-apps-prod", name: "Apps (production)" };
static NON_PROD: SubAccount = SubAccount { id: "bw-nonprod-4471", name: "Non-production" };

static BELGIUM: Region = Region { id: "europe-west1", name: "Belgium", zone: "europe-west1-b" };
static IOWA: Region = Region { id: "us-central1", name: "Iowa", zone: "us-central1-c" };

static COMPUTE: Service = Service::new("Compute Engine", "6F81-5844-456A", "Compute", "Virtual Machines");
static GKE: Service = Service::new("Kubernetes Engine", "CCD8-9BF1-090E", "Compute", "Containers");
static STORAGE: Service = Service::new("Cloud Storage", "95FF-2EF5-5EA1", "Storage", "Object Storage");
static BIGQUERY: Service = Service::new("BigQuery", "24E6-581D-38E5", "Databases", "Data Warehouses");
static DATAFLOW: Service = Service::new("Cloud Dataflow", "57D6-88AA-9DCF", "Analytics", "Data Processing");
static PUBSUB: Service = Service::new("Cloud Pub/Sub", "A1E8-BE35-7EBC", "Integration", "Messaging");
static RUN: Service = Service::new("Cloud Run", "152E-C115-5142", "Compute", "Serverless Compute");
static FIRESTORE: Service = Service::new("Cloud Firestore", "EE2C-7FAC-5E08", "Databases", "NoSQL Databases");
static LOGGING: Service = Service::new("Cloud Logging", "5490-F7B7-8DF6", "Management and Governance", "Observability");
static NETWORKING: Service = Service::new("Networking", "E505-1604-58F8", "Networking", "Network Infrastructure");
static VERTEX: Service = Service::new("Vertex AI", "C7E2-9256-1C43", "AI and Machine Learning", "Machine Learning");
static VISION: Service =
    Service::new("Cloud Vision API", "EB5D-AE1E-16F6", "AI and Machine Learning", "Machine Learning");
static INVOICE: Service = Service::new("Invoice", "CLOUD/INVOICE", "Other", "Other (Other)");
static SUPPORT: Service = Service::new("Support", "2062-016F-44A2", "Management and Governance", "Support");

static TAXED: &[&Service] = &[&NETWORKING, &SUPPORT];

const fn offer(
    service: &'static Service,
    meter: &'static str,
    unit: &'static str,
    list: (i128, u32),
    rhythm: Rhythm,
) -> Offer {
    // A SKU's description is all Google says about a charge.
    Offer::new(service, meter, meter, unit, Decimal::new(list.0, list.1), rhythm)
}

static N2_CORE: Offer = offer(&COMPUTE, "N2 Instance Core running in Belgium", "Hours", (34_773, 6), Rhythm::Traffic)
    .resource("Instance", "//compute.googleapis.com/projects/{account}/zones/{zone}/instances/{digits}")
    .details(r#"{"compute.googleapis.com/machine_spec":"n2-standard-8","compute.googleapis.com/cores":"8"}"#)
    .committable()
    .zonal();
static MICRO: Offer = offer(&COMPUTE, "E2 Instance Core running in Americas", "Hours", (21_811, 6), Rhythm::Steady)
    .resource("Instance", "//compute.googleapis.com/projects/{account}/zones/{zone}/instances/{digits}")
    .details(r#"{"compute.googleapis.com/machine_spec":"e2-micro"}"#)
    .given()
    .zonal();
static SPOT_CORE: Offer =
    offer(&COMPUTE, "Spot Preemptible N2 Instance Core running in Belgium", "Hours", (34_773, 6), Rhythm::Batch)
        .resource("Instance", "//compute.googleapis.com/projects/{account}/zones/{zone}/instances/{digits}")
        .details(r#"{"compute.googleapis.com/machine_spec":"n2-highcpu-16","compute.googleapis.com/cores":"16"}"#)
        .spot(66)
        .zonal();
static DISK: Offer = offer(&COMPUTE, "Balanced PD Capacity", "GB-Months", (110, 3), Rhythm::Steady)
    .resource("Disk", "//compute.googleapis.com/projects/{account}/zones/{zone}/disks/{digits}")
    .zonal();
static PODS: Offer = offer(&GKE, "Autopilot Pod mCPU Requests in Belgium", "vCPU-Hours", (49_000, 6), Rhythm::Traffic)
    .resource("Cluster", "//container.googleapis.com/projects/{account}/locations/{region}/clusters/{name}");
static CLUSTER: Offer = offer(&GKE, "Regional Kubernetes Clusters", "Hours", (10, 2), Rhythm::Steady)
    .resource("Cluster", "//container.googleapis.com/projects/{account}/locations/{region}/clusters/{name}");
static OBJECTS: Offer = offer(&STORAGE, "Standard Storage", "GB-Months", (20, 3), Rhythm::Steady)
    .resource("Bucket", "//storage.googleapis.com/projects/_/buckets/bw-{name}");
static SLOTS: Offer =
    offer(&BIGQUERY, "BigQuery Enterprise Edition for Belgium (europe-west1)", "Slot-Hours", (66, 3), Rhythm::Office)
        .resource(
            "Reservation",
            "//bigqueryreservation.googleapis.com/projects/{account}/locations/{region}/reservations/{name}",
        );
static TABLES: Offer = offer(&BIGQUERY, "Active Logical Storage (europe-west1)", "GB-Months", (20, 3), Rhythm::Steady)
    .resource("Dataset", "//bigquery.googleapis.com/projects/{account}/datasets/{hex}");
static WORKERS: Offer = offer(&DATAFLOW, "vCPU Time Streaming Belgium", "vCPU-Hours", (69, 3), Rhythm::Batch)
    .resource("Job", "//dataflow.googleapis.com/projects/{account}/locations/{region}/jobs/{hex}");
static MESSAGES: Offer = offer(&PUBSUB, "Message Delivery Basic", "TB", (40, 0), Rhythm::Traffic)
    .resource("Topic", "//pubsub.googleapis.com/projects/{account}/topics/{name}");
static REQUESTS: Offer =
    offer(&RUN, "Services CPU (Request-based billing) in europe-west1", "vCPU-Hours", (864, 4), Rhythm::Traffic)
        .resource("Service", "//run.googleapis.com/projects/{account}/locations/{region}/services/{name}");
static READS: Offer =
    offer(&FIRESTORE, "Cloud Firestore Read Ops Belgium", "100000 Requests", (30, 3), Rhythm::Traffic);
static LOGS: Offer = offer(&LOGGING, "Log Storage cost", "GB", (50, 2), Rhythm::Traffic);
static EGRESS: Offer =
    offer(&NETWORKING, "Network Internet Data Transfer Out to Worldwide Destinations", "GB", (85, 3), Rhythm::Traffic);
static TRAINING: Offer =
    offer(&VERTEX, "Vertex AI Training: Nvidia Tesla A100 GPU in us-central1", "GPU-Hours", (33_741, 4), Rhythm::Batch)
        .resource(
            "Custom Job",
            "//aiplatform.googleapis.com/projects/{account}/locations/{region}/customJobs/{digits}",
        );
static PREDICTION: Offer = offer(
    &VERTEX,
    "Vertex AI Online Prediction: N1 Predefined vCPU in us-central1",
    "vCPU-Hours",
    (36_424, 6),
    Rhythm::Traffic,
)
.resource("Endpoint", "//aiplatform.googleapis.com/projects/{account}/locations/{region}/endpoints/{digits}");
static IMAGES: Offer = offer(&VISION, "Label Detection", "1000 Requests", (150, 2), Rhythm::Traffic);
static FREE_PUBSUB: Offer = offer(&PUBSUB, "Message Delivery Basic, first 10 GiB free", "TB", (0, 2), Rhythm::Steady);

static MODEL: &[Part] = &[(&TRAINING, 52), (&PREDICTION, 25), (&OBJECTS, 9), (&DISK, 6), (&LOGS, 4), (&EGRESS, 4)];
static WAREHOUSE: &[Part] = &[(&SLOTS, 52), (&TABLES, 19), (&WORKERS, 15), (&OBJECTS, 7), (&MESSAGES, 5), (&LOGS, 2)];
static FUNCTION: &[Part] = &[(&REQUESTS, 44), (&READS, 20), (&IMAGES, 12), (&MESSAGES, 10), (&LOGS, 8), (&EGRESS, 6)];
static CONTAINER: &[Part] = &[(&PODS, 46), (&CLUSTER, 6), (&N2_CORE, 20), (&DISK, 9), (&LOGS, 10), (&EGRESS, 9)];
static BATCH: &[Part] = &[(&SPOT_CORE, 58), (&OBJECTS, 14), (&WORKERS, 20), (&DISK, 5), (&LOGS, 3)];

static EXPORT: UsageExport = UsageExport {
    table: "gcp_billing_export_resource_v1_01B7C2_9E44D1_5F03A8",
    organisation: ("482190337751", "brightwater.example"),
    projects: &[
        ("bw-analytics-prod", "318840256117", &[("stage", "production"), ("business-unit", "data")]),
        ("bw-models-prod", "764012935580", &[("stage", "production"), ("business-unit", "data")]),
        ("bw-apps-prod", "150973348826", &[("stage", "production")]),
        ("bw-nonprod-4471", "902216473305", &[("stage", "non-production")]),
    ],
};

/// Google's SKU ids are three groups of four hexadecimal digits; price ids add the tier's start.
pub(crate) fn sku(offer: &Offer) -> (String, String) {
    sku_of(&[offer.service.code, offer.meter])
}

fn sku_of(words: &[&str]) -> (String, String) {
    let id = usage_export::code(&[&["gcp-sku"], words].concat());
    let price = format!("{id}/0");
    (id, price)
}

fn stacks(stack: Stack) -> &'static [Part] {
    match stack {
        Stack::Model => MODEL,
        Stack::Warehouse => WAREHOUSE,
        Stack::Function => FUNCTION,
        Stack::Container => CONTAINER,
        Stack::Batch => BATCH,
        _ => &[],
    }
}

fn place(component: &Component, environment: Environment) -> (&'static SubAccount, &'static Region) {
    let models = component.runs.iter().any(|run| run.stack == Stack::Model);
    let account = match environment {
        Environment::Staging | Environment::Dev => &NON_PROD,
        Environment::Prod if models => &MODELS,
        Environment::Prod if matches!(component.team, "data-platform" | "ml") => &ANALYTICS,
        Environment::Prod => &APPS,
    };
    (account, if models { &IOWA } else { &BELGIUM })
}

/// Google Cloud's share of the company's bills.
pub(crate) fn source(workshop: &Workshop<'_>) -> Source {
    let mut lines = workshop.components(Cloud::Gcp, stacks, place);
    lines.push(workshop.line(Order {
        owner: Owner { team: "platform", component: None, environment: Environment::Dev },
        offer: &FREE_PUBSUB,
        account: &NON_PROD,
        region: None,
        daily: 0.000_31,
        growth: 0,
    }));
    lines.push(workshop.line(Order {
        owner: Owner { team: "platform", component: Some("gke-clusters"), environment: Environment::Dev },
        offer: &MICRO,
        account: &NON_PROD,
        region: Some(&IOWA),
        daily: 0.52,
        growth: 0,
    }));
    Source {
        name: NAME,
        head: Letterhead {
            provider: "Google Cloud",
            publisher: "Google Cloud",
            host: "Google Cloud",
            issuer: "Google Cloud EMEA Limited",
            account_id: "01B7C2-9E44D1-5F03A8",
            account_name: "Brightwater Goods",
            account_type: "Billing Account",
            sub_account_type: "Project",
            currency: "USD",
        },
        form: Form::UsageExport(&EXPORT),
        lines,
        commitment: None,
        discounts: Some(discounts()),
        fees: vec![Fee {
            subject: Subject {
                sku: Some(one_sku("Enhanced Support")),
                ..Subject::bare(&SUPPORT, "Enhanced Support subscription")
            },
            amount: Decimal::whole(650),
            whole_month: false,
        }],
        events: events(),
        tax: Tax {
            description: "Sales tax on taxable services",
            rate: Decimal::new(625, 4),
            on: TAXED,
            booked: Some(&INVOICE),
        },
        rounding: &INVOICE,
        invoice: None,
        begins: midnight_in_california,
    }
}

/// As UTC has it: clocks there go forward on the second Sunday of March and back on the first of November, after midnight.
fn midnight_in_california(first: NaiveDate) -> u32 {
    if (4..=11).contains(&first.month()) { 7 } else { 8 }
}

fn discounts() -> Discounts {
    let description = "Commitment v1: N2 Cpu in Belgium for 1 Year";
    Discounts {
        units: 36,
        fee: Subject {
            account: Some(&APPS),
            region: Some(&BELGIUM),
            sku: Some(one_sku(description)),
            ..Subject::bare(&COMPUTE, description)
        },
        hourly: Decimal::new(21_907, 6),
        name: CommitmentName {
            id: chance::digits(19, &["gcp-commitment"]),
            name: "n2-belgium-1y",
            kind: "Committed Use Discount",
            category: "Usage",
            unit: "Hours",
        },
        sustained: 20,
    }
}

fn one_sku(meter: &'static str) -> Sku {
    let (id, price_id) = sku_of(&[meter]);
    Sku { id, price_id, meter, details: None }
}

fn events() -> Vec<Event> {
    let promotion = |month| Event {
        month,
        day: 1,
        description: "Promotional credit: startup programme",
        what: What::Promotion(&BIGQUERY, Decimal::whole(800)),
    };
    let mut events: Vec<Event> = (0..5).map(promotion).collect();
    events.push(Event {
        month: 10,
        day: 18,
        description: "Refund for failed training jobs",
        what: What::Refund(Usage { component: "ranking-model", service: &VERTEX, share: 0.9 }),
    });
    events.push(Event {
        month: 4,
        day: 22,
        description: "Correction of slot hours billed in the previous month",
        what: What::Correction(Usage { component: "mobile-analytics", service: &BIGQUERY, share: 1.1 }),
    });
    events
}
