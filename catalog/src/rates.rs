//! Published exchange rates: a day at a time, each day whole.
//!
//! A day that is published again is replaced in one transaction that raises the generation, so an answer converts by the old
//! rates or by the new ones. What it was stays, for readers of older generations. Nothing here ever takes a day away.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use outlay_model::part::RunState;
use outlay_model::rates::{Fixing, Published, Quote};
use outlay_model::{Currency, Fence, SourceName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError, Run, jobs, runs};

/// Rates that are to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatesCommit {
    /// The run that brought them, finished and in state `committed`; it makes no part.
    pub run: Run,
    /// The days they are of, each once: those that are new, and those that are not what they were.
    pub fixings: Vec<Fixing>,
    /// The generation since which the rates are that they were held against: the fence.
    pub since: u64,
    /// The job it is done for, where there is one.
    pub fence: Option<Fence>,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Catalog {
    /// Makes rates hold in the place of what was known of their days, and gives the generation from which they do.
    /// Repeating it whose answer got lost gives that generation again.
    ///
    /// # Errors
    /// [`CatalogError::RatesMoved`], [`CatalogError::LeaseLost`], [`CatalogError::Inconsistent`]: nothing has changed.
    /// [`CatalogError::Unavailable`]: it may have happened; repeat the call as it is.
    pub async fn commit_rates(&self, commit: &RatesCommit) -> Result<u64, CatalogError> {
        let RatesCommit { run, fixings, since, fence, now } = commit;
        check(commit)?;
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        if let Some(since) = brought_with(&mut tx, run).await? {
            return Ok(since);
        }
        if let Some(fence) = fence {
            jobs::hold(&mut tx, fence, *now).await?;
        }
        let found = sqlx::query("SELECT rates_generation FROM head WHERE id = 1").fetch_one(&mut *tx).await;
        let found = found.during("read the generation of the rates")?.count("rates_generation")?;
        if found != *since {
            return Err(CatalogError::RatesMoved { source_name: run.source.clone(), expected: *since, found });
        }
        runs::write(&mut tx, run).await?;
        write(&mut tx, fixings, run, generation).await?;
        let query = sqlx::query("UPDATE head SET rates_generation = $1 WHERE id = 1").bind(sql::number(generation));
        query.execute(&mut *tx).await.during("raise the generation of the rates")?;
        tx.commit().await.during("record the rates")?;
        Ok(generation)
    }
}

/// Everything that can be checked without looking at the database.
fn check(commit: &RatesCommit) -> Result<(), CatalogError> {
    let RatesCommit { run, fixings, .. } = commit;
    let wrong = |what: String| Err(CatalogError::Inconsistent(format!("run {} of {}: {what}", run.id, run.source)));
    if run.state != RunState::Committed || run.finished_at.is_none() || run.part.is_some() {
        return wrong(format!("it is {} and cannot commit rates", run.state.as_str()));
    }
    if let Some(fixing) = fixings.iter().find(|fixing| fixing.source != run.source) {
        return wrong(format!("the rates of {} are of {}", fixing.day, fixing.source));
    }
    let mut days: Vec<_> = fixings.iter().map(|fixing| fixing.day).collect();
    days.sort_unstable();
    match days.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => wrong(format!("the rates of {} are there twice", twice[0])),
        None if days.is_empty() => wrong("it has no rates".to_owned()),
        None => Ok(()),
    }
}

/// The generation that a run's rates hold from, where it was committed before.
async fn brought_with(conn: &mut AnyConnection, run: &Run) -> Result<Option<u64>, CatalogError> {
    let query = sqlx::query("SELECT from_generation FROM rates WHERE run = $1 LIMIT 1").bind(run.id.as_str());
    let row = query.fetch_optional(conn).await.during("look for the rates of the run")?;
    row.map(|row| row.count("from_generation")).transpose()
}

async fn write(conn: &mut AnyConnection, fixings: &[Fixing], run: &Run, generation: u64) -> Result<(), CatalogError> {
    let mut rows = Vec::with_capacity(fixings.len());
    for fixing in fixings {
        let day = fixing.day.to_string();
        let query = sqlx::query("UPDATE rates SET until_generation = $1 WHERE day = $2 AND until_generation IS NULL");
        let query = query.bind(sql::number(generation)).bind(day.as_str());
        query.execute(&mut *conn).await.during("replace the rates of a day")?;
        let quotes = sql::json("rates", &fixing.quotes)?;
        let row: [Cell; 6] = [
            day.into(),
            generation.into(),
            fixing.source.as_str().into(),
            run.id.as_str().into(),
            fixing.base.as_str().into(),
            quotes.into(),
        ];
        rows.push(row);
    }
    sql::insert_rows(conn, "rates", ["day", "from_generation", "source", "run", "base", "quotes"], rows).await
}

/// The rates of a generation.
pub(crate) async fn at(catalog: &Catalog, generation: u64) -> Result<Published, CatalogError> {
    let query = sqlx::query(
        "SELECT day, source, base, quotes FROM rates \
         WHERE from_generation <= $1 AND (until_generation IS NULL OR until_generation > $1)",
    );
    let query = query.bind(sql::number(generation));
    let rows = query.fetch_all(catalog.pool()).await.during("read the published rates")?;
    Ok(Published::new(rows.iter().map(read).collect::<Result<Vec<_>, _>>()?))
}

fn read(row: &AnyRow) -> Result<Fixing, CatalogError> {
    Ok(Fixing {
        day: row.day("day")?,
        source: SourceName::new(row.text("source")?),
        base: row.parsed::<Currency>("base")?,
        quotes: row.json::<BTreeMap<Currency, Quote>>("quotes")?,
    })
}
