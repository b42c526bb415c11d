//! The stand-in for Azure's Query API and Entra ID (tests/standins/azure.py). Each test has a world of its own there, named by
//! its client id.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use bigdecimal::BigDecimal;
use chrono::Datelike;
use outlay_model::money::plain;
use serde_json::{Value, json};

use super::standin::{self, Machine, last_month, this_month, today};

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
pub fn endpoint() -> String {
    std::env::var("TEST_AZURE").expect("TEST_AZURE says where the stand-in is: tests/run starts it")
}

/// Goes through the stand-in's door for tests.
pub fn tell(method: &str, client: &str, body: &Value) -> Value {
    standin::tell(&endpoint(), method, client, body)
}

pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const GROUP: &str = "providers/Microsoft.Management/managementGroups/all";
pub const PLATFORM: &str = "aaaaaaaa-0000-0000-0000-000000000001";
pub const SHOP: &str = "bbbbbbbb-0000-0000-0000-000000000002";
const SECRET: &str = "aB8~Q.secret-value_EXAMPLE";

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Costs at the stand-in, and a machine that collects them.
pub struct World {
    pub client: String,
    machine: Machine,
}

impl Deref for World {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl World {
    /// With two months of costs that have a bit of everything, in a management group.
    pub fn new(settings: &str, more: &Value) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let client = format!("{:08x}-0000-0000-0000-{number:012x}", std::process::id());
        let endpoint = endpoint();
        let variables = [("AZURE_CLIENT_SECRET", SECRET), ("AZURE_AUTHORITY_HOST", &endpoint)];
        // A token starts so.
        let machine = Machine::new(&variables, &[SECRET, "eyJ"]);
        let world = Self { client, machine };
        let mut seed = json!({
            "tenant": TENANT,
            "secret": SECRET,
            "scopes": [GROUP],
            "usd": "1.1",
            "names": { PLATFORM: "platform", SHOP: "shop" },
            "rows": world.rows("3.1"),
        });
        seed.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        tell("PUT", &world.client, &seed);
        world.configure(settings);
        world
    }

    /// Settings of the source. Waits are short: the stand-in does not tire.
    pub fn configure(&self, settings: &str) {
        let months = if settings.contains("backfill_months") { "" } else { "backfill_months = 1\n" };
        let scope = if settings.contains("scope") { String::new() } else { format!("scope = \"{GROUP}\"\n") };
        let client =
            if settings.contains("client_id") { String::new() } else { format!("client_id = \"{}\"\n", self.client) };
        self.write_config(&format!(
            "reporting_currency = \"EUR\"\n[[source]]\nname = \"azure\"\nkind = \"azure_cost_query\"\ntenant_id = \"{TENANT}\"\n\
             endpoint = \"{}\"\n{client}{months}{scope}{settings}\n[source.http]\nattempts = 3\nfirst_wait_milliseconds = 1\n\
             longest_wait_seconds = 2\n",
            endpoint()
        ));
    }

    pub fn change(&self, members: &Value) {
        tell("PATCH", &self.client, members);
    }

    /// Every charge type, and what cannot be told apart.
    pub fn rows(&self, price: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        for day in last_month().iter_days().take_while(|day| *day < today()) {
            let mut row = |place: [&str; 3], charge_type: &str, costs: [Option<&str>; 2]| {
                let [subscription, resource_group, service] = place;
                let tags = if day.day() % 2 == 0 {
                    json!({ "team": "search", "env": "prod" })
                } else {
                    json!({ "env": "test" })
                };
                let [actual, amortized] = costs;
                rows.push(json!({
                    "day": day.to_string(), "subscription": subscription, "resource_group": resource_group, "service": service,
                    "charge_type": charge_type, "region": if day.day() % 3 == 0 { "" } else { "westeurope" }, "tags": tags,
                    "actual": actual, "amortized": amortized,
                }));
            };
            row([PLATFORM, "web", "Virtual Machines"], "Usage", [Some(price), Some(price)]);
            row([PLATFORM, "Web", "Storage"], "Usage", [Some("0.009865586851323632"), Some("0.009865586851323632")]);
            row([SHOP, "data", "Storage"], "Usage", [Some("0.0000031"), Some("0.0000031")]);
            row([SHOP, "data", "Azure SQL Database"], "Usage", [Some("0"), Some("1.25")]);
            row([SHOP, "", "Azure SQL Database"], "UnusedReservation", [None, Some("0.75")]);
            row([SHOP, "", ""], "Credit", [Some("-1.5"), Some("-1.5")]);
            row([PLATFORM, "", ""], "Tax", [Some("0.7"), Some("0.7")]);
        }
        for (charge_type, actual, amortized) in [
            ("Purchase", Some("60"), None),
            ("Refund", Some("-4"), None),
            ("RoundingAdjustment", Some("0.01"), Some("0.01")),
            ("Quantum Rebate", Some("-7"), Some("-7")),
        ] {
            rows.push(
                json!({ "day": last_month().to_string(), "subscription": PLATFORM, "service": "Azure SQL Database",
                              "charge_type": charge_type, "actual": actual, "amortized": amortized }),
            );
        }
        rows.push(json!({ "day": last_month().to_string(), "service": "Support", "charge_type": "Purchase", "actual": "100.25",
                          "amortized": "100", "ungrouped_only": true }));
        rows
    }

    pub fn calls(&self) -> Vec<Value> {
        tell("GET", &self.client, &Value::Null)["calls"].as_array().expect("calls").clone()
    }

    pub fn queries(&self) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call["operation"] == "query").collect()
    }

    /// What Azure states for the month before this one, not grouped by anything: amortised and actual.
    pub fn stated(&self, price: &str) -> [String; 2] {
        let rows = self.rows(price);
        ["amortized", "actual"].map(|cost| {
            let within = |row: &&Value| row["day"].as_str().is_some_and(|day| day < this_month().to_string().as_str());
            let of = |row: &Value| row[cost].as_str().map(|text| text.parse::<BigDecimal>().expect("a number"));
            plain(&rows.iter().filter(within).filter_map(of).sum::<BigDecimal>())
        })
    }
}
