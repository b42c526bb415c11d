//! The stand-in for AWS Cost Explorer (tests/standins/cost_explorer.py). Each test has a world of its own there, named by its
//! access key.

use std::io::{Read, Write};
use std::net::TcpStream;

use chrono::{Datelike, Months, NaiveDate};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
pub fn endpoint() -> String {
    std::env::var("TEST_COST_EXPLORER").expect("TEST_COST_EXPLORER says where the stand-in is: tests/run starts it")
}

/// Cost Explorer has no bills of other times than the months before this one.
#[expect(clippy::disallowed_methods, reason = "what it has depends on the day")]
pub fn today() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

pub fn this_month() -> NaiveDate {
    today().with_day(1).expect("a first")
}

pub fn last_month() -> NaiveDate {
    this_month().checked_sub_months(Months::new(1)).expect("a month before")
}

/// Goes through the stand-in's door for tests: `PUT`, `PATCH` or `GET` of a world.
pub fn tell(method: &str, key: &str, body: &Value) -> Value {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").expect("an address");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut connection = TcpStream::connect(host).expect("the stand-in listens");
    let head = format!("{method} /worlds/{key} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    write!(connection, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("takes it");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).expect("JSON")
}
