//! How the figures came here: what was run, what it did not take, and what it moved.

use outlay_catalog::{Change, RejectCount, Run};
use outlay_model::part::Reject;
use outlay_model::report::Scope;
use outlay_model::{RunId, SourceName};

use crate::error::company_only;
use crate::{InsightError, Insights};

impl Insights {
    /// The latest runs, newest first.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn runs(&self, source: Option<&SourceName>, limit: u32, scope: &Scope) -> Result<Vec<Run>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.runs(source, limit).await?)
    }

    /// One run; `None` when there never was one of that id.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn run(&self, id: &RunId, scope: &Scope) -> Result<Option<Run>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.run(id).await?)
    }

    /// The first lines a run did not take, in the order they were found (P1). The catalog keeps the first thousand;
    /// [`Insights::reject_counts`] knows of all.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see bills.
    pub async fn rejects(&self, run: &RunId, limit: u32, scope: &Scope) -> Result<Vec<Reject>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.rejects(run, limit).await?)
    }

    /// How many lines a run did not take, with their money, by reason and currency (P1).
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see bills.
    pub async fn reject_counts(&self, run: &RunId, scope: &Scope) -> Result<Vec<RejectCount>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.reject_counts(run).await?)
    }

    /// What restatements moved, by day, billing account and currency: the newest first. The first arrival of a delivery
    /// counts, with nothing before.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see bills.
    pub async fn changes(
        &self,
        source: Option<&SourceName>,
        limit: u32,
        scope: &Scope,
    ) -> Result<Vec<Change>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.changes(source, None, limit).await?)
    }
}
