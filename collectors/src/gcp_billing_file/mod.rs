//! Billing exports of Google Cloud that somebody dumps: rows of BigQuery's table as files, in Cloud Storage or in a folder.
//!
//! BigQuery's own `EXPORT DATA` and `bq extract` write them, or a script. What is replaced at once is a file or a folder, as
//! the settings say. Objects are read as they were listed: each by its generation, which a later one does not have.

mod address;
mod bucket;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use outlay_model::{DateRange, DeliveryKey};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::CollectError;
use crate::collector::{Checked, Collected, Collector, Connected, Context, Listed, Listing, SourceSettings};
use crate::folder::{FolderCollector, Unit};
use crate::gcp_billing::GcpBilling;
use crate::google::{Google, GoogleSettings};
use crate::http::FetchError;
use crate::input::{InputFile, hex};
use crate::objects::{Object, Place};

use address::Address;
use bucket::Bucket;

/// What the names of rows end with. BigQuery writes JSON lines as `.json` unless it is told otherwise.
const ENDINGS: &[&str] =
    &[".csv", ".csv.gz", ".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet"];

/// Rows of Google Cloud's billing export, standard or detailed, as CSV, JSON lines or Parquet, in Cloud Storage or in a folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BillingFileSettings {
    /// Where the files are: `gs://bucket/folder`, or `file:///folder`. They are found at any depth.
    url: String,
    /// What is replaced at once by a later edition. Each row must be in one delivery only.
    #[serde(default)]
    delivery: Unit,
    #[serde(flatten)]
    google: GoogleSettings,
}

impl SourceSettings for BillingFileSettings {
    const KIND: &'static str = "gcp_billing_file";
    const TITLE: &'static str = "billing exports of Google Cloud as files, in Cloud Storage or in a folder";
    // Whoever dumps rows does so at some hour of theirs; asking costs next to nothing.
    const SCHEDULE: &'static str = "0 25 * * * *";
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = 120;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let url = Address::parse(&self.url).err().map(|text| ("url", text));
        url.into_iter().chain(self.google.problems()).collect()
    }

    fn place(&self) -> String {
        self.url.clone()
    }

    fn connect(self, context: Context) -> Connected {
        let address = Address::parse(&self.url).map_err(|what| FetchError::NotUnderstood {
            place: self.url.clone(),
            what,
            advice: "correct url".to_owned(),
        })?;
        let unit = self.delivery;
        let collector: Arc<dyn Collector> = match address {
            Address::Folder(root) => Arc::new(FolderCollector { root, unit, endings: ENDINGS, format: &GcpBilling }),
            Address::Bucket(name, prefix) => {
                let google = Google::new(self.google, &context, bucket::SCOPE);
                Arc::new(Files { place: Box::new(Bucket::new(google, &name)), prefix, unit })
            }
        };
        Ok(collector)
    }
}

/// Reads objects of a place.
#[derive(Debug)]
struct Files {
    place: Box<dyn Place>,
    /// What keys start with; they are told without it.
    prefix: String,
    unit: Unit,
}

impl Files {
    /// The objects of each delivery, in order.
    async fn found(&self) -> Result<BTreeMap<String, Vec<Object>>, CollectError> {
        let mut found: BTreeMap<String, Vec<Object>> = BTreeMap::new();
        for object in self.place.list(&self.prefix, false).await?.objects {
            let within = object.key.strip_prefix(&self.prefix).unwrap_or(&object.key);
            let name = within.to_ascii_lowercase();
            let hidden = within.split('/').any(|piece| piece.starts_with('.'));
            // BigQuery's last shard may be empty. No upload is: objects are there whole or not at all.
            if object.size > 0 && !hidden && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.entry(self.unit.key(within).to_owned()).or_default().push(object);
            }
        }
        if found.is_empty() {
            return Err(CollectError::NothingFound { pattern: self.place.name(&self.prefix) });
        }
        Ok(found)
    }

    fn named(&self, key: &str) -> String {
        let within = if key == "." { "" } else { key };
        self.place.name(&format!("{}{within}", self.prefix))
    }
}

/// What tells these objects from others of their keys.
fn edition(objects: &[Object]) -> String {
    let mut hash = Sha256::new();
    objects.iter().for_each(|object| hash.update(format!("{}\0{}\n", object.key, object.etag)));
    hex(&hash.finalize())
}

#[async_trait]
impl Collector for Files {
    async fn check(&self) -> Result<Checked, CollectError> {
        let found = self.found().await?;
        if let Some(object) = found.values().flatten().next() {
            self.place.probe(&object.key).await?;
        }
        let files: usize = found.values().map(Vec::len).sum();
        Ok(Checked { notes: vec![format!("{files} files, {} deliveries", found.len())] })
    }

    async fn deliveries(&self, _window: DateRange) -> Result<Listing, CollectError> {
        let found = self.found().await?.into_iter().rev();
        let deliveries = found.map(|(key, objects)| Listed {
            place: self.named(&key),
            key: DeliveryKey::new(key),
            days: None,
            edition: Some(edition(&objects)),
            bytes: Some(objects.iter().map(|object| object.size).sum()),
        });
        Ok(Listing { deliveries: deliveries.collect(), complete: true })
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        // As they are now: what changed since they were listed is brought as well, and told from what is here by the next run.
        let gone = || FetchError::Changed { place: listed.place.clone() };
        let objects = self.found().await?.remove(listed.key.as_str()).ok_or_else(gone)?;
        let paths: Vec<_> = (1..)
            .zip(&objects)
            .map(|(number, object)| {
                let name = object.key.rsplit('/').next().unwrap_or_default();
                folder.join(format!("{number:05}-{name}"))
            })
            .collect();
        try_join_all(objects.iter().zip(&paths).map(|(object, path)| self.place.download(object, path))).await?;
        let files = paths.into_iter().map(InputFile::open).collect::<Result<_, _>>()?;
        Ok(Collected { format: &GcpBilling, files, raw: None, provisional: Vec::new(), notes: Vec::new() })
    }
}
