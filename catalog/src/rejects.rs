//! Lines that were not taken: the first thousand of a run in full, and all of them counted with their money (P1).

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use outlay_model::RunId;
use outlay_model::money::{exact, plain};
use outlay_model::part::{BalanceKey, Reject, RejectReason};
use outlay_model::query::Metric;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError};

/// What a run did not take. Push every reject: as many as fit are kept, all are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Rejects {
    kept: Vec<Reject>,
    counts: BTreeMap<(RejectReason, String), Tally>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    rows: u64,
    unpriced: u64,
    billed: BigDecimal,
}

/// Rejects as they are written down.
#[derive(Serialize, Deserialize)]
struct Written {
    kept: Vec<Reject>,
    counts: Vec<RejectCount>,
}

impl From<Rejects> for Written {
    fn from(rejects: Rejects) -> Self {
        Self { counts: rejects.counts().collect(), kept: rejects.kept }
    }
}

impl From<Written> for Rejects {
    fn from(Written { kept, counts }: Written) -> Self {
        let counts = counts.into_iter().map(|RejectCount { reason, currency, rows, unpriced, billed }| {
            ((reason, currency), Tally { rows, unpriced, billed })
        });
        Self { kept, counts: counts.collect() }
    }
}

/// How many lines of a run were not taken for one reason in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectCount {
    /// Why.
    pub reason: RejectReason,
    /// The currency as the bill writes it; empty when it does not.
    pub currency: String,
    /// Lines.
    pub rows: u64,
    /// Lines whose BilledCost cannot be read, so that it is not in `billed`.
    pub unpriced: u64,
    /// Σ BilledCost of the others.
    #[serde(with = "exact")]
    pub billed: BigDecimal,
}

impl Rejects {
    /// How many rejects of a run are kept in full.
    pub const KEPT: usize = 1000;

    /// Counts a reject, and keeps it while there is room.
    pub fn push(&mut self, reject: Reject) {
        let tally = self.counts.entry((reject.reason, reject.key.currency.clone())).or_default();
        tally.rows += 1;
        tally.unpriced += u64::from(reject.unpriced);
        if let Some(billed) = reject.costs.get(&Metric::Billed) {
            tally.billed += billed;
        }
        if self.kept.len() < Self::KEPT {
            self.kept.push(reject);
        }
    }

    /// Those kept in full.
    #[must_use]
    pub fn kept(&self) -> &[Reject] {
        &self.kept
    }

    /// How many there were of each kind.
    pub fn counts(&self) -> impl Iterator<Item = RejectCount> {
        self.counts.iter().map(|((reason, currency), tally)| RejectCount {
            reason: *reason,
            currency: currency.clone(),
            rows: tally.rows,
            unpriced: tally.unpriced,
            billed: tally.billed.clone(),
        })
    }

    /// How many there were.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.values().map(|tally| tally.rows).sum()
    }

    /// How many of them have money that cannot be read.
    #[must_use]
    pub fn unpriced(&self) -> u64 {
        self.counts.values().map(|tally| tally.unpriced).sum()
    }
}

impl Extend<Reject> for Rejects {
    fn extend<I: IntoIterator<Item = Reject>>(&mut self, rejects: I) {
        rejects.into_iter().for_each(|reject| self.push(reject));
    }
}

impl FromIterator<Reject> for Rejects {
    fn from_iter<I: IntoIterator<Item = Reject>>(rejects: I) -> Self {
        let mut all = Self::default();
        all.extend(rejects);
        all
    }
}

impl Catalog {
    /// The first rejects of a run, in the order they were found.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rejects(&self, run: &RunId, limit: u32) -> Result<Vec<Reject>, CatalogError> {
        read_kept(self.pool(), run, limit).await
    }

    /// How many lines a run did not take, of each kind: all of them, also those that were not kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reject_counts(&self, run: &RunId) -> Result<Vec<RejectCount>, CatalogError> {
        read_counts(self.pool(), run).await
    }
}

/// All that is known of a run's rejects, within a transaction.
pub(crate) async fn of(conn: &mut AnyConnection, run: &RunId) -> Result<Rejects, CatalogError> {
    let kept = read_kept(&mut *conn, run, Rejects::KEPT as u32).await?;
    Ok(Written { kept, counts: read_counts(conn, run).await? }.into())
}

async fn read_kept<'c>(
    from: impl Executor<'c, Database = Any>,
    run: &RunId,
    limit: u32,
) -> Result<Vec<Reject>, CatalogError> {
    let query = sqlx::query("SELECT * FROM rejects WHERE run = $1 ORDER BY position LIMIT $2")
        .bind(run.as_str())
        .bind(i64::from(limit));
    let rows = query.fetch_all(from).await.during("list the rejects")?;
    rows.iter().map(read).collect()
}

async fn read_counts<'c>(
    from: impl Executor<'c, Database = Any>,
    run: &RunId,
) -> Result<Vec<RejectCount>, CatalogError> {
    let query = sqlx::query("SELECT * FROM reject_counts WHERE run = $1");
    let rows = query.bind(run.as_str()).fetch_all(from).await.during("count the rejects")?;
    let read = |row: &AnyRow| {
        Ok(RejectCount {
            reason: row.word("reason")?,
            currency: row.text("currency")?,
            rows: row.count("row_count")?,
            unpriced: row.count("unpriced")?,
            billed: row.exact("billed")?,
        })
    };
    let mut counts = rows.iter().map(read).collect::<Result<Vec<_>, CatalogError>>()?;
    counts.sort_by(|a, b| (a.reason, &a.currency).cmp(&(b.reason, &b.currency)));
    Ok(counts)
}

/// Writes the rejects of a run in place of those it had.
pub(crate) async fn write(conn: &mut AnyConnection, run: &RunId, rejects: &Rejects) -> Result<(), CatalogError> {
    for sql in ["DELETE FROM rejects WHERE run = $1", "DELETE FROM reject_counts WHERE run = $1"] {
        sqlx::query(sql).bind(run.as_str()).execute(&mut *conn).await.during("write the rejects")?;
    }
    let mut kept = Vec::with_capacity(rejects.kept.len());
    for (position, reject) in (0_u64..).zip(&rejects.kept) {
        kept.push(cells(run, position, reject)?);
    }
    let columns = [
        "run",
        "position",
        "reason",
        "file",
        "line",
        "field",
        "value",
        "billing_period",
        "invoice",
        "currency",
        "costs",
        "unpriced",
    ];
    sql::insert_rows(conn, "rejects", columns, kept).await?;
    let counts = rejects.counts().map(|count| -> [Cell; 6] {
        [
            run.as_str().into(),
            count.reason.as_str().into(),
            count.currency.into(),
            count.rows.into(),
            count.unpriced.into(),
            plain(&count.billed).into(),
        ]
    });
    let columns = ["run", "reason", "currency", "row_count", "unpriced", "billed"];
    sql::insert_rows(conn, "reject_counts", columns, counts.collect()).await
}

fn cells(run: &RunId, position: u64, reject: &Reject) -> Result<[Cell; 12], CatalogError> {
    let costs: BTreeMap<Metric, String> = reject.costs.iter().map(|(metric, cost)| (*metric, plain(cost))).collect();
    Ok([
        run.as_str().into(),
        position.into(),
        reject.reason.as_str().into(),
        reject.file.as_str().into(),
        reject.line.into(),
        reject.column.clone().into(),
        reject.value.clone().into(),
        reject.key.billing_period.map(|day| day.to_string()).into(),
        reject.key.invoice.clone().into(),
        reject.key.currency.as_str().into(),
        sql::json("the costs of a reject", &costs)?.into(),
        u64::from(reject.unpriced).into(),
    ])
}

fn read(row: &AnyRow) -> Result<Reject, CatalogError> {
    let texts: BTreeMap<Metric, String> = row.json("costs")?;
    let mut costs = BTreeMap::new();
    for (metric, text) in texts {
        let cost = text.parse().map_err(|error| CatalogError::corrupt("the costs of a reject", error))?;
        costs.insert(metric, cost);
    }
    Ok(Reject {
        reason: row.word("reason")?,
        file: row.text("file")?,
        line: row.count("line")?,
        column: row.optional_text("field")?,
        value: row.optional_text("value")?,
        key: BalanceKey {
            billing_period: row.optional_parsed("billing_period")?,
            invoice: row.optional_text("invoice")?,
            currency: row.text("currency")?,
        },
        costs,
        unpriced: row.count("unpriced")? != 0,
    })
}
