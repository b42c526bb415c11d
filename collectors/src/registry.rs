//! Every kind of source there is. A new provider adds its line here (docs/COLLECTORS.md).

use crate::collector::Kind;
use crate::{
    aws_cost_explorer, aws_data_export, azure_cost_query, azure_export, ecb_rates, folder, gcp_bigquery,
    gcp_billing_file,
};

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind::of::<aws_cost_explorer::CostExplorerSettings>(),
    Kind::of::<aws_data_export::DataExportSettings>(),
    Kind::of::<azure_cost_query::CostQuerySettings>(),
    Kind::of::<azure_export::AzureExportSettings>(),
    Kind::of_rates::<ecb_rates::EcbSettings>(),
    Kind::of::<folder::FolderSettings>(),
    Kind::of::<gcp_bigquery::BigQuerySettings>(),
    Kind::of::<gcp_billing_file::BillingFileSettings>(),
];

/// The kind of this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
