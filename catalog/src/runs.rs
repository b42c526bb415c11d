//! Runs: what was tried, and what came of it.
//!
//! A run whose process was killed stays `running` until its intent has expired and a sweep ends it; one that was refused keeps both figures, because the part it made is
//! not live and nobody could see it otherwise (P3).

use chrono::{DateTime, Utc};
use outlay_model::part::{Repairs, RunState};
use outlay_model::{DeliveryKey, JobId, PartId, RunId, SourceName};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError, Rejects, rejects};

/// One run of a collector or importer over one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose.
    pub source: SourceName,
    /// The kind of that source, such as `focus`.
    pub kind: String,
    /// The job it belongs to, when a collector runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What became of it.
    pub state: RunState,
    /// The delivery, once known.
    pub delivery: Option<DeliveryKey>,
    /// The part it made, once there is one.
    pub part: Option<PartId>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Charges it read and kept.
    pub rows: u64,
    /// Lines it did not take.
    pub rejected: u64,
    /// How many of those have money that cannot be read.
    pub unpriced: u64,
    /// What it put right.
    pub repairs: Repairs,
    /// What to tell a person.
    pub message: Option<String>,
    /// Why a guard kept the part out.
    pub refused: Option<Refusal>,
}

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsQuery {
    /// Only of this source.
    pub source: Option<SourceName>,
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those that come behind this one in the list.
    pub before: Option<RunId>,
}

/// Why a guard kept a part out (P3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, in a sentence.
    pub reason: String,
    /// What was compared.
    pub figures: Vec<RefusedFigure>,
}

/// A figure of the refused part, and what it was held against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedFigure {
    /// What is counted.
    pub name: String,
    /// The currency of an amount, as the bill writes it; empty when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What the live part says, where the two are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the refused part says.
    pub after: String,
    /// What it may be, where there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

impl Run {
    /// A run that begins now and knows nothing yet.
    #[must_use]
    pub fn started(id: RunId, source: SourceName, kind: impl Into<String>, now: DateTime<Utc>) -> Self {
        Self {
            id,
            source,
            kind: kind.into(),
            job: None,
            state: RunState::Running,
            delivery: None,
            part: None,
            started_at: now,
            finished_at: None,
            rows: 0,
            rejected: 0,
            unpriced: 0,
            repairs: Repairs::new(),
            message: None,
            refused: None,
        }
    }
}

/// What a run says that could not say anything itself.
const LOST: &str = "it was stopped before it was done, and nothing of it was committed; run it again";

impl Catalog {
    /// Records a run when it begins. Recording it again updates it.
    ///
    /// # Errors
    /// [`CatalogError::Inconsistent`] when it is committed already.
    pub async fn start_run(&self, run: &Run) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        write(&mut tx, run).await?;
        tx.commit().await.during("record the run")
    }

    /// Records how a run ended that committed nothing, with what it rejected ([`Rejects::default`] when nothing was
    /// read). A committed run is written by [`Catalog::commit`].
    ///
    /// # Errors
    /// [`CatalogError::Inconsistent`] when it says it is committed, or is: then a commit whose answer got lost did
    /// happen.
    pub async fn finish_run(&self, run: &Run, rejects: &Rejects) -> Result<(), CatalogError> {
        if run.state == RunState::Committed {
            return Err(CatalogError::Inconsistent(format!(
                "run {} says it is committed; only a commit does that",
                run.id
            )));
        }
        let mut tx = self.begin().await?;
        write(&mut tx, run).await?;
        rejects::write(&mut tx, &run.id, rejects).await?;
        tx.commit().await.during("record the run")
    }

    /// Ends runs that nobody works on any more: they began before `begun_before`, are not finished and have no intent. Gives how
    /// many. Should one of them be alive after all, what it has to say when it ends still counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_lost_runs(&self, begun_before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, CatalogError> {
        let query = sqlx::query(
            "UPDATE runs SET state = 'failed', finished_at = $1, message = $2 \
             WHERE state = 'running' AND started_at < $3 \
             AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.run = runs.id AND intents.state = 'open')",
        );
        let query = query.bind(sql::time(now)).bind(LOST).bind(sql::time(begun_before));
        Ok(query.execute(self.pool()).await.during("end lost runs")?.rows_affected())
    }

    /// A run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, id: &RunId) -> Result<Option<Run>, CatalogError> {
        let query = sqlx::query("SELECT * FROM runs WHERE id = $1").bind(id.as_str());
        let row = query.fetch_optional(self.pool()).await.during("read the run")?;
        row.as_ref().map(read).transpose()
    }

    /// The latest runs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs(&self, query: &RunsQuery, limit: u32) -> Result<Vec<Run>, CatalogError> {
        macro_rules! runs {
            ($of:literal) => {
                concat!(
                    "SELECT * FROM runs WHERE ",
                    $of,
                    " AND ($3 = '' OR (started_at, id) < (SELECT b.started_at, b.id FROM runs b WHERE b.id = $3)) \
                     ORDER BY started_at DESC, id DESC LIMIT $4"
                )
            };
        }
        let RunsQuery { source, job, before } = query;
        let text = match (source, job) {
            (_, Some(_)) => runs!("job = $2 AND ($1 = '' OR source = $1)"),
            (Some(_), None) => runs!("source = $1 AND $2 = ''"),
            (None, None) => runs!("$1 = '' AND $2 = ''"),
        };
        let query = sqlx::query(text)
            .bind(source.as_ref().map_or("", SourceName::as_str))
            .bind(job.as_ref().map_or("", JobId::as_str))
            .bind(before.as_ref().map_or("", RunId::as_str))
            .bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.during("list the runs")?;
        rows.iter().map(read).collect()
    }

    /// The runs of a job, in the order they began.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn runs_of(&self, job: &JobId) -> Result<Vec<Run>, CatalogError> {
        let query = sqlx::query("SELECT * FROM runs WHERE job = $1 ORDER BY started_at, id").bind(job.as_str());
        let rows = query.fetch_all(self.pool()).await.during("list the runs of the job")?;
        rows.iter().map(read).collect()
    }
}

/// Writes a run, new or known. A committed one is never overwritten: its part is live because of it.
pub(crate) async fn write(conn: &mut AnyConnection, run: &Run) -> Result<(), CatalogError> {
    let refused = run.refused.as_ref().map(|refused| sql::json("a refusal", refused)).transpose()?;
    let query = sqlx::query(
        "INSERT INTO runs (id, source, kind, state, delivery, part, started_at, finished_at, row_count, rejected, \
         unpriced, repairs, message, refused, job) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, delivery = excluded.delivery, part = excluded.part, \
         finished_at = excluded.finished_at, row_count = excluded.row_count, rejected = excluded.rejected, \
         unpriced = excluded.unpriced, repairs = excluded.repairs, message = excluded.message, \
         refused = excluded.refused, job = excluded.job \
         WHERE runs.state <> 'committed' AND runs.source = excluded.source",
    );
    let query = query
        .bind(run.id.as_str())
        .bind(run.source.as_str())
        .bind(run.kind.as_str())
        .bind(run.state.as_str())
        .bind(run.delivery.as_ref().map(DeliveryKey::as_str))
        .bind(run.part.as_ref().map(PartId::as_str))
        .bind(sql::time(run.started_at))
        .bind(run.finished_at.map(sql::time))
        .bind(sql::number(run.rows))
        .bind(sql::number(run.rejected))
        .bind(sql::number(run.unpriced))
        .bind(sql::json("repairs", &run.repairs)?)
        .bind(run.message.clone().map(sql::without_nul))
        .bind(refused)
        .bind(run.job.as_ref().map(JobId::as_str));
    let written = query.execute(conn).await.during("record the run")?.rows_affected();
    if written == 1 {
        Ok(())
    } else {
        Err(CatalogError::Inconsistent(format!("run {} is committed already, or another source's", run.id)))
    }
}

/// Whether a run is there and committed, within a transaction.
pub(crate) async fn is_committed(conn: &mut AnyConnection, id: &RunId) -> Result<bool, CatalogError> {
    let query = sqlx::query("SELECT 1 FROM runs WHERE id = $1 AND state = 'committed'").bind(id.as_str());
    Ok(query.fetch_optional(conn).await.during("read the run")?.is_some())
}

/// A run that is known to be there, within a transaction.
pub(crate) async fn of(conn: &mut AnyConnection, id: &RunId) -> Result<Run, CatalogError> {
    let row = sqlx::query("SELECT * FROM runs WHERE id = $1").bind(id.as_str()).fetch_one(conn).await;
    read(&row.during("read the run")?)
}

fn read(row: &AnyRow) -> Result<Run, CatalogError> {
    Ok(Run {
        id: RunId::new(row.text("id")?),
        source: SourceName::new(row.text("source")?),
        kind: row.text("kind")?,
        job: row.optional_text("job")?.map(JobId::new),
        state: row.word("state")?,
        delivery: row.optional_text("delivery")?.map(DeliveryKey::new),
        part: row.optional_text("part")?.map(PartId::new),
        started_at: row.parsed("started_at")?,
        finished_at: row.optional_parsed("finished_at")?,
        rows: row.count("row_count")?,
        rejected: row.count("rejected")?,
        unpriced: row.count("unpriced")?,
        repairs: row.json("repairs")?,
        message: row.optional_text("message")?,
        refused: row.optional_json("refused")?,
    })
}
