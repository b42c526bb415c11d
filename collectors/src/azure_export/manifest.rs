//! What a manifest says: what is exported, which files a run wrote, and how many bytes and rows they have.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::http::{Answer, FetchError};
use crate::input::Statement;

/// What an export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contents {
    Focus,
    Cost(Statement),
}

impl Contents {
    /// The format's name.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Focus => "focus",
            Self::Cost(_) => "azure_cost",
        }
    }

    /// What Azure calls it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Focus => "FocusCost",
            Self::Cost(Statement::Actual) => "ActualCost",
            Self::Cost(Statement::Amortised) => "AmortizedCost",
        }
    }
}

/// What a manifest says.
#[derive(Debug)]
pub(super) struct Manifest {
    /// What its files have.
    pub contents: Contents,
    /// The version of that, such as `1.0r2`.
    pub version: Option<String>,
    /// When the run was started.
    pub submitted: Option<DateTime<Utc>>,
    /// Its files.
    pub blobs: Vec<Named>,
}

/// A file as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    /// Its key, where Azure wrote it.
    pub blob_name: String,
    pub byte_count: Option<u64>,
    pub data_row_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    blob_count: Option<u64>,
    byte_count: Option<u64>,
    data_row_count: Option<u64>,
    #[serde(default)]
    export_config: ExportConfig,
    #[serde(default)]
    run_info: RunInfo,
    #[serde(default)]
    blobs: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExportConfig {
    r#type: Option<String>,
    data_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RunInfo {
    submitted_time: Option<String>,
}

impl Manifest {
    pub(super) fn read(answer: &Answer) -> Result<Self, FetchError> {
        let mut written: Written = answer.json()?;
        // What is said of all files is said of the only one.
        if let [only] = written.blobs.as_mut_slice() {
            only.byte_count = only.byte_count.or(written.byte_count);
            only.data_row_count = only.data_row_count.or(written.data_row_count);
        }
        let not = |what: String, advice: &str| FetchError::NotUnderstood {
            place: answer.place.clone(),
            what,
            advice: advice.to_owned(),
        };
        let name = written.export_config.r#type.as_deref().unwrap_or_default();
        let contents = match name.to_lowercase().as_str() {
            "focuscost" => Contents::Focus,
            // Usage is actual cost without purchases.
            "actualcost" | "usage" => Contents::Cost(Statement::Actual),
            "amortizedcost" => Contents::Cost(Statement::Amortised),
            _ => {
                let name = if name.is_empty() { "something that it does not say" } else { name };
                return Err(not(
                    format!("it is of an export of {name}, which is no cost"),
                    "give the source the url of an export of FOCUS, actual or amortised cost",
                ));
            }
        };
        let sum = |count: fn(&Named) -> Option<u64>| written.blobs.iter().map(count).sum::<Option<u64>>();
        let again = "it is damaged, or was written by half: run the export again";
        for (what, stated, sum) in [
            ("files", written.blob_count, Some(written.blobs.len() as u64)),
            ("bytes", written.byte_count, sum(|blob| blob.byte_count)),
            ("rows", written.data_row_count, sum(|blob| blob.data_row_count)),
        ] {
            if let (Some(stated), Some(sum)) = (stated, sum)
                && stated != sum
            {
                return Err(not(format!("it says that there are {stated} {what}, and lists {sum}"), again));
            }
        }
        let submitted = written.run_info.submitted_time.as_deref().and_then(instant);
        Ok(Self { contents, version: written.export_config.data_version, submitted, blobs: written.blobs })
    }
}

/// Times come with and without an offset.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    zoned.or_else(|| Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc()))
}
