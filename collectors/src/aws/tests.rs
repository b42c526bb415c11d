use std::collections::BTreeMap;

use chrono::NaiveDate;
use outlay_model::SourceName;

use super::s3::Bucket;
use super::*;
use crate::http::teller::{Tale, Teller};
use crate::http::{Counted, FetchError, HttpSettings};
use crate::objects::Place as _;

const SECRET: &str = "AVerySecretKey";
const ROLE: &str = "arn:aws:iam::123456789012:role/outlay";

#[track_caller]
fn check_settings(text: &str, expected: &[&str]) {
    let settings: AwsSettings = toml::from_str(text).expect("reads");
    let problems: Vec<String> = settings.problems().iter().map(|(key, text)| format!("{key} {text}")).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_told() {
    check_settings("", &[]);
    check_settings("role_arn = 'arn:aws:iam::123456789012:role/finance/outlay'\nexternal_id = 'a1:b2/c3'", &[]);
    check_settings("role_arn = 'arn:aws-cn:iam::123456789012:role/outlay'\nregion = 'cn-north-1'", &[]);
    check_settings("role_arn = 'outlay'", &["role_arn is not a role; write one such as"]);
    check_settings("role_arn = 'arn:aws:iam::12345678901:role/outlay'", &["role_arn is not a role"]);
    check_settings("role_arn = 'arn:aws:iam::123456789012:user/outlay'", &["role_arn is not a role"]);
    check_settings("role_arn = 'arn:awz:iam::123456789012:role/outlay'", &["role_arn names a partition"]);
    check_settings(
        "role_arn = 'arn:aws:iam::123456789012:role/outlay'\nregion = 'cn-north-1'",
        &["region is not in the role's partition"],
    );
    check_settings("external_id = 'x1'", &["external_id is only used to assume a role"]);
    check_settings(
        "role_arn = 'arn:aws:iam::123456789012:role/outlay'\nexternal_id = 'x'\nsession_name = 'a name'",
        &["session_name must have 2 to 64", "external_id must have 2 to 1224"],
    );
    check_settings(
        "region = 'Frankfurt, Germany'\nendpoint = 's3.example.com'",
        &["region is not a region", "endpoint is not an address"],
    );
    check_settings("endpoint = 'https://me:secret@s3.example.com'", &["endpoint is not an address"]);
}

fn aws(settings: &str, variables: &[(&str, &str)]) -> Aws {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDOFNOBODY"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let variables = keys.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings_of_http = HttpSettings { attempts: 2, first_wait_milliseconds: 1, ..HttpSettings::default() };
    let context = Context {
        source: SourceName::parse("aws-prod").expect("a name"),
        variables: Arc::new(Variables(variables.collect::<BTreeMap<_, _>>())),
        http: Http::new(settings_of_http, Default::default(), Default::default()).expect("builds"),
        purse: Arc::new(crate::purse::Empty),
        today: NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day"),
        clock: Default::default,
    };
    Aws::new(toml::from_str(settings).expect("reads"), &context)
}

fn assumed(number: u32) -> Tale {
    Tale::ok(&format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>{SECRET}-{number}</SecretAccessKey>\
         <SessionToken>{SECRET}-token-{number}</SessionToken><Expiration>2036-11-21T04:53:29Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/outlay/x</Arn>\
         </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    ))
}

#[track_caller]
fn without_secrets(error: &FetchError) -> String {
    let text = error.to_string();
    assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{error:?}");
    text
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_kept() {
    let sts = Teller::start(vec![assumed(1), assumed(2)]).await;
    let settings = format!("role_arn = '{ROLE}'\nexternal_id = 'x/42'");
    let aws = aws(&settings, &[("AWS_ENDPOINT_URL_STS", &sts.url)]);
    for _ in 0..3 {
        let credentials = aws.credentials().get().await.expect("are given");
        assert_eq!(credentials.access_key_id(), "ASIA1");
    }
    let heard = sts.heard();
    assert_eq!(heard.len(), 1);
    let asked = &heard[0];
    for piece in [
        "Action=AssumeRole",
        "ExternalId=x%2F42",
        "RoleSessionName=outlay-aws-prod",
        "DurationSeconds=3600",
        "us-east-1/sts",
    ] {
        assert!(asked.contains(piece), "{asked}");
    }
    assert!(!format!("{aws:?}").contains(SECRET));

    aws.credentials().forget().await;
    assert_eq!(aws.credentials().get().await.expect("are given").access_key_id(), "ASIA2");
    let counted = aws.http().counters().now();
    assert_eq!((counted.requests, counted.failed), (2, 0));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_says_by_whom() {
    let said = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/me is \
                not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    let sts = Teller::start(vec![Tale::status(403, said)]).await;
    let aws = aws(&format!("role_arn = '{ROLE}'"), &[("AWS_ENDPOINT_URL_STS", &sts.url)]);
    let error = aws.credentials().get().await.expect_err("is refused");
    assert_eq!(
        without_secrets(&error),
        format!(
            "the role {ROLE}: refused: User: arn:aws:iam::1:user/me is not authorized to perform: sts:AssumeRole \
             (AccessDenied); its trust policy must allow sts:AssumeRole to these credentials, with this external_id if it \
             asks for one"
        )
    );
    assert_eq!(sts.heard().len(), 1);
}

#[tokio::test]
async fn what_the_sdk_sends_is_counted_and_repeated_alike() {
    let html = Tale::status(503, "<html>Sorry</html>");
    let sts = Teller::start(vec![html.clone(), assumed(1)]).await;
    let role = format!("role_arn = '{ROLE}'");
    let first = aws(&role, &[("AWS_ENDPOINT_URL_STS", &sts.url)]);
    first.credentials().get().await.expect("are given in the end");
    let Counted { requests, retries, failed, .. } = first.http().counters().now();
    assert_eq!((requests, retries, failed), (2, 1, 1));

    for (tale, expected) in
        [(Tale::Reset, "the connection failed"), (Tale::CutShort("<Assu".to_owned()), "the answer was cut short")]
    {
        let sts = Teller::start(vec![tale]).await;
        let second = aws(&role, &[("AWS_ENDPOINT_URL_STS", &sts.url)]);
        let error = second.credentials().get().await.expect_err("fails");
        assert!(matches!(error, FetchError::Unavailable { .. }), "{error:?}");
        assert!(without_secrets(&error).contains(expected), "{error}");
    }
}

fn listing(body: &str) -> Tale {
    Tale::ok(&format!(
        "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</ListBucketResult>"
    ))
}

fn content(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-10-01T00:00:00.000Z</LastModified><ETag>&quot;e-{key}&quot;</ETag>\
         <Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
}

#[tokio::test]
async fn a_bucket_is_listed_to_its_end() {
    let s3 = Teller::start(vec![
        listing(&format!(
            "<IsTruncated>true</IsTruncated>{}<CommonPrefixes><Prefix>a//c/</Prefix></CommonPrefixes>\
             <NextContinuationToken>next+page/=</NextContinuationToken>",
            content("a//b &amp; c")
        )),
        listing(&format!("<IsTruncated>false</IsTruncated>{}", content("a//d"))),
    ])
    .await;
    let bucket = Bucket::new(aws("", &[("AWS_ENDPOINT_URL_S3", &s3.url)]), "bills");
    let found = bucket.list("a//", true).await.expect("is listed");
    let keys: Vec<&str> = found.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((keys, found.folders), (vec!["a//b & c", "a//d"], vec!["a//c/".to_owned()]));
    assert_eq!(found.objects[1].etag, "\"e-a//d\"");
    let heard = s3.heard();
    assert!(heard[0].starts_with("GET /bills/?list-type=2&prefix=a%2F%2F&delimiter=%2F HTTP/1.1"), "{}", heard[0]);
    assert!(heard[1].contains("&continuation-token=next%2Bpage%2F%3D HTTP"), "{}", heard[1]);
    assert!(heard[0].contains("us-east-1/s3/aws4_request"), "{}", heard[0]);
}

#[tokio::test]
async fn what_is_no_listing_is_an_error() {
    for tale in [
        Tale::ok("<html>Welcome</html>"),
        listing("<IsTruncated>true</IsTruncated>"),
        listing("<IsTruncated>perhaps</IsTruncated>"),
    ] {
        let s3 = Teller::start(vec![tale]).await;
        let bucket = Bucket::new(aws("", &[("AWS_ENDPOINT_URL_S3", &s3.url)]), "bills");
        let error = bucket.list("a/", true).await.expect_err("is none");
        assert!(matches!(error, FetchError::NotUnderstood { .. }), "{error:?}");
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Tale {
    Tale::status(
        status,
        &format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message><StringToSign>{SECRET}</StringToSign></Error>"
        ),
    )
}

#[tokio::test]
async fn refusals_of_a_bucket_say_what_to_do() {
    for (tale, expected) in [
        (
            refusal(403, "AccessDenied", "Access Denied"),
            "s3://bills/key: refused: Access Denied (AccessDenied); allow s3:ListBucket and s3:GetObject on arn:aws:s3:::bills and arn:aws:s3:::bills/* (docs/COLLECTORS.md)",
        ),
        (
            refusal(403, "AccessDenied", "not authorized to perform: kms:Decrypt"),
            "s3://bills/key: refused: not authorized to perform: kms:Decrypt (AccessDenied); allow kms:Decrypt on the bucket's key",
        ),
        (refusal(404, "NoSuchBucket", ""), "s3://bills/key: is not there; there is no such bucket; correct url"),
        (refusal(404, "NoSuchKey", ""), "s3://bills/key: is not there; it was deleted, or never came"),
        (
            refusal(403, "SignatureDoesNotMatch", SECRET),
            "s3://bills/key: refused: SignatureDoesNotMatch; the secret key does not belong",
        ),
        (
            refusal(403, "InvalidAccessKeyId", ""),
            "s3://bills/key: refused: InvalidAccessKeyId; AWS does not know the access key",
        ),
        (refusal(403, "RequestTimeTooSkewed", ""), "s3://bills/key: refused: RequestTimeTooSkewed; the clock"),
        (refusal(503, "SlowDown", ""), "s3://bills/key: too many requests, says the provider, after 2 attempts"),
        (refusal(500, "InternalError", ""), "s3://bills/key: HTTP 500 (InternalError), after 2 attempts"),
        (refusal(403, "InvalidObjectState", ""), "s3://bills/key: refused: it is archived"),
        (refusal(400, "ExpiredToken", ""), "s3://bills/key: the credentials are not accepted: ExpiredToken"),
    ] {
        let s3 = Teller::start(vec![tale]).await;
        let bucket = Bucket::new(aws("", &[("AWS_ENDPOINT_URL_S3", &s3.url)]), "bills");
        let error = bucket.get("key", 100).await.expect_err("is refused");
        assert!(without_secrets(&error).starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_is_renewed() {
    let sts = Teller::start(vec![assumed(1), assumed(2)]).await;
    let s3 =
        Teller::start(vec![refusal(400, "ExpiredToken", "The provided token has expired."), Tale::ok("bill")]).await;
    let variables = [("AWS_ENDPOINT_URL_S3", s3.url.as_str()), ("AWS_ENDPOINT_URL_STS", sts.url.as_str())];
    let bucket = Bucket::new(aws(&format!("role_arn = '{ROLE}'"), &variables), "bills");
    let (answer, _) = bucket.get("key", 100).await.expect("comes");
    assert_eq!(&answer.body[..], b"bill");
    let heard = s3.heard();
    assert!(heard[0].contains("ASIA1/") && heard[1].contains("ASIA2/"), "{heard:?}");
}

#[tokio::test]
async fn a_bucket_is_asked_where_it_is() {
    let elsewhere = Tale::Answer(301, vec![("x-amz-bucket-region", "eu-central-1".to_owned())], String::new());
    let s3 = Teller::start(vec![elsewhere, Tale::ok("bill")]).await;
    let bucket = Bucket::new(aws("", &[("AWS_ENDPOINT_URL_S3", &s3.url)]), "bills");
    bucket.get("key", 100).await.expect("comes");
    let heard = s3.heard();
    assert!(heard[0].contains("/us-east-1/s3/") && heard[1].contains("/eu-central-1/s3/"), "{heard:?}");
}
