//! What each source states about each day, and up to where an answer can be trusted: per source and day, never as
//! min..max (P6).
//!
//! A day that is not over has no state, nor has one before the first that its source states. Of sources that are only ever
//! imported nobody knows what they should have: theirs end with the last day they state, and are never provisional.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, Days, Months, NaiveDate};
use outlay_model::part::Part;
use outlay_model::report::{DayRun, Warning};
use outlay_model::{DateRange, DayState, Role, Source, SourceName};

/// Days, or sources, named in one warning before it only counts them.
const NAMED: usize = 5;

/// What one source states.
pub(crate) struct Coverage<'a> {
    /// What the configuration says of it, where it names it.
    source: Option<&'a Source>,
    /// Days it states, as runs in order, none touching the next.
    covered: Vec<DateRange>,
    /// Of these, days that the provider itself calls estimated, likewise.
    estimated: Vec<DateRange>,
}

impl<'a> Coverage<'a> {
    /// Of these parts, which are all that is live of the source.
    pub(crate) fn of(source: Option<&'a Source>, parts: &[&Part]) -> Self {
        let covered = joined(parts.iter().flat_map(|part| part.covered.iter().copied()));
        Self { source, covered, estimated: joined(parts.iter().flat_map(|part| part.provisional.iter().copied())) }
    }

    /// Every source that is configured or has live parts.
    fn of_all(sources: &'a [Source], parts: &[Part]) -> BTreeMap<SourceName, Self> {
        let mut all: BTreeMap<&SourceName, (Option<&Source>, Vec<&Part>)> = BTreeMap::new();
        for source in sources {
            all.entry(&source.name).or_default().0 = Some(source);
        }
        for part in parts {
            all.entry(&part.source).or_default().1.push(part);
        }
        all.into_iter().map(|(name, (source, parts))| (name.clone(), Self::of(source, &parts))).collect()
    }

    /// From the first day it states to the last.
    pub(crate) fn stated(&self) -> Option<DateRange> {
        Some(self.covered.first()?.and(*self.covered.last()?))
    }

    /// The last day up to which it states every day since its first.
    pub(crate) fn complete_until(&self) -> Option<NaiveDate> {
        self.covered.first()?.to().pred_opt()
    }

    /// How sure the days of a range are, in order.
    pub(crate) fn days(&self, range: DateRange, today: NaiveDate) -> Vec<DayRun> {
        let Some(span) = self.expected(today).and_then(|span| overlap(span, range)) else { return Vec::new() };
        let windows = [open_from(today), self.settles_from(today)];
        let edges = self.covered.iter().chain(&self.estimated).flat_map(|run| [run.from(), run.to()]);
        let cuts = edges.chain(windows).filter(|day| span.contains(*day)).chain([span.from(), span.to()]);
        let cuts: Vec<_> = cuts.collect::<BTreeSet<_>>().into_iter().collect();
        let mut runs: Vec<DayRun> = Vec::new();
        for days in cuts.windows(2).filter_map(|cut| DateRange::new(cut[0], cut[1])) {
            let state = self.state(days.from(), today);
            match runs.last_mut() {
                Some(last) if last.state == state => last.days = last.days.and(days),
                _ => runs.push(DayRun { state, days }),
            }
        }
        runs
    }

    /// How many days since its first are without a statement.
    pub(crate) fn missing_days(&self, today: NaiveDate) -> u64 {
        let since_first = self.stated().and_then(|_| self.expected(today));
        let runs = since_first.map(|days| self.days(days, today)).unwrap_or_default();
        runs.iter().filter(|run| run.state == DayState::Missing).map(|run| run.days.days()).sum()
    }

    /// The days there should be a statement for. What is collected is due up to yesterday. A source that has stated nothing
    /// yet has begun for all we know.
    pub(crate) fn expected(&self, today: NaiveDate) -> Option<DateRange> {
        let due = self.source.map(|_| today);
        match (self.stated(), due) {
            (Some(stated), due) => DateRange::new(stated.from(), due.map_or(stated.to(), |due| stated.to().max(due))),
            (None, Some(due)) => DateRange::new(NaiveDate::MIN, due),
            (None, None) => None,
        }
    }

    fn state(&self, day: NaiveDate, today: NaiveDate) -> DayState {
        let among = |runs: &[DateRange]| runs.iter().any(|run| run.contains(day));
        if !among(&self.covered) {
            DayState::Missing
        } else if among(&self.estimated) || (self.source.is_some() && day >= open_from(today)) {
            DayState::Provisional
        } else if day >= self.settles_from(today) {
            DayState::Settling
        } else {
            DayState::Final
        }
    }

    /// The first day that is read again by itself. A source that is only imported reads nothing again.
    fn settles_from(&self, today: NaiveDate) -> NaiveDate {
        let Some(source) = self.source else { return NaiveDate::MAX };
        open_from(today).checked_sub_months(Months::new(source.restates_months)).unwrap_or(NaiveDate::MIN)
    }

    /// What an answer about a range must say of it; `None` when it states nothing before the range ends.
    fn within(&self, range: DateRange) -> Option<Within> {
        let before_end = DateRange::new(NaiveDate::MIN, range.to())?;
        let covered: Vec<_> = self.covered.iter().filter_map(|run| overlap(*run, before_end)).collect();
        let end = covered.last()?.to();
        let gaps = covered.windows(2).filter_map(|pair| DateRange::new(pair[0].to(), pair[1].from()));
        let missing: Vec<_> = gaps.filter_map(|gap| overlap(gap, range)).collect();
        let complete_until = missing.first().map_or(end, |gap| gap.from()).pred_opt()?;
        Some(Within { last: end.pred_opt()?, complete_until, missing })
    }
}

/// What a source states up to the end of a range.
struct Within {
    /// The last day.
    last: NaiveDate,
    /// The last day up to which it states every day of the range since its own first one.
    complete_until: NaiveDate,
    /// The days of the range it leaves out before its last.
    missing: Vec<DateRange>,
}

/// The last day up to which every source has stated every day of the range since its own first one, and a warning for
/// every source that has not. Nobody can tell while one that is collected has stated nothing yet.
pub(crate) fn complete_until(
    sources: &[Source],
    parts: &[Part],
    range: DateRange,
    today: NaiveDate,
) -> (Option<NaiveDate>, Vec<Warning>) {
    let (mut until, mut warnings) = (None, Vec::new());
    let (mut silent, mut provisional) = (Vec::new(), Vec::new());
    for (source, coverage) in Coverage::of_all(sources, parts) {
        if coverage.source.is_some_and(|source| source.role == Role::Shadow) {
            continue; // No figure knows of it.
        }
        if coverage.covered.is_empty() && coverage.source.is_some() {
            silent.push(source.to_string());
            continue;
        }
        let unsure = coverage.days(range, today).into_iter().filter(|run| run.state == DayState::Provisional);
        let unsure: Vec<_> = unsure.map(|run| run.days).collect();
        if coverage.source.is_some() && !unsure.is_empty() {
            provisional.push(format!("{source} {}", spell(&unsure)));
        }
        let Some(within) = coverage.within(range) else { continue };
        if within.last < range.from() {
            let message = format!("{source} has stated nothing since {}", within.last);
            warnings.push(Warning { code: "source_behind", message });
        }
        until = Some(until.map_or(within.complete_until, |until: NaiveDate| until.min(within.complete_until)));
        if !within.missing.is_empty() {
            let message = format!("{source} has stated nothing for {}", spell(&within.missing));
            warnings.push(Warning { code: "missing_days", message });
        }
    }
    if !silent.is_empty() {
        until = None;
        let message = format!("nothing has been collected yet of {}", some_of(&silent, ", ", "sources"));
        warnings.push(Warning { code: "nothing_stated", message });
    }
    if !provisional.is_empty() {
        let message = format!("figures may still change much: {}", some_of(&provisional, "; ", "sources"));
        warnings.push(Warning { code: "provisional_days", message });
    }
    (until, warnings)
}

/// The first day of the billing month that is not over.
pub(crate) fn open_from(today: NaiveDate) -> NaiveDate {
    today.with_day(1).unwrap_or(today)
}

fn overlap(a: DateRange, b: DateRange) -> Option<DateRange> {
    DateRange::new(a.from().max(b.from()), a.to().min(b.to()))
}

/// Days as runs in order, none touching the next.
fn joined(ranges: impl Iterator<Item = DateRange>) -> Vec<DateRange> {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let mut runs: Vec<DateRange> = Vec::new();
    for range in ranges {
        match runs.last_mut() {
            Some(last) if range.from() <= last.to() => *last = last.and(range),
            _ => runs.push(range),
        }
    }
    runs
}

/// Single days as runs in order.
pub(crate) fn runs_of(days: &[NaiveDate]) -> Vec<DateRange> {
    joined(days.iter().filter_map(|day| DateRange::new(*day, day.checked_add_days(Days::new(1))?)))
}

/// Runs of days: `2026-10-03, 2026-10-07..2026-10-09`; the last day of a run is in it.
pub(crate) fn spell(runs: &[DateRange]) -> String {
    let texts = runs.iter().take(NAMED).map(|run| match run.to().pred_opt() {
        Some(last) if last > run.from() => format!("{}..{last}", run.from()),
        _ => run.from().to_string(),
    });
    let text = texts.collect::<Vec<_>>().join(", ");
    match runs.len() > NAMED {
        true => format!("{text} and more, {} days in all", runs.iter().map(|run| run.days()).sum::<u64>()),
        false => text,
    }
}

/// The first few, and how many more there are.
fn some_of(texts: &[String], between: &str, what: &str) -> String {
    let named = texts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(between);
    match texts.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{named}{between}and {more} more {what}"),
        _ => named,
    }
}

#[cfg(test)]
mod tests;
