//! What is told beside bills, and whether all that follows from it has been done: points of series, events, settling.

use chrono::{DateTime, Utc};
use outlay_model::ownership::{ByMetric, Event, Kind, Ownership, Point, Settling, Split};
use outlay_model::part::{Layer, Part};
use outlay_model::report::Scope;
use outlay_model::{DateRange, SeriesId};

use crate::error::company_only;
use crate::ownership::Books;
use crate::{InsightError, Insights};

/// How far charges have the owners, and pools the splits, that they should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlingReport {
    /// What is at work, or was last.
    pub settling: Settling,
    /// Parts whose charges may have other owners than they should have.
    pub stale: Stale,
    /// Those of them that stay so: their charges are kept no longer.
    pub expired: Stale,
}

/// Parts that are not as they should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stale {
    /// How many.
    pub parts: u64,
    /// Charges in them.
    pub charges: u64,
    /// From the first day of them to the last.
    pub days: Option<DateRange>,
}

impl Stale {
    pub(crate) fn add(&mut self, part: &Part) {
        self.parts += 1;
        self.charges += part.rows;
        self.days = match (self.days, part.days) {
            (Some(days), Some(others)) => Some(days.and(others)),
            (days, others) => days.or(others),
        };
    }
}

/// What came of points that were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointsTold {
    /// The generation they count from.
    pub generation: u64,
    /// Whether pools are split by them: that follows in the background.
    pub settling: bool,
}

/// What came of events that were told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventsTold {
    /// Those that were not known yet.
    pub recorded: u64,
    /// Those that were.
    pub known: u64,
}

impl Insights {
    /// How far charges have the owners that they should have.
    ///
    /// # Errors
    /// When the catalog cannot be read, or the caller may not see the whole company.
    pub async fn settling(&self, scope: &Scope) -> Result<SettlingReport, InsightError> {
        company_only(scope)?;
        let settling = self.catalog.settling().await?;
        let snapshot = self.catalog.snapshot().await?;
        let mut books = Books::of(&snapshot.ownership);
        let (mut stale, mut expired) = (Stale::default(), Stale::default());
        for part in snapshot.all().filter(|part| books.differ(part)) {
            let kept = part.files(Layer::Charges).next().is_some();
            if kept { stale.add(part) } else { expired.add(part) }
        }
        Ok(SettlingReport { settling, stale, expired })
    }

    /// What a series counts on some days: by day, team and component.
    ///
    /// # Errors
    /// [`InsightError::NotSaid`] when there is no such series, [`InsightError::TooManyRows`] when it counts more than asked for;
    /// else when the catalog cannot be read, or the caller may not see the whole company.
    pub async fn points(
        &self,
        series: &SeriesId,
        days: DateRange,
        most: usize,
        scope: &Scope,
    ) -> Result<Vec<Point>, InsightError> {
        company_only(scope)?;
        if !self.catalog.snapshot().await?.ownership.series.contains_key(series) {
            return Err(InsightError::NotSaid { kind: Kind::Series, name: series.to_string() });
        }
        let points = self.catalog.points(series, days).await?;
        if points.len() > most {
            return Err(InsightError::TooManyRows { rows: points.len(), most });
        }
        Ok(points)
    }

    /// Makes a series count this; with `replace`, in the place of all it counted on those days.
    ///
    /// # Errors
    /// [`InsightError::NotSaid`] when there is no such series, [`InsightError::BadPoint`]; nothing has changed. Else when the
    /// catalog cannot be written, or the caller may not change anything.
    pub async fn put_points(
        &self,
        series: &SeriesId,
        points: &[Point],
        replace: Option<DateRange>,
        now: DateTime<Utc>,
        scope: &Scope,
    ) -> Result<PointsTold, InsightError> {
        company_only(scope)?;
        let before = self.catalog.generation().await?;
        let generation = self.catalog.put_points(series, points, replace, now).await?;
        let snapshot = self.catalog.snapshot().await?;
        Ok(PointsTold { generation, settling: generation > before && splits_by(&snapshot.ownership, series) })
    }

    /// Records what happened to components.
    ///
    /// # Errors
    /// When the catalog cannot be written, or the caller may not change anything. What comes before the one that failed is
    /// recorded; to tell all of it again does no harm.
    pub async fn record_events(
        &self,
        events: &[Event],
        now: DateTime<Utc>,
        scope: &Scope,
    ) -> Result<EventsTold, InsightError> {
        company_only(scope)?;
        let mut told = EventsTold::default();
        for event in events {
            if self.catalog.put_event(event, now).await? { told.recorded += 1 } else { told.known += 1 }
        }
        Ok(told)
    }
}

/// Whether some pool is split by a series.
fn splits_by(ownership: &Ownership, series: &SeriesId) -> bool {
    let mut splits = ownership.pools.values().flat_map(|pool| pool.split.values());
    splits.any(|split| matches!(split, Split::Metric(ByMetric { series: by, .. }) if by == series))
}
