//! Bills of AWS in S3, collected from outside: through every failure in good data, or in a run that says what is wrong and
//! leaves what was there (P3).

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/proxy.rs"]
mod proxy;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::bill;
use proxy::{Harm, Proxy};
use tempfile::TempDir;

const SECRET: &str = "a-secret-of-nobody";
const DATA: &str = "/data/BILLING_PERIOD=2026-10/focus-0000";
/// The same in a request.
const ASKED: &str = "/data/BILLING_PERIOD%3D2026-10/focus-0000";
const MANIFEST: &str = "metadata/BILLING_PERIOD=2026-10/focus-Manifest.json";

/// A bucket of its own, behind a proxy, and an Outlay that collects it.
struct Place {
    folder: TempDir,
    proxy: Proxy,
    bucket: Bucket,
}

#[derive(Clone)]
struct Bucket {
    endpoint: String,
    name: String,
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
fn moto() -> String {
    let name = "TEST_S3_ENDPOINT";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run, or start what tests/needs does"))
}

/// What moto wants to see before it replaces an object; it verifies no signature.
const ANYBODY: &str =
    "AWS4-HMAC-SHA256 Credential=nobody/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

impl Bucket {
    fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let url = format!("{}/{}/{key}", self.endpoint, self.name);
        let body = body.into();
        let request = reqwest::Client::new().put(url).header("authorization", ANYBODY).body(body).send();
        wait(async { request.await.expect("is answered").error_for_status().expect("is kept") });
    }

    fn delete(&self, key: &str) {
        let url = format!("{}/{}/{key}", self.endpoint, self.name);
        let request = reqwest::Client::new().delete(url).header("authorization", ANYBODY).send();
        wait(async { request.await.expect("is answered").error_for_status().expect("is deleted") });
    }

    /// An export that AWS overwrites with each run: its files, then its manifest.
    fn overwrite(&self, files: &[String]) {
        for (number, file) in (1..).zip(files) {
            self.put(&format!("exports/focus{DATA}{number}.csv"), file.as_str());
        }
        let keys: Vec<String> = (1..=files.len()).map(|number| format!("focus{DATA}{number}.csv")).collect();
        self.put(&format!("exports/focus/{MANIFEST}"), manifest(&self.name, &keys));
    }
}

/// On a thread of its own, so that tests and the proxy's hooks can call it anywhere.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds").block_on(work);
    std::thread::scope(|scope| scope.spawn(run).join().expect("is done"))
}

fn manifest(bucket: &str, keys: &[String]) -> String {
    let files: Vec<String> = keys.iter().map(|key| format!("\"s3://{bucket}/exports/{key}\"")).collect();
    format!(
        "{{\"exportName\":\"focus\",\"tableName\":\"FOCUS_1_0_AWS\",\"columns\":[{{\"name\":\"BilledCost\",\"type\":\
         \"double\"}}],\"dataFiles\":[{}]}}",
        files.join(",")
    )
}

/// A bill with a charge of each cost.
fn costs(costs: &[&str]) -> String {
    let rows: Vec<Vec<(&str, &str)>> =
        costs.iter().map(|cost| vec![("BilledCost", *cost), ("EffectiveCost", *cost)]).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

impl Place {
    async fn new() -> Self {
        Self::with("url = \"s3://BUCKET/exports/focus\"\n").await
    }

    async fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = folder.path().file_name().expect("a name").to_string_lossy().to_lowercase();
        let bucket = Bucket { endpoint: moto(), name: format!("outlay-{}", name.trim_start_matches('.')) };
        wait(async {
            let url = format!("{}/{}", bucket.endpoint, bucket.name);
            reqwest::Client::new().put(url).send().await.expect("is answered").error_for_status().expect("is made")
        });
        let proxy = Proxy::start(&bucket.endpoint).await;
        let settings = settings.replace("BUCKET", &bucket.name);
        let config = format!(
            "[[source]]\nname = \"aws\"\nkind = \"aws_data_export\"\n{settings}\
             http = {{ first_wait_milliseconds = 1, attempts = 3 }}\n"
        );
        fs::write(folder.path().join("outlay.toml"), config).expect("writes");
        Self { folder, proxy, bucket }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outlay(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(self.folder.path()).env_remove("AWS_PROFILE").env("HOME", self.folder.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", &self.proxy.url);
        command.env("AWS_ACCESS_KEY_ID", "nobody").env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.envs(variables.iter().copied()).args(arguments);
        command.output().expect("runs")
    }

    #[track_caller]
    fn ran(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(&[], arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{said}");
        said.replace(&self.bucket.name, "BUCKET")
    }

    #[track_caller]
    fn collected(&self, code: i32) -> String {
        self.ran(&["collect"], code)
    }

    fn total(&self) -> String {
        let done = self.outlay(&[], &["spend", "--period", "2026-10", "--format", "json"]);
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        answer["total"].to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_collected_once_and_again_when_it_changes() {
    let place = Place::new().await;
    place.bucket.overwrite(&[costs(&["1", "2"]), costs(&["4"])]);
    let said = place.collected(0);
    assert!(said.contains("aws 2026-10: committed, 3 charges"), "{said}");
    assert_eq!(place.total(), "7");
    let heard = place.proxy.heard();
    assert_eq!(heard.iter().filter(|request| request.contains(ASKED)).count(), 2, "{heard:#?}");
    assert!(heard.iter().all(|request| request.contains("aws4_request")), "{heard:#?}");

    let said = place.collected(0);
    assert!(said.contains("aws: nothing new, 1 deliveries are here already"), "{said}");
    assert!(!place.proxy.heard().iter().any(|request| request.contains(ASKED)), "what is known is not read");

    // The next run needs one file; the second of the last one stays where it was.
    place.bucket.overwrite(&[costs(&["1", "2", "8"])]);
    let said = place.collected(0);
    assert!(said.contains("aws 2026-10: committed, 3 charges") && said.contains("replaces 3 charges"), "{said}");
    assert_eq!(place.total(), "11");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_beside_each_other_do_not_add_up() {
    // A prefix that ends in a slash, and a label in small letters.
    let place = Place::new().await;
    let fixture = |name: &str| fs::read(format!("collectors/src/focus/fixtures/{name}")).expect("is there");
    for (day, name, bytes) in [
        (18, "focus-00001.csv.gz", fixture("damage/gzip_joined/bill.csv.gz")),
        (19, "focus-00001.snappy.parquet", fixture("damage/parquet_map/bill.parquet")),
    ] {
        let run = format!("2026-10-{day}T20:16:37.306Z-3695a728-d559-40bd-ac30-ffc97b552489");
        let key = format!("/focus/data/billing_period=2026-10/{run}/{name}");
        place.bucket.put(&format!("exports/{key}"), bytes);
        let text = manifest(&place.bucket.name, &[key]);
        place.bucket.put(&format!("exports//focus/metadata/billing_period=2026-10/{run}/focus-Manifest.json"), text);
        let said = place.ran(&["collect", "--accept-shrink"], 0);
        assert!(said.contains("aws 2026-10: committed"), "{said}");
        assert_eq!(said.contains("replaces 2 charges"), day == 19, "{said}");
    }
    let answer = place.ran(&["spend", "--period", "2026-10", "--group-by", "tags.team", "--format", "csv"], 0);
    assert!(answer.contains("search"), "tags are a map in Parquet: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_report_and_a_cur_2_export_say_the_same() {
    let fixture =
        |name: &str| fs::read(format!("collectors/src/aws_cur/fixtures/four_shapes/{name}")).expect("is there");
    let legacy = Place::with("url = \"s3://BUCKET/cur/report\"\n").await;
    let month = "cur/report/20261001-20261101";
    let key = |assembly: u32| format!("{month}/{assembly}/report-00001.csv");
    legacy.bucket.put(&key(1), costs(&["1000"]));
    legacy.bucket.put(&key(2), fixture("legacy.csv"));
    let manifest = |assembly: u32| {
        format!(
            "{{\"assemblyId\":\"{assembly}\",\"compression\":\"GZIP\",\"columns\":[{{\"category\":\"lineItem\",\"name\":\
             \"UnblendedCost\"}}],\"reportKeys\":[\"{}\"]}}",
            key(assembly)
        )
    };
    legacy.bucket.put(&format!("{month}/1/report-Manifest.json"), manifest(1));
    legacy.bucket.put(&format!("{month}/2/report-Manifest.json"), manifest(2));
    legacy.bucket.put(&format!("{month}/report-Manifest.json"), manifest(2));
    legacy.bucket.put(&format!("{month}/report-RedshiftManifest.json"), "{\"entries\":[]}");
    let said = legacy.collected(0);
    assert!(said.contains("aws 2026-10: committed"), "{said}");
    assert!(legacy.ran(&["check"], 0).contains("a legacy cost and usage report with one billing period, 2026-10"));

    let export = Place::new().await;
    let key = "focus/data/BILLING_PERIOD=2026-10/focus-00001.snappy.parquet".to_owned();
    export.bucket.put(&format!("exports/{key}"), fixture("cur2.parquet"));
    let text = self::manifest(&export.bucket.name, &[key]).replace("FOCUS_1_0_AWS", "COST_AND_USAGE_REPORT");
    export.bucket.put(&format!("exports/focus/{MANIFEST}"), text);
    export.collected(0);
    let question = ["spend", "--period", "2026-10", "--group-by", "service,charge_category", "--format", "csv"];
    let answer = legacy.ran(&question, 0);
    assert!(answer.lines().count() > 3, "{answer}");
    assert_eq!(answer, export.ran(&question, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_read_is_read_again() {
    let place = Place::new().await;
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"])]);
    let bucket = place.bucket.clone();
    let next = move || bucket.overwrite(&[costs(&["16"]), costs(&["32"])]);
    place.proxy.harm(&["GET", ASKED, "2.csv"], 1, Harm::Before(Arc::new(next)));
    let said = place.collected(0);
    assert!(said.contains("aws 2026-10: committed, 2 charges"), "{said}");
    assert_eq!(place.total(), "48", "never half of each");

    // Time and again.
    let (bucket, number) = (place.bucket.clone(), AtomicU32::new(100));
    let next = move || {
        let cost = number.fetch_add(1, Ordering::Relaxed).to_string();
        bucket.overwrite(&[costs(&[&cost]), costs(&["1", &cost])]);
    };
    next();
    place.proxy.harm(&["GET", ASKED, "2.csv"], 100, Harm::Before(Arc::new(next)));
    let said = place.collected(1);
    assert!(said.contains("aws 2026-10: failed") && said.contains("was replaced while it was read"), "{said}");
    assert_eq!(place.total(), "48");
    place.proxy.heal();
    place.collected(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named_and_takes_nothing_away() {
    let place = Place::new().await;
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"])]);
    place.collected(0);
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"]), costs(&["4"])]);
    place.bucket.delete(&format!("exports/focus{DATA}2.csv"));
    let said = place.collected(1);
    assert!(
        said.contains(
            "s3://BUCKET/exports/focus/data/BILLING_PERIOD=2026-10/focus-00002.csv: is not there; s3://BUCKET/exports/focus/\
             metadata/BILLING_PERIOD=2026-10/focus-Manifest.json lists it"
        ),
        "{said}"
    );
    assert_eq!(place.total(), "3");
    place.bucket.put(&format!("exports/focus{DATA}2.csv"), costs(&["2"]));
    place.bucket.put(&format!("exports/focus/{MANIFEST}"), "{");
    let said = place.collected(1);
    assert!(said.contains("focus-Manifest.json: the JSON is cut short"), "{said}");
    assert_eq!(place.total(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_moment_ends_in_good_data() {
    let html = Harm::Answer(503, "<html><body>Service Unavailable</body></html>".to_owned());
    let slow = Harm::Answer(503, "<Error><Code>SlowDown</Code></Error>".to_owned());
    let place = Place::new().await;
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"])]);
    for pieces in [&["list-type=2"][..], &["Manifest.json"], &[ASKED]] {
        for harm in [html.clone(), slow.clone(), Harm::Reset, Harm::CutShort] {
            place.proxy.harm(pieces, 1, harm);
        }
    }
    // Each request is repeated at most twice, so the harm is spread over several runs.
    for _ in 0..10 {
        let done = place.outlay(&[], &["collect"]);
        if done.status.success() {
            break;
        }
    }
    let said = place.collected(0);
    assert!(said.contains("nothing new, 1 deliveries are here already"), "{said}");
    assert_eq!(place.total(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_day_ends_in_a_run_that_says_so() {
    let place = Place::new().await;
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"])]);
    place.collected(0);
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2", "4"])]);
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    for (pieces, harm, expected) in [
        (
            &["list-type=2"][..],
            Harm::Answer(503, "<html>Sorry</html>".to_owned()),
            "HTTP 503 with an HTML page, after 3 attempts",
        ),
        (&["list-type=2"], Harm::Answer(200, "<html>Welcome</html>".to_owned()), "what came is not a listing of S3"),
        (
            &["list-type=2"],
            Harm::Answer(403, denied.to_owned()),
            "allow s3:ListBucket and s3:GetObject on arn:aws:s3:::BUCKET",
        ),
        (&[ASKED], Harm::CutShort, "the answer was cut short"),
        (&[ASKED], Harm::Reset, "the connection failed"),
        (&[ASKED], Harm::Answer(200, "<html>Welcome</html>".to_owned()), "20 bytes came in place of"),
        (&[ASKED], Harm::Answer(403, denied.to_owned()), "refused: Access Denied (AccessDenied)"),
        (
            &[ASKED],
            Harm::Answer(503, "<Error><Code>SlowDown</Code></Error>".to_owned()),
            "too many requests, says the provider",
        ),
        (
            &["Manifest.json"],
            Harm::Answer(200, "<html>Log in</html>".to_owned()),
            "an HTML page came where JSON was expected",
        ),
    ] {
        place.proxy.harm(pieces, 1000, harm);
        let said = place.collected(1);
        assert!(said.contains(expected), "{said}");
        assert_eq!(place.total(), "3");
        place.proxy.heal();
    }
    place.collected(0);
    assert_eq!(place.total(), "7");
}

const ROLE: &str = "url = \"s3://BUCKET/exports/focus\"\nrole_arn = \"arn:aws:iam::210987654321:role/outlay\"\n\
                    external_id = \"customer/42\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_and_its_session_renewed_in_the_middle() {
    let place = Place::with(ROLE).await;
    place.bucket.overwrite(&[costs(&["1"])]);
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    place.proxy.harm(&[ASKED], 1, Harm::Answer(400, expired.to_owned()));
    let said = place.collected(0);
    assert!(said.contains("committed, 1 charges"), "{said}");
    let heard = place.proxy.heard();
    let assumed: Vec<&String> = heard.iter().filter(|request| request.contains("Action=AssumeRole")).collect();
    assert_eq!(assumed.len(), 2, "{heard:#?}");
    assert!(assumed.iter().all(|request| request.contains("ExternalId=customer%2F42")), "{assumed:#?}");
    let files = heard.iter().filter(|request| request.starts_with("GET"));
    assert!(
        files.clone().count() > 3 && files.clone().all(|request| request.contains("Credential=ASIA")),
        "{heard:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said_whatever_happens() {
    let place = Place::with(ROLE).await;
    place.bucket.overwrite(&[costs(&["1"])]);
    let denied = "<Error><Code>SignatureDoesNotMatch</Code><Message>The canonical request was THEIRS</Message></Error>";
    // Keys that cannot be read are keys for all that.
    let keys =
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>THEIRS</SecretAccessKey><Expiration>soon";
    for (request, harm) in [
        ("nothing", Harm::Reset),
        ("list-type=2", Harm::Answer(403, denied.to_owned())),
        ("list-type=2", Harm::Reset),
        ("POST", Harm::Answer(200, keys.to_owned())),
        ("POST", Harm::CutShort),
    ] {
        place.proxy.heal();
        place.proxy.harm(&[request], 1000, harm);
        let trace = [("OUTLAY_LOG", "trace"), ("RUST_BACKTRACE", "1")];
        let done = place.outlay(&trace, &["collect"]);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(said.contains(" DEBUG "), "it was told in every detail: {said}");
        let heard = place.proxy.heard();
        let header = |name: &str| {
            let lines = heard.iter().flat_map(|request| request.lines());
            lines.filter_map(|line| line.strip_prefix(name)).map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let mut secrets = [header("x-amz-security-token: "), header("authorization: ")].concat();
        assert!(!secrets.is_empty(), "{heard:#?}");
        secrets.extend(["Signature=", SECRET, "THEIRS", "X-Amz-Security-Token="].map(ToOwned::to_owned));
        for secret in secrets {
            let place = said.find(&secret);
            assert!(place.is_none(), "{secret}: {}", &said[place.unwrap_or_default().saturating_sub(300)..]);
        }
        for entry in fs::read_dir(place.path("outlay-data")).expect("is there") {
            let path = entry.expect("is there").path();
            let kept = fs::read(&path).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&kept).contains(SECRET), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_there_is_or_what_is_missing() {
    let place = Place::new().await;
    let said = place.ran(&["check"], 1);
    assert!(
        said.contains(
            "aws: an export at s3://BUCKET/exports/focus: is not there; correct url, or wait for the export's first"
        ),
        "{said}"
    );
    place.bucket.overwrite(&[costs(&["1"]), costs(&["2"])]);
    let said = place.ran(&["check"], 0);
    assert!(said.contains("a Data Export with one billing period, 2026-10"), "{said}");
    assert!(said.contains("2026-10: focus (FOCUS_1_0_AWS), 2 files, 1 MiB, written "), "{said}");
    place.proxy.heard();
    place.ran(&["check"], 0);
    let read: Vec<String> = place.proxy.heard().into_iter().filter(|request| request.contains(ASKED)).collect();
    assert!(read.len() == 1 && read[0].contains("range: bytes=0-0"), "no row is read: {read:#?}");
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    place.proxy.harm(&[ASKED], 1000, Harm::Answer(403, denied.to_owned()));
    let said = place.ran(&["check"], 1);
    assert!(
        said.contains("focus-00001.csv: refused: Access Denied (AccessDenied); allow s3:ListBucket and s3:GetObject"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_says_where_it_looked() {
    let place = Place::new().await;
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let done = place.outlay(&none, &["collect"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("the AWS credentials: refused: there are none; set AWS_ACCESS_KEY_ID"), "{said}");
}
