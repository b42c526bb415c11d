//! Bills that somebody puts into a folder: the simplest collector there is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use outlay_model::{DateRange, DeliveryKey};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::collector::{Checked, Collected, Collector, Connected, Context, Listed, Listing, SourceSettings};
use crate::focus::Focus;
use crate::input::{self, InputFile, hex};
use crate::{CollectError, Format};

/// FOCUS exports in a folder of this machine, or one that is mounted there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// The folder. Bills are its .csv, .jsonl and .parquet files, gzipped or not, at any depth.
    path: PathBuf,
    /// What is replaced at once by a later edition.
    #[serde(default)]
    delivery: Unit,
}

/// What of a folder is a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Each file by itself.
    #[default]
    File,
    /// The files of each folder together, as where a month comes in several files.
    Folder,
}

impl Unit {
    /// The key of the delivery that a file is of, by its path within the folder; `.` stands for the folder itself.
    pub(crate) fn key(self, path: &str) -> &str {
        match self {
            Self::File => path,
            Self::Folder => path.rsplit_once('/').map_or(".", |(folder, _)| folder),
        }
    }
}

impl SourceSettings for FolderSettings {
    const KIND: &'static str = "focus";
    const TITLE: &'static str = "FOCUS exports in a folder";
    const SCHEDULE: &'static str = "0 */15 * * * *";
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = 120;

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn connect(self, _context: Context) -> Connected {
        let (root, unit) = (self.path, self.delivery);
        Ok(Arc::new(FolderCollector { root, unit, endings: input::ENDINGS, format: &Focus }))
    }
}

/// Reads a folder.
#[derive(Debug)]
pub(crate) struct FolderCollector {
    /// The folder.
    pub root: PathBuf,
    /// What of it is a delivery.
    pub unit: Unit,
    /// What the names of bills end with.
    pub endings: &'static [&'static str],
    /// What bills are.
    pub format: &'static dyn Format,
}

impl FolderCollector {
    /// The files of each delivery.
    fn found(&self) -> Result<BTreeMap<String, Vec<PathBuf>>, CollectError> {
        let root = &self.root;
        let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for InputFile { path, .. } in input::find_ending(&[root.display().to_string()], self.endings)? {
            let within = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let key = self.unit.key(&within);
            found.entry(if key.is_empty() { ".".to_owned() } else { key.to_owned() }).or_default().push(path);
        }
        Ok(found)
    }
}

#[async_trait]
impl Collector for FolderCollector {
    async fn check(&self) -> Result<Checked, CollectError> {
        let found = self.found()?;
        let files: usize = found.values().map(Vec::len).sum();
        Ok(Checked { notes: vec![format!("{files} files, {} deliveries", found.len())] })
    }

    async fn deliveries(&self, _window: DateRange) -> Result<Listing, CollectError> {
        let mut deliveries = Vec::new();
        for (key, files) in self.found()?.into_iter().rev() {
            let (edition, bytes) = edition(&files)?;
            let key = DeliveryKey::new(key);
            let place = self.place(key.as_str());
            deliveries.push(Listed { key, days: None, edition: Some(edition), place, bytes: Some(bytes) });
        }
        Ok(Listing { deliveries, complete: true })
    }

    async fn collect(&self, listed: &Listed, _folder: &Path) -> Result<Collected, CollectError> {
        let files = self.found()?.remove(listed.key.as_str()).unwrap_or_default();
        if edition(&files)?.0 != listed.edition.as_deref().unwrap_or_default() {
            return Err(crate::http::FetchError::Changed { place: listed.place.clone() }.into());
        }
        let files = files.into_iter().map(InputFile::open).collect::<Result<_, _>>()?;
        Ok(Collected { format: self.format, files, raw: None, provisional: Vec::new(), notes: Vec::new() })
    }
}

impl FolderCollector {
    fn place(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }
}

/// What tells these files from others of the same names: their lengths and when they were written. And how long they are.
fn edition(files: &[PathBuf]) -> Result<(String, u64), CollectError> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    for path in files {
        let fail = |source| CollectError::Read { path: path.clone(), line: 0, source };
        let about = path.metadata().map_err(fail)?;
        let written = about.modified().map_err(fail)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        hash.update(format!("{}\0{}\0{}\n", path.display(), about.len(), written.as_nanos()));
        bytes += about.len();
    }
    Ok((hex(&hash.finalize()), bytes))
}
