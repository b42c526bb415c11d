//! Whose account of Google Cloud, and by which right.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::is_address;

/// By which right Google Cloud is asked. Keys are no settings: they are in a file that the settings or
/// `GOOGLE_APPLICATION_CREDENTIALS` name, or come with the machine (GKE, Cloud Run, Compute Engine).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GoogleSettings {
    /// A file with credentials: a configuration of workload identity federation, a service account's key, or what `gcloud auth
    /// application-default login` writes. By default what `GOOGLE_APPLICATION_CREDENTIALS` names, else gcloud's own file, else
    /// the service account of the machine.
    pub credentials_file: Option<PathBuf>,
    /// The service account that is taken on, such as `outlay@finance.iam.gserviceaccount.com`. By default the credentials that are
    /// found are used as they are.
    pub impersonate: Option<String>,
    /// Where the service answers in the place of Google's own address, such as a Private Service Connect endpoint.
    pub endpoint: Option<String>,
}

impl GoogleSettings {
    /// What is wrong with them: key and what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut add = |key: &'static str, text: &str| problems.push((key, text.to_owned()));
        if self.credentials_file.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            add("credentials_file", "names no file; write its path, or leave it out");
        }
        if self.impersonate.as_ref().is_some_and(|account| !is_service_account(account)) {
            add(
                "impersonate",
                "is not a service account; write one such as \"outlay@finance.iam.gserviceaccount.com\"",
            );
        }
        if self.endpoint.as_ref().is_some_and(|endpoint| !is_address(endpoint)) {
            add("endpoint", "is not an address; write one such as \"https://bigquery-outlay.p.googleapis.com\"");
        }
        problems
    }
}

/// Whether it can be one, and does not change the address that it is put into.
fn is_service_account(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    text.chars().all(allowed)
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && domain.ends_with("gserviceaccount.com") && !domain.contains('@')
        })
}
