//! What requests have cost that a provider charges for.
//!
//! An amount is written down before its request is made, in the transaction that compares it with what a month may cost: of
//! several replicas no two spend the same rest, and a process that is killed has at worst counted a request too many.

use chrono::{Datelike, NaiveDate};
use outlay_model::SourceName;
use sqlx::AnyConnection;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

/// Whether an amount was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expense {
    /// It was; this is what the month has cost with it.
    Taken(u64),
    /// It was not: the month would then have cost this, which is more than it may.
    TooMuch(u64),
}

impl Catalog {
    /// Adds millionths of a dollar to what a source's requests have cost in the month of this day, unless it would then be
    /// more than `cap`.
    ///
    /// # Errors
    /// When the database fails; nothing is added.
    pub async fn spend(
        &self,
        source: &SourceName,
        day: NaiveDate,
        micros: u64,
        cap: u64,
    ) -> Result<Expense, CatalogError> {
        let month = month(day);
        let mut tx = self.begin().await?;
        let would_be = spent(&mut tx, source, &month).await?.saturating_add(micros);
        if would_be > cap {
            return Ok(Expense::TooMuch(would_be));
        }
        let query = sqlx::query(
            "INSERT INTO request_costs (source, month, micros) VALUES ($1, $2, $3) \
             ON CONFLICT (source, month) DO UPDATE SET micros = excluded.micros",
        );
        let query = query.bind(source.as_str()).bind(month).bind(sql::number(would_be));
        query.execute(&mut *tx).await.during("write down what a request costs")?;
        tx.commit().await.during("write down what a request costs")?;
        Ok(Expense::Taken(would_be))
    }

    /// Takes back what was added for a request that is not charged.
    ///
    /// # Errors
    /// When the database fails; nothing is taken back.
    pub async fn unspend(&self, source: &SourceName, day: NaiveDate, micros: u64) -> Result<(), CatalogError> {
        let month = month(day);
        let mut tx = self.begin().await?;
        let rest = spent(&mut tx, source, &month).await?.saturating_sub(micros);
        let query = sqlx::query("UPDATE request_costs SET micros = $3 WHERE source = $1 AND month = $2");
        let query = query.bind(source.as_str()).bind(month).bind(sql::number(rest));
        query.execute(&mut *tx).await.during("take back what a request costs")?;
        tx.commit().await.during("take back what a request costs")
    }

    /// What a source's requests have cost in the month of this day, in millionths of a dollar.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent(&self, source: &SourceName, day: NaiveDate) -> Result<u64, CatalogError> {
        let mut connection = self.pool().acquire().await.during("read what requests cost")?;
        spent(&mut connection, source, &month(day)).await
    }
}

async fn spent(conn: &mut AnyConnection, source: &SourceName, month: &str) -> Result<u64, CatalogError> {
    let query = sqlx::query("SELECT micros FROM request_costs WHERE source = $1 AND month = $2");
    let row = query.bind(source.as_str()).bind(month).fetch_optional(conn).await.during("read what requests cost")?;
    row.map_or(Ok(0), |row| row.count("micros"))
}

/// The first day of a day's month.
fn month(day: NaiveDate) -> String {
    day.with_day(1).unwrap_or(day).to_string()
}
