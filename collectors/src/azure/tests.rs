use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::NaiveDate;
use outlay_model::SourceName;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::*;
use crate::http::teller::{Tale, Teller};
use crate::http::{Failed, HttpSettings, Verdict};

const SECRET: &str = "AVery~Secret.Value";
const TOKEN: &str = "eyJ0eXAi.AVerySecretToken";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
const MANAGEMENT: &str = "https://management.azure.com/.default";

#[track_caller]
fn check_settings(text: &str, expected: &[&str]) {
    let settings: AzureSettings = toml::from_str(text).expect("reads");
    let problems: Vec<String> = settings.problems().iter().map(|(key, text)| format!("{key} {text}")).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_told() {
    check_settings("", &[]);
    check_settings("tenant_id = 'contoso.onmicrosoft.com'\ncloud = 'us_government'\ncredential = 'cli'", &[]);
    check_settings("authority_host = 'http://127.0.0.1:1234'\nendpoint = 'http://127.0.0.1:1234/x'", &[]);
    check_settings(
        "tenant_id = 'Contoso Ltd; rm'\nclient_id = 'outlay app'",
        &["tenant_id is no tenant", "client_id is no client id"],
    );
    check_settings(
        "client_secret_env = 'a~secret'\nclient_secret_file = 'x'",
        &["client_secret_env is the name", "client_secret_file and client_secret_env both"],
    );
    check_settings(
        "client_secret_file = 'x'\nfederated_token_file = 'y'",
        &["federated_token_file and a client secret are both given"],
    );
    check_settings("credential = 'cli'\nclient_secret_file = 'x'", &["credential uses no client secret"]);
    check_settings("credential = 'client_secret'\nfederated_token_file = 'x'", &["credential uses no federated"]);
    for host in ["http://login.example.com", "login.example.com", "https://me:secret@login.example.com"] {
        check_settings(&format!("authority_host = '{host}'"), &["authority_host is no address to send a secret to"]);
    }
    check_settings("endpoint = 'management.azure.com'", &["endpoint is not an address"]);
}

fn azure(settings: &str, variables: &[(&str, &str)]) -> Azure {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings_of_http = HttpSettings { attempts: 2, first_wait_milliseconds: 1, ..HttpSettings::default() };
    let context = Context {
        source: SourceName::parse("azure-prod").expect("a name"),
        variables: Arc::new(Variables(variables.collect::<BTreeMap<_, _>>())),
        http: Http::new(settings_of_http, Default::default(), Default::default()).expect("builds"),
        purse: Arc::new(crate::purse::Empty),
        today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
        clock: Default::default,
    };
    Azure::new(toml::from_str(settings).expect("reads"), &context)
}

/// With an application's secret.
fn application(entra: &Teller) -> Azure {
    let settings = format!("tenant_id = '{TENANT}'\nclient_id = '{CLIENT}'\nauthority_host = '{}'", entra.url);
    azure(&settings, &[("AZURE_CLIENT_SECRET", SECRET)])
}

fn given(number: u32) -> Tale {
    Tale::ok(&format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"{TOKEN}-{number}"}}"#
    ))
}

fn refusal(status: u16, error: &str, code: u32) -> Tale {
    let codes = if code == 0 { String::new() } else { code.to_string() };
    Tale::status(
        status,
        &format!(
            r#"{{"error":"{error}","error_description":"AADSTS{code}: You sent {SECRET}. Trace ID: x","error_codes":[{codes}]}}"#
        ),
    )
}

#[track_caller]
fn without_secrets(error: &FetchError) -> String {
    let text = error.to_string();
    for secret in [SECRET, TOKEN] {
        assert!(!text.contains(secret) && !format!("{error:?}").contains(secret), "{error:?}");
    }
    text
}

#[tokio::test]
async fn a_secret_gives_a_token_for_each_scope_and_it_is_kept() {
    let entra = Teller::start(vec![given(1), given(2), given(3)]).await;
    let azure = application(&entra);
    for _ in 0..3 {
        let token = azure.credentials().get(MANAGEMENT).await.expect("is given");
        assert_eq!(token.secret(), format!("{TOKEN}-1"));
    }
    assert_eq!(azure.credentials().get(STORAGE_SCOPE).await.expect("is given").secret(), format!("{TOKEN}-2"));
    let heard = entra.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard[0].starts_with(&format!("POST /{TENANT}/oauth2/v2.0/token HTTP/1.1")), "{}", heard[0]);
    for piece in [
        "content-type: application/x-www-form-urlencoded",
        "user-agent: outlay/",
        &format!("client_id={CLIENT}"),
        "client_secret=AVery%7ESecret.Value",
        "grant_type=client_credentials",
        "scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
    ] {
        assert!(heard[0].contains(piece), "{piece}: {}", heard[0]);
    }
    assert!(heard[1].contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default"), "{}", heard[1]);

    azure.credentials().forget().await;
    let mut request = Request::new(reqwest::Method::GET, "https://example.com".parse().expect("a url"));
    azure.authorise(&mut request, MANAGEMENT).await.expect("is allowed");
    assert_eq!(request.headers()[AUTHORIZATION], format!("Bearer {TOKEN}-3"));
    for text in [format!("{azure:?}"), format!("{request:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    }
    assert_eq!(azure.http().counters().now().requests, 3);
}

#[tokio::test]
async fn a_secret_can_be_in_a_file_and_a_token_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).expect("writes");
    let who = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT)];
    for (setting, sent) in [
        ("client_secret_file", "client_secret=AVery%7ESecret.Value&"),
        ("federated_token_file", "client_assertion=AVery%7ESecret.Value"),
    ] {
        let entra = Teller::start(vec![given(1)]).await;
        let settings = format!("{setting} = '{}'", file.display());
        let variables = [&who[..], &[("AZURE_AUTHORITY_HOST", &entra.url)]].concat();
        azure(&settings, &variables).credentials().get(MANAGEMENT).await.expect("is given");
        assert!(entra.heard()[0].contains(sent), "{}", entra.heard()[0]);
    }
    let entra = Teller::start(vec![given(1)]).await;
    let file = file.display().to_string();
    let variables = [&who[..], &[("AZURE_AUTHORITY_HOST", &entra.url), ("AZURE_FEDERATED_TOKEN_FILE", &file)]].concat();
    azure("", &variables).credentials().get(MANAGEMENT).await.expect("is given");
    assert!(entra.heard()[0].contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth"), "{}", entra.heard()[0]);
}

#[tokio::test]
async fn what_is_not_said_is_told() {
    let nowhere = "client_secret_file = '/nowhere/secret'\ntenant_id = 't'\nclient_id = 'c'";
    for (settings, expected) in [
        (
            "credential = 'client_secret'",
            "the tenant is not said; set tenant_id, or the environment variable AZURE_TENANT_ID",
        ),
        ("credential = 'client_secret'\ntenant_id = 't'", "the application is not said; set client_id"),
        (
            "client_secret_env = 'OURS'\ntenant_id = 't'\nclient_id = 'c'",
            "set client_secret_file, or the environment variable OURS",
        ),
        (nowhere, "/nowhere/secret: refused: cannot be read"),
        (
            "federated_token_file = '/nowhere/token'\ntenant_id = 't'\nclient_id = 'c'",
            "federated token from file /nowhere/token",
        ),
    ] {
        let error = azure(settings, &[]).credentials().get(MANAGEMENT).await.expect_err("is not set");
        assert!(without_secrets(&error).contains(expected), "{settings}: {error}");
    }
}

#[tokio::test]
async fn refusals_of_entra_say_what_to_do() {
    for (tale, expected) in [
        (
            refusal(401, "invalid_client", 7_000_215),
            "a token of 127.0.0.1: refused: invalid_client (AADSTS7000215); the client secret is not the application's",
        ),
        (
            refusal(401, "invalid_client", 7_000_222),
            "a token of 127.0.0.1: refused: invalid_client (AADSTS7000222); the client secret has ended",
        ),
        (
            refusal(400, "unauthorized_client", 700_016),
            "a token of 127.0.0.1: refused: unauthorized_client (AADSTS700016); the tenant has no such application",
        ),
        (
            refusal(400, "invalid_request", 90_002),
            "a token of 127.0.0.1: refused: invalid_request (AADSTS90002); there is no such tenant",
        ),
        (
            refusal(400, "invalid_grant", 12),
            "a token of 127.0.0.1: refused: invalid_grant (AADSTS12); look at tenant_id, client_id and the secret; https://login",
        ),
        (refusal(503, "temporarily_unavailable", 90_033), "a token of 127.0.0.1: HTTP 503, after 2 attempts"),
        (
            refusal(429, "temporarily_unavailable", 0),
            "a token of 127.0.0.1: too many requests, says the provider, after 2 attempts",
        ),
        (Tale::status(503, "<html>Sorry</html>"), "a token of 127.0.0.1: HTTP 503 with an HTML page, after 2 attempts"),
        (Tale::status(401, SECRET), "a token of 127.0.0.1: refused: HTTP 401; look at authority_host"),
        (Tale::ok("<html>Log in</html>"), "a token of 127.0.0.1: an HTML page came where JSON was expected"),
        (Tale::ok(r#"{"access_token":"","expires_in":1}"#), "a token of 127.0.0.1: the answer has no token in it"),
        (
            Tale::ok(&format!(r#"{{"access_token":"{TOKEN}","expires_in":"{TOKEN}"}}"#)),
            "the Azure credentials: the answer has no token in it",
        ),
        (Tale::Reset, "a token of 127.0.0.1: the connection failed"),
        (Tale::CutShort("{".to_owned()), "a token of 127.0.0.1: the answer was cut short"),
    ] {
        let entra = Teller::start(vec![tale]).await;
        let error = application(&entra).credentials().get(MANAGEMENT).await.expect_err("is refused");
        assert!(without_secrets(&error).starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again() {
    for tale in [Tale::status(503, "<html>Sorry</html>"), Tale::Reset, Tale::CutShort("{".to_owned())] {
        let entra = Teller::start(vec![tale, given(1)]).await;
        let azure = application(&entra);
        azure.credentials().get(MANAGEMENT).await.expect("is given in the end");
        let counted = azure.http().counters().now();
        assert_eq!((counted.requests, counted.retries, counted.failed), (2, 1, 1));
    }
}

/// An `az` that says this.
fn az(folder: &Path, script: &str) -> String {
    let file = folder.join("az");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("writes");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permits");
    format!("{}:/usr/bin:/bin", folder.display())
}

#[tokio::test]
async fn whoever_is_logged_in_to_the_cli_gives_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let answer = format!(
        r#"echo "$@ $OURS" >> {}/asked; echo '{{"accessToken":"{TOKEN}","expires_on":4102444800,"tokenType":"Bearer"}}'"#,
        folder.path().display()
    );
    let path = az(folder.path(), &answer);
    let settings = format!("credential = 'cli'\ntenant_id = '{TENANT}'");
    let azure_ = azure(&settings, &[("PATH", &path), ("OURS", "kept")]);
    for _ in 0..2 {
        assert_eq!(azure_.credentials().get(MANAGEMENT).await.expect("is given").secret(), TOKEN);
    }
    let asked = fs::read_to_string(folder.path().join("asked")).expect("was asked");
    assert_eq!(asked, format!("account get-access-token -o json --scope {MANAGEMENT} --tenant {TENANT} kept\n"));

    for (script, expected) in [
        (
            "echo 'WARNING: old' >&2; echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
            "the Azure CLI: refused: Please run 'az login' to setup account.; run az login as",
        ),
        (&format!("echo '{TOKEN}'"), "the Azure credentials: the answer has no token in it"),
    ] {
        let path = az(folder.path(), script);
        let error = azure(&settings, &[("PATH", &path)]).credentials().get(MANAGEMENT).await.expect_err("fails");
        assert!(without_secrets(&error).starts_with(expected), "{error}");
    }
    let error = azure(&settings, &[("PATH", "/nowhere")]).credentials().get(MANAGEMENT).await.expect_err("fails");
    assert!(without_secrets(&error).starts_with("the Azure CLI: refused: az is not installed"), "{error}");
}

#[test]
fn refusals_of_azure_say_what_to_do() {
    #[track_caller]
    fn check(status: u16, code: &str, message: &str, expected: &str) {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        let status = StatusCode::from_u16(status).expect("a status");
        let failed = Failed { place: "the costs", status, headers: &HeaderMap::new(), body: &body };
        let said = match judge(&failed, "give it the role") {
            Verdict::Final(error) => error.to_string(),
            Verdict::Again { throttled, why } => format!("again: {throttled} {why}"),
            Verdict::Renew { why } => format!("renew: {why}"),
        };
        assert!(said.starts_with(expected), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
    check(
        401,
        "RBACAccessDenied",
        "The client does not have authorization to perform action. Request ID: 7",
        "the costs: refused: The client does not have authorization to perform action. Request ID: 7 (RBACAccessDenied); give it the role",
    );
    check(403, "AuthorizationFailed", "", "the costs: refused: AuthorizationFailed; give it the role");
    check(401, "ExpiredAuthenticationToken", SECRET, "renew: HTTP 401 (ExpiredAuthenticationToken)");
    check(403, "AuthenticationFailed", SECRET, "the costs: the credentials are not accepted: AuthenticationFailed;");
    check(
        401,
        "InvalidAuthenticationTokenTenant",
        SECRET,
        "the costs: refused: InvalidAuthenticationTokenTenant; the token is of another",
    );
    check(
        404,
        "SubscriptionNotFound",
        "The subscription x could not be found.",
        "the costs: is not there; The subscription x could not be found. (SubscriptionNotFound); look at scope",
    );
    check(
        400,
        "BadRequest",
        "Invalid query definition",
        "the costs: refused: Invalid query definition (BadRequest); look at the source's",
    );
    check(429, "429", "Too many requests. Please retry.", "again: true HTTP 429");
    check(500, "InternalServerError", SECRET, "again: false HTTP 500 (InternalServerError)");
}
