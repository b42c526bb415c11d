//! The stand-in for AWS Cost Explorer (tests/standins/cost_explorer.py). Each test has a world of its own there, named by its
//! access key.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{Datelike, Months, NaiveDate};
use serde_json::{Value, json};
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
pub fn endpoint() -> String {
    std::env::var("TEST_COST_EXPLORER").expect("TEST_COST_EXPLORER says where the stand-in is: tests/run starts it")
}

/// Cost Explorer has no bills of other times than the months before this one.
#[expect(clippy::disallowed_methods, reason = "what it has depends on the day")]
pub fn today() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

pub fn this_month() -> NaiveDate {
    today().with_day(1).expect("a first")
}

pub fn last_month() -> NaiveDate {
    this_month().checked_sub_months(Months::new(1)).expect("a month before")
}

/// Goes through the stand-in's door for tests: `PUT`, `PATCH` or `GET` of a world.
pub fn tell(method: &str, key: &str, body: &Value) -> Value {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").expect("an address");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut connection = TcpStream::connect(host).expect("the stand-in listens");
    let head = format!("{method} /worlds/{key} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    write!(connection, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("takes it");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).expect("JSON")
}

pub const PAYER: &str = "111122223333";
pub const MEMBER: &str = "444455556666";
const SECRET: &str = "wJalrXUtnFEMIsecretEXAMPLEKEY";

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A bill at the stand-in, and a machine that collects it.
pub struct World {
    key: String,
    pub folder: TempDir,
}

impl World {
    /// With two months of a bill that has a bit of everything.
    pub fn new(settings: &str, more: &Value) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let key = format!("AKIA{:08X}{number:04}", std::process::id());
        let world = Self { key, folder: tempfile::tempdir().expect("a folder") };
        let mut seed = json!({
            "secret": SECRET,
            "today": today().to_string(),
            "payer": PAYER,
            "accounts": { PAYER: "platform", MEMBER: "shop" },
            "estimated_from": this_month().to_string(),
            "rows": world.rows("3.1"),
        });
        seed.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        tell("PUT", &world.key, &seed);
        world.configure(settings);
        world
    }

    /// Settings of the source. Waits are short: the stand-in does not tire.
    pub fn configure(&self, settings: &str) {
        let months = if settings.contains("backfill_months") { "" } else { "backfill_months = 1\n" };
        let payer = if settings.contains("role_arn") { "" } else { "billing_account_id = \"111122223333\"\n" };
        let config = format!(
            "[[source]]\nname = \"aws\"\nkind = \"aws_cost_explorer\"\n{months}{payer}{settings}\n\
             [source.http]\nattempts = 3\nfirst_wait_milliseconds = 1\n"
        );
        fs::write(self.folder.path().join("outlay.toml"), config).expect("writes");
    }

    pub fn change(&self, members: &Value) {
        tell("PATCH", &self.key, members);
    }

    pub fn period(&self) -> String {
        last_month().format("%Y-%m").to_string()
    }

    /// Every record type on every day, and what no account bears.
    pub fn rows(&self, price: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        for day in last_month().iter_days().take_while(|day| *day < today()) {
            let mut row = |account: &str, service: &str, kind: &str, costs: [&str; 4]| {
                let region = (day.day() % 3 != 0).then_some("eu-west-1");
                let tags = if day.day() % 2 == 0 { json!({ "team": "a$b" }) } else { json!({}) };
                let [unblended, amortized, net_unblended, net_amortized] = costs;
                rows.push(json!({
                    "day": day.to_string(), "account": account, "service": service, "record_type": kind, "region": region,
                    "tags": tags, "unblended": unblended, "amortized": amortized, "net_unblended": net_unblended,
                    "net_amortized": net_amortized,
                }));
            };
            row(PAYER, "Amazon Elastic Compute Cloud - Compute", "Usage", [price, price, "3", "3.0000000001"]);
            row(MEMBER, "Amazon Simple Storage Service", "Usage", ["0.0000031", "0.0000031", "0.000003", "0.000003"]);
            row(MEMBER, "AWS Lambda", "SavingsPlanCoveredUsage", ["5", "2.5", "5", "2.5"]);
            row(MEMBER, "AWS Lambda", "SavingsPlanNegation", ["-5", "0", "-5", "0"]);
            row(MEMBER, "Amazon Relational Database Service", "DiscountedUsage", ["0", "1.25", "0", "1.25"]);
            row(MEMBER, "Amazon Simple Storage Service", "Credit", ["-1.5", "-1.5", "-1.5", "-1.5"]);
            row(
                PAYER,
                "Amazon Simple Storage Service",
                "Enterprise Discount Program Discount",
                ["-0.1", "-0.1", "0", "0"],
            );
            row(PAYER, "Tax", "Tax", ["0.7", "0.7", "0.7", "0.7"]);
        }
        for (kind, service) in
            [("Refund", "AWS Lambda"), ("RIFee", "Amazon Relational Database Service"), ("Out of this world", "X")]
        {
            rows.push(
                json!({ "day": last_month().to_string(), "account": PAYER, "service": service, "record_type": kind,
                              "unblended": if kind == "Refund" { "-4" } else { "4" } }),
            );
        }
        rows.push(
            json!({ "day": last_month().to_string(), "service": "AWS Support (Business)", "record_type": "Support",
                          "unblended": "100.00", "ungrouped_only": true }),
        );
        rows
    }

    pub fn outlay(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().env("AWS_ENDPOINT_URL", endpoint()).env("AWS_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", &self.key).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).args(arguments).output().expect("runs")
    }

    /// What a command says that ends with this code. It never says a secret.
    #[track_caller]
    pub fn said(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{said}");
        assert!(!said.contains(SECRET) && !said.contains("Signature="), "{said}");
        said
    }

    #[track_caller]
    pub fn collect(&self, code: i32) -> String {
        self.said(&["collect"], code)
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.said(&[arguments, &["--format", "json"]].concat(), 0)).expect("JSON")
    }

    /// What the month before this one comes to: effective and billed.
    pub fn totals(&self) -> [String; 2] {
        ["effective", "billed"].map(|metric| {
            let answer = self.json(&["spend", "--period", &self.period(), "--metric", metric]);
            answer["total"].to_string()
        })
    }

    /// What was billed in the month before this one, by the value of a dimension.
    pub fn billed_by(&self, dimension: &str) -> BTreeMap<String, String> {
        let period = self.period();
        let answer = self.json(&["spend", "--period", &period, "--metric", "billed", "--group-by", dimension]);
        let rows = answer["data"].as_array().expect("rows");
        let named = |row: &Value| row[dimension].as_str().unwrap_or("(none)").to_owned();
        rows.iter().map(|row| (named(row), row["cost"].to_string())).collect()
    }

    pub fn calls(&self) -> Vec<Value> {
        tell("GET", &self.key, &Value::Null)["calls"].as_array().expect("calls").clone()
    }

    pub fn billed_calls(&self) -> u64 {
        tell("GET", &self.key, &Value::Null)["billed"].as_u64().expect("a number")
    }

    /// What Cost Explorer states for the month before this one: net amortised and net unblended.
    pub fn stated(&self, price: &str) -> [String; 2] {
        let rows = self.rows(price);
        let of = |row: &Value, names: [&str; 2]| {
            let text = names.iter().find_map(|name| row[*name].as_str()).expect("a cost");
            text.parse::<bigdecimal::BigDecimal>().expect("a number")
        };
        ["net_amortized", "net_unblended"].map(|name| {
            let within = |row: &&Value| row["day"].as_str().is_some_and(|day| day < this_month().to_string().as_str());
            let sum: bigdecimal::BigDecimal = rows.iter().filter(within).map(|row| of(row, [name, "unblended"])).sum();
            outlay_model::money::plain(&sum)
        })
    }

    pub fn days(&self) -> u32 {
        (this_month() - last_month()).num_days() as u32
    }
}
