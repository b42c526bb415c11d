//! Bills that Azure's Cost Management exports into a storage account: FOCUS, or cost details as actual and amortised cost.
//!
//! A delivery is a month. What it is made of is said by the newest run's manifest alone: next to the files that it lists lie
//! those of other runs. Exports of older versions have no manifests; there the newest file counts. Azure writes a manifest
//! after the files it lists, and may overwrite both under a reader: files are read as they were listed (`If-Match`), have to
//! have the bytes and rows that the manifest states, and the manifest must be the same at the end.
//!
//! Actual and amortised cost are two exports of the same costs. Where a source names both, a delivery is what the two say of
//! a month together, and a month that only one of them has is not collected.

mod address;
mod layout;
mod manifest;
mod run;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use futures_util::future::{join_all, try_join_all};
use outlay_model::{DateRange, DeliveryKey};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::azure::blob::{Container, StorageSettings};
use crate::azure::{Azure, AzureSettings};
use crate::collector::{Checked, Collected, Collector, Connected, Context, Listed, Listing, SourceSettings};
use crate::http::FetchError;
use crate::input::{InputFile, Statement, hex};
use crate::objects::{Folder, Place};
use crate::{CollectError, Format, raw};

use address::Address;
use layout::Month;
use manifest::Contents;
use run::Run;

/// Exports of Azure Cost Management in a storage account: FOCUS 1.0, 1.0r2, 1.2-preview and 1.2, or cost details as actual
/// and amortised cost; CSV, gzipped CSV or Parquet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureExportSettings {
    /// The export itself: `https://account.blob.core.windows.net/container/folder/export`, the folder that holds its months.
    /// Of FOCUS, or of actual cost, or of amortised cost alone. Or a copy of it: `file:///folder`.
    url: String,
    /// Where `url` is an export of actual cost, the one of amortised cost of the same scope.
    #[serde(default)]
    amortized_url: Option<String>,
    #[serde(flatten)]
    storage: StorageSettings,
    #[serde(flatten)]
    azure: AzureSettings,
}

impl SourceSettings for AzureExportSettings {
    const KIND: &'static str = "azure_export";
    const TITLE: &'static str = "FOCUS and cost exports of Azure Cost Management, in a storage account";
    // Azure writes once a day, at no fixed hour; asking costs next to nothing.
    const SCHEDULE: &'static str = "0 30 */6 * * *";
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = 120;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let url = Address::parse(&self.url).err().map(|text| ("url", text));
        let amortised = self.amortized_url.as_ref().and_then(|url| Address::parse(url).err());
        let amortised = amortised.map(|text| ("amortized_url", text));
        let same = self.amortized_url.as_deref() == Some(self.url.as_str());
        let same = same.then(|| ("amortized_url", "is the same as url; give the export of amortised cost".to_owned()));
        let own = url.into_iter().chain(amortised).chain(same);
        own.chain(self.storage.problems()).chain(self.azure.problems()).collect()
    }

    fn place(&self) -> String {
        self.url.clone()
    }

    fn connect(self, context: Context) -> Connected {
        let azure = Azure::new(self.azure.clone(), &context);
        let said = if self.amortized_url.is_some() { Some(Contents::Cost(Statement::Actual)) } else { None };
        let mut exports = vec![self.export(&self.url, said, &azure, &context)?];
        if let Some(url) = &self.amortized_url {
            exports.push(self.export(url, Some(Contents::Cost(Statement::Amortised)), &azure, &context)?);
        }
        Ok(Arc::new(AzureExport { exports }))
    }
}

impl AzureExportSettings {
    fn export(
        &self,
        url: &str,
        said: Option<Contents>,
        azure: &Azure,
        context: &Context,
    ) -> Result<Export, FetchError> {
        let address = Address::parse(url).map_err(|what| FetchError::NotUnderstood {
            place: url.to_owned(),
            what,
            advice: "correct url".to_owned(),
        })?;
        Ok(match address {
            Address::Container(address, prefix) => {
                let container = Container::new(azure.clone(), address, &self.storage, &context.variables)?;
                Export { place: Box::new(container), is_home: true, prefix, said }
            }
            Address::Folder(folder) => {
                let prefix = folder.display().to_string().trim_end_matches('/').to_owned();
                Export { place: Box::new(Folder), is_home: false, prefix, said }
            }
        })
    }
}

/// One export.
#[derive(Debug)]
struct Export {
    place: Box<dyn Place>,
    /// Whether Azure itself writes there, so that what is written later came later. Copies come in any order.
    is_home: bool,
    prefix: String,
    /// What it has to have, where the settings say so.
    said: Option<Contents>,
}

/// Reads the exports of a source.
#[derive(Debug)]
struct AzureExport {
    exports: Vec<Export>,
}

/// The months that all exports have, the newest first, with the folder of each export; and those that only some have.
struct Months {
    all: Vec<(NaiveDate, Vec<Month>)>,
    some: Vec<NaiveDate>,
    /// Folders of other time than a month.
    odd: BTreeSet<String>,
}

impl AzureExport {
    async fn months(&self) -> Result<Months, FetchError> {
        let found =
            try_join_all(self.exports.iter().map(|export| layout::months(&*export.place, &export.prefix))).await?;
        let mut all: BTreeMap<NaiveDate, Vec<Month>> = BTreeMap::new();
        let mut odd = BTreeSet::new();
        for (months, others) in found {
            odd.extend(others);
            for month in months {
                all.entry(month.days.from()).or_default().push(month);
            }
        }
        let count = self.exports.len();
        let some = all.iter().filter(|(_, months)| months.len() < count).map(|(first, _)| *first).collect();
        all.retain(|_, months| months.len() == count);
        Ok(Months { all: all.into_iter().rev().collect(), some, odd })
    }

    /// What each export's newest run says of a month; `None` when there is none yet of one of them.
    async fn runs(&self, months: &[Month]) -> Result<Option<Vec<Run>>, FetchError> {
        let runs = join_all(self.exports.iter().zip(months).map(|(export, month)| export.newest(month))).await;
        // Of several failures the first setting's is told, not whichever came first.
        runs.into_iter().collect()
    }

    async fn listed(&self, first: NaiveDate, months: &[Month]) -> Result<Option<Listed>, FetchError> {
        let place: Vec<String> =
            self.exports.iter().zip(months).map(|(export, month)| export.place.name(&month.folder)).collect();
        let mut listed = Listed {
            key: DeliveryKey::new(first.format("%Y-%m").to_string()),
            days: Some(months[0].days),
            edition: None,
            place: place.join(" and "),
            bytes: None,
        };
        match self.runs(months).await {
            Ok(None) => return Ok(None),
            // Nothing is stated yet.
            Ok(Some(runs)) if runs.iter().any(|run| run.files.is_empty() && !run.had_more) => return Ok(None),
            Ok(Some(runs)) => {
                listed.edition = Some(edition(&runs));
                listed.bytes = Some(runs.iter().map(Run::bytes).sum());
            }
            // The run of its delivery will say it, and the other months are none the worse.
            Err(FetchError::Missing { .. } | FetchError::Changed { .. } | FetchError::NotUnderstood { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Some(listed))
    }

    /// Notes on a month, and a look at whether its files may be read.
    async fn look(&self, month: &str, runs: &[Run], notes: &mut Vec<String>) -> Result<(), FetchError> {
        for (export, run) in self.exports.iter().zip(runs) {
            if let Some(file) = run.files.first() {
                export.place.probe(&file.object.key).await?;
            }
            let megabytes = run.bytes().div_ceil(1 << 20);
            notes.push(format!(
                "{month}: {}, {} files, {megabytes} MiB, {}",
                run.title(),
                run.files.len(),
                run.written.format("written %Y-%m-%d %H:%M UTC")
            ));
        }
        Ok(())
    }
}

/// What tells this edition of a bill from others.
fn edition(runs: &[Run]) -> String {
    let mut hash = Sha256::new();
    for run in runs {
        for object in run.manifest.iter().chain(run.files.iter().map(|file| &file.object)) {
            hash.update(format!("{}\0{}\n", object.key, object.etag));
        }
    }
    hex(&hash.finalize())
}

#[async_trait]
impl Collector for AzureExport {
    async fn check(&self) -> Result<Checked, CollectError> {
        let Months { all, some, odd } = self.months().await?;
        let mut notes = Vec::new();
        let written = |first: &NaiveDate| first.format("%Y-%m").to_string();
        match (all.first(), all.last()) {
            (Some((newest, _)), Some((oldest, _))) if newest != oldest => {
                notes.push(format!("{} months, {} to {}", all.len(), written(oldest), written(newest)));
            }
            (Some((only, _)), _) => notes.push(format!("one month, {}", written(only))),
            _ => notes.push("no month yet; Azure writes the first within a day, or run the export".to_owned()),
        }
        if !some.is_empty() {
            let months: Vec<String> = some.iter().map(written).collect();
            notes.push(format!(
                "{}: in one of url and amortized_url only, so not collected; run the other export for it",
                months.join(", ")
            ));
        }
        if !odd.is_empty() {
            let names: Vec<String> = odd.into_iter().take(5).collect();
            notes.push(format!("{}: not a month, so not collected; export whole months", names.join(", ")));
        }
        for (first, months) in &all {
            let month = written(first);
            let Some(runs) = self.runs(months).await? else {
                notes.push(format!("{month}: no manifest yet, so there is nothing to collect"));
                continue;
            };
            if runs.iter().any(|run| run.files.is_empty()) {
                notes.push(format!("{month}: nothing is in it yet"));
                continue;
            }
            self.look(&month, &runs, &mut notes).await?;
            break;
        }
        Ok(Checked { notes })
    }

    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError> {
        let Months { mut all, some, .. } = self.months().await?;
        if !some.is_empty() {
            tracing::warn!(months = ?some, "are in one of url and amortized_url only, so they are not collected");
        }
        all.retain(|(_, months)| months[0].days.from() < window.to() && window.from() < months[0].days.to());
        let listed = try_join_all(all.iter().map(|(first, months)| self.listed(*first, months))).await?;
        // A month that is no longer there was tidied away, not taken back by Azure.
        Ok(Listing { deliveries: listed.into_iter().flatten().collect(), complete: false })
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        let month = listed.key.as_str();
        let all = self.months().await?.all;
        let months = all.into_iter().find(|(first, _)| first.format("%Y-%m").to_string() == month);
        let (_, months) = months.ok_or_else(|| FetchError::Missing {
            place: format!("{month} of {}", listed.place),
            advice: "it was there when the export was listed: something deletes bills".to_owned(),
        })?;
        let changed = || FetchError::Changed { place: listed.place.clone() };
        let runs = self.runs(&months).await?.ok_or_else(changed)?;
        if let Some(empty) = runs.iter().find(|run| run.files.is_empty()) {
            let what = "the newest run has no files, though an earlier one has; what is here already stays";
            let advice = "look at the export's run history, and run it again";
            let error =
                FetchError::NotUnderstood { place: empty.place.clone(), what: what.into(), advice: advice.into() };
            return Err(error.into());
        }
        let brought = self.exports.iter().zip(&runs).enumerate().map(|(number, (export, run))| {
            let path = move |place: usize, name: &str| folder.join(format!("{number}-{place:05}-{name}"));
            export.bring(run, path)
        });
        let files: Vec<InputFile> = try_join_all(brought).await?.into_iter().flatten().collect();
        let strays: usize = runs.iter().map(|run| run.strays).sum();
        let mut notes = Vec::new();
        if strays > 0 {
            notes.push(format!("{strays} files of other runs lie next to the bill and are not of it"));
        }
        // Settings let through only runs of one kind.
        let stated = runs.iter().find(|run| run.manifest.is_some()).and_then(|run| run.contents);
        let format = match stated.and_then(|contents| crate::format(contents.kind())) {
            Some(format) => format,
            None => by_header(&files)?,
        };
        Ok(Collected { format, files, raw: None, provisional: Vec::new(), notes })
    }
}

/// The format of files, by the first of them.
fn by_header(files: &[InputFile]) -> Result<&'static dyn Format, CollectError> {
    let header = files.first().map(raw::header).transpose()?.unwrap_or_default();
    let focus = header.iter().any(|name| name.to_lowercase().contains("billedcost"));
    let kind = if focus { "focus" } else { "azure_cost" };
    Ok(crate::format(kind).expect("both are formats"))
}
