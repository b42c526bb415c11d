//! Bills of Azure in a storage account, collected from outside: through every failure in good data, or in a run that says what
//! is wrong and leaves what was there (P3).

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/proxy.rs"]
mod proxy;
mod roles;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::bill;
use proxy::{Harm, Proxy};
use tempfile::TempDir;

/// The account and the key that every Azurite has.
const ACCOUNT: &str = "https://devstoreaccount1.blob.core.windows.net";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// What that key signs for everybody, to do everything.
const SAS: &str = "sv=2018-11-09&ss=b&srt=sco&sp=rwdlac&se=2100-01-01T00%3A00%3A00Z&sig=RDDDurbJp2cvHUsQPpwYRTbDWU4Ja0vOBapV13xEMmw%3D";
const MONTH: &str = "20261001-20261031";

/// A container of its own, behind a proxy, and an Outlay that collects it.
struct Place {
    folder: TempDir,
    proxy: Proxy,
    container: Container,
}

#[derive(Clone)]
struct Container {
    endpoint: String,
    name: String,
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run, or start what tests/needs does"))
}

impl Container {
    /// A new one, of a name that nobody else has.
    fn make(endpoint: &str, name: &str) -> Self {
        let container = Self { endpoint: endpoint.to_owned(), name: name.to_owned() };
        let url = format!("{endpoint}/{name}?restype=container&{SAS}");
        wait(async { sent(client().put(url)).await });
        container
    }

    fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let url = format!("{}/{}/{key}?{SAS}", self.endpoint, self.name);
        let request = client().put(url).header("x-ms-blob-type", "BlockBlob").body(body.into());
        wait(async { sent(request).await });
    }

    fn delete(&self, key: &str) {
        let url = format!("{}/{}/{key}?{SAS}", self.endpoint, self.name);
        wait(async { sent(client().delete(url)).await });
    }

    /// A run of an export: its files, then its manifest, in a folder of its own or, where `run` is empty, over the last one.
    fn run(&self, export: &str, kind: &str, run: &str, submitted: &str, files: &[String]) {
        let folder = [export, MONTH, run].map(|piece| piece.trim_matches('/'));
        let folder = folder.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("/");
        let key = |number: usize| format!("root/{folder}/part_0_{number:04}.csv");
        for (number, file) in (1..).zip(files) {
            self.put(&key(number), file.as_str());
        }
        let files: Vec<(String, &str)> = (1..).map(key).zip(files.iter().map(String::as_str)).collect();
        self.put(&format!("root/{folder}/manifest.json"), manifest(kind, submitted, &files));
    }

    /// A run of a FOCUS export that overwrites the last one.
    fn overwrite(&self, files: &[String]) {
        self.run("focus", "FocusCost", "", "2026-11-02T05:43:59Z", files);
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().danger_accept_invalid_certs(true).build().expect("builds")
}

async fn sent(request: reqwest::RequestBuilder) {
    let request = request.header("x-ms-version", "2023-11-03");
    request.send().await.expect("is answered").error_for_status().expect("is done");
}

/// On a thread of its own, so that tests and the proxy's hooks can call it anywhere.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds").block_on(work);
    std::thread::scope(|scope| scope.spawn(run).join().expect("is done"))
}

fn manifest(kind: &str, submitted: &str, files: &[(String, &str)]) -> String {
    let rows = |text: &str| text.lines().count().saturating_sub(1);
    let blobs: Vec<String> = files
        .iter()
        .map(|(key, text)| {
            format!("{{\"blobName\":\"{key}\",\"byteCount\":{},\"dataRowCount\":{}}}", text.len(), rows(text))
        })
        .collect();
    let (bytes, all): (usize, usize) =
        (files.iter().map(|file| file.1.len()).sum(), files.iter().map(|file| rows(file.1)).sum());
    format!(
        "{{\"manifestVersion\":\"2024-04-01\",\"byteCount\":{bytes},\"blobCount\":{},\"dataRowCount\":{all},\
         \"exportConfig\":{{\"exportName\":\"focus\",\"dataVersion\":\"1.0r2\",\"type\":\"{kind}\"}},\
         \"runInfo\":{{\"submittedTime\":\"{submitted}\",\"startDate\":\"2026-10-01T00:00:00\"}},\"blobs\":[{}]}}",
        files.len(),
        blobs.join(",")
    )
}

/// A bill with a charge of each cost.
fn costs(costs: &[&str]) -> String {
    let rows: Vec<Vec<(&str, &str)>> =
        costs.iter().map(|cost| vec![("BilledCost", *cost), ("EffectiveCost", *cost)]).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

const FOCUS: &str = "url = \"ACCOUNT/CONTAINER/root/focus\"\naccount_key_env = \"AZURE_TEST_KEY\"\n";
const BOTH: &str = "url = \"ACCOUNT/CONTAINER/root/actual\"\namortized_url = \"ACCOUNT/CONTAINER/root/amortized\"\n\
                    account_key_env = \"AZURE_TEST_KEY\"\n";

impl Place {
    async fn new() -> Self {
        Self::with(FOCUS).await
    }

    async fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = folder.path().file_name().expect("a name").to_string_lossy().to_lowercase();
        let endpoint = needed("TEST_AZURITE_ENDPOINT");
        let container =
            Container::make(&endpoint, &format!("outlay-{}", name.trim_start_matches(['.', 't', 'm', 'p'])));
        let (server, account) = endpoint.rsplit_once('/').expect("an account's address");
        let proxy = Proxy::start(server).await;
        let settings = settings.replace("ACCOUNT", ACCOUNT).replace("CONTAINER", &container.name);
        let config = format!(
            "[[source]]\nname = \"azure\"\nkind = \"azure_export\"\n{settings}endpoint = \"{}/{account}\"\n\
             http = {{ first_wait_milliseconds = 1, attempts = 3 }}\n",
            proxy.url
        );
        fs::write(folder.path().join("outlay.toml"), config).expect("writes");
        Self { folder, proxy, container }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outlay(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env("AZURE_TEST_KEY", KEY).env("AZURE_TEST_SAS", SAS);
        command.envs(variables.iter().copied()).args(arguments);
        command.output().expect("runs")
    }

    /// What it said, the container's name left out.
    #[track_caller]
    fn ran(&self, arguments: &[&str], code: i32) -> String {
        let done = self.outlay(&[], arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{said}");
        said.replace(&self.container.name, "CONTAINER").replace(ACCOUNT, "ACCOUNT")
    }

    #[track_caller]
    fn collected(&self, code: i32) -> String {
        self.ran(&["collect"], code)
    }

    fn total(&self) -> String {
        self.total_of("billed")
    }

    fn total_of(&self, metric: &str) -> String {
        let question = ["spend", "--period", "2026-10", "--metric", metric, "--format", "json"];
        let done = self.outlay(&[], &question);
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        answer["total"].to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_collected_once_and_again_when_it_changes() {
    let place = Place::new().await;
    place.container.overwrite(&[costs(&["1", "2"]), costs(&["4"])]);
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 3 charges"), "{said}");
    assert_eq!(place.total(), "7");
    let heard = place.proxy.heard();
    assert_eq!(heard.iter().filter(|request| request.contains("/part_0_000")).count(), 2, "{heard:#?}");
    assert!(heard.iter().all(|request| request.contains("authorization: SharedKey devstoreaccount1:")), "{heard:#?}");

    let said = place.collected(0);
    assert!(said.contains("azure: nothing new, 1 deliveries are here already"), "{said}");
    assert!(!place.proxy.heard().iter().any(|request| request.contains("/part_0_000")), "what is known is not read");

    // The next run needs one file; the second of the last one stays where it was.
    place.container.overwrite(&[costs(&["1", "2", "8"])]);
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 3 charges") && said.contains("replaces 3 charges"), "{said}");
    assert!(said.contains("1 files of other runs lie next to the bill"), "{said}");
    assert_eq!(place.total(), "11");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_beside_each_other_do_not_add_up() {
    let place = Place::new().await;
    let run = |number: u32| format!("202611020543/5e5e1c6e-6f3a-4d2e-9c0a-00000000000{number}");
    // The newest is written first.
    for (number, submitted, cost) in [(1, "2026-11-02T05:43:59.1Z", "1"), (2, "2026-11-01T05:43:59Z", "1000")] {
        place.container.run("focus", "FocusCost", &run(number), submitted, &[costs(&[cost])]);
    }
    // One that is not finished yet.
    place.container.put(&format!("root/focus/{MONTH}/{}/part_0_0001.csv", run(3)), costs(&["500"]));
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 1 charges"), "{said}");
    assert_eq!(place.total(), "1");
    place.container.run("focus", "FocusCost", &run(4), "2026-11-03T05:43:59+00:00", &[costs(&["1", "3"])]);
    place.collected(0);
    assert_eq!(place.total(), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn actual_and_amortised_cost_both_reconcile() {
    let place = Place::with(BOTH).await;
    let fixture =
        |name: &str| fs::read_to_string(format!("collectors/src/azure_cost/fixtures/{name}.csv")).expect("is there");
    for (export, kind) in [("actual", "ActualCost"), ("amortized", "AmortizedCost")] {
        let file = fixture(&format!("ea/{export}"));
        place.container.run(export, kind, "202611020543/run", "2026-11-02T05:43:59Z", &[file]);
    }
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 13 charges"), "{said}");
    // Σ of the two files' cost columns, but for the 3 that correct September.
    assert_eq!(place.total_of("billed"), "228.99338268");
    assert_eq!(place.total_of("effective"), "203.39838268");
    let lines: serde_json::Value =
        serde_json::from_str(&place.ran(&["reconcile", "--format", "json"], 0)).expect("JSON");
    let lines = lines["data"].as_array().expect("lines");
    assert!(
        lines.len() >= 4 && lines.iter().all(|line| line["difference"].to_string().trim_matches('"') == "0"),
        "{lines:?}"
    );
    let answer = place.ran(&["spend", "--period", "2026-10", "--group-by", "service_category", "--format", "csv"], 0);
    for category in ["Compute", "Storage", "Integration"] {
        assert!(answer.contains(category), "{answer}");
    }
    assert!(!answer.contains("null"), "each service has a category: {answer}");

    // Amortised cost of the next day comes before actual cost of it: what is billed is still what actual cost says.
    let more = fixture("ea/amortized").trim_end().to_owned();
    let last = more.lines().nth(1).expect("a line").to_owned();
    place.container.run(
        "amortized",
        "AmortizedCost",
        "202611030543/run",
        "2026-11-03T05:43:59Z",
        &[format!("{more}\r\n{last}\r\n")],
    );
    place.collected(0);
    assert_eq!(place.total_of("billed"), "228.99338268");
    assert_eq!(place.total_of("effective"), "205.70238268");
    let said = place.ran(&["check"], 0);
    assert!(
        said.contains("2026-10: ActualCost 1.0r2, 1 files") && said.contains("2026-10: AmortizedCost 1.0r2"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_manifests_is_read() {
    let place = Place::with("url = \"ACCOUNT/CONTAINER/root/actual\"\nsas_token_env = \"AZURE_TEST_SAS\"\n").await;
    let file = fs::read("collectors/src/azure_cost/fixtures/legacy/export.csv").expect("is there");
    place.container.put(&format!("root/actual/{MONTH}/actual_5e5e1c6e-6f3a-4d2e-9c0a-000000000001.csv"), file);
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 2 charges"), "{said}");
    assert_eq!(place.total(), "1.440001");
    assert!(place.ran(&["check"], 0).contains("2026-10: ActualCost, 1 files"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_read_is_read_again() {
    let place = Place::new().await;
    place.container.overwrite(&[costs(&["1"]), costs(&["2"])]);
    let container = place.container.clone();
    let next = move || container.overwrite(&[costs(&["16"]), costs(&["32"])]);
    place.proxy.harm(&["GET", "/part_0_0002.csv"], 1, Harm::Before(Arc::new(next)));
    let said = place.collected(0);
    assert!(said.contains("azure 2026-10: committed, 2 charges"), "{said}");
    assert_eq!(place.total(), "48", "never half of each");

    // Time and again.
    let (container, number) = (place.container.clone(), AtomicU32::new(100));
    let next = move || {
        let cost = number.fetch_add(1, Ordering::Relaxed).to_string();
        container.overwrite(&[costs(&[&cost]), costs(&["1", &cost])]);
    };
    next();
    place.proxy.harm(&["GET", "/part_0_0002.csv"], 100, Harm::Before(Arc::new(next)));
    let said = place.collected(1);
    assert!(said.contains("azure 2026-10: failed") && said.contains("was replaced while it was read"), "{said}");
    assert_eq!(place.total(), "48");
    place.proxy.heal();
    place.collected(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_is_named_and_takes_nothing_away() {
    let place = Place::new().await;
    place.container.overwrite(&[costs(&["1"]), costs(&["2"])]);
    place.collected(0);
    let (first, listing) = (format!("root/focus/{MONTH}/part_0_0001.csv"), format!("root/focus/{MONTH}/manifest.json"));
    let (one, two) = (costs(&["1", "8"]), costs(&["2"]));
    let key = |number: u32| format!("root/focus/{MONTH}/part_0_000{number}.csv");
    let whole = manifest("FocusCost", "2026-11-03T05:43:59Z", &[(key(1), &one), (key(2), &two)]);

    place.container.put(&first, one.as_str());
    place.container.put(&listing, whole.replace(&format!("\"byteCount\":{}", one.len()), "\"byteCount\":7"));
    let said = place.collected(1);
    assert!(said.contains("manifest.json: it says that there are"), "{said}");
    place.container.put(
        &listing,
        whole.replace("\"dataRowCount\":2", "\"dataRowCount\":20").replace("\"dataRowCount\":3", "\"dataRowCount\":21"),
    );
    let said = place.collected(1);
    assert!(said.contains("part_0_0001.csv: has 2 rows, and the manifest says 20"), "{said}");
    place.container.put(&first, &one[..one.len() - 1]);
    place.container.put(&listing, whole.as_str());
    let said = place.collected(1);
    assert!(said.contains("/part_0_0001.csv: has ") && said.contains("it did not arrive whole"), "{said}");
    place.container.delete(&first);
    let said = place.collected(1);
    assert!(
        said.contains(
            "ACCOUNT/CONTAINER/root/focus/20261001-20261031/part_0_0001.csv: is not there; ACCOUNT/CONTAINER/root/focus/\
             20261001-20261031/manifest.json lists it"
        ),
        "{said}"
    );
    place.container.put(&listing, "{");
    let said = place.collected(1);
    assert!(said.contains("manifest.json: the JSON is cut short"), "{said}");
    assert_eq!(place.total(), "3");
    place.container.put(&first, one.as_str());
    place.container.put(&listing, whole);
    place.collected(0);
    assert_eq!(place.total(), "11");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_moment_ends_in_good_data() {
    let html = Harm::Answer(503, "<html><body>Service Unavailable</body></html>".to_owned());
    let busy = Harm::Answer(503, "\u{feff}<Error><Code>ServerBusy</Code></Error>".to_owned());
    let place = Place::new().await;
    place.container.overwrite(&[costs(&["1"]), costs(&["2"])]);
    for pieces in [&["comp=list"][..], &["manifest.json"], &["/part_0_000"]] {
        for harm in [html.clone(), busy.clone(), Harm::Reset, Harm::CutShort] {
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
    place.container.overwrite(&[costs(&["1"]), costs(&["2"])]);
    place.collected(0);
    place.container.overwrite(&[costs(&["1"]), costs(&["2", "4"])]);
    let denied = "<Error><Code>AuthorizationPermissionMismatch</Code><Message>This request</Message></Error>";
    for (pieces, harm, expected) in [
        (
            &["comp=list"][..],
            Harm::Answer(503, "<html>Sorry</html>".to_owned()),
            "HTTP 503 with an HTML page, after 3 attempts",
        ),
        (
            &["comp=list"],
            Harm::Answer(200, "<html>Welcome</html>".to_owned()),
            "what came is not a listing of a container",
        ),
        (
            &["comp=list"],
            Harm::Answer(403, denied.to_owned()),
            "give it the role Storage Blob Data Reader on the container",
        ),
        (&["/part_0_000"], Harm::CutShort, "the answer was cut short"),
        (&["/part_0_000"], Harm::Reset, "the connection failed"),
        (&["/part_0_000"], Harm::Answer(200, "<html>Welcome</html>".to_owned()), "20 bytes came in place of"),
        (&["/part_0_000"], Harm::Answer(403, denied.to_owned()), "refused: AuthorizationPermissionMismatch"),
        (
            &["/part_0_000"],
            Harm::Answer(503, "<Error><Code>ServerBusy</Code></Error>".to_owned()),
            "too many requests, says the provider",
        ),
        (
            &["manifest.json"],
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

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said_whatever_happens() {
    let by_signature = FOCUS.replace("account_key_env = \"AZURE_TEST_KEY\"", "sas_token_env = \"AZURE_TEST_SAS\"");
    for settings in [FOCUS, &by_signature] {
        let place = Place::with(settings).await;
        place.container.overwrite(&[costs(&["1"])]);
        let denied = "<Error><Code>AuthenticationFailed</Code><Message>The MAC signature is THEIRS</Message></Error>";
        for (request, harm) in [
            ("nothing", Harm::Reset),
            ("comp=list", Harm::Answer(403, denied.to_owned())),
            ("comp=list", Harm::Reset),
            ("comp=list", Harm::CutShort),
        ] {
            place.proxy.heal();
            place.proxy.harm(&[request], 1000, harm);
            let done = place.outlay(&[("OUTLAY_LOG", "trace"), ("RUST_BACKTRACE", "1")], &["collect"]);
            let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            for secret in ["SharedKey ", KEY, "sig=", "RDDDurb", "THEIRS"] {
                let place = said.find(secret);
                assert!(place.is_none(), "{secret}: {}", &said[place.unwrap_or_default().saturating_sub(300)..]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_there_is_or_what_is_missing() {
    let place = Place::new().await;
    let said = place.ran(&["check"], 1);
    assert!(
        said.contains("azure: an export at ACCOUNT/CONTAINER/root/focus: is not there; correct url, or wait for"),
        "{said}"
    );
    place.container.overwrite(&[costs(&["1"]), costs(&["2"])]);
    let said = place.ran(&["check"], 0);
    assert!(said.contains("one month, 2026-10"), "{said}");
    assert!(said.contains("2026-10: FocusCost 1.0r2, 2 files, 1 MiB, written "), "{said}");
    place.proxy.heard();
    place.ran(&["check"], 0);
    let read: Vec<String> = place.proxy.heard().into_iter().filter(|request| request.contains("/part_0_000")).collect();
    assert!(read.len() == 1 && read[0].contains("range: bytes=0-0"), "no row is read: {read:#?}");
    let done = place.outlay(&[("AZURE_TEST_KEY", "")], &["check"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("$AZURE_TEST_KEY: refused: is not set"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_one() {
    let example = fs::read_to_string("config/azure_export.example.toml").expect("is there");
    let place = Place::new().await;
    let settings = fs::read_to_string(place.path("outlay.toml")).expect("is there");
    let endpoint = settings.lines().find(|line| line.starts_with("endpoint")).expect("is set");
    let names =
        [("https://acmebilling.blob.core.windows.net/exports", format!("{ACCOUNT}/{}/root", place.container.name))];
    let mut text = example;
    for (name, ours) in names {
        assert!(text.contains(name), "the example names {name}");
        text = text.replace(name, &ours);
    }
    // The account of the tests has a key, and no Entra ID.
    let (own, rest) = text.split_once("kind = \"azure_export\"\n").expect("a source");
    let text = format!("{own}kind = \"azure_export\"\naccount_key_env = \"AZURE_TEST_KEY\"\n{endpoint}\n{rest}");
    fs::write(place.path("outlay.toml"), text).expect("writes");
    for (export, kind, file) in [
        ("focus", "FocusCost", costs(&["1"])),
        ("actual", "ActualCost", "Date\r\n".to_owned()),
        ("amortized", "AmortizedCost", "Date\r\n".to_owned()),
    ] {
        place.container.run(export, kind, "202611020543/run", "2026-11-02T05:43:59Z", &[file]);
    }
    let said = place.ran(&["check"], 0);
    assert!(said.contains("2026-10: FocusCost 1.0r2, 1 files"), "{said}");
}
