//! The metadata of an export: FOCUS' own objects, and what Outlay has to say beside them.
//!
//! As FOCUS 1.2 lays it out: the data generator, and the schema with its id, version, date and a definition per column;
//! 1.3 adds the dataset. `x_Export` is ours: what was asked for, what it adds up to, what the rows were found to break.

use chrono::{DateTime, SecondsFormat, Utc};
use outlay_model::SourceName;
use outlay_model::export::{Example, ExportHead, ExportSums, Exported, FileKind, Gap, RowRule, Severity};
use outlay_model::focus::{FocusType, FocusVersion};
use outlay_model::query::Basis;
use outlay_model::report::Warning;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Instants;

/// How tags begin that a provider sets itself (FOCUS, ProviderTagPrefixes), as far as providers say so.
const PROVIDER_TAG_PREFIXES: &[&str] = &["aws:"];

/// The metadata of an export.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportMetadata<'a> {
    data_generator: DataGenerator,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_instance: Option<[DatasetInstance; 1]>,
    schema: [Layout<'a>; 1],
    #[serde(rename = "x_Export")]
    export: About<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DataGenerator {
    data_generator: &'static str,
}

/// FOCUS 1.3.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DatasetInstance {
    focus_dataset_id: &'static str,
    dataset_instance_id: String,
    dataset_instance_name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Layout<'a> {
    schema_id: String,
    focus_version: &'static str,
    data_generator_version: &'static str,
    creation_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_instance_id: Option<String>,
    column_definition: Vec<ColumnDefinition<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ColumnDefinition<'a> {
    column_name: &'a str,
    data_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    numeric_precision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_scale: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_max_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_tag_prefixes: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
}

/// What Outlay says of an export.
#[derive(Debug, Serialize)]
struct About<'a> {
    #[serde(flatten)]
    range: Instants,
    basis: Basis,
    filter: Option<String>,
    source: Option<&'a SourceName>,
    generation: u64,
    rows: u64,
    sums: &'a ExportSums,
    nulls_let_through: &'a [Gap],
    findings: Vec<Finding<'a>>,
    warnings: &'a [Warning],
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    rule: RowRule,
    severity: Severity,
    about: &'static str,
    column: &'a str,
    rows: u64,
    examples: &'a [Example],
}

/// The metadata of an export that was written, or looked at, at this time.
#[must_use]
pub fn export_metadata<'a>(head: &'a ExportHead, exported: &'a Exported, at: DateTime<Utc>) -> ExportMetadata<'a> {
    let version = head.query.version;
    let column_definition = definitions(head, exported);
    let instance = (version >= FocusVersion::V1_3).then(|| id(&["CostAndUsage", version.as_str()]));
    let schema = Layout {
        schema_id: id(&[version.as_str(), GENERATOR_VERSION, &format!("{column_definition:?}")]),
        focus_version: version.as_str(),
        data_generator_version: GENERATOR_VERSION,
        creation_date: at.to_rfc3339_opts(SecondsFormat::Secs, true),
        dataset_instance_id: instance.clone(),
        column_definition,
    };
    ExportMetadata {
        data_generator: DataGenerator { data_generator: "Outlay" },
        dataset_instance: instance.map(|dataset_instance_id| {
            let (focus_dataset_id, dataset_instance_name) = ("CostAndUsage", "Cost and Usage");
            [DatasetInstance { focus_dataset_id, dataset_instance_id, dataset_instance_name }]
        }),
        schema: [schema],
        export: about(head, exported),
    }
}

const GENERATOR_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A name for the file that says what is in it.
#[must_use]
pub fn export_name(head: &ExportHead, kind: FileKind) -> String {
    let (range, version) = (head.query.range, head.query.version.as_str());
    let end = match kind {
        FileKind::Csv => "csv",
        FileKind::Parquet => "parquet",
    };
    format!("outlay-focus-{version}_{}_{}.{end}", range.from(), range.to())
}

fn definitions<'a>(head: &'a ExportHead, exported: &'a Exported) -> Vec<ColumnDefinition<'a>> {
    let definition = |column: &'a outlay_model::export::ExportColumn| {
        let decimal = column.data_type == FocusType::Decimal;
        let text = column.data_type == FocusType::String;
        ColumnDefinition {
            column_name: &column.name,
            data_type: match column.data_type {
                FocusType::String => "STRING",
                FocusType::Decimal => "DECIMAL",
                FocusType::DateTime => "DATETIME",
                FocusType::Json => "JSON",
            },
            numeric_precision: decimal.then_some(38),
            number_scale: decimal.then_some(outlay_model::money::SCALE),
            string_max_length: exported.longest.get(&column.name).copied().filter(|_| text),
            string_encoding: text.then_some("UTF-8"),
            provider_tag_prefixes: (column.name == "Tags").then_some(PROVIDER_TAG_PREFIXES),
            deprecated: column.deprecated(head.query.version),
        }
    };
    head.columns.iter().map(definition).collect()
}

fn about<'a>(head: &'a ExportHead, exported: &'a Exported) -> About<'a> {
    let finding = |finding: &'a outlay_model::export::Finding| Finding {
        rule: finding.rule,
        severity: finding.rule.severity(),
        about: finding.rule.about(),
        column: &finding.column,
        rows: finding.rows,
        examples: &finding.examples,
    };
    About {
        range: head.query.range.into(),
        basis: head.query.basis,
        filter: (!head.query.filter.is_everything()).then(|| head.query.filter.to_string()),
        source: head.query.source.as_ref(),
        generation: head.generation,
        rows: exported.rows,
        sums: &exported.sums,
        nulls_let_through: &head.gaps,
        findings: exported.findings.iter().map(finding).collect(),
        warnings: &head.warnings,
    }
}

/// FOCUS' own objects as FOCUS lays them out, and `x_Export`.
impl PartialSchema for ExportMetadata<'_> {
    fn schema() -> RefOr<Schema> {
        let any = || ObjectBuilder::new().schema_type(Type::Object);
        let list = || ArrayBuilder::new().items(any());
        let metadata = any()
            .description(Some("FOCUS' metadata of the file, and in x_Export what was asked for, added up and found."))
            .property("DataGenerator", any())
            .property("DatasetInstance", list())
            .property("Schema", list())
            .property("x_Export", any())
            .required("DataGenerator")
            .required("Schema")
            .required("x_Export");
        Schema::Object(metadata.build()).into()
    }
}

impl ToSchema for ExportMetadata<'_> {
    fn name() -> std::borrow::Cow<'static, str> {
        "ExportMetadata".into()
    }
}

/// A UUID (version 8, RFC 9562) of what it names: the same structure has the same schema id.
fn id(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    let digest = digest.finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|place| digest[place]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
