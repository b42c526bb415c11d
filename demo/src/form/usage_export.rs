//! Google's detailed usage export, as BigQuery writes its table out: JSON lines, gzipped.
//!
//! ```text
//! <table>/invoice_month=202610/000000000000.json.gz
//! ```
//!
//! A line is what one resource used of one SKU in a while; what is taken off its cost stands in it as credits, never as a lower
//! cost. What is null is left out. BigQuery writes a FLOAT64 as a number, and an INT64 or a NUMERIC as text.

use std::path::{Path, PathBuf};

use chrono::{NaiveDateTime, TimeDelta};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::sink::Sink;
use super::{Meaning, Page};
use crate::DemoError;
use crate::chance;
use crate::money::{Costs, Decimal};
use crate::offer::SubAccount;
use crate::row::{Category, Charge, Credit, CreditKind, Letterhead, Period, Return};

/// The export of a billing account.
#[derive(Debug)]
pub(crate) struct UsageExport {
    /// The table, and the folder of the source.
    pub(crate) table: &'static str,
    /// (id, display name) of the organisation that all projects are in.
    pub(crate) organisation: (&'static str, &'static str),
    /// What the export knows of projects, by their id: number, and labels.
    pub(crate) projects: &'static [(&'static str, &'static str, &'static [Label])],
}

/// A key and its value.
pub(crate) type Label = (&'static str, &'static str);

/// What the export says a charge is. Only fees that are called so are purchases, and what is not priced costs the same in all
/// ways.
pub(crate) fn meaning(charge: &Charge<'_>) -> Meaning {
    let category = match charge.category {
        _ if charge.returned == Some(Return::Refund) => Category::Credit,
        _ if charge.returned == Some(Return::Correction) => Category::Adjustment,
        Category::Purchase if charge.commitment.is_none() => Category::Usage,
        category => category,
    };
    let costs = if is_priced(charge) { charge.costs } else { Costs::same(charge.costs.billed) };
    Meaning {
        category: category.name(),
        costs,
        list: Some(costs.list),
        contracted: Some(costs.contracted),
        ..Meaning::of(charge)
    }
}

/// Whether it has a price, that is, is no adjustment.
fn is_priced(charge: &Charge<'_>) -> bool {
    charge.priced.is_some() && charge.returned.is_none()
}

/// A month of the export being written.
pub(crate) struct UsageLines<'a> {
    export: &'static UsageExport,
    head: &'a Letterhead,
    period: &'a Period,
    file: Sink,
}

impl<'a> UsageLines<'a> {
    pub(crate) fn open(
        export: &'static UsageExport,
        head: &'a Letterhead,
        period: &'a Period,
        folder: &Path,
    ) -> Result<UsageLines<'a>, DemoError> {
        let file = format!("{}/invoice_month={}/000000000000.json.gz", export.table, month(period));
        Ok(UsageLines { export, head, period, file: Sink::create(folder.join(file))? })
    }

    fn line<'b>(&'b self, charge: &'b Charge<'_>) -> Line<'b> {
        let subject = charge.subject;
        let adjusted = charge.returned.map(|why| Adjustment {
            id: chance::uuid(&["gcp-adjustment", &subject.description]),
            description: &subject.description,
            mode: "PARTIAL_CORRECTION",
            r#type: match why {
                Return::Refund => "GOODWILL",
                Return::Correction => "USAGE_CORRECTION",
            },
        });
        let sku = subject.sku.as_ref();
        let priced = charge.priced.filter(|_| is_priced(charge));
        let words: [&str; 2] = ["gcp-sku-of", &subject.description];
        Line {
            billing_account_id: self.head.account_id,
            service: Named { id: subject.service.code, description: subject.service.name },
            sku: Sku {
                id: sku.map_or_else(|| code(&words), |sku| sku.id.clone()),
                description: sku.map_or(&subject.description, |sku| sku.meter),
            },
            usage_start_time: instant(charge.start),
            usage_end_time: instant(charge.end),
            project: subject.account.map(|account| self.project(account)),
            labels: subject.tags.as_deref().map(labels).unwrap_or_default(),
            system_labels: system_labels(sku.and_then(|sku| sku.details)),
            location: subject.region.map(|region| Location {
                location: region.id,
                country: country(region.id),
                region: region.id,
                zone: Some(region.zone).filter(|_| subject.zonal),
            }),
            tags: [],
            transaction_type: "GOOGLE",
            seller_name: self.head.issuer,
            export_time: instant(charge.end.max(self.period.start) + TimeDelta::hours(5)),
            // Before credits.
            cost: number(if is_priced(charge) { charge.costs.contracted } else { charge.costs.billed }),
            currency: self.head.currency,
            currency_conversion_rate: 1,
            usage: priced.map(|priced| {
                let Measure { unit, amount, pricing_unit, pricing_amount } = Measure::of(priced.unit);
                Usage {
                    amount: number((priced.quantity * Decimal::new(amount, 0)).rounded(0)),
                    unit,
                    amount_in_pricing_units: number(priced.quantity * Decimal::new(pricing_amount, 0)),
                    pricing_unit,
                }
            }),
            credits: charge.credits.iter().map(credit).collect(),
            invoice: Invoice { month: month(self.period), publisher_type: "GOOGLE" },
            cost_type: match charge.category {
                _ if adjusted.is_some() => "adjustment",
                Category::Tax => "tax",
                Category::Adjustment => "rounding_error",
                Category::Usage | Category::Purchase | Category::Credit => "regular",
            },
            adjustment_info: adjusted,
            price: priced.map(|priced| Price {
                effective_price: priced.contracted.to_string(),
                tier_start_amount: "0",
                unit: Measure::of(priced.unit).pricing_unit,
                pricing_unit_quantity: Measure::of(priced.unit).pricing_amount.to_string(),
                list_price: priced.list.to_string(),
            }),
            cost_at_list: priced.map(|_| number(charge.costs.list)),
            resource: subject.resource.as_ref().map(|resource| Resource {
                name: resource.name.as_deref().or(resource.id.rsplit('/').next()),
                global_name: &resource.id,
            }),
            subscription: charge.commitment.map(|applied| Subscription { instance_id: &applied.name.id }),
        }
    }

    fn project<'b>(&'b self, account: &'b SubAccount) -> Project<'b> {
        let (organisation, name) = self.export.organisation;
        let project = self.export.projects.iter().find(|(project, ..)| *project == account.id);
        let (number, labels) = project.map_or(("", &[][..]), |(_, number, labels)| (*number, *labels));
        Project {
            id: account.id,
            number,
            name: account.name,
            ancestry_numbers: format!("/{organisation}/"),
            ancestors: [Ancestor { resource_name: format!("organizations/{organisation}"), display_name: name }],
            labels: labels
                .iter()
                .map(|(key, value)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() })
                .collect(),
        }
    }
}

impl Page for UsageLines<'_> {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError> {
        let mut line = serde_json::to_string(&self.line(charge))
            .map_err(|error| DemoError::Write { path: self.file.path.clone(), source: error.into() })?;
        line.push('\n');
        self.file.text(&line)
    }

    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>, DemoError> {
        let (path, _) = self.file.finish()?;
        Ok(vec![path])
    }
}

#[derive(Serialize)]
struct Line<'a> {
    billing_account_id: &'a str,
    service: Named<'a>,
    sku: Sku<'a>,
    usage_start_time: String,
    usage_end_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Project<'a>>,
    labels: Vec<KeyValue>,
    system_labels: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location<'a>>,
    tags: [KeyValue; 0],
    transaction_type: &'a str,
    seller_name: &'a str,
    export_time: String,
    cost: Number,
    currency: &'a str,
    currency_conversion_rate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    credits: Vec<Given>,
    invoice: Invoice,
    cost_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjustment_info: Option<Adjustment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_at_list: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<Subscription<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Sku<'a> {
    id: String,
    description: &'a str,
}

#[derive(Serialize)]
struct Project<'a> {
    id: &'a str,
    number: &'a str,
    name: &'a str,
    labels: Vec<KeyValue>,
    ancestry_numbers: String,
    ancestors: [Ancestor<'a>; 1],
}

#[derive(Serialize)]
struct Ancestor<'a> {
    resource_name: String,
    display_name: &'a str,
}

#[derive(Serialize)]
struct KeyValue {
    key: String,
    value: String,
}

#[derive(Serialize)]
struct Location<'a> {
    location: &'a str,
    country: &'a str,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
}

#[derive(Serialize)]
struct Usage {
    amount: Number,
    unit: &'static str,
    amount_in_pricing_units: Number,
    pricing_unit: &'static str,
}

#[derive(Serialize)]
struct Given {
    id: String,
    full_name: &'static str,
    r#type: &'static str,
    name: &'static str,
    amount: Number,
}

#[derive(Serialize)]
struct Invoice {
    month: String,
    publisher_type: &'static str,
}

#[derive(Serialize)]
struct Adjustment<'a> {
    id: String,
    description: &'a str,
    mode: &'static str,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Price {
    effective_price: String,
    tier_start_amount: &'static str,
    unit: &'static str,
    pricing_unit_quantity: String,
    list_price: String,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    global_name: &'a str,
}

#[derive(Serialize)]
struct Subscription<'a> {
    instance_id: &'a str,
}

/// Discounts have a name alone; what was granted has an id besides.
fn credit(credit: &Credit) -> Given {
    let (r#type, name) = match credit.kind {
        CreditKind::Committed => ("COMMITTED_USAGE_DISCOUNT", "Committed Usage Discount: CPU"),
        CreditKind::Sustained => ("SUSTAINED_USAGE_DISCOUNT", "Sustained Usage Discount"),
        CreditKind::FreeTier => ("FREE_TIER", "Free Tier"),
        CreditKind::Promotion(name) => ("PROMOTION", name),
    };
    let (id, full_name) = match credit.kind {
        CreditKind::Promotion(name) => (chance::hex(16, &["gcp-credit", name]), name),
        _ => (String::new(), ""),
    };
    Given { id, full_name, r#type, name, amount: number(credit.amount) }
}

/// A number as JSON has it; the shortest text of the double it stands for, as long as that has at most 17 digits.
fn number(value: Decimal) -> Number {
    value.shortest().parse().expect("decimal text is a JSON number")
}

/// As BigQuery prints a TIMESTAMP.
fn instant(instant: NaiveDateTime) -> String {
    format!("{instant} UTC")
}

fn month(period: &Period) -> String {
    period.start.format("%Y%m").to_string()
}

/// Labels from a JSON object. Their values are of small letters, digits, `_` and `-`.
fn labels(object: &str) -> Vec<KeyValue> {
    let object: Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
    let label = |(key, value): (String, Value)| {
        let value = value.as_str().unwrap_or_default().to_lowercase().replace('/', "_");
        KeyValue { key, value }
    };
    object.into_iter().map(label).collect()
}

/// What Google knows of a machine.
fn system_labels(details: Option<&str>) -> Vec<KeyValue> {
    let object: Map<String, Value> = details.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    object
        .into_iter()
        .map(|(key, value)| KeyValue { key, value: value.as_str().map_or_else(|| value.to_string(), str::to_owned) })
        .collect()
}

fn country(region: &str) -> &'static str {
    if region.starts_with("us-") { "US" } else { "BE" }
}

/// How Google measures one of a unit of FOCUS.
struct Measure {
    unit: &'static str,
    amount: i128,
    pricing_unit: &'static str,
    pricing_amount: i128,
}

impl Measure {
    fn of(unit: &str) -> Measure {
        const GIB: i128 = 1 << 30;
        let (unit, amount, pricing_unit, pricing_amount) = match unit {
            "GB" => ("bytes", GIB, "gibibyte", 1),
            "TB" => ("bytes", GIB << 10, "tebibyte", 1),
            // A month has thirty days there.
            "GB-Months" => ("byte-seconds", GIB * 86_400 * 30, "gibibyte month", 1),
            "1000 Requests" => ("requests", 1_000, "count", 1_000),
            "100000 Requests" => ("requests", 100_000, "count", 100_000),
            "Months" => ("months", 1, "month", 1),
            _ => ("seconds", 3_600, "hour", 1),
        };
        Measure { unit, amount, pricing_unit, pricing_amount }
    }
}

/// Google's ids of SKUs are three groups of four hexadecimal digits.
pub(crate) fn code(words: &[&str]) -> String {
    let hex = chance::letters("0123456789ABCDEF", 12, words);
    format!("{}-{}-{}", &hex[..4], &hex[4..8], &hex[8..])
}
