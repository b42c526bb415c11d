//! What a source may spend on requests: counted in the catalog, so that all replicas spend from the same.

use async_trait::async_trait;
use chrono::Datelike;
use outlay_catalog::{Catalog, CatalogError, Expense};
use outlay_collectors::http::FetchError;
use outlay_collectors::{Payment, Purse};
use outlay_model::SourceName;

use crate::app::now;

/// The purse of a source.
#[derive(Debug)]
pub(super) struct CatalogPurse {
    pub catalog: Catalog,
    pub source: SourceName,
}

#[async_trait]
impl Purse for CatalogPurse {
    async fn take(&self, micros: u64, cap: u64) -> Result<Payment, FetchError> {
        let today = now().date_naive();
        match self.catalog.spend(&self.source, today, micros, cap).await.map_err(failed)? {
            Expense::Taken(_) => Ok(Payment { month: today.with_day(1).unwrap_or(today), micros }),
            Expense::TooMuch(would_be) => Err(FetchError::CapReached { would_be, cap }),
        }
    }

    async fn give_back(&self, payment: Payment) -> Result<(), FetchError> {
        self.catalog.unspend(&self.source, payment.month, payment.micros).await.map_err(failed)
    }

    async fn spent(&self) -> Result<u64, FetchError> {
        self.catalog.spent(&self.source, now().date_naive()).await.map_err(failed)
    }
}

fn failed(error: CatalogError) -> FetchError {
    FetchError::Purse { why: format!("{:#}", anyhow::Error::from(error)) }
}
