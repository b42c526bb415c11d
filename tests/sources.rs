//! Sources from outside: collected on demand, restated under readers, and said how fresh they are (P3, P6).

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::server::Server;
use common::{House, Quiet, bill};
use outlay::app::now;
use outlay::scheduler::{Stop, work};
use outlay_catalog::Which;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A house that collects a folder of bills, and one that is not there.
struct Place {
    server: Server,
    bills: TempDir,
}

impl Place {
    async fn new() -> Self {
        let bills = tempfile::tempdir().expect("a folder");
        let source = |name: &str, path: &str| {
            let path = toml::Value::from(bills.path().join(path).display().to_string());
            format!("[[source]]\nname = \"{name}\"\nkind = \"focus\"\npath = {path}\nschedule = \"0 0 6 * * *\"\n")
        };
        let house = House::with_config(&(source("nimbus", "") + &source("stratus", "nowhere"))).await;
        house.app.know_sources().await.expect("are known");
        Self { server: Server::over(house).await, bills }
    }

    /// States usage of these days, each at its cost.
    fn bill(&self, month: &str, days: &[(u32, &str)]) {
        let period = format!("{month}-01T00:00:00Z");
        let hour = |day: &u32, hour| format!("{month}-{day:02}T{hour}:00:00Z");
        let days: Vec<_> = days.iter().map(|(day, cost)| (hour(day, "00"), hour(day, "23"), *cost)).collect();
        let rows: Vec<_> = days
            .iter()
            .map(|(from, to, cost)| {
                [
                    ("BillingPeriodStart", &*period),
                    ("ChargePeriodStart", from),
                    ("ChargePeriodEnd", to),
                    ("BilledCost", cost),
                    ("EffectiveCost", cost),
                ]
            })
            .collect();
        let text = bill(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>());
        fs::write(self.bills.path().join(format!("{month}.csv")), text).expect("writes");
    }

    /// Does what waits, as a server would.
    async fn work(&self) {
        let app = &self.server.house.app;
        let stop = Stop { asked: CancellationToken::new(), within: Duration::from_secs(60) };
        let sources: Vec<_> = app.sources.iter().map(|source| source.name.clone()).collect();
        for source in &sources {
            let waiting = outlay_catalog::JobsQuery { source: Some(source.clone()), before: None };
            for job in app.catalog.jobs(&waiting, 9).await.expect("reads") {
                let claimed = app.catalog.claim(Which::Only(&job.id), "here", now(), now() + app.lease()).await;
                if let Some(job) = claimed.expect("reads") {
                    work(app, &job, &stop, Arc::new(Quiet)).await.expect("ends");
                }
            }
        }
    }

    /// Collects a source, and gives the job.
    async fn collect(&self, source: &str) -> Value {
        let (status, _, job) = self.server.post(&format!("sources/{source}/collect"), None, None).await;
        assert_eq!(status, 202, "{job}");
        self.work().await;
        self.server.get(&format!("jobs/{}", job["id"].as_str().expect("an id"))).await
    }

    async fn total(&self) -> String {
        self.server.get("spend?period=2026-10").await["total"].to_string()
    }
}

#[tokio::test]
async fn a_source_is_collected_when_somebody_asks_and_once_however_often_they_ask() {
    let place = Place::new().await;
    place.bill("2026-10", &[(5, "1"), (6, "2")]);
    let server = &place.server;
    let (status, headers, job) = server.post("sources/nimbus/collect", None, None).await;
    assert_eq!((status, &job["state"], &job["requested_by"]), (202, &json!("queued"), &json!("api")), "{job}");
    let id = job["id"].as_str().expect("an id");
    assert_eq!(headers["location"], format!("/api/v1/jobs/{id}"));
    let (_, _, again) = server.post("sources/nimbus/collect", Some("nightly"), Some("{}")).await;
    assert_eq!(again["id"], id, "one waits already");
    let wider = r#"{"from":"2026-08-01","to":"2026-09-01","accept_shrink":true}"#;
    let (_, _, wider) = server.post("sources/nimbus/collect", None, Some(wider)).await;
    assert_eq!(
        (&wider["id"], &wider["from"], &wider["accept_shrink"]),
        (&json!(id), &json!("2026-08-01"), &json!(true))
    );
    assert_eq!(server.get("jobs?source=nimbus").await["data"].as_array().map(Vec::len), Some(1));

    place.work().await;
    let done = server.get(&format!("jobs/{id}")).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["progress"], json!({"listed": 1, "skipped": 0, "done": 1, "failed": 0}));
    let runs = server.get(&format!("runs?job={id}")).await;
    assert_eq!((&runs["data"][0]["state"], &runs["data"][0]["job"]), (&json!("committed"), &json!(id)));
    let run = runs["data"][0]["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("runs/{run}")).await, runs["data"][0]);
    assert_eq!(place.total().await, "3");

    // The next one finds nothing new; a key makes one job, also when that is over.
    let (_, _, first) = server.post("sources/nimbus/collect", Some("nightly"), None).await;
    assert_ne!(first["id"], id);
    place.work().await;
    let (_, _, again) = server.post("sources/nimbus/collect", Some("nightly"), None).await;
    assert_eq!((&again["id"], &again["state"]), (&first["id"], &json!("done")));
    assert_eq!(again["progress"]["skipped"], 1);
    let pages = server.get("jobs?limit=1").await;
    let cursor = pages["next_cursor"].as_str().expect("there is another one");
    assert_eq!(server.get(&format!("jobs?limit=1&cursor={cursor}")).await["data"][0]["id"], id);
    let (status, problem) = server.refused("jobs?cursor=nowhere").await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("cursor")));
}

#[tokio::test]
async fn a_restated_month_is_the_old_one_or_the_new_one_and_changes_say_what_moved() {
    let place = Place::new().await;
    place.bill("2026-10", &[(5, "1"), (6, "2"), (7, "4")]);
    place.collect("nimbus").await;
    let since = place.server.get("spend?period=2026-10").await["generation"].clone();

    place.bill("2026-10", &[(5, "1"), (6, "2.5"), (7, "4"), (8, "8")]);
    let over = AtomicBool::new(false);
    let (seen, job) = tokio::join!(
        async {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                seen.insert(place.total().await);
            }
            seen.insert(place.total().await);
            seen
        },
        async {
            let job = place.collect("nimbus").await;
            over.store(true, Ordering::Relaxed);
            job
        }
    );
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(seen, ["7", "15.5"].map(str::to_owned).into(), "half a bill was seen");

    let moved = |changes: &Value| -> Vec<String> {
        let lines = changes["data"].as_array().expect("lines").iter();
        lines
            .map(|line| format!("{} {}", line["day"].as_str().unwrap_or_default(), line["difference"]["billed"]))
            .collect()
    };
    let changes = place.server.get(&format!("changes?source=nimbus&since={since}")).await;
    assert_eq!(moved(&changes), ["2026-10-06 0.5", "2026-10-08 8"]);
    assert_eq!(changes["data"][0]["before"]["billed"], json!(2));
    assert_eq!(moved(&place.server.get(&format!("changes?period=2026-10-08&since={since}")).await), ["2026-10-08 8"]);
    let page = place.server.get("changes?limit=2").await;
    assert_eq!(moved(&page), ["2026-10-06 0.5", "2026-10-08 8"]);
    let rest =
        place.server.get(&format!("changes?limit=9&cursor={}", page["next_cursor"].as_str().expect("more"))).await;
    assert_eq!(moved(&rest), ["2026-10-05 1", "2026-10-06 2", "2026-10-07 4"]);
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[tokio::test]
async fn sources_say_how_fresh_they_are_and_answers_name_what_is_not_sure() {
    let place = Place::new().await;
    let server = &place.server;
    let answer = server.get("spend?period=2026-10").await;
    assert_eq!(answer["complete_until"], Value::Null);
    assert_eq!(answer["warnings"][0]["message"], "nothing has been collected yet of nimbus, stratus");
    let etag = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", server.base)).await.expect("an answer");
        answer.headers()["etag"].clone()
    };
    let before = etag("sources").await;

    place.bill("2026-09", &[(29, "1")]);
    place.bill("2026-10", &[(1, "1"), (3, "1")]);
    let days: Vec<_> = (1..=18).map(|day| (day, "1")).collect();
    place.bill("2026-11", &days);
    assert_eq!(place.collect("nimbus").await["progress"]["done"], 3);
    let failed = place.collect("stratus").await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["message"].as_str().is_some_and(|message| message.contains("nowhere")), "{failed}");
    assert_ne!(etag("sources").await, before);

    let detail = server.get("sources/nimbus").await;
    let days = detail["days"].as_array().expect("runs of days").iter();
    let days: Vec<_> =
        days.map(|run| format!("{} {} {}", run["from"], run["to"], run["state"]).replace('"', "")).collect();
    assert_eq!(
        days,
        [
            "2026-09-29 2026-09-30 final",
            "2026-09-30 2026-10-01 missing",
            "2026-10-01 2026-10-02 settling",
            "2026-10-02 2026-10-03 missing",
            "2026-10-03 2026-10-04 settling",
            "2026-10-04 2026-11-01 missing",
            "2026-11-01 2026-11-19 provisional",
            "2026-11-19 2026-11-21 missing",
        ]
    );
    let october = server.get("sources/nimbus?period=2026-10").await;
    assert_eq!(
        (&october["days"][0]["from"], &october["live"][0]["delivery"]),
        (&json!("2026-10-01"), &json!("2026-10.csv"))
    );
    assert_eq!((october["live"].as_array().map(Vec::len), &october["live"][0]["rows"]), (Some(1), &json!(2)));

    let sources = server.get("sources").await;
    let [nimbus, stratus] = [&sources["data"][0], &sources["data"][1]];
    assert_eq!((&nimbus["name"], &nimbus["last_job"]["state"]), (&json!("nimbus"), &json!("done")));
    assert_eq!((&nimbus["complete_until"], &nimbus["last_day"]), (&json!("2026-09-29"), &json!("2026-11-18")));
    assert_eq!((&nimbus["next_tick"], &nimbus["deliveries"]), (&json!("2026-11-22T06:00:00Z"), &json!(3)));
    assert_eq!((&stratus["last_job"]["state"], &stratus["last_success"]), (&json!("failed"), &Value::Null));
    assert!(nimbus["last_success"].is_string() && nimbus["missing_days"] == 32, "{nimbus}");

    let answer = server.get("spend?period=2026-11").await;
    let said: Vec<_> =
        answer["warnings"].as_array().expect("warnings").iter().map(|warning| &warning["message"]).collect();
    let provisional = "figures may still change much: nimbus 2026-11-01..2026-11-18";
    assert_eq!(said, [&json!("nothing has been collected yet of stratus"), &json!(provisional)]);

    let (status, problem) = server.refused("sources/nimbsu").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_source")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("did you mean nimbus?")), "{problem}");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_and_makes_no_job() {
    let place = Place::new().await;
    place.server.house.import("old", "old.csv", &bill(&[&[("BillingAccountId", "9")]])).await;
    let cases = [
        ("sources/nimbsu/collect", None, 404, "unknown_source"),
        ("sources/old/collect", None, 404, "unknown_source"),
        ("sources/nimbus/collect?force=1", None, 400, "unknown_parameter"),
        ("sources/nimbus/collect", Some(r#"{"form":"2026-10-01"}"#), 400, "invalid_body"),
        ("sources/nimbus/collect", Some("[null, null]"), 400, "invalid_body"),
        ("sources/nimbus/collect", Some(r#"{"from":1}"#), 400, "invalid_body"),
        ("sources/nimbus/collect", Some(r#"{"accept_shrink":"yes"}"#), 400, "invalid_body"),
        ("sources/nimbus/collect", Some(r#"{"from":"2026-10-01"}"#), 400, "invalid_parameter"),
        ("sources/nimbus/collect", Some(r#"{"from":"2026-10-02","to":"2026-10-02"}"#), 400, "invalid_parameter"),
        ("sources/nimbus/collect", Some(r#"{"from":"soon","to":"2026-10-02"}"#), 400, "invalid_parameter"),
    ];
    for (path, body, status, code) in cases {
        let (answered, _, problem) = place.server.post(path, None, body).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{path} {body:?}: {problem}");
    }
    let url = format!("{}sources/nimbus/collect", place.server.base);
    let client = reqwest::Client::new();
    let refused = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    assert_eq!(refused(client.post(&url).header("Content-Type", "text/plain").body("{}")).await, 415);
    assert_eq!(refused(client.post(&url).header("Sec-Fetch-Site", "cross-site")).await, 403);
    assert_eq!(refused(client.post(&url).header("Idempotency-Key", "")).await, 400);
    assert_eq!(refused(client.get(&url)).await, 405);
    assert_eq!(
        refused(client.post(&url).header("Content-Type", "application/json").body(" ".repeat(1_100_000))).await,
        413
    );
    assert_eq!(place.server.get("jobs").await["data"], json!([]));
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let place = Place::new().await;
    place.bill("2026-11", &[(1, "1"), (2, "2")]);
    place.collect("nimbus").await;
    place.collect("nimbus").await;
    place.collect("stratus").await;
    place.server.house.import("old", "old.csv", &bill(&[&[("BillingAccountId", "9")]])).await;
    let answer = reqwest::get(place.server.base.replace("/api/v1/", "/metrics")).await.expect("an answer");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &kind.parse().expect("a kind")));
    let metrics = parsed(&answer.text().await.expect("text"));
    let value = |name: &str| metrics.get(name).copied();
    for (name, expected) in [
        ("outlay_deliveries_total{source=\"nimbus\",outcome=\"committed\"}", 1.0),
        ("outlay_deliveries_total{source=\"nimbus\",outcome=\"skipped\"}", 1.0),
        ("outlay_deliveries_total{source=\"stratus\",outcome=\"failed\"}", 0.0),
        ("outlay_stored_rows_total{source=\"nimbus\"}", 2.0),
        ("outlay_rejected_rows_total{source=\"nimbus\"}", 0.0),
        ("outlay_requests_total{source=\"nimbus\"}", 0.0),
        ("outlay_request_cost_dollars_total{source=\"nimbus\"}", 0.0),
        ("outlay_collection_seconds_count{source=\"nimbus\"}", 2.0),
        ("outlay_coverage_end_timestamp_seconds{source=\"nimbus\"}", 1_793_664_000.0),
        // From the end of the second of November to noon of the 21st.
        ("outlay_data_age_seconds{source=\"nimbus\"}", 18.5 * 86_400.0),
        ("outlay_missing_days{source=\"nimbus\"}", 18.0),
        ("outlay_queued_jobs{source=\"nimbus\"}", 0.0),
        ("outlay_last_job_failed{source=\"nimbus\"}", 0.0),
        ("outlay_last_job_failed{source=\"stratus\"}", 1.0),
        ("outlay_coverage_end_timestamp_seconds{source=\"old\"}", 1_791_244_800.0),
    ] {
        assert_eq!(value(name), Some(expected), "{name}: {metrics:#?}");
    }
    assert!(value("outlay_last_success_timestamp_seconds{source=\"nimbus\"}").is_some_and(|at| at > 1.7e9));
    assert_eq!(value("outlay_last_success_timestamp_seconds{source=\"stratus\"}"), None, "it never was");
    assert_eq!(value("outlay_queued_jobs{source=\"old\"}"), None, "nobody collects it");
}

/// Reads the OpenMetrics text strictly: every family once, described before its samples; units in names; samples named as
/// their type asks; no label but those that are bounded; an end.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    const OUTCOMES: [&str; 5] = ["committed", "unchanged", "skipped", "refused", "failed"];
    let (mut families, mut samples) = (BTreeMap::<String, (String, bool)>::new(), BTreeMap::new());
    let mut family = String::new();
    let text = text.strip_suffix("# EOF\n").expect("an end");
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# ") {
            let [what, name, rest] = described.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            match what {
                "HELP" => {
                    assert!(rest.ends_with('.') && rest.len() > 20, "{line}: say what it is");
                    assert!(families.insert(name.to_owned(), (String::new(), true)).is_none(), "{line}: twice");
                    family = name.to_owned();
                }
                "TYPE" => families.get_mut(name).expect("HELP comes first").0 = rest.to_owned(),
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}: the unit ends the name"),
                _ => panic!("{line}"),
            }
            assert_eq!(name, family, "{line}: one family after the other");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.strip_suffix('}').and_then(|series| series.split_once('{')).expect("labels");
        let suffix = name.strip_prefix(&*family).unwrap_or_else(|| panic!("{line}: not of {family}"));
        let allowed: &[&str] = match families[&family].0.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => panic!("{family} is a {kind}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(name.starts_with("outlay_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
        for label in labels.split(',') {
            let (name, value) = label.split_once('=').expect("a label");
            let value = value.trim_matches('"');
            match name {
                "source" => assert!(["nimbus", "stratus", "old"].contains(&value), "{line}"),
                "outcome" => assert!(OUTCOMES.contains(&value), "{line}"),
                "le" if suffix == "_bucket" => {}
                _ => panic!("{line}: {name} is not bounded"),
            }
        }
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(samples.insert(series.to_owned(), value).is_none(), "{line}: twice");
    }
    samples
}
