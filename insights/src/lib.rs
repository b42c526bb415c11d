//! The answers.
//!
//! Every function takes a [`Scope`](outlay_model::report::Scope): what a caller may see is decided before anything is
//! read, never after. Sums come exact from the store; conversion, folding and ordering happen here, once, so that the
//! API, the pages and the command line cannot disagree.

mod buckets;
mod convert;
mod counted;
mod coverage;
pub mod error;
mod export;
mod lineage;
mod moved;
mod native;
mod owners;
mod ownership;
mod plan;
mod rates;
mod reconciliation;
mod runs;
mod sources;
mod spend;
mod values;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use chrono::NaiveDate;
pub use outlay_catalog::{
    AuditQuery, Change, ChangePlace, ChangesQuery, DayFigures, EventPlace, EventsQuery, JobsQuery, Refusal,
    RefusedFigure, RejectCount, Run, RunsQuery, Wanted,
};
use outlay_catalog::{Catalog, Snapshot};
use outlay_model::Currency;
use outlay_model::part::Layer;
use outlay_model::rates::RateTable;
use outlay_model::tags::TagSettings;
use outlay_store::Store;

pub use counted::{EventsTold, PointsTold, SettlingReport, Stale};
pub use error::InsightError;
pub use export::Export;
pub use moved::{Explanation, Moved, Preview};
pub use outlay_store::{Decision, Tried, Whose};
pub use owners::{
    About, Among, Claimed, ClaimedQuery, ComponentLine, ComponentReport, Components, OwnedQuery, Part, Peers,
    PeersPeriod, Per, Position, Release, Releases, ReleasesQuery, Shortened, TagPart, TeamLine, TeamReport, Teams,
    Unclaimed, UnclaimedLine, UnitCost, UnitCostOf, UnitCostQuery, UnitCostRow, Window,
};
pub use ownership::{AuditPlace, Changed, Defined};
pub use rates::{KnownRate, PublishedRate};
pub use sources::{SourceDetail, SourceReport};
pub use values::{DimensionInfo, DimensionValue, ValuesQuery};

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P> {
    /// What is on it.
    pub rows: Vec<T>,
    /// What the next one comes behind; `None` on the last.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// Of one row more than fit, where there are so many.
    fn of(mut rows: Vec<T>, limit: u32, place: impl Fn(&[T]) -> Option<P>) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { place(&rows) } else { None };
        Self { rows, next }
    }
}

/// Answers questions about stored charges.
#[derive(Clone)]
pub struct Insights {
    catalog: Catalog,
    store: Arc<Store>,
    /// The configured ones. Those that are published come with each snapshot.
    rates: RateTable,
    reporting: Currency,
    tags: Arc<TagSettings>,
    /// Tells settings apart that give other answers from the same charges.
    fingerprint: u64,
}

impl Insights {
    /// Answers from this catalog and store, converting by these rates and those the catalog has, reading tag keys by these
    /// settings.
    #[must_use]
    pub fn new(
        catalog: Catalog,
        store: Arc<Store>,
        rates: RateTable,
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

    /// The exchange rates of a snapshot: the configured ones beside those that were published by then.
    pub(crate) fn rates_of(&self, snapshot: &Snapshot) -> RateTable {
        self.rates.beside(Arc::clone(&snapshot.rates))
    }

    /// The exchange rates.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn rates(&self) -> Result<RateTable, InsightError> {
        Ok(self.rates_of(&*self.catalog.snapshot().await?))
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

    /// Changes with everything that can change an answer to the same question: charges, configured sources, settings, and
    /// the month, with which days stop being provisional.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn revision(&self, today: NaiveDate) -> Result<u64, InsightError> {
        let (generation, sources) = (self.catalog.generation().await?, self.configured().await?);
        let mut hasher = DefaultHasher::new();
        (self.fingerprint, generation, sources, coverage::open_from(today)).hash(&mut hasher);
        Ok(hasher.finish())
    }
}
