//! By which right a storage account is read.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use object_store::azure::{AzureAccessKey, AzureCredential};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::azure::variable;
use crate::collector::Variables;
use crate::http::FetchError;

/// By which right a storage account is read where that is not a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StorageSettings {
    /// The environment variable that has the storage account's key, where a role cannot be given.
    pub account_key_env: Option<String>,
    /// The file that has it.
    pub account_key_file: Option<PathBuf>,
    /// The environment variable that has a shared access signature which allows to list and to read.
    pub sas_token_env: Option<String>,
    /// The file that has it. It is read again for every run.
    pub sas_token_file: Option<PathBuf>,
}

impl StorageSettings {
    /// What is wrong with them: key and what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("account_key_env", self.account_key_env.is_some()),
            ("account_key_file", self.account_key_file.is_some()),
            ("sas_token_env", self.sas_token_env.is_some()),
            ("sas_token_file", self.sas_token_file.is_some()),
        ];
        let given: Vec<&'static str> = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
        let mut problems = Vec::new();
        if let [first, second, ..] = given.as_slice() {
            problems.push((*second, format!("and {first} both say by what right the account is read; leave one out")));
        }
        for (key, name) in [("account_key_env", &self.account_key_env), ("sas_token_env", &self.sas_token_env)] {
            let odd =
                |name: &String| name.is_empty() || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if name.as_ref().is_some_and(odd) {
                problems.push((key, "is the name of an environment variable, not the secret".to_owned()));
            }
        }
        problems
    }

    pub(super) fn right(&self, variables: &Variables) -> Result<Right, FetchError> {
        let secret = |env: &Option<String>, file: &Option<PathBuf>| -> Result<Option<String>, FetchError> {
            let refused = |place: String, why: String, advice: &str| {
                Err(FetchError::Refused { place, why, advice: advice.to_owned() })
            };
            let text = match (env, file) {
                (Some(name), _) => match variable(variables, name) {
                    Some(text) => text.to_owned(),
                    None => return refused(format!("${name}"), "is not set".to_owned(), "set it to the secret"),
                },
                (None, Some(file)) => match fs::read_to_string(file) {
                    Ok(text) => text,
                    Err(error) => {
                        let advice = "correct the file's path in the settings, or its permissions";
                        return refused(file.display().to_string(), format!("cannot be read: {error}"), advice);
                    }
                },
                (None, None) => return Ok(None),
            };
            Ok(Some(text.trim().to_owned()))
        };
        if let Some(key) = secret(&self.account_key_env, &self.account_key_file)? {
            let key = AzureAccessKey::try_new(&key).map_err(|_| FetchError::Refused {
                place: "the storage account's key".to_owned(),
                why: "is none: it is not base64".to_owned(),
                advice: "copy it from the account's access keys".to_owned(),
            })?;
            return Ok(Right::Key(AzureCredential::AccessKey(key)));
        }
        Ok(match secret(&self.sas_token_env, &self.sas_token_file)? {
            Some(token) => Right::Signature(token.trim_start_matches('?').to_owned()),
            None => Right::Role,
        })
    }
}

/// By which right a container is read.
pub(super) enum Right {
    Role,
    Key(AzureCredential),
    Signature(String),
}

impl fmt::Debug for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role => "Role",
            Self::Key(_) => "Key",
            Self::Signature(_) => "Signature",
        })
    }
}
