//! AWS Cost Explorer: costs by day, account, service and record type, where there is no export of the bill.
//!
//! Each call costs money, so little is asked, and asked once:
//!
//! - One call a run for the totals of all months: what is here with the same totals is not read again, but for the months
//!   that are being restated, once a week.
//! - For each month, a call (or as many as it takes pages) per record type, told apart by account and service: together all
//!   of the money that accounts bear, each dollar once. For accounts that are to be refined, a call per record type of
//!   usage besides.
//! - What the month's ungrouped total has beyond that becomes one row without account, and the run says so.
//!
//! Invariants: a month's charges add up to the total that Cost Explorer states for it, to the last digit; the answers are
//! kept as they came, and are all that the format reads; no call is made that the month's cap does not cover.

mod answers;
mod collector;
mod explorer;
mod failure;
mod plan;
mod record_types;
mod refine;
mod settings;
mod survey;
mod translate;

use crate::CollectError;
use crate::delivery::{FileSurvey, Settings};
use crate::format::{Each, Format};
use crate::input::InputFile;
use crate::normalise::Normaliser;

pub use settings::CostExplorerSettings;

/// Kept answers of Cost Explorer.
#[derive(Debug, Clone, Copy)]
pub struct CostExplorer;

impl Format for CostExplorer {
    fn kind(&self) -> &'static str {
        "aws_cost_explorer"
    }

    fn title(&self) -> &'static str {
        "kept answers of AWS Cost Explorer"
    }

    fn version(&self) -> u32 {
        2
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
