//! A house whose catalog is in PostgreSQL, as whoever runs the binary meets it: the answers are those of one in SQLite.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::bill;
use common::database::{Database, variable};

/// A folder with a house's configuration, and what its commands are given besides.
struct House<'a> {
    folder: &'a Path,
    password: Option<&'a str>,
}

impl House<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().current_dir(self.folder).args(arguments);
        if let Some(password) = self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runs")
    }

    /// What it prints, which must be all it has to say.
    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
        out + &err
    }
}

/// A server that ends with the test.
struct Server {
    process: Child,
    base: String,
}

impl Server {
    fn of(house: &House) -> Self {
        let mut command = house.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut process = command.stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(process.stderr.take().expect("is piped")).lines();
        let base = loop {
            let line = lines.next().expect("it says where it serves").expect("text");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split("/api").next().expect("a base").to_owned();
            }
        };
        // Whatever else it says is read, so that it never waits for a reader, and held against what it must not say.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| assert!(!line.contains("s3cret"), "{line}"))
        });
        Self { process, base }
    }

    async fn get(&self, path: &str) -> (u16, [Option<String>; 2], String) {
        let answer = reqwest::get(format!("{}{path}", self.base)).await.expect("an answer");
        let header = |name| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        let headers = [header("content-type"), header("retry-after")];
        (answer.status().as_u16(), headers, answer.text().await.expect("text"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two months of two sources, a restatement, a line that cannot be read, and one that another source states already.
fn bring_bills(house: &House) -> Vec<String> {
    let write = |name: &str, rows: &[&[(&str, &str)]]| {
        fs::write(house.folder.join(name), bill(rows)).expect("writes");
    };
    let september = [
        ("BillingPeriodStart", "2026-09-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-09-30T00:00:00Z"),
        ("BilledCost", "3"),
    ];
    write("september.csv", &[&september]);
    write(
        "october.csv",
        &[&[("Tags", r#"{"team":"payments"}"#), ("EffectiveCost", "1234.5")], &[("BilledCost", "-0.25")]],
    );
    write(
        "restated.csv",
        &[&[("Tags", r#"{"team":"payments"}"#), ("EffectiveCost", "1234.6")], &[("BilledCost", "-0.5")]],
    );
    write("gcp.csv", &[&[("ProviderName", "Google"), ("BillingAccountId", "Ä-1"), ("ServiceName", "BigQuery")]]);
    write("odd.csv", &[&[], &[("BilledCost", "1,5")]]);
    let import = |source: &str, file: &str, code: i32| {
        house.says(&["import", "--source", source, "--kind", "focus", file], code)
    };
    vec![
        import("aws", "september.csv", 0),
        import("aws", "october.csv", 0),
        import("aws", "october.csv", 0),
        import("aws", "restated.csv", 0),
        import("gcp", "gcp.csv", 0),
        import("copy", "restated.csv", 1),
        import("odd", "odd.csv", 1),
    ]
}

fn ask(house: &House) -> Vec<String> {
    [
        &["spend", "--period", "2026", "--group-by", "team,service", "--format", "json"][..],
        &["spend", "--period", "2026", "--group-by", "provider,billing_account,source", "--format", "csv"],
        &["spend", "--period", "2026-10", "--granularity", "day", "--metric", "billed", "--format", "csv"],
        &["reconcile"],
    ]
    .iter()
    .map(|arguments| house.says(arguments, 0))
    .collect()
}

#[tokio::test]
async fn a_house_over_postgres_gives_the_answers_of_one_over_sqlite() {
    let database = Database::create("house");
    let (address, password) = database.address();
    let folder = tempfile::tempdir().expect("a folder");
    let house = |name: &str, catalog: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("outlay.toml"), format!("[catalog]\nurl = '{catalog}'\n")).expect("writes");
        folder
    };
    let (sqlite, postgres) = (house("sqlite", "sqlite://catalog.db"), house("postgres", &address));
    let sqlite = House { folder: &sqlite, password: None };
    let postgres = House { folder: &postgres, password: Some(&password) };

    assert_eq!(bring_bills(&postgres), bring_bills(&sqlite));
    let answers = ask(&postgres);
    assert_eq!(answers, ask(&sqlite));
    assert!(answers[0].contains("1234.6") && answers[1].contains("Ä-1"), "{answers:?}");
    assert!(!postgres.folder.join("catalog.db").exists() && !postgres.folder.join("outlay-data/catalog.db").exists());

    let server = Server::of(&postgres);
    let spend = "/api/v1/spend?period=2026&group_by=team,service";
    let (status, _, answer) = server.get(spend).await;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!((status, json(&answer)), (200, json(&answers[0])));
    // What was thrown out comes in again, unnoticed.
    database.throw_out();
    assert_eq!(server.get(spend).await.2, answer);

    database.shut();
    for path in [spend, "/readyz"] {
        let (status, headers, problem) = server.get(path).await;
        let [kind, again] = headers.each_ref().map(Option::as_deref);
        assert_eq!((status, kind, again), (503, Some("application/problem+json"), Some("5")), "{problem}");
        assert!(problem.contains(r#""code":"unavailable""#) && !problem.contains("s3cret"), "{problem}");
    }
    assert_eq!(server.get("/healthz").await.0, 200, "it is not the server that ails");
    let failed = postgres.says(&["spend"], 1);
    assert!(failed.contains("the catalog is not available") && failed.contains("not currently accepting"), "{failed}");
    database.open();
    assert_eq!(server.get("/readyz").await.0, 200);
    assert_eq!(server.get(spend).await.2, answer);
}

#[test]
fn a_password_is_asked_for_where_it_belongs() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = variable("TEST_POSTGRES_URL");
    let house = House { folder: folder.path(), password: None };
    let config = folder.path().join("outlay.toml");
    fs::write(&config, format!("[catalog]\nurl = '{url}'\n")).expect("writes");
    let refused = house.says(&["spend"], 2);
    assert!(refused.contains("outlay.toml:2: catalog.url: holds a password"), "{refused}");
    assert!(refused.contains("PGPASSWORD") && !refused.contains("s3cret"), "{refused}");

    fs::write(&config, "").expect("writes");
    let printed = house.command(&["config", "print"]).env("OUTLAY_CATALOG__URL", &url).output().expect("runs");
    let printed = String::from_utf8(printed.stdout).expect("text");
    assert!(printed.contains("postgres://outlay@127.0.0.1") && !printed.contains("s3cret"), "{printed}");

    let (database, password) = (Database::create("password"), house.folder.join("passwords"));
    let (address, secret) = database.address();
    fs::write(&password, format!("*:*:*:*:{}\n", secret.replace(':', "\\:"))).expect("writes");
    let mut permissions = fs::metadata(&password).expect("is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&password, permissions).expect("only mine");
    let mut command = house.command(&["reconcile"]);
    let run = command.env("OUTLAY_CATALOG__URL", address).env("PGPASSFILE", &password).output().expect("runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
