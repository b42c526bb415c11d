//! What is said of ownership, put, read, refused and taken away over HTTP, to a house without any bill.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Answer, House, read};

async fn send(router: &Router, method: Method, path: &str, body: &str) -> Answer {
    send_as(router, method, path, "application/json", body).await
}

async fn send_as(router: &Router, method: Method, path: &str, kind: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("/api/v1/{path}")).header("X-Request-Id", "r1");
    let request = request.header("Content-Type", kind).body(Body::from(body.to_owned())).expect("a request");
    read(router.clone().oneshot(request).await.expect("answers always")).await
}

async fn put(house: &House, path: &str, body: Value) -> Value {
    let answer = send(&house.router, Method::PUT, path, &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A house with something said of every kind.
async fn furnished() -> House {
    let house = House::empty().await;
    put(
        &house,
        "teams/payments",
        json!({ "owner": "Ines", "people": [{ "is": 4 }, { "from": "2026-07-01", "is": 6 }] }),
    )
    .await;
    put(&house, "teams/search", json!({ "owner": "Mei", "kind": "product", "parent": "payments", "currency": "EUR" }))
        .await;
    put(&house, "components/checkout", json!({ "team": "payments", "links": { "Runbook": "https://wiki/checkout" } }))
        .await;
    put(&house, "maps/teams", json!({ "names": { "payments": ["pay", "Payments"] } })).await;
    put(&house, "series/builds", json!({ "unit": "build" })).await;
    put(&house, "pools/network", json!({ "split": { "fixed": { "payments": 3, "search": 1.5 } } })).await;
    let rule = json!({ "from": "2026-10-01", "when": "service = 'Amazon VPC'", "pool": "network" });
    put(&house, "rules/network", rule).await;
    let team = json!({ "from": "account_name", "capture": "^prod-(.*)$", "map": "teams", "only_mapped": true });
    put(
        &house,
        "rules/accounts",
        json!({ "name": "accounts", "place": 0, "from": "ever", "when": "TRUE", "team": team }),
    )
    .await;
    house
}

const READS: &[&str] = &["maps", "maps/teams", "pools", "series/builds", "rules", "rules/network", "audit?limit=2"];

#[tokio::test]
async fn what_is_said_is_what_is_read() {
    let house = furnished().await;
    let mut shown = String::new();
    for path in READS {
        shown.push_str(&format!("GET {path}\n{}\n\n", house.get(&format!("/api/v1/{path}")).await.shown()));
    }
    let again = json!({ "from": "2026-10-01", "when": "service = 'Amazon VPC'", "pool": "network" });
    shown.push_str(&format!(
        "PUT rules/network\n{}\n\n",
        send(&house.router, Method::PUT, "rules/network", &again.to_string()).await.shown()
    ));
    shown.push_str(&format!(
        "DELETE rules/network\n{}\n",
        send(&house.router, Method::DELETE, "rules/network", "").await.shown()
    ));
    insta::assert_snapshot!(shown);
}

/// What was read can be sent back, and changes nothing.
#[tokio::test]
async fn what_is_read_can_be_sent() {
    let house = furnished().await;
    let generation = house.catalog.generation().await.expect("reads");
    for path in ["maps/teams", "pools/network", "series/builds", "rules/network", "rules/accounts"] {
        let said: Value = serde_json::from_str(&house.get(&format!("/api/v1/{path}")).await.body).expect("JSON");
        let answer = put(&house, path, said.clone()).await;
        assert_eq!(answer, json!({ "data": said, "generation": generation, "settling": false }), "{path}");
    }
    assert_eq!(house.catalog.generation().await.expect("reads"), generation);
}

#[tokio::test]
async fn everything_that_is_said_can_be_taken_away() {
    let house = furnished().await;
    for path in [
        "rules/accounts",
        "rules/network",
        "pools/network",
        "series/builds",
        "maps/teams",
        "components/checkout",
        "teams/search",
    ] {
        let answer = send(&house.router, Method::DELETE, path, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let again = send(&house.router, Method::DELETE, path, "").await;
        assert_eq!(again.status, StatusCode::NOT_FOUND, "{path}: {}", again.body);
    }
    let audit: Value =
        serde_json::from_str(&house.get("/api/v1/audit?kind=rule&name=network").await.body).expect("JSON");
    let told: Vec<[bool; 2]> = audit["data"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| [line["before"].is_null(), line["after"].is_null()])
        .collect();
    assert_eq!(told, [[false, true], [true, false]], "{audit}");
}

#[tokio::test]
async fn the_audit_comes_in_pages() {
    let house = furnished().await;
    let mut names = Vec::new();
    let mut path = "/api/v1/audit?limit=3".to_owned();
    loop {
        let page: Value = serde_json::from_str(&house.get(&path).await.body).expect("JSON");
        names.extend(
            page["data"]
                .as_array()
                .expect("lines")
                .iter()
                .map(|line| line["name"].as_str().expect("a name").to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/audit?limit=3&cursor={cursor}");
    }
    assert_eq!(names, ["accounts", "network", "network", "builds", "teams", "checkout", "search", "payments"]);
}

#[tokio::test]
async fn rules_are_created_once() {
    let house = furnished().await;
    let create = async |body: Value| {
        let answer = send(&house.router, Method::POST, "rules", &body.to_string()).await;
        (answer.status.as_u16(), answer.header("location").map(str::to_owned), answer.body)
    };
    let rule = json!({ "name": "tax / all", "from": "ever", "when": "charge_category = 'Tax'", "team": "payments", "place": 1 });
    let (status, location, body) = create(rule.clone()).await;
    assert_eq!((status, location.as_deref()), (201, Some("/api/v1/rules/tax%20%2F%20all")), "{body}");
    let read = house.get("/api/v1/rules/tax%20%2F%20all").await;
    assert!(read.body.contains(r#""place":1"#), "{}", read.body);
    let (status, location, again) = create(rule).await;
    assert_eq!((status, location, again), (200, None, body));
    let (status, _, other) =
        create(json!({ "name": "tax / all", "from": "ever", "when": "TRUE", "team": "search" })).await;
    assert!(status == 409 && other.contains(r#""code":"already_said""#), "{other}");
}

#[tokio::test]
async fn what_cannot_be_so_is_refused_with_its_place() {
    let house = furnished().await;
    let mut shown = String::new();
    let mut refuse = async |method: Method, path: &str, body: &str| {
        let generation = house.catalog.generation().await.expect("reads");
        let answer = send(&house.router, method.clone(), path, body).await;
        assert!(answer.status.is_client_error(), "{path} {body}: {}", answer.body);
        assert_eq!(house.catalog.generation().await.expect("reads"), generation, "nothing has changed");
        shown.push_str(&format!("{method} {path}\n{body}\n{}\n\n", answer.shown()));
    };
    // What cannot be read.
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","when":"service = 'a' AND","team":"payments"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","when":"servise = 'a'","team":"payments"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"from":"2026-02-30","when":"TRUE","team":"payments"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","when":"TRUE","team":"payments","colour":"red"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","when":"TRUE","team":{"from":"tags.x","mapp":"teams"}}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","from":"ever","when":"TRUE","team":"payments"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"name":"b","from":"ever","when":"TRUE","team":"payments"}"#).await;
    refuse(Method::PUT, "rules/a", r#"{"origin":"file","from":"ever","when":"TRUE","team":"payments"}"#).await;
    refuse(Method::PUT, "teams/a", r#"{"place":1,"owner":"A"}"#).await;
    refuse(
        Method::PUT,
        "teams/a",
        r#"{"owner":[{"is":"A"},{"from":"2026-10-01","is":"B"},{"from":"2026-09-01","is":"C"}]}"#,
    )
    .await;
    refuse(Method::PUT, "teams/a", "").await;
    refuse(Method::PUT, "teams/a", "[]").await;
    refuse(Method::POST, "rules", r#"{"from":"ever","when":"TRUE","team":"payments"}"#).await;
    // What can, and is not so.
    refuse(Method::PUT, "rules/a", r#"{"from":"ever","when":"TRUE","team":"Payments"}"#).await;
    refuse(
        Method::PUT,
        "rules/a",
        r#"{"from":"2026-10-01","to":"2026-10-01","when":"owner = 'Ines'","team":{"from":"account","capture":"x(","map":"m"}}"#,
    )
    .await;
    refuse(Method::PUT, "teams/payments", r#"{"owner":"Ines","parent":[{"from":"2026-10-01","is":"search"}]}"#).await;
    refuse(Method::PUT, "pools/network", r#"{"split":{"even":["shared:network"]}}"#).await;
    refuse(Method::PUT, "teams/unallocated", r#"{"owner":"Ines"}"#).await;
    refuse(Method::DELETE, "teams/payments", "").await;
    refuse(Method::DELETE, "teams/payment", "").await;
    refuse(Method::POST, "rules", r#"{"name":"explain","from":"ever","when":"TRUE","team":"payments"}"#).await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn bodies_are_json_and_of_a_bounded_size() {
    let house = House::empty().await;
    let text = send_as(&house.router, Method::PUT, "teams/a", "text/plain", "{}").await;
    assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{}", text.body);
    let long = format!(r#"{{"owner":"{}"}}"#, "x".repeat(1024 * 1024));
    let answer = send(&house.router, Method::PUT, "teams/a", &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.body);
}

/// What is counted is read as it was told, as JSON or as CSV.
#[tokio::test]
async fn points_are_told_and_read() {
    let house = furnished().await;
    let json = json!([
        { "day": "2026-10-01", "team": "payments", "value": 12 },
        { "day": "2026-10-02", "team": "payments", "component": "checkout", "value": 0.000000000000000001 },
        { "day": "2026-10-03", "component": "checkout", "value": 7 },
    ]);
    let told = put(&house, "series/builds/points", json).await;
    assert_eq!((&told["points"], &told["settling"]), (&json!(3), &json!(false)), "{told}");
    let generation = told["generation"].clone();
    let csv = "day,team,component,value\r\n2026-10-03,,checkout,8.5\r\n2026-10-04,\"a, b\",,1\r\n";
    let path = "series/builds/points?replace_from=2026-10-02&replace_to=2026-10-05";
    let told = send_as(&house.router, Method::PUT, path, "text/csv; charset=utf-8", csv).await;
    assert!(told.status == StatusCode::OK && !told.body.contains(&generation.to_string()), "{}", told.body);
    let again = send_as(&house.router, Method::PUT, path, "text/csv", csv).await;
    assert_eq!(again.body, told.body, "the same again changes nothing");
    insta::assert_snapshot!(house.get("/api/v1/series/builds/points?period=2026-10").await.shown());
    let few = house.get("/api/v1/series/builds/points?period=2026-10&limit=2").await;
    assert!(few.body.contains(r#""code":"too_many_rows""#), "{}", few.body);

    // A pool that is split by it is settled anew.
    put(&house, "pools/network", json!({ "split": { "metric": { "series": "builds" } } })).await;
    let told =
        put(&house, "series/builds/points", json!([{ "day": "2026-10-01", "team": "search", "value": 1 }])).await;
    assert_eq!(told["settling"], json!(true), "{told}");
}

#[tokio::test]
async fn wrong_points_are_refused_with_their_place() {
    let house = furnished().await;
    let mut shown = String::new();
    let mut refuse = async |path: &str, kind: &str, body: &str| {
        let answer = send_as(&house.router, Method::PUT, path, kind, body).await;
        assert!(answer.status.is_client_error(), "{path} {body}: {}", answer.body);
        shown.push_str(&format!("PUT {path}\n{body}\n{}\n\n", answer.shown()));
    };
    let points = "series/builds/points";
    refuse(points, "application/json", r#"[{"day":"2026-10-01","value":1}]"#).await;
    refuse(
        points,
        "application/json",
        r#"[{"day":"2026-10-01","team":"a","value":1},{"day":"2026-10-01","team":"","value":-1}]"#,
    )
    .await;
    refuse(
        points,
        "application/json",
        r#"[{"day":"2026-10-01","team":"a","value":1},{"day":"2026-10-01","team":"a","value":2}]"#,
    )
    .await;
    refuse(points, "application/json", r#"[["2026-10-01","a",null,1]]"#).await;
    refuse(points, "application/json", r#"{"day":"2026-10-01","team":"a","value":1}"#).await;
    refuse(points, "text/csv", "day,squad,value\n2026-10-01,a,1\n").await;
    refuse(points, "text/csv", "day,team,value\n2026-10-01,a,1\n2026-13-01,a,x\n2026-10-02,a,1e3\n2026-10-02,a,-1\n")
        .await;
    refuse(points, "text/plain", "").await;
    refuse("series/builds/points?replace_from=2026-10-01", "application/json", "[]").await;
    refuse("series/build/points", "application/json", "[]").await;
    insta::assert_snapshot!(shown);
    assert_eq!(
        house.get("/api/v1/series/builds/points?period=2026-10").await.body,
        r#"{"data":[]}"#,
        "nothing was taken"
    );
}

#[tokio::test]
async fn events_are_told_once() {
    let house = House::empty().await;
    let event = |version: &str| json!({ "component": "checkout", "kind": "release", "version": version, "at": "2026-10-05T10:00:00+02:00" });
    let tell = async |body: Value| {
        let answer = send(&house.router, Method::POST, "events", &body.to_string()).await;
        (answer.status.as_u16(), answer.body)
    };
    assert_eq!(tell(event("1.0")).await, (201, r#"{"recorded":1,"known":0}"#.to_owned()));
    assert_eq!(tell(event("1.0")).await, (200, r#"{"recorded":0,"known":1}"#.to_owned()));
    assert_eq!(tell(json!([event("1.0"), event("1.1")])).await, (201, r#"{"recorded":1,"known":1}"#.to_owned()));
    for (wrong, expected) in [
        (json!([]), "it has 0 events, and 1 to 1000 are taken at once"),
        (json!([event("1"), event(" ")]), "/1/version: it has no blanks around it, and is not empty"),
        (event("x\n"), "/version: it has no blanks"),
        (json!({ "component": "a", "kind": "release", "version": "1", "at": "2026-10-05" }), "line 1 column"),
        (json!([["a", "release", "1", "2026-10-05T10:00:00Z"]]), "expected a JSON object"),
        (json!({ "component": "a" }), "missing field `kind`"),
    ] {
        let (status, body) = tell(wrong).await;
        assert!(status == 400 && body.contains(expected), "{body}");
    }
}

#[tokio::test]
async fn an_empty_house_is_settled() {
    let house = House::empty().await;
    insta::assert_snapshot!(house.get("/api/v1/ownership").await.shown());
}

/// What the file says, it changes.
#[tokio::test]
async fn what_is_said_elsewhere_is_changed_there() {
    use outlay_catalog::OwnershipChange;
    use outlay_model::ownership::{Definition, Edit, Kind, Origin};
    let house = House::empty().await;
    let definition = Definition::read(Kind::Team, json!({ "owner": "Ines" })).expect("a team");
    let edits = vec![Edit::Put { name: "payments".to_owned(), definition, place: None }];
    let now = "2026-11-21T11:00:00Z".parse().expect("a time");
    let change = OwnershipChange { edits, origin: Origin::File, by: "ownership.toml".to_owned(), now };
    house.catalog.change_ownership(&change).await.expect("is said");
    let put = send(&house.router, Method::PUT, "teams/payments", r#"{"owner":"Tom"}"#).await;
    insta::assert_snapshot!(put.shown());
    let delete = send(&house.router, Method::DELETE, "teams/payments", "").await;
    assert_eq!((delete.status, delete.body), (put.status, put.body));
}
