use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_model::SourceName;

use super::*;
use crate::azure::AzureSettings;
use crate::collector::Context;
use crate::http::teller::{Tale, Teller};
use crate::http::{Http, HttpSettings};

/// The key that every Azurite has, which is no secret.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const SIGNATURE: &str = "sv=2023-11-03&sp=rl&sig=AVerySecretSignature%3D";

fn container(endpoint: &str, storage: &str) -> Result<Container, FetchError> {
    let variables = [("KEY", KEY), ("SAS", SIGNATURE), ("NO_KEY", "not base64!")];
    let variables: BTreeMap<_, _> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let http = HttpSettings { attempts: 2, first_wait_milliseconds: 1, ..HttpSettings::default() };
    let context = Context {
        source: SourceName::parse("azure").expect("a name"),
        variables: Arc::new(Variables(variables)),
        http: Http::new(http, Default::default(), Default::default()).expect("builds"),
        purse: Arc::new(crate::purse::Empty),
        today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
        clock: Default::default,
    };
    let settings = AzureSettings { endpoint: Some(endpoint.to_owned()), ..AzureSettings::default() };
    let (address, _) = ContainerAddress::parse("https://acme1.blob.core.windows.net/bills/x").expect("an address");
    let storage: StorageSettings = toml::from_str(storage).expect("reads");
    Container::new(Azure::new(settings, &context), address, &storage, &context.variables)
}

fn blob(name: &str) -> String {
    format!(
        "<Blob><Name>{name}</Name><Properties><Creation-Time>Mon, 05 Oct 2026 05:43:59 GMT</Creation-Time>\
         <Last-Modified>Mon, 05 Oct 2026 05:43:59 GMT</Last-Modified><Etag>0x8D{name}</Etag>\
         <Content-Length>3</Content-Length><Content-Type>text/csv</Content-Type><Content-MD5/><BlobType>BlockBlob</BlobType>\
         </Properties><OrMetadata/></Blob>"
    )
}

fn listing(entries: &str, next: &str) -> Tale {
    Tale::ok(&format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://x/\" \
         ContainerName=\"bills\"><Prefix>a/</Prefix><Blobs>{entries}</Blobs>{next}</EnumerationResults>"
    ))
}

#[tokio::test]
async fn a_listing_is_read_page_by_page() {
    let folder = "<Blob><Name>a/d</Name><Properties><Last-Modified>Mon, 05 Oct 2026 05:43:59 GMT</Last-Modified>\
                  <Etag>0x1</Etag><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob>";
    let prefix = "<BlobPrefix><Name>a/b/</Name></BlobPrefix>";
    let azure = Teller::start(vec![
        listing(&format!("{}{prefix}{}{folder}", blob("a/1"), blob("a/2")), "<NextMarker>m/1 2</NextMarker>"),
        listing(&blob("a/3"), "<NextMarker/>"),
        listing("", "<NextMarker />"),
    ])
    .await;
    let container = container(&azure.url, "account_key_env = 'KEY'").expect("is made");
    let found = container.list("a/", true).await.expect("is listed");
    let keys: Vec<&str> = found.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["a/1", "a/2", "a/3"]);
    assert_eq!(found.folders, ["a/b/"]);
    let first = &found.objects[0];
    assert_eq!((first.size, first.etag.as_str()), (3, "0x8Da/1"));
    assert_eq!(first.written.to_rfc3339(), "2026-10-05T05:43:59+00:00");
    let heard = azure.heard();
    assert!(heard[0].contains("/bills?comp=list&restype=container&prefix=a%2F&delimiter=%2F"), "{}", heard[0]);
    assert!(heard[1].contains("&marker=m%2F1%202"), "{}", heard[1]);
    for request in &heard {
        assert!(
            request.contains("authorization: SharedKey acme1:") && request.contains("x-ms-version: 2023-11-03"),
            "{request}"
        );
    }
    let none = container.list("b/", true).await.expect("is listed");
    assert!(none.objects.is_empty() && none.folders.is_empty());
}

#[tokio::test]
async fn what_is_no_listing_is_told() {
    let same = listing("", "<NextMarker>m</NextMarker>");
    for (tales, expected) in [
        (vec![Tale::ok("<html>Welcome</html>")], "what came is not a listing of a container"),
        (vec![Tale::ok("<EnumerationResults><Blobs><Blob><Name>x")], "the listing cannot be read"),
        (vec![same.clone(), same], "the listing does not go on"),
        (vec![listing(&blob("x").replace("Mon, 05 Oct 2026", "today"), "")], "the listing has a time that is none"),
    ] {
        let azure = Teller::start(tales).await;
        let container = container(&azure.url, "account_key_env = 'KEY'").expect("is made");
        let error = container.list("a/", true).await.expect_err("is none").to_string();
        assert!(
            error.starts_with("https://acme1.blob.core.windows.net/bills/a/: ") && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn refusals_say_what_to_do_and_nothing_secret() {
    let refusal = |status, code: &str| {
        let body = format!(
            "\u{feff}<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>AVerySecretSignature</Message></Error>"
        );
        Tale::status(status, &body)
    };
    let key = "account_key_env = 'KEY'";
    let signed = "sas_token_env = 'SAS'";
    for (settings, status, code, expected) in [
        (key, 404, "ContainerNotFound", "is not there; there is no such container; correct url"),
        (key, 404, "BlobNotFound", "is not there; it was deleted, or never came"),
        (key, 412, "ConditionNotMet", "was replaced while it was read"),
        (key, 403, "AuthorizationFailure", "refused: AuthorizationFailure; give it the role Storage Blob Data Reader"),
        (key, 403, "AuthenticationFailed", "refused: AuthenticationFailed; the key is not one of the account's"),
        (signed, 403, "AuthenticationFailed", "refused: AuthenticationFailed; the shared access signature has ended"),
        (
            signed,
            403,
            "AuthorizationPermissionMismatch",
            "make a shared access signature that allows to list and to read",
        ),
        (key, 403, "KeyBasedAuthenticationNotPermitted", "the account allows no keys"),
        (key, 409, "BlobArchived", "it is archived: rehydrate it"),
        (key, 400, "InvalidUri", "refused: InvalidUri; look at the source's settings"),
        (key, 403, "", "refused: HTTP 403; grant what docs/COLLECTORS.md lists"),
    ] {
        let azure = Teller::start(vec![refusal(status, code)]).await;
        let container = container(&azure.url, settings).expect("is made");
        let error = container.get("key", 100).await.expect_err("is refused");
        let said = error.to_string();
        assert!(
            said.starts_with("https://acme1.blob.core.windows.net/bills/key: ") && said.contains(expected),
            "{code}: {said}"
        );
        assert!(!format!("{said} {error:?} {container:?}").contains("Secret"), "{error:?} {container:?}");
    }
    let azure = Teller::start(vec![refusal(503, "ServerBusy"), refusal(500, "OperationTimedOut")]).await;
    let container = container(&azure.url, signed).expect("is made");
    let error = container.get("key", 100).await.expect_err("is busy").to_string();
    assert!(error.contains("after 2 attempts"), "{error}");
    assert!(azure.heard()[0].contains("/bills/key?sv=2023-11-03&sp=rl&sig="));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_told_by_its_name() {
    for (settings, expected) in [
        ("account_key_env = 'NOBODY'", "$NOBODY: refused: is not set"),
        ("account_key_env = 'NO_KEY'", "the storage account's key: refused: is none: it is not base64"),
        ("sas_token_file = '/nowhere/sas'", "/nowhere/sas: refused: cannot be read"),
    ] {
        let said = container("http://127.0.0.1:1", settings).expect_err("is not there").to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
