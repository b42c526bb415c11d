//! Which account of Azure, and by which right.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Which account of Azure is read, and by which right. A secret is no setting: it comes from the environment or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AzureSettings {
    /// By what right Azure is asked. By default what is there, in the order of Azure's own tools: a client secret, a
    /// federated token, the managed identity of the machine, the Azure CLI.
    pub credential: Option<CredentialKind>,
    /// The tenant (directory), by its id or a domain of it. By default `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// The application, or the managed identity where the machine has several, by its client id. By default
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The environment variable that has the application's secret; by default `AZURE_CLIENT_SECRET`.
    pub client_secret_env: Option<String>,
    /// The file that has the application's secret.
    pub client_secret_file: Option<PathBuf>,
    /// The file that has the token of a workload identity (AKS, or another issuer that the application trusts). By default
    /// `AZURE_FEDERATED_TOKEN_FILE`. It is read again as its issuer renews it.
    pub federated_token_file: Option<PathBuf>,
    /// In which of Azure's clouds it is.
    pub cloud: Cloud,
    /// Where tokens are given in the place of the cloud's own address; by default `AZURE_AUTHORITY_HOST`. It has to be
    /// `https://`, but for what runs on this machine.
    pub authority_host: Option<String>,
    /// Where the service answers in the place of Azure's own address, such as a private endpoint.
    pub endpoint: Option<String>,
}

/// By what right Azure is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// An application's secret.
    ClientSecret,
    /// An application that trusts the issuer of a token in a file.
    WorkloadIdentity,
    /// The identity that Azure gives this machine, container or function.
    ManagedIdentity,
    /// Whoever is logged in to the Azure CLI (`az login`).
    Cli,
}

/// A part of Azure that knows nothing of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// That of all other regions.
    #[default]
    Public,
    /// Azure in China, operated by 21Vianet.
    China,
    /// Azure Government of the United States.
    UsGovernment,
}

impl Cloud {
    /// Where tokens are given.
    #[must_use]
    pub fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::China => "https://login.chinacloudapi.cn",
            Self::UsGovernment => "https://login.microsoftonline.us",
        }
    }

    /// Where Azure Resource Manager answers.
    #[must_use]
    pub fn management(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::China => "https://management.chinacloudapi.cn",
            Self::UsGovernment => "https://management.usgovcloudapi.net",
        }
    }

    /// What tokens for Azure Resource Manager are for.
    #[must_use]
    pub fn management_scope(self) -> String {
        format!("{}/.default", self.management())
    }

    /// What addresses of storage accounts end with: `<account>.blob.<suffix>`.
    #[must_use]
    pub fn storage_suffix(self) -> &'static str {
        match self {
            Self::Public => "core.windows.net",
            Self::China => "core.chinacloudapi.cn",
            Self::UsGovernment => "core.usgovcloudapi.net",
        }
    }
}

impl AzureSettings {
    /// What is wrong with them: key and what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        use CredentialKind::{Cli, ClientSecret, ManagedIdentity, WorkloadIdentity};
        let mut problems = Vec::new();
        let mut add = |key: &'static str, text: &str| problems.push((key, text.to_owned()));
        let odd = |allowed: &str, text: &str| {
            text.is_empty() || text.chars().any(|c| !c.is_ascii_alphanumeric() && !allowed.contains(c))
        };
        if self.tenant_id.as_ref().is_some_and(|tenant| odd("-.", tenant)) {
            add(
                "tenant_id",
                "is no tenant; write its id, such as \"72f988bf-0000-0000-0000-2d7cd011db47\", or a domain of it",
            );
        }
        if self.client_id.as_ref().is_some_and(|client| odd("-", client)) {
            add("client_id", "is no client id; write one such as \"72f988bf-0000-0000-0000-2d7cd011db47\"");
        }
        if self.client_secret_env.as_ref().is_some_and(|name| odd("_", name)) {
            add("client_secret_env", "is the name of an environment variable, not the secret");
        }
        if self.client_secret_env.is_some() && self.client_secret_file.is_some() {
            add("client_secret_file", "and client_secret_env both say where the secret is; leave one out");
        }
        let secret = self.client_secret_env.is_some() || self.client_secret_file.is_some();
        let federated = self.federated_token_file.is_some();
        if secret && federated && self.credential.is_none() {
            add("federated_token_file", "and a client secret are both given; leave one out, or choose with credential");
        }
        match self.credential {
            Some(WorkloadIdentity | ManagedIdentity | Cli) if secret => {
                add("credential", "uses no client secret, but one is given; leave one of them out");
            }
            Some(ClientSecret | ManagedIdentity | Cli) if federated => {
                add("credential", "uses no federated_token_file, but one is given; leave one of them out");
            }
            _ => {}
        }
        if let Some(host) = &self.authority_host
            && !is_authority(host)
        {
            add(
                "authority_host",
                "is no address to send a secret to; write one such as \"https://login.microsoftonline.com\"",
            );
        }
        if self.endpoint.as_ref().is_some_and(|endpoint| address(endpoint).is_none()) {
            add("endpoint", "is not an address; write one such as \"https://management.azure.com\"");
        }
        problems
    }
}

/// The address of a web server, without a password or a query.
pub(super) fn address(text: &str) -> Option<reqwest::Url> {
    text.parse::<reqwest::Url>().ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    })
}

/// Whether a secret may be sent there: packed, or not beyond this machine.
pub(super) fn is_authority(text: &str) -> bool {
    address(text).is_some_and(|url| {
        let here = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        url.scheme() == "https" || here
    })
}
