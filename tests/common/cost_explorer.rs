//! The stand-in for AWS Cost Explorer (tests/standins/cost_explorer.py). Each test has a world of its own there, named by its
//! access key.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::Datelike;
use serde_json::{Value, json};

pub use super::standin::{last_month, this_month, today};

use super::standin::{self, Machine};

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
pub fn endpoint() -> String {
    std::env::var("TEST_COST_EXPLORER").expect("TEST_COST_EXPLORER says where the stand-in is: tests/run starts it")
}

/// Goes through the stand-in's door for tests.
pub fn tell(method: &str, key: &str, body: &Value) -> Value {
    standin::tell(&endpoint(), method, key, body)
}

pub const PAYER: &str = "111122223333";
pub const MEMBER: &str = "444455556666";
const SECRET: &str = "wJalrXUtnFEMIsecretEXAMPLEKEY";

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A bill at the stand-in, and a machine that collects it.
pub struct World {
    key: String,
    machine: Machine,
}

impl Deref for World {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl World {
    /// With two months of a bill that has a bit of everything.
    pub fn new(settings: &str, more: &Value) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let key = format!("AKIA{:08X}{number:04}", std::process::id());
        let endpoint = endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", &key),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let machine = Machine::new(&variables, &[SECRET, "Signature="]);
        let world = Self { key, machine };
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
        self.write_config(&config);
    }

    pub fn change(&self, members: &Value) {
        tell("PATCH", &self.key, members);
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
}
