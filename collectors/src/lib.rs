//! Reads what providers deliver and turns it into FOCUS charges.
//!
//! A collector has two halves (docs/COLLECTORS.md). A [`Collector`] talks to one provider: it lists what there is and
//! brings a delivery's files. A [`Format`] says what such a file means: a *survey* adds up its raw cells, *normalise* turns
//! the same cells into charges, and the two share no code that reads a number, so that what was lost between them would show
//! (P1). Files are read in bounded batches, never whole.

pub mod aws;
pub mod aws_cost_explorer;
pub mod aws_cur;
pub mod aws_data_export;
pub mod azure;
pub mod azure_cost;
pub mod azure_cost_query;
pub mod azure_export;
pub mod backstage;
pub mod collector;
pub mod delivery;
pub mod ecb_rates;
pub mod error;
pub mod exact;
mod figures;
pub mod focus;
pub mod folder;
pub mod format;
pub mod gcp_bigquery;
pub mod gcp_billing;
pub mod gcp_billing_file;
pub mod google;
pub mod http;
pub mod input;
mod invoice;
mod json_lines;
mod kept;
use outlay_ledger::labels;
mod months;
mod native;
pub mod normalise;
mod numbers;
pub mod objects;
pub mod purse;
pub mod rates;
pub mod raw;
pub mod records;
pub mod registry;
pub mod services;

pub use collector::{
    Checked, Collected, Collector, Connect, Connected, Context, Kind, Listed, Listing, SettingProblem, SourceSettings,
    Variables,
};
pub use delivery::{Delivery, FileSurvey, Settings, deliveries, surveys};
pub use error::CollectError;
pub use format::{FORMATS, Format, format};
pub use normalise::{Coverage, NormalBatch, Normaliser};
pub use purse::{Payment, Purse};
pub use rates::{RateCollector, RateSettings};
pub use registry::{KINDS, kind};
