//! Who answers for what, end to end: teams that move between departments within a month, owners that change, shares, unit costs,
//! peers and releases, all with figures worked out by hand.

mod common;

use common::server::Server;
use common::{House, bill, today};
use outlay::pipeline;
use outlay_insights::{OwnedQuery, PeersPeriod, UnitCostOf, UnitCostQuery};
use outlay_model::ownership::{Event, Ownership, Point};
use outlay_model::query::{Metric, SpendQuery, TargetCurrency};
use outlay_model::report::Scope;
use outlay_model::{ComponentId, Currency, DateRange, Granularity, SeriesId, TeamId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// `payments`, with `cards` in it, is part of `commerce` up to October 10, and of `platform` from then on.
fn ownership() -> Value {
    json!({
        "teams": {
            "commerce": { "owner": "Ana", "kind": "division" },
            "platform": { "owner": "Pia", "kind": "division" },
            "payments": {
                "title": "Payments", "kind": "product", "channels": ["#payments"],
                "owner": [{ "is": "Ines" }, { "from": "2026-10-20", "is": "Tom" }],
                "people": [{ "is": 4 }, { "from": "2026-10-16", "is": 6 }],
                "parent": [{ "is": "commerce" }, { "from": "2026-10-11", "is": "platform" }],
            },
            "cards": { "owner": "Kim", "kind": "product", "people": 3, "parent": "payments" },
            "search": { "owner": "Mei", "kind": "product", "people": 5, "parent": "commerce" },
        },
        "components": {
            "checkout": { "team": "payments", "environment": "prod", "links": { "Runbook": "https://wiki/checkout" } },
            "idle": { "team": "search" },
        },
        "series": { "builds": { "unit": "build" } },
    })
}

fn read(ownership: Value) -> Ownership {
    serde_json::from_value(ownership).expect("an ownership")
}

/// 188 in October 2026: 70 of payments, 3 of cards, 100 of search, 3 of a team that only tags name, 12 of nobody.
fn october() -> String {
    let row = |day: &'static str, tags: &'static str, cost: &'static str| {
        vec![("ChargePeriodStart", day), ("Tags", tags), ("EffectiveCost", cost)]
    };
    let nobody = |day, cost, account, service, resource| {
        let own = [("SubAccountId", account), ("ServiceName", service), ("ResourceId", resource)];
        row(day, "", cost).into_iter().chain(own).collect::<Vec<_>>()
    };
    let rows = [
        row("2026-10-05T00:00:00Z", r#"{"team":"payments","component":"checkout","env":"prod"}"#, "10"),
        row("2026-10-15T00:00:00Z", r#"{"team":"payments"}"#, "20"),
        row("2026-10-25T00:00:00Z", r#"{"team":"payments"}"#, "40"),
        row("2026-10-05T00:00:00Z", r#"{"team":"cards"}"#, "1"),
        row("2026-10-15T00:00:00Z", r#"{"team":"cards"}"#, "2"),
        row("2026-10-05T00:00:00Z", r#"{"team":"search","cost-center":"7"}"#, "100"),
        row("2026-10-15T00:00:00Z", r#"{"team":"found"}"#, "3"),
        nobody("2026-10-15T00:00:00Z", "7", "222", "Amazon S3", "r1"),
        nobody("2026-10-20T00:00:00Z", "5", "333", "Amazon EC2", ""),
    ];
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

async fn house() -> House {
    let house = House::with_config("[tags]\nrequired = [\"cost-center\"]\n").await;
    house.say(&read(ownership())).await;
    house.import("aws", "october.csv", &october()).await;
    house
}

/// The rows of an answer, each as its key and cost.
fn costs(answer: &Value, key: &str) -> Vec<String> {
    let rows = answer["data"].as_array().expect("rows").iter();
    rows.map(|row| format!("{} {}", row[key].as_str().unwrap_or("null"), row["cost"])).collect()
}

#[tokio::test]
async fn a_team_counts_for_the_department_of_the_day() {
    let server = Server::over(house().await).await;
    let departments = server.get("spend?period=2026-10&group_by=department").await;
    assert_eq!(costs(&departments, "department"), ["commerce 111", "platform 62", "unallocated 12", "found 3"]);
    assert_eq!(departments["total"], json!(188));
    let days = server.get("spend?period=2026-10&group_by=department&granularity=day&filter=team='payments'").await;
    assert_eq!(
        costs(&days, "department"),
        ["commerce 11", "platform 22", "platform 40"],
        "payments and cards move on October 11"
    );
    for (filter, expected) in [
        ("team='commerce'", 111),
        ("team='platform'", 62),
        ("team='payments'", 73),
        ("team IN ('commerce','platform')", 173),
        ("NOT team='commerce'", 77),
        ("department='commerce'", 111),
        ("department='payments'", 0),
        ("department LIKE '%25m'", 62),
        ("NOT department LIKE 'co%25'", 77),
        ("department IS NULL", 12),
        ("team LIKE 'comm%25'", 0),
        ("team='commerce' AND service='Amazon EC2'", 111),
    ] {
        let answer = server.get(&format!("spend?period=2026-10&filter={filter}")).await;
        assert_eq!(answer["total"].as_i64().unwrap_or(0), expected, "{filter}");
    }
    let alone = server.get("teams/commerce/spend?period=2026-10&group_by=team").await;
    assert_eq!(costs(&alone, "team"), ["search 100", "payments 10", "cards 1"]);
    let nothing = server.get("teams/commerce/spend?period=2020").await;
    assert_eq!(nothing["data"], json!([]), "a registered team is known without any charge");
    // The compared range has the departments of its own days.
    let compared = server.get("spend?from=2026-10-15&to=2026-10-25&group_by=department&compare=previous_period").await;
    let previous = compared["data"].as_array().expect("rows").iter();
    let previous: Vec<String> = previous.map(|row| format!("{} {}", row["department"], row["previous"])).collect();
    assert!(previous.contains(&"\"commerce\" 111".to_owned()), "{previous:?}");
    // Invoices are of a month: the lineage of its first day counts.
    let billing = server.get("spend?period=2026-10&basis=billing&group_by=department").await;
    assert_eq!(costs(&billing, "department"), ["commerce 173", "unallocated 12", "found 3"]);
}

#[tokio::test]
async fn an_owner_answers_for_the_days_that_were_his() {
    let server = Server::over(house().await).await;
    let owners = server.get("spend?period=2026-10&group_by=owner").await;
    assert_eq!(costs(&owners, "owner"), ["Mei 100", "Tom 40", "Ines 30", "null 15", "Kim 3"]);
    for (filter, expected) in
        [("owner='Tom'", 40), ("owner IS NULL", 15), ("NOT owner='Tom'", 148), ("owner LIKE '_i%25'", 3)]
    {
        let answer = server.get(&format!("spend?period=2026-10&filter={filter}")).await;
        assert_eq!(answer["total"], json!(expected), "{filter}");
    }
    let both = server.get("spend?period=2026-10&group_by=owner,team,department&filter=team='payments'").await;
    let rows = both["data"].as_array().expect("rows").iter();
    let rows: Vec<String> = rows
        .map(|row| format!("{} {} {} {}", row["owner"], row["team"], row["department"], row["cost"]).replace('"', ""))
        .collect();
    assert_eq!(
        rows,
        [
            "Tom payments platform 40",
            "Ines payments platform 20",
            "Ines payments commerce 10",
            "Kim cards platform 2",
            "Kim cards commerce 1"
        ]
    );
    let values = server.get("dimensions/department/values?period=2026-10").await;
    let expected = json!([
        { "value": "commerce", "charges": 3 }, { "value": "found", "charges": 1 },
        { "value": "platform", "charges": 3 }, { "value": "unallocated", "charges": 2 },
    ]);
    assert_eq!(values["data"], expected);
    let values = server.get("dimensions/owner/values?period=2026-10&search=e").await;
    assert_eq!(values["data"], json!([{ "value": "Ines", "charges": 2 }, { "value": "Mei", "charges": 1 }]));
    let (status, csv) = server.ask("export/focus?period=2026-10&filter=team='commerce'&allow_null=true").await;
    assert_eq!((status, csv.lines().count()), (200, 4), "{csv}");
}

#[tokio::test]
async fn a_scoped_caller_sees_a_team_for_the_days_it_is_theirs() {
    let house = house().await;
    let (insights, days) = (&house.app.insights, DateRange::parse_period("2026-10", today()).expect("a month"));
    let scope = |team: &str| Scope::Teams(vec![TeamId::new(team)]);
    let total = async |team: &str| {
        let query = SpendQuery::new(days, TargetCurrency::To(Currency::USD));
        let report = insights.spend(&query, today(), &scope(team)).await.expect("an answer");
        common::text(report.total)
    };
    assert_eq!([total("commerce").await, total("platform").await, total("cards").await], ["111", "62", "3"]);
    let query = OwnedQuery { range: days, metric: Metric::Effective, currency: Currency::USD };
    let teams = insights.teams(&query, today(), &scope("platform")).await.expect("an answer");
    let names: Vec<&str> = teams.teams.iter().map(|team| team.id.as_str()).collect();
    assert_eq!(names, ["payments", "platform", "cards"]);
    let hidden = insights.team(&TeamId::new("search"), &query, today(), &scope("platform")).await.expect("an answer");
    assert_eq!(hidden, None);
    // Payments is part of platform: that is no reason to tell it what platform is, or how many people others have.
    let above = insights.team(&TeamId::new("platform"), &query, today(), &scope("payments")).await.expect("an answer");
    assert_eq!(above, None);
    let whose = |whose| UnitCostQuery { whose, owned: query, series: None, granularity: Granularity::Total };
    for (of, seen) in [
        (UnitCostOf::Team(TeamId::new("platform")), false),
        (UnitCostOf::Team(TeamId::new("cards")), true),
        (UnitCostOf::Component(ComponentId::new("checkout")), true),
        (UnitCostOf::Component(ComponentId::new("idle")), false),
    ] {
        let cost = insights.unit_cost(&whose(of.clone()), today(), &scope("payments")).await.expect("an answer");
        assert_eq!(cost.is_some(), seen, "{of:?}");
    }
    let components = insights.components(&query, today(), &scope("search")).await.expect("an answer");
    let names: Vec<&str> = components.components.iter().map(|component| component.id.as_str()).collect();
    assert_eq!(names, ["idle"]);
    let peers = insights.peers(&TeamId::new("search"), PeersPeriod::LastMonth, today(), &scope("platform")).await;
    assert_eq!(peers.expect("an answer"), None);
}

#[tokio::test]
async fn pages_keep_to_the_registry_of_the_first() {
    let server = Server::over(house().await).await;
    let path = "spend?period=2026-10&group_by=department";
    let whole = costs(&server.get(path).await, "department");
    let first = server.get(&format!("{path}&limit=2")).await;
    let mut moved = ownership();
    moved["teams"]["search"]["parent"] = json!("platform");
    server.house.say(&read(moved)).await;
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = server.get(&format!("{path}&limit=2&cursor={cursor}")).await;
    let pages = [costs(&first, "department"), costs(&second, "department")].concat();
    assert_eq!(pages, whole);
    assert_eq!(costs(&server.get(path).await, "department")[0], "platform 162");
}

#[tokio::test]
async fn teams_and_components_with_what_they_spent() {
    let server = Server::over(house().await).await;
    let teams = server.get("teams?period=2026-10").await;
    let rows = teams["data"].as_array().expect("rows").iter();
    let rows: Vec<String> = rows
        .map(|row| {
            let spend = &row["spend"];
            format!("{} {} {} {}", row["name"], spend["own"], spend["with_descendants"], spend["share"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "commerce 0 111 0.590425531915",
            "search 100 100 0.531914893617",
            "payments 70 73 0.38829787234",
            "platform 0 62 0.329787234043",
            "cards 3 3 0.015957446809",
            "found 3 3 0.015957446809",
        ]
    );
    assert_eq!([&teams["total"], &teams["unallocated"], &teams["in_pools"]], [&json!(188), &json!(12), &json!(0)]);

    let payments = server.get("teams/payments?period=2026-10").await;
    let mut team = payments["data"].clone();
    let definition = team["definition"].take();
    assert_eq!(definition, ownership()["teams"]["payments"]);
    let expected = json!({
        "name": "payments", "title": "Payments", "discovered": false, "origin": "api", "owner": "Tom", "kind": "product",
        "people": 6, "parent": "platform", "department": "platform", "channels": ["#payments"], "currency": null,
        "spend": { "own": 70, "with_descendants": 73, "share": 0.38829787234 },
        "definition": null, "children": ["cards"], "components": ["checkout"],
    });
    assert_eq!(team, expected);
    let found = server.get("teams/found?period=2020").await;
    assert_eq!(
        [&found["data"]["discovered"], &found["data"]["owner"], &found["data"]["spend"]["own"]],
        [&json!(true), &Value::Null, &json!(0)]
    );
    for path in ["teams/nobody", "teams/unallocated", "teams/nobody/peers", "teams/nobody/unit-cost"] {
        let (status, problem) = server.refused(path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_team")), "{path}");
    }

    let components = server.get("components?period=2026-10").await;
    assert_eq!(components["data"][0]["name"], json!("checkout"));
    assert_eq!(components["data"][1]["name"], json!("idle"));
    assert_eq!([&components["total"], &components["without_component"]], [&json!(188), &json!(178)]);
    let checkout = &server.get("components/checkout?period=2026-10").await["data"];
    let expected = json!({
        "name": "checkout", "title": null, "discovered": false, "origin": "api", "team": "payments", "environment": "prod",
        "system": null, "links": { "Runbook": "https://wiki/checkout" }, "cost": 10, "share": 0.053191489362,
        "definition": ownership()["components"]["checkout"],
    });
    assert_eq!(*checkout, expected);
    assert_eq!(server.get("components/checkout/spend?period=2026-10").await["total"], json!(10));
    assert_eq!(server.get("components/idle/spend?period=2026-10").await["data"], json!([]));
    for path in ["components/no", "components/no/spend", "components/no/unit-cost", "components/no/releases"] {
        let (status, problem) = server.refused(path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_component")), "{path}");
    }
}

#[tokio::test]
async fn coverage_says_what_to_claim_next() {
    let server = Server::over(house().await).await;
    let coverage = server.get("coverage?period=2026-10&limit=1").await;
    let share =
        |part: &Value| format!("{} {} {} {}", part["cost"], part["share"], part["billed"], part["billed_share"]);
    for (part, expected) in [
        ("total", "188 1 9 1"),
        ("team", "176 0.936170212766 7 0.777777777778"),
        ("without_owner", "3 0.015957446809 1 0.111111111111"),
        ("in_pools", "0 0 0 0"),
        ("unallocated", "12 0.063829787234 2 0.222222222222"),
        ("component", "10 0.053191489362 1 0.111111111111"),
        ("environment", "10 0.053191489362 1 0.111111111111"),
    ] {
        assert_eq!(share(&coverage[part]), expected, "{part}");
    }
    assert_eq!(coverage["tags"][0]["key"], json!("cost-center"));
    assert_eq!(share(&coverage["tags"][0]), "100 0.531914893617 1 0.111111111111");
    let biggest = &coverage["biggest_unowned"];
    let expected = json!({
        "data": [{ "value": "222", "cost": 7, "share": 0.037234042553, "condition": "account = '222'" }],
        "more": 1, "rest": 5,
    });
    assert_eq!(biggest["accounts"], expected);
    assert_eq!(biggest["services"]["data"][0]["condition"], json!("service = 'Amazon S3'"));
    assert_eq!(biggest["resources"]["data"][0]["condition"], json!("resource = 'r1'"));
    assert_eq!([&biggest["resources"]["more"], &biggest["resources"]["rest"]], [&json!(0), &json!(5)]);
    let some = server.get("coverage?period=2026-10&filter=service='Amazon%20S3'").await;
    assert_eq!(share(&some["unallocated"]), "7 1 1 1");
    let none = server.get("coverage?period=2020").await;
    assert_eq!(share(&none["team"]), "0 null 0 null");
    let (status, problem) = server.refused("coverage?currency=native").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")));
}

#[tokio::test]
async fn what_is_shared_is_of_those_who_share_it() {
    let house = house().await;
    let mut shared = ownership();
    // What came before October 10 waits in the pool.
    let split = json!({ "fixed": { "payments": 3, "search": 1 } });
    shared["pools"] = json!({ "network": { "split": [{ "from": "2026-10-10", "is": split }] } });
    shared["rules"] = json!([["network", { "from": "ever", "when": "service = 'Amazon VPC'", "pool": "network" }]]);
    house.say(&read(shared)).await;
    let row = |day: &'static str, cost: &'static str| {
        [
            ("ChargePeriodStart", day),
            ("ServiceName", "Amazon VPC"),
            ("EffectiveCost", cost),
            ("BillingAccountId", "0003"),
        ]
    };
    let rows = [row("2026-10-05T00:00:00Z", "8"), row("2026-10-25T00:00:00Z", "4")];
    house.import("network", "network.csv", &bill(&[&rows[0], &rows[1]])).await;
    pipeline::settle(&house.app, &CancellationToken::new(), &|_| {}).await.expect("settles");
    let server = Server::over(house).await;
    let departments = server.get("spend?period=2026-10&group_by=department").await;
    assert_eq!(
        costs(&departments, "department"),
        ["commerce 112", "platform 65", "unallocated 12", "shared:network 8", "found 3"]
    );
    let teams = server.get("teams?period=2026-10").await;
    let of = |name: &str| {
        let team = teams["data"].as_array().expect("rows").iter().find(|team| team["name"] == name).expect("a team");
        format!("{} {}", team["spend"]["own"], team["spend"]["with_descendants"])
    };
    assert_eq!([of("payments"), of("search"), of("platform")], ["73 76", "101 101", "0 65"]);
    assert_eq!([&teams["total"], &teams["unallocated"], &teams["in_pools"]], [&json!(200), &json!(12), &json!(8)]);
    let coverage = server.get("coverage?period=2026-10").await;
    let cost = |part: &str| coverage[part]["cost"].clone();
    assert_eq!(
        [cost("total"), cost("team"), cost("in_pools"), cost("unallocated"), cost("without_owner")],
        [json!(200), json!(180), json!(8), json!(12), json!(3)]
    );
}

#[tokio::test]
async fn a_person_and_a_build_have_a_cost() {
    let house = house().await;
    let point = |day: &str, team: Option<&str>, component: Option<&str>, value: &str| Point {
        day: day.parse().expect("a day"),
        team: team.map(TeamId::new),
        component: component.map(ComponentId::new),
        value: value.parse().expect("a number"),
    };
    let points = [
        point("2026-10-05", Some("payments"), None, "4"),
        point("2026-10-15", Some("cards"), None, "2.5"),
        point("2026-10-15", None, Some("checkout"), "1.5"),
        point("2026-10-05", Some("search"), None, "0"),
    ];
    let noon = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
    house.app.catalog.put_points(&SeriesId::new("builds"), &points, None, noon).await.expect("are taken");
    let server = Server::over(house).await;
    let figures = |row: &Value| format!("{} {} {}", row["cost"], row["units"], row["unit_cost"]);

    // 15 days of 4 and 16 of 6 people, and 3 in cards on all 31: 249 person-days.
    let person = server.get("teams/payments/unit-cost?period=2026-10").await;
    assert_eq!(figures(&person["data"][0]), "73 8.032258064516 9.088353413655");
    assert_eq!(
        [&person["unit"], &person["series"], &person["data"][0]["unstated"]],
        [&json!("person"), &Value::Null, &json!([])]
    );
    let halves = server.get("teams/payments/unit-cost?from=2026-10-05&to=2026-10-19&granularity=week").await;
    let weeks: Vec<String> = halves["data"].as_array().expect("rows").iter().map(figures).collect();
    // 11 in a week of 7 people; 22 in one of 4 days with 7 people and 3 with 9.
    assert_eq!(weeks, ["11 7 1.571428571429", "22 7.857142857143 2.8"]);
    // On days when nobody says how many there are, none are made up.
    let commerce = server.get("teams/platform/unit-cost?period=2026-10").await;
    assert_eq!(commerce["total"]["unstated"], json!([{ "from": "2026-10-01", "to": "2026-10-11" }]));

    let builds = server.get("teams/payments/unit-cost?period=2026-10&series=builds").await;
    assert_eq!(figures(&builds["total"]), "73 8 9.125");
    assert_eq!(builds["unit"], json!("build"));
    let unstated = json!([
        { "from": "2026-10-01", "to": "2026-10-05" }, { "from": "2026-10-06", "to": "2026-10-15" },
        { "from": "2026-10-16", "to": "2026-11-01" },
    ]);
    assert_eq!(builds["total"]["unstated"], unstated);
    let nothing = server.get("teams/search/unit-cost?period=2026-10&series=builds").await;
    assert_eq!(figures(&nothing["total"]), "100 0 null");
    let silent = server.get("teams/found/unit-cost?period=2026-10").await;
    assert_eq!(figures(&silent["total"]), "3 null null");
    let checkout = server.get("components/checkout/unit-cost?period=2026-10&series=builds").await;
    assert_eq!(figures(&checkout["total"]), "10 1.5 6.666666666667");
    let (status, problem) = server.refused("teams/payments/unit-cost?series=deploys").await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("series")));
    let (status, problem) = server.refused("teams/payments/unit-cost?granularity=hour").await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("granularity")));
}

#[tokio::test]
async fn a_team_stands_among_its_peers_without_their_names_or_figures() {
    let server = Server::over(house().await).await;
    let (status, problem) = server.refused("teams/payments/peers").await;
    assert_eq!((status, &problem["code"]), (422, &json!("too_few_peers")));
    assert!(problem["detail"].as_str().expect("text").contains("1 other teams of kind \"product\""), "{problem}");

    let mut more = ownership();
    // The last one is more than twice as large as payments with cards: 17 people to 8.03.
    for (team, people) in [("p1", 10), ("p2", 10), ("p3", 10), ("p4", 10), ("large", 17)] {
        more["teams"][team] = json!({ "owner": "Lu", "kind": "product", "people": people });
    }
    server.house.say(&read(more)).await;
    let rows = [
        [("Tags", r#"{"team":"p1"}"#), ("EffectiveCost", "31.004")],
        [("Tags", r#"{"team":"p2"}"#), ("EffectiveCost", "62")],
        [("Tags", r#"{"team":"p3"}"#), ("EffectiveCost", "93.4")],
        [("Tags", r#"{"team":"p4"}"#), ("EffectiveCost", "124")],
        [("Tags", r#"{"team":"large"}"#), ("EffectiveCost", "9000")],
    ];
    let rows: Vec<&[_]> = rows.iter().map(<[_; 2]>::as_slice).collect();
    server.house.import("gcp", "others.csv", &bill(&rows).replace("\"0001\"", "\"0002\"")).await;
    let peers = server.get("teams/payments/peers").await;
    // Others: 31.004, 62, 93.4, 100 (search, 5 people), 124.
    assert_eq!(
        [&peers["others"], &peers["kind"], &peers["period"]],
        [&json!(5), &json!("product"), &json!("last_month")]
    );
    let expected =
        json!({ "own": 73, "quartile_1": 62, "median": 93, "quartile_3": 100, "position": "quartile_1_to_median" });
    assert_eq!(peers["cost"], expected);
    // Each: 3.1004, 6.2, 9.34, 12.4, 20.
    let expected = json!({
        "own": 9.088353413655, "quartile_1": 6.2, "median": 9.3, "quartile_3": 12, "position": "quartile_1_to_median",
    });
    assert_eq!(peers["cost_per_person"], expected);
    let told = peers.to_string();
    for hidden in ["p1", "search", "31.004", "93.4", "9000"] {
        assert!(!told.contains(hidden), "{hidden} in {told}");
    }
    let scope = Scope::Teams(vec![TeamId::new("payments")]);
    let insights = &server.house.app.insights;
    let own = insights.peers(&TeamId::new("payments"), PeersPeriod::LastMonth, today(), &scope).await;
    assert_eq!(own.expect("an answer").expect("a team").others, 5);
    for (path, code) in [
        ("teams/payments/peers?period=2026-10", "invalid_parameter"),
        ("teams/payments/peers?filter=service='x'", "unknown_parameter"),
        ("teams/found/peers", "too_few_peers"),
        ("teams/commerce/peers", "too_few_peers"),
    ] {
        assert_eq!(server.refused(path).await.1["code"], json!(code), "{path}");
    }
}

#[tokio::test]
async fn a_release_has_a_cost_before_and_after() {
    let house = House::new().await;
    house.say(&read(ownership())).await;
    let cost = |day| match day {
        1..10 => "10",
        10 => "99",
        11..15 => "14",
        15 => "50",
        _ => "7",
    };
    let days: Vec<(String, &str)> = (1..=20).map(|day| (format!("2026-10-{day:02}T00:00:00Z"), cost(day))).collect();
    let tags = r#"{"app":"checkout"}"#;
    let rows: Vec<_> = days
        .iter()
        .map(|(day, cost)| [("ChargePeriodStart", day.as_str()), ("EffectiveCost", *cost), ("Tags", tags)])
        .collect();
    house.import("aws", "a.csv", &bill(&rows.iter().map(<[_; 3]>::as_slice).collect::<Vec<_>>())).await;
    let noon = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
    for (kind, version, at) in [
        ("release", "2.0", "2026-10-10T12:00:00Z"),
        ("incident", "2.0", "2026-10-12T00:00:00Z"),
        ("deployment", "2.1", "2026-10-15T08:00:00Z"),
    ] {
        let event = Event {
            component: ComponentId::new("checkout"),
            kind: kind.to_owned(),
            version: version.to_owned(),
            at: at.parse().expect("a time"),
            environment: None,
            url: Some("https://ci/1".to_owned()),
        };
        assert!(house.app.catalog.put_event(&event, noon).await.expect("is recorded"));
    }
    let server = Server::over(house).await;
    let releases = server.get("components/checkout/releases?period=2026-10").await;
    let expected = json!([
        { "component": "checkout", "kind": "deployment", "version": "2.1", "at": "2026-10-15T08:00:00Z", "environment": null,
          "url": "https://ci/1",
          "before": { "from": "2026-10-08", "to": "2026-10-15", "days": 7, "cost": 175, "cost_per_day": 25 },
          "after": { "from": "2026-10-16", "to": "2026-10-21", "days": 5, "cost": 35, "cost_per_day": 7 },
          "shortened": "incomplete_days", "change": -18, "relative_change": -0.72 },
        { "component": "checkout", "kind": "release", "version": "2.0", "at": "2026-10-10T12:00:00Z", "environment": null,
          "url": "https://ci/1",
          "before": { "from": "2026-10-03", "to": "2026-10-10", "days": 7, "cost": 70, "cost_per_day": 10 },
          "after": { "from": "2026-10-11", "to": "2026-10-15", "days": 4, "cost": 56, "cost_per_day": 14 },
          "shortened": "next_release", "change": 4, "relative_change": 0.4 },
    ]);
    assert_eq!(releases["data"], expected);
    let short = server.get("components/checkout/releases?period=2026-10-10&days=3").await;
    let release = &short["data"][0];
    assert_eq!(
        [&release["shortened"], &release["after"]["cost"], &release["change"]],
        [&Value::Null, &json!(42), &json!(4)]
    );
    assert_eq!(server.get("components/idle/releases").await["data"], json!([]));

    let first = server.get("events?component=checkout&limit=2").await;
    let kinds = |page: &Value| -> Vec<String> {
        page["data"].as_array().expect("rows").iter().map(|event| event["kind"].to_string()).collect()
    };
    assert_eq!(kinds(&first), ["\"deployment\"", "\"incident\""]);
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = server.get(&format!("events?component=checkout&limit=2&cursor={cursor}")).await;
    assert_eq!((kinds(&second), &second["next_cursor"]), (vec!["\"release\"".to_owned()], &Value::Null));
    assert_eq!(kinds(&server.get("events?kind=incident&period=2026-10").await).len(), 1);
    assert_eq!(kinds(&server.get("events?period=2026-11").await).len(), 0);
    let (status, problem) = server.refused("events?cursor=zz").await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")));
}
