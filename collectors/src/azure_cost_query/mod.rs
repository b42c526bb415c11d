//! Azure's Cost Management Query API: costs by day, subscription, service and charge type, where there is no export of the
//! bill, and for the offers that have none.
//!
//! It has sums of at most two keys, so little is asked, and each part of the money once:
//!
//! - The totals of all months: what is here with the same totals is not read again, but for the months that are being
//!   restated, once a day.
//! - For each month its charge types, and for each of these a query told apart by subscription (or resource group) and
//!   service; where that is refined, one more for each of these values, told apart by what it is refined by. Each query is
//!   made twice: actual costs are what is billed, amortised ones what it effectively costs.
//! - What the month's ungrouped totals have beyond that becomes one row without subscription, and the run says so.
//!
//! Invariants: a month's charges add up to the totals that Azure states for it, to the last digit; the answers are kept as
//! they came, and are all that the format reads.

mod answers;
mod api;
mod charge_types;
mod collector;
mod level;
mod plan;
mod scope;
mod settings;
mod survey;
mod translate;

use crate::CollectError;
use crate::delivery::{FileSurvey, Settings};
use crate::format::{Each, Format};
use crate::input::InputFile;
use crate::normalise::Normaliser;

pub use settings::CostQuerySettings;

/// Kept answers of the Cost Management Query API.
#[derive(Debug, Clone, Copy)]
pub struct CostQuery;

impl Format for CostQuery {
    fn kind(&self) -> &'static str {
        "azure_cost_query"
    }

    fn title(&self) -> &'static str {
        "kept answers of Azure's Cost Management Query API"
    }

    fn version(&self) -> u32 {
        1
    }

    fn survey(
        &self,
        file: &InputFile,
        settings: &Settings,
        progress: &dyn Fn(u64),
    ) -> Result<FileSurvey, CollectError> {
        survey::survey(file, settings, progress)
    }

    fn normalise(&self, normaliser: &mut Normaliser<'_>, each: &mut Each<'_>) -> Result<(), CollectError> {
        for file in normaliser.files() {
            translate::normalise(file, normaliser, each)?;
        }
        Ok(())
    }
}
