//! Answers over HTTP, with bills in the house.

mod common;

use std::sync::Arc;

use common::{House, bill, today};
use outlay::pipeline::Force;
use outlay_insights::InsightError;
use outlay_model::TeamId;
use outlay_model::report::Scope;
use serde_json::{Value, json};

/// A server on a port of its own; it ends with the test.
struct Server {
    house: House,
    base: String,
}

impl Server {
    async fn over(house: House) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/api/v1/", listener.local_addr().expect("an address"));
        let noon = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
        let router = outlay_api::router(house.app.insights.clone(), Arc::new(move || noon));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base }
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    async fn refused(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.ask(path).await;
        (status, serde_json::from_str(&body).expect("a problem"))
    }
}

async fn october() -> Server {
    let house = House::new().await;
    let rows = bill(&[
        &[("Tags", r#"{"team":"payments"}"#), ("EffectiveCost", "10.000000000000000001")],
        &[("Tags", r#"{"team":"payments"}"#), ("ServiceName", "Amazon S3"), ("EffectiveCost", "2")],
        &[("Tags", r#"{"team":"search"}"#), ("ChargePeriodStart", "2026-10-06T00:00:00Z"), ("EffectiveCost", "-1")],
        &[("EffectiveCost", "0.5")],
    ]);
    house.import("aws", "a.csv", &rows).await;
    Server::over(house).await
}

#[tokio::test]
async fn rows_carry_every_digit() {
    let server = october().await;
    let (_, body) = server.ask("spend?period=2026-10&group_by=team&order_by=-cost").await;
    assert!(body.contains(r#"{"team":"payments","cost":12.000000000000000001}"#), "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(answer["total"].to_string(), "11.500000000000000001");
    assert_eq!(answer["currency"], "USD");
    assert_eq!(answer["from"], "2026-10-01T00:00:00Z");
    assert_eq!(answer["to"], "2026-11-01T00:00:00Z");
    assert_eq!(answer["complete_until"], "2026-10-06");
}

#[tokio::test]
async fn wide_has_a_column_per_group() {
    let server = october().await;
    let answer =
        server.get("spend?period=2026-10&granularity=day&group_by=team&format=wide&filter=NOT+team+IS+NULL").await;
    let first = &answer["data"][0];
    assert_eq!(first["time"], "2026-10-05T00:00:00Z");
    assert_eq!(first["payments"].to_string(), "12.000000000000000001");
    assert_eq!(first["search"], Value::Null);
    assert_eq!(answer["data"][1]["search"], json!(-1));
}

#[tokio::test]
async fn a_team_and_a_service_have_their_own_address() {
    let server = october().await;
    let team = server.get("teams/payments/spend?period=2026-10&group_by=service").await;
    assert_eq!(team["total"].to_string(), "12.000000000000000001");
    let service = server.get("services/Amazon%20S3/spend?period=2026-10").await;
    assert_eq!(service["total"], json!(2));
    assert_eq!(server.get("teams/payments/spend?period=2020").await["data"], json!([]));
    let (status, problem) = server.refused("teams/paymnets/spend?period=2026-10").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_team")));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_position() {
    let server = october().await;
    let cases = [
        ("spend?filter=team%20IN%20('a')%20AND", 18),
        ("spend?filter=pg_sleep(1)", 1),
        ("spend?filter=team='a'%20OR%20nonsense='b'", 13),
    ];
    for (path, position) in cases {
        let (status, problem) = server.refused(path).await;
        assert_eq!(
            (status, &problem["code"], &problem["position"]),
            (400, &json!("invalid_filter"), &json!(position)),
            "{path}"
        );
    }
    let (status, problem) = server.refused("spend?group_by=nonsense").await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().expect("text").contains("use provider, seller, billing_account"), "{problem}");
    let (status, problem) = server.refused("spend?grup_by=team").await;
    assert_eq!((status, &problem["code"]), (400, &json!("unknown_parameter")));
    assert!(problem["detail"].as_str().expect("text").contains("group_by"), "{problem}");
    let (status, problem) = server.refused("spend?period=2026-10&granularity=hour").await;
    assert_eq!((status, &problem["code"]), (422, &json!("no_hourly_detail")));
}

#[tokio::test]
async fn pages_add_up_to_the_answer_although_the_bill_is_restated_between_them() {
    let server = october().await;
    let path = "spend?period=2026-10&group_by=team,service&limit=2";
    let first = server.get(path).await;
    let cursor = first["next_cursor"].as_str().expect("more").to_owned();
    let restated = bill(&[&[("EffectiveCost", "1000")], &[], &[], &[]]);
    let force = Force { shrink: true, rejects: false };
    server.house.import_with("aws", "b.csv", &restated, Some("2026-10"), force).await.expect("imports");
    let second = server.get(&format!("{path}&cursor={cursor}")).await;
    let sum: f64 = [&first, &second]
        .iter()
        .flat_map(|page| page["data"].as_array().expect("rows"))
        .map(|row| row["cost"].as_f64().expect("a number"))
        .sum();
    assert!((sum - 11.5).abs() < 1e-9, "{sum}");
    assert_eq!(second["generation"], first["generation"]);
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(server.get("spend?period=2026-10").await["total"], json!(1003));
    let (status, problem) = server.refused(&format!("spend?period=2026-10&limit=2&cursor={cursor}")).await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")));

    let doomed =
        server.house.app.catalog.sweepable(outlay::app::now(), std::time::Duration::ZERO).await.expect("a list");
    assert_eq!(doomed.len(), 1, "the replaced part");
    let (status, problem) = server.refused(&format!("{path}&cursor={cursor}")).await;
    assert_eq!((status, &problem["code"]), (410, &json!("cursor_gone")));
}

#[tokio::test]
async fn top_is_stable_over_days_and_the_rest_is_folded() {
    let server = october().await;
    let answer = server.get("spend?period=2026-10&granularity=day&group_by=team&top=1").await;
    let rows: Vec<String> = answer["data"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| format!("{} {} {}", &row["time"].as_str().expect("a time")[..10], row["team"], row["cost"]))
        .collect();
    let expected =
        ["2026-10-05 \"payments\" 12.000000000000000001", "2026-10-05 \"other\" 0.5", "2026-10-06 \"other\" -1"];
    assert_eq!(rows, expected);
    let kept = server.get("spend?period=2026-10&group_by=team&having=cost%20>%201").await;
    assert_eq!(kept["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(kept["warnings"][0]["code"], "having");
}

#[tokio::test]
async fn ranges_are_compared_bucket_by_bucket() {
    let house = House::new().await;
    let september: &[(&str, &str)] = &[
        ("BillingPeriodStart", "2026-09-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-09-05T00:00:00Z"),
        ("EffectiveCost", "4"),
    ];
    house.import("aws", "9.csv", &bill(&[september])).await;
    house.import("aws", "10.csv", &bill(&[&[("ServiceName", "new"), ("EffectiveCost", "1")], &[]])).await;
    let server = Server::over(house).await;
    let answer = server.get("spend?period=2026-10&group_by=service&compare=previous_period&order_by=service").await;
    assert_eq!(
        answer["data"],
        json!([
            {"service": "Amazon EC2", "cost": 1, "previous": 4, "change": -3},
            {"service": "new", "cost": 1, "previous": 0, "change": 1},
        ])
    );
    assert_eq!(answer["compared_with"]["from"], "2026-09-01T00:00:00Z");
}

#[tokio::test]
async fn dimensions_and_their_values_are_listed() {
    let server = october().await;
    let dimensions = server.get("dimensions").await;
    assert!(dimensions["data"].as_array().expect("rows").iter().any(|row| row["name"] == "tags.team"), "{dimensions}");
    let values = server.get("dimensions/team/values?period=2026-10").await;
    assert_eq!(
        values["data"],
        json!([
            {"value": "payments", "charges": 2},
            {"value": "search", "charges": 1},
            {"value": "unallocated", "charges": 1},
        ])
    );
    let runs = server.get("runs").await;
    assert_eq!(runs["data"][0]["state"], "committed");
    let lines = server.get("reconciliation").await;
    assert!(lines["data"].as_array().expect("rows").iter().all(|line| line["difference"] == json!(0)), "{lines}");
}

#[tokio::test]
async fn what_a_run_rejected_and_moved_can_be_looked_up() {
    let server = october().await;
    let restated = bill(&[&[("EffectiveCost", "11.5")], &[("BilledCost", "7"), ("ChargePeriodStart", "soon")]]);
    let force = Force { shrink: true, rejects: true };
    let runs = server.house.import_with("aws", "b.csv", &restated, Some("2026-10"), force).await.expect("imports");
    let run = runs[0].id.as_str();

    let rejects = server.get(&format!("runs/{run}/rejects")).await;
    let count = json!({"reason": "unreadable_time", "currency": "USD", "rows": 1, "unpriced": 0, "billed": 7});
    assert_eq!((&rejects["run"], &rejects["counts"]), (&json!(run), &json!([count])));
    let reject = &rejects["data"][0];
    assert_eq!((&reject["line"], &reject["column"]), (&json!(3), &json!("ChargePeriodStart")), "{rejects}");
    assert_eq!((&reject["value"], &reject["costs"]["billed"]), (&json!("soon"), &json!(7)), "{rejects}");
    let (status, problem) = server.refused("runs/nobody/rejects").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_run")));

    let changes = server.get("changes?source=aws&limit=2").await;
    let moved = changes["data"].as_array().expect("rows").iter().map(|change| {
        assert_eq!((&change["run"], &change["billing_account"]), (&json!(run), &json!("0001")));
        format!("{} {} {}", change["day"], change["before"], change["after"])
    });
    let expected = [
        r#""2026-10-05" {"rows":3,"billed":3,"effective":12.500000000000000001} {"rows":1,"billed":1,"effective":11.5}"#,
        r#""2026-10-06" {"rows":1,"billed":1,"effective":-1} {"rows":0,"billed":null,"effective":null}"#,
    ];
    assert_eq!(moved.collect::<Vec<_>>(), expected);
    assert_eq!(server.get("changes?source=gcp").await["data"], json!([]));

    // All of it concerns the whole company.
    let (insights, team) = (&server.house.app.insights, Scope::Teams(vec![TeamId::new("payments")]));
    assert!(matches!(insights.run(&runs[0].id, &team).await, Err(InsightError::Forbidden)));
    assert!(matches!(insights.rejects(&runs[0].id, 1, &team).await, Err(InsightError::Forbidden)));
    assert!(matches!(insights.reject_counts(&runs[0].id, &team).await, Err(InsightError::Forbidden)));
    assert!(matches!(insights.changes(None, 1, &team).await, Err(InsightError::Forbidden)));
}
