//! What the types of the configuration do not say.

use std::collections::BTreeMap;

use outlay_model::Currency;
use outlay_model::rates::{RateEntry, RateTable};
use outlay_model::tags::TagSettings;

use super::problem::dotted;
use super::tree::Path;
use super::{Config, Place, Problem, Retention};

/// A file like this one is shared, copied into tickets, and kept for ever in a repository.
const PASSWORD: &str = "holds a password, which does not belong into this file; leave it out and set PGPASSWORD, or write \
                        it into ~/.pgpass or the file that PGPASSFILE names, or give the address as OUTLAY_CATALOG__URL";

/// Checks what was understood. The defaults have no problems, so every problem has a place.
pub(super) fn check(config: &Config, places: &BTreeMap<Path, Place>, problems: &mut Vec<Problem>) {
    let mut add = |place: &[String], key: &[String], text: String| {
        let place = (0..=place.len()).rev().find_map(|depth| places.get(&place[..depth]));
        let place = place.expect("only what was said can be wrong").clone();
        problems.push(Problem { place, key: dotted(key), text });
    };
    let mut add_plain = |path: &[&str], text: &str| {
        let path: Path = path.iter().copied().map(str::to_owned).collect();
        add(&path, &path, text.to_owned());
    };
    for (key, share) in [("max_shrink", config.guard.max_shrink), ("max_rejects", config.guard.max_rejects)] {
        if !(0.0..=1.0).contains(&share) {
            add_plain(&["guard", key], "is not a share; give a number between 0 and 1");
        }
    }
    if config.store.retire_grace_hours == 0 {
        let text = "queries under way would lose the files they read; give at least 1";
        add_plain(&["store", "retire_grace_hours"], text);
    }
    let Retention { charges_months, daily_months } = config.retention;
    for (key, months) in [("charges_months", charges_months), ("daily_months", daily_months)] {
        if months == Some(0) {
            add_plain(
                &["retention", key],
                "nothing at all would be kept; give at least 1, or leave it out to keep everything",
            );
        }
    }
    if let Some(daily) = daily_months.filter(|daily| charges_months.is_none_or(|charges| *daily < charges)) {
        let text = format!(
            "charges would be kept longer than their totals; give charges_months too, and at most {daily} for it"
        );
        add_plain(&["retention", "daily_months"], &text);
    }
    for (key, number) in [
        ("answer_within_seconds", config.server.answer_within_seconds),
        ("most_requests", config.server.most_requests),
        ("stop_within_seconds", config.server.stop_within_seconds),
    ] {
        if number == 0 {
            add_plain(&["server", key], "give at least 1");
        }
    }
    if config.collect.sources_at_once == 0 {
        add_plain(&["collect", "sources_at_once"], "nothing would be collected; give at least 1");
    }
    if config.collect.lease_seconds < 3 {
        let text = "a server that is only busy would lose what it collects; give at least 3";
        add_plain(&["collect", "lease_seconds"], text);
    }
    if let Err(texts) = config.services.read() {
        texts.into_iter().for_each(|text| add_plain(&["services", "file"], &text));
    }
    config.ownership.problems().into_iter().for_each(|(key, text)| add_plain(&["ownership", key], &text));
    let url = ["catalog".to_owned(), "url".to_owned()];
    if config.catalog.url.has_password() && matches!(places.get(&url[..]), Some(Place::File(..))) {
        add(&url, &url, PASSWORD.to_owned());
    }
    for (path, text) in tag_problems(&config.tags, places) {
        add(&path, &path, text);
    }
    for (number, key, text) in super::source::problems(&config.source) {
        let path: Path = ["source".to_owned(), number.to_string()].into_iter().chain(key).collect();
        add(&path, &path, text);
    }
    for (path, text) in rate_problems(&config.rates) {
        add(&path, &path[..2], text);
    }
}

/// The model's sentences name a key, with its dots as they are; the longest key that was said is the one that is meant.
fn tag_problems(tags: &TagSettings, places: &BTreeMap<Path, Place>) -> Vec<(Path, String)> {
    let locate = |problem: String| {
        let said = places.keys().filter_map(|path| {
            let text = problem.strip_prefix(&path.join("."))?.strip_prefix(": ")?;
            Some((path.clone(), text.to_owned()))
        });
        said.max_by_key(|(path, _)| path.join(".").len()).unwrap_or_else(|| (vec!["tags".to_owned()], problem))
    };
    tags.problems().into_iter().map(locate).collect()
}

/// The model's sentences name a currency. Entries only add problems, so the entry that adds one is where it stands.
fn rate_problems(rates: &BTreeMap<Currency, Vec<RateEntry>>) -> Vec<(Path, String)> {
    let mut problems = Vec::new();
    for (currency, entries) in rates {
        let prefix = format!("rates.{currency}: ");
        let of = |entries: &[RateEntry]| {
            RateTable::new(&BTreeMap::from([(*currency, entries.to_vec())])).err().unwrap_or_default()
        };
        if of(entries).is_empty() {
            continue;
        }
        let mut told = 0;
        for count in 0..=entries.len() {
            let here = of(&entries[..count]);
            for text in &here[told..] {
                let mut path = vec!["rates".to_owned(), currency.to_string()];
                path.extend(count.checked_sub(1).map(|entry| entry.to_string()));
                problems.push((path, text.strip_prefix(&prefix).unwrap_or(text).to_owned()));
            }
            told = here.len();
        }
    }
    problems
}
