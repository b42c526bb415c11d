//! How the figures came here: what was run, what it did not take, and what it moved.

use outlay_catalog::{Change, ChangePlace, ChangesQuery, RejectCount, Run, RunsQuery};
use outlay_model::RunId;
use outlay_model::part::Reject;
use outlay_model::report::Scope;

use crate::error::{company_only, unknown_cursor};
use crate::{InsightError, Insights, Page};

impl Insights {
    /// The latest runs, newest first.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn runs(&self, query: &RunsQuery, limit: u32, scope: &Scope) -> Result<Page<Run, RunId>, InsightError> {
        company_only(scope)?;
        if let Some(before) = &query.before
            && self.catalog.run(before).await?.is_none()
        {
            return Err(unknown_cursor(before).into());
        }
        let runs = self.catalog.runs(query, limit.saturating_add(1)).await?;
        Ok(Page::of(runs, limit, |runs| runs.last().map(|run| run.id.clone())))
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
        query: &ChangesQuery,
        limit: u32,
        scope: &Scope,
    ) -> Result<Page<Change, ChangePlace>, InsightError> {
        company_only(scope)?;
        let changes = self.catalog.changes(query, limit.saturating_add(1)).await?;
        Ok(Page::of(changes, limit, |changes| ChangePlace::behind(query.behind, changes)))
    }
}
