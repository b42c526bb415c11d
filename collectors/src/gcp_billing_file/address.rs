//! Where exports are: a bucket, or a folder of this machine.

use std::path::PathBuf;

use reqwest::Url;

/// Where exports are, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A bucket and what its keys start with, with a slash at its end unless it is empty.
    Bucket(String, String),
    /// A folder.
    Folder(PathBuf),
}

const EXAMPLE: &str = "write one such as \"gs://bucket/folder\" or \"file:///srv/bills\"";

impl Address {
    /// Understands `gs://bucket/prefix` and `file:///folder`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("gs://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let odd = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !".-_".contains(c);
            if bucket.is_empty() || bucket.contains(odd) {
                return Err(format!("names no bucket; {EXAMPLE}"));
            }
            let prefix = match prefix.strip_suffix('/').unwrap_or(prefix) {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            };
            return Ok(Self::Bucket(bucket.to_owned(), prefix));
        }
        let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| format!("names no folder of this machine; {EXAMPLE}"))?;
                Ok(Self::Folder(folder))
            }
            other => Err(format!("{other}:// is not where exports of Google Cloud are; {EXAMPLE}")),
        }
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
                assert_eq!(parsed.as_ref().map_err(String::as_str), expected.as_ref().map_err(|error| *error));
            }
        }
    }

    #[test]
    fn addresses_are_understood() {
        let bucket = |prefix: &str| Ok(Address::Bucket("bills".to_owned(), prefix.to_owned()));
        check("gs://bills", bucket(""));
        check("gs://bills/", bucket(""));
        check("gs://bills/gcp/2026", bucket("gcp/2026/"));
        check("gs://bills/gcp/", bucket("gcp/"));
        check("file:///srv/my%20bills", Ok(Address::Folder("/srv/my bills".into())));
        check("gs:///gcp", Err("names no bucket"));
        check("gs://key:secret@bills/gcp", Err("names no bucket"));
        check("s3://bills/gcp", Err("s3:// is not where exports of Google Cloud are"));
        check("/srv/bills", Err("is not an address"));
        check("file://bills/gcp", Err("names no folder of this machine"));
    }
}
