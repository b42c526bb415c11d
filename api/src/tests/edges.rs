//! What stands around the handlers: tags, sizes, times, ids and headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::sync::{Notify, Semaphore};

use super::{Answer, House, LIMITS, NOON, ask, ask_with, clock};
use crate::guard;

const READS: &[&str] = &[
    "/api/v1/spend?period=2026-10&group_by=team",
    "/api/v1/spend?period=2026-10&group_by=team&format=csv",
    "/api/v1/spend?period=2026-10&group_by=team&format=wide",
    "/api/v1/teams/payments/spend",
    "/api/v1/services/a/spend",
    "/api/v1/components/a/spend",
    "/api/v1/teams",
    "/api/v1/components",
    "/api/v1/coverage",
    "/api/v1/events",
    "/api/v1/dimensions",
    "/api/v1/dimensions/team/values",
    "/api/v1/runs",
    "/api/v1/changes",
    "/api/v1/reconciliation",
    "/api/v1/rates",
    "/openapi.json",
];

fn around(routes: Router, answer_within: Duration) -> Router {
    crate::guarded(routes, clock(NOON), answer_within)
}

async fn conditional(router: &Router, uri: &str, tags: &str) -> Answer {
    ask_with(router, Method::GET, uri, &[("If-None-Match", tags)]).await
}

#[tokio::test]
async fn every_read_has_a_tag_by_which_it_need_not_be_sent_again() {
    let house = House::empty().await;
    let mut seen = std::collections::BTreeSet::new();
    for uri in READS {
        let answer = house.get(uri).await;
        if answer.status == StatusCode::NOT_FOUND {
            continue; // No team and no service in an empty house.
        }
        assert_eq!(answer.status, StatusCode::OK, "{uri}");
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "{uri}");
        let tag = answer.header("etag").unwrap_or_else(|| panic!("{uri} has no tag")).to_owned();
        assert!(seen.insert(tag.clone()), "{uri} has the tag of another");
        let strong = tag.strip_prefix("W/").expect("weak").to_owned();
        for known in [tag.clone(), strong, format!("\"a,b\", {tag}"), format!("W/\"x\",{tag} , \"y\""), "*".to_owned()]
        {
            let same = conditional(&house.router, uri, &known).await;
            assert_eq!((same.status, same.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{uri} {known}");
            assert_eq!((same.header("etag"), same.header("content-type")), (Some(&*tag), None), "{uri}");
            assert_eq!(same.header("cache-control"), Some("private, no-cache"), "{uri}");
            assert_eq!(same.header("vary"), Some("accept-encoding"), "{uri}");
        }
        for unknown in ["\"x\"", "W/\"0\"", "", tag.trim_end_matches('"')] {
            assert_eq!(conditional(&house.router, uri, unknown).await.status, StatusCode::OK, "{uri} {unknown}");
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}

#[tokio::test]
async fn a_period_by_the_clock_has_another_tag_every_day() {
    let house = House::empty().await;
    let tag = async |router: &Router, uri: &str| ask(router, Method::GET, uri).await.header("etag").map(str::to_owned);
    let (noon, evening, tomorrow) =
        (house.at(NOON), house.at("2026-11-21T23:59:59Z"), house.at("2026-11-22T00:00:00Z"));
    for uri in ["/api/v1/spend?period=today", "/api/v1/spend", "/api/v1/dimensions/team/values?period=last_7_days"] {
        assert_eq!(tag(&noon, uri).await, tag(&evening, uri).await, "{uri}");
        assert_ne!(tag(&noon, uri).await, tag(&tomorrow, uri).await, "{uri}");
    }
    let (fixed, spelled) = ("/api/v1/spend?period=2026-10", "/api/v1/spend?from=2026-10-01&to=2026-11-01");
    assert_eq!(tag(&noon, fixed).await, tag(&tomorrow, fixed).await);
    let next_month = house.at("2026-12-01T00:00:00Z");
    assert_ne!(tag(&noon, fixed).await, tag(&next_month, fixed).await, "November is no longer provisional");
    assert_eq!(tag(&noon, fixed).await, tag(&noon, spelled).await, "the same question in other words");
    let refused = conditional(&noon, "/api/v1/spend?period=nonsense", "*").await;
    assert_eq!((refused.status, refused.header("etag")), (StatusCode::BAD_REQUEST, None));
    let unknown = conditional(&noon, "/api/v1/teams/nobody/spend", "*").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "nothing is there, whatever the client has");
}

#[tokio::test]
async fn runs_have_another_tag_when_one_ends_although_no_figure_changes() {
    use outlay_catalog::Run;
    use outlay_model::part::RunState;
    use outlay_model::{RunId, SourceName};
    let house = House::empty().await;
    let run = Run::started(RunId::new("r"), SourceName::new("aws"), "focus", clock(NOON)());
    house.catalog.start_run(&run).await.expect("is recorded");
    let tag = house.get("/api/v1/runs").await.header("etag").expect("a tag").to_owned();
    let failed = Run { state: RunState::Failed, ..run };
    house.catalog.finish_run(&failed, &std::iter::empty().collect()).await.expect("is recorded");
    assert_eq!(conditional(&house.router, "/api/v1/runs", &tag).await.status, StatusCode::OK);
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it_and_small_ones_never() {
    let routes = Router::new()
        .route("/large", get(async || "all of it ".repeat(1000)))
        .route("/small", get(async || "all of it"));
    let routes = around(routes, LIMITS.answer_within);
    let with = async |uri: &'static str, encodings: &'static str| {
        ask_with(&routes, Method::GET, uri, &[("Accept-Encoding", encodings)]).await
    };
    let gzip = with("/large", "br, gzip;q=0.5").await;
    assert_eq!((gzip.header("content-encoding"), gzip.header("vary")), (Some("gzip"), Some("accept-encoding")));
    assert_eq!(with("/large", "identity").await.header("content-encoding"), None);
    assert_eq!(with("/small", "gzip").await.header("content-encoding"), None);
    let neither = with("/large", "br, identity;q=0").await;
    assert_eq!(neither.status, StatusCode::NOT_ACCEPTABLE);
    assert!(neither.body.contains(r#""code":"not_acceptable""#), "{}", neither.body);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let house = House::empty().await;
    let problem = async |uri: &str, headers: &[(&str, &str)], status: StatusCode, code: &str| {
        let answer = ask_with(&house.router, Method::GET, uri, headers).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")));
        assert!(answer.body.contains(&format!("\"code\":\"{code}\"")), "{}", answer.body);
    };
    let long = "x".repeat(20_000);
    let name = format!("/api/v1/teams/{long}/spend");
    problem(&name, &[], StatusCode::URI_TOO_LONG, "uri_too_long").await;
    problem("/api/v1/rates", &[("Cookie", &long)], StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large")
        .await;
    problem("/api/v1/rates", &[("Content-Length", "1048577")], StatusCode::PAYLOAD_TOO_LARGE, "body_too_large").await;
    problem("/healthz", &[("Content-Length", "99999999999")], StatusCode::PAYLOAD_TOO_LARGE, "body_too_large").await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let never = get(async || std::future::pending::<&'static str>().await);
    let routes = around(Router::new().route("/never", never), Duration::from_millis(1));
    let answer = ask(&routes, Method::GET, "/never").await;
    insta::assert_snapshot!(answer.shown());
}

#[tokio::test]
async fn what_would_only_wait_is_refused_until_there_is_a_place() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, told) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = async move || {
        inside.notify_one();
        told.notified().await;
        "at last"
    };
    let routes = Router::new().route("/slow", get(slow)).route("/quick", get(async || "here"));
    let routes = routes.layer(from_fn_with_state(Arc::new(Semaphore::new(1)), guard::shed_load));
    let routes = around(routes, LIMITS.answer_within);
    let waiting = tokio::spawn({
        let routes = routes.clone();
        async move { ask(&routes, Method::GET, "/slow").await.body }
    });
    entered.notified().await;
    let refused = ask(&routes, Method::GET, "/quick").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    insta::assert_snapshot!(refused.shown());
    release.notify_one();
    assert_eq!(waiting.await.expect("ends"), "at last");
    assert_eq!(ask(&routes, Method::GET, "/quick").await.body, "here");

    // Whoever goes away before the answer leaves the place, too.
    let gone = tokio::spawn({
        let routes = routes.clone();
        async move { ask(&routes, Method::GET, "/slow").await.body }
    });
    entered.notified().await;
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(ask(&routes, Method::GET, "/quick").await.body, "here");
}

#[tokio::test]
async fn every_answer_says_whose_it_is_and_what_may_be_done_with_it() {
    let house = House::empty().await;
    for uri in ["/api/v1/rates", "/api/v1/spent", "/healthz", "/docs", "/api/v1/rates?x=1"] {
        let answer = ask_with(&house.router, Method::GET, uri, &[]).await;
        assert_eq!(answer.header("x-request-id"), Some("r1"), "{uri}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{uri}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{uri}");
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"), "{uri}");
        assert!(answer.header("cache-control").is_some(), "{uri}");
        let head = ask_with(&house.router, Method::HEAD, uri, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (answer.status, ""), "{uri}");
        for name in ["content-type", "content-length", "etag"] {
            assert_eq!(head.header(name), answer.header(name).or(head.header(name)), "{uri} {name}");
        }
    }
    let request = axum::http::Request::builder().uri("/api/v1/spent").header("X-Request-Id", "not sane\"");
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let answer = super::read(tower::ServiceExt::oneshot(house.router.clone(), request).await.expect("answers")).await;
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert!(id.starts_with("01a1fdfa-4600-7"), "the time is in it: {id}");
    assert!(answer.body.ends_with(&format!("\"request_id\":\"{id}\"}}")), "{}", answer.body);
}
