//! Where a container is.

use reqwest::Url;

/// Where a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerAddress {
    /// The storage account.
    pub account: String,
    /// What its addresses end with, such as `core.windows.net`.
    pub suffix: String,
    /// The container's name.
    pub container: String,
}

impl ContainerAddress {
    /// Understands `https://account.blob.core.windows.net/container/prefix`, the same with `dfs`, and
    /// `abfss://container@account.dfs.core.windows.net/prefix`; gives the prefix without the last slash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<(Self, String), String> {
        const EXAMPLE: &str = "write one such as \"https://account.blob.core.windows.net/container/folder/export\"";
        let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
        if url.query().is_some() || url.password().is_some() {
            return Err(format!("has a secret in it; name a file with sas_token_file, and {EXAMPLE}"));
        }
        let abfs = matches!(url.scheme(), "abfs" | "abfss");
        if !abfs && url.scheme() != "https" {
            return Err(format!("{}:// is not where exports of Azure are; {EXAMPLE}", url.scheme()));
        }
        let host = url.host_str().unwrap_or_default();
        let parts = [".blob.", ".dfs."].iter().find_map(|service| host.split_once(service));
        let Some((account, suffix)) = parts.filter(|(account, suffix)| is_account(account) && suffix.contains('.'))
        else {
            return Err(format!("names no storage account; {EXAMPLE}"));
        };
        let path = percent_decoded(url.path().trim_start_matches('/'));
        let (container, prefix) = match abfs {
            true => (url.username().to_owned(), path),
            false => match path.split_once('/') {
                Some((container, prefix)) => (container.to_owned(), prefix.to_owned()),
                None => (path, String::new()),
            },
        };
        let odd = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-' && c != '$';
        if container.is_empty() || container.contains(odd) {
            return Err(format!("names no container; {EXAMPLE}"));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(&prefix).to_owned();
        if prefix.is_empty() {
            return Err(format!("names a container, but not the export in it; {EXAMPLE}"));
        }
        Ok((Self { account: account.to_owned(), suffix: suffix.to_owned(), container }, prefix))
    }
}

fn is_account(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (first, after.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
