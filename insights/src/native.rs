//! What pages for people do where an exchange rate is missing: they show the currencies of the bills, and say so.
//!
//! A script that asked for one currency is better off with an error than with other columns than it expects. A person who
//! asked for none in particular is better off with figures.

use chrono::NaiveDate;
use outlay_model::query::{SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, SpendReport, Warning};

use crate::{InsightError, Insights};

impl Insights {
    /// Answers a spend query in its currency, or, where a rate to it is missing, in the currencies of the bills: then the report
    /// has no currency, and its first warning, `shown_native`, says which rate is missing, for which days and of how much.
    ///
    /// # Errors
    /// As [`Insights::spend`], but for the missing rate.
    pub async fn spend_or_native(
        &self,
        query: &SpendQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<SpendReport, InsightError> {
        let (from, to, days, amount) = match self.spend(query, today, scope).await {
            Err(InsightError::RateMissing { from, to, days, amount }) => (from, to, days, amount),
            answer => return answer,
        };
        let native = SpendQuery { currency: TargetCurrency::Native, ..query.clone() };
        let mut report = self.spend(&native, today, scope).await?;
        let message =
            format!("no {from} to {to} rate for {days} ({amount} {from}), so each bill is shown in its own currency");
        report.warnings.insert(0, Warning { code: "shown_native", message });
        Ok(report)
    }
}
