//! Rows of Google Cloud's billing export in Cloud Storage, collected from outside: through every failure in good data, or in a run
//! that says what is wrong and leaves what was there (P3).

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const READER: &str = "outlay@finance.iam.gserviceaccount.com";
const ROWS: &str = "gcp/202610/rows-000.jsonl";

/// A bucket of its own, and an Outlay that collects it.
struct Place {
    folder: TempDir,
    storage: String,
    bucket: String,
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
fn storage() -> String {
    let name = "TEST_GOOGLE_STORAGE";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run, or start what tests/needs does"))
}

/// A row of usage, with a discount and a promotion.
fn row(cost: &str, month: &str) -> String {
    let credits = r#"[{"type":"FREE_TIER","amount":-0.5},{"type":"PROMOTION","amount":"-0.25"}]"#;
    format!(
        "{{\"cost\":{cost},\"currency\":\"USD\",\"cost_type\":\"regular\",\"invoice\":{{\"month\":\"{month}\"}},\
         \"usage_start_time\":\"2026-10-05 10:00:00 UTC\",\"usage_end_time\":\"2026-10-05 11:00:00 UTC\",\
         \"billing_account_id\":\"01AB23-45CD67-89EF01\",\"credits\":{credits}}}\n"
    )
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = folder.path().file_name().expect("a name").to_string_lossy().to_lowercase();
        let place = Self { bucket: format!("outlay-{}", name.trim_start_matches('.')), storage: storage(), folder };
        place.tell("PUT", "", json!({"readers": [READER], "page": 2}).to_string()).await;
        let key = "collectors/src/google/fixtures/service_account.json";
        let mut key: Value = serde_json::from_slice(&fs::read(key).expect("is there")).expect("is JSON");
        key["token_uri"] = format!("{}/token", place.storage).into();
        key["client_email"] = READER.into();
        fs::write(place.path("key.json"), key.to_string()).expect("writes");
        let config = format!(
            "[[source]]\nname = \"gcp\"\nkind = \"gcp_billing_file\"\nurl = \"gs://{}/gcp\"\ndelivery = \"folder\"\n\
             credentials_file = \"key.json\"\nendpoint = \"{}\"\nhttp = {{ first_wait_milliseconds = 1, attempts = 3 }}\n",
            place.bucket, place.storage
        );
        fs::write(place.path("outlay.toml"), config).expect("writes");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Goes through the stand-in's door for tests.
    async fn tell(&self, method: &str, object: &str, body: impl Into<reqwest::Body>) -> Value {
        let object = if object.is_empty() { String::new() } else { format!("/objects/{object}") };
        let url = format!("{}/buckets/{}{object}", self.storage, self.bucket);
        let request = reqwest::Client::new().request(method.parse().expect("a method"), url).body(body);
        let answer = request.send().await.expect("is answered").error_for_status().expect("is done");
        serde_json::from_slice(&answer.bytes().await.expect("is whole")).expect("is JSON")
    }

    async fn put(&self, object: &str, rows: &[String]) {
        self.tell("PUT", object, rows.concat()).await;
    }

    async fn plan(&self, plan: Value) {
        self.tell("PATCH", "", json!({"plan": plan, "calls": []}).to_string()).await;
    }

    async fn calls(&self) -> Vec<String> {
        let bucket = self.tell("GET", "", "").await;
        serde_json::from_value(bucket["calls"].clone()).expect("a list")
    }

    fn outlay(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).args(arguments);
        command.output().expect("runs")
    }

    #[track_caller]
    fn collected(&self, code: i32) -> String {
        let done = self.outlay(&["collect"]);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(!said.contains("ya29") && !said.contains("PRIVATE KEY"), "{said}");
        said
    }

    /// Σ billed by invoice month.
    fn invoices(&self) -> Vec<String> {
        let range = ["--from", "2026-01-01", "--to", "2027-01-01"];
        let query = ["--basis", "billing", "--granularity", "month", "--metric", "billed", "--format", "json"];
        let done = self.outlay(&[&["spend"][..], &range, &query].concat());
        let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        let months = answer["data"].as_array().expect("a list").iter();
        let stated = months.filter(|month| !month["cost"].is_null());
        stated.map(|month| format!("{}: {}", &month["time"].as_str().expect("a time")[..7], month["cost"])).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_collected_once_and_again_when_they_change() {
    let place = Place::new().await;
    place.put(ROWS, &[row("1.5", "202610"), row("2", "202611")]).await;
    place.put("gcp/202610/rows-001.jsonl", &[row("4", "202610")]).await;
    place.put("gcp/202610/rows-002.jsonl", &[]).await;
    place.put("gcp/202611/rows-000.jsonl", &[row("8", "202611")]).await;
    let said = place.collected(0);
    assert!(said.contains("gcp 202610: committed, 6 charges"), "{said}");
    assert_eq!(place.invoices(), ["2026-10: 4", "2026-11: 8.5"]);
    assert_eq!(place.calls().await.iter().filter(|call| call.starts_with("get")).count(), 3);

    place.plan(json!([])).await;
    let said = place.collected(0);
    assert!(said.contains("gcp: nothing new, 2 deliveries are here already"), "{said}");
    assert!(!place.calls().await.iter().any(|call| call.starts_with("get")), "what is known is not read");

    place.put(ROWS, &[row("1.5", "202610"), row("2.5", "202611")]).await;
    let said = place.collected(0);
    assert!(said.contains("gcp 202610: committed, 6 charges") && said.contains("replaces 6 charges"), "{said}");
    assert_eq!(place.invoices(), ["2026-10: 4", "2026-11: 9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_passing_ends_in_good_data() {
    for fault in ["expire", "reset", "html_503", "rate", "truncated"] {
        let place = Place::new().await;
        place.put(ROWS, &[row("1.5", "202610")]).await;
        place.plan(json!([{"of": "get", "fault": fault}])).await;
        assert!(place.collected(0).contains("gcp 202610: committed, 2 charges"), "{fault}");
        assert_eq!(place.invoices(), ["2026-10: 0.75"], "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_under_the_reader_is_read_again() {
    let place = Place::new().await;
    place.put(ROWS, &[row("1.5", "202610")]).await;
    place.plan(json!([{"of": "get", "fault": "replace"}])).await;
    assert!(place.collected(0).contains("gcp 202610: committed, 2 charges"));
    assert_eq!(place.calls().await.iter().filter(|call| call.starts_with("get")).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_fail_the_run_and_leave_what_was_there() {
    let place = Place::new().await;
    place.put(ROWS, &[row("1.5", "202610")]).await;
    place.collected(0);
    place.tell("PATCH", "", json!({"readers": []}).to_string()).await;
    let said = place.collected(1);
    assert!(said.contains("grant storage.objects.list and storage.objects.get on gs://"), "{said}");
    assert_eq!(place.invoices(), ["2026-10: 0.75"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanishes_is_not_taken_out_silently() {
    let place = Place::new().await;
    place.put(ROWS, &[row("1.5", "202610")]).await;
    place.put("gcp/202611/rows-000.jsonl", &[row("8", "202611")]).await;
    place.collected(0);
    place.tell("DELETE", "gcp/202611/rows-000.jsonl", "").await;
    let said = place.collected(0);
    assert!(said.contains("gcp: 202611 is gone from the provider; its 2 charges stay"), "{said}");
    assert_eq!(place.invoices(), ["2026-10: 0.75", "2026-11: 7.25"]);
}
