use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::SourceName;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::collector::{Connect, Variables};
use crate::http::teller::{Tale, Teller};
use crate::http::{Http, HttpSettings};
use crate::registry;

const SECRET: &str = "AVerySecretToken";

/// A machine with a key, and a source that collects a bucket.
struct House {
    folder: TempDir,
    collector: Arc<dyn Collector>,
}

impl House {
    /// Where `tokens` gives tokens and `storage` is Cloud Storage.
    fn new(tokens: &Teller, storage: &Teller, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut key: Value =
            serde_json::from_str(include_str!("../google/fixtures/service_account.json")).expect("is JSON");
        key["token_uri"] = format!("{}/token", tokens.url).into();
        let path = folder.path().join("key.json");
        std::fs::write(&path, key.to_string()).expect("writes");
        let http = HttpSettings { attempts: 2, first_wait_milliseconds: 1, ..HttpSettings::default() };
        let context = Context {
            source: SourceName::parse("gcp").expect("a name"),
            variables: Arc::new(Variables(BTreeMap::new())),
            http: Http::new(http, Default::default(), Default::default()).expect("builds"),
            purse: Arc::new(crate::purse::Empty),
            today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
            clock: || DateTime::<Utc>::from_timestamp(1_795_300_000, 0).expect("a time"),
        };
        let settings = format!(
            "url = 'gs://bills/gcp'\nendpoint = '{}'\ncredentials_file = '{}'\n{settings}",
            storage.url,
            path.display()
        );
        let kind = registry::kind("gcp_billing_file").expect("a kind");
        let Connect::Charges(connect) = kind.connect else { panic!("it brings bills") };
        let collector = connect(&toml::from_str(&settings).expect("reads"), context).expect("connects");
        Self { folder, collector }
    }

    async fn listed(&self) -> Result<Vec<Listed>, CollectError> {
        let month = DateRange::new(
            NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day"),
            NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day"),
        );
        Ok(self.collector.deliveries(month.expect("a month")).await?.deliveries)
    }

    async fn refusal(&self) -> String {
        let error = self.listed().await.expect_err("is refused");
        let text = error.to_string();
        assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{error:?}");
        text
    }
}

fn token(number: u32) -> Tale {
    let token = format!("{SECRET}-{number}");
    Tale::ok(&json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).to_string())
}

fn item(name: &str, size: usize, generation: &str) -> Value {
    json!({"name": name, "size": size.to_string(), "updated": "2026-11-02T08:00:00.123Z", "generation": generation})
}

fn page(items: &[Value], next: Option<&str>) -> Tale {
    let mut page = json!({"kind": "storage#objects", "items": items});
    if let Some(next) = next {
        page["nextPageToken"] = next.into();
    }
    Tale::ok(&page.to_string())
}

fn refused(status: u16, reason: &str, message: &str) -> Tale {
    let error =
        json!({"error": {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}});
    Tale::status(status, &error.to_string())
}

#[tokio::test]
async fn a_bucket_is_listed_to_its_end() {
    let tokens = Teller::start(vec![token(1)]).await;
    let storage = Teller::start(vec![
        page(&[item("gcp/202610/a.jsonl.gz", 7, "1"), item("gcp/202610/b.json", 8, "2")], Some("a b/c")),
        page(
            &[
                item("gcp/202611/c.CSV", 9, "3"),
                item("gcp/202611/empty.json", 0, "4"),
                item("gcp/.hidden/d.csv", 1, "5"),
                item("gcp/readme.txt", 1, "6"),
                item("gcp/202611/", 0, "7"),
            ],
            None,
        ),
    ])
    .await;
    let house = House::new(&tokens, &storage, "delivery = 'folder'");
    let listed = house.listed().await.expect("lists");
    let told: Vec<_> = listed.iter().map(|one| (one.key.as_str(), one.place.as_str(), one.bytes)).collect();
    assert_eq!(told, [("202611", "gs://bills/gcp/202611", Some(9)), ("202610", "gs://bills/gcp/202610", Some(15))]);
    let heard = storage.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard[0].starts_with("GET /storage/v1/b/bills/o?prefix=gcp%2F&fields="), "{heard:?}");
    assert!(heard[1].contains("&pageToken=a+b%2Fc "), "{heard:?}");
    let bearer = format!("authorization: Bearer {SECRET}-1");
    assert!(heard.iter().all(|request| request.contains(&bearer)), "{heard:?}");
    assert!(tokens.heard()[0].contains("assertion="), "asked with the key's signature");
}

#[tokio::test]
async fn an_object_is_brought_as_it_was_listed() {
    let rows = "{\"cost\":1}\n";
    let listing = || page(&[item("gcp/a b.json", rows.len(), "17")], None);
    let media =
        |generation: &str| Tale::Answer(200, vec![("x-goog-generation", generation.to_owned())], rows.to_owned());
    let tokens = Teller::start(vec![token(1)]).await;
    let storage = Teller::start(vec![
        listing(),
        listing(),
        media("17"),
        listing(),
        media("18"),
        listing(),
        Tale::status(412, "no"),
    ])
    .await;
    let house = House::new(&tokens, &storage, "");
    let listed = house.listed().await.expect("lists").remove(0);
    assert_eq!((listed.key.as_str(), listed.place.as_str()), ("a b.json", "gs://bills/gcp/a b.json"));
    let collected = house.collector.collect(&listed, house.folder.path()).await.expect("is brought");
    assert_eq!(std::fs::read_to_string(&collected.files[0].path).expect("is there"), rows);
    assert_eq!(collected.format.kind(), "gcp_billing");
    let asked = &storage.heard()[2];
    assert!(asked.starts_with("GET /storage/v1/b/bills/o/gcp%2Fa%20b.json?alt=media&ifGenerationMatch=17 "), "{asked}");
    assert!(asked.contains("accept-encoding: gzip"), "packed objects come as they are kept: {asked}");
    for why in ["another generation came", "the condition does not hold"] {
        let error = house.collector.collect(&listed, house.folder.path()).await.expect_err(why).to_string();
        assert!(error.contains("gs://bills/gcp/a b.json: was replaced while it was read"), "{why}: {error}");
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let not = "bills@finance does not have storage.objects.list access to the bucket.";
    let cases = [
        (refused(403, "forbidden", not), "grant storage.objects.list and storage.objects.get on gs://bills"),
        (refused(404, "notFound", "The specified bucket does not exist."), "is not there; there is no such bucket"),
        (Tale::status(403, "Access denied."), "HTTP 403; grant storage.objects.list"),
        (Tale::ok("<!doctype html>"), "an HTML page came where JSON was expected"),
        (Tale::ok("{\"kind\":\"storage#bucket\"}"), "what came is not a listing of Cloud Storage"),
        (page(&[], None), "no such file, or a folder or pattern without"),
        (page(&[item("gcp/a.csv", 1, "1")], Some("same")), "the listing does not say how it goes on"),
    ];
    for (tale, expected) in cases {
        let (tokens, storage) = (Teller::start(vec![token(1)]).await, Teller::start(vec![tale]).await);
        let text = House::new(&tokens, &storage, "").refusal().await;
        assert!(text.starts_with("gs://bills/gcp/: ") && text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_asked_for_again() {
    let tokens = Teller::start(vec![token(1), token(2)]).await;
    let expired = refused(401, "authError", "Invalid Credentials");
    let storage = Teller::start(vec![expired, page(&[item("gcp/a.csv", 1, "1")], None)]).await;
    assert_eq!(House::new(&tokens, &storage, "").listed().await.expect("lists").len(), 1);
    assert!(storage.heard()[1].contains(&format!("Bearer {SECRET}-2")));
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_told() {
    let check = |text: &str| -> Vec<String> {
        let kind = registry::kind("gcp_billing_file").expect("a kind");
        let problems = (kind.problems)(&toml::from_str(text).expect("reads"));
        problems.into_iter().map(|problem| format!("{} {}", problem.key.unwrap_or_default(), problem.text)).collect()
    };
    let none: Vec<String> =
        check("url = 'gs://bills/gcp'\ndelivery = 'folder'\nimpersonate = 'a@b.iam.gserviceaccount.com'");
    assert!(none.is_empty(), "{none:?}");
    assert!(check("url = 's3://bills'")[0].starts_with("url s3:// is not where exports of Google Cloud are"));
    assert!(
        check("url = 'gs://bills'\nimpersonate = 'ann@example.com'")[0]
            .starts_with("impersonate is not a service account")
    );
    assert!(check("url = 'gs://bills'\ndelivery = 'month'")[0].contains("unknown variant `month`"));
    assert!(check("url = 'gs://bills'\nfolder = 'x'")[0].contains("unknown field `folder`"));
}
