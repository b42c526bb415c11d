//! What a source may spend on requests that its provider charges for.
//!
//! A call is paid before it is made: of several replicas, and however often one is started anew, all spend from the same
//! purse, and what a process that was killed had taken out stays taken.

use std::fmt;

use async_trait::async_trait;
use chrono::NaiveDate;

use crate::http::FetchError;

/// What a source has spent in this calendar month (UTC). In millionths of a dollar.
#[async_trait]
pub trait Purse: fmt::Debug + Send + Sync {
    /// Takes an amount out.
    ///
    /// # Errors
    /// [`FetchError::CapReached`] when the month would then have cost more than `cap`; nothing is taken.
    async fn take(&self, micros: u64, cap: u64) -> Result<Payment, FetchError>;

    /// Gives back what was taken for a request that is not charged.
    ///
    /// # Errors
    /// When it cannot be written down.
    async fn give_back(&self, payment: Payment) -> Result<(), FetchError>;

    /// What was taken in this month.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn spent(&self) -> Result<u64, FetchError>;
}

/// What was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The first of the month it was taken in.
    pub month: NaiveDate,
    /// How much, in millionths of a dollar.
    pub micros: u64,
}

/// For tests of collectors whose requests cost nothing.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Empty;

#[cfg(test)]
#[async_trait]
impl Purse for Empty {
    async fn take(&self, micros: u64, _: u64) -> Result<Payment, FetchError> {
        Err(FetchError::CapReached { would_be: micros, cap: 0 })
    }

    async fn give_back(&self, _: Payment) -> Result<(), FetchError> {
        Ok(())
    }

    async fn spent(&self) -> Result<u64, FetchError> {
        Ok(0)
    }
}
