//! What a manifest says. Of Data Exports only `dataFiles` is certain (AWS documents no manifest), so everything else is a
//! hint.

use serde::Deserialize;
use serde_json::Value;

use crate::Format;
use crate::http::{Answer, FetchError};

/// What a manifest says.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its files, where AWS wrote them: in another bucket or folder where the export was copied since.
    pub files: Vec<Named>,
    /// What its files are.
    pub format: &'static dyn Format,
    /// What AWS calls the table: `FOCUS_1_2_AWS`, `COST_AND_USAGE_REPORT`; none in a legacy report.
    pub table: Option<String>,
}

/// A file as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its bucket, where that is said.
    pub bucket: Option<String>,
    /// Its key.
    pub key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    bucket: Option<String>,
    data_files: Option<Vec<String>>,
    report_keys: Option<Vec<String>>,
    table_name: Option<String>,
    compression: Option<String>,
    #[serde(default)]
    columns: Vec<Value>,
}

impl Manifest {
    pub(super) fn read(answer: &Answer) -> Result<Self, FetchError> {
        let written: Written = answer.json()?;
        let not = |what: &str, advice: &str| FetchError::NotUnderstood {
            place: answer.place.clone(),
            what: what.to_owned(),
            advice: advice.to_owned(),
        };
        let format = format(&written).ok_or_else(|| {
            not(
                "neither its table nor its columns are those of a FOCUS or cost and usage export",
                "give the source the url of such an export",
            )
        })?;
        let zipped = written.compression.as_ref().is_some_and(|how| how.eq_ignore_ascii_case("ZIP"));
        let keys = written.data_files.or(written.report_keys).unwrap_or_default();
        if zipped || keys.iter().any(|key| key.to_lowercase().ends_with(".zip")) {
            return Err(not("its files are zipped", "choose GZIP or Parquet in the report's settings"));
        }
        if keys.is_empty() {
            return Err(not("it lists no files", "wait for the next delivery"));
        }
        let files = keys.iter().map(|key| Named::read(key, written.bucket.as_deref())).collect();
        Ok(Self { files, format, table: written.table_name })
    }
}

/// Of the table if it is said, else of the columns.
fn format(written: &Written) -> Option<&'static dyn Format> {
    let name = |column: &Value| {
        let text = column.as_str().or_else(|| column.get("name")?.as_str()).unwrap_or_default();
        text.to_lowercase().replace('_', "")
    };
    let has = |wanted: &str| written.columns.iter().any(|column| name(column) == wanted);
    let kind = match written.table_name.as_deref() {
        Some(table) if table.starts_with("FOCUS") => "focus",
        Some("COST_AND_USAGE_REPORT") => "aws_cur",
        _ if has("billedcost") && has("chargeperiodstart") => "focus",
        // `line_item_unblended_cost`, or legacy's `UnblendedCost` of the category `lineItem`.
        _ if has("lineitemunblendedcost") || has("unblendedcost") => "aws_cur",
        _ if written.report_keys.is_some() => "aws_cur",
        _ => return None,
    };
    crate::format(kind)
}

impl Named {
    /// `s3://bucket/key`; legacy reports have only the key.
    fn read(text: &str, bucket: Option<&str>) -> Self {
        match text.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
            Some((bucket, key)) => Self { bucket: Some(bucket.to_owned()), key: key.to_owned() },
            None => Self { bucket: bucket.map(ToOwned::to_owned), key: text.to_owned() },
        }
    }
}
