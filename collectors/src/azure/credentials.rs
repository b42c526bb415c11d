//! The credentials of a source: tokens, asked for again before they end.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions, Transport as AzureTransport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, Executor, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::settings::{AzureSettings, CredentialKind, address, is_authority};
use super::transport::{Giver, Transport};
use super::{refusal, variable};
use crate::collector::Variables;
use crate::http::{FetchError, Http};

/// azure_identity gives no token that ends sooner, so while one is this young no clock has to be asked.
const YOUNG: Duration = Duration::from_secs(300);

/// How long a machine that is looked at for an identity may take to answer. Outside of Azure nobody does.
const GLANCE: Duration = Duration::from_secs(2);

/// The credentials of a source. Clones share them.
#[derive(Clone)]
pub struct AzureCredentials(Arc<Inner>);

struct Inner {
    settings: Arc<AzureSettings>,
    variables: Arc<Variables>,
    http: Http,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    giver: Option<Arc<dyn TokenCredential>>,
    tokens: BTreeMap<String, (Instant, Secret)>,
}

impl AzureCredentials {
    pub(super) fn new(settings: Arc<AzureSettings>, variables: Arc<Variables>, http: Http) -> Self {
        Self(Arc::new(Inner { settings, variables, http, kept: Mutex::default() }))
    }

    /// A token for this scope (`https://management.azure.com/.default`) that is good for some minutes.
    ///
    /// # Errors
    /// [`FetchError`] that says where credentials were looked for, or who refused them.
    pub async fn get(&self, scope: &str) -> Result<Secret, FetchError> {
        let mut kept = self.0.kept.lock().await;
        if let Some((since, token)) = kept.tokens.get(scope).filter(|(since, _)| since.elapsed() < YOUNG) {
            tracing::trace!(age = since.elapsed().as_secs(), "a token is young");
            return Ok(token.clone());
        }
        let token = match &kept.giver {
            Some(giver) => token(giver, scope).await?,
            None => {
                let (giver, token) = self.0.found(scope).await?;
                kept.giver = Some(giver);
                token
            }
        };
        kept.tokens.insert(scope.to_owned(), (Instant::now(), token.clone()));
        Ok(token)
    }

    /// Has new ones asked for: these were not accepted.
    pub async fn forget(&self) {
        // azure_identity keeps tokens too, and forgets none.
        *self.0.kept.lock().await = Kept::default();
    }
}

async fn token(giver: &Arc<dyn TokenCredential>, scope: &str) -> Result<Secret, FetchError> {
    let token = giver.get_token(&[scope], None).await.map_err(|error| refusal::credentials(&error))?;
    Ok(token.token)
}

type Given = Result<(Arc<dyn TokenCredential>, Secret), FetchError>;

impl Inner {
    /// Who gives tokens, and the first of them.
    async fn found(&self, scope: &str) -> Given {
        if let Some(kind) = self.settings.credential.or_else(|| self.set()) {
            return self.given(kind, scope).await;
        }
        // Nothing is set. Who we are may be known to the machine, or to the Azure CLI.
        let glance = tokio::time::timeout(GLANCE, self.given(CredentialKind::ManagedIdentity, scope)).await;
        let machine = match glance {
            Ok(Ok(given)) => return Ok(given),
            Ok(Err(error @ (FetchError::Cancelled | FetchError::BudgetSpent { .. }))) => return Err(error),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no managed identity answers".to_owned(),
        };
        match self.given(CredentialKind::Cli, scope).await {
            Err(FetchError::Refused { why, .. }) => Err(refusal::none(&machine, &why)),
            other => other,
        }
    }

    /// What is set, in the order of Azure's own tools.
    fn set(&self) -> Option<CredentialKind> {
        let AzureSettings { client_secret_env, client_secret_file, federated_token_file, .. } = &*self.settings;
        let said = |name| variable(&self.variables, name).is_some();
        let own = client_secret_env.is_some() || client_secret_file.is_some();
        if own || (federated_token_file.is_none() && said("AZURE_CLIENT_SECRET")) {
            Some(CredentialKind::ClientSecret)
        } else if federated_token_file.is_some() || said("AZURE_FEDERATED_TOKEN_FILE") {
            Some(CredentialKind::WorkloadIdentity)
        } else {
            said("IDENTITY_ENDPOINT").then_some(CredentialKind::ManagedIdentity)
        }
    }

    async fn given(&self, kind: CredentialKind, scope: &str) -> Given {
        let giver = self.giver(kind)?;
        let token = token(&giver, scope).await?;
        Ok((giver, token))
    }

    fn giver(&self, kind: CredentialKind) -> Result<Arc<dyn TokenCredential>, FetchError> {
        let settings = &self.settings;
        let wrong = |error: azure_core::Error| refusal::unusable(&error);
        Ok(match kind {
            CredentialKind::ClientSecret => {
                let (tenant, client) = (self.tenant()?, self.client()?);
                let options = ClientSecretCredentialOptions { client_options: self.entra()? };
                ClientSecretCredential::new(tenant, client.to_owned(), self.secret()?, Some(options)).map_err(wrong)?
            }
            CredentialKind::WorkloadIdentity => {
                let file = settings.federated_token_file.clone();
                let file = file.or_else(|| Some(variable(&self.variables, "AZURE_FEDERATED_TOKEN_FILE")?.into()));
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options: self.entra()? },
                    client_id: Some(self.client()?.to_owned()),
                    tenant_id: Some(self.tenant()?.to_owned()),
                    token_file_path: Some(file.ok_or_else(|| {
                        refusal::unset("federated_token_file", "AZURE_FEDERATED_TOKEN_FILE", "the file with the token")
                    })?),
                };
                WorkloadIdentityCredential::new(Some(options)).map_err(wrong)?
            }
            CredentialKind::ManagedIdentity => {
                let client = self.client().ok().map(|client| UserAssignedId::ClientId(client.to_owned()));
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: client,
                    client_options: self.options(Giver::Machine),
                };
                ManagedIdentityCredential::new(Some(options)).map_err(wrong)?
            }
            CredentialKind::Cli => {
                let options = AzureCliCredentialOptions {
                    tenant_id: self.tenant().ok().map(ToOwned::to_owned),
                    executor: Some(Arc::new(Cli { variables: Arc::clone(&self.variables), http: self.http.clone() })),
                    ..AzureCliCredentialOptions::default()
                };
                AzureCliCredential::new(Some(options)).map_err(wrong)?
            }
        })
    }

    fn tenant(&self) -> Result<&str, FetchError> {
        let said = self.settings.tenant_id.as_deref().or_else(|| variable(&self.variables, "AZURE_TENANT_ID"));
        said.ok_or_else(|| refusal::unset("tenant_id", "AZURE_TENANT_ID", "the tenant"))
    }

    fn client(&self) -> Result<&str, FetchError> {
        let said = self.settings.client_id.as_deref().or_else(|| variable(&self.variables, "AZURE_CLIENT_ID"));
        said.ok_or_else(|| refusal::unset("client_id", "AZURE_CLIENT_ID", "the application"))
    }

    fn secret(&self) -> Result<Secret, FetchError> {
        let text = match &self.settings.client_secret_file {
            Some(file) => fs::read_to_string(file).map_err(|error| refusal::unreadable(file, &error))?,
            None => {
                let name = self.settings.client_secret_env.as_deref().unwrap_or("AZURE_CLIENT_SECRET");
                let said = variable(&self.variables, name);
                said.ok_or_else(|| refusal::unset("client_secret_file", name, "the application's secret"))?.to_owned()
            }
        };
        // Files end with a line, and secrets do not.
        Ok(Secret::new(text.trim().to_owned()))
    }

    /// The way to Entra ID.
    fn entra(&self) -> Result<ClientOptions, FetchError> {
        let said = self.settings.authority_host.as_deref();
        let said = said.or_else(|| variable(&self.variables, "AZURE_AUTHORITY_HOST"));
        let host = said.unwrap_or_else(|| self.settings.cloud.authority());
        let authority = address(host).filter(|_| is_authority(host)).ok_or_else(refusal::no_authority)?;
        let mut packed = authority.clone();
        // See the transport: it puts the scheme back.
        packed.set_scheme("https").map_err(|()| refusal::no_authority())?;
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = packed.to_string();
        let mut options = self.options(Giver::Entra(authority));
        options.cloud = Some(Arc::new(cloud.into()));
        Ok(options)
    }

    fn options(&self, giver: Giver) -> ClientOptions {
        let transport = Transport { http: self.http.clone(), giver };
        ClientOptions {
            transport: Some(AzureTransport::new(Arc::new(transport))),
            // Attempts are made by our own way out.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        }
    }
}

impl fmt::Debug for AzureCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AzureCredentials")
    }
}

/// Runs the Azure CLI in the environment that was passed in.
struct Cli {
    variables: Arc<Variables>,
    http: Http,
}

#[async_trait]
impl Executor for Cli {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.variables.0).stdin(Stdio::null()).kill_on_drop(true);
        let run =
            self.http.unless_cancelled(tokio::time::timeout(self.http.settings().answer_within(), command.output()));
        let output = run.await.map_err(io::Error::other)?;
        let output = output.map_err(|_| io::Error::other(refusal::of_cli(None, "it does not come to an end")))??;
        if output.status.success() {
            return Ok(output);
        }
        Err(io::Error::other(refusal::of_cli(output.status.code(), &String::from_utf8_lossy(&output.stderr))))
    }
}

impl fmt::Debug for Cli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cli")
    }
}
