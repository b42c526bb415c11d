//! Where AWS puts the files of a FOCUS Data Export, and what it writes beside them.
//!
//! ```text
//! <export>/data/BILLING_PERIOD=2026-10/<export>-00001.csv.gz
//! <export>/metadata/BILLING_PERIOD=2026-10/<export>-Manifest.json
//! ```
//!
//! That is an export that overwrites its months. A manifest comes after the files it lists, under the keys they have in the
//! bucket that the folder would be a copy of.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::sink::write_json;
use crate::DemoError;
use crate::row::Column;

/// A Data Export.
#[derive(Debug)]
pub(crate) struct DataExport {
    /// Where AWS writes it: bucket and prefix.
    pub(crate) url: &'static str,
    pub(crate) name: &'static str,
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [Column],
}

impl DataExport {
    /// The export's folder below that of its source.
    pub(crate) fn folder(&self, source: &Path) -> PathBuf {
        source.join(self.name)
    }

    /// The file of a month, below the export's folder.
    pub(crate) fn file(&self, month: &str) -> String {
        format!("data/BILLING_PERIOD={month}/{}-00001.csv.gz", self.name)
    }

    /// Writes the manifest of a month whose file is there.
    pub(crate) fn write_manifest(&self, folder: &Path, month: &str) -> Result<(), DemoError> {
        let path = folder.join(format!("metadata/BILLING_PERIOD={month}/{}-Manifest.json", self.name));
        let columns: Vec<Value> =
            self.columns.iter().map(|column| json!({"name": column.name(), "type": kind(*column)})).collect();
        let manifest = json!({
            "exportName": self.name,
            "tableName": self.table,
            "columns": columns,
            "dataFiles": [format!("{}/{}/{}", self.url, self.name, self.file(month))],
        });
        write_json(&path, &manifest)
    }
}

/// The type that AWS says a column has.
fn kind(column: Column) -> &'static str {
    let name = column.name();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&["Cost", "Price", "Quantity"]) {
        "double"
    } else if ends(&["PeriodStart", "PeriodEnd"]) {
        "timestamp_milliseconds"
    } else if ends(&["Tags", "SkuPriceDetails"]) {
        "map"
    } else {
        "string"
    }
}
