//! A folder of this machine, or one that is mounted there.

use std::path::{Path, PathBuf};
use std::{fs, io};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::{Found, Object, Place};
use crate::http::{Answer, FetchError};

/// Files of this machine. Their keys are their paths.
#[derive(Debug, Clone, Copy)]
pub struct Folder;

#[async_trait]
impl Place for Folder {
    fn name(&self, key: &str) -> String {
        key.to_owned()
    }

    async fn list(&self, prefix: &str, to_the_next_slash: bool) -> Result<Found, FetchError> {
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

    async fn get(&self, key: &str, most: usize) -> Result<(Answer, String), FetchError> {
        let path = PathBuf::from(key);
        let (body, etag) = blocking(key, move || {
            let Object { size, etag, .. } = object(&path)?;
            if size > most as u64 {
                return Err(io::Error::other(format!("is larger than {} MiB", most >> 20)));
            }
            Ok((fs::read(&path)?, etag))
        })
        .await?;
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        Ok((Answer { place: key.to_owned(), status, headers, body: body.into() }, etag))
    }

    async fn download(&self, listed: &Object, path: &Path) -> Result<(), FetchError> {
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

    async fn probe(&self, key: &str) -> Result<(), FetchError> {
        let path = PathBuf::from(key);
        blocking(key, move || fs::File::open(path).map(drop)).await
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
