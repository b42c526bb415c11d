use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use outlay_model::SourceName;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::Variables;
use crate::http::Http;
use crate::http::teller::{Tale, Teller};

/// A copy of an export, file by file.
struct Tree {
    folder: TempDir,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self { folder: tempdir().expect("a folder") };
        files.iter().for_each(|(name, text)| tree.write(name, text));
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        fs::write(path, text).expect("writes");
    }

    fn collector(&self) -> Arc<dyn Collector> {
        let settings = format!("url = 'file://{}'", self.path("focus").display());
        let settings: DataExportSettings = toml::from_str(&settings).expect("reads");
        assert_eq!(settings.problems(), []);
        settings.connect(context(Variables::default())).expect("connects")
    }

    async fn listed(&self) -> Vec<Listed> {
        self.collector().deliveries(window("2026-01-01", "2026-11-22")).await.expect("lists").deliveries
    }

    /// What a delivery's files hold, or why it has none.
    async fn collected(&self, month: &str) -> Result<Vec<String>, String> {
        let listed = self.listed().await.into_iter().find(|listed| listed.key.as_str() == month).expect("is listed");
        let scratch = tempdir().expect("a folder");
        let collected = self
            .collector()
            .collect(&listed, scratch.path())
            .await
            .map_err(|error| error.to_string().replace(&self.folder.path().display().to_string(), ""))?;
        assert_eq!(collected.format.kind(), "focus");
        Ok(collected.files.iter().map(|file| fs::read_to_string(&file.path).expect("reads")).collect())
    }
}

fn context(variables: Variables) -> Context {
    Context {
        source: SourceName::parse("aws").expect("a name"),
        variables: Arc::new(variables),
        http: Http::new(Default::default(), Default::default(), Default::default()).expect("builds"),
        purse: Arc::new(crate::purse::Empty),
        today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
        clock: Default::default,
    }
}

fn window(from: &str, to: &str) -> DateRange {
    let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
    DateRange::new(day(from), day(to)).expect("a range")
}

fn manifest(files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("\"s3://bills/exports/focus/{file}\"")).collect();
    format!("{{\"exportName\":\"focus\",\"tableName\":\"FOCUS_1_2_AWS\",\"dataFiles\":[{}]}}", files.join(","))
}

const MANIFEST: &str = "focus/metadata/BILLING_PERIOD=2026-10/focus-Manifest.json";

#[tokio::test]
async fn only_what_the_manifest_lists_is_of_the_bill() {
    let tree = Tree::new(&[
        ("focus/data/BILLING_PERIOD=2026-10/focus-00001.csv", "one"),
        ("focus/data/BILLING_PERIOD=2026-10/focus-00002.csv", "two"),
        ("focus/data/BILLING_PERIOD=2026-10/focus-00003.csv", "of a longer run"),
        ("focus/data/billing_period=2026-11/focus-00001.csv", "november"),
        (
            MANIFEST,
            &manifest(&["data/BILLING_PERIOD=2026-10/focus-00002.csv", "data/BILLING_PERIOD=2026-10/focus-00001.csv"]),
        ),
        (
            "focus/metadata/billing_period=2026-11/focus-Manifest.json",
            &manifest(&["data/billing_period=2026-11/focus-00001.csv"]),
        ),
        ("focus/metadata/BILLING_PERIOD=2025-12/focus-Manifest.json", "long ago"),
    ]);
    let listed = tree.listed().await;
    let keys: Vec<&str> = listed.iter().map(|listed| listed.key.as_str()).collect();
    assert_eq!(keys, ["2026-11", "2026-10"]);
    assert_eq!(listed[1].days, Some(window("2026-10-01", "2026-11-01")));
    assert_eq!(listed[1].bytes, Some(6));
    assert_eq!(tree.collected("2026-10").await.expect("comes"), ["two", "one"]);
    assert_eq!(tree.collected("2026-11").await.expect("comes"), ["november"]);
    let notes = tree.collector().check().await.expect("is fine").notes;
    assert_eq!(notes[0], "a Data Export with 3 billing periods, 2025-12 to 2026-11");
    assert!(notes[1].starts_with("2026-11: focus (FOCUS_1_2_AWS), 1 files, 1 MiB, written 20"), "{notes:?}");
}

#[tokio::test]
async fn an_edition_is_told_from_another_by_any_of_its_files() {
    let file = "focus/data/BILLING_PERIOD=2026-10/focus-00001.csv";
    let tree = Tree::new(&[(file, "one"), (MANIFEST, &manifest(&["data/BILLING_PERIOD=2026-10/focus-00001.csv"]))]);
    let edition = || async { tree.listed().await[0].edition.clone().expect("is known") };
    let first = edition().await;
    assert_eq!(first, edition().await);
    tree.write(file, "more");
    let second = edition().await;
    assert_ne!(first, second);
    tree.write(MANIFEST, &manifest(&["data/BILLING_PERIOD=2026-10/focus-00001.csv"]).replace("}", " }"));
    assert_ne!(second, edition().await);
}

#[tokio::test]
async fn the_newest_run_wins_whenever_it_was_copied() {
    let run = |day: u32| format!("2026-10-{day:02}T20:16:37.306Z-3695a728-d559-40bd-ac30-ffc97b552489");
    let tree = Tree::new(&[]);
    // The older is copied last.
    for day in [19, 18] {
        let (run, month) = (run(day), "BILLING_PERIOD=2026-10");
        tree.write(&format!("focus/data/{month}/{run}/focus-00001.csv"), &format!("of day {day}"));
        let text = manifest(&[&format!("data/{month}/{run}/focus-00001.csv")]);
        tree.write(&format!("focus/metadata/{month}/{run}/focus-Manifest.json"), &text);
    }
    assert_eq!(tree.collected("2026-10").await.expect("comes"), ["of day 19"]);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_and_the_rest_is_none_the_worse() {
    let tree = Tree::new(&[
        ("focus/data/BILLING_PERIOD=2026-10/focus-00001.csv", "one"),
        (
            MANIFEST,
            &manifest(&["data/BILLING_PERIOD=2026-10/focus-00001.csv", "data/BILLING_PERIOD=2026-10/focus-00002.csv"]),
        ),
        ("focus/metadata/BILLING_PERIOD=2026-09/focus-Manifest.json", "<html>Sorry</html>"),
        ("focus/metadata/BILLING_PERIOD=2026-08/focus-Manifest.json", "{\"dataFiles\":[\"x\"]"),
        (
            "focus/metadata/BILLING_PERIOD=2026-07/focus-Manifest.json",
            "{\"dataFiles\":[],\"tableName\":\"FOCUS_1_0_AWS\"}",
        ),
        (
            "focus/metadata/BILLING_PERIOD=2026-06/focus-Manifest.json",
            "{\"dataFiles\":[\"x\"],\"tableName\":\"CARBON_EMISSIONS\"}",
        ),
        ("focus/metadata/BILLING_PERIOD=2026-05/notes.txt", "no manifest yet"),
    ]);
    assert_eq!(tree.listed().await.len(), 5);
    for (month, expected) in [
        (
            "2026-10",
            "/focus/data/BILLING_PERIOD=2026-10/focus-00002.csv: is not there; /focus/metadata/BILLING_PERIOD=2026-10/focus-Manifest.json lists it",
        ),
        (
            "2026-09",
            "/focus/metadata/BILLING_PERIOD=2026-09/focus-Manifest.json: an HTML page came where JSON was expected",
        ),
        ("2026-08", "/focus/metadata/BILLING_PERIOD=2026-08/focus-Manifest.json: the JSON is cut short"),
        ("2026-07", "/focus/metadata/BILLING_PERIOD=2026-07/focus-Manifest.json: it lists no files; wait"),
        (
            "2026-06",
            "/focus/metadata/BILLING_PERIOD=2026-06/focus-Manifest.json: neither its table nor its columns are those",
        ),
    ] {
        let said = tree.collected(month).await.expect_err("fails");
        assert!(said.starts_with(expected), "{said}");
    }
}

#[tokio::test]
async fn a_url_that_is_not_an_export_says_what_is_there() {
    for (file, expected) in [
        ("focus/daily/metadata/x", "there are daily: give the url of the export itself"),
        ("other/metadata/x", "correct url, or wait for the export's first delivery (up to 24 hours)"),
        ("other/x", "correct url, or wait for the export's first delivery (up to 24 hours)"),
    ] {
        let tree = Tree::new(&[(file, "")]);
        let said = tree.collector().check().await.expect_err("is none").to_string();
        assert!(said.starts_with("an export at ") && said.ends_with(expected), "{said}");
    }
}

fn page(folders: &[&str], objects: &[(&str, &str)]) -> Tale {
    let folders: String =
        folders.iter().map(|name| format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>")).collect();
    let objects: String = objects
        .iter()
        .map(|(key, time)| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-10-19T{time}.000Z</LastModified><ETag>e</ETag><Size>4</Size></Contents>"
            )
        })
        .collect();
    Tale::ok(&format!("<ListBucketResult><IsTruncated>false</IsTruncated>{folders}{objects}</ListBucketResult>"))
}

#[tokio::test]
async fn a_file_of_a_run_that_is_still_written_is_not_taken() {
    let (data, metadata) =
        ("exports/focus/data/BILLING_PERIOD=2026-10/", "exports/focus/metadata/BILLING_PERIOD=2026-10/");
    let listed = Listed {
        key: DeliveryKey::new("2026-10"),
        days: None,
        edition: None,
        place: "the manifest".to_owned(),
        bytes: None,
    };
    for (bucket, time, taken) in
        [("bills", "10:00:00", true), ("bills", "10:00:01", false), ("original", "10:00:01", true)]
    {
        let text = manifest(&["data/BILLING_PERIOD=2026-10/1.csv"]).replace("bills", bucket);
        let root = || page(&["exports/focus/data/", "exports/focus/metadata/"], &[]);
        let s3 = Teller::start(vec![
            root(),
            root(),
            page(&[metadata], &[]),
            page(&[], &[(&format!("{metadata}focus-Manifest.json"), "10:00:00")]),
            Tale::ok(&text),
            page(&[], &[(&format!("{data}1.csv"), time)]),
            Tale::ok("bill"),
            Tale::ok(&text),
        ])
        .await;
        let variables =
            [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_ENDPOINT_URL", s3.url.as_str())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let settings: DataExportSettings = toml::from_str("url = 's3://bills/exports/focus'").expect("reads");
        let collector = settings.connect(context(Variables(variables))).expect("connects");
        let scratch = tempdir().expect("a folder");
        match collector.collect(&listed, scratch.path()).await {
            Ok(collected) => assert!(taken && collected.files.len() == 1, "{bucket} {time}"),
            Err(CollectError::Fetch(FetchError::Changed { place })) => {
                assert!(!taken && place == format!("s3://bills/{data}1.csv"), "{bucket} {time}: {place}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn settings_are_read_with_those_of_aws() {
    let read = |text: &str| toml::from_str::<DataExportSettings>(text);
    let settings = read("url = 's3://bills/focus'\nrole_arn = 'nobody'\nregion = 'eu-central-1'").expect("reads");
    assert_eq!(settings.problems().len(), 1);
    assert_eq!(settings.problems()[0].0, "role_arn");
    let error = read("url = 's3://bills/focus'\nrole = 'x'").expect_err("is not known");
    assert!(error.message().contains("unknown field `role`"), "{error}");
}
