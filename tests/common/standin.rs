//! Stand-ins for providers (tests/standins): the door they have for tests, and a machine that collects from them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

use chrono::{Datelike, Months, NaiveDate};
use serde_json::Value;
use tempfile::TempDir;

/// Providers that are asked by the month have no bills of other times than the months before this one.
#[expect(clippy::disallowed_methods, reason = "what they have depends on the day")]
pub fn today() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

pub fn this_month() -> NaiveDate {
    today().with_day(1).expect("a first")
}

pub fn last_month() -> NaiveDate {
    this_month().checked_sub_months(Months::new(1)).expect("a month before")
}

/// Goes through a stand-in's door for tests: `PUT`, `PATCH` or `GET` of a world.
pub fn tell(endpoint: &str, method: &str, key: &str, body: &Value) -> Value {
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

/// A folder with a configuration, and an environment to run Outlay in.
pub struct Machine {
    pub folder: TempDir,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// What no command may ever say.
    pub secrets: Vec<String>,
}

impl Machine {
    pub fn new(variables: &[(&str, &str)], secrets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        Self { folder, variables: variables.collect(), secrets }
    }

    pub fn write_config(&self, config: &str) {
        fs::write(self.folder.path().join("outlay.toml"), config).expect("writes");
    }

    pub fn outlay(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().envs(&self.variables).env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).args(arguments).output().expect("runs")
    }

    /// What a command says that ends with this code. It never says a secret.
    #[track_caller]
    pub fn said(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{said}");
        assert!(!self.secrets.iter().any(|secret| said.contains(secret)), "{said}");
        said
    }

    #[track_caller]
    pub fn collect(&self, code: i32) -> String {
        self.said(&["collect"], code)
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.said(&[arguments, &["--format", "json"]].concat(), 0)).expect("JSON")
    }

    pub fn period(&self) -> String {
        last_month().format("%Y-%m").to_string()
    }

    /// What the month before this one comes to: effective and billed.
    #[track_caller]
    pub fn totals(&self) -> [String; 2] {
        ["effective", "billed"].map(|metric| {
            let answer = self.json(&["spend", "--period", &self.period(), "--metric", metric]);
            answer["total"].to_string()
        })
    }

    /// What was billed in the month before this one, by the value of a dimension.
    #[track_caller]
    pub fn billed_by(&self, dimension: &str) -> BTreeMap<String, String> {
        let period = self.period();
        let answer = self.json(&["spend", "--period", &period, "--metric", "billed", "--group-by", dimension]);
        let rows = answer["data"].as_array().expect("rows");
        let named = |row: &Value| row[dimension].as_str().unwrap_or("(none)").to_owned();
        rows.iter().map(|row| (named(row), row["cost"].to_string())).collect()
    }

    /// How many days the month before this one has.
    pub fn days(&self) -> u32 {
        (this_month() - last_month()).num_days() as u32
    }
}
