//! Rules change, and charges get the owners they should have by now: those the dates cover, all of a month at once, and no cent
//! more or less.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{House, bill};
use outlay::app::{App, now};
use outlay::config::Config;
use outlay::pipeline::{self, Force, Settled};
use outlay::scheduler::Scheduler;
use outlay_catalog::{OwnershipChange, RunsQuery};
use outlay_model::filter::Filter;
use outlay_model::ownership::{Definition, Edit, Kind, Origin};
use outlay_model::part::{Layer, Part, RunState};
use outlay_model::query::Metric;
use outlay_model::{DateRange, Money};
use outlay_store::{ExportScan, MovesQuery, Scan};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const MONTHS: [&str; 3] = ["2026-08", "2026-09", "2026-10"];

/// Two sources with three months each; costs that need all their digits, and some that are not stated.
async fn house() -> House {
    let house = House::new().await;
    for source in ["aws", "gcp"] {
        for month in MONTHS {
            import(&house, source, month, "1.000000000000000001").await;
        }
    }
    house
}

async fn import(house: &House, source: &str, month: &str, cost: &str) {
    let (provider, account) = if source == "aws" { ("AWS", "0001") } else { ("Google Cloud", "g-1") };
    let begin = format!("{month}-01T00:00:00Z");
    let end = format!(
        "{}-01T00:00:00Z",
        if month == "2026-10" {
            "2026-11"
        } else if month == "2026-09" {
            "2026-10"
        } else {
            "2026-09"
        }
    );
    let mut rows: Vec<Vec<(&str, String)>> = Vec::new();
    for day in 1..=20 {
        for (service, tags, billed, effective) in [
            ("Amazon EC2", r#"{"team":"payments","cost-center":"pay"}"#, cost, "0.1"),
            ("Amazon VPC", r#"{"cost-center":" Find "}"#, "2.5", ""),
            ("Amazon S3", "", "-0.333333333333333333", "0.7"),
        ] {
            let said = |text: &str| text.to_owned();
            rows.push(vec![
                ("ProviderName", said(provider)),
                ("BillingAccountId", said(account)),
                ("BillingPeriodStart", begin.clone()),
                ("BillingPeriodEnd", end.clone()),
                ("ChargePeriodStart", format!("{month}-{day:02}T00:00:00Z")),
                ("ChargePeriodEnd", format!("{month}-{day:02}T01:00:00Z")),
                ("ServiceName", said(service)),
                ("Tags", said(tags)),
                ("BilledCost", said(billed)),
                ("EffectiveCost", said(effective)),
                ("ListCost", if day % 2 == 0 { said("3") } else { String::new() }),
            ]);
        }
    }
    let rows: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.iter().map(|(name, cell)| (*name, cell.as_str())).collect()).collect();
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let name = format!("{source}-{month}-{cost}.csv");
    let runs = house.import_with(source, &name, &bill(&rows), Some(month), Force::default()).await.expect("imports");
    assert!(runs.iter().all(|run| run.state == RunState::Committed), "{runs:?}");
}

fn put(kind: Kind, name: &str, said: Value) -> Edit {
    let definition = Definition::read(kind, said).expect("a definition");
    Edit::Put { name: name.to_owned(), definition, place: None }
}

fn rule(name: &str, said: Value) -> Edit {
    put(Kind::Rule, name, said)
}

/// Teams, a map and a pool that is not split yet, and rules that look at much; those that change something hold from `from` on.
fn registry(from: &str) -> Vec<Edit> {
    let mapped = json!({ "from": "tags.cost-center", "map": "names", "only_mapped": true });
    vec![
        put(Kind::Team, "payments", json!({ "owner": "Ines" })),
        put(Kind::Team, "search", json!({ "owner": "Mei" })),
        put(Kind::Map, "names", json!({ "payments": ["pay"], "search": ["find"] })),
        put(
            Kind::Pool,
            "storage",
            json!({ "split": [{ "from": "2030-01-01", "is": { "even": ["payments", "search"] } }] }),
        ),
        rule("storage", json!({ "from": from, "when": "service LIKE '%S3' AND source = 'aws'", "pool": "storage" })),
        rule("cost-center", json!({ "from": from, "when": "charge_category = 'Usage'", "team": mapped })),
        rule(
            "tenth",
            json!({ "from": from, "to": "2027-01-01", "when": "service = 'Amazon S3'", "team": "search",
            "environment": "prod", "component": { "from": "service", "capture": "^Amazon (.*)" } }),
        ),
    ]
}

async fn change(house: &House, edits: Vec<Edit>) {
    let change = OwnershipChange { edits, origin: Origin::Api, by: "test".to_owned(), now: now() };
    house.app.catalog.change_ownership(&change).await.expect("is let in");
}

async fn settle(house: &House) -> Settled {
    pipeline::settle(&house.app, &CancellationToken::new(), &|_| {}).await.expect("settles")
}

async fn parts(house: &House) -> BTreeMap<String, Part> {
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    let named = |part: &Part| (format!("{} {}", part.source, part.delivery), part.clone());
    snapshot.parts.iter().map(named).collect()
}

/// Everything an answer says, but for the generation it is of.
async fn answer(house: &House, params: &[(&str, &str)]) -> String {
    let report = house.spend(params).await;
    format!("{:?} {:?} {:?} {:?}", report.rows, report.total, report.warnings, report.complete_until)
}

async fn by_team(house: &House, month: &str, metric: &str) -> BTreeMap<String, String> {
    house.groups(&[("period", month), ("group_by", "team"), ("metric", metric)]).await
}

#[tokio::test]
async fn what_is_before_the_rules_stays_and_no_cent_moves_but_between_teams() {
    let house = house().await;
    let before = parts(&house).await;
    let mut answers = Vec::new();
    let mut totals = Vec::new();
    for month in MONTHS {
        for metric in Metric::ALL {
            let metric = metric.as_str();
            let params =
                [("period", month), ("group_by", "team,rule,component"), ("granularity", "day"), ("metric", metric)];
            answers.push(answer(&house, &params).await);
            totals.push(house.total(&[("period", month), ("metric", metric)]).await);
        }
    }
    change(&house, registry("2026-10-01")).await;
    let settled = settle(&house).await;
    assert_eq!((settled.parts, settled.unchanged, settled.trouble()), (2, 0, None), "{settled:?}");
    // Of the sixty charges of each source in October, those of VPC and S3 have another owner; those of EC2 another rule.
    assert_eq!(settled.charges, 120);
    let after = parts(&house).await;
    let mut again = answers.iter().zip(&totals);
    for month in MONTHS {
        for metric in Metric::ALL {
            let metric = metric.as_str();
            let params =
                [("period", month), ("group_by", "team,rule,component"), ("granularity", "day"), ("metric", metric)];
            let (was, total) = again.next().expect("was asked before");
            let is = answer(&house, &params).await;
            assert_eq!(*was == is, month != "2026-10", "{month} {metric}");
            assert_eq!(*total, house.total(&[("period", month), ("metric", metric)]).await, "{month} {metric}");
        }
    }
    for (name, part) in &before {
        let same = after[name] == *part;
        assert_eq!(same, !name.ends_with("2026-10"), "{name}");
        let (now, then) = (&after[name], part);
        assert_eq!(
            (&now.fingerprint, now.rows, now.days, &now.billed, &now.null_rows),
            (&then.fingerprint, then.rows, then.days, &then.billed, &then.null_rows)
        );
    }
    let expected = [
        ("payments", "40.00000000000000004"),
        ("search", "93.33333333333333334"),
        ("shared:storage", "-6.66666666666666666"),
    ];
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(team, cost)| (team.to_owned(), cost.to_owned())).collect();
    assert_eq!(by_team(&house, "2026-10", "billed").await, expected);
    let owned = house
        .groups(&[
            ("period", "2026-10"),
            ("group_by", "team,component,environment,rule"),
            ("filter", "source = 'gcp' AND service LIKE '%S3'"),
        ])
        .await;
    assert_eq!(owned.keys().collect::<Vec<_>>(), ["search|S3|prod|tenth"]);

    // What was told is in the runs; and done twice, it is a no-op.
    let runs = house.app.catalog.runs(&RunsQuery::default(), 99).await.expect("reads");
    let own: Vec<_> = runs.iter().filter(|run| run.kind == "own").map(|run| (run.state, run.message.clone())).collect();
    let said = "60 of 60 charges have another owner, or have it by another rule".to_owned();
    assert_eq!(own, vec![(RunState::Committed, Some(said)); 2]);
    let generation = house.app.catalog.generation().await.expect("reads");
    assert_eq!(
        (settle(&house).await, house.app.catalog.generation().await.expect("reads")),
        (Settled::default(), generation)
    );
    let there = house.app.catalog.settling().await.expect("reads");
    assert!(there.is_settled() && there.message.is_none() && there.holder.is_none(), "{there:?}");
    assert_eq!((there.progress.parts, there.progress.parts_done, there.progress.charges_done), (2, 2, 120));
    let lines = house.app.insights.reconciliation(None, &outlay_model::report::Scope::Company).await.expect("reads");
    assert!(lines.len() == 24 && lines.iter().all(|line| line.difference.as_str() == "0"), "{}", lines.len());
    // A bill that comes in now is owned at once.
    import(&house, "aws", "2026-10", "5").await;
    let runs = house.app.catalog.runs(&RunsQuery::default(), 99).await.expect("reads");
    assert_eq!(runs.iter().filter(|run| run.kind == "own").count(), 2);
    assert!(!by_team(&house, "2026-10", "billed").await.contains_key("unallocated"));
}

#[tokio::test]
async fn a_preview_says_to_the_digit_what_the_change_then_does() {
    let house = house().await;
    let edits = registry("2026-09-11");
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    let mut draft = (*snapshot.ownership).clone();
    edits.iter().for_each(|edit| draft.edit(edit.clone(), Origin::Api));
    let scans = snapshot.parts.iter().map(|part| ExportScan {
        scan: Scan {
            layer: Layer::Charges,
            files: part.files(Layer::Charges).map(ToOwned::to_owned).collect(),
            inside: true,
            tags_from_text: Default::default(),
            only_parts: Default::default(),
        },
        rows: part.rows,
    });
    let query = MovesQuery {
        by_day: Vec::new(),
        scans: scans.collect(),
        range: DateRange::ALWAYS,
        filter: Filter::everything(),
        book: draft.book(DateRange::ALWAYS),
        most: 1000,
    };
    let moves = house.app.store.moves(query.clone()).await.expect("looks");
    assert!(
        moves.iter().all(|moved| moved.from != moved.to && moved.month.to_string().as_str() >= "2026-09-01"),
        "{moves:?}"
    );
    let few = house.app.store.moves(MovesQuery { most: 2, ..query.clone() }).await.expect_err("too many").to_string();
    assert_eq!(few, "4 groups, more than 2");
    let only = MovesQuery { filter: Filter::parse("service = 'Amazon VPC'").expect("a filter"), ..query };
    let only = house.app.store.moves(only).await.expect("looks");
    assert!(!only.is_empty() && only.iter().all(|moved| moved.to == "search" && moved.costs[0].is_none()), "{only:?}");

    let mut before = BTreeMap::new();
    for month in MONTHS {
        for metric in Metric::ALL {
            before.insert((month, *metric), by_team(&house, month, metric.as_str()).await);
        }
    }
    change(&house, edits).await;
    assert_eq!(settle(&house).await.trouble(), None);
    for ((month, metric), before) in before {
        let after = by_team(&house, month, metric.as_str()).await;
        let place = Metric::ALL.iter().position(|other| *other == metric).expect("is one of all");
        let cost = |sums: &BTreeMap<String, String>, team: &str| -> Money {
            sums.get(team).filter(|cost| *cost != "null").map_or(Money::ZERO, |cost| cost.parse().expect("money"))
        };
        for team in ["payments", "search", "shared:storage", "unallocated"] {
            let of_month = moves.iter().filter(|moved| moved.month.format("%Y-%m").to_string() == month);
            let mut moved = Money::ZERO;
            for step in of_month {
                let cost = step.costs[place].unwrap_or_default();
                if step.to == team {
                    moved = moved.checked_add(cost).expect("fits");
                }
                if step.from == team {
                    moved = moved.checked_sub(cost).expect("fits");
                }
            }
            let change = cost(&after, team).checked_sub(cost(&before, team)).expect("fits");
            assert_eq!(change, moved, "{month} {metric} {team}");
        }
    }
}

#[tokio::test]
async fn a_month_that_fails_keeps_its_owners_and_stops_no_other() {
    let house = house().await;
    let before = by_team(&house, "2026-10", "billed").await;
    // The charges of one of two parts of October are gone for a while.
    let part = parts(&house).await.remove("gcp 2026-10").expect("there");
    let file = house.folder.path().join("data").join(part.files(Layer::Charges).next().expect("a file"));
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).expect("moves");
    change(&house, registry("2026-09-01")).await;
    let settled = settle(&house).await;
    assert_eq!((settled.parts, settled.failed.len(), settled.is_done()), (2, 1, false), "{settled:?}");
    assert!(settled.trouble().is_some_and(|text| text.starts_with("2026-10: ")), "{settled:?}");
    assert_eq!(by_team(&house, "2026-10", "billed").await, before, "all of the month, or none of it");
    assert!(by_team(&house, "2026-09", "billed").await.contains_key("search"));
    let there = house.app.catalog.settling().await.expect("reads");
    assert!(!there.is_settled() && there.message.is_some_and(|text| text.starts_with("2026-10: ")));
    let failed = house.app.catalog.runs(&RunsQuery::default(), 99).await.expect("reads");
    let failed = failed.iter().filter(|run| run.kind == "own" && run.state == RunState::Failed).count();
    assert_eq!(failed, 1, "what was written of the other part was given up");
    // What it had written is swept.
    pipeline::sweep(&house.app).await.expect("sweeps");
    let folder = house.folder.path().join("data/charges/aws");
    let files = fs::read_dir(folder).expect("there").count();
    assert_eq!(files, 3 + 1, "three live parts, and the one of September that readers may still read");

    fs::rename(&aside, &file).expect("moves");
    let settled = settle(&house).await;
    assert_eq!((settled.parts, settled.trouble()), (2, None), "{settled:?}");
    assert!(by_team(&house, "2026-10", "billed").await.contains_key("search"));
    assert!(house.app.catalog.settling().await.expect("reads").is_settled());
}

#[tokio::test]
async fn a_reader_of_several_pages_sees_the_owners_of_then() {
    let house = house().await;
    let params = [("period", "2026-10"), ("group_by", "team"), ("granularity", "day"), ("limit", "7")];
    let mut first = house.spend(&params).await;
    let mut whole = first.rows.clone();
    let mut other = Vec::new();
    change(&house, registry("ever")).await;
    while let Some(cursor) = first.next_cursor.take() {
        if other.is_empty() {
            assert_eq!(settle(&house).await.parts, 6);
        }
        let next: Vec<(&str, &str)> = params.into_iter().chain([("cursor", cursor.as_str())]).collect();
        first = house.spend(&next).await;
        other.extend(first.rows.clone());
    }
    whole.extend(other);
    let teams: std::collections::BTreeSet<_> = whole.iter().map(|row| row.keys[0].clone()).collect();
    assert_eq!(teams.len(), 2, "payments and unallocated, as it was: {teams:?}");
    assert_eq!(whole.len(), 40);
}

#[tokio::test]
async fn a_bill_that_is_restated_meanwhile_has_its_owners_too() {
    let house = house().await;
    change(&house, registry("ever")).await;
    let (settled, ()) = tokio::join!(settle(&house), import(&house, "aws", "2026-10", "7.5"));
    assert_eq!(settled.trouble(), None);
    assert_eq!(settle(&house).await, Settled::default());
    for month in MONTHS {
        let teams = by_team(&house, month, "billed").await;
        assert_eq!(teams.keys().collect::<Vec<_>>(), ["payments", "search", "shared:storage"], "{month}");
    }
    assert_eq!(house.total(&[("period", "2026-10"), ("metric", "billed")]).await, "256.6666666666666667");
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    assert!(snapshot.parts.iter().all(|part| {
        part.versions.rules == part.days.map(|days| snapshot.ownership.book(days).fingerprint()).unwrap_or_default()
    }));
}

#[tokio::test]
async fn other_rules_that_come_to_the_same_owners_are_only_noted() {
    let house = house().await;
    let before = parts(&house).await;
    change(
        &house,
        vec![
            put(Kind::Team, "payments", json!({ "owner": "Ines" })),
            rule("nobody", json!({ "from": "2026-09-15", "when": "service = 'nothing has this'", "team": "payments" })),
        ],
    )
    .await;
    let settled = settle(&house).await;
    assert_eq!((settled.parts, settled.unchanged, settled.trouble()), (0, 4, None), "{settled:?}");
    for (name, part) in parts(&house).await {
        let rules = part.versions.rules.clone();
        assert_eq!(rules.is_empty(), name.ends_with("2026-08"), "{name}");
        assert_eq!(part.id, before[&name].id);
    }
    change(&house, vec![Edit::Remove { kind: Kind::Rule, name: "nobody".to_owned() }]).await;
    assert_eq!(settle(&house).await.unchanged, 4);
    assert_eq!(parts(&house).await, before);
}

#[tokio::test]
async fn what_was_owned_again_can_be_recovered() {
    let house = house().await;
    change(&house, registry("2026-09-01")).await;
    assert_eq!(settle(&house).await.parts, 4);
    let params = [("period", "last_4_months"), ("group_by", "team,rule,component,environment")];
    let (groups, generation) = (house.groups(&params).await, parts(&house).await);
    house.app.catalog.close().await;
    let data = house.folder.path().join("data");
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    let loaded = Config::load(None, std::iter::empty(), Some(&data)).expect("a configuration");
    let app = App::open(&loaded.config).await.expect("opens");
    let recovered = pipeline::recover(&app, false).await.expect("recovers");
    let house = House { app, folder: house.folder };
    assert_eq!((recovered.deliveries, recovered.left_out.len()), (6, 0));
    assert_eq!(house.groups(&params).await, groups);
    assert_eq!(parts(&house).await, generation);
    // The rules are said again, and everything is as they say.
    change(&house, registry("2026-09-01")).await;
    let settled = settle(&house).await;
    assert_eq!((settled.parts, settled.unchanged), (0, 0), "{settled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_server_sees_it_first_carries_the_rules_out_and_no_other() {
    let house = house().await;
    let data = house.folder.path().join("data");
    let loaded = Config::load(None, std::iter::empty(), Some(&data)).expect("a configuration");
    let other = App::open(&loaded.config).await.expect("opens");
    let within = std::time::Duration::from_secs(60);
    let servers = [
        Scheduler::start(&house.app, within).await.expect("starts"),
        Scheduler::start(&other, within).await.expect("starts"),
    ];
    change(&house, registry("2026-10-01")).await;
    let settled = async {
        while !house.app.catalog.settling().await.expect("reads").is_settled() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(within, settled).await.expect("is carried out");
    for server in servers {
        server.stopped().await;
    }
    assert!(by_team(&house, "2026-10", "billed").await.contains_key("shared:storage"));
    let runs = house.app.catalog.runs(&RunsQuery::default(), 99).await.expect("reads");
    let own: Vec<_> = runs.iter().filter(|run| run.kind == "own").map(|run| run.state).collect();
    assert_eq!(own, [RunState::Committed; 2]);
}
