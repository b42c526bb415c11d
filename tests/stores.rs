//! A store in a bucket answers as one in a folder does: the same commands, held against each other.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

mod common;
#[path = "../store/tests/places/gcs.rs"]
mod gcs;

use axum::http::Method;
use common::bill;
use gcs::{Fault, Gcs};

/// A machine that Outlay runs on.
struct Machine {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Machine {
    fn new(store: &str, variables: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "[store]\nurl = '{store}'\ncache = 'cache'\n[catalog]\nurl = 'sqlite://catalog.db'\n[tags.aliases]\nteam = ['Team']\n"
        );
        fs::write(folder.path().join("outlay.toml"), config).expect("writes");
        Self { folder, variables }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().envs(self.variables.iter().cloned()).current_dir(self.folder.path()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().expect("ends")
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}\n{out}\n{err}");
        out
    }

    /// What a command says that fails.
    #[track_caller]
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    }

    fn import(&self, source: &str, text: &str) -> Output {
        fs::write(self.path("bill.csv"), text).expect("writes");
        self.output(&["import", "--source", source, "--kind", "focus", "bill.csv"])
    }
}

/// Charges of one month, told apart by `seed`.
fn month(account: &str, month: u32, charges: u32, seed: u32) -> String {
    let rows: Vec<Vec<(String, String)>> = (0..charges)
        .map(|row| {
            let pair = |name: &str, value: String| (name.to_owned(), value);
            let day = row % 28 + 1;
            vec![
                pair("BillingAccountId", account.to_owned()),
                pair("BillingPeriodStart", format!("2026-{month:02}-01T00:00:00Z")),
                pair("BillingPeriodEnd", format!("2026-{:02}-01T00:00:00Z", month + 1)),
                pair("ChargePeriodStart", format!("2026-{month:02}-{day:02}T00:00:00Z")),
                pair("ChargePeriodEnd", format!("2026-{month:02}-{:02}T00:00:00Z", day + 1)),
                pair("ServiceName", format!("Service {}", row % 7)),
                pair("ResourceId", format!("resource-{}", row % 23)),
                pair("BilledCost", format!("{}.{:09}", row % 5, (row * 7919 + seed) % 1_000_000_000)),
                pair("EffectiveCost", format!("0.{:018}", u64::from(row) * 1_000_003 + u64::from(seed))),
                pair("Tags", format!(r#"{{"Team":"team-{}"}}"#, row % 4)),
            ]
        })
        .collect();
    let rows: Vec<Vec<(&str, &str)>> =
        rows.iter().map(|row| row.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()).collect();
    bill(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Questions that `daily` answers, that only `charges` answers, and what holds it all together.
const QUESTIONS: [&[&str]; 4] = [
    &["spend", "--group-by", "team,service", "--granularity", "day", "--period", "2026", "--format", "csv"],
    &["spend", "--group-by", "resource", "--metric", "billed", "--period", "2026", "--format", "csv"],
    &["spend", "--filter", "tags.team = 'team-1' OR resource = 'resource-7'", "--period", "2026", "--format", "csv"],
    &["reconcile"],
];

#[track_caller]
fn same_answers(local: &Machine, remote: &Machine) {
    for question in QUESTIONS {
        let answer = local.run(question);
        assert!(answer.lines().count() > 1, "{answer}");
        assert_eq!(answer, remote.run(question), "{question:?}");
    }
    let export = |machine: &Machine| {
        machine.run(&[
            "export",
            "--format",
            "focus-1.2",
            "--period",
            "2026",
            "--output",
            "out.csv",
            "--allow-null",
            "--force",
        ]);
        fs::read_to_string(machine.path("out.csv")).expect("reads")
    };
    assert_eq!(export(local), export(remote));
}

#[expect(clippy::disallowed_methods, reason = "whoever starts the tests says where the services are")]
fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run, or start what tests/needs does"))
}

fn in_bucket(scheme: &str, variables: Vec<(String, String)>) -> Machine {
    let own = tempfile::tempdir().expect("a folder");
    let own = own.path().file_name().and_then(|name| name.to_str()).expect("text").trim_start_matches('.').to_owned();
    Machine::new(&format!("{scheme}://outlay-tests/machines/{own}"), variables)
}

#[test]
fn s3_answers_as_a_folder_does() {
    story(&in_bucket(
        "s3",
        variables(&[
            ("AWS_ENDPOINT_URL", &needed("TEST_S3_ENDPOINT")),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_REGION", "us-east-1"),
        ]),
    ));
}

#[test]
fn azure_answers_as_a_folder_does() {
    // The account that every Azurite has; its key is no secret.
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    story(&in_bucket(
        "az",
        variables(&[
            ("AZURE_STORAGE_ENDPOINT", &needed("TEST_AZURITE_ENDPOINT")),
            ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
        ]),
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn gcs_answers_as_a_folder_does() {
    let gcs = Gcs::start().await;
    story(&in_bucket("gs", gcs.variables()));
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn story(remote: &Machine) {
    let local = Machine::new("./store", Vec::new());
    let import = |source: &str, text: &str| {
        let (here, there) = (local.import(source, text), remote.import(source, text));
        assert_eq!(here.status.code(), there.status.code(), "{}", String::from_utf8_lossy(&there.stdout));
        assert_eq!(String::from_utf8_lossy(&here.stdout), String::from_utf8_lossy(&there.stdout));
        String::from_utf8(there.stdout).expect("text")
    };
    for number in [8, 9, 10] {
        assert!(import("aws", &month("0001", number, 400, number)).contains("committed, 400 charges"));
    }
    assert!(import("azure", &month("0002", 10, 300, 1)).contains("committed, 300 charges"));
    same_answers(&local, remote);

    // The same again, another copy, and one that is too small.
    assert!(import("aws", &month("0001", 10, 400, 10)).contains("unchanged"));
    assert!(import("aws", &month("0001", 10, 410, 11)).contains("replaces 400 charges"));
    assert!(import("aws", &month("0001", 10, 20, 11)).contains("refused"));
    same_answers(&local, remote);

    // Nothing here but the catalog; and next to no room.
    fs::remove_dir_all(remote.path("cache")).expect("removes");
    let question = QUESTIONS[0];
    let answer = local.run(question);
    let processes: Vec<Child> = (0..4).map(|_| remote.start(question)).collect();
    for process in processes {
        let output = process.wait_with_output().expect("ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), answer, "{}", String::from_utf8_lossy(&output.stderr));
    }
    let config = fs::read_to_string(remote.path("outlay.toml")).expect("reads");
    fs::write(remote.path("outlay.toml"), config.replace("cache = 'cache'", "cache = 'cache'\ncache_gib = 0"))
        .expect("writes");
    same_answers(&local, remote);
    let mut copies = Vec::new();
    each_file(&remote.path("cache"), &mut |path| copies.push(path));
    assert!(copies.iter().all(|path| path.ends_with("door")), "{copies:?}");

    // Nothing here at all: the bucket has what it takes.
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(remote.path(name));
    }
    remote.run(&["recover", "--discard-strays"]);
    same_answers(&local, remote);
    let reconciled = remote.run(&["reconcile"]);
    assert!(reconciled.ends_with("every digit is accounted for\n"), "{reconciled}");
}

fn each_file(folder: &std::path::Path, see: &mut impl FnMut(PathBuf)) {
    for entry in folder.read_dir().expect("is there") {
        let path = entry.expect("is there").path();
        if path.is_dir() { each_file(&path, see) } else { see(path) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_shows_nothing_and_keeps_nothing() {
    let gcs = Gcs::start().await;
    let machine = in_bucket("gs", gcs.variables());
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text(&machine.import("aws", &month("0001", 10, 100, 1))).contains("committed, 100 charges"));
    let (answer, keys) = (machine.run(QUESTIONS[0]), gcs.keys());

    // The charges arrive, the roll-up does not.
    gcs.fail_always(Method::PUT, "daily/", Fault::Answer(403, "AccessDenied"));
    let failed = machine.import("aws", &month("0001", 10, 110, 2));
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed).contains("aws 2026-10: failed"), "{}", text(&failed));
    assert!(
        text(&failed).contains("access is denied (AccessDenied): the credentials must be allowed"),
        "{}",
        text(&failed)
    );
    assert!(!text(&failed).contains(gcs::TOKEN));
    assert_eq!((machine.run(QUESTIONS[0]), gcs.keys()), (answer.clone(), keys.clone()), "what arrived is swept");

    // Nor can what arrived be deleted: it stays invisible, and goes with the first sweep that can.
    gcs.heal();
    gcs.fail_always(Method::PUT, "daily/", Fault::Cut);
    gcs.fail_always(Method::DELETE, "charges/", Fault::Answer(503, "SlowDown"));
    let failed = machine.import("aws", &month("0001", 10, 110, 2));
    assert!(text(&failed).contains("the connection was cut, still after several tries"), "{}", text(&failed));
    assert_eq!(machine.run(QUESTIONS[0]), answer);
    let charges = || gcs.keys().into_iter().filter(|key| key.contains("/charges/")).count();
    assert_eq!(charges(), 2);
    gcs.heal();
    assert!(text(&machine.import("azure", &month("0002", 9, 50, 2))).contains("committed, 50 charges"));
    assert_eq!(charges(), 2, "of aws and of azure");
    assert!(text(&machine.import("aws", &month("0001", 10, 110, 2))).contains("replaces 100 charges"));
    assert_eq!(charges(), 3, "the one that was replaced a moment ago may still be read");

    // Somebody else deletes what is live.
    let live: Vec<String> = gcs.keys().into_iter().filter(|key| key.contains("/daily/azure/")).collect();
    gcs.set_object(&live[0], None);
    fs::remove_dir_all(machine.path("cache")).expect("removes");
    let said = machine.fail(QUESTIONS[0]);
    assert!(said.contains(" is gone from gs://outlay-tests/machines/"), "{said}");
    assert!(said.contains("restore it from a backup, or import its bill again"), "{said}");
    let question = ["spend", "--period", "2026-10", "--group-by", "service", "--format", "csv"];
    assert!(machine.run(&question).lines().count() > 1, "what does not need it is answered");
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_before_any_work() {
    let s3 = |endpoint: &str| {
        variables(&[
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-of-nobody"),
        ])
    };
    let nowhere = Machine::new("s3://outlay-nowhere/x", s3(&needed("TEST_S3_ENDPOINT")));
    assert_eq!(
        nowhere.fail(&["spend"]),
        "outlay: the store cannot be opened: s3://outlay-nowhere/x cannot be read: there is no such bucket: create it, \
         or correct [store] url\n"
    );
    let half = Machine::new("s3://outlay-tests/x", variables(&[("AWS_ACCESS_KEY_ID", "nobody")]));
    assert_eq!(
        half.fail(&["spend"]),
        "outlay: the store cannot be opened: s3://outlay-tests/x cannot be used: AWS_SECRET_ACCESS_KEY is missing\n"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address");
    let unreachable = Machine::new("s3://outlay-tests/x", s3(&format!("http://{free}")));
    let said = unreachable.fail(&["spend"]);
    assert!(said.ends_with("cannot be read: it cannot be reached: look at the network and the endpoint\n"), "{said}");
    assert!(!said.contains("a-secret-of-nobody"), "{said}");
}
