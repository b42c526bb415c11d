//! Source against stored, to the last digit (P1).

use outlay_model::SourceName;
use outlay_model::money::plain;
use outlay_model::report::{ReconciliationLine, Scope};
use serde_json::Number;

use crate::error::company_only;
use crate::{InsightError, Insights};

impl Insights {
    /// Lines of live deliveries that were rejected with money nobody can read: no sum knows of them.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see invoices.
    pub async fn unpriced(&self, source: Option<&SourceName>, scope: &Scope) -> Result<u64, InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let parts = snapshot.all().filter(|part| source.is_none_or(|source| part.source == *source));
        Ok(parts.map(|part| part.unpriced).sum())
    }

    /// Where every unit of every live delivery's total went, per billing period, invoice and cost.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see invoices.
    pub async fn reconciliation(
        &self,
        source: Option<&SourceName>,
        scope: &Scope,
    ) -> Result<Vec<ReconciliationLine>, InsightError> {
        company_only(scope)?;
        let balances = self.catalog.balances(source).await?;
        let number = |exact: &_| Number::from_string_unchecked(plain(exact));
        let lines = balances.into_iter().map(|(source, delivery, balance)| ReconciliationLine {
            source: source.to_string(),
            delivery: delivery.to_string(),
            billing_period: balance.key.billing_period,
            invoice: balance.key.invoice.clone(),
            currency: balance.key.currency.clone(),
            metric: balance.metric,
            source_total: number(&balance.source),
            stored: number(&balance.stored),
            rejected: number(&balance.rejected),
            rounding: number(&balance.rounding),
            // Invoices' own amounts come with the collectors that can read them.
            invoiced: None,
            difference: number(&balance.difference()),
        });
        Ok(lines.collect())
    }
}
