//! Where an export is: a container of a storage account, or a folder that somebody copies it to.

use std::path::PathBuf;

use reqwest::Url;

use crate::azure::blob::ContainerAddress;

/// Where an export is, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A container and what its blobs' names start with, without the last slash.
    Container(ContainerAddress, String),
    /// A folder.
    Folder(PathBuf),
}

impl Address {
    /// Understands what [`ContainerAddress::parse`] does, and `file:///folder`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("file:") {
            const EXAMPLE: &str = "write one such as \"file:///srv/bills/export\"";
            let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
            let folder = url.to_file_path().map_err(|()| format!("names no folder of this machine; {EXAMPLE}"))?;
            return Ok(Self::Folder(folder));
        }
        ContainerAddress::parse(text).map(|(address, prefix)| Self::Container(address, prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Address, &str>) {
        match (Address::parse(text), expected) {
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
            (parsed, expected) => {
                assert_eq!(parsed.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e))
            }
        }
    }

    #[test]
    fn addresses_are_understood() {
        let container = |suffix: &str, prefix: &str| {
            let (account, container) = ("acme1".to_owned(), "bills".to_owned());
            Ok(Address::Container(
                ContainerAddress { account, suffix: suffix.to_owned(), container },
                prefix.to_owned(),
            ))
        };
        check("https://acme1.blob.core.windows.net/bills/a/focus", container("core.windows.net", "a/focus"));
        check("https://acme1.dfs.core.windows.net/bills/a/focus/", container("core.windows.net", "a/focus"));
        check(
            "https://acme1.blob.core.chinacloudapi.cn/bills/my%20focus",
            container("core.chinacloudapi.cn", "my focus"),
        );
        check("abfss://bills@acme1.dfs.core.windows.net/a/focus", container("core.windows.net", "a/focus"));
        check("file:///srv/my%20bills", Ok(Address::Folder("/srv/my bills".into())));
        check("https://acme1.blob.core.windows.net/bills", Err("names a container, but not the export in it"));
        check("https://acme1.blob.core.windows.net/", Err("names no container"));
        check("https://example.com/bills/focus", Err("names no storage account"));
        check("https://acme1.blob.core.windows.net/bills/focus?sv=2023&sig=x", Err("has a secret in it"));
        check("http://acme1.blob.core.windows.net/bills/focus", Err("http:// is not where exports of Azure are"));
        check("s3://bills/focus", Err("s3:// is not where exports of Azure are"));
        check("/srv/bills", Err("is not an address"));
        check("file://bills/focus", Err("names no folder of this machine"));
    }
}
