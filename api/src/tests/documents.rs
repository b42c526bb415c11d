//! The OpenAPI document against the routes themselves, and the pages to read it on.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::{House, ask_with};
use crate::problem::Code;

fn document() -> Value {
    serde_json::from_str(&crate::openapi()).expect("JSON")
}

/// Every path and method there is.
fn operations(document: &Value) -> impl Iterator<Item = (&String, Method, &Value)> {
    document["paths"].as_object().expect("paths").iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| {
            (path, Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"), operation)
        })
    })
}

/// A path that is served, for one with `{names}`.
fn filled(path: &str) -> String {
    let path = path.replace("{dimension}", "team").replace("{team}", "a").replace("{service}", "a");
    let path = path.replace("{run}", "a").replace("{source}", "a").replace("{job}", "a");
    ["component", "map", "pool", "series", "rule"]
        .iter()
        .fold(path, |path, kind| path.replace(&format!("{{{kind}}}"), "a"))
}

fn each<'a>(value: &'a Value, found: &mut impl FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found(key, value);
            each(value, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| each(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn what_is_documented_is_what_is_taken() {
    let house = House::empty().await;
    let document = document();
    assert_eq!(operations(&document).count(), 59);
    for (path, method, operation) in operations(&document) {
        let path = filled(path);
        let ask = async |query: &str| super::ask(&house.router, method.clone(), &format!("{path}?{query}")).await;
        let list = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let query = list.iter().filter(|parameter| parameter["in"] == "query");
        let documented: BTreeSet<_> = query.map(|parameter| parameter["name"].as_str().expect("a name")).collect();
        for name in &documented {
            let answer = ask(&format!("{name}=")).await;
            assert!(!answer.body.contains("unknown_parameter"), "{path}: {name} is documented and not taken");
        }
        if path.ends_with('z') || path == "/metrics" {
            continue; // Probes may add whatever they like.
        }
        let answer = ask("nonsense=1").await;
        assert!(answer.body.contains("unknown_parameter"), "{path}: {}", answer.body);
        let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
        let detail = problem["detail"].as_str().expect("text");
        let taken: BTreeSet<_> = match detail.split_once("it takes ").expect("the list").1 {
            "none" => BTreeSet::new(),
            list => list.split(", ").collect(),
        };
        assert_eq!(documented, taken, "{path}");
    }
}

#[test]
fn the_document_is_complete() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let ids: Vec<_> = operations(&document).map(|(_, _, operation)| operation["operationId"].as_str()).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    for id in ids {
        let verb = id.and_then(|id| id.split_once('_')).map(|(verb, _)| verb);
        assert!(
            matches!(
                verb,
                Some(
                    "get"
                        | "list"
                        | "export"
                        | "collect"
                        | "put"
                        | "delete"
                        | "create"
                        | "record"
                        | "explain"
                        | "preview"
                )
            ),
            "{id:?}"
        );
    }
    for (path, _, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{path}: say what it answers");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{path}: say what {name} means");
            let schema = &parameter["schema"];
            let shown = ["default", "examples", "enum"].iter().any(|key| schema.get(key).is_some());
            assert!(shown || parameter.get("example").is_some(), "{path}: give an example of {name}");
        }
    }
    let shared = document["components"]["responses"].as_object().expect("responses").iter();
    let own =
        operations(&document).flat_map(|(_, _, operation)| operation["responses"].as_object().expect("responses"));
    let mut codes = BTreeSet::new();
    for (name, response) in own.chain(shared) {
        each(response, &mut |key, value| {
            if key == "enum" {
                let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                codes.extend(words.map(|word| (word, name.trim_start_matches("Refused"))));
            }
        });
    }
    for code in Code::ALL {
        // Those are the answers of what is no route.
        if !matches!(code, Code::NotFound | Code::MethodNotAllowed) {
            let status = code.status().as_u16().to_string();
            assert!(codes.contains(&(code.as_str(), status.as_str())), "{code:?} is nowhere in the document");
        }
    }
    let mut pointed_at = BTreeSet::new();
    each(&document, &mut |key, value| {
        if key == "$ref" {
            pointed_at.insert(value.as_str().expect("a reference").to_owned());
        }
    });
    let defined = ["schemas", "responses"].iter().flat_map(|kind| {
        let components = document["components"][kind].as_object().expect("components");
        components.keys().map(move |name| format!("#/components/{kind}/{name}"))
    });
    assert_eq!(pointed_at, defined.collect(), "every reference leads somewhere, and everything is used");
}

#[tokio::test]
async fn the_document_and_its_pages_come_from_here() {
    let house = House::empty().await;
    let answer = house.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    assert_eq!(answer.body, crate::openapi());

    let answer = house.get("/docs").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::PERMANENT_REDIRECT, Some("docs/")));
    let policy = "default-src 'none'; script-src 'self'; ";
    for file in ["", "index.css", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let answer = house.get(&format!("/docs/{file}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert!(answer.header("content-security-policy").is_some_and(|value| value.starts_with(policy)), "{file}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        let (uri, known) = (format!("/docs/{file}"), [("If-None-Match", &*tag)]);
        let again = ask_with(&house.router, Method::GET, &uri, &known).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{file}");
    }
    let initializer = house.get("/docs/swagger-initializer.js").await.body;
    assert!(
        initializer.contains("../openapi.json") && initializer.contains(r#""validatorUrl": "none""#),
        "{initializer}"
    );
    assert!(!initializer.contains("http"), "{initializer}");
    for missing in ["/docs/nonsense", "/docs/..%2fetc", "/docs/a/b"] {
        let answer = house.get(missing).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.body.contains(r#""code":"not_found""#), "{}", answer.body);
    }
}
