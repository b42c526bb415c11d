//! Datadog: FOCUS 1.3 in dollars, charged to teams rather than components and tagged by half of them.

use chrono::NaiveDate;

use crate::chance;
use crate::company::{Company, Environment};
use crate::form::Form;
use crate::line::{Line, Order, Workshop};
use crate::money::Decimal;
use crate::offer::{self, Offer, Rhythm, Service, SubAccount};
use crate::row::{Column, Letterhead, Sku, Subject};
use crate::source::{self, Event, Fee, Source, Tax, Usage, What};
use crate::tags::{Owner, Scheme};

pub(crate) const NAME: &str = "datadog";

pub(crate) const SCHEME: Scheme =
    Scheme { team: "team", component: "service", environment: "env", blank: Some("{}"), creator: None, untagged: 25 };

static PRODUCTION: SubAccount = SubAccount { id: "bw7f2k9qd1", name: "Brightwater production" };
static NON_PROD: SubAccount = SubAccount { id: "bw3m8x0vhs", name: "Brightwater non-production" };

const fn service(name: &'static str, code: &'static str) -> Service {
    Service::new(name, code, "Management and Governance", "Observability")
}

static HOSTS: Service = service("Infrastructure Monitoring", "infra_hosts");
static APM: Service = service("Application Performance Monitoring", "apm_hosts");
static LOGS: Service = service("Log Management", "logs_indexed");
static METRICS: Service = service("Custom Metrics", "custom_timeseries");
static RUM: Service = service("Real User Monitoring", "rum_sessions");
static SYNTHETICS: Service =
    Service::new("Synthetic Monitoring", "synthetics_api_tests", "Developer Tools", "Quality Assurance");
static PLATFORM: Service = service("Datadog Platform", "platform");

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

static HOST_HOURS: Offer = offer(
    &HOSTS,
    "Infra Hosts - Enterprise",
    "Infrastructure hosts, Enterprise plan",
    "Host-Hours",
    (32, 3),
    Rhythm::Steady,
);
static APM_HOURS: Offer = offer(&APM, "APM Hosts - Pro", "APM hosts, Pro plan", "Host-Hours", (48, 3), Rhythm::Traffic);
static LOG_EVENTS: Offer = offer(
    &LOGS,
    "Indexed Logs - 15 days",
    "Log events indexed with 15 days of retention",
    "1000000 Events",
    (170, 2),
    Rhythm::Traffic,
);
static TIMESERIES: Offer = offer(
    &METRICS,
    "Custom Metrics",
    "Custom metrics beyond the hosts' allotment",
    "100 Timeseries-Days",
    (167, 3),
    Rhythm::Traffic,
);
static SESSIONS: Offer =
    offer(&RUM, "RUM Sessions", "Browser and mobile sessions", "1000 Sessions", (150, 2), Rhythm::Traffic);
static API_TESTS: Offer =
    offer(&SYNTHETICS, "API Test Runs", "Synthetic API test runs", "10000 Tests", (500, 2), Rhythm::Steady);

/// FOCUS 1.3: the deprecated ProviderName and PublisherName are still there, beside their successors.
static COLUMNS: &[Column] = {
    use Column::*;
    &[
        ServiceProviderName,
        HostProviderName,
        ProviderName,
        PublisherName,
        InvoiceIssuerName,
        InvoiceId,
        BillingAccountId,
        BillingAccountName,
        BillingAccountType,
        SubAccountId,
        SubAccountName,
        SubAccountType,
        BillingCurrency,
        BillingPeriodStart,
        BillingPeriodEnd,
        ChargePeriodStart,
        ChargePeriodEnd,
        ChargeCategory,
        ChargeClass,
        ChargeFrequency,
        ChargeDescription,
        PricingCategory,
        BilledCost,
        ContractedCost,
        EffectiveCost,
        ListCost,
        ContractedUnitPrice,
        ListUnitPrice,
        PricingQuantity,
        PricingUnit,
        ConsumedQuantity,
        ConsumedUnit,
        ServiceCategory,
        ServiceName,
        ServiceSubcategory,
        SkuId,
        SkuMeter,
        SkuPriceDetails,
        SkuPriceId,
        ResourceId,
        ResourceName,
        ResourceType,
        Tags,
    ]
};

pub(crate) fn sku(offer: &Offer) -> (String, String) {
    (format!("dd-{}", offer.service.code), format!("dd-{}-annual-usd", offer.service.code))
}

/// Datadog's bill.
pub(crate) fn source(workshop: &Workshop<'_>) -> Source {
    Source {
        name: NAME,
        head: Letterhead {
            provider: "Datadog",
            publisher: "Datadog",
            host: "AWS",
            issuer: "Datadog, Inc.",
            account_id: "1000482917",
            account_name: "Brightwater Goods",
            account_type: "Parent Organization",
            sub_account_type: "Organization",
            currency: "USD",
        },
        form: Form::Focus { columns: COLUMNS },
        lines: lines(workshop),
        commitment: None,
        discounts: None,
        fees: vec![Fee {
            subject: Subject {
                sku: Some(Sku {
                    id: "dd-platform".to_owned(),
                    price_id: "dd-platform-annual-usd".to_owned(),
                    meter: "Enterprise Platform",
                    details: None,
                }),
                ..Subject::bare(&PLATFORM, "Enterprise platform fee, annual contract paid monthly")
            },
            amount: Decimal::whole(2_750),
            whole_month: true,
        }],
        events: vec![
            Event {
                month: 6,
                day: 20,
                description: "Goodwill credit for delayed log ingestion",
                what: What::Credit(&LOGS, Decimal::whole(350)),
            },
            Event {
                month: 10,
                day: 5,
                description: "Correction of sessions counted twice in the previous month",
                what: What::Correction(Usage { component: "storefront", service: &RUM, share: 1.3 }),
            },
        ],
        tax: Tax { description: "New York sales tax", rate: Decimal::new(8_875, 5), on: &[], booked: None },
        rounding: &offer::ROUNDING,
        begins: source::at_midnight,
        invoice: Some(|month: NaiveDate| {
            format!("DD-{}-{}", month.format("%Y%m"), chance::digits(6, &["datadog-invoice", &month.to_string()]))
        }),
    }
}

/// Every team's share of each product, by its people; sessions go to the components that have users.
fn lines(workshop: &Workshop<'_>) -> Vec<Line> {
    let products: [(&Offer, f64); 5] =
        [(&HOST_HOURS, 2.9), (&APM_HOURS, 1.8), (&LOG_EVENTS, 1.6), (&TIMESERIES, 0.9), (&API_TESTS, 0.25)];
    let mut lines = Vec::new();
    for team in Company::invented().teams {
        let mut order = |environment, account, offer, daily| {
            let owner = Owner { team: team.name, component: None, environment };
            lines.push(workshop.line(Order { owner, offer, account, region: None, daily, growth: 16 }));
        };
        for (offer, each) in products {
            order(Environment::Prod, &PRODUCTION, offer, each * f64::from(team.people));
        }
        if team.people >= 8 {
            order(Environment::Staging, &NON_PROD, &HOST_HOURS, 0.45 * f64::from(team.people));
        }
    }
    for (team, component, daily) in
        [("web", "storefront", 58.0), ("checkout", "checkout-api", 31.0), ("mobile", "mobile-bff", 44.0)]
    {
        let owner = Owner { team, component: Some(component), environment: Environment::Prod };
        lines.push(workshop.line(Order {
            owner,
            offer: &SESSIONS,
            account: &PRODUCTION,
            region: None,
            daily,
            growth: 22,
        }));
    }
    lines
}
