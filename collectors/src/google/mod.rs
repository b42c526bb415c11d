//! What the collectors of Google Cloud share: settings, credentials, addresses, and what Google's refusals mean.
//!
//! Credentials are those that Google's own tools find ("application default credentials"). Of a service account's key the
//! crate `google-cloud-auth` only makes the signature: the token is asked for like everything else, through
//! [`Http`], at the address that the key's file names. So is that of a service account that is impersonated. The other kinds (workload
//! identity federation, gcloud's own file, the machine's service account) the crate asks for by itself, with a client
//! that nobody can give it; it is held to the same bounds (`Http::lend`), and what it fails with is read for its code, never
//! shown as it is.
//!
//! Variables come from what is passed in. The crate reads some itself: `GCE_METADATA_HOST`; of a workload that runs in AWS
//! the `AWS_…` variables with its keys; and `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES`.

mod credentials;
mod key;
mod library;
pub mod refusal;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};

use crate::collector::{Context, Variables};
use crate::http::{FetchError, Http};

pub use credentials::GoogleCredentials;
pub use settings::GoogleSettings;

/// One source's way into Google Cloud. Clones share credentials.
#[derive(Debug, Clone)]
pub struct Google {
    settings: Arc<GoogleSettings>,
    http: Http,
    credentials: GoogleCredentials,
}

impl Google {
    /// The account of a source, for a scope such as `https://www.googleapis.com/auth/bigquery`. Nothing is asked yet.
    #[must_use]
    pub fn new(settings: GoogleSettings, context: &Context, scope: &'static str) -> Self {
        let settings = Arc::new(settings);
        let credentials = GoogleCredentials::new(Arc::clone(&settings), context, scope);
        Self { settings, http: context.http.clone(), credentials }
    }

    /// The way to it.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// What its requests are allowed by.
    #[must_use]
    pub fn credentials(&self) -> &GoogleCredentials {
        &self.credentials
    }

    /// Where a service such as `bigquery` answers, without a slash at its end.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> String {
        match &self.settings.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{service}.googleapis.com"),
        }
    }

    /// Adds a token to a request.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        let token = self.credentials.get().await?;
        bear(request, &token)
    }
}

/// Puts a token on a request.
fn bear(request: &mut Request, token: &str) -> Result<(), FetchError> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| FetchError::NotUnderstood {
        place: credentials::OWN.to_owned(),
        what: "the token that came cannot be one".to_owned(),
        advice: "look at what the credentials' file names as its token endpoint".to_owned(),
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// A request that posts something.
pub(crate) fn post(url: Url, content_type: &'static str, body: impl Into<Vec<u8>>) -> Request {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *request.body_mut() = Some(body.into().into());
    request
}

/// A variable that says something.
fn variable<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
    variables.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
}
