//! The one transaction that makes a part visible in place of another (P3, P4).
//!
//! It raises the generation with its first statement, which takes the lock that serialises commits; everything it then
//! looks at cannot change under it. Any error on the way rolls all of it back.
//!
//! Repeating a commit whose answer got lost is safe: a part that was committed already gives the generation it is live
//! from, also when another has replaced it meanwhile.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use outlay_model::money::plain;
use outlay_model::part::{Balance, BalanceKey, DaySum, Part, PartFile, RunState};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, Fence, PartId, PoolId, RunId, SourceName};
use sqlx::AnyConnection;

use crate::days::{self, Cause, Days};
use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError, NotConserved, Rejects, Run, intents, jobs, parts, rejects, runs};

/// A staged part that is to become live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The part. Its files exist and are synced, and were intended.
    pub part: Part,
    /// The run that made it, finished and in state `committed`, of the same source, delivery and part.
    pub run: Run,
    /// Its reconciliation. Every difference is zero, and no metric of an invoice is there twice.
    pub balances: Vec<Balance>,
    /// What was not taken; as many as `run.rejected`.
    pub rejects: Rejects,
    /// What it says about each day; together all its rows.
    pub days: Vec<DaySum>,
    /// The live part of the delivery that all guards were checked against: the fence.
    pub replaces: Option<PartId>,
    /// The job it is made for, where it is made for one: whoever has lost it commits nothing.
    pub fence: Option<Fence>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Catalog {
    /// Makes a part live in place of the one it replaces, and gives the generation from which it is.
    ///
    /// # Errors
    /// [`CatalogError::NotConserved`], [`CatalogError::Superseded`], [`CatalogError::IntentExpired`],
    /// [`CatalogError::LeaseLost`], [`CatalogError::Overlap`], [`CatalogError::Inconsistent`]: nothing has changed. [`CatalogError::Unavailable`]: it
    /// may have happened; repeat the call as it is.
    pub async fn commit(&self, commit: Commit) -> Result<u64, CatalogError> {
        let days = check(&commit)?;
        let Commit { part, run, replaces, fence, now, .. } = &commit;
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        if let Some(since) = parts::live_since(&mut tx, &part.id).await? {
            // An earlier try went through, only its answer did not. Dropping the transaction takes the raise back.
            return Ok(since);
        }
        if let Some(fence) = fence {
            jobs::hold(&mut tx, fence, *now).await?;
        }
        let live = parts::live_id(&mut tx, &part.source, &part.delivery).await?;
        let replaces = parts::same_bill(&mut tx, replaces.as_ref(), live.as_ref()).await?;
        still_live(&part.source, &part.delivery, replaces.as_ref(), live)?;
        runs::write(&mut tx, run).await?;
        make_live(&mut tx, &Commit { replaces, ..commit.clone() }, &days, &part.files, generation).await?;
        tx.commit().await.during("commit the part")?;
        Ok(generation)
    }
}

/// Ends the intent of `files`, retires the part that is replaced, and writes all that makes the new one live. The run is
/// recorded already.
pub(crate) async fn make_live(
    conn: &mut AnyConnection,
    commit: &Commit,
    days: &Days,
    files: &[PartFile],
    generation: u64,
) -> Result<(), CatalogError> {
    let Commit { part, run, balances, rejects, days: _, replaces, fence: _, now } = commit;
    intents::fulfil(conn, &part.id, files, *now).await?;
    let before = match replaces {
        Some(old) => {
            retire_part(conn, old, generation, *now).await?;
            days::read(conn, old).await?
        }
        None => Days::new(),
    };
    insert_part(conn, part, &run.id, generation, *now).await?;
    days::write(conn, &part.id, days).await?;
    if let Some(overlap) = days::overlap(conn, &part.source, &part.id).await? {
        return Err(CatalogError::Overlap(Box::new(overlap)));
    }
    parts::write_balances(conn, &part.id, balances).await?;
    rejects::write(conn, &run.id, rejects).await?;
    let cause = Cause { generation, source: &part.source, delivery: &part.delivery, run: &run.id, at: *now };
    days::write_changes(conn, &cause, &days::differences(&before, days)).await
}

/// Everything that can be checked without looking at the database.
fn check(commit: &Commit) -> Result<Days, CatalogError> {
    let Commit { part, run, .. } = commit;
    check_run(run, &part.source, &part.delivery)?;
    let wrong = |what: String| Err(CatalogError::Inconsistent(format!("part {}: {what}", part.id)));
    if run.part.as_ref() != Some(&part.id) {
        return wrong(format!("run {} does not say it made it", run.id));
    }
    check_figures(commit)
}

/// Everything about its figures.
pub(crate) fn check_figures(commit: &Commit) -> Result<Days, CatalogError> {
    let Commit { part, run, balances, rejects, days, .. } = commit;
    let wrong = |what: String| Err(CatalogError::Inconsistent(format!("part {}: {what}", part.id)));
    if part.pool.is_some() {
        return wrong("its rows are transfers, which no bill brings".to_owned());
    }
    if (run.rejected, run.unpriced) != (rejects.rows(), rejects.unpriced()) {
        let Run { rejected, unpriced, .. } = run;
        let (rows, without) = (rejects.rows(), rejects.unpriced());
        return wrong(format!(
            "its run counts {rejected} rejects, {unpriced} of them unpriced, but {rows} and {without} were given"
        ));
    }
    let mut seen: Vec<(&BalanceKey, Metric)> = balances.iter().map(|balance| (&balance.key, balance.metric)).collect();
    seen.sort();
    if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        return wrong(format!("its {} of {:?} is balanced twice", twice[0].1, twice[0].0));
    }
    let days = days::checked(&part.id, part.rows, days)?;
    check_conserved(&part.id, balances, &days)?;
    Ok(days)
}

pub(crate) fn check_run(run: &Run, source: &SourceName, delivery: &DeliveryKey) -> Result<(), CatalogError> {
    let fits = run.source == *source && run.delivery.as_ref() == Some(delivery);
    if fits && run.state == RunState::Committed && run.finished_at.is_some() {
        Ok(())
    } else {
        let Run { id, source: whose, state, .. } = run;
        Err(CatalogError::Inconsistent(format!(
            "run {id} of {whose} is {} and cannot commit {source} {delivery}",
            state.as_str()
        )))
    }
}

/// P1: nothing between the source's cells and the stored rows, and nothing between those and the sums by day.
fn check_conserved(part: &PartId, balances: &[Balance], days: &Days) -> Result<(), CatalogError> {
    let fail = |metric, key: BalanceKey, between, difference: &BigDecimal| {
        let difference = plain(difference);
        let error = NotConserved { part: part.clone(), metric, key, between, difference };
        Err(CatalogError::NotConserved(Box::new(error)))
    };
    // What the store holds less what the days add up to, for each currency of the metrics that days know.
    let mut left: BTreeMap<(String, Metric), BigDecimal> = BTreeMap::new();
    for balance in balances {
        let difference = balance.difference();
        if difference != 0 {
            return fail(balance.metric, balance.key.clone(), "source and store", &difference);
        }
        if matches!(balance.metric, Metric::Billed | Metric::Effective) {
            *left.entry((balance.key.currency.clone(), balance.metric)).or_default() += &balance.stored;
        }
    }
    for (currency, metric, money) in days::money(days) {
        // A part without a balance for a metric makes no claim about it.
        if let Some(left) = left.get_mut(&(currency.as_str().to_owned(), metric)) {
            *left -= money.to_exact();
        }
    }
    match left.into_iter().find(|(_, left)| *left != 0) {
        Some(((currency, metric), left)) => {
            let key = BalanceKey { billing_period: None, invoice: None, currency };
            fail(metric, key, "store and days", &left)
        }
        None => Ok(()),
    }
}

/// The first statement of a commit: it takes the lock that serialises commits.
pub(crate) async fn raise_generation(conn: &mut AnyConnection) -> Result<u64, CatalogError> {
    let query = sqlx::query("UPDATE head SET generation = generation + 1 WHERE id = 1 RETURNING generation");
    query.fetch_one(conn).await.during("raise the generation")?.count("generation")
}

/// The generation, within a transaction.
pub(crate) async fn generation(conn: &mut AnyConnection) -> Result<u64, CatalogError> {
    let query = sqlx::query("SELECT generation FROM head WHERE id = 1");
    query.fetch_one(conn).await.during("read the generation")?.count("generation")
}

pub(crate) fn still_live(
    source: &SourceName,
    delivery: &DeliveryKey,
    expected: Option<&PartId>,
    found: Option<PartId>,
) -> Result<(), CatalogError> {
    if found.as_ref() == expected {
        return Ok(());
    }
    let (source_name, delivery, expected) = (source.clone(), delivery.clone(), expected.cloned());
    Err(CatalogError::Superseded { source_name, delivery, expected, found })
}

/// Makes a part live, which is there since a time.
pub(crate) async fn insert_part(
    conn: &mut AnyConnection,
    part: &Part,
    run: &RunId,
    generation: u64,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query(
        "INSERT INTO parts (id, source, delivery, state, fingerprint, row_count, run, live_at, live_from_generation, \
         body, pool) VALUES ($1, $2, $3, 'live', $4, $5, $6, $7, $8, $9, $10)",
    );
    let query = query
        .bind(part.id.as_str())
        .bind(part.source.as_str())
        .bind(part.delivery.as_str())
        .bind(part.fingerprint.as_str())
        .bind(sql::number(part.rows))
        .bind(run.as_str())
        .bind(sql::time(at))
        .bind(sql::number(generation))
        .bind(sql::json("a part", part)?)
        .bind(part.pool.as_ref().map(PoolId::as_str));
    query.execute(conn).await.during("make the part live")?;
    Ok(())
}

pub(crate) async fn retire_part(
    conn: &mut AnyConnection,
    part: &PartId,
    generation: u64,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query(
        "UPDATE parts SET state = 'retired', retired_at = $1, retired_generation = $2 WHERE id = $3 AND state = 'live'",
    );
    let query = query.bind(sql::time(now)).bind(sql::number(generation)).bind(part.as_str());
    query.execute(conn).await.during("retire the old part")?;
    Ok(())
}
