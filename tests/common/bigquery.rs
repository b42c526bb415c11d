//! The stand-in for BigQuery (tests/standins/bigquery.py). Each test has a world of its own there, named by its service account.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use bigdecimal::BigDecimal;
use chrono::{Days, NaiveDate};
use outlay_model::money::plain;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cost_explorer::{last_month, this_month};

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
pub fn endpoint() -> String {
    std::env::var("TEST_BIGQUERY").expect("TEST_BIGQUERY says where the stand-in is: tests/run starts it")
}

/// Goes through the stand-in's door for tests: `PUT`, `PATCH` or `GET` of a world.
pub fn tell(method: &str, name: &str, body: &Value) -> Value {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").expect("an address");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut connection = TcpStream::connect(host).expect("the stand-in listens");
    let head = format!("{method} /worlds/{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    write!(connection, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("takes it");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).expect("JSON")
}

pub const TABLE: &str = "finance.billing.gcp_billing_export_resource_v1_01ABCD_234EFG_567HIJ";

/// The columns of the detailed export.
pub fn schema() -> Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind, "mode": "NULLABLE" });
    let record = |name: &str, mode: &str, fields: Vec<Value>| json!({ "name": name, "type": "RECORD", "mode": mode, "fields": fields });
    let texts = |names: &[&str]| names.iter().map(|name| column(name, "STRING")).collect::<Vec<_>>();
    let pairs = |name: &str| record(name, "REPEATED", texts(&["key", "value"]));
    let mut project = texts(&["id", "number", "name", "ancestry_numbers"]);
    project.push(record("ancestors", "REPEATED", texts(&["resource_name", "display_name"])));
    project.push(pairs("labels"));
    let mut tag = texts(&["key", "value", "namespace"]);
    tag.push(column("inherited", "BOOLEAN"));
    let mut usage = texts(&["unit", "pricing_unit"]);
    usage.extend([column("amount", "FLOAT"), column("amount_in_pricing_units", "FLOAT")]);
    let mut credit = texts(&["id", "full_name", "type", "name"]);
    credit.push(column("amount", "FLOAT"));
    let mut price = texts(&["unit"]);
    price.extend(
        ["effective_price", "tier_start_amount", "pricing_unit_quantity", "list_price"]
            .map(|name| column(name, "NUMERIC")),
    );
    json!([
        column("billing_account_id", "STRING"),
        record("invoice", "NULLABLE", texts(&["month", "publisher_type"])),
        column("cost_type", "STRING"),
        record("service", "NULLABLE", texts(&["id", "description"])),
        record("sku", "NULLABLE", texts(&["id", "description"])),
        column("usage_start_time", "TIMESTAMP"),
        column("usage_end_time", "TIMESTAMP"),
        record("project", "NULLABLE", project),
        pairs("labels"),
        pairs("system_labels"),
        record("location", "NULLABLE", texts(&["location", "country", "region", "zone"])),
        record("tags", "REPEATED", tag),
        column("transaction_type", "STRING"),
        column("seller_name", "STRING"),
        column("export_time", "TIMESTAMP"),
        column("cost", "FLOAT"),
        column("currency", "STRING"),
        column("currency_conversion_rate", "FLOAT"),
        record("usage", "NULLABLE", usage),
        record("credits", "REPEATED", credit),
        record("adjustment_info", "NULLABLE", texts(&["id", "description", "mode", "type"])),
        column("cost_at_list", "FLOAT"),
        record("price", "NULLABLE", price),
        record("resource", "NULLABLE", texts(&["name", "global_name"])),
        column("something_new", "STRING"),
    ])
}

/// A line of usage, as Google exports it a day later.
pub fn line(day: NaiveDate, invoice: Option<NaiveDate>, cost: &str) -> Value {
    let exported = day.checked_add_days(Days::new(1)).expect("a day");
    let mut line = json!({
        "_PARTITIONTIME": format!("{exported}T00:00:00Z"),
        "billing_account_id": "01ABCD-234EFG-567HIJ",
        "cost_type": "regular",
        "service": { "id": "6F81-5844-456A", "description": "Compute Engine" },
        "sku": { "id": "0001-0002-0003", "description": "N2 Instance Core running in Frankfurt" },
        "usage_start_time": format!("{day}T07:00:00Z"),
        "usage_end_time": format!("{day}T08:00:00Z"),
        "project": {
            "id": "shop", "number": "123456789012", "name": "Shop", "ancestry_numbers": "/1/2/",
            "ancestors": [{ "resource_name": "organizations/1", "display_name": "example.com" }],
            "labels": [{ "key": "cost-centre", "value": "42" }],
        },
        "labels": [{ "key": "team", "value": "payments" }],
        "system_labels": [{ "key": "compute.googleapis.com/cores", "value": "4" }],
        "location": { "location": "europe-west3", "country": "DE", "region": "europe-west3", "zone": "europe-west3-a" },
        "tags": [{ "key": "env", "value": "prod", "inherited": true, "namespace": "example.com" }],
        "transaction_type": "GOOGLE",
        "export_time": format!("{exported}T02:03:04.567891Z"),
        "cost": number(cost),
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "usage": { "unit": "seconds", "amount": 3600.0, "pricing_unit": "hour", "amount_in_pricing_units": 1.0 },
        "credits": [],
        "cost_at_list": number(cost),
        "resource": { "name": "web-1", "global_name": "//compute.googleapis.com/projects/shop/zones/europe-west3-a/instances/1" },
    });
    if let Some(month) = invoice {
        line["invoice"] = json!({ "month": month.format("%Y%m").to_string(), "publisher_type": "GOOGLE" });
    }
    line
}

/// A number with the digits that it is written with.
pub fn number(text: &str) -> Value {
    serde_json::from_str(text).expect("a number")
}

pub fn credit(kind: &str, name: &str, amount: &str) -> Value {
    json!({ "id": name, "full_name": name, "type": kind, "name": name, "amount": number(amount) })
}

/// A month of a bill that has a bit of everything.
pub fn rows() -> Vec<Value> {
    let mut rows = Vec::new();
    let month = last_month();
    for day in month.iter_days().take_while(|day| *day < this_month()) {
        let mut cores = line(day, Some(month), "1.2345678901");
        cores["credits"] = json!([
            credit("SUSTAINED_USAGE_DISCOUNT", "Sustained use", "-0.3"),
            credit("COMMITTED_USAGE_DISCOUNT", "Committed use", "-0.0500000001"),
        ]);
        // The same hour, stated once more: the two differ in nothing but amounts.
        let mut again = line(day, Some(month), "0.1");
        again["credits"] = json!([credit("SUSTAINED_USAGE_DISCOUNT", "Sustained use", "-0.2")]);
        let mut little = line(day, Some(month), "0.000001");
        little["service"] = json!({ "id": "95FF-2EF5-5EA1", "description": "Cloud Storage" });
        little["sku"]["id"] = "0001-0002-0004".into();
        little["labels"] = json!([]);
        little["credits"] = json!([credit("FREE_TIER", "Free tier", "-0.000001")]);
        rows.extend([cores, again, little]);
    }
    let last = this_month().pred_opt().expect("a day");
    let without_project = |kind: &str, day: NaiveDate, cost: &str| {
        let mut line = line(day, Some(month), cost);
        for member in ["project", "resource", "labels", "tags", "system_labels", "location", "usage"] {
            line[member] = if member.ends_with("labels") || member == "tags" { json!([]) } else { Value::Null };
        }
        line["cost_type"] = kind.into();
        line["sku"] = json!({ "id": "TAX", "description": kind });
        // It is known when the invoice is made.
        line["_PARTITIONTIME"] = format!("{}T00:00:00Z", last.checked_add_days(Days::new(4)).expect("a day")).into();
        line
    };
    rows.push(without_project("tax", month, "19.07"));
    rows.push(without_project("rounding_error", last, "-0.004999999999"));
    let mut adjusted = without_project("adjustment", month, "-3.5");
    adjusted["adjustment_info"] =
        json!({ "id": "a1", "description": "Goodwill", "mode": "COMPLETE_NEGATION", "type": "GOODWILL" });
    rows.push(adjusted);
    // Google's months begin in California: the last hours of a day in UTC are invoiced with the month, the first with the month before.
    let mut night = line(this_month(), Some(month), "2.5");
    night["usage_start_time"] = format!("{}T03:00:00Z", this_month()).into();
    night["usage_end_time"] = format!("{}T04:00:00Z", this_month()).into();
    rows.push(night);
    rows.push(line(last, Some(this_month()), "7.25"));
    rows
}

/// Σ cost + Σ credits of some rows.
pub fn net(rows: &[Value], within: impl Fn(&Value) -> bool) -> String {
    let number = |value: &Value| value.to_string().parse::<BigDecimal>().expect("a number");
    let of = |row: &Value| -> BigDecimal {
        let credits = row["credits"].as_array().into_iter().flatten().map(|credit| number(&credit["amount"]));
        credits.sum::<BigDecimal>() + number(&row["cost"])
    };
    plain(&rows.iter().filter(|row| within(row)).map(of).sum::<BigDecimal>())
}

pub fn invoiced(month: NaiveDate) -> impl Fn(&Value) -> bool {
    let month = month.format("%Y%m").to_string();
    move |row| row["invoice"]["month"] == month.as_str()
}

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// An export at the stand-in, and a machine that collects it.
pub struct World {
    pub name: String,
    pub folder: TempDir,
}

/// Makes a world, and puts the key of its service account below a folder.
pub fn plant(name: &str, folder: &Path, more: &Value) {
    let mut seed = json!({ "table": TABLE, "schema": schema(), "rows": rows(), "page_rows": 40 });
    seed.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let key = tell("PUT", name, &seed);
    fs::write(folder.join("key.json"), key.to_string()).expect("writes");
}

impl World {
    pub fn new(settings: &str, more: &Value) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("w{}-{number}", std::process::id());
        let world = Self { name, folder: tempfile::tempdir().expect("a folder") };
        plant(&world.name, world.folder.path(), more);
        world.configure(settings);
        world
    }

    /// Settings of the source. Waits are short: the stand-in does not tire.
    pub fn configure(&self, settings: &str) {
        let months = if settings.contains("backfill_months") { "" } else { "backfill_months = 1\n" };
        let table = if settings.contains("table =") { String::new() } else { format!("table = \"{TABLE}\"\n") };
        let config = format!(
            "[tags]\ndaily = [\"team\"]\n[[source]]\nname = \"gcp\"\nkind = \"gcp_bigquery\"\n{table}{months}endpoint = \"{}\"\n\
             credentials_file = \"key.json\"\n{settings}\n[source.http]\nattempts = 3\nfirst_wait_milliseconds = 1\n",
            endpoint()
        );
        fs::write(self.folder.path().join("outlay.toml"), config).expect("writes");
    }

    pub fn change(&self, members: &Value) {
        tell("PATCH", &self.name, members);
    }

    pub fn told(&self) -> Value {
        tell("GET", &self.name, &Value::Null)
    }

    /// What was asked of BigQuery.
    pub fn calls(&self, at: &str) -> Vec<Value> {
        let calls = self.told()["calls"].as_array().expect("calls").clone();
        calls.into_iter().filter(|call| call["at"] == at).collect()
    }

    pub fn outlay(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().env("HOME", self.folder.path()).env("OUTLAY_LOG", "trace");
        command.current_dir(self.folder.path()).args(arguments).output().expect("runs")
    }

    /// What a command says that ends with this code. It never says a secret, at any level.
    #[track_caller]
    pub fn said(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(arguments);
        let log = String::from_utf8_lossy(&done.stderr);
        let said = format!("{}{log}", String::from_utf8_lossy(&done.stdout));
        let tail: String = said
            .lines()
            .filter(|line| !line.contains("TRACE") && !line.contains("DEBUG"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{tail}");
        let key = fs::read_to_string(self.folder.path().join("key.json")).unwrap_or_default();
        let key: Value = serde_json::from_str(&key).unwrap_or_default();
        let secret = key["private_key"].as_str().and_then(|text| text.lines().nth(1)).unwrap_or("PRIVATE KEY");
        for secret in [secret, "PRIVATE KEY", "ya29.", "assertion=", "Bearer ", "eyJ"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        tail
    }

    #[track_caller]
    pub fn collect(&self, code: i32) -> String {
        self.said(&["collect"], code)
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let done = self.outlay(&[arguments, &["--format", "json"]].concat());
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("JSON")
    }

    /// What an invoice month comes to.
    pub fn billed(&self, month: NaiveDate) -> String {
        let period = month.format("%Y-%m").to_string();
        let answer = self.json(&[
            "spend",
            "--period",
            &period,
            "--basis",
            "billing",
            "--granularity",
            "month",
            "--metric",
            "billed",
        ]);
        answer["total"].to_string()
    }

    /// What was billed, by the value of a dimension, for what was used in the month before this one.
    pub fn billed_by(&self, dimension: &str) -> BTreeMap<String, String> {
        let period = last_month().format("%Y-%m").to_string();
        let answer = self.json(&["spend", "--period", &period, "--metric", "billed", "--group-by", dimension]);
        let rows = answer["data"].as_array().expect("rows");
        let named = |row: &Value| row[dimension].as_str().unwrap_or("(none)").to_owned();
        rows.iter().map(|row| (named(row), row["cost"].to_string())).collect()
    }
}
