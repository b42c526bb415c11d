//! What the collectors of AWS share: settings, credentials, addresses, and what AWS's refusals mean.
//!
//! Credentials are found by aws-config, from what is passed in wherever it lets us. It reads some of the environment itself:
//! `HOME`, `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` for profiles, the `AWS_CONTAINER_…` and
//! `AWS_EC2_METADATA_…` variables for a machine's role, and `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT`.

mod credentials;
mod refusal;
pub mod s3;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, Region, SdkConfig};

use crate::collector::{Context, Variables};
use crate::http::Http;

pub use credentials::AwsCredentials;
pub use refusal::{refused, sdk_error};
pub use settings::AwsSettings;

/// One source's account of AWS. Clones share credentials.
#[derive(Debug, Clone)]
pub struct Aws {
    settings: Arc<AwsSettings>,
    variables: Arc<Variables>,
    http: Http,
    credentials: AwsCredentials,
}

impl Aws {
    /// The account of a source. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: AwsSettings, context: &Context) -> Self {
        let (settings, variables) = (Arc::new(settings), Arc::clone(&context.variables));
        let session = settings.session_name.clone().unwrap_or_else(|| {
            let name = format!("outlay-{}", context.source);
            name.chars().take(64).collect()
        });
        let place =
            Place { settings: Arc::clone(&settings), variables: Arc::clone(&variables), http: context.http.clone() };
        let credentials = AwsCredentials::new(place, session);
        Self { settings, variables, http: context.http.clone(), credentials }
    }

    /// The way to it.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// What its requests are signed with.
    #[must_use]
    pub fn credentials(&self) -> &AwsCredentials {
        &self.credentials
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> String {
        region(&self.settings, &self.variables)
    }

    /// Where a service answers in the place of AWS's own address: as the settings say, else `AWS_ENDPOINT_URL_<SERVICE>`,
    /// else `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<String> {
        self.settings.endpoint.clone().or_else(|| endpoint(&self.variables, service))
    }

    /// What clients of the SDK for a service, such as `COST_EXPLORER`, are made of.
    pub async fn sdk(&self, service: &str) -> SdkConfig {
        let config = sdk(&self.http, self.region()).await.into_builder();
        let config = config.credentials_provider(self.credentials.provider());
        match self.endpoint(service) {
            Some(endpoint) => config.endpoint_url(endpoint).build(),
            None => config.build(),
        }
    }
}

/// What finding credentials needs.
#[derive(Debug)]
struct Place {
    settings: Arc<AwsSettings>,
    variables: Arc<Variables>,
    http: Http,
}

/// A configuration of the SDK without credentials. They are kept by us, so the SDK keeps none.
async fn sdk(http: &Http, region: String) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .no_credentials()
        .identity_cache(IdentityCache::no_cache())
        .http_client(http.clone())
        .retry_config(http.sdk_retries())
        .region(Region::new(region))
        .load()
        .await
}

fn region(settings: &AwsSettings, variables: &Variables) -> String {
    let said = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().filter_map(|name| variable(variables, name));
    let region = settings.region.as_deref().or_else(|| said.into_iter().next());
    region.unwrap_or_else(|| settings.home_region()).to_owned()
}

fn endpoint(variables: &Variables, service: &str) -> Option<String> {
    let own = format!("AWS_ENDPOINT_URL_{service}");
    let said = variable(variables, &own).or_else(|| variable(variables, "AWS_ENDPOINT_URL"))?;
    Some(said.trim_end_matches('/').to_owned())
}

/// A variable that says something.
fn variable<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
}
