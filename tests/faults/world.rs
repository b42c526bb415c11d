//! The bills of these tests, and houses in which they have been imported without any fault.

use std::fs;
use std::sync::OnceLock;

use crate::common::bill;
use crate::house::House;
use crate::reader::{Bills, Server, answers};

/// SQLite folds the log of a catalog into its file when the log has this many pages.
const CHECKPOINT_PAGES: u64 = 1000;
/// A page of the log with its header.
const PAGE: u64 = 4096 + 24;

/// What is the same for all tests.
pub struct World {
    /// Bill A of a delivery is live; bills B and C of it lie ready.
    pub stated: House,
    /// B has replaced A.
    pub restated: House,
    /// What is answered.
    pub bills: Bills,
    /// The reconciliation once B is live.
    pub reconciled: String,
}

/// A bill of some lines over five days, three services and seven resources; no two lines cost the same.
fn lines(number: u64, account: &str, month: &str, cost: impl Fn(u64) -> String) -> String {
    let cells: Vec<[String; 4]> = (0..number)
        .map(|line| {
            let day = format!("{month}-{:02}T00:00:00Z", 1 + line % 5);
            [day, format!("service {}", line % 3), format!("resource {}", line % 7), cost(line)]
        })
        .collect();
    let period = format!("{month}-01T00:00:00Z");
    let rows: Vec<Vec<(&str, &str)>> = cells
        .iter()
        .map(|[day, service, resource, cost]| {
            vec![
                ("BillingAccountId", account),
                ("BillingPeriodStart", period.as_str()),
                ("ChargePeriodStart", day.as_str()),
                ("ServiceName", service.as_str()),
                ("ResourceId", resource.as_str()),
                ("BilledCost", cost.as_str()),
                ("EffectiveCost", cost.as_str()),
            ]
        })
        .collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// A small bill of some account and month.
pub fn small_bill(account: &str, month: &str) -> String {
    lines(5, account, month, |line| (line + 1).to_string())
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

impl World {
    fn new() -> Self {
        let stated = House::new();
        stated.write("a.csv", &lines(60, "0001", "2026-10", |line| format!("{}.01", line + 1)));
        stated.write("b.csv", &lines(66, "0001", "2026-10", |line| format!("{}.001", 2 * line + 2)));
        stated.import("aws", "a.csv").with_code(0);
        stated.write("c.csv", &lines(63, "0001", "2026-10", |line| format!("{}.0001", line + 2)));
        let (restated, other) = (stated.copy(), stated.copy());
        restated.import("aws", "b.csv").with_code(0);
        other.import("aws", "c.csv").with_code(0);
        let bills: Bills = [&stated, &restated, &other].map(answers).into();
        for (answers, total) in bills.iter().zip(["1830.6", "4422.066", "2079.0063"]) {
            assert!(answers[0].starts_with(&format!("{total} ")), "{}", answers[0]);
        }
        let reconciled = restated.reconciled();
        Self { stated, restated, bills, reconciled }
    }
}

/// A house in which bill A is live, and the next commit or the one after it folds the catalog's log into its file.
pub fn before_checkpoint() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(with_long_log)
}

/// Bills of other sources until the log is almost long enough.
fn with_long_log() -> House {
    let house = world().stated.copy();
    // As long as it has the catalog open, nobody who ends folds the log in.
    let _server = Server::over(&house);
    let pages = || fs::metadata(house.path("data/catalog.db-wal")).expect("a log").len() / PAGE;
    let mut longest = 0;
    for filler in 0.. {
        let before = pages();
        if before + longest >= CHECKPOINT_PAGES {
            break;
        }
        house.write("filler.csv", &small_bill(&format!("filler {filler}"), "2026-09"));
        house.import(&format!("filler-{filler}"), "filler.csv").with_code(0);
        assert!(pages() > before, "the log was folded in already");
        longest = longest.max(pages() - before);
    }
    house
}
