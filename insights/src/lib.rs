//! The answers.
//!
//! Every function takes a [`Scope`](outlay_model::report::Scope): what a caller may see is decided before anything is
//! read, never after. Sums come exact from the store; conversion, folding and ordering happen here, once, so that the
//! API, the pages and the command line cannot disagree.

mod buckets;
mod convert;
mod coverage;
pub mod error;
mod export;
mod plan;
mod reconciliation;
mod runs;
mod spend;
mod values;

use std::sync::Arc;

use outlay_catalog::Catalog;
pub use outlay_catalog::{Change, DayFigures, Refusal, RefusedFigure, RejectCount, Run};
use outlay_model::Currency;
use outlay_model::rates::RateTable;
use outlay_model::tags::TagSettings;
use outlay_store::Store;

pub use error::InsightError;
pub use export::Export;
pub use values::{DimensionInfo, DimensionValue, ValuesQuery};

/// Answers questions about stored charges.
#[derive(Clone)]
pub struct Insights {
    catalog: Catalog,
    store: Arc<Store>,
    rates: Arc<RateTable>,
    reporting: Currency,
    tags: Arc<TagSettings>,
}

impl Insights {
    /// Answers from this catalog and store, converting by these rates, reading tag keys by these settings.
    #[must_use]
    pub const fn new(
        catalog: Catalog,
        store: Arc<Store>,
        rates: Arc<RateTable>,
        reporting: Currency,
        tags: Arc<TagSettings>,
    ) -> Self {
        Self { catalog, store, rates, reporting, tags }
    }

    /// The currency of answers that name none.
    #[must_use]
    pub const fn reporting_currency(&self) -> Currency {
        self.reporting
    }

    /// The exchange rates.
    #[must_use]
    pub fn rates(&self) -> &RateTable {
        &self.rates
    }

    /// The catalog's generation: it rises with everything that can change an answer.
    ///
    /// # Errors
    /// When the catalog cannot be read: the service is not ready.
    pub async fn generation(&self) -> Result<u64, InsightError> {
        Ok(self.catalog.generation().await?)
    }
}
