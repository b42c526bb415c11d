//! Credentials that the library asks for by itself.

use std::error::Error;
use std::io;
use std::time::Duration;

use google_cloud_auth::build_errors;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, external_account, external_account_authorized_user, impersonated, mds, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use serde_json::Value;

use super::credentials::{Token, bad};
use super::refusal;
use crate::http::{FetchError, Http, reason};

/// How long its tokens are used. It does not say when they end; Google gives none that ends within four minutes.
const LASTS: Duration = Duration::from_secs(240);

type Built = Result<AccessTokenCredentials, build_errors::Error>;

/// Credentials that the library asks for. They are built for one token and dropped: it goes on asking for as long as
/// there are any.
pub(super) struct Library<'a>(Box<dyn Fn() -> Built + Send + Sync + 'a>);

impl<'a> Library<'a> {
    /// Those of the machine's service account.
    pub(super) fn machine(host: Option<&'a str>, scope: &'static str) -> Self {
        Self(Box::new(move || {
            let mut builder = mds::Builder::default().with_scopes([scope]);
            if let Some(host) = host {
                builder = builder.with_endpoint(format!("http://{host}"));
            }
            builder.build_access_token_credentials()
        }))
    }

    /// Those that a file of this kind tells how to get.
    pub(super) fn of_file(place: &str, kind: &str, file: &'a Value, scope: &'static str) -> Result<Self, FetchError> {
        Ok(Self(match kind {
            "external_account" => Box::new(move || {
                let builder = external_account::Builder::new(file.clone()).with_scopes([scope]);
                builder.build_access_token_credentials()
            }),
            "impersonated_service_account" => Box::new(move || {
                let builder = impersonated::Builder::new(file.clone()).with_scopes([scope]);
                builder.build_access_token_credentials()
            }),
            // What a person was asked for when logging in, and no other scope.
            "authorized_user" => {
                Box::new(move || user_account::Builder::new(file.clone()).build_access_token_credentials())
            }
            "external_account_authorized_user" => Box::new(move || {
                let builder = external_account_authorized_user::Builder::new(file.clone());
                builder.build_access_token_credentials()
            }),
            _ => return Err(bad(place, "is of a type that is not known")),
        }))
    }

    /// A token, for which each attempt may take so long.
    pub(super) async fn token(
        &self,
        http: &Http,
        place: &str,
        within: Duration,
        need: &str,
    ) -> Result<Token, FetchError> {
        let mut tries = 1;
        loop {
            // Its errors quote the file.
            let built = (self.0)().map_err(|_| bad(place, "lacks a field, or has one that cannot be"))?;
            match http.lend(place, within, built.access_token()).await? {
                Ok(token) => return Ok(Token::new(token.token, LASTS)),
                Err(error) if error.is_transient() && tries < http.settings().attempts => http.pause(tries).await?,
                Err(error) => return Err(told(place, &error, need, tries)),
            }
            tries += 1;
        }
    }
}

/// What its errors mean. Their texts quote answers, and what commands print.
fn told(place: &str, error: &CredentialsError, need: &str, tries: u32) -> FetchError {
    let chain = || std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
    let body = chain().find_map(|error| {
        let text = error.to_string();
        let (_, rest) = text.split_once("body=<")?;
        refusal::Refusal::read(rest.rsplit_once('>')?.0)
    });
    let status = || {
        let error = chain().find_map(|error| error.downcast_ref::<reqwest::Error>())?;
        let status = error.status().map(|status| format!("HTTP {}", status.as_u16()));
        Some(status.unwrap_or_else(|| reason(error)))
    };
    let system = || chain().find_map(|error| error.downcast_ref::<io::Error>()).map(ToString::to_string);
    let place = place.to_owned();
    let why = body.map(|refusal| refusal.text()).or_else(status).or_else(system);
    let why = why.unwrap_or_else(|| "give no token".to_owned());
    match error.is_transient() {
        true => FetchError::Unavailable { place, why, tries },
        false => FetchError::Refused { place, why, advice: need.to_owned() },
    }
}
