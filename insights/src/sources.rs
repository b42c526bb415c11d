//! Sources: how fresh each is, what was done about it last, and the wish to have one collected.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_catalog::{JobsQuery, KnownSource, Run, RunsQuery, Snapshot, Wanted};
use outlay_model::part::{Part, RunState};
use outlay_model::rates::Brought;
use outlay_model::report::{DayRun, Scope};
use outlay_model::{DateRange, Job, JobId, JobState, Role, Source, SourceName, Yields};

use crate::coverage::Coverage;
use crate::error::{company_only, unknown_cursor};
use crate::{InsightError, Insights, Page};

/// Jobs, and runs, of a source that are looked at.
const LATEST: u32 = 10;

/// A source, and how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Its name.
    pub name: SourceName,
    /// What the configuration says of it, or said last; `None` where it never named it.
    pub source: Option<Source>,
    /// Whether it is configured: only then is it collected.
    pub configured: bool,
    /// Its latest jobs, newest first.
    pub jobs: Vec<Job>,
    /// Its latest runs, newest first.
    pub runs: Vec<Run>,
    /// When all of it was last found to be as its provider states it.
    pub last_success: Option<DateTime<Utc>>,
    /// From the first day it states to the last.
    pub stated: Option<DateRange>,
    /// The last day up to which it states every day since its first.
    pub complete_until: Option<NaiveDate>,
    /// Days without a statement since its first: up to yesterday where it is configured, else up to its last.
    pub missing_days: u64,
    /// Deliveries that are live.
    pub deliveries: u64,
    /// Charges in them.
    pub charges: u64,
    /// The exchange rates it has brought and that hold, where it has brought any.
    pub rates: Option<Brought>,
}

/// Whether a source is configured and brings bills.
fn of_bills(known: &KnownSource) -> bool {
    known.configured && known.source.yields == Yields::Charges
}

impl SourceReport {
    /// What it brings.
    #[must_use]
    pub fn yields(&self) -> Yields {
        self.source.as_ref().map(|source| source.yields).unwrap_or_default()
    }

    /// Whether it counts.
    #[must_use]
    pub fn role(&self) -> Role {
        self.source.as_ref().map(|source| source.role).unwrap_or_default()
    }

    /// When it is collected; `None` when only on demand.
    #[must_use]
    pub fn schedule(&self) -> Option<&str> {
        self.source.as_ref().filter(|_| self.configured)?.schedule.as_deref()
    }

    /// The job that is under way, else the one that was asked for last.
    #[must_use]
    pub fn last_job(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| job.state == JobState::Running).or(self.jobs.first())
    }

    /// The job that was over last.
    #[must_use]
    pub fn last_over(&self) -> Option<&Job> {
        self.jobs.iter().filter(|job| job.state.is_over()).max_by_key(|job| job.finished_at)
    }
}

/// All there is to know about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDetail {
    /// As in the list.
    pub report: SourceReport,
    /// How sure its days are, in order.
    pub days: Vec<DayRun>,
    /// What is live of it, by key.
    pub live: Vec<Part>,
}

impl Insights {
    /// Every source that is or was configured, or has bills, by name.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn sources(&self, today: NaiveDate, scope: &Scope) -> Result<Vec<SourceReport>, InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let known = self.catalog.sources().await?;
        let mut names: BTreeMap<SourceName, Option<KnownSource>> =
            snapshot.all().map(|part| (part.source.clone(), None)).collect();
        names.extend(known.into_iter().map(|known| (known.source.name.clone(), Some(known))));
        let mut reports = Vec::with_capacity(names.len());
        for (name, known) in names {
            reports.push(self.report(&snapshot, name, known, today).await?);
        }
        Ok(reports)
    }

    /// One source, with the days of a range, or all it should have stated; `None` when there is no such source.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn source(
        &self,
        name: &SourceName,
        range: Option<DateRange>,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<SourceDetail>, InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let known = self.catalog.sources().await?.into_iter().find(|known| known.source.name == *name);
        let live: Vec<Part> = snapshot.all().filter(|part| part.source == *name).cloned().collect();
        if known.is_none() && live.is_empty() {
            return Ok(None);
        }
        let configured = known.as_ref().filter(|known| of_bills(known)).map(|known| &known.source);
        let coverage = Coverage::of(configured, &live.iter().collect::<Vec<_>>());
        let all = coverage.stated().and_then(|_| coverage.expected(today));
        let days = range.or(all).map(|range| coverage.days(range, today)).unwrap_or_default();
        let report = self.report(&snapshot, name.clone(), known, today).await?;
        let asked = |part: &Part| match (range, part.days) {
            (Some(range), Some(days)) => days.from() < range.to() && range.from() < days.to(),
            _ => range.is_none(),
        };
        Ok(Some(SourceDetail { report, days, live: live.into_iter().filter(asked).collect() }))
    }

    /// What the configuration says of sources of bills. One of rates states no days that an answer could lack.
    pub(crate) async fn configured(&self) -> Result<Vec<Source>, InsightError> {
        let known = self.catalog.sources().await?.into_iter();
        Ok(known.filter(of_bills).map(|known| known.source).collect())
    }

    async fn report(
        &self,
        snapshot: &Snapshot,
        name: SourceName,
        known: Option<KnownSource>,
        today: NaiveDate,
    ) -> Result<SourceReport, InsightError> {
        let of_source = JobsQuery { source: Some(name.clone()), ..JobsQuery::default() };
        let jobs = self.catalog.jobs(&of_source, LATEST).await?;
        let of_source = RunsQuery { source: Some(name.clone()), ..RunsQuery::default() };
        let runs = self.catalog.runs(&of_source, LATEST).await?;
        let live: Vec<&Part> = snapshot.all().filter(|part| part.source == name).collect();
        let configured = known.as_ref().is_some_and(|known| known.configured);
        let coverage = Coverage::of(known.as_ref().filter(|known| of_bills(known)).map(|known| &known.source), &live);
        let rates = snapshot.rates.of(&name);
        let stated = coverage.stated().or(rates.map(|rates| rates.span));
        // What is imported has no jobs.
        let imported = || runs.iter().find(|run| matches!(run.state, RunState::Committed | RunState::Unchanged));
        let last_success = match &known {
            Some(known) => known.succeeded_at,
            None => imported().and_then(|run| run.finished_at),
        };
        Ok(SourceReport {
            configured,
            last_success,
            stated,
            // Nobody publishes rates for every day.
            complete_until: coverage.complete_until().or(rates.and_then(|rates| rates.span.to().pred_opt())),
            missing_days: coverage.missing_days(today),
            deliveries: live.len() as u64,
            charges: live.iter().map(|part| part.rows).sum(),
            rates,
            source: known.map(|known| known.source),
            name,
            jobs,
            runs,
        })
    }

    /// Has a source collected. While a job of it waits, it is that one, and does both; where there is a job of the wanted id
    /// already, it is that one, whatever became of it.
    ///
    /// # Errors
    /// [`InsightError::NotConfigured`]; else when the catalog fails, or the caller may not see sources.
    pub async fn collect(&self, wanted: &Wanted, now: DateTime<Utc>, scope: &Scope) -> Result<Job, InsightError> {
        company_only(scope)?;
        if let Some(job) = self.catalog.job(&wanted.id).await? {
            return Ok(job);
        }
        match self.catalog.request(wanted, now).await {
            Ok(job) => Ok(job),
            // Perhaps because somebody else was faster with the same id.
            Err(error) => self.catalog.job(&wanted.id).await?.ok_or_else(|| error.into()),
        }
    }

    /// The latest jobs, newest first.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn jobs(&self, query: &JobsQuery, limit: u32, scope: &Scope) -> Result<Page<Job, JobId>, InsightError> {
        company_only(scope)?;
        if let Some(before) = &query.before
            && self.catalog.job(before).await?.is_none()
        {
            return Err(unknown_cursor(before).into());
        }
        let jobs = self.catalog.jobs(query, limit.saturating_add(1)).await?;
        Ok(Page::of(jobs, limit, |jobs| jobs.last().map(|job| job.id.clone())))
    }

    /// One job; `None` when there is none of that id any more, or never was.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see sources.
    pub async fn job(&self, id: &JobId, scope: &Scope) -> Result<Option<Job>, InsightError> {
        company_only(scope)?;
        Ok(self.catalog.job(id).await?)
    }
}
