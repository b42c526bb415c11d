//! What can be set about a source of this kind.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bigquery::BigQuery;
use super::collector::BigQueryCollector;
use super::table::TableName;
use crate::collector::{Connected, Context, SourceSettings};
use crate::google::{Google, GoogleSettings};

/// How many months before the present one can be asked for. Exports begin when they are turned on; those in FOCUS keep two years.
const REACH_MONTHS: u32 = 24;

/// What the tokens are for.
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// Google Cloud's billing export in BigQuery: standard, detailed, or FOCUS. BigQuery charges for what queries scan.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BigQuerySettings {
    /// The table of the export, such as `finance.billing.gcp_billing_export_resource_v1_01ABCD_234EFG_567HIJ`: project, dataset,
    /// table.
    #[schemars(with = "String")]
    table: TableName,
    /// The project whose quota is used and that is billed for the queries. By default that of the table.
    #[serde(default)]
    project: Option<String>,
    /// Where the dataset is, such as `EU`. By default BigQuery is asked.
    #[serde(default)]
    location: Option<String>,
    /// A query that would be charged for more bytes than this fails, and costs nothing. By default 100 GiB.
    #[serde(default = "default_bytes")]
    #[schemars(range(min = 10485760))]
    maximum_bytes_billed: u64,
    /// Whether lines that differ in nothing but amounts and the time of export are added up, by the hour, before they are read. By
    /// default every line is read as it is.
    #[serde(default)]
    aggregate: bool,
    /// How many months before the present one are collected: at most 24.
    #[serde(default = "default_backfill")]
    #[schemars(range(max = 24))]
    backfill_months: u32,
    /// A query that has no answer after so many seconds is given up: at least 10.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 10))]
    query_within_seconds: u32,
    #[serde(flatten)]
    google: GoogleSettings,
}

const fn default_bytes() -> u64 {
    100 << 30
}

const fn default_backfill() -> u32 {
    12
}

const fn default_seconds() -> u32 {
    600
}

/// BigQuery charges for no less.
const LEAST_BYTES: u64 = 10 << 20;

impl SourceSettings for BigQuerySettings {
    const KIND: &'static str = "gcp_bigquery";
    const TITLE: &'static str = "Google Cloud's billing export in BigQuery";
    /// Four times a day: services report at intervals of hours, and each listing scans some columns.
    const SCHEDULE: &'static str = "0 35 */6 * * *";
    /// An invoice is made within some days after its month; what comes later is on a later one.
    const RESTATES_MONTHS: u32 = 1;
    const REACH_MONTHS: u32 = REACH_MONTHS;

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.google.problems();
        let mut add = |key: &'static str, text: String| problems.push((key, text));
        if self.project.as_deref().is_some_and(|project| !super::table::is_project(project)) {
            add("project", "is not a project's id; write one such as \"finance-123\"".to_owned());
        }
        let odd = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        if self.location.as_deref().is_some_and(|place| place.is_empty() || place.contains(odd)) {
            add("location", "is not a location; write one such as \"EU\" or \"europe-west3\"".to_owned());
        }
        if self.maximum_bytes_billed < LEAST_BYTES || i64::try_from(self.maximum_bytes_billed).is_err() {
            add("maximum_bytes_billed", format!("give at least {LEAST_BYTES}: BigQuery charges for no less"));
        }
        if self.backfill_months > REACH_MONTHS {
            add("backfill_months", format!("give at most {REACH_MONTHS}"));
        }
        if self.query_within_seconds < 10 {
            add("query_within_seconds", "give at least 10".to_owned());
        }
        problems
    }

    fn place(&self) -> String {
        format!("BigQuery, {}", self.table)
    }

    fn connect(self, context: Context) -> Connected {
        let project = self.project.unwrap_or_else(|| self.table.project().to_owned());
        let bigquery = BigQuery {
            google: Google::new(self.google, &context, SCOPE),
            project,
            table: self.table,
            source: context.source.to_string(),
            location: self.location,
            maximum_bytes_billed: self.maximum_bytes_billed,
            within: std::time::Duration::from_secs(self.query_within_seconds.into()),
        };
        Ok(Arc::new(BigQueryCollector::new(bigquery, self.aggregate, self.backfill_months, context.today)))
    }
}
