//! Where an export is: a bucket, or a folder that somebody copies it to.

use std::path::PathBuf;

use reqwest::Url;

/// Where an export is, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A bucket and what its keys start with, without the last slash.
    Bucket(String, String),
    /// A folder.
    Folder(PathBuf),
}

impl Address {
    /// Understands `s3://bucket/prefix/export` and `file:///folder`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write one such as \"s3://bucket/prefix/export\" or \"file:///srv/bills/export\"";
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let odd = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !".-_".contains(c);
            if bucket.is_empty() || bucket.contains(odd) {
                return Err(format!("names no bucket; {EXAMPLE}"));
            }
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            if prefix.is_empty() {
                return Err(format!("names a bucket, but not the export in it; {EXAMPLE}"));
            }
            return Ok(Self::Bucket(bucket.to_owned(), prefix.to_owned()));
        }
        let url: Url = text.parse().map_err(|_| format!("is not an address; {EXAMPLE}"))?;
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| format!("names no folder of this machine; {EXAMPLE}"))?;
                Ok(Self::Folder(folder))
            }
            other => Err(format!("{other}:// is not where exports of AWS are; {EXAMPLE}")),
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
                assert_eq!(parsed.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e))
            }
        }
    }

    #[test]
    fn addresses_are_understood() {
        let bucket = |prefix: &str| Ok(Address::Bucket("bills".to_owned(), prefix.to_owned()));
        check("s3://bills/focus", bucket("focus"));
        check("s3://bills/a/b/focus/", bucket("a/b/focus"));
        check("s3://bills/a//focus", bucket("a//focus"));
        check("s3://bills//a/focus", bucket("/a/focus"));
        check("file:///srv/my%20bills", Ok(Address::Folder("/srv/my bills".into())));
        check("s3://bills", Err("names a bucket, but not the export in it"));
        check("s3://bills/", Err("names a bucket, but not the export in it"));
        check("s3:///focus", Err("names no bucket"));
        check("s3://key:secret@bills/focus", Err("names no bucket"));
        check("gs://bills/focus", Err("gs:// is not where exports of AWS are"));
        check("/srv/bills", Err("is not an address"));
        check("file://bills/focus", Err("names no folder of this machine"));
    }
}
