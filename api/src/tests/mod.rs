//! Questions over HTTP to a house without any bill: everything that needs no data to be answered.

mod documents;
mod edges;
mod ownership;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use chrono::Timelike as _;
use outlay_catalog::{Catalog, Run};
use outlay_insights::{InsightError, Insights};
use outlay_model::part::{BalanceKey, Reject, RejectReason, RunState};
use outlay_model::query::{Metric, ParameterError};
use outlay_model::rates::{RateEntry, RateTable};
use outlay_model::{Currency, DateRange, RunId, SourceName};
use outlay_store::Store;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::params::Parameters as _;
use crate::problem::{Code, Problem};
use crate::{Limits, Server, Stopping};

const NOON: &str = "2026-11-21T12:00:00Z";
const LIMITS: Limits = Limits { answer_within: Duration::from_secs(60), most_requests: 100 };

/// A house; its folder goes with it.
struct House {
    router: Router,
    catalog: Catalog,
    insights: Insights,
    stopping: Stopping,
    folder: TempDir,
}

impl House {
    async fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/catalog.db", folder.path().display());
        let catalog = Catalog::open(&url).await.expect("a catalog");
        let store = Store::open(&folder.path().join("store"), Default::default(), Default::default()).expect("a store");
        let eur = vec![RateEntry { from: "2026-01-01".parse().expect("a day"), to_usd: "1.08".to_owned() }];
        let rates = RateTable::new(&[("EUR".parse().expect("a code"), eur)].into()).expect("good rates");
        let insights = Insights::new(catalog.clone(), Arc::new(store), rates, Currency::USD, Arc::default());
        let stopping = Stopping::default();
        let router = crate::router(server(&insights, &stopping, NOON));
        Self { router, catalog, insights, stopping, folder }
    }

    /// The same house at another time.
    fn at(&self, time: &str) -> Router {
        crate::router(server(&self.insights, &self.stopping, time))
    }

    async fn get(&self, uri: &str) -> Answer {
        ask(&self.router, Method::GET, uri).await
    }
}

fn server(insights: &Insights, stopping: &Stopping, time: &str) -> Server {
    Server {
        insights: insights.clone(),
        clock: clock(time),
        limits: LIMITS,
        stopping: stopping.clone(),
        // Every hour at half past.
        next_tick: |_, now| now.with_minute(30),
        metrics: Arc::new(|sources, now| format!("{} sources at {now}", sources.len())),
    }
}

fn clock(time: &str) -> crate::Clock {
    let now = time.parse().expect("a time");
    Arc::new(move || now)
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Its status, kind and body, for snapshots.
    fn shown(&self) -> String {
        let kind = self.header("content-type").unwrap_or("no content-type");
        let body = match serde_json::from_str::<serde_json::Value>(&self.body) {
            Ok(json) => serde_json::to_string_pretty(&json).expect("serialises"),
            Err(_) => self.body.clone(),
        };
        format!("{} {kind}\n{body}", self.status.as_u16())
    }
}

async fn ask(router: &Router, method: Method, uri: &str) -> Answer {
    ask_with(router, method, uri, &[]).await
}

async fn ask_with(router: &Router, method: Method, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(uri).header("X-Request-Id", "r1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    read(router.clone().oneshot(request).await.expect("answers always")).await
}

async fn read(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Refused URIs and how.
async fn refusals(uris: &[&str]) -> String {
    let house = House::empty().await;
    let mut shown = String::new();
    for uri in uris {
        let answer = house.get(uri).await;
        assert!(!answer.status.is_success(), "{uri}");
        shown.push_str(&format!("GET {uri}\n{}\n\n", answer.shown()));
    }
    shown
}

#[tokio::test]
async fn wrong_parameters() {
    insta::assert_snapshot!(
        refusals(&[
            "/api/v1/spend?groupBy=team",
            "/api/v1/spend?team=payments",
            "/api/v1/rates?limit=3",
            "/api/v1/spend?period=2026-10&period=2026-11",
            "/api/v1/spend?period=october",
            "/api/v1/spend?period=",
            "/api/v1/spend?from=2026-10-01",
            "/api/v1/spend?format=xml",
            "/api/v1/spend?format=wide&limit=10",
            "/api/v1/spend?filter=team+IN+('a')+AND",
            "/api/v1/spend?having=cost+LIKE+'x'",
            "/api/v1/spend?cursor=nonsense",
            "/api/v1/runs?limit=0",
            "/api/v1/runs?source=a/b",
            "/api/v1/runs/r1/rejects?source=aws",
            "/api/v1/runs/r1/rejects?limit=1001",
            "/api/v1/changes?run=r1",
            "/api/v1/changes?limit=10001",
            "/api/v1/dimensions/team/values?granularity=day",
            "/api/v1/dimensions/team/values?limit=10001",
            "/api/v1/teams?currency=native",
            "/api/v1/teams?group_by=team",
            "/api/v1/teams/payments/unit-cost?granularity=hour",
            "/api/v1/teams/payments/peers?period=2026-10",
            "/api/v1/teams/payments/peers?filter=service='x'",
            "/api/v1/components/checkout/releases?days=91",
            "/api/v1/coverage?limit=101",
            "/api/v1/events?cursor=nonsense",
        ])
        .await
    );
}

#[tokio::test]
async fn wrong_urls() {
    insta::assert_snapshot!(
        refusals(&[
            "/api/v1/spent",
            "/",
            "/api/v1/spend?filter=100%",
            "/api/v1/spend?filter=%FF",
            "/api/v1/spend?%zz=1",
            "/api/v1/teams/%FF/spend",
            "/api/v1/teams/%2/spend",
            "/api/v1/runs/r1",
            "/api/v1/runs/r1/rejects",
            "/api/v1/dimensions/nonsense/values",
            "/api/v1/dimensions/tags./values",
        ])
        .await
    );
}

#[tokio::test]
async fn a_query_may_be_long_but_not_endless() {
    let house = House::empty().await;
    let answer = house.get(&format!("/api/v1/spend?filter={}", "x".repeat(32 * 1024))).await;
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn other_methods_are_refused_and_told_which_are_not() {
    let house = House::empty().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = ask(&house.router, method, "/api/v1/spend").await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET,HEAD")));
    }
    insta::assert_snapshot!(ask(&house.router, Method::POST, "/api/v1/spend").await.shown());
    assert_eq!(ask(&house.router, Method::HEAD, "/healthz").await.status, StatusCode::OK);
}

/// Every refusal of `insights`, as a client sees it.
#[tokio::test]
async fn unanswered_questions() {
    let range = DateRange::parse_period("2026-10", chrono::NaiveDate::MIN).expect("a period");
    let money = "12.5".parse().expect("money");
    let secret = outlay_catalog::CatalogError::Unavailable {
        what: "open sqlite:///var/lib/outlay/catalog.db".to_owned(),
        source: "SELECT secret FROM parts".into(),
    };
    let errors = [
        InsightError::Parameter(ParameterError::new("order_by", "cannot be ordered by")),
        InsightError::TooManyRows { rows: 60_000, most: 50_000 },
        InsightError::RateMissing {
            from: "EUR".parse().expect("a code"),
            to: Currency::USD,
            days: "2026-10-01..2026-10-05".to_owned(),
            amount: money,
        },
        InsightError::NoHours { range },
        InsightError::TooFewPeers { lacking: "2 other teams of kind \"product\"; it takes 5".to_owned() },
        InsightError::CursorGone,
        InsightError::Forbidden,
        InsightError::Overflow,
        InsightError::Catalog(secret),
    ];
    let mut shown = String::new();
    for error in errors {
        let answer = read(Problem::from(error).into_response()).await;
        shown.push_str(&format!("{}\n\n", answer.shown()));
    }
    assert!(!shown.contains("/var") && !shown.contains("SELECT"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_house_stands() {
    let routes: Router = Router::new().route("/panic", get(async || -> &'static str { panic!("of all things") }));
    let routes = crate::guarded(routes.route("/fine", get(async || "fine")), clock(NOON), LIMITS.answer_within);
    insta::assert_snapshot!(ask(&routes, Method::GET, "/panic").await.shown());
    assert_eq!(ask(&routes, Method::GET, "/fine").await.body, "fine");
}

#[tokio::test]
async fn readiness_is_the_catalogs_the_stores_and_the_servers() {
    let unready = async |house: &House, code: &str| {
        let answer = house.get("/readyz").await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
        assert!(answer.body.contains(&format!("\"code\":\"{code}\"")), "{}", answer.body);
        assert_eq!(house.get("/healthz?from=kubelet").await.body, r#"{"status":"ok"}"#);
    };
    let house = House::empty().await;
    assert_eq!(house.get("/readyz").await.body, r#"{"status":"ready","generation":0}"#);
    house.catalog.close().await;
    unready(&house, "unavailable").await;

    let house = House::empty().await;
    std::fs::remove_dir_all(house.folder.path().join("store")).expect("is removed");
    unready(&house, "unavailable").await;

    let house = House::empty().await;
    house.stopping.set();
    unready(&house, "stopping").await;
}

#[tokio::test]
async fn an_empty_house_answers_with_nothing() {
    let house = House::empty().await;
    let mut shown = String::new();
    for uri in [
        "/api/v1/spend?period=2026-10&granularity=day&group_by=team",
        "/api/v1/spend?period=2026-10&granularity=day&group_by=team&format=wide",
        "/api/v1/spend?period=last_7_days&granularity=day&group_by=team&format=csv",
        "/api/v1/dimensions/team/values",
        "/api/v1/runs",
        "/api/v1/changes?source=aws-prod",
        "/api/v1/reconciliation?source=aws-prod",
        "/api/v1/rates",
        "/api/v1/teams/payments/spend",
        "/api/v1/services/Amazon%20EC2/spend",
        "/api/v1/components/checkout/spend",
        "/api/v1/teams",
        "/api/v1/teams/payments",
        "/api/v1/teams/payments/unit-cost",
        "/api/v1/teams/payments/peers",
        "/api/v1/components",
        "/api/v1/components/checkout",
        "/api/v1/components/checkout/releases",
        "/api/v1/coverage",
        "/api/v1/events",
    ] {
        shown.push_str(&format!("GET {uri}\n{}\n\n", house.get(uri).await.shown()));
    }
    insta::assert_snapshot!(shown);
    let csv = house.get("/api/v1/spend?period=2026-10&format=csv").await;
    let name = "attachment; filename=\"outlay-spend_2026-10-01_2026-11-01_effective_USD.csv\"";
    assert_eq!(csv.header("content-disposition"), Some(name));
}

#[tokio::test]
async fn what_a_run_rejected_is_listed_and_counted() {
    let house = House::empty().await;
    let time = "2026-11-21T11:00:00Z".parse().expect("a time");
    let start = |id: &str| Run::started(RunId::new(id), SourceName::new("aws"), "focus", time);
    let reject = |line| Reject {
        reason: RejectReason::MissingChargePeriod,
        file: "october.csv".to_owned(),
        line,
        column: None,
        value: None,
        key: BalanceKey { billing_period: None, invoice: None, currency: "USD".to_owned() },
        costs: [(Metric::Billed, "0.1".parse().expect("a number"))].into(),
        unpriced: false,
    };
    let refused = Run { state: RunState::Refused, rejected: 1200, ..start("refused") };
    house.catalog.finish_run(&refused, &(1..=1200).map(reject).collect()).await.expect("is recorded");
    house.catalog.start_run(&start("clean/one")).await.expect("is recorded");

    insta::assert_snapshot!(house.get("/api/v1/runs/refused/rejects?limit=2").await.shown());
    let clean = house.get("/api/v1/runs/clean%2Fone/rejects").await;
    assert_eq!(clean.body, r#"{"run":"clean/one","counts":[],"data":[]}"#);
    for (query, lines) in [("", 100), ("?limit=1000", 1000)] {
        let answer = house.get(&format!("/api/v1/runs/refused/rejects{query}")).await;
        assert_eq!(answer.body.matches("october.csv").count(), lines);
    }
}

#[test]
fn every_code_and_parameter_is_documented() {
    let docs = include_str!("../../../docs/API.md");
    for parameter in crate::spend::SpendParameters::NAMES {
        assert!(
            docs.contains(&format!("| `{parameter}`")) || docs.contains(&format!(", `{parameter}` |")),
            "{parameter}"
        );
    }
    for code in Code::ALL {
        assert!(docs.contains(&format!("| {} | `{}` |", code.status().as_u16(), code.as_str())), "{code:?}");
    }
}
