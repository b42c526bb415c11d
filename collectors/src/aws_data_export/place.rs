//! Where an export is: a bucket, or a folder that somebody copies it to.

use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, Utc};
use reqwest::Url;

use super::manifest::Named;
use crate::aws::s3::{Bucket, Found, Object};
use crate::http::{Answer, FetchError};

/// The most that a manifest may hold. They name some hundred columns and files.
const MOST_OF_A_MANIFEST: usize = 16 << 20;

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

/// Where an export is. Keys of a folder are its paths.
#[derive(Debug)]
pub(super) enum Place {
    Bucket(Bucket),
    Folder,
}

impl Place {
    /// A key as people write it.
    pub(super) fn name(&self, key: &str) -> String {
        match self {
            Self::Bucket(bucket) => bucket.place(key),
            Self::Folder => key.to_owned(),
        }
    }

    /// Whether a file is where AWS itself wrote it, so that what is written later came later. Copies come in any order.
    pub(super) fn is_home_of(&self, file: &Named, key: &str) -> bool {
        match self {
            Self::Bucket(bucket) => file.bucket.as_deref().is_none_or(|name| name == bucket.name()) && file.key == key,
            Self::Folder => false,
        }
    }

    /// What is below a prefix that ends in a slash: everything, or up to the next slash.
    pub(super) async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError> {
        match self {
            Self::Bucket(bucket) => bucket.list(prefix, to_the_next_slash).await,
            Self::Folder => {
                let folder = PathBuf::from(prefix);
                blocking(prefix, move || {
                    let mut found = Found::default();
                    walk(&folder, to_the_next_slash, &mut found)?;
                    found.objects.sort_by(|one, other| one.key.cmp(&other.key));
                    found.folders.sort();
                    Ok(found)
                })
                .await
            }
        }
    }

    /// A manifest, and what tells it from others of its key.
    pub(super) async fn manifest(&self, key: &str) -> Result<(Answer, String), FetchError> {
        match self {
            Self::Bucket(bucket) => bucket.get(key, MOST_OF_A_MANIFEST).await,
            Self::Folder => {
                let path = PathBuf::from(key);
                let (body, etag) = blocking(key, move || {
                    let etag = object(&path)?.etag;
                    Ok((fs::read(&path)?, etag))
                })
                .await?;
                Ok((Answer { place: key.to_owned(), headers: Default::default(), body: body.into() }, etag))
            }
        }
    }

    /// Brings a file as it was when it was listed.
    pub(super) async fn bring(&self, listed: &Object, path: &Path) -> Result<(), FetchError> {
        match self {
            Self::Bucket(bucket) => bucket.download(listed, path).await,
            Self::Folder => {
                let (from, to, etag) = (PathBuf::from(&listed.key), path.to_owned(), listed.etag.clone());
                let same = blocking(&listed.key, move || {
                    fs::copy(&from, &to)?;
                    // What was written meanwhile may be in the copy in part.
                    Ok(object(&from)?.etag == etag)
                });
                match same.await? {
                    true => Ok(()),
                    false => Err(FetchError::Changed { place: listed.key.clone() }),
                }
            }
        }
    }

    /// Whether a file may be read.
    pub(super) async fn probe(&self, key: &str) -> Result<(), FetchError> {
        match self {
            Self::Bucket(bucket) => bucket.probe(key).await,
            Self::Folder => {
                let path = PathBuf::from(key);
                blocking(key, move || fs::File::open(path).map(drop)).await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    place: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FetchError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FetchError::Missing {
            place: place.to_owned(),
            advice: "look at url, and at who copies the export there".into(),
        },
        _ => FetchError::Refused {
            place: place.to_owned(),
            why: error.to_string(),
            advice: "look at the file and its permissions".to_owned(),
        },
    })
}

fn walk(folder: &Path, to_the_next_slash: bool, found: &mut Found) -> io::Result<()> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        match (path.is_dir(), to_the_next_slash) {
            (true, true) => found.folders.push(format!("{}/", path.display())),
            (true, false) => walk(&path, false, found)?,
            (false, _) => found.objects.push(object(&path)?),
        }
    }
    Ok(())
}

/// A file tells itself from others of its name by its size and when it was written.
fn object(path: &Path) -> io::Result<Object> {
    let about = path.metadata()?;
    let written = DateTime::<Utc>::from(about.modified()?);
    let etag = format!("{}-{}", about.len(), written.timestamp_nanos_opt().unwrap_or_default());
    Ok(Object { key: path.display().to_string(), size: about.len(), written, etag })
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
