//! Up to where an answer can be trusted, per source and never as min..max (P6).

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::DateRange;
use outlay_model::report::Warning;

/// Days named in one warning before it only counts them.
const NAMED: usize = 5;

/// The last day up to which every source has stated every day of the range since its own first one, and a warning for
/// every source that has not.
pub(crate) fn complete_until(snapshot: &Snapshot, range: DateRange) -> (Option<NaiveDate>, Vec<Warning>) {
    let mut sources: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::new();
    for part in &snapshot.parts {
        let days = sources.entry(part.source.as_str()).or_default();
        part.covered.iter().for_each(|covered| days.extend(covered.iter().filter(|day| *day < range.to())));
    }
    let (mut until, mut warnings) = (None, Vec::new());
    for (source, days) in sources {
        let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else { continue };
        if last < range.from() {
            let message = format!("{source} has stated nothing since {last}");
            warnings.push(Warning { code: "source_behind", message });
        }
        let start = first.max(range.from());
        let missing: Vec<NaiveDate> =
            start.iter_days().take_while(|day| *day <= last).filter(|day| !days.contains(day)).collect();
        let complete = missing.first().map_or(Some(last), |gap| gap.pred_opt());
        until = match (until, complete) {
            (Some(until), Some(complete)) => Some(std::cmp::min(until, complete)),
            (until, complete) => until.or(complete),
        };
        if !missing.is_empty() {
            let message = format!("{source} has stated nothing for {}", spell(&missing));
            warnings.push(Warning { code: "missing_days", message });
        }
    }
    (until, warnings)
}

/// Days as runs: `2026-10-03, 2026-10-07..2026-10-09`; the last day of a run is in it.
pub(crate) fn spell(days: &[NaiveDate]) -> String {
    let mut runs: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*day) => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    let texts: Vec<String> = runs
        .iter()
        .take(NAMED)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}..{last}") })
        .collect();
    let more = if runs.len() > NAMED { format!(" and {} more days", days.len()) } else { String::new() };
    format!("{}{more}", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_spelled_as_runs() {
        let days: Vec<NaiveDate> = ["2026-10-03", "2026-10-07", "2026-10-08", "2026-10-09"]
            .iter()
            .map(|d| d.parse().expect("a day"))
            .collect();
        assert_eq!(spell(&days), "2026-10-03, 2026-10-07..2026-10-09");
    }
}
