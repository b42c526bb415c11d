//! Ownership over HTTP, end to end: what a preview says is what the change then does, and why every charge is whose it is.

mod common;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use common::server::Server;
use common::{House, bill, today};
use outlay::app::now;
use outlay::pipeline;
use outlay_insights::{AuditQuery, InsightError};
use outlay_model::filter::Filter;
use outlay_model::money::plain;
use outlay_model::ownership::{Edit, Kind};
use outlay_model::report::Scope;
use outlay_model::{DateRange, SeriesId, TeamId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const METRICS: [&str; 4] = ["effective", "billed", "list", "contracted"];

/// Two months of a company: costs with every digit, some not stated, in two currencies.
async fn company() -> Server {
    let house = House::new().await;
    for (month, next) in [("2026-09", "2026-10"), ("2026-10", "2026-11")] {
        for (account, currency) in [("0001", "USD"), ("0002", "EUR")] {
            let (begin, end) = (format!("{month}-01T00:00:00Z"), format!("{next}-01T00:00:00Z"));
            let mut rows = Vec::new();
            for day in 1..=9 {
                let (from, to) = (format!("{month}-{day:02}T00:00:00Z"), format!("{month}-{day:02}T01:00:00Z"));
                for (service, tags, billed, effective) in [
                    ("Amazon EC2", r#"{"team":"payments","app":"checkout"}"#, "1.000000000000000001", "0.1"),
                    ("Amazon VPC", r#"{"cost-center":"Pay"}"#, "2.5", ""),
                    ("Amazon S3", "", "-0.333333333333333333", "0.7"),
                ] {
                    let list = if day % 2 == 0 { "3" } else { "" };
                    rows.push([
                        ("BillingAccountId", account.to_owned()),
                        ("BillingCurrency", currency.to_owned()),
                        ("BillingPeriodStart", begin.clone()),
                        ("BillingPeriodEnd", end.clone()),
                        ("ChargePeriodStart", from.clone()),
                        ("ChargePeriodEnd", to.clone()),
                        ("ServiceName", service.to_owned()),
                        ("Tags", tags.to_owned()),
                        ("BilledCost", billed.to_owned()),
                        ("EffectiveCost", effective.to_owned()),
                        ("ListCost", list.to_owned()),
                    ]);
                }
            }
            let rows: Vec<Vec<(&str, &str)>> =
                rows.iter().map(|row| row.iter().map(|(name, cell)| (*name, cell.as_str())).collect()).collect();
            let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
            house.import(&format!("aws-{account}"), &format!("{account}-{month}.csv"), &bill(&rows)).await;
        }
    }
    Server::over(house).await
}

async fn send(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::new();
    let method = method.parse().expect("a method");
    let request = client.request(method, format!("{}{path}", server.base)).header("Content-Type", "application/json");
    let answer = request.body(body.to_string()).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("text")).expect("JSON"))
}

async fn put(server: &Server, path: &str, body: Value) -> Value {
    let (status, answer) = send(server, "PUT", path, &body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn settle(server: &Server) {
    let settled = pipeline::settle(&server.house.app, &CancellationToken::new(), &|_| {}).await.expect("settles");
    assert_eq!(settled.trouble(), None);
}

/// Teams and a map; no rule yet.
async fn furnish(server: &Server) {
    put(server, "teams/payments", json!({ "owner": "Ines" })).await;
    put(server, "teams/search", json!({ "owner": "Mei" })).await;
    put(server, "maps/names", json!({ "names": { "payments": ["pay"] } })).await;
    put(server, "pools/network", json!({ "split": { "fixed": { "payments": 1, "search": 2 } } })).await;
    settle(server).await;
}

/// Rules that hold from October on: shared cost, names through a map, and one that overrides a tag.
fn rules() -> Vec<(&'static str, Value)> {
    let mapped = json!({ "from": "tags.cost-center", "map": "names", "only_mapped": true });
    vec![
        ("storage", json!({ "from": "2026-10-03", "when": "service LIKE '%S3'", "pool": "network" })),
        ("cost-center", json!({ "from": "2026-10-01", "when": "charge_category = 'Usage'", "team": mapped })),
        (
            "all-eur",
            json!({ "from": "2026-10-05", "to": "2026-10-07", "when": "currency = 'EUR'", "team": "search",
                            "environment": "prod", "correction": true }),
        ),
    ]
}

/// What moved of each team between two answers, by month, currency and metric.
type Moved = BTreeMap<(String, String, String, &'static str), BigDecimal>;

fn decimal(value: &Value) -> BigDecimal {
    value.as_number().map_or_else(BigDecimal::default, |number| number.as_str().parse().expect("a number"))
}

/// Cost by month, team, currency and metric, before anything is split.
async fn owned(server: &Server) -> Moved {
    let mut owned = Moved::new();
    for metric in METRICS {
        for month in ["2026-09", "2026-10"] {
            // A rule is not in a transfer's stead: what is split has none.
            let path = format!("spend?period={month}&group_by=team,rule&metric={metric}&currency=native");
            for row in server.get(&path).await["data"].as_array().expect("rows") {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let key = (month.to_owned(), text("team"), text("currency"), metric);
                *owned.entry(key).or_default() += decimal(&row["cost"]);
            }
        }
    }
    owned
}

#[tokio::test]
async fn a_preview_says_what_the_change_then_does() {
    let server = company().await;
    furnish(&server).await;
    let before = owned(&server).await;
    let generation = server.house.app.catalog.generation().await.expect("reads");

    let edits: Vec<Value> = rules()
        .into_iter()
        .map(|(name, mut rule)| {
            rule["name"] = json!(name);
            json!({ "rule": rule })
        })
        .collect();
    let (status, preview) = send(&server, "POST", "rules/preview", &json!({ "edits": edits })).await;
    assert_eq!(status, 200, "{preview}");
    assert_eq!(server.house.app.catalog.generation().await.expect("reads"), generation, "nothing has changed");
    assert_eq!((&preview["months"], &preview["settling"]), (&json!(["2026-10-01"]), &json!(false)), "{preview}");
    assert_eq!(
        (&preview["looked_at"]["parts"], &preview["looked_at"]["charges"]),
        (&json!(2), &json!(54)),
        "{preview}"
    );
    assert_eq!(preview["expired"]["parts"], 0);

    // Each amount leaves a team and comes to another.
    let mut expected = Moved::new();
    let mut totals: BTreeMap<(String, &str), BigDecimal> = BTreeMap::new();
    for row in preview["data"].as_array().expect("rows") {
        let text = |name: &str| row[name].as_str().expect(name).to_owned();
        for metric in METRICS {
            let cost = decimal(&row["costs"][metric]);
            let key = |team: &str| (text("month")[..7].to_owned(), text(team), text("currency"), metric);
            *expected.entry(key("from_team")).or_default() -= &cost;
            *expected.entry(key("to_team")).or_default() += &cost;
            *totals.entry((text("currency"), metric)).or_default() += &cost;
        }
    }
    for total in preview["totals"].as_array().expect("totals") {
        for metric in METRICS {
            let key = (total["currency"].as_str().expect("a currency").to_owned(), metric);
            assert_eq!(decimal(&total["costs"][metric]), totals[&key], "{key:?}");
        }
    }

    for (name, rule) in rules() {
        let answer = put(&server, &format!("rules/{name}"), rule).await;
        assert_eq!(answer["settling"], true, "{answer}");
    }
    let status = server.get("ownership").await;
    assert_eq!((&status["settling"], &status["stale"]["parts"]), (&json!(true), &json!(2)), "{status}");
    settle(&server).await;
    let status = server.get("ownership").await;
    assert_eq!((&status["settling"], &status["stale"]["parts"]), (&json!(false), &json!(0)), "{status}");

    // Transfers carry no rule; without them, only what the preview said has moved.
    let after = stored(&server).await;
    let mut moved = Moved::new();
    for (key, cost) in &after {
        *moved.entry(key.clone()).or_default() += cost;
    }
    for (key, cost) in &before {
        *moved.entry(key.clone()).or_default() -= cost;
    }
    let shown = |moved: &Moved| -> BTreeMap<String, String> {
        let other = moved.iter().filter(|(_, cost)| **cost != BigDecimal::default());
        other
            .map(|((month, team, currency, metric), cost)| (format!("{month} {team} {currency} {metric}"), plain(cost)))
            .collect()
    };
    assert_eq!(shown(&moved), shown(&expected));
    assert!(shown(&moved).len() > 12 && shown(&moved).keys().all(|key| key.starts_with("2026-10")), "{moved:?}");

    // The same preview again moves nothing.
    let (_, again) = send(&server, "POST", "rules/preview", &json!({ "edits": edits })).await;
    assert_eq!((&again["data"], &again["looked_at"]["parts"]), (&json!([]), &json!(0)), "{again}");
}

/// As [`owned`], of stored charges: what rules decided, before it was split.
async fn stored(server: &Server) -> Moved {
    let mut stored = Moved::new();
    for month in ["2026-09", "2026-10"] {
        let path = format!("rules/explain?filter=TRUE&period={month}");
        for row in server.get(&path).await["data"].as_array().expect("rows") {
            assert_eq!(row["stored"], row["now"], "all is settled");
            let team = row["stored"]["team"].as_str().expect("a team").to_owned();
            let currency = row["currency"].as_str().expect("a currency").to_owned();
            for metric in METRICS {
                let key = (month.to_owned(), team.clone(), currency.clone(), metric);
                *stored.entry(key).or_default() += decimal(&row["costs"][metric]);
            }
        }
    }
    stored
}

#[tokio::test]
async fn every_charge_can_say_why_it_is_whose_it_is() {
    let server = company().await;
    furnish(&server).await;
    put(&server, "components/checkout", json!({ "team": "payments", "environment": "prod" })).await;
    for (name, rule) in rules() {
        put(&server, &format!("rules/{name}"), rule).await;
    }
    // Before it is settled, what is stored is what was decided then.
    let path = "rules/explain?filter=service+%3D+'Amazon+S3'+AND+currency+%3D+'USD'&period=2026-10";
    let rows = server.get(path).await;
    let shown = |rows: &Value| -> Vec<[String; 4]> {
        let rows = rows["data"].as_array().expect("rows").iter();
        rows.map(|row| {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            [text(&row["stored"]["team"]), text(&row["now"]["team"]), text(&row["now"]["rule"]), text(&row["charges"])]
        })
        .collect()
    };
    let expected = [
        ["unallocated", "shared:network", "storage", "7"].map(ToOwned::to_owned),
        ["unallocated", "unallocated", "null", "2"].map(ToOwned::to_owned),
    ];
    assert_eq!(shown(&rows), expected, "{rows}");
    settle(&server).await;
    let settled = server.get(path).await;
    let [mut first, second] = expected;
    first[0] = "shared:network".to_owned();
    assert_eq!(shown(&settled), [first, second], "{settled}");

    // What a charge says is enough to ask why.
    let ask = async |dimensions: &str, day: &str| {
        let dimensions = dimensions.replace(' ', "+").replace('=', "%3D");
        server.get(&format!("rules/explain?dimensions={dimensions}&day={day}")).await
    };
    let why = ask("service = 'Amazon S3' AND currency = 'EUR'", "2026-10-05").await;
    assert_eq!(why["data"], json!({ "team": "search", "component": null, "environment": "prod", "rule": "all-eur" }));
    let tried = why["tried"].as_array().expect("rules");
    let names: Vec<&str> = tried.iter().take(4).map(|tried| tried["rule"].as_str().expect("a name")).collect();
    assert_eq!(names, ["all-eur", "storage", "cost-center", "tag:team"]);
    assert_eq!(
        tried[0],
        json!({ "rule": "all-eur", "when": "currency = 'EUR'", "from": "2026-10-05", "to": "2026-10-07", "on_day": true,
                "passes": true, "team": "search", "component": null, "environment": "prod",
                "decides": ["team", "environment"] })
    );
    assert_eq!(
        (&tried[1]["passes"], &tried[1]["team"], &tried[1]["decides"]),
        (&json!(true), &json!("shared:network"), &json!([]))
    );
    let late = ask("service = 'Amazon S3' AND currency = 'EUR'", "2026-10-07").await;
    assert_eq!((&late["data"]["team"], &late["tried"][0]["on_day"]), (&json!("shared:network"), &json!(false)));
    let mapped = ask("charge_category = 'Usage' AND tags.\"cost-center\" = ' PAY'", "2026-10-01").await;
    assert_eq!((&mapped["data"]["team"], &mapped["data"]["rule"]), (&json!("payments"), &json!("cost-center")));
    let component = ask("tags.app = 'checkout'", "2026-09-01").await;
    assert_eq!(
        component["data"],
        json!({ "team": "payments", "component": "checkout", "environment": "prod", "rule": "component:checkout" })
    );
}

/// A filter means here what it means in a spend query: a team with all that are part of it, on the day of the charge.
#[tokio::test]
async fn stored_charges_are_found_by_who_is_part_of_whom_on_their_day() {
    let server = company().await;
    furnish(&server).await;
    put(&server, "teams/payments", json!({ "owner": "Ines", "parent": [{ "from": "2026-10-05", "is": "search" }] }))
        .await;
    let charges = async |query: &str| -> u64 {
        let rows = server.get(&format!("rules/explain?{query}")).await;
        rows["data"].as_array().expect("rows").iter().map(|row| row["charges"].as_u64().expect("a number")).sum()
    };
    for filter in ["filter=team+%3D+'search'", "filter=department+%3D+'search'"] {
        assert_eq!(charges(&format!("{filter}&period=2026-09")).await, 0);
        assert_eq!(charges(&format!("{filter}&period=2026-10")).await, 10, "two accounts, five days");
        assert_eq!(charges(&format!("{filter}&from=2026-09-01&to=2026-11-01")).await, 10);
    }
}

#[tokio::test]
async fn what_cannot_be_explained_or_previewed_is_refused() {
    let server = company().await;
    furnish(&server).await;
    for (path, parameter, expected) in [
        ("rules/explain", "dimensions", "give dimensions and day, or a filter"),
        ("rules/explain?dimensions=service+%3D+'a'", "day", "give the day"),
        ("rules/explain?day=2026-10-01", "dimensions", "say of which charge"),
        ("rules/explain?dimensions=service+%3D+'a'&day=2026-02-30", "day", "is not a day"),
        ("rules/explain?dimensions=service+LIKE+'a'&day=2026-10-01", "dimensions", "say what one charge says"),
        ("rules/explain?dimensions=team+%3D+'a'&day=2026-10-01", "dimensions", "what rules decide"),
        ("rules/explain?dimensions=service+%3D+'a'+AND&day=2026-10-01", "dimensions", "position"),
        ("rules/explain?dimensions=service+%3D+'a'&day=2026-10-01&filter=TRUE", "dimensions", "not both"),
        ("rules/explain?filter=servise+%3D+'a'", "filter", "position 1"),
    ] {
        let (status, problem) = server.refused(path).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(expected)), "{path}: {problem}");
    }
    let (status, problem) = server.refused("rules/explain?filter=TRUE&period=2026-10&limit=1").await;
    assert_eq!((status, &problem["code"]), (422, &json!("too_many_rows")), "{problem}");

    for (edits, status, code) in [
        (json!([]), 400, "invalid_body"),
        (
            json!([{ "rule": { "name": "a", "from": "ever", "when": "TRUE", "team": "nobody" } }]),
            422,
            "ownership_problems",
        ),
        (json!([{ "rule": { "name": "a", "from": "ever", "when": "TRU(", "team": "search" } }]), 400, "invalid_body"),
        (
            json!([{ "team": { "name": "a", "owner": "A" }, "remove": { "kind": "team", "name": "a" } }]),
            400,
            "invalid_body",
        ),
        (json!([{ "remove": { "kind": "rule", "name": "none" } }]), 404, "unknown_rule"),
        (json!([{ "remove": { "kind": "team", "name": "payments" } }]), 422, "ownership_problems"),
    ] {
        let (said, problem) = send(&server, "POST", "rules/preview", &json!({ "edits": edits })).await;
        assert_eq!((said, &problem["code"]), (status, &json!(code)), "{edits}: {problem}");
    }
}

/// A team sees itself, what is part of it and what they run, and changes nothing (P8).
#[tokio::test]
async fn a_team_sees_its_family_and_changes_nothing() {
    let server = Server::over(House::new().await).await;
    for (path, said) in [
        ("teams/commerce", json!({ "owner": "Ana" })),
        ("teams/payments", json!({ "owner": "Ines", "parent": "commerce" })),
        ("teams/search", json!({ "owner": "Mei" })),
        ("components/checkout", json!({ "team": "payments" })),
        ("components/moved", json!({ "team": [{ "is": "payments" }, { "from": "2026-01-01", "is": "search" }] })),
        ("components/index", json!({ "team": "search" })),
        ("series/builds", json!({ "unit": "build" })),
    ] {
        put(&server, path, said).await;
    }
    let insights = &server.house.app.insights;
    let scope = &Scope::Teams(vec![TeamId::new("commerce")]);
    let names = async |kind| -> Vec<String> {
        let seen = insights.definitions(kind, today(), scope).await.expect("reads");
        seen.into_iter().map(|seen| seen.name).collect()
    };
    assert_eq!(names(Kind::Team).await, ["commerce", "payments"]);
    assert_eq!(names(Kind::Component).await, ["checkout", "moved"]);
    let other = insights.definition(Kind::Team, "search", today(), scope).await;
    assert!(matches!(other, Err(InsightError::NotSaid { .. })), "{other:?}");

    let forbidden = |error: Option<InsightError>| assert!(matches!(error, Some(InsightError::Forbidden)), "{error:?}");
    for kind in [Kind::Map, Kind::Pool, Kind::Series, Kind::Rule] {
        forbidden(insights.definitions(kind, today(), scope).await.err());
        forbidden(insights.definition(kind, "builds", today(), scope).await.err());
    }
    let edits = || vec![Edit::Remove { kind: Kind::Team, name: "commerce".to_owned() }];
    let days = DateRange::ALWAYS;
    let builds = SeriesId::new("builds");
    forbidden(insights.change_ownership(edits(), "test", now(), scope).await.err());
    forbidden(insights.preview(edits(), None, scope).await.err());
    forbidden(insights.explain(today(), BTreeMap::new(), scope).await.err());
    forbidden(insights.whose(&Filter::everything(), days, 9, scope).await.err());
    forbidden(insights.audit(&AuditQuery::default(), 9, scope).await.err());
    forbidden(insights.points(&builds, days, 9, scope).await.err());
    forbidden(insights.put_points(&builds, &[], None, now(), scope).await.err());
    forbidden(insights.record_events(&[], now(), scope).await.err());
    forbidden(insights.settling(scope).await.err());
}
