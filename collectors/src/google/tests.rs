use std::collections::BTreeMap;
use std::fs;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::SourceName;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::http::teller::{Tale, Teller};
use crate::http::{Ask, Counted, Failed, HttpSettings, Vendor, Verdict};

const SECRET: &str = "AVerySecretToken";
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
const ACCOUNT: &str = "bills@finance.iam.gserviceaccount.com";

#[track_caller]
fn check_settings(text: &str, expected: &[&str]) {
    let settings: GoogleSettings = toml::from_str(text).expect("reads");
    let problems: Vec<String> = settings.problems().iter().map(|(key, text)| format!("{key} {text}")).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_told() {
    check_settings("", &[]);
    check_settings(
        "credentials_file = '/run/secrets/google.json'\nimpersonate = 'outlay@finance.iam.gserviceaccount.com'",
        &[],
    );
    check_settings("credentials_file = ''", &["credentials_file names no file"]);
    check_settings("impersonate = 'ann@example.com'", &["impersonate is not a service account"]);
    check_settings("impersonate = 'a/../b@x.gserviceaccount.com'", &["impersonate is not a service account"]);
    check_settings("endpoint = 'bigquery.googleapis.com'", &["endpoint is not an address"]);
}

/// A folder with files of credentials, which is also the home of whoever runs this.
struct House {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().display().to_string();
        Self { folder, variables: BTreeMap::from([("HOME".to_owned(), home)]) }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With credentials that `GOOGLE_APPLICATION_CREDENTIALS` names.
    fn with_file(self, file: &Value) -> Self {
        let path = self.folder.path().join("credentials.json");
        fs::write(&path, file.to_string()).expect("writes");
        self.with("GOOGLE_APPLICATION_CREDENTIALS", &path.display().to_string())
    }

    fn google(&self, settings: &str) -> Google {
        let settings_of_http = HttpSettings {
            attempts: 2,
            first_wait_milliseconds: 1,
            connect_within_seconds: 1,
            ..HttpSettings::default()
        };
        let context = Context {
            source: SourceName::parse("gcp").expect("a name"),
            variables: Arc::new(Variables(self.variables.clone())),
            http: Http::new(settings_of_http, Default::default(), Default::default()).expect("builds"),
            purse: Arc::new(crate::purse::Empty),
            today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
            clock: || DateTime::<Utc>::from_timestamp(1_795_300_000, 0).expect("a time"),
        };
        Google::new(toml::from_str(settings).expect("reads"), &context, SCOPE)
    }
}

fn key(token_uri: &str) -> Value {
    let mut key: Value = serde_json::from_str(include_str!("fixtures/service_account.json")).expect("is JSON");
    key["token_uri"] = token_uri.into();
    key
}

fn given(number: u32) -> Tale {
    let token = format!("{SECRET}-{number}");
    Tale::ok(&json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).to_string())
}

#[track_caller]
fn without_secrets(error: &FetchError) -> String {
    let text = error.to_string();
    assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{error:?}");
    assert!(!text.contains("PRIVATE KEY"), "{text}");
    text
}

#[tokio::test]
async fn a_key_signs_for_a_token_which_is_kept() {
    let tokens = Teller::start(vec![given(1), given(2)]).await;
    let house = House::new().with_file(&key(&format!("{}/token", tokens.url)));
    let google = house.google("");
    for _ in 0..3 {
        assert_eq!(google.credentials().get().await.expect("is given"), format!("{SECRET}-1"));
    }
    let heard = tokens.heard();
    assert_eq!(heard.len(), 1);
    let body = heard[0].split_once("\r\n\r\n").expect("has a body").1;
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(fields["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let pieces: Vec<&str> = fields["assertion"].split('.').collect();
    let said = |piece: &str| -> Value {
        let text = piece.replace('-', "+").replace('_', "/");
        let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
        serde_json::from_slice(&aws_smithy_types::base64::decode(padded).expect("is Base64")).expect("is JSON")
    };
    assert_eq!(said(pieces[0]), json!({"alg": "RS256", "typ": "JWT", "kid": "key-of-a-test"}));
    assert_eq!(
        said(pieces[1]),
        json!({
            "iss": "outlay@finance.iam.gserviceaccount.com", "scope": SCOPE, "aud": format!("{}/token", tokens.url),
            "iat": 1_795_300_000, "exp": 1_795_303_600,
        })
    );
    assert_eq!(pieces.len(), 3);
    assert!(!format!("{google:?}").contains(SECRET));

    google.credentials().forget().await;
    assert_eq!(google.credentials().get().await.expect("is given"), format!("{SECRET}-2"));
    let Counted { requests, failed, .. } = google.http().counters().now();
    assert_eq!((requests, failed), (2, 0));
}

#[tokio::test]
async fn who_gives_no_token_says_why() {
    let grant =
        |said: &str| Tale::status(400, &json!({"error": "invalid_grant", "error_description": said}).to_string());
    for (tale, expected) in [
        (
            grant("Invalid JWT Signature."),
            "a token for outlay@finance.iam.gserviceaccount.com: refused: Invalid JWT Signature (invalid_grant); the key was \
             deleted or disabled, or is of another service account; create a new one",
        ),
        (
            grant(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
                 and exp values in the JWT claim.",
            ),
            "the clock of this machine is wrong by minutes; set it right",
        ),
        (
            Tale::status(401, r#"{"error":"invalid_client"}"#),
            "refused: invalid_client; the service account was deleted",
        ),
        (Tale::status(404, "<html>Not here</html>"), "is not there"),
        (Tale::status(401, SECRET), "refused: HTTP 401; look at the token_uri"),
        (Tale::status(503, "<html>Sorry</html>"), "HTTP 503 with an HTML page, after 2 attempts"),
        (Tale::ok(r#"{"access_token": 1}"#), "the JSON has other fields than expected"),
        (Tale::CutShort("{".to_owned()), "the answer was cut short"),
        (Tale::Reset, "after 2 attempts"),
    ] {
        let tokens = Teller::start(vec![tale]).await;
        let house = House::new().with_file(&key(&tokens.url));
        let google = house.google("");
        let error = google.credentials().get().await.expect_err("is refused");
        assert!(without_secrets(&error).contains(expected), "{error}");
    }
    let tokens = Teller::start(vec![Tale::Reset, given(1)]).await;
    House::new().with_file(&key(&tokens.url)).google("").credentials().get().await.expect("is given in the end");
}

#[tokio::test]
async fn files_that_are_no_credentials_are_told() {
    let without = |field: &str| {
        let mut key = key("https://oauth2.googleapis.com/token");
        key.as_object_mut().expect("an object").remove(field);
        key
    };
    let mut no_key = key("https://oauth2.googleapis.com/token");
    no_key["private_key"] = SECRET.into();
    for (file, expected) in [
        (json!([SECRET]), "does not say what it is"),
        (json!({"type": SECRET}), "is of a type that is not known"),
        (without("client_email"), "without some of its fields"),
        (without("private_key"), "without some of its fields"),
        (no_key, "its private key cannot be read"),
        (json!({"type": "external_account", "audience": SECRET}), "lacks a field"),
    ] {
        let error = House::new().with_file(&file).google("").credentials().get().await.expect_err("is none");
        assert!(without_secrets(&error).contains(expected), "{error}");
    }
    let error = House::new().google("credentials_file = '/nowhere/key.json'").credentials().get().await;
    let error = without_secrets(&error.expect_err("is not there"));
    assert!(error.starts_with("/nowhere/key.json: refused: No such file"), "{error}");
}

#[tokio::test]
async fn without_a_file_the_machine_is_asked() {
    let machine = Teller::start(vec![given(1)]).await;
    let host = machine.url.trim_start_matches("http://");
    let house = House::new().with("GCE_METADATA_HOST", host);
    let google = house.google("");
    assert_eq!(google.credentials().get().await.expect("is given"), format!("{SECRET}-1"));
    let heard = machine.heard()[0].to_lowercase();
    assert!(
        heard.starts_with("get /computemetadata/v1/instance/service-accounts/default/token?scopes=https"),
        "{heard}"
    );
    assert!(heard.contains("metadata-flavor: google"), "{heard}");
    assert_eq!(google.http().counters().now().requests, 1);

    let error = House::new().with("GCE_METADATA_HOST", "127.0.0.1:9").google("").credentials().get().await;
    let error = without_secrets(&error.expect_err("there are none"));
    assert!(error.starts_with("the Google credentials: refused: there are none"), "{error}");
    assert!(error.contains("name a credentials_file, set GOOGLE_APPLICATION_CREDENTIALS"), "{error}");
}

#[tokio::test]
async fn a_machine_that_says_nothing_is_not_waited_for() {
    let machine = Teller::start(vec![Tale::Silence(std::time::Duration::from_secs(600))]).await;
    let host = machine.url.trim_start_matches("http://");
    let house = House::new().with("GCE_METADATA_HOST", host);
    let google = house.google("");
    let error = google.credentials().get().await.expect_err("is given up");
    assert!(without_secrets(&error).contains("no whole answer within 1 s"), "{error}");
}

fn federated(token_url: &str, file: &str) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/outlay/providers/outlay",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": token_url,
        "credential_source": {"file": file},
    })
}

#[tokio::test]
async fn a_workload_exchanges_its_own_token() {
    let given = json!({
        "access_token": format!("{SECRET}-1"), "expires_in": 3599, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    let again = Tale::status(503, "<html>Sorry</html>");
    let tokens = Teller::start(vec![again, Tale::ok(&given.to_string())]).await;
    let house = House::new();
    let file = house.folder.path().join("workload.jwt");
    fs::write(&file, format!("{SECRET}-of-the-workload")).expect("writes");
    let house = house.with_file(&federated(&tokens.url, &file.display().to_string()));
    let google = house.google("");
    assert_eq!(google.credentials().get().await.expect("is given"), format!("{SECRET}-1"));
    assert!(tokens.heard()[1].contains(&format!("subject_token={SECRET}-of-the-workload")), "{:?}", tokens.heard());

    let refused =
        json!({"error": "invalid_grant", "error_description": "The audience is not allowed.", "echo": SECRET});
    for (tale, expected) in [
        (Tale::status(400, &refused.to_string()), "refused: The audience is not allowed (invalid_grant); look at"),
        (Tale::status(400, SECRET), "refused: HTTP 400; look at"),
        (Tale::Reset, "after 2 attempts"),
    ] {
        let tokens = Teller::start(vec![tale]).await;
        let house = House::new();
        let file = house.folder.path().join("workload.jwt");
        fs::write(&file, SECRET).expect("writes");
        let house = house.with_file(&federated(&tokens.url, &file.display().to_string()));
        let google = house.google("");
        let error = google.credentials().get().await.expect_err("is refused");
        assert!(without_secrets(&error).contains(expected), "{error}");
    }
    let house = House::new().with_file(&federated("http://127.0.0.1:9", "/nowhere/workload.jwt"));
    let google = house.google("");
    let error = google.credentials().get().await.expect_err("is not there");
    assert!(without_secrets(&error).contains("No such file"), "{error}");
}

#[tokio::test]
async fn what_gcloud_wrote_is_found_in_its_folder() {
    let tokens = Teller::start(vec![given(1)]).await;
    let house = House::new();
    let folder = house.folder.path().join(".config/gcloud");
    fs::create_dir_all(&folder).expect("is made");
    let file = json!({
        "type": "authorized_user", "client_id": "gcloud", "client_secret": SECRET, "refresh_token": SECRET,
        "token_uri": tokens.url,
    });
    fs::write(folder.join("application_default_credentials.json"), file.to_string()).expect("writes");
    assert_eq!(house.google("").credentials().get().await.expect("is given"), format!("{SECRET}-1"));
    assert!(tokens.heard()[0].contains(r#""grant_type":"refresh_token""#), "{:?}", tokens.heard());
}

#[tokio::test]
async fn a_service_account_is_taken_on() {
    let taken = json!({"accessToken": format!("{SECRET}-taken"), "expireTime": "2036-01-01T00:00:00Z"}).to_string();
    let tokens = Teller::start(vec![given(1)]).await;
    let iam = Teller::start(vec![Tale::ok(&taken)]).await;
    let house = House::new().with_file(&key(&tokens.url));
    let house = house.with("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &format!("{}/", iam.url));
    let settings = format!("impersonate = '{ACCOUNT}'");
    let google = house.google(&settings);
    assert_eq!(google.credentials().get().await.expect("is given"), format!("{SECRET}-taken"));
    let heard = &iam.heard()[0];
    let path = format!("POST /v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken HTTP");
    assert!(heard.starts_with(&path), "{heard}");
    assert!(heard.contains(&format!("Bearer {SECRET}-1")), "{heard}");
    assert!(heard.ends_with(&format!(r#"{{"scope":["{SCOPE}"],"lifetime":"3600s"}}"#)), "{heard}");

    let refused = json!({"error": {
        "code": 403, "status": "PERMISSION_DENIED",
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    }});
    let iam = Teller::start(vec![Tale::status(403, &refused.to_string())]).await;
    let house = house.with("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &iam.url);
    let error = house.google(&settings).credentials().get().await.expect_err("is refused");
    assert_eq!(
        without_secrets(&error),
        format!(
            "the service account {ACCOUNT}: refused: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it \
             may not exist) (PERMISSION_DENIED); give these credentials roles/iam.serviceAccountTokenCreator on {ACCOUNT}"
        )
    );
}

/// Some service of Google.
struct Service(Google);

#[async_trait]
impl Vendor for Service {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        self.0.authorise(request).await
    }

    async fn renew(&self) {
        self.0.credentials().forget().await;
    }

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        refusal::judge(failed, "grant it", "make it")
    }
}

async fn asked(tales: Vec<Tale>) -> (Result<String, FetchError>, Vec<String>) {
    let (tokens, service) = (Teller::start(vec![given(1), given(2)]).await, Teller::start(tales).await);
    let house = House::new().with_file(&key(&tokens.url));
    let google = house.google(&format!("endpoint = '{}/'", service.url));
    let url = format!("{}/thing", google.endpoint("bigquery")).parse().expect("an address");
    let http = google.http().clone();
    let answer = http.send(Ask::get("the thing", url), &Service(google), 100).await;
    (answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()), service.heard())
}

fn refusal(status: u16, reason: &str, message: &str) -> Tale {
    let errors = json!([{"message": message, "domain": "global", "reason": reason}]);
    let error = json!({"code": status, "message": message, "errors": errors, "status": "SAID"});
    Tale::status(status, &json!({ "error": error }).to_string())
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (tale, expected) in [
        (refusal(403, "accessDenied", "Access Denied."), "the thing: refused: Access Denied (accessDenied); grant it"),
        (refusal(404, "notFound", "Not found"), "the thing: is not there; make it"),
        (
            refusal(403, "quotaExceeded", "Quota exceeded"),
            "the thing: refused: Quota exceeded (quotaExceeded); a quota of the project is used up",
        ),
        (
            refusal(403, "accessNotConfigured", "API off"),
            "the thing: refused: API off (accessNotConfigured); enable the service",
        ),
        (
            refusal(403, "rateLimitExceeded", "Slower"),
            "the thing: too many requests, says the provider, after 2 attempts",
        ),
        (refusal(500, "backendError", "Oh"), "the thing: HTTP 500 (backendError), after 2 attempts"),
        (
            refusal(400, "invalidQuery", "Syntax"),
            "the thing: refused: Syntax (invalidQuery); look at the source's settings",
        ),
        (refusal(403, "somethingNew", "No"), "the thing: refused: No (somethingNew); grant it"),
        (refusal(401, "authError", "Invalid Credentials"), "the thing: the credentials are not accepted: authError"),
        (Tale::status(503, "<html>Sorry</html>"), "the thing: HTTP 503 with an HTML page, after 2 attempts"),
    ] {
        let (answer, _) = asked(vec![tale]).await;
        let error = answer.expect_err("is refused");
        assert!(without_secrets(&error).starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed() {
    let (answer, heard) = asked(vec![refusal(401, "authError", "Invalid Credentials"), Tale::ok("bill")]).await;
    assert_eq!(answer.expect("comes"), "bill");
    assert!(heard[0].contains(&format!("Bearer {SECRET}-1")), "{heard:?}");
    assert!(heard[1].contains(&format!("Bearer {SECRET}-2")), "{heard:?}");
}
