//! How a provider's object store is reached: credentials, endpoint, region, and when to try again.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use crate::StoreError;
use crate::address::{BucketUrl, Provider};
use crate::refusal::Refusal;

/// How long one request may take unless a variable says otherwise: a part over a slow line.
const TIMEOUT: &str = "120 seconds";

/// Makes the client. Nothing is asked of the provider yet.
///
/// `variables` are names and values as the providers' own tools read them from the environment (`AWS_REGION`,
/// `AZURE_STORAGE_ACCOUNT_NAME`, …); those of other programs are left alone.
pub(crate) fn connect(url: &BucketUrl, variables: &[(String, String)]) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let ours = of_provider(url.provider, variables);
    let built = match url.provider {
        Provider::S3 => {
            let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
            let builder = AmazonS3Builder::new().with_config(timeout, TIMEOUT).with_allow_http(is_local(&ours));
            let known = ours.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)));
            let builder = known.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            let built = builder.with_bucket_name(&url.bucket).with_retry(retry()).build();
            built.map(|objects| Arc::new(objects) as Arc<dyn ObjectStore>)
        }
        Provider::Azure => {
            let timeout = AzureConfigKey::Client(ClientConfigKey::Timeout);
            let builder = MicrosoftAzureBuilder::new().with_config(timeout, TIMEOUT).with_allow_http(is_local(&ours));
            let known = ours.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)));
            let builder = known.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            let built = builder.with_container_name(&url.bucket).with_retry(retry()).build();
            built.map(|objects| Arc::new(objects) as Arc<dyn ObjectStore>)
        }
        Provider::Gcs => {
            let timeout = GoogleConfigKey::Client(ClientConfigKey::Timeout);
            let builder = GoogleCloudStorageBuilder::new().with_config(timeout, TIMEOUT);
            let known = ours.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)));
            let builder = known.fold(builder, |builder, (key, value)| builder.with_config(key, value));
            let built = builder.with_bucket_name(&url.bucket).with_retry(retry()).build();
            built.map(|objects| Arc::new(objects) as Arc<dyn ObjectStore>)
        }
    };
    built.map_err(|error| StoreError::remote(url, "be used", misunderstood(url.provider, &error)))
}

/// The variables that are meant for this provider, in the lower case the library reads. Empty is not set.
fn of_provider(provider: Provider, variables: &[(String, String)]) -> Vec<(String, String)> {
    let (prefix, besides) = match provider {
        Provider::S3 => ("aws_", None),
        Provider::Gcs => ("google_", None),
        // Where some of Azure's platforms give out tokens.
        Provider::Azure => ("azure_", Some("identity_endpoint")),
    };
    let lower = variables.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let meant = |name: &str| name.starts_with(prefix) || Some(name) == besides;
    lower.filter(|(name, value)| meant(name) && !value.is_empty()).collect()
}

/// Whether the only endpoints without encryption are on this machine, so that nothing need be said to allow them.
fn is_local(variables: &[(String, String)]) -> bool {
    let endpoints = variables.iter().filter(|(name, _)| name.contains("endpoint")).map(|(_, value)| value);
    let plain: Vec<&str> = endpoints.filter_map(|value| value.strip_prefix("http://")).collect();
    !plain.is_empty() && plain.into_iter().all(is_loopback)
}

fn is_loopback(authority: &str) -> bool {
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(|host| {
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    })
}

/// What may pass is tried again, with growing pauses, for at most a minute.
fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_secs(60) }
}

/// What is wrong with a variable is said by its name; the library would repeat its value.
fn misunderstood(provider: Provider, error: &object_store::Error) -> Refusal {
    let text = error.to_string();
    let known = [
        ("Missing AccessKeyId", "AWS_ACCESS_KEY_ID is missing"),
        ("Missing SecretAccessKey", "AWS_SECRET_ACCESS_KEY is missing"),
        ("Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME is missing"),
        ("GCP credential error", "the credentials that a GOOGLE_ variable names cannot be read"),
    ];
    let meant = known.iter().find(|(said, _)| text.contains(said)).map(|(_, meant)| *meant);
    let meant = meant.unwrap_or(match provider {
        Provider::S3 => "an AWS_ variable has a value that it cannot have",
        Provider::Gcs => "a GOOGLE_ variable has a value that it cannot have",
        Provider::Azure => "an AZURE_ variable has a value that it cannot have",
    });
    Refusal::Variable(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_of_this_machine_need_no_encryption() {
        let local = |endpoints: &[&str]| {
            let variables: Vec<_> =
                endpoints.iter().map(|e| ("aws_endpoint_url".to_owned(), (*e).to_owned())).collect();
            is_local(&variables)
        };
        assert!(local(&["http://127.0.0.1:9000"]));
        assert!(local(&["http://localhost", "https://sts.example.com"]));
        assert!(local(&["http://[::1]:9000/path"]));
        assert!(!local(&["http://127.0.0.1:9000", "http://minio.example.com"]));
        assert!(!local(&["http://localhost.example.com"]));
        assert!(!local(&["http://127.0.0.1@example.com:80"]));
        assert!(!local(&["https://example.com"]));
        assert!(!local(&[]));
    }

    #[test]
    fn what_is_wrong_with_a_variable_is_said_without_its_value() {
        let refused = |url: &str, variables: &[(&str, &str)]| {
            let url = url.parse().expect("an address");
            let variables: Vec<_> = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            connect(&url, &variables).expect_err("cannot be used").to_string()
        };
        assert_eq!(
            refused("s3://bills", &[("AWS_ACCESS_KEY_ID", "SECRET")]),
            "s3://bills cannot be used: AWS_SECRET_ACCESS_KEY is missing"
        );
        let text = refused("s3://bills", &[("AWS_SKIP_SIGNATURE", "SECRET")]);
        assert_eq!(text, "s3://bills cannot be used: an AWS_ variable has a value that it cannot have");
        let text = refused("az://bills/x", &[("AZURE_STORAGE_ACCOUNT_KEY", "SECRET")]);
        assert_eq!(text, "az://bills/x cannot be used: AZURE_STORAGE_ACCOUNT_NAME is missing");
        let text = refused("gs://bills", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "{SECRET")]);
        assert_eq!(text, "gs://bills cannot be used: the credentials that a GOOGLE_ variable names cannot be read");
    }
}
