use std::fs;
use std::path::PathBuf;

use outlay_model::SourceName;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::Variables;
use crate::http::Http;

/// Copies of exports, file by file.
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

    fn collector_of(&self, keys: &[(&str, &str)]) -> Arc<dyn Collector> {
        let line = |(key, name): &(&str, &str)| format!("{key} = 'file://{}'", self.path(name).display());
        let settings = keys.iter().map(line).collect::<Vec<_>>().join("\n");
        let settings: AzureExportSettings = toml::from_str(&settings).expect("reads");
        assert_eq!(settings.problems(), []);
        settings.connect(context()).expect("connects")
    }

    fn collector(&self) -> Arc<dyn Collector> {
        self.collector_of(&[("url", "focus")])
    }

    async fn listed(&self) -> Vec<Listed> {
        self.collector().deliveries(window("2026-01-01", "2026-11-22")).await.expect("lists").deliveries
    }

    /// What a delivery's files hold, or why it has none.
    async fn collected(&self, month: &str) -> Result<Vec<String>, String> {
        self.collected_by(&*self.collector(), month).await.map(|(_, texts)| texts)
    }

    async fn collected_by(&self, collector: &dyn Collector, month: &str) -> Result<(Collected, Vec<String>), String> {
        let listed = collector.deliveries(window("2026-01-01", "2026-11-22")).await.expect("lists").deliveries;
        let listed = listed.into_iter().find(|listed| listed.key.as_str() == month).expect("is listed");
        let scratch = tempdir().expect("a folder");
        let collected = collector
            .collect(&listed, scratch.path())
            .await
            .map_err(|error| error.to_string().replace(&self.folder.path().display().to_string(), ""))?;
        let texts = collected.files.iter().map(|file| fs::read_to_string(&file.path).expect("reads")).collect();
        Ok((collected, texts))
    }
}

fn context() -> Context {
    Context {
        source: SourceName::parse("azure").expect("a name"),
        variables: Arc::new(Variables::default()),
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

/// A manifest of a run that was started then, of files with these bytes and rows.
fn manifest(kind: &str, submitted: &str, blobs: &[(&str, usize, u64)]) -> String {
    let listed: Vec<String> = blobs
        .iter()
        .map(|(name, bytes, rows)| {
            format!(r#"{{"blobName":"root/focus/{name}","byteCount":{bytes},"dataRowCount":{rows}}}"#)
        })
        .collect();
    let (bytes, rows): (usize, u64) = (blobs.iter().map(|blob| blob.1).sum(), blobs.iter().map(|blob| blob.2).sum());
    format!(
        r#"{{"manifestVersion":"2024-04-01","byteCount":{bytes},"blobCount":{},"dataRowCount":{rows},
        "exportConfig":{{"exportName":"focus","dataVersion":"1.0r2","type":"{kind}"}},
        "deliveryConfig":{{"dataOverwriteBehavior":"CreateNewReport"}},
        "runInfo":{{"submittedTime":"{submitted}","runId":"r","startDate":"2026-10-01T00:00:00","endDate":"2026-10-31T00:00:00"}},
        "blobs":[{}]}}"#,
        blobs.len(),
        listed.join(",")
    )
}

const MONTH: &str = "20261001-20261031";

#[tokio::test]
async fn the_newest_run_counts_whenever_it_was_copied() {
    let tree = Tree::new(&[]);
    // The older run is copied last, and the names of folders say nothing.
    for (run, submitted) in
        [("b", "2026-10-19T05:43:59.1Z"), ("a", "2026-10-20T05:43:59.1"), ("c", "2026-10-18T05:43:59+00:00")]
    {
        let text = format!("of {run}");
        let name = format!("{MONTH}/202610200543/{run}/part_0_0001.csv");
        tree.write(&format!("focus/{name}"), &text);
        let text = manifest("FocusCost", submitted, &[(&name, text.len(), 0)]);
        tree.write(&format!("focus/{MONTH}/202610200543/{run}/manifest.json"), &text);
    }
    assert_eq!(tree.collected("2026-10").await.expect("comes"), ["of a"]);
    let listed = tree.listed().await;
    assert_eq!(listed[0].days, Some(window("2026-10-01", "2026-11-01")));
    assert_eq!(listed[0].bytes, Some(4));
    let notes = tree.collector().check().await.expect("is fine").notes;
    assert_eq!(notes[0], "one month, 2026-10");
    assert!(notes[1].starts_with("2026-10: FocusCost 1.0r2, 1 files, 1 MiB, written 20"), "{notes:?}");
}

#[tokio::test]
async fn only_what_the_manifest_lists_is_of_the_bill() {
    let name = |part: u32| format!("{MONTH}/run/part_0_000{part}.csv");
    let tree = Tree::new(&[
        ("focus/20261001-20261031/run/part_0_0001.csv", "one"),
        ("focus/20261001-20261031/run/part_0_0002.csv", "two"),
        ("focus/20261001-20261031/run/part_0_0003.csv", "of a longer run"),
        ("focus/20261001-20261015/run/part_0_0001.csv", "of half a month"),
        ("focus/20260901-20260930/run/part_0_0001.csv", "no manifest yet"),
        ("focus/20260101-20260331/run/part_0_0001.csv", "of a quarter"),
    ]);
    let text = manifest("FocusCost", "2026-10-20T05:43:59Z", &[(&name(2), 3, 1), (&name(1), 3, 2)]);
    tree.write(&format!("focus/{MONTH}/run/manifest.json"), &text);
    let (collected, texts) = tree.collected_by(&*tree.collector(), "2026-10").await.expect("comes");
    assert_eq!(texts, ["two", "one"]);
    assert_eq!(collected.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(collected.format.kind(), "focus");
    assert_eq!(collected.notes, ["1 files of other runs lie next to the bill and are not of it"]);
    assert_eq!(tree.listed().await.len(), 1, "a month without a manifest is still to come");
    let notes = tree.collector().check().await.expect("is fine").notes;
    assert_eq!(notes[0], "2 months, 2026-09 to 2026-10");
    assert_eq!(notes[1], "20260101-20260331: not a month, so not collected; export whole months");
}

#[tokio::test]
async fn an_edition_is_told_from_another_by_any_of_its_files() {
    let name = format!("{MONTH}/part_0_0001.csv");
    let listing = format!("focus/{MONTH}/manifest.json");
    let tree = Tree::new(&[
        (&format!("focus/{name}"), "one"),
        (&listing, &manifest("FocusCost", "2026-10-20T05:43:59Z", &[(&name, 3, 1)])),
    ]);
    let edition = || async { tree.listed().await[0].edition.clone() };
    let first = edition().await;
    assert!(first.is_some());
    assert_eq!(first, edition().await);
    tree.write(&listing, &manifest("FocusCost", "2026-10-21T05:43:59Z", &[(&name, 3, 1)]));
    assert_ne!(first, edition().await);
}

#[tokio::test]
async fn a_run_that_is_not_whole_is_told() {
    let name = format!("{MONTH}/run/part_0_0001.csv");
    let when = "2026-10-20T05:43:59Z";
    let other = |text: &str, with: &str| manifest("FocusCost", when, &[(&name, 3, 1)]).replace(text, with);
    for (text, expected) in [
        (
            manifest("FocusCost", when, &[(&name, 4, 1)]),
            "/part_0_0001.csv: has 3 bytes, and /focus/20261001-20261031/run/manifest.json says 4; it did not arrive whole",
        ),
        (
            manifest("FocusCost", when, &[(&name, 3, 1), ("20261001-20261031/run/part_0_0002.csv", 1, 1)]),
            "/part_0_0002.csv: is not there; /focus/20261001-20261031/run/manifest.json lists it",
        ),
        (other("\"blobCount\":1", "\"blobCount\":2"), "/manifest.json: it says that there are 2 files, and lists 1"),
        (
            other("{\"manifestVersion\":\"2024-04-01\",\"byteCount\":3", "{\"byteCount\":30"),
            "/manifest.json: it says that there are 30 bytes, and lists 3",
        ),
        (
            other("\"dataRowCount\":1,\n", "\"dataRowCount\":10,\n"),
            "/manifest.json: it says that there are 10 rows, and lists 1",
        ),
        (
            manifest("PriceSheet", when, &[(&name, 3, 1)]),
            "/manifest.json: it is of an export of PriceSheet, which is no cost",
        ),
        ("<html>Log in</html>".to_owned(), "/manifest.json: an HTML page came where JSON was expected"),
        ("{\"blobs\":[".to_owned(), "/manifest.json: the JSON is cut short"),
    ] {
        let tree =
            Tree::new(&[(&format!("focus/{name}"), "one"), (&format!("focus/{MONTH}/run/manifest.json"), &text)]);
        let said = tree.collected("2026-10").await.expect_err("fails");
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn what_is_said_of_all_files_is_said_of_the_only_one() {
    let name = format!("{MONTH}/run/part_0_0001.csv");
    let blob = format!(r#""blobs":[{{"blobName":"root/focus/{name}"}}]"#);
    let text = format!(r#"{{"byteCount":3,"dataRowCount":7,"exportConfig":{{"type":"FocusCost"}},{blob}}}"#);
    let tree = Tree::new(&[(&format!("focus/{name}"), "one"), (&format!("focus/{MONTH}/run/manifest.json"), &text)]);
    let (collected, _) = tree.collected_by(&*tree.collector(), "2026-10").await.expect("comes");
    assert_eq!(collected.files[0].rows, Some(7));
    tree.write(&format!("focus/{name}"), "none");
    let said = tree.collected("2026-10").await.expect_err("fails");
    assert!(said.contains("part_0_0001.csv: has 4 bytes, and "), "{said}");
}

#[tokio::test]
async fn a_month_without_charges_is_none_yet() {
    let empty = manifest("FocusCost", "2026-11-01T05:43:59Z", &[]);
    let tree = Tree::new(&[(&format!("focus/{MONTH}/run/manifest.json"), &empty)]);
    assert_eq!(tree.listed().await, []);
    let notes = tree.collector().check().await.expect("is fine").notes;
    assert_eq!(notes, ["one month, 2026-10", "2026-10: nothing is in it yet"]);
    // Not where there was something before.
    let name = format!("{MONTH}/earlier/part_0_0001.csv");
    tree.write(&format!("focus/{name}"), "one");
    let text = manifest("FocusCost", "2026-10-31T05:43:59Z", &[(&name, 3, 1)]);
    tree.write(&format!("focus/{MONTH}/earlier/manifest.json"), &text);
    let said = tree.collected("2026-10").await.expect_err("fails");
    assert!(said.contains("the newest run has no files, though an earlier one has"), "{said}");
}

const ONE: &str = "5e5e1c6e-6f3a-4d2e-9c0a-000000000001";
const TWO: &str = "5e5e1c6e-6f3a-4d2e-9c0a-000000000002";

#[tokio::test]
async fn of_exports_without_manifests_the_newest_file_counts() {
    let tree = Tree::new(&[]);
    let parts = [format!("{TWO}_part_0_0001"), format!("{TWO}_part_0_0002"), ONE.to_owned()];
    for (place, run) in parts.iter().enumerate() {
        let name = format!("actual/{MONTH}/actual_{run}.csv");
        tree.write(&name, &format!("Date,Cost\n{place}"));
        let since = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000 - place as u64);
        fs::File::options().write(true).open(tree.path(&name)).expect("opens").set_modified(since).expect("is set");
    }
    let collector = tree.collector_of(&[("url", "actual")]);
    let (collected, texts) = tree.collected_by(&*collector, "2026-10").await.expect("comes");
    assert_eq!(texts, ["Date,Cost\n0", "Date,Cost\n1"]);
    assert_eq!(collected.format.kind(), "azure_cost");
    assert!(collected.files.iter().all(|file| file.statement == Some(Statement::Actual)), "by the export's name");
    tree.write(&format!("bills/{MONTH}/bills_{ONE}.csv"), "BilledCost,ChargePeriodStart\n1,2");
    let collector = tree.collector_of(&[("url", "bills")]);
    let (collected, _) = tree.collected_by(&*collector, "2026-10").await.expect("comes");
    assert_eq!(collected.format.kind(), "focus");
}

#[tokio::test]
async fn two_exports_are_one_delivery() {
    let tree = Tree::new(&[]);
    for (export, kind, months) in [
        ("actual", "ActualCost", &["20261001-20261031", "20260901-20260930"][..]),
        ("shared", "AmortizedCost", &["20261001-20261031", "20260801-20260831"]),
    ] {
        for month in months {
            let name = format!("{month}/run/part_0_0001.csv");
            tree.write(&format!("{export}/{name}"), kind);
            let text = manifest(kind, "2026-10-20T05:43:59Z", &[(&name, kind.len(), 1)]);
            tree.write(&format!("{export}/{month}/run/manifest.json"), &text);
        }
    }
    let collector = tree.collector_of(&[("url", "actual"), ("amortized_url", "shared")]);
    let (collected, texts) = tree.collected_by(&*collector, "2026-10").await.expect("comes");
    assert_eq!(texts, ["ActualCost", "AmortizedCost"]);
    let statements: Vec<_> = collected.files.iter().map(|file| file.statement).collect();
    assert_eq!(statements, [Some(Statement::Actual), Some(Statement::Amortised)]);
    assert_eq!(collected.format.kind(), "azure_cost");
    let notes = collector.check().await.expect("is fine").notes;
    assert_eq!(
        notes[1],
        "2026-08, 2026-09: in one of url and amortized_url only, so not collected; run the other export for it"
    );
    assert!(
        notes[2].starts_with("2026-10: ActualCost 1.0r2") && notes[3].starts_with("2026-10: AmortizedCost"),
        "{notes:?}"
    );

    let swapped = tree.collector_of(&[("url", "shared"), ("amortized_url", "actual")]);
    let said = tree.collected_by(&*swapped, "2026-10").await.expect_err("fails");
    assert!(said.contains("it is an export of AmortizedCost, where url has to be one of ActualCost"), "{said}");
    let alone = tree.collector_of(&[("url", "shared")]);
    assert_eq!(tree.collected_by(&*alone, "2026-08").await.expect("comes").1, ["AmortizedCost"]);
}

#[tokio::test]
async fn a_url_that_is_not_an_export_says_what_is_there() {
    for (file, expected) in [
        ("focus/daily/20261001-20261031/x", "there are daily: give the url of the export itself"),
        ("other/20261001-20261031/x", "correct url, or wait for the export's first run (up to a day), or run it now"),
    ] {
        let tree = Tree::new(&[(file, "")]);
        let said = tree.collector().check().await.expect_err("is none").to_string();
        assert!(said.starts_with("an export at ") && said.ends_with(expected), "{said}");
    }
}

#[test]
fn settings_are_read_with_those_of_azure() {
    let read = |text: &str| toml::from_str::<AzureExportSettings>(text);
    let url = "url = 'https://acme1.blob.core.windows.net/bills/focus'";
    let settings = read(&format!(
        "{url}\naccount_key_file = 'key'\nsas_token_env = 'sv=2'\ntenant_id = 'a b'\namortized_url = 'x'"
    ))
    .expect("reads");
    let keys: Vec<&str> = settings.problems().iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["amortized_url", "sas_token_env", "sas_token_env", "tenant_id"]);
    let error = read(&format!("{url}\nrole = 'x'")).expect_err("is not known");
    assert!(error.message().contains("unknown field `role`"), "{error}");
}
