//! A run of an export, as its manifest or its files' names say it.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use futures_util::future::{join_all, try_join_all};

use super::Export;
use super::layout::{self, Month, is_bill, is_manifest, is_of_one_run, locate};
use super::manifest::{Contents, Manifest};
use crate::CollectError;
use crate::azure_cost;
use crate::http::FetchError;
use crate::input::{InputFile, Statement};
use crate::objects::Object;

/// The most that a manifest may hold. They name some hundred files.
const MOST_OF_A_MANIFEST: usize = 16 << 20;

/// A run of an export.
#[derive(Debug)]
pub(super) struct Run {
    /// Its manifest; older exports have none.
    pub manifest: Option<Object>,
    /// Where it is, for people.
    pub place: String,
    /// What its files have; `None` when only they can tell.
    pub contents: Option<Contents>,
    /// The version of that.
    pub version: Option<String>,
    /// When it was written.
    pub written: DateTime<Utc>,
    /// In the manifest's order.
    pub files: Vec<File>,
    /// How many files lie next to these that are of other runs.
    pub strays: usize,
    /// Whether an earlier run of the month has files where this one has none.
    pub had_more: bool,
}

/// A file of a run.
#[derive(Debug)]
pub(super) struct File {
    pub object: Object,
    /// How many rows it has, says the manifest.
    pub rows: Option<u64>,
}

impl Run {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.object.size).sum()
    }

    /// What it is, for people.
    pub(super) fn title(&self) -> String {
        let what = self.contents.map_or("cost without a manifest", Contents::title);
        self.version.as_ref().map_or_else(|| what.to_owned(), |version| format!("{what} {version}"))
    }
}

impl Export {
    /// The newest run of a month; none when Azure has finished none yet.
    pub(super) async fn newest(&self, month: &Month) -> Result<Option<Run>, FetchError> {
        let objects = self.place.list(&month.folder, false).await?.objects;
        let manifests: Vec<Object> = objects.iter().filter(|object| is_manifest(&object.key)).cloned().collect();
        if manifests.is_empty() {
            return Ok(self.without_manifest(month, &objects));
        }
        let read = join_all(manifests.into_iter().map(|manifest| self.manifest(manifest))).await;
        let (mut runs, mut failed) = (Vec::new(), Vec::new());
        for (object, result) in read {
            match result {
                Ok(manifest) => runs.push((object, manifest)),
                Err(error) if is_of_it(&error) => failed.push((object.written, error)),
                Err(error) => return Err(error),
            }
        }
        runs.sort_by_key(|(object, manifest)| (manifest.submitted, object.written, object.key.clone()));
        let newest = runs.pop();
        // One that cannot be read may be the newest; one that is older is of no matter.
        let since = newest.as_ref().map(|(object, _)| object.written);
        if let Some((_, error)) = failed.into_iter().find(|(written, _)| since.is_none_or(|since| *written > since)) {
            return Err(error);
        }
        let Some((object, manifest)) = newest else { return Ok(None) };
        let had_more = runs.iter().any(|(_, earlier)| !earlier.blobs.is_empty());
        self.run(month, object, manifest, &objects, had_more).map(Some)
    }

    async fn manifest(&self, mut object: Object) -> (Object, Result<Manifest, FetchError>) {
        match self.place.get(&object.key, MOST_OF_A_MANIFEST).await {
            Ok((answer, etag)) => {
                object.etag = etag;
                let manifest = Manifest::read(&answer);
                (object, manifest)
            }
            Err(error) => (object, Err(error)),
        }
    }

    /// The run that a manifest tells of.
    fn run(
        &self,
        month: &Month,
        object: Object,
        manifest: Manifest,
        objects: &[Object],
        had_more: bool,
    ) -> Result<Run, FetchError> {
        let Manifest { contents, version, blobs, .. } = manifest;
        let place = self.place.name(&object.key);
        let not = |place: String, what: String, advice: &str| {
            Err(FetchError::NotUnderstood { place, what, advice: advice.to_owned() })
        };
        if let Some(said) = self.said.filter(|said| *said != contents) {
            let setting = if said == Contents::Cost(Statement::Actual) { "url" } else { "amortized_url" };
            let (is, wanted) = (contents.title(), said.title());
            let what = format!("it is an export of {is}, where {setting} has to be one of {wanted}");
            return not(place, what, "FOCUS needs url alone; actual cost goes into url, amortised into amortized_url");
        }
        let mut files = Vec::new();
        for blob in blobs {
            let key = locate(month, &object.key, &blob.blob_name);
            let Some(file) = objects.iter().find(|object| object.key == key) else {
                let advice = format!(
                    "{place} lists it: Azure is writing the next run, or something deletes bills; wait for it, or restore the file"
                );
                return Err(FetchError::Missing { place: self.place.name(&key), advice });
            };
            // Of the next run already, whose manifest is still to come.
            let later = self.is_home && key == blob.blob_name && file.written > object.written;
            if later && (!is_of_one_run(month, &key) || blob.byte_count.is_some_and(|bytes| bytes != file.size)) {
                return Err(FetchError::Changed { place: self.place.name(&key) });
            }
            if let Some(bytes) = blob.byte_count.filter(|bytes| *bytes != file.size) {
                let what = format!("has {} bytes, and {place} says {bytes}", file.size);
                let advice = "it did not arrive whole: run the export again, or copy it again";
                return not(self.place.name(&key), what, advice);
            }
            files.push(File { object: file.clone(), rows: blob.data_row_count });
        }
        let own = |object: &&Object| files.iter().any(|file| file.object.key == object.key);
        let strays = objects.iter().filter(|object| is_bill(&object.key)).filter(|object| !own(object)).count();
        let written = object.written;
        let (manifest, contents) = (Some(object), Some(contents));
        Ok(Run { manifest, place, contents, version, written, files, strays, had_more })
    }

    /// The newest run of an export of an older version.
    fn without_manifest(&self, month: &Month, objects: &[Object]) -> Option<Run> {
        let newest = layout::newest_without_manifest(month, objects);
        let written = newest.iter().map(|object| object.written).max()?;
        let strays = objects.iter().filter(|object| is_bill(&object.key)).count() - newest.len();
        let named = || azure_cost::named(newest[0].key.as_ref());
        Some(Run {
            manifest: None,
            place: self.place.name(&month.folder),
            contents: self.said.or_else(|| named().map(Contents::Cost)),
            version: None,
            written,
            files: newest.into_iter().map(|object| File { object, rows: None }).collect(),
            strays,
            had_more: false,
        })
    }

    /// Brings a run's files to where `path` says, and makes sure that they are still those of the run.
    pub(super) async fn bring(
        &self,
        run: &Run,
        path: impl Fn(usize, &str) -> PathBuf,
    ) -> Result<Vec<InputFile>, CollectError> {
        let paths: Vec<PathBuf> = (1..)
            .zip(&run.files)
            .map(|(number, file)| path(number, file.object.key.rsplit('/').next().unwrap_or_default()))
            .collect();
        let downloads = run.files.iter().zip(&paths).map(|(file, path)| self.place.download(&file.object, path));
        try_join_all(downloads).await?;
        if let Some(manifest) = &run.manifest
            && self.place.get(&manifest.key, MOST_OF_A_MANIFEST).await?.1 != manifest.etag
        {
            return Err(FetchError::Changed { place: run.place.clone() }.into());
        }
        let statement = match run.contents {
            Some(Contents::Cost(statement)) => Some(statement),
            _ => None,
        };
        let files = paths.into_iter().zip(&run.files);
        files.map(|(path, file)| Ok(InputFile { statement, rows: file.rows, ..InputFile::open(path)? })).collect()
    }
}

/// Whether an error is of the manifest alone.
fn is_of_it(error: &FetchError) -> bool {
    matches!(error, FetchError::Missing { .. } | FetchError::Changed { .. } | FetchError::NotUnderstood { .. })
}
