//! Deliveries that are gone: their key is no longer in a listing that names all there are.

use chrono::{DateTime, Utc};
use outlay_model::{DeliveryKey, Fence, PartId, SourceName};

use crate::commit::{check_run, raise_generation, retire_part, still_live};
use crate::days::{self, Cause, Days};
use crate::error::During as _;
use crate::sql::Columns as _;
use crate::{Catalog, CatalogError, Run, jobs, parts, runs};

/// A live part that is to go without another in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Whose.
    pub source: SourceName,
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// The live part all guards were checked against.
    pub part: PartId,
    /// The run that does it, finished and in state `committed`, of the same source and delivery; it makes no part.
    pub run: Run,
    /// The job it is done for, where there is one.
    pub fence: Option<Fence>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Catalog {
    /// Retires the live part of a delivery without a successor, and gives the generation from which its days are
    /// stated no more. Repeating it whose answer got lost gives the generation it went with.
    ///
    /// # Errors
    /// [`CatalogError::Superseded`], [`CatalogError::LeaseLost`], [`CatalogError::Inconsistent`]: nothing has changed.
    /// [`CatalogError::Unavailable`]: it may have happened; repeat the call as it is.
    pub async fn withdraw(&self, withdrawal: &Withdrawal) -> Result<u64, CatalogError> {
        let Withdrawal { source, delivery, part, run, fence, now } = withdrawal;
        check_run(run, source, delivery)?;
        if run.part.is_some() {
            return Err(CatalogError::Inconsistent(format!("run {} makes a part and withdraws {part}", run.id)));
        }
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        let live = parts::live_id(&mut tx, source, delivery).await?;
        if live.is_none()
            && let Some(since) = gone_with(&mut tx, part, run).await?
        {
            return Ok(since);
        }
        if let Some(fence) = fence {
            jobs::hold(&mut tx, fence, *now).await?;
        }
        let part = parts::same_bill(&mut tx, Some(part), live.as_ref()).await?.unwrap_or_else(|| part.clone());
        still_live(source, delivery, Some(&part), live)?;
        runs::write(&mut tx, run).await?;
        let before = days::read(&mut tx, &part).await?;
        retire_part(&mut tx, &part, generation, *now).await?;
        let cause = Cause { generation, source, delivery, run: &run.id, at: *now };
        days::write_changes(&mut tx, &cause, &days::differences(&before, &Days::new())).await?;
        tx.commit().await.during("withdraw the delivery")?;
        Ok(generation)
    }

    /// Parts that are retired and have no successor, but whose record is still beside the bills, the oldest first:
    /// to rebuild the catalog would bring them back. Take the records away in this order, and [say so](Self::unrecord).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdrawn(&self) -> Result<Vec<PartId>, CatalogError> {
        let query = sqlx::query(
            "SELECT p.id FROM parts p WHERE p.state = 'retired' AND p.recorded > 0 AND NOT EXISTS ( \
               SELECT 1 FROM parts l WHERE l.source = p.source AND l.delivery = p.delivery AND l.state = 'live') \
             ORDER BY p.live_from_generation, p.id",
        );
        let rows = query.fetch_all(self.pool()).await.during("list what was withdrawn")?;
        rows.iter().map(|row| Ok(PartId::new(row.text("id")?))).collect()
    }

    /// Says that the store holds no record of a part any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unrecord(&self, part: &PartId) -> Result<(), CatalogError> {
        let query = sqlx::query("UPDATE parts SET recorded = 0 WHERE id = $1 AND state = 'retired'");
        query.bind(part.as_str()).execute(self.pool()).await.during("note that a record is gone")?;
        Ok(())
    }
}

/// The generation with which this very run withdrew the part, when it did.
async fn gone_with(conn: &mut sqlx::AnyConnection, part: &PartId, run: &Run) -> Result<Option<u64>, CatalogError> {
    let query = sqlx::query(
        "SELECT p.retired_generation FROM parts p JOIN runs r ON r.id = $2 AND r.state = 'committed' WHERE p.id = $1",
    );
    let row = query.bind(part.as_str()).bind(run.id.as_str()).fetch_optional(conn).await;
    row.during("read the part")?.map(|row| row.count("retired_generation")).transpose()
}
