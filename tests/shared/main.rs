//! Shared costs end to end: what is split is what there was, to the last digit, whoever shares it and whatever changes.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod changes;
mod exports;
mod kept;
mod random;
mod splits;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use common::{House, bill};
use outlay::app::now;
use outlay::pipeline::{self, Shared};
use outlay_catalog::OwnershipChange;
use outlay_model::ownership::{Definition, Edit, Kind, Origin, Point};
use outlay_model::{DateRange, PartId, SeriesId, TeamId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const OCTOBER: (&str, &str) = ("period", "2026-10");
const METRICS: [&str; 4] = ["effective", "billed", "list", "contracted"];

/// A house with teams, a series of CPU hours and these pools. What a rule of the same name sends to a pool is its service:
/// the pool `network` gets the charges of the service `network`.
async fn house(pools: Value) -> House {
    house_with("", pools).await
}

async fn house_with(config: &str, pools: Value) -> House {
    let house = House::with_config(config).await;
    let mut edits: Vec<Edit> =
        ["ops", "payments", "search"].map(|team| put(Kind::Team, team, json!({ "owner": "Ines" }))).into();
    edits.push(put(Kind::Component, "api", json!({ "team": "payments" })));
    edits.push(put(Kind::Series, "cpu", json!({ "unit": "CPU hour" })));
    edits.extend(pools_and_rules(&pools));
    change(&house, edits).await;
    house
}

fn pools_and_rules(pools: &Value) -> Vec<Edit> {
    let pools = pools.as_object().expect("pools by name");
    let pool = |(name, split): (&String, &Value)| put(Kind::Pool, name, json!({ "split": split }));
    let rule = |name: &String| {
        let rule = json!({ "from": "ever", "when": format!("service = '{name}'"), "pool": name });
        put(Kind::Rule, name, rule)
    };
    pools.iter().map(pool).chain(pools.keys().map(rule)).collect()
}

fn put(kind: Kind, name: &str, json: Value) -> Edit {
    let definition = Definition::read(kind, json).expect("a definition");
    Edit::Put { name: name.to_owned(), definition, place: None }
}

async fn change(house: &House, edits: Vec<Edit>) {
    let change = OwnershipChange { edits, origin: Origin::Api, by: "test".to_owned(), now: now() };
    house.app.catalog.change_ownership(&change).await.expect("changes");
}

/// Everything as it should be: owners first, then shares.
async fn settle(house: &House) -> Shared {
    pipeline::settle(&house.app, &CancellationToken::new(), &|_| {}).await.expect("settles");
    // Again: what cannot be split is told each time.
    let shared = pipeline::share(&house.app, None).await.expect("shares");
    assert_eq!(shared.recomputed, 0, "it was settled");
    shared
}

/// A charge: its team (or none), day of October, service and effective cost.
type Charge<'a> = (&'a str, u32, &'a str, &'a str);

fn october(charges: &[Charge<'_>]) -> String {
    in_currency("USD", charges)
}

fn in_currency(currency: &str, charges: &[Charge<'_>]) -> String {
    month_in(currency, "2026-10", charges)
}

fn month_in(currency: &str, month: &str, charges: &[Charge<'_>]) -> String {
    let rows: Vec<Vec<(&str, String)>> = charges
        .iter()
        .map(|(team, day, service, cost)| {
            vec![
                ("BillingCurrency", currency.to_owned()),
                ("BillingPeriodStart", format!("{month}-01T00:00:00Z")),
                ("ChargePeriodStart", format!("{month}-{day:02}T00:00:00Z")),
                ("ChargePeriodEnd", format!("{month}-{:02}T00:00:00Z", day + 1)),
                ("ServiceName", (*service).to_owned()),
                ("EffectiveCost", (*cost).to_owned()),
                ("BilledCost", (*cost).to_owned()),
                ("Tags", if team.is_empty() { String::new() } else { json!({ "team": team }).to_string() }),
            ]
        })
        .collect();
    let rows: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.iter().map(|(name, cell)| (*name, cell.as_str())).collect()).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The bill of another account: two sources do not bill the same one.
fn of_another_account(text: &str) -> String {
    text.replace("\"0001\"", "\"0002\"")
}

/// CPU hours of teams on days of October.
async fn count(house: &House, points: &[(&str, u32, &str)]) {
    let point = |(team, day, value): &(&str, u32, &str)| Point {
        day: format!("2026-10-{day:02}").parse().expect("a day"),
        team: Some(TeamId::new(*team)),
        component: None,
        value: value.parse().expect("a number"),
    };
    let points: Vec<Point> = points.iter().map(point).collect();
    let days = DateRange::parse_bounds("2026-10-01", "2026-11-01").expect("days");
    house.app.catalog.put_points(&SeriesId::new("cpu"), &points, Some(days), now()).await.expect("counts");
}

/// The parts of transfers, by pool and month.
async fn transfers(house: &House) -> BTreeMap<(String, String), PartId> {
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    let key = |part: &outlay_model::part::Part| (part.source.to_string(), part.delivery.to_string());
    snapshot.shared.iter().map(|part| (key(part), part.id.clone())).collect()
}

/// What teams spend in October, but for those that spend exactly nothing.
async fn teams(house: &House) -> BTreeMap<String, String> {
    let mut teams = house.groups(&[OCTOBER, ("group_by", "team")]).await;
    teams.retain(|_, cost| cost != "0");
    teams
}

#[track_caller]
fn same(found: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(*found, expected);
}

/// Σ by team is Σ in total, to the last digit, for every metric; and what is not about teams knows nothing of transfers.
async fn add_up(house: &House) {
    for metric in METRICS {
        let all = [("from", "2026-08-01"), ("to", "2026-12-01"), ("metric", metric), ("currency", "native")];
        for by in [
            "team",
            "team,service",
            "team,currency,charge_category,source,billing_period",
            "team,resource",
            "rule,team",
        ] {
            for granularity in ["total", "month", "day"] {
                let asked = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
                    all.iter().copied().chain([("granularity", granularity)]).chain(more.iter().copied()).collect()
                };
                let by_team = house.spend(&asked(&[("group_by", by)])).await;
                let in_total = house.spend(&asked(&[])).await;
                let sums = |report: &outlay_model::report::SpendReport| {
                    let mut sums: BTreeMap<_, Option<BigDecimal>> = BTreeMap::new();
                    for row in &report.rows {
                        let sum = sums.entry((row.time, row.currency)).or_default();
                        if let Some(cost) = row.cost {
                            *sum.get_or_insert_default() += cost.to_exact();
                        }
                    }
                    sums
                };
                assert_eq!(sums(&by_team), sums(&in_total), "{metric} by {by}, {granularity}");
            }
        }
    }
}
