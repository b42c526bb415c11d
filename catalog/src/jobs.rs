//! Jobs: work that takes time, as rows that any replica takes on (ADR 9).
//!
//! A job is taken on as a lease, which whoever works on it renews. One that has ended is over: its job may be taken on
//! again, under the next number, and whoever had it before can neither renew it nor commit on its behalf. So two
//! replicas may both believe for a while that a job is theirs, and one of them can do no harm.
//!
//! Of each source at most one job waits and at most one is under way.

use chrono::{DateTime, Datelike as _, Days, Months, Utc};
use outlay_model::part::Force;
use outlay_model::{DateRange, Fence, Job, JobId, JobProgress, JobState, Request, RequestedBy, SourceName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

/// A job somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id, should it be a new one.
    pub id: JobId,
    /// Which source.
    pub source: SourceName,
    /// Who wants it.
    pub by: RequestedBy,
    /// What.
    pub request: Request,
}

/// Which jobs are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// Only of this source.
    pub source: Option<SourceName>,
    /// Only those that come behind this one in the list.
    pub before: Option<JobId>,
}

/// Which job a replica takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// Of all of these sources, the one that waits longest.
    Of(&'a [SourceName]),
    /// This one.
    Only(&'a JobId),
}

impl Catalog {
    /// A time of a source's schedule has come. Of all replicas that say so, one is given the job that is to be done
    /// then; the others get `None`. `nominal` is the time the schedule names, whatever the time is by now.
    ///
    /// # Errors
    /// [`CatalogError::NotConfigured`].
    pub async fn tick(
        &self,
        source: &SourceName,
        nominal: DateTime<Utc>,
        id: JobId,
        now: DateTime<Utc>,
    ) -> Result<Option<Job>, CatalogError> {
        let mut tx = self.begin().await?;
        let restates_months = restates_months(&mut tx, source).await?;
        let query =
            sqlx::query("UPDATE sources SET last_tick = $1 WHERE name = $2 AND (last_tick IS NULL OR last_tick < $1)");
        let query = query.bind(sql::time(nominal)).bind(source.as_str());
        if query.execute(&mut *tx).await.during("take up a time of the schedule")?.rows_affected() == 0 {
            return Ok(None);
        }
        let wanted = Wanted { id, source: source.clone(), by: RequestedBy::Schedule, request: Request::default() };
        let job = enqueue(&mut tx, &wanted, restates_months, now).await?;
        tx.commit().await.during("take up a time of the schedule")?;
        Ok(Some(job))
    }

    /// Asks for a job. When one of the source waits already, it is that one, and does both: what was forced for either
    /// is forced, and its days are those from the first to the last of either. Days that were asked for and those that
    /// a source reads by itself (the running month and as many before as it restates) are put together alike.
    ///
    /// # Errors
    /// [`CatalogError::NotConfigured`].
    pub async fn request(&self, wanted: &Wanted, now: DateTime<Utc>) -> Result<Job, CatalogError> {
        let mut tx = self.begin().await?;
        let restates_months = restates_months(&mut tx, &wanted.source).await?;
        let job = enqueue(&mut tx, wanted, restates_months, now).await?;
        tx.commit().await.during("ask for a job")?;
        Ok(job)
    }

    /// Takes a job on for `holder`, until `until`: one that waits while no other of its source is under way, or one that
    /// is under way and whose lease has ended. `None` when there is nothing to do.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(
        &self,
        which: Which<'_>,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Job>, CatalogError> {
        // Without a lock first: replicas ask every few seconds, and mostly there is nothing.
        let Some(seen) = claimable(&mut *self.pool().acquire().await.during("look for jobs")?, which, now).await?
        else {
            return Ok(None);
        };
        let mut tx = self.begin().await?;
        let Some(job) = claimable(&mut tx, Which::Only(&seen.id), now).await? else { return Ok(None) };
        let query = sqlx::query(
            "UPDATE jobs SET state = 'running', holder = $1, expires_at = $2, fence = fence + 1, started_at = $3 \
             WHERE id = $4",
        );
        let query = query.bind(holder).bind(sql::time(until)).bind(sql::time(now)).bind(job.id.as_str());
        query.execute(&mut *tx).await.during("take the job on")?;
        let job = of(&mut tx, &job.id).await?;
        tx.commit().await.during("take the job on")?;
        Ok(job)
    }

    /// A sign of life: the job stays the caller's until `until`, and is so far.
    ///
    /// # Errors
    /// [`CatalogError::LeaseLost`]: stop the work.
    pub async fn renew_job(
        &self,
        fence: &Fence,
        progress: JobProgress,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        hold(&mut tx, fence, now).await?;
        let query = sqlx::query("UPDATE jobs SET expires_at = $1, progress = $2 WHERE id = $3");
        let query = query.bind(sql::time(until)).bind(sql::json("a progress", &progress)?).bind(fence.job.as_str());
        query.execute(&mut *tx).await.during("renew the job")?;
        tx.commit().await.during("renew the job")
    }

    /// Says what became of a job: it is done, or failed.
    ///
    /// # Errors
    /// [`CatalogError::LeaseLost`]: somebody else goes on with it, or has.
    pub async fn finish_job(
        &self,
        fence: &Fence,
        state: JobState,
        progress: JobProgress,
        message: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        if !state.is_over() {
            let (job, state) = (&fence.job, state.as_str());
            return Err(CatalogError::Inconsistent(format!("job {job} cannot end as {state}")));
        }
        let mut tx = self.begin().await?;
        let job = hold(&mut tx, fence, now).await?;
        end(&mut tx, &job.id, state, progress, message, now).await?;
        if state == JobState::Done {
            let query = sqlx::query("UPDATE sources SET succeeded_at = $1 WHERE name = $2");
            let query = query.bind(sql::time(now)).bind(job.source.as_str());
            query.execute(&mut *tx).await.during("end the job")?;
        }
        tx.commit().await.during("end the job")
    }

    /// Gives a job back before it is done: it waits again, for whoever is next. Where another of its source waits
    /// already, that one does both and this one is over.
    ///
    /// # Errors
    /// [`CatalogError::LeaseLost`]: somebody else goes on with it, or has.
    pub async fn release_job(
        &self,
        fence: &Fence,
        progress: JobProgress,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut tx = self.begin().await?;
        let job = hold(&mut tx, fence, now).await?;
        let restates_months = match restates_months(&mut tx, &job.source).await {
            Ok(months) => Some(months),
            Err(CatalogError::NotConfigured { .. }) => None,
            Err(error) => return Err(error),
        };
        let over = match (restates_months, queued(&mut tx, &job.source).await?) {
            (None, _) => Some(NOT_CONFIGURED.to_owned()),
            (Some(months), Some(next)) => {
                widen(&mut tx, &next, &job.request, months, now).await?;
                Some(format!("it was stopped before it was done; job {} does the rest", next.id))
            }
            (Some(_), None) => None,
        };
        if let Some(message) = over {
            end(&mut tx, &job.id, JobState::Cancelled, progress, Some(&message), now).await?;
        } else {
            let query = sqlx::query(
                "UPDATE jobs SET state = 'queued', holder = NULL, expires_at = NULL, progress = $1 WHERE id = $2",
            );
            let query = query.bind(sql::json("a progress", &progress)?).bind(job.id.as_str());
            query.execute(&mut *tx).await.during("give the job back")?;
        }
        tx.commit().await.during("give the job back")
    }

    /// A job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, CatalogError> {
        of(&mut *self.pool().acquire().await.during("read the job")?, id).await
    }

    /// The latest jobs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self, query: &JobsQuery, limit: u32) -> Result<Vec<Job>, CatalogError> {
        macro_rules! jobs {
            ($of:literal) => {
                concat!(
                    "SELECT * FROM jobs WHERE ",
                    $of,
                    " AND ($2 = '' OR (requested_at, id) < (SELECT b.requested_at, b.id FROM jobs b WHERE b.id = $2)) \
                     ORDER BY requested_at DESC, id DESC LIMIT $3"
                )
            };
        }
        let JobsQuery { source, before } = query;
        let text = if source.is_some() { jobs!("source = $1") } else { jobs!("$1 = ''") };
        let query = sqlx::query(text)
            .bind(source.as_ref().map_or("", SourceName::as_str))
            .bind(before.as_ref().map_or("", JobId::as_str))
            .bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.during("list the jobs")?;
        rows.iter().map(read).collect()
    }

    /// Forgets jobs that were over before a time, and gives how many. What nobody will take on again, because its source
    /// is no longer configured, is over from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_jobs(&self, over_before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, CatalogError> {
        let mut tx = self.begin().await?;
        let rows = sqlx::query("SELECT name FROM sources WHERE configured = 0").fetch_all(&mut *tx).await;
        for row in rows.during("list the sources")? {
            cancel_waiting(&mut tx, &SourceName::new(row.text("name")?), now).await?;
        }
        let query = sqlx::query("DELETE FROM jobs WHERE finished_at < $1").bind(sql::time(over_before));
        let forgotten = query.execute(&mut *tx).await.during("forget old jobs")?.rows_affected();
        tx.commit().await.during("forget old jobs")?;
        Ok(forgotten)
    }
}

const NOT_CONFIGURED: &str = "the source is no longer configured";

/// The job, if it still is whoever's who took it on with this number; within a writing transaction, so that it stays so
/// until that ends.
pub(crate) async fn hold(conn: &mut AnyConnection, fence: &Fence, now: DateTime<Utc>) -> Result<Job, CatalogError> {
    let lost = |why: String| CatalogError::LeaseLost { job: fence.job.clone(), why };
    let Some(job) = of(conn, &fence.job).await? else { return Err(lost("is not known any more".to_owned())) };
    if job.fence != fence.number {
        let holder = job.holder.as_deref().unwrap_or("nobody at the moment");
        return Err(lost(format!("was taken on again meanwhile, by {holder}")));
    }
    if job.state != JobState::Running {
        return Err(lost(format!("is {} by now", job.state.as_str())));
    }
    match job.expires_at {
        Some(until) if until > now => Ok(job),
        until => {
            let until = until.map_or_else(String::new, |until| format!(" at {}", until.format("%H:%M:%S")));
            Err(lost(format!("was left without a sign of life until its lease ended{until}")))
        }
    }
}

/// Ends what waits for a source that is no longer configured; and what nobody works on, for nobody takes it on again.
pub(crate) async fn cancel_waiting(
    conn: &mut AnyConnection,
    source: &SourceName,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query(
        "UPDATE jobs SET state = 'cancelled', expires_at = NULL, finished_at = $1, message = $2 \
         WHERE source = $3 AND (state = 'queued' OR (state = 'running' AND expires_at <= $1))",
    );
    let query = query.bind(sql::time(now)).bind(NOT_CONFIGURED).bind(source.as_str());
    query.execute(conn).await.during("cancel jobs")?;
    Ok(())
}

async fn claimable(
    conn: &mut AnyConnection,
    which: Which<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Job>, CatalogError> {
    // One row of each source at most, so a source that is not asked for costs little.
    let query = sqlx::query(
        "SELECT j.* FROM jobs j JOIN sources s ON s.name = j.source AND s.configured = 1 \
         WHERE (j.state = 'running' AND j.expires_at <= $1) OR (j.state = 'queued' AND NOT EXISTS ( \
           SELECT 1 FROM jobs r WHERE r.source = j.source AND r.state = 'running')) \
         ORDER BY j.requested_at, j.id",
    );
    let rows = query.bind(sql::time(now)).fetch_all(conn).await.during("look for jobs")?;
    for row in &rows {
        let job = read(row)?;
        let asked_for = match which {
            Which::Of(sources) => sources.contains(&job.source),
            Which::Only(id) => job.id == *id,
        };
        if asked_for {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// The months a source restates; an error when there is no such source.
async fn restates_months(conn: &mut AnyConnection, source: &SourceName) -> Result<u32, CatalogError> {
    let query = sqlx::query("SELECT restates_months FROM sources WHERE name = $1 AND configured = 1");
    let row = query.bind(source.as_str()).fetch_optional(conn).await.during("read the source")?;
    let row = row.ok_or_else(|| CatalogError::NotConfigured { source_name: source.clone() })?;
    u32::try_from(row.count("restates_months")?).map_err(|error| CatalogError::corrupt("a restates_months", error))
}

async fn queued(conn: &mut AnyConnection, source: &SourceName) -> Result<Option<Job>, CatalogError> {
    let query = sqlx::query("SELECT * FROM jobs WHERE source = $1 AND state = 'queued'").bind(source.as_str());
    query.fetch_optional(conn).await.during("look for jobs")?.as_ref().map(read).transpose()
}

async fn enqueue(
    conn: &mut AnyConnection,
    wanted: &Wanted,
    restates_months: u32,
    now: DateTime<Utc>,
) -> Result<Job, CatalogError> {
    if let Some(waiting) = queued(conn, &wanted.source).await? {
        return widen(conn, &waiting, &wanted.request, restates_months, now).await;
    }
    let query = sqlx::query(
        "INSERT INTO jobs (id, source, state, requested_at, requested_by, from_day, to_day, force, fence, progress) \
         VALUES ($1, $2, 'queued', $3, $4, $5, $6, $7, 0, $8)",
    );
    let Request { window, force } = &wanted.request;
    let query = query
        .bind(wanted.id.as_str())
        .bind(wanted.source.as_str())
        .bind(sql::time(now))
        .bind(wanted.by.as_str())
        .bind(window.map(|window| window.from().to_string()))
        .bind(window.map(|window| window.to().to_string()))
        .bind(sql::json("what is forced", force)?)
        .bind(sql::json("a progress", &JobProgress::default())?);
    query.execute(&mut *conn).await.during("ask for a job")?;
    of(conn, &wanted.id).await?.ok_or_else(|| CatalogError::corrupt("a job", "it is gone already"))
}

/// Lets a job that waits do something else as well.
async fn widen(
    conn: &mut AnyConnection,
    waiting: &Job,
    also: &Request,
    restates_months: u32,
    now: DateTime<Utc>,
) -> Result<Job, CatalogError> {
    let request = both(&waiting.request, also, restates_months, now);
    if request != waiting.request {
        let query = sqlx::query("UPDATE jobs SET from_day = $1, to_day = $2, force = $3 WHERE id = $4");
        let query = query
            .bind(request.window.map(|window| window.from().to_string()))
            .bind(request.window.map(|window| window.to().to_string()))
            .bind(sql::json("what is forced", &request.force)?)
            .bind(waiting.id.as_str());
        query.execute(conn).await.during("ask for a job")?;
    }
    Ok(Job { request, ..waiting.clone() })
}

/// What does for either: see [`Catalog::request`].
fn both(a: &Request, b: &Request, restates_months: u32, now: DateTime<Utc>) -> Request {
    let window = match (a.window, b.window) {
        (None, None) => None,
        (Some(a), Some(b)) => Some(a.and(b)),
        (Some(days), None) | (None, Some(days)) => {
            Some(usual(restates_months, now).map_or(days, |usual| days.and(usual)))
        }
    };
    let force = Force { shrink: a.force.shrink || b.force.shrink, rejects: a.force.rejects || b.force.rejects };
    Request { window, force }
}

/// The days a source reads again by itself.
fn usual(restates_months: u32, now: DateTime<Utc>) -> Option<DateRange> {
    let today = now.date_naive();
    let from = today.with_day(1)?.checked_sub_months(Months::new(restates_months))?;
    DateRange::new(from, today.checked_add_days(Days::new(1))?)
}

async fn end(
    conn: &mut AnyConnection,
    id: &JobId,
    state: JobState,
    progress: JobProgress,
    message: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let query = sqlx::query(
        "UPDATE jobs SET state = $1, expires_at = NULL, finished_at = $2, progress = $3, message = $4 WHERE id = $5",
    );
    let query = query
        .bind(state.as_str())
        .bind(sql::time(now))
        .bind(sql::json("a progress", &progress)?)
        .bind(message.map(|message| sql::without_nul(message.to_owned())))
        .bind(id.as_str());
    query.execute(conn).await.during("end the job")?;
    Ok(())
}

async fn of(conn: &mut AnyConnection, id: &JobId) -> Result<Option<Job>, CatalogError> {
    let row = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.as_str()).fetch_optional(conn).await;
    row.during("read the job")?.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<Job, CatalogError> {
    let days = row.optional_parsed("from_day")?.zip(row.optional_parsed("to_day")?);
    let window = days
        .map(|(from, to)| {
            DateRange::new(from, to).ok_or_else(|| CatalogError::corrupt("a from_day", "it is not before to_day"))
        })
        .transpose()?;
    Ok(Job {
        id: JobId::new(row.text("id")?),
        source: SourceName::new(row.text("source")?),
        state: row.word("state")?,
        requested_at: row.parsed("requested_at")?,
        requested_by: row.word("requested_by")?,
        request: Request { window, force: row.json("force")? },
        holder: row.optional_text("holder")?,
        expires_at: row.optional_parsed("expires_at")?,
        fence: row.count("fence")?,
        started_at: row.optional_parsed("started_at")?,
        finished_at: row.optional_parsed("finished_at")?,
        progress: row.json("progress")?,
        message: row.optional_text("message")?,
    })
}
