//! A service account's key: a token for what it signs (RFC 7523).

use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_types::base64;
use chrono::{DateTime, Utc};
use google_cloud_auth::credentials::service_account;
use google_cloud_auth::signer::Signer;
use reqwest::{Request, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::credentials::{MOST_OF_A_TOKEN, Token, bad};
use super::{post, refusal};
use crate::http::{Ask, Failed, FetchError, Http, Vendor, Verdict};

/// How long what is signed is good for: as long as Google takes it for.
const GOOD_FOR: i64 = 3600;

/// A service account's key.
pub(super) struct ServiceKey {
    place: String,
    file: KeyFile,
    signer: Signer,
}

/// What of its file is not the key itself.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key_id: String,
    #[serde(default = "googles_own")]
    token_uri: String,
}

fn googles_own() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_in: u64,
}

impl ServiceKey {
    pub(super) fn read(place: &str, file: Value) -> Result<Self, FetchError> {
        // Errors of reading JSON quote it.
        let incomplete = || bad(place, "is a service account's key without some of its fields");
        let known = KeyFile::deserialize(&file).map_err(|_| incomplete())?;
        let signer = service_account::Builder::new(file).build_signer().map_err(|_| incomplete())?;
        Ok(Self { place: place.to_owned(), file: known, signer })
    }

    /// Asks for a token, at the address that the key names.
    pub(super) async fn token(&self, http: &Http, scope: &str, now: DateTime<Utc>) -> Result<Token, FetchError> {
        let assertion = self.assertion(scope, now).await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", &assertion)
            .finish();
        let place = format!("a token for {}", self.file.client_email);
        let url: Url =
            self.file.token_uri.parse().map_err(|_| bad(&self.place, "has a token_uri that is no address"))?;
        let request = post(url, "application/x-www-form-urlencoded", body);
        let ask = Ask { place: &place, request, repeatable: true };
        let given: Given = http.send(ask, &TokenEndpoint, MOST_OF_A_TOKEN).await?.json()?;
        Ok(Token::new(given.access_token, Duration::from_secs(given.expires_in)))
    }

    /// What is signed: who asks, whom, for what, and until when (a JWT).
    async fn assertion(&self, scope: &str, now: DateTime<Utc>) -> Result<String, FetchError> {
        let KeyFile { client_email, private_key_id, token_uri } = &self.file;
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": private_key_id });
        let now = now.timestamp();
        let claims = json!({
            "iss": client_email, "scope": scope, "aud": token_uri, "iat": now, "exp": now + GOOD_FOR,
        });
        let signed = format!("{}.{}", piece(head.to_string()), piece(claims.to_string()));
        let signature = self.signer.sign(&signed).await.map_err(|_| FetchError::Refused {
            place: self.place.clone(),
            why: "its private key cannot be read".to_owned(),
            advice: "it must be RSA, in PKCS #8, with \\n for the ends of its lines; create a new key".to_owned(),
        })?;
        Ok(format!("{signed}.{}", piece(signature)))
    }
}

/// Base64 as addresses have it.
fn piece(bytes: impl AsRef<[u8]>) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// Whom a token is asked of.
struct TokenEndpoint;

#[async_trait]
impl Vendor for TokenEndpoint {
    /// The request says who asks.
    async fn authorise(&self, _: &mut Request) -> Result<(), FetchError> {
        Ok(())
    }

    async fn renew(&self) {}

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        refusal::of_token(failed)
    }
}
