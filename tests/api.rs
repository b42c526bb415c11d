//! Answers over HTTP, with bills in the house.

mod common;

use common::server::Server;
use common::{House, bill};
use outlay::pipeline::Force;
use outlay_insights::{ChangesQuery, InsightError};
use outlay_model::TeamId;
use outlay_model::part::Layer;
use outlay_model::report::Scope;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

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
    // Nothing to group by is one group, and there is no rest to name.
    assert_eq!(server.get("spend?period=2026-10&top=1").await["total"].to_string(), "11.500000000000000001");
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
    assert!(matches!(insights.changes(&ChangesQuery::default(), 1, &team).await, Err(InsightError::Forbidden)));
}

#[tokio::test]
async fn a_cursor_that_is_not_the_one_that_was_given_is_refused() {
    let server = october().await;
    let page = |what: &str, cursor: &str| format!("spend?period=2026-10&group_by=team,service{what}&cursor={cursor}");
    let first = server.get("spend?period=2026-10&group_by=team,service&limit=2").await;
    let cursor = first["next_cursor"].as_str().expect("more");
    let [generation, offset, seal] = cursor.split('.').collect::<Vec<_>>()[..] else { panic!("{cursor}") };
    let other = format!("{:016x}", u64::from_str_radix(seal, 16).expect("hex digits") ^ 1);
    let altered = [
        format!("{generation}.0.{seal}"),
        format!("{generation}.3.{seal}"),
        format!("0.{offset}.{seal}"),
        format!("99.{offset}.{seal}"),
        format!("{generation}.{offset}.{other}"),
        format!("{generation}.{offset}"),
        cursor[..cursor.len() - 1].to_owned(),
        String::new(),
    ];
    for cursor in altered {
        let (status, problem) = server.refused(&page("&limit=2", &cursor)).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")), "{cursor}");
    }
    for what in
        ["&metric=billed", "&order_by=cost", "&filter=team='a'", "&granularity=day", "&top=3", "&currency=native"]
    {
        let (status, problem) = server.refused(&page(&format!("{what}&limit=2"), cursor)).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")), "{what}");
    }
    for limit in ["", "&limit=0", "&limit=50001", "&limit=-1", "&limit=1e3", "&limit="] {
        let (status, problem) = server.refused(&page(limit, cursor)).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!("limit")), "{limit}");
    }
    let rest = server.get(&page("&limit=50000", cursor)).await;
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["next_cursor"]), (Some(2), &Value::Null));
}

#[test]
fn pages_are_the_answer_cut_to_size() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(async {
        let (teams, services) = (["{\"team\":\"a\"}", "{\"team\":\"b\"}", ""], ["x, y", "\"z\"", "", "w"]);
        let days: Vec<_> = (1..=9).map(|day| format!("2026-10-0{day}T00:00:00Z")).collect();
        // Many figures are equal, so that their order is decided by more than their size.
        let lines: Vec<[(&str, &str); 4]> = (0..60)
            .map(|line| {
                [
                    ("Tags", teams[line % 3]),
                    ("ServiceName", services[line % 4]),
                    ("ChargePeriodStart", days[line % 9].as_str()),
                    ("EffectiveCost", ["1", "0", "-1", "1.5"][line % 7 % 4]),
                ]
            })
            .collect();
        let house = House::new().await;
        house.import("aws", "a.csv", &bill(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>())).await;
        Server::over(house).await
    });
    let question = (
        subsequence(vec!["team", "service", "tags.team", "account"], 0..=3),
        select(vec!["total", "day", "week"]),
        select(vec!["", "cost", "-cost"]),
        1..40_usize,
    );
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let held = TestRunner::new(config).run(&question, |(dimensions, granularity, order, limit)| {
        let dimensions = dimensions.join(",");
        let query = format!("spend?period=2026-10&granularity={granularity}&group_by={dimensions}&order_by={order}");
        runtime.block_on(async {
            let whole = server.get(&query).await;
            let (mut rows, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = server.get(&format!("{query}&limit={limit}{cursor}")).await;
                prop_assert_eq!(&page["total"], &whole["total"]);
                rows.extend(page["data"].as_array().expect("rows").iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            prop_assert_eq!(&Value::Array(rows), &whole["data"]);

            let (_, whole) = server.ask(&format!("{query}&format=csv")).await;
            let (mut file, mut cursor) = (String::new(), String::new());
            loop {
                let url = format!("{}{query}&format=csv&limit={limit}{cursor}", server.base);
                let answer = reqwest::get(url).await.expect("an answer");
                let next =
                    answer.headers().get("outlay-next-cursor").map(|next| next.to_str().expect("text").to_owned());
                let page = answer.text().await.expect("text");
                let start = if file.is_empty() { 0 } else { page.find("\r\n").expect("a header") + 2 };
                file.push_str(&page[start..]);
                let Some(next) = next else { break };
                cursor = format!("&cursor={next}");
            }
            prop_assert_eq!(file, whole);
            Ok(())
        })
    });
    held.expect("pages put together are the answer");
}

#[tokio::test]
async fn a_304_needs_the_generation_and_nothing_else() {
    let server = october().await;
    let url = format!("{}spend?period=2026-10&group_by=team", server.base);
    let client = reqwest::Client::new();
    let tag = client.get(&url).send().await.expect("an answer").headers()["etag"].clone();
    // The figures are gone, so whoever looked at them would notice.
    let (store, away) = (server.house.folder.path().join("data/daily"), server.house.folder.path().join("away"));
    std::fs::rename(&store, &away).expect("moves");
    let asked = async |tag: &reqwest::header::HeaderValue| {
        client.get(&url).header("If-None-Match", tag).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(client.get(&url).send().await.expect("an answer").status(), 503);
    assert_eq!(asked(&tag).await, 304);
    std::fs::rename(&away, &store).expect("moves");
    server.house.import("gcp", "b.csv", &bill(&[&[("ProviderName", "GCP"), ("BillingAccountId", "2")]])).await;
    assert_eq!(asked(&tag).await, 200, "a new bill is another answer");
}

#[tokio::test]
async fn questions_that_nobody_waits_for_leave_their_places() {
    let server = october().await;
    let url = format!("{}spend?period=2026-10&group_by=team", server.base);
    for _ in 0..20 {
        let asked = tokio::spawn(reqwest::get(url.clone()));
        tokio::task::yield_now().await;
        asked.abort();
    }
    for _ in 0..8 {
        assert_eq!(server.ask("spend?period=2026-10&group_by=team").await.0, 200);
    }
}

#[test]
fn the_checked_in_document_is_the_one_of_the_code() {
    let checked_in = std::fs::read_to_string("docs/openapi.json").unwrap_or_default();
    if checked_in != outlay_api::openapi() {
        let new = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        std::fs::write(&new, outlay_api::openapi()).expect("writes");
        panic!(
            "docs/openapi.json is not what the code says; look at the difference, and cp {} docs/openapi.json",
            new.display()
        );
    }
}

#[tokio::test]
async fn charges_are_exported_as_they_are_written() {
    let server = october().await;
    let path = "export/focus?period=2026-10&allow_null=true";
    let answer = reqwest::get(format!("{}{path}", server.base)).await.expect("an answer");
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    assert_eq!(header("content-type").as_deref(), Some("text/csv; charset=utf-8"));
    let name = "attachment; filename=\"outlay-focus-1.2_2026-10-01_2026-11-01.csv\"";
    assert_eq!(header("content-disposition").as_deref(), Some(name));
    let generation = header("outlay-generation").expect("a generation");
    let text = answer.text().await.expect("text");
    assert_eq!(text.lines().count(), 5);
    assert!(text.starts_with("BilledCost,") && text.contains(",10.000000000000000001,"), "{text}");

    let client = reqwest::Client::builder().no_gzip().build().expect("a client");
    let packed = client.get(format!("{}{path}", server.base)).header("Accept-Encoding", "gzip");
    let packed = packed.send().await.expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.expect("goes on to its end").starts_with(&[0x1f, 0x8b]));

    let answer = reqwest::get(format!("{}{path}&format=parquet", server.base)).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "application/vnd.apache.parquet");
    let bytes = answer.bytes().await.expect("bytes");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));

    let metadata = server.get(&format!("{path}&format=metadata&generation={generation}")).await;
    assert_eq!(metadata["x_Export"]["rows"], json!(4));
    assert_eq!(metadata["x_Export"]["sums"]["USD"]["effective"].to_string(), "11.500000000000000001");
    assert_eq!(metadata["Schema"][0]["FocusVersion"], json!("1.2"));

    let (status, problem) = server.refused("export/focus?period=2026-10").await;
    assert_eq!((status, &problem["code"]), (422, &json!("nulls_not_allowed")));
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("ListCost (AWS: 4 of 4 charges)") && detail.contains("allow_null=true"), "{detail}");
    for (query, parameter) in [("version=9", "version"), ("format=xml", "format"), ("source=gcp", "source")] {
        let (status, problem) = server.refused(&format!("{path}&{query}")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)));
    }
}

#[tokio::test]
async fn an_export_that_goes_wrong_is_cut_off() {
    let server = october().await;
    let other = House::new().await;
    other.import("aws", "a.csv", &bill(&[&[], &[], &[], &[("EffectiveCost", "2")]])).await;
    let charges = async |house: &House| {
        let snapshot = house.app.catalog.snapshot().await.expect("a snapshot");
        let file = snapshot.parts[0].files(Layer::Charges).next().expect("a file").to_owned();
        house.folder.path().join("data").join(file)
    };
    // As if a disk had given back somebody else's bytes: as many charges, other money.
    std::fs::copy(charges(&other).await, charges(&server.house).await).expect("copies");
    for format in ["csv", "parquet", "metadata"] {
        let path = format!("export/focus?period=2026-10&allow_null=true&format={format}");
        let answer = reqwest::get(format!("{}{path}", server.base)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err(), "{format} must not pass for whole");
    }
}
