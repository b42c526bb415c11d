//! What the collectors of Azure share: settings, credentials, addresses, and what Azure's refusals mean.
//!
//! Tokens are found by azure_identity, which is given everything that it lets us give: what it sends goes through
//! [`Http`](crate::http), and the environment is what is passed in. It reads some of the environment itself: `IDENTITY_ENDPOINT`,
//! `IDENTITY_HEADER` and their siblings, for the managed identity of App Service, Functions and Container Apps.

pub mod blob;
mod credentials;
mod refusal;
mod settings;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use crate::collector::{Context, Variables};
use crate::http::{FetchError, Http};

pub use credentials::AzureCredentials;
pub use refusal::{judge, refused};
pub use settings::{AzureSettings, Cloud, CredentialKind};

/// What tokens for storage accounts are for, in all clouds.
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// One source's account of Azure. Clones share credentials.
#[derive(Debug, Clone)]
pub struct Azure {
    settings: Arc<AzureSettings>,
    http: Http,
    credentials: AzureCredentials,
}

impl Azure {
    /// The account of a source. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: AzureSettings, context: &Context) -> Self {
        let settings = Arc::new(settings);
        let (variables, http) = (Arc::clone(&context.variables), context.http.clone());
        let credentials = AzureCredentials::new(Arc::clone(&settings), variables, http.clone());
        Self { settings, http, credentials }
    }

    /// The way to it.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// What its requests are allowed by.
    #[must_use]
    pub fn credentials(&self) -> &AzureCredentials {
        &self.credentials
    }

    /// In which cloud it is.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.settings.cloud
    }

    /// Where its service answers in the place of Azure's own address, without a slash at its end.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.settings.endpoint.as_deref().map(|endpoint| endpoint.trim_end_matches('/'))
    }

    /// Adds a token for this scope to a request.
    ///
    /// # Errors
    /// See [`AzureCredentials::get`].
    pub async fn authorise(&self, request: &mut Request, scope: &str) -> Result<(), FetchError> {
        let token = self.credentials.get(scope).await?;
        let mut header =
            HeaderValue::from_str(&format!("Bearer {}", token.secret())).map_err(|_| FetchError::NotUnderstood {
                place: "the Azure credentials".to_owned(),
                what: "what was given as a token is none".to_owned(),
                advice: "look at authority_host, and at who answers there".to_owned(),
            })?;
        header.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, header);
        Ok(())
    }
}

/// A variable that says something.
fn variable<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
}
