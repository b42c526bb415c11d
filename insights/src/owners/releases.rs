//! What happened to components, and what each release did to their cost.
//!
//! A release is held against the whole days before and after it. Its own day is in neither: part of it ran the old version, part
//! the new one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveTime};
use outlay_catalog::{EventPlace, EventsQuery};
use outlay_model::dimension::Fixed;
use outlay_model::ownership::Event;
use outlay_model::report::Scope;
use outlay_model::{ComponentId, DateRange, Dimension, Filter, Granularity, Money, Ratio};

use super::components::seen;
use super::{About, Ask, OwnedQuery, rounded, sum};
use crate::lineage::Counts;
use crate::{InsightError, Insights, Page};

/// The kinds of events that put another version in place.
const RELEASES: [&str; 2] = ["deployment", "release"];
/// The most releases of one answer.
const MOST: u32 = 1_000;
/// Events that are read at once where not all of them may be told.
const CHUNK: u32 = 1_000;

/// Asks what the releases of a component did to its cost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleasesQuery {
    /// The component.
    pub component: ComponentId,
    /// Of these days, by this cost, in this currency.
    pub owned: OwnedQuery,
    /// How many days before and after are held against each other.
    pub days: u32,
}

/// What releases did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    /// What there is to know of the figures: of all days that are held against each other.
    pub about: About,
    /// The latest first.
    pub releases: Vec<Release>,
}

/// What a release did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What happened.
    pub event: Event,
    /// The days before.
    pub before: Window,
    /// The days after, as far as they are told.
    pub after: Window,
    /// What ended the days after early.
    pub shortened: Option<Shortened>,
    /// Cost a day after less cost a day before, half-even at 12 decimals.
    pub change: Option<Money>,
    /// That change over the cost a day before; `None` where that was nothing.
    pub relative_change: Option<Money>,
}

/// What days after a release are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortened {
    /// The next release came.
    NextRelease,
    /// They are not over, or not every source has stated them.
    Incomplete,
}

impl Shortened {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NextRelease, Self::Incomplete];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NextRelease => "next_release",
            Self::Incomplete => "incomplete_days",
        }
    }
}

/// Days that are held against others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Which; `None` where there are none.
    pub days: Option<DateRange>,
    /// What they cost.
    pub cost: Option<Money>,
    /// The same over how many there are, half-even at 12 decimals.
    pub cost_per_day: Option<Money>,
}

impl Insights {
    /// What happened, the latest first; of what is the caller's affair.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn events(
        &self,
        query: &EventsQuery,
        limit: u32,
        scope: &Scope,
    ) -> Result<Page<Event, EventPlace>, InsightError> {
        let place = |events: &[Event]| events.last().map(EventPlace::from);
        if *scope == Scope::Company {
            let events = self.catalog.events(query, limit.saturating_add(1)).await?;
            return Ok(Page::of(events, limit, place));
        }
        let snapshot = self.catalog.snapshot().await?;
        let components: BTreeSet<ComponentId> = seen(&snapshot.ownership, scope).into_iter().collect();
        let mut query = query.clone();
        let mut events: Vec<Event> = Vec::new();
        loop {
            let more = self.catalog.events(&query, CHUNK).await?;
            let last = more.len() < CHUNK as usize;
            query.before = place(&more);
            events.extend(more.into_iter().filter(|event| components.contains(&event.component)));
            if last || events.len() > limit as usize {
                return Ok(Page::of(events, limit, place));
            }
        }
    }

    /// What the releases of a component did to its cost; `None` when neither the registry nor a charge nor an event names it.
    ///
    /// # Errors
    /// As [`Insights::spend`]; [`InsightError::TooManyRows`] when there are more than a thousand.
    pub async fn releases(
        &self,
        query: &ReleasesQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Option<Releases>, InsightError> {
        let of_component = |range: Option<DateRange>| EventsQuery {
            component: Some(query.component.clone()),
            from: range.map(|range| range.from().and_time(NaiveTime::MIN).and_utc()),
            to: range.map(|range| range.to().and_time(NaiveTime::MIN).and_utc()),
            ..EventsQuery::default()
        };
        let name = query.component.as_str();
        if !self.known(&Dimension::Fixed(Fixed::Component), name, scope).await?
            && self.events(&of_component(None), 1, scope).await?.rows.is_empty()
        {
            return Ok(None);
        }
        let is_release = |event: &Event| RELEASES.contains(&event.kind.as_str());
        let far = |day: NaiveDate| day.checked_add_days(Days::new(u64::from(query.days) + 1));
        let reach = |day: NaiveDate| day.checked_sub_days(Days::new(query.days.into()));
        let range = query.owned.range;
        // A release after the last day may still end the days after one within.
        let until = far(range.to()).and_then(|to| DateRange::new(range.from(), to)).unwrap_or(range);
        let found = self.events(&of_component(Some(until)), MOST, scope).await?;
        if found.next.is_some() {
            return Err(InsightError::TooManyRows { rows: MOST as usize + 1, most: MOST as usize });
        }
        let mut events = found.rows;
        events.retain(is_release);
        let days: BTreeSet<NaiveDate> = events.iter().map(|event| event.at.date_naive()).collect();
        events.retain(|event| range.contains(event.at.date_naive()));
        let read = days.first().zip(days.last()).and_then(|(first, last)| DateRange::new(reach(*first)?, far(*last)?));
        let snapshot = self.catalog.snapshot().await?;
        let owned = OwnedQuery { range: read.unwrap_or(range), ..query.owned };
        let ask = Ask {
            granularity: Granularity::Day,
            filter: Filter::equals(Fixed::Component, name),
            group_by: &[],
            counts: Counts::Once,
        };
        let cells = self.figures(&snapshot, &owned, &ask, scope).await?;
        let about = self.about(&snapshot, &owned, &cells, today).await?;
        let first = owned.range.from();
        let mut costs: BTreeMap<NaiveDate, Option<Money>> = BTreeMap::new();
        for (place, cell) in cells {
            let offset = place.bucket.and_then(|bucket| u64::try_from(bucket).ok());
            if let Some(day) = offset.and_then(|offset| first.checked_add_days(Days::new(offset))) {
                costs.insert(day, cell.cost);
            }
        }
        // The first day of which not everything is known.
        let open = about.complete_until.and_then(|until| until.succ_opt()).map_or(today, |open| open.min(today));
        let releases = events.into_iter().map(|event| {
            let day = event.at.date_naive();
            let before = reach(day).and_then(|from| DateRange::new(from, day)).and_then(|days| until_day(days, open));
            let (from, to) = (day.succ_opt().unwrap_or(day), far(day).unwrap_or(day));
            let next = days.range(from..).next().copied().filter(|next| *next < to);
            let end = next.unwrap_or(to);
            let shortened = if open < end { Some(Shortened::Incomplete) } else { next.map(|_| Shortened::NextRelease) };
            let after = DateRange::new(from, end).and_then(|days| until_day(days, open));
            release(event, &costs, before, after, shortened)
        });
        Ok(Some(Releases { releases: releases.collect::<Result<_, _>>()?, about }))
    }
}

fn until_day(days: DateRange, end: NaiveDate) -> Option<DateRange> {
    DateRange::new(days.from(), days.to().min(end))
}

fn release(
    event: Event,
    costs: &BTreeMap<NaiveDate, Option<Money>>,
    before: Option<DateRange>,
    after: Option<DateRange>,
    shortened: Option<Shortened>,
) -> Result<Release, InsightError> {
    let (before, before_a_day) = window(costs, before)?;
    let (after, after_a_day) = window(costs, after)?;
    let change = before_a_day.as_ref().zip(after_a_day.as_ref()).map(|(before, after)| after.less(before));
    let relative = change.as_ref().zip(before_a_day.as_ref()).and_then(|(change, before)| change.over(before));
    let (change, relative_change) = (rounded(change)?, rounded(relative)?);
    Ok(Release { event, before, after, shortened, change, relative_change })
}

/// What some days cost, and the exact cost of one.
fn window(
    costs: &BTreeMap<NaiveDate, Option<Money>>,
    days: Option<DateRange>,
) -> Result<(Window, Option<Ratio>), InsightError> {
    let Some(range) = days else { return Ok((Window { days, cost: None, cost_per_day: None }, None)) };
    let mut stated = costs.range(range.from()..range.to()).map(|(_, cost)| cost).peekable();
    let cost = if stated.peek().is_none() { Some(Money::ZERO) } else { sum(stated)? };
    let a_day = cost.and_then(|cost| Ratio::whole(cost).over(&Ratio::of_counts(range.days(), 1)?));
    Ok((Window { days, cost, cost_per_day: rounded(a_day.clone())? }, a_day))
}
