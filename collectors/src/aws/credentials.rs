//! The credentials of a source, asked for again before they end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::{Mutex, OnceCell};

use super::{Place, endpoint, refusal, region, sdk, variable};
use crate::http::FetchError;

/// Nobody gives credentials that end sooner, so while they are this young no clock has to be asked.
const YOUNG: Duration = Duration::from_secs(300);

/// How long a role is assumed for. A role that was assumed by a role cannot be for longer.
const SESSION: Duration = Duration::from_secs(3600);

/// The credentials of a source. Clones share them.
#[derive(Clone)]
pub struct AwsCredentials(Arc<Inner>);

struct Inner {
    place: Place,
    session: String,
    provider: OnceCell<SharedCredentialsProvider>,
    kept: Mutex<Option<(Instant, Credentials)>>,
}

impl AwsCredentials {
    pub(super) fn new(place: Place, session: String) -> Self {
        Self(Arc::new(Inner { place, session, provider: OnceCell::new(), kept: Mutex::new(None) }))
    }

    /// Credentials that are good for some minutes.
    ///
    /// # Errors
    /// [`FetchError`] that says where they were looked for, or who refused them.
    pub async fn get(&self) -> Result<Credentials, FetchError> {
        self.young().await.map_err(|error| refusal::credentials(&error, self.0.place.settings.role_arn.as_deref()))
    }

    /// Has new ones asked for: these were not accepted.
    pub async fn forget(&self) {
        *self.0.kept.lock().await = None;
    }

    /// The same, for the SDK.
    #[must_use]
    pub fn provider(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(self.clone())
    }

    async fn young(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.0.kept.lock().await;
        if let Some((since, credentials)) = kept.as_ref().filter(|(since, _)| since.elapsed() < YOUNG) {
            tracing::trace!(age = since.elapsed().as_secs(), "credentials are young");
            return Ok(credentials.clone());
        }
        let provider = self.0.provider.get_or_init(|| self.0.found()).await;
        let credentials = provider.provide_credentials().await?;
        *kept = Some((Instant::now(), credentials.clone()));
        Ok(credentials)
    }
}

impl Inner {
    /// Who gives credentials: whoever has them, or the role that they may assume.
    async fn found(&self) -> SharedCredentialsProvider {
        let Place { settings, variables, http } = &self.place;
        let region = region(settings, variables);
        let own = self.own(&region);
        let Some(role) = &settings.role_arn else { return SharedCredentialsProvider::new(own) };
        let mut config = sdk(http, region).await.into_builder();
        config.set_endpoint_url(endpoint(variables, "STS"));
        let mut assume = AssumeRoleProvider::builder(role)
            .session_name(&self.session)
            .session_length(SESSION)
            .configure(&config.build());
        if let Some(id) = &settings.external_id {
            assume = assume.external_id(id);
        }
        SharedCredentialsProvider::new(assume.build_from_provider(own).await)
    }

    /// The credentials of whoever runs this, in the order that AWS's own tools look for them.
    fn own(&self, region: &str) -> CredentialsProviderChain {
        let Place { settings, variables, http } = &self.place;
        let config = ProviderConfig::without_region()
            .with_region(Some(Region::new(region.to_owned())))
            .with_retry_config(http.sdk_retries())
            .with_http_client(http.clone());
        let profile =
            |name: &str| ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build();
        if let Some(name) = &settings.profile {
            return CredentialsProviderChain::first_try("profile", profile(name));
        }
        let variable = |name| variable(variables, name);
        let mut chain = CredentialsProviderChain::first_try("environment", Keys(keys(&variable)));
        if let Some((file, role)) = variable("AWS_WEB_IDENTITY_TOKEN_FILE").zip(variable("AWS_ROLE_ARN")) {
            let configuration = StaticConfiguration {
                web_identity_token_file: file.into(),
                role_arn: role.to_owned(),
                session_name: variable("AWS_ROLE_SESSION_NAME").unwrap_or(&self.session).to_owned(),
            };
            let builder = WebIdentityTokenCredentialsProvider::builder().configure(&config);
            chain = chain.or_else("web identity", builder.static_configuration(configuration).build());
        }
        chain
            .or_else("profile", profile(variable("AWS_PROFILE").unwrap_or("default")))
            .or_else("ecs", EcsCredentialsProvider::builder().configure(&config).build())
            .or_else("ec2", ImdsCredentialsProvider::builder().configure(&config).build())
    }
}

/// The keys in the environment.
fn keys<'v>(variable: &impl Fn(&'static str) -> Option<&'v str>) -> Option<Credentials> {
    let (id, secret) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"))?;
    let token = variable("AWS_SESSION_TOKEN").map(ToOwned::to_owned);
    Some(Credentials::new(id, secret, token, None, "environment"))
}

/// Keys that are there, or not.
#[derive(Debug)]
struct Keys(Option<Credentials>);

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.0.clone().ok_or_else(CredentialsError::not_loaded_no_source))
    }
}

impl ProvideCredentials for AwsCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.young())
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials")
    }
}
