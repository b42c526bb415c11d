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

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use outlay_catalog::Catalog;
pub use outlay_catalog::{Change, DayFigures, Refusal, RefusedFigure, RejectCount, Run};
use outlay_model::Currency;
use outlay_model::part::Layer;
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
    fingerprint: u64,
}

impl Insights {
    /// Answers from this catalog and store, converting by these rates, reading tag keys by these settings.
    #[must_use]
    pub fn new(
        catalog: Catalog,
        store: Arc<Store>,
        rates: Arc<RateTable>,
        reporting: Currency,
        tags: Arc<TagSettings>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        format!("{:?}", (reporting, &rates, &tags)).hash(&mut hasher);
        let fingerprint = hasher.finish();
        Self { catalog, store, rates, reporting, tags, fingerprint }
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

    /// Tells settings apart that give other answers from the same charges: rates, reporting currency, spellings of tags.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether questions can be answered: the generation, once both the catalog and the store could be read.
    ///
    /// # Errors
    /// When one of them cannot.
    pub async fn ready(&self) -> Result<u64, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let newest = snapshot.parts.iter().max_by(|a, b| a.id.cmp(&b.id));
        self.store.ready(newest.and_then(|part| part.files(Layer::Daily).next())).await?;
        Ok(snapshot.generation)
    }

    /// The catalog's generation: it rises with everything that can change an answer.
    ///
    /// # Errors
    /// When the catalog cannot be read: the service is not ready.
    pub async fn generation(&self) -> Result<u64, InsightError> {
        Ok(self.catalog.generation().await?)
    }
}
