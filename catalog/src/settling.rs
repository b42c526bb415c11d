//! Settling, as one row: up to which generation every charge has its owner and every pool its split, and who is at it.
//!
//! It is taken on as a lease, as jobs are ([`crate::jobs`]): one that has ended is over, and whoever had it can say nothing
//! more about it. Two replicas may both believe for a while that it is theirs; what they write is held against the parts as
//! they were read, and what neither did right is found unsettled again.

use chrono::{DateTime, Utc};
use outlay_model::ownership::{Settling, SettlingFence, SettlingProgress};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Takes settling on for `holder`, until `until`, if there is something to settle and nobody is at it. `None` otherwise.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_settling(
        &self,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<SettlingFence>, CatalogError> {
        // Without a lock first: replicas ask every few seconds, and mostly there is nothing.
        let seen = read(&mut *self.pool().acquire().await.during("look for what is to be settled")?).await?;
        if !seen.is_claimable(now) {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let row = read(&mut tx).await?;
        if !row.is_claimable(now) {
            return Ok(None);
        }
        let query = sqlx::query(
            "UPDATE settling SET holder = $1, expires_at = $2, fence = fence + 1, started_at = $3, finished_at = NULL, \
             progress = $4 WHERE id = 1",
        );
        let query = query
            .bind(sql::without_nul(holder.to_owned()))
            .bind(sql::time(until))
            .bind(sql::time(now))
            .bind(sql::json("a progress", &SettlingProgress::default())?);
        query.execute(&mut *tx).await.during("take settling on")?;
        tx.commit().await.during("take settling on")?;
        Ok(Some(SettlingFence { number: row.fence + 1, generation: row.settling.generation }))
    }

    /// A sign of life: settling stays the caller's until `until`, and is so far.
    ///
    /// # Errors
    /// [`CatalogError::SettlingLost`]: stop the work.
    pub async fn renew_settling(
        &self,
        fence: &SettlingFence,
        progress: &SettlingProgress,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, fence, now).await?;
        let query = sqlx::query("UPDATE settling SET expires_at = $1, progress = $2 WHERE id = 1");
        let query = query.bind(sql::time(until)).bind(sql::json("a progress", progress)?);
        query.execute(&mut *tx).await.during("renew settling")?;
        tx.commit().await.during("renew settling")
    }

    /// Says up to which generation all is settled, and what went wrong where something did. The generation is not raised: it
    /// answers nothing that was not said before.
    ///
    /// # Errors
    /// [`CatalogError::SettlingLost`]: somebody else goes on with it, or has.
    pub async fn finish_settling(
        &self,
        fence: &SettlingFence,
        settled: u64,
        message: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        let Row { settling, .. } = hold(&mut tx, fence, now).await?;
        if settled > settling.generation {
            let generation = settling.generation;
            return Err(CatalogError::Inconsistent(format!(
                "generation {settled} cannot be settled, the catalog is at {generation}"
            )));
        }
        let query = sqlx::query(
            "UPDATE settling SET settled = $1, holder = NULL, expires_at = NULL, finished_at = $2, message = $3 WHERE id = 1",
        );
        let query = query
            .bind(sql::number(settled.max(settling.settled)))
            .bind(sql::time(now))
            .bind(message.map(|message| sql::without_nul(message.to_owned())));
        query.execute(&mut *tx).await.during("end settling")?;
        tx.commit().await.during("end settling")
    }

    /// Where settling stands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settling(&self) -> Result<Settling, CatalogError> {
        Ok(read(&mut *self.pool().acquire().await.during("read what is settled")?).await?.settling)
    }
}

/// Nothing is settled any more: what there is was put here by others.
pub(crate) async fn unsettle(conn: &mut AnyConnection) -> Result<(), CatalogError> {
    sqlx::query("UPDATE settling SET settled = 0 WHERE id = 1").execute(conn).await.during("settle anew")?;
    Ok(())
}

struct Row {
    settling: Settling,
    fence: u64,
    expires_at: Option<DateTime<Utc>>,
}

impl Row {
    fn is_claimable(&self, now: DateTime<Utc>) -> bool {
        !self.settling.is_settled() && self.expires_at.is_none_or(|until| until <= now)
    }
}

async fn read(conn: &mut AnyConnection) -> Result<Row, CatalogError> {
    let query = sqlx::query("SELECT s.*, h.generation FROM settling s JOIN head h ON h.id = s.id WHERE s.id = 1");
    read_row(&query.fetch_one(conn).await.during("read what is settled")?)
}

fn read_row(row: &AnyRow) -> Result<Row, CatalogError> {
    let settling = Settling {
        settled: row.count("settled")?,
        generation: row.count("generation")?,
        holder: row.optional_text("holder")?,
        started_at: row.optional_parsed("started_at")?,
        finished_at: row.optional_parsed("finished_at")?,
        progress: row.json("progress")?,
        message: row.optional_text("message")?,
    };
    Ok(Row { settling, fence: row.count("fence")?, expires_at: row.optional_parsed("expires_at")? })
}

/// The row, if settling still is whoever's who took it on with this number; within a writing transaction.
async fn hold(conn: &mut AnyConnection, fence: &SettlingFence, now: DateTime<Utc>) -> Result<Row, CatalogError> {
    let row = read(conn).await?;
    let why = match (row.fence == fence.number, row.expires_at) {
        (true, Some(until)) if until > now => return Ok(row),
        (true, Some(until)) => {
            format!("was left without a sign of life until its lease ended at {}", until.format("%H:%M:%S"))
        }
        (true, None) => "has ended already".to_owned(),
        (false, _) => {
            let holder = row.settling.holder.as_deref().unwrap_or("somebody who is done with it");
            format!("was taken on again meanwhile, by {holder}")
        }
    };
    Err(CatalogError::SettlingLost { why })
}
