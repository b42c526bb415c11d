use std::time::Instant;

use tempfile::tempdir;

use super::teller::{Tale, Teller};
use super::*;

const SECRET: &str = "s3cr3t-signature";

/// Adds a token, and gets another one when asked.
#[derive(Default)]
struct Bearer(AtomicU32);

#[async_trait::async_trait]
impl Vendor for Bearer {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        let token = format!("Bearer {SECRET}-{}", self.0.load(Ordering::Relaxed));
        request.headers_mut().insert("authorization", token.parse().expect("a header"));
        Ok(())
    }

    async fn renew(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn quick() -> HttpSettings {
    HttpSettings { attempts: 3, first_wait_milliseconds: 1, ..HttpSettings::default() }
}

fn http(settings: HttpSettings) -> Http {
    Http::new(settings, CancellationToken::new(), Arc::default()).expect("builds")
}

fn ask(teller: &Teller) -> Ask<'static> {
    Ask::get("the costs", format!("{}/costs?X-Amz-Signature={SECRET}", teller.url).parse().expect("a url"))
}

struct Seen {
    result: Result<String, FetchError>,
    requests: usize,
    counted: Counted,
}

async fn send(settings: HttpSettings, tales: Vec<Tale>) -> Seen {
    let teller = Teller::start(tales).await;
    let http = http(settings);
    let answer = http.send(ask(&teller), &Bearer::default(), 1000).await;
    if let Err(error) = &answer {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
    let result = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    Seen { result, requests: teller.heard().len(), counted: http.counters().now() }
}

fn said(seen: &Seen) -> String {
    seen.result.as_ref().expect_err("fails").to_string()
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again() {
    let html = "<!DOCTYPE html><html><title>503</title></html>";
    for failure in [
        Tale::status(503, html),
        Tale::status(500, ""),
        Tale::status(429, ""),
        Tale::CutShort("hal".to_owned()),
        Tale::Reset,
    ] {
        let seen = send(quick(), vec![failure.clone(), failure.clone(), Tale::ok("whole")]).await;
        assert_eq!(seen.result.as_deref(), Ok("whole"), "{failure:?}");
        assert_eq!((seen.requests, seen.counted.requests, seen.counted.retries), (3, 3, 2), "{failure:?}");
        assert_eq!(seen.counted.failed, 2, "{failure:?}");
    }
}

#[tokio::test]
async fn what_keeps_failing_says_how() {
    let html = "<html>Sorry</html>";
    for (failure, expected) in [
        (Tale::status(503, html), "the costs: HTTP 503 with an HTML page, after 3 attempts; the next run tries again"),
        (
            Tale::CutShort("hal".to_owned()),
            "the costs: the answer was cut short (end of file before message length reached), after 3 attempts; the next run tries again",
        ),
        (
            Tale::Reset,
            "the costs: the connection failed (Connection reset by peer (os error 104)), after 3 attempts; the next run tries again",
        ),
        (
            Tale::status(429, ""),
            "the costs: too many requests, says the provider, after 3 attempts; the next run tries again; if it stays so, collect less often or lower requests_at_once",
        ),
        (
            Tale::status(403, SECRET),
            "the costs: refused: HTTP 403; grant what docs/COLLECTORS.md lists for this collector",
        ),
        (Tale::status(404, ""), "the costs: is not there; look at the source's settings"),
        (
            Tale::status(302, ""),
            "the costs: refused: HTTP 302; the service wants to be asked elsewhere; correct its address or region",
        ),
        (Tale::status(412, ""), "the costs: was replaced while it was read; the next run reads it from its start"),
        (
            Tale::ok(&"x".repeat(1001)),
            "the costs: the answer is longer than 1000 bytes; no good one is; look at what the service's address leads to",
        ),
    ] {
        let seen = send(quick(), vec![failure]).await;
        assert_eq!(said(&seen), expected);
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_or_refused() {
    let later = |wait: &str| Tale::Answer(429, vec![("retry-after", wait.to_owned())], String::new());
    let start = Instant::now();
    let seen = send(quick(), vec![later("1"), Tale::ok("whole")]).await;
    assert_eq!(seen.result.as_deref(), Ok("whole"));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!((seen.counted.throttled, seen.counted.failed), (1, 1));

    let seen = send(quick(), vec![later("3600"), Tale::ok("whole")]).await;
    assert!(said(&seen).contains("to come back in 3600 s, after 1 attempt;"), "{}", said(&seen));
    assert_eq!(seen.requests, 1);
}

#[tokio::test]
async fn a_request_that_may_have_been_done_is_not_repeated() {
    let teller = Teller::start(vec![Tale::status(503, ""), Tale::ok("done twice")]).await;
    let mut ask = ask(&teller);
    *ask.request.method_mut() = Method::POST;
    *ask.request.body_mut() = Some("a body".into());
    ask.repeatable = false;
    let error = http(quick()).send(ask, &Bearer::default(), 1000).await.expect_err("fails");
    assert!(matches!(error, FetchError::Unavailable { tries: 1, .. }), "{error:?}");
    assert_eq!(teller.heard().len(), 1);
}

#[tokio::test]
async fn credentials_are_renewed_once() {
    let teller = Teller::start(vec![Tale::status(401, ""), Tale::ok("whole")]).await;
    http(quick()).send(ask(&teller), &Bearer::default(), 1000).await.expect("is answered");
    let heard = teller.heard();
    assert!(heard[0].contains("s3cr3t-signature-0") && heard[1].contains("s3cr3t-signature-1"), "{heard:?}");

    let seen = send(quick(), vec![Tale::status(401, "")]).await;
    assert!(said(&seen).starts_with("the costs: the credentials are not accepted: HTTP 401;"), "{}", said(&seen));
    assert_eq!(seen.requests, 2);
}

#[tokio::test]
async fn a_run_has_so_many_requests() {
    let seen = send(HttpSettings { most_requests: 2, ..quick() }, vec![Tale::status(500, "")]).await;
    assert_eq!(seen.result, Err(FetchError::BudgetSpent { most: 2 }));
    assert_eq!((seen.requests, seen.counted.requests), (2, 2));
}

#[tokio::test]
async fn a_run_can_be_stopped_at_any_time() {
    let waits = HttpSettings { first_wait_milliseconds: 60_000, ..quick() };
    for tale in [Tale::Silence(Duration::from_secs(60)), Tale::status(500, "")] {
        let teller = Teller::start(vec![tale]).await;
        let cancelled = CancellationToken::new();
        let http = Http::new(waits, cancelled.clone(), Arc::default()).expect("builds");
        let request = ask(&teller);
        let running = tokio::spawn(async move { http.send(request, &Bearer::default(), 1000).await });
        while teller.heard().is_empty() {
            tokio::task::yield_now().await;
        }
        cancelled.cancel();
        assert_eq!(running.await.expect("ends").expect_err("is stopped"), FetchError::Cancelled);
    }
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_given_up() {
    let silent = vec![Tale::Silence(Duration::from_secs(60))];
    let seen = send(HttpSettings { silent_for_seconds: 1, attempts: 1, ..quick() }, silent.clone()).await;
    assert!(said(&seen).starts_with("the costs: sent nothing for too long"), "{}", said(&seen));
    let seen = send(HttpSettings { answer_within_seconds: 1, attempts: 1, ..quick() }, silent).await;
    assert!(said(&seen).starts_with("the costs: no whole answer within 1 s"), "{}", said(&seen));
}

#[tokio::test]
async fn so_many_requests_are_under_way_at_once() {
    let teller = Teller::start(vec![Tale::Silence(Duration::from_secs(60))]).await;
    let http = http(HttpSettings { requests_at_once: 2, ..quick() });
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let (http, request) = (http.clone(), ask(&teller));
            tokio::spawn(async move { http.send(request, &Bearer::default(), 1000).await.map(drop) })
        })
        .collect();
    while teller.heard().len() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((teller.heard().len(), http.counters().now().requests), (2, 2));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_file_is_whole_or_an_error() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("file");
    let target = Target { path: &path, size: 5 };
    let teller =
        Teller::start(vec![Tale::ok("much too long"), Tale::CutShort("wh".to_owned()), Tale::ok("whole")]).await;
    http(quick()).download(ask(&teller), &Bearer::default(), target).await.expect("comes in the end");
    assert_eq!(std::fs::read_to_string(&path).expect("reads"), "whole");

    let teller = Teller::start(vec![Tale::ok("half")]).await;
    let error = http(quick()).download(ask(&teller), &Bearer::default(), target).await.expect_err("fails");
    assert!(error.to_string().starts_with("the costs: 4 bytes came in place of 5, after 3 attempts"), "{error}");
}

fn answer(body: &str) -> Answer {
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    Answer { place: "it".to_owned(), status, headers, body: body.to_owned().into() }
}

#[test]
fn what_is_not_json_is_named() {
    #[track_caller]
    fn check(body: &str, expected: &str) {
        let answer = answer(body);
        let said = answer.json::<std::collections::BTreeMap<String, u32>>().expect_err("is none").to_string();
        assert!(said.starts_with(expected), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
    check("\u{feff}  <!doctype HTML><p>Log in", "it: an HTML page came where JSON was expected; a proxy");
    check(r#"{"a":1"#, "it: the JSON is cut short;");
    check(r#"{"a":"s3cr3t-signature"}"#, "it: the JSON has other fields than expected (line 1, column 23)");
    check("s3cr3t-signature", "it: is not JSON (line 1, column 1)");
    assert_eq!(answer("\u{feff}[1]").json::<Vec<u32>>(), Ok(vec![1]));
}

#[test]
fn nothing_can_be_zero_that_must_not() {
    assert_eq!(HttpSettings::default().problems(), []);
    let none = HttpSettings { attempts: 0, requests_at_once: 0, ..quick() };
    assert_eq!(none.problems(), [("requests_at_once", "give at least 1"), ("attempts", "give at least 1")]);
}
