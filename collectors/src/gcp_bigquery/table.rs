//! The table of an export: its name, and what BigQuery says of it.

use std::fmt;

use serde::Deserialize;

/// The name of a table, the only thing of the settings that becomes a part of a query's text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TableName {
    project: String,
    dataset: String,
    table: String,
}

impl TableName {
    pub(super) fn project(&self) -> &str {
        &self.project
    }

    /// As a query names it.
    pub(super) fn quoted(&self) -> String {
        format!("`{self}`")
    }

    /// Where the API has it.
    pub(super) fn path(&self) -> String {
        format!("projects/{}/datasets/{}/tables/{}", self.project, self.dataset, self.table)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // A project of a domain has dots of its own.
        let mut pieces = text.rsplitn(3, '.');
        let mut piece = || pieces.next().unwrap_or_default().to_owned();
        let (table, dataset, project) = (piece(), piece(), piece());
        let word = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if is_project(&project) && word(&dataset, "_") && word(&table, "_-") {
            Ok(Self { project, dataset, table })
        } else {
            Err(format!(
                "{text:?} is no table; write its project, dataset and name, such as \
                 \"finance.billing.gcp_billing_export_v1_01ABCD_234EFG_567HIJ\""
            ))
        }
    }
}

/// Whether this can be a project's id, also an old one of a domain (`example.com:finance`).
pub(super) fn is_project(text: &str) -> bool {
    let (domain, id) = text.rsplit_once(':').unwrap_or(("", text));
    let odd = |more: &'static str| move |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !more.contains(c);
    !id.is_empty() && !id.contains(odd("-")) && !domain.contains(odd(".-"))
}

/// What BigQuery says of a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    #[serde(default)]
    pub schema: Schema,
    pub location: String,
    pub time_partitioning: Option<TimePartitioning>,
}

/// The columns of a table, or of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Schema {
    #[serde(default)]
    pub fields: Vec<Field>,
}

impl Schema {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    pub fields: Vec<Field>,
}

impl Field {
    pub(super) fn is_repeated(&self) -> bool {
        self.mode == "REPEATED"
    }

    /// Whether it has columns of its own.
    pub(super) fn is_record(&self) -> bool {
        matches!(self.kind.as_str(), "RECORD" | "STRUCT")
    }
}

/// How a table is cut up by time.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TimePartitioning {
    /// `HOUR`, `DAY`, `MONTH` or `YEAR`.
    #[serde(rename = "type")]
    pub kind: String,
    /// By which column; none when it is by when rows came.
    pub field: Option<String>,
}
