//! The credentials of a source: a token, asked for again before it ends.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::{Request, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::key::ServiceKey;
use super::library::Library;
use super::{GoogleSettings, bear, post, refusal, variable};
use crate::collector::{Context, Variables};
use crate::http::{Ask, Failed, FetchError, Http, Vendor, Verdict};

/// What is not there, or not good.
pub(super) const OWN: &str = "the Google credentials";

/// Where they could be.
const WHENCE: &str = "name a credentials_file, set GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is given \
                      (GKE, Cloud Run, Compute Engine)";

/// How long before its end a token is no longer used: longer than any request takes to be understood.
const SLACK: Duration = Duration::from_secs(120);

/// How long a service account is impersonated for; Google gives no longer without being asked by its organisation.
const SESSION: Duration = Duration::from_secs(3600);

/// What credentials that only take on somebody else are asked for.
const ANY_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The most that an answer with a token may hold: those of federation are some kilobytes.
pub(super) const MOST_OF_A_TOKEN: usize = 1 << 17;

/// The credentials of a source. Clones share them.
#[derive(Clone)]
pub struct GoogleCredentials(Arc<Inner>);

struct Inner {
    settings: Arc<GoogleSettings>,
    variables: Arc<Variables>,
    http: Http,
    clock: fn() -> DateTime<Utc>,
    scope: &'static str,
    kept: Mutex<Option<Token>>,
}

/// A token, and how long it may be used.
pub(super) struct Token {
    text: String,
    since: Instant,
    lasts: Duration,
}

impl Token {
    pub(super) fn new(text: String, lasts: Duration) -> Self {
        Self { text, since: Instant::now(), lasts }
    }

    fn is_young(&self) -> bool {
        self.since.elapsed() + SLACK < self.lasts
    }
}

impl GoogleCredentials {
    pub(super) fn new(settings: Arc<GoogleSettings>, context: &Context, scope: &'static str) -> Self {
        let Context { variables, http, clock, .. } = context;
        let (variables, http) = (Arc::clone(variables), http.clone());
        Self(Arc::new(Inner { settings, variables, http, clock: *clock, scope, kept: Mutex::default() }))
    }

    /// A token that is good for some minutes.
    ///
    /// # Errors
    /// [`FetchError`] that says where it was looked for, or who refused it.
    pub async fn get(&self) -> Result<String, FetchError> {
        let mut kept = self.0.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.is_young()) {
            return Ok(token.text.clone());
        }
        // An old one must not come back should this fail.
        *kept = None;
        let token = self.0.asked().await?;
        let text = token.text.clone();
        *kept = Some(token);
        Ok(text)
    }

    /// Has a new one asked for: this one was not accepted. The file is read again, too.
    pub async fn forget(&self) {
        *self.0.kept.lock().await = None;
    }
}

impl fmt::Debug for GoogleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoogleCredentials")
    }
}

impl Inner {
    /// The token of whoever runs this, or of whom they take on.
    async fn asked(&self) -> Result<Token, FetchError> {
        let Some(account) = &self.settings.impersonate else { return self.own(self.scope).await };
        let own = self.own(ANY_SCOPE).await?;
        self.impersonated(account, own).await
    }

    /// The token of whoever runs this.
    async fn own(&self, scope: &'static str) -> Result<Token, FetchError> {
        let Some((path, text)) = self.file()? else {
            let host = variable(&self.variables, "GCE_METADATA_HOST");
            let within = self.http.settings().connect_within();
            let token = Library::machine(host, scope).token(&self.http, OWN, within, WHENCE).await;
            // Where nobody gives any, nobody answers.
            return token.map_err(|error| match error {
                FetchError::Unavailable { place, why, .. } => FetchError::Refused {
                    place,
                    why: format!("there are none, and the machine's metadata server: {why}"),
                    advice: WHENCE.to_owned(),
                },
                error => error,
            });
        };
        let place = path.display().to_string();
        let file: Value = serde_json::from_str(&text).map_err(|_| bad(&place, "is not JSON"))?;
        match file.get("type").and_then(Value::as_str) {
            Some("service_account") => {
                let key = ServiceKey::read(&place, file)?;
                key.token(&self.http, scope, (self.clock)()).await
            }
            Some(kind) => {
                let within = self.http.settings().answer_within();
                let library = Library::of_file(&place, kind, &file, scope)?;
                library.token(&self.http, &place, within, "look at what the file names, and at who may use it").await
            }
            None => Err(bad(&place, "does not say what it is (no \"type\")")),
        }
    }

    /// The file that holds or names the credentials, and what is in it. A file that is asked for must be there.
    fn file(&self) -> Result<Option<(PathBuf, String)>, FetchError> {
        let named = variable(&self.variables, "GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        if let Some(path) = self.settings.credentials_file.clone().or(named) {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            return Ok(Some((path, text)));
        }
        let config = variable(&self.variables, "CLOUDSDK_CONFIG").map(PathBuf::from);
        let home = || variable(&self.variables, "HOME").map(|home| Path::new(home).join(".config/gcloud"));
        let Some(folder) = config.or_else(home) else { return Ok(None) };
        let path = folder.join("application_default_credentials.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    /// The token of a service account, by the right to take it on.
    async fn impersonated(&self, account: &str, own: Token) -> Result<Token, FetchError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            access_token: String,
        }
        // gcloud's own word for it.
        let host = variable(&self.variables, "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS")
            .unwrap_or("https://iamcredentials.googleapis.com")
            .trim_end_matches('/');
        let place = format!("the service account {account}");
        let url: Url = format!("{host}/v1/projects/-/serviceAccounts/{account}:generateAccessToken")
            .parse()
            .map_err(|_| bad("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "is not an address"))?;
        let body = json!({ "scope": [self.scope], "lifetime": format!("{}s", SESSION.as_secs()) });
        let request = post(url, "application/json", body.to_string());
        let vendor = Impersonation { own: own.text, account };
        let ask = Ask { place: &place, request, repeatable: true };
        let given: Given = self.http.send(ask, &vendor, MOST_OF_A_TOKEN).await?.json()?;
        Ok(Token::new(given.access_token, SESSION))
    }
}

/// Asks for the token of somebody else.
struct Impersonation<'a> {
    own: String,
    account: &'a str,
}

#[async_trait]
impl Vendor for Impersonation<'_> {
    async fn authorise(&self, request: &mut Request) -> Result<(), FetchError> {
        bear(request, &self.own)
    }

    /// Its token has just been asked for.
    async fn renew(&self) {}

    fn judge(&self, failed: &Failed<'_>) -> Verdict {
        let account = self.account;
        let need = format!("give these credentials roles/iam.serviceAccountTokenCreator on {account}");
        refusal::judge(failed, &need, "there is no such service account; correct impersonate")
    }
}

/// A file that is no credentials.
pub(super) fn bad(place: &str, why: &str) -> FetchError {
    FetchError::Refused {
        place: place.to_owned(),
        why: why.to_owned(),
        advice: "it must be a service account's key, a configuration of workload identity federation, or gcloud's own file; \
                 create it anew"
            .to_owned(),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> FetchError {
    FetchError::Refused { place: path.display().to_string(), why: error.to_string(), advice: WHENCE.to_owned() }
}
