//! Bills that AWS writes into a bucket: FOCUS and cost and usage exports (Data Exports), and legacy cost and usage reports.
//!
//! A delivery is a billing period. What it is made of is said by its newest manifest alone: next to the files that it lists
//! lie those of older runs. AWS writes a manifest after the files it lists, and may overwrite both under a reader: files are
//! read as they were listed (`If-Match`), and the manifest must be the same at the end.

mod address;
mod layout;
mod manifest;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use outlay_model::{DateRange, DeliveryKey};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::aws::s3::Bucket;
use crate::aws::{Aws, AwsSettings};
use crate::collector::{Checked, Collected, Collector, Connected, Context, Listed, Listing, SourceSettings};
use crate::http::FetchError;
use crate::input::{InputFile, hex};
use crate::objects::{Folder, Object, Place};
use crate::{CollectError, Format};

use address::Address;
use layout::{Layout, Period, is_of_one_run};
use manifest::{Manifest, Named};

/// The most that a manifest may hold. They name some hundred columns and files.
const MOST_OF_A_MANIFEST: usize = 16 << 20;

/// An export of AWS Billing in S3: FOCUS 1.0 or 1.2, CUR 2.0, or a legacy cost and usage report; Parquet or gzipped CSV.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataExportSettings {
    /// The export itself: `s3://bucket/prefix/export`, the folder that holds `metadata/` and `data/`, or the months of a
    /// legacy report. Or a copy of it: `file:///folder`.
    url: String,
    #[serde(flatten)]
    aws: AwsSettings,
}

impl SourceSettings for DataExportSettings {
    const KIND: &'static str = "aws_data_export";
    const TITLE: &'static str = "Data Exports and cost and usage reports of AWS, in S3";
    // AWS writes up to three times a day, at no fixed hour; asking costs next to nothing.
    const SCHEDULE: &'static str = "0 15 */6 * * *";
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = 120;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let url = Address::parse(&self.url).err().map(|text| ("url", text));
        url.into_iter().chain(self.aws.problems()).collect()
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
        Ok(Arc::new(match address {
            Address::Bucket(name, prefix) => {
                let bucket = Bucket::new(Aws::new(self.aws, &context), &name);
                DataExport { place: Box::new(bucket), bucket: Some(name), prefix }
            }
            Address::Folder(folder) => {
                let prefix = folder.display().to_string().trim_end_matches('/').to_owned();
                DataExport { place: Box::new(Folder), bucket: None, prefix }
            }
        }))
    }
}

/// Reads an export.
#[derive(Debug)]
struct DataExport {
    place: Box<dyn Place>,
    /// The bucket's name; none of a folder.
    bucket: Option<String>,
    prefix: String,
}

/// A period's bill, as its manifest says it.
#[derive(Debug)]
struct Bill {
    manifest: Object,
    format: &'static dyn Format,
    table: Option<String>,
    /// In the manifest's order.
    files: Vec<Object>,
    /// How many files lie next to these that are of other runs.
    strays: usize,
}

impl Bill {
    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// What tells this edition of the bill from others.
    fn edition(&self) -> String {
        let mut hash = Sha256::new();
        for object in std::iter::once(&self.manifest).chain(&self.files) {
            hash.update(format!("{}\0{}\n", object.key, object.etag));
        }
        hex(&hash.finalize())
    }
}

impl DataExport {
    /// Whether a file is where AWS itself wrote it, so that what is written later came later. Copies come in any order.
    fn is_home_of(&self, file: &Named, key: &str) -> bool {
        let here = |bucket: &String| file.bucket.as_ref().is_none_or(|name| name == bucket) && file.key == key;
        self.bucket.as_ref().is_some_and(here)
    }

    /// The bill that a manifest tells of.
    async fn bill(&self, layout: &Layout, mut manifest: Object) -> Result<Bill, FetchError> {
        let (answer, etag) = self.place.get(&manifest.key, MOST_OF_A_MANIFEST).await?;
        manifest.etag = etag;
        let Manifest { files: named, format, table } = Manifest::read(&answer)?;
        let keys: Vec<String> = named.iter().map(|file| layout.locate(&file.key)).collect();
        let folders: BTreeSet<&str> = keys.iter().filter_map(|key| Some(key.rsplit_once('/')?.0)).collect();
        let folders: Vec<String> = folders.into_iter().map(|folder| format!("{folder}/")).collect();
        let found = try_join_all(folders.iter().map(|folder| self.place.list(folder, true))).await?;
        let mut there: BTreeMap<String, Object> =
            found.into_iter().flat_map(|found| found.objects).map(|object| (object.key.clone(), object)).collect();
        let mut files = Vec::new();
        for (key, named) in keys.into_iter().zip(named) {
            let file = there.remove(&key).ok_or_else(|| FetchError::Missing {
                place: self.place.name(&key),
                advice: format!(
                    "{} lists it: AWS is writing the next run, or something deletes bills; wait for it, or restore the file",
                    self.place.name(&manifest.key)
                ),
            })?;
            // Of the next run already, whose manifest is still to come.
            if self.is_home_of(&named, &key) && !is_of_one_run(&key) && file.written > manifest.written {
                return Err(FetchError::Changed { place: self.place.name(&key) });
            }
            files.push(file);
        }
        let strays = there.values().filter(|object| is_bill(&object.key)).count();
        Ok(Bill { manifest, format, table, files, strays })
    }

    async fn newest(&self, layout: &Layout, period: &Period) -> Result<Option<Bill>, FetchError> {
        match layout.manifest(&*self.place, period).await? {
            Some(manifest) => Ok(Some(self.bill(layout, manifest).await?)),
            None => Ok(None),
        }
    }

    async fn listed(&self, layout: &Layout, period: &Period) -> Result<Option<Listed>, FetchError> {
        let Some(manifest) = layout.manifest(&*self.place, period).await? else { return Ok(None) };
        let mut listed = Listed {
            key: DeliveryKey::new(period.month()),
            days: Some(period.days),
            edition: None,
            place: self.place.name(&manifest.key),
            bytes: None,
        };
        match self.bill(layout, manifest).await {
            Ok(bill) => (listed.edition, listed.bytes) = (Some(bill.edition()), Some(bill.bytes())),
            // The run of its delivery will say it, and the other periods are none the worse.
            Err(FetchError::Missing { .. } | FetchError::Changed { .. } | FetchError::NotUnderstood { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Some(listed))
    }

    async fn period(&self, layout: &Layout, month: &str) -> Result<Period, FetchError> {
        let periods = layout.periods(&*self.place).await?;
        periods.into_iter().find(|period| period.month() == month).ok_or_else(|| FetchError::Missing {
            place: format!("{month} of {}", self.place.name(&layout.root)),
            advice: "it was there when the export was listed: something deletes bills".to_owned(),
        })
    }
}

/// Whether a key is that of a bill's file.
fn is_bill(key: &str) -> bool {
    [".parquet", ".csv.gz", ".csv"].iter().any(|ending| key.ends_with(ending))
}

#[async_trait]
impl Collector for DataExport {
    async fn check(&self) -> Result<Checked, CollectError> {
        let layout = Layout::find(&*self.place, &self.prefix).await?;
        let periods = layout.periods(&*self.place).await?;
        let mut notes = Vec::new();
        let (Some(newest), Some(oldest)) = (periods.first(), periods.last()) else {
            let note = format!("{} has no billing period yet; AWS writes the first within 24 hours", layout.root);
            return Ok(Checked { notes: vec![note] });
        };
        let what = if layout.legacy { "a legacy cost and usage report" } else { "a Data Export" };
        notes.push(match periods.len() {
            1 => format!("{what} with one billing period, {}", newest.month()),
            count => format!("{what} with {count} billing periods, {} to {}", oldest.month(), newest.month()),
        });
        for period in &periods {
            let Some(bill) = self.newest(&layout, period).await? else {
                notes.push(format!("{}: no manifest yet, so there is nothing to collect", period.month()));
                continue;
            };
            if let Some(file) = bill.files.first() {
                self.place.probe(&file.key).await?;
            }
            let table = bill.table.as_ref().map(|table| format!(" ({table})")).unwrap_or_default();
            let megabytes = bill.bytes().div_ceil(1 << 20);
            let (month, files, format) = (period.month(), bill.files.len(), bill.format.kind());
            notes.push(format!(
                "{month}: {format}{table}, {files} files, {megabytes} MiB, {}",
                bill.manifest.written.format("written %Y-%m-%d %H:%M UTC")
            ));
            break;
        }
        Ok(Checked { notes })
    }

    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError> {
        let layout = Layout::find(&*self.place, &self.prefix).await?;
        let mut periods = layout.periods(&*self.place).await?;
        periods.retain(|period| period.days.from() < window.to() && window.from() < period.days.to());
        let listed = try_join_all(periods.iter().map(|period| self.listed(&layout, period))).await?;
        // A period that is no longer in the bucket was tidied away, not taken back by AWS.
        Ok(Listing { deliveries: listed.into_iter().flatten().collect(), complete: false })
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        let layout = Layout::find(&*self.place, &self.prefix).await?;
        let period = self.period(&layout, listed.key.as_str()).await?;
        let changed = || FetchError::Changed { place: listed.place.clone() };
        let bill = self.newest(&layout, &period).await?.ok_or_else(changed)?;
        let names: Vec<_> = (1..)
            .zip(&bill.files)
            .map(|(number, file)| {
                let name = file.key.rsplit('/').next().unwrap_or_default();
                folder.join(format!("{number:05}-{name}"))
            })
            .collect();
        try_join_all(bill.files.iter().zip(&names).map(|(file, path)| self.place.download(file, path))).await?;
        if self.place.get(&bill.manifest.key, MOST_OF_A_MANIFEST).await?.1 != bill.manifest.etag {
            return Err(changed().into());
        }
        let files = names.into_iter().map(InputFile::open).collect::<Result<Vec<_>, _>>()?;
        let mut notes = Vec::new();
        if bill.strays > 0 {
            notes.push(format!("{} files of other runs lie next to the bill and are not of it", bill.strays));
        }
        Ok(Collected { format: bill.format, files, raw: None, provisional: Vec::new(), notes })
    }
}
