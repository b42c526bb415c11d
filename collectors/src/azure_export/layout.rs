//! How an export lies in its container.
//!
//! ```text
//! <folder>/<export>/20261001-20261031/[<202610050543>/][<run>/]manifest.json
//! <folder>/<export>/20261001-20261031/[<202610050543>/][<run>/]part_0_0001.snappy.parquet
//! <folder>/<export>/20261001-20261031/<export>_<run>.csv                                    of older versions
//! ```
//!
//! The range's end is its last day. Whether runs have folders of their own, and of what name, differs by the version of the
//! export and by whether it overwrites what it wrote before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use outlay_model::DateRange;

use crate::http::FetchError;
use crate::objects::{Object, Place};

/// A month that an export has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Month {
    pub days: DateRange,
    /// What all its keys start with, the slash included.
    pub folder: String,
}

/// The months below a prefix, and the names of folders that are of other times.
pub(super) async fn months(place: &dyn Place, prefix: &str) -> Result<(Vec<Month>, BTreeSet<String>), FetchError> {
    let folders = place.list(&format!("{prefix}/"), true).await?.folders;
    let (mut months, mut odd): (BTreeMap<NaiveDate, Month>, _) = (BTreeMap::new(), BTreeSet::new());
    for folder in &folders {
        let name = last(folder);
        let Some((from, to)) = days(name) else { continue };
        let month = (from.day() == 1 && (from.year(), from.month()) == (to.year(), to.month())).then_some(());
        let Some(days) = month.and_then(|()| DateRange::new(from, first_of_next(from)?)) else {
            odd.insert(name.to_owned());
            continue;
        };
        // A run for some of a month's days lies beside that for all of them: that is the bill.
        let longer = |known: &Month| self::days(last(&known.folder)).is_none_or(|(_, other)| other < to);
        if months.get(&from).is_none_or(longer) {
            months.insert(from, Month { days, folder: folder.clone() });
        }
    }
    if months.is_empty() && odd.is_empty() {
        let seen: Vec<&str> = folders.iter().map(|folder| last(folder)).take(5).collect();
        let advice = match seen.as_slice() {
            [] => "correct url, or wait for the export's first run (up to a day), or run it now".to_owned(),
            names => format!("there are {}: give the url of the export itself", names.join(", ")),
        };
        return Err(FetchError::Missing { place: format!("an export at {}", place.name(prefix)), advice });
    }
    Ok((months.into_values().collect(), odd))
}

/// Whether a key is that of a manifest.
pub(super) fn is_manifest(key: &str) -> bool {
    let name = last(key).to_lowercase();
    name == "manifest.json" || name.ends_with("_manifest.json")
}

/// Whether a key is that of a bill's file.
pub(super) fn is_bill(key: &str) -> bool {
    let key = key.to_lowercase();
    [".parquet", ".csv.gz", ".csv"].iter().any(|ending| key.ends_with(ending))
}

/// Where a file that a manifest names is. Where an export was copied to, the manifest still has its old keys.
pub(super) fn locate(month: &Month, manifest: &str, blob: &str) -> String {
    let pieces: Vec<&str> = blob.split('/').collect();
    match pieces.iter().rposition(|piece| *piece == last(&month.folder)) {
        Some(range) => format!("{}{}", month.folder, pieces[range + 1..].join("/")),
        None => {
            let folder = manifest.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{}", last(blob))
        }
    }
}

/// The files of the newest run of an export without manifests: they lie in the month's own folder, and have the run in their
/// names.
pub(super) fn newest_without_manifest(month: &Month, objects: &[Object]) -> Vec<Object> {
    let own = |object: &&Object| object.key.strip_prefix(&month.folder).is_some_and(|name| !name.contains('/'));
    let bills: Vec<&Object> = objects.iter().filter(own).filter(|object| is_bill(&object.key)).collect();
    let Some(newest) = bills.iter().max_by_key(|object| (object.written, &object.key)) else { return Vec::new() };
    let run = run_of(&newest.key);
    let of_run = |object: &&&Object| match &run {
        Some(run) => run_of(&object.key).as_ref() == Some(run),
        None => object.key == newest.key,
    };
    bills.iter().filter(of_run).map(|object| (*object).clone()).collect()
}

/// The run that a file is named for: `<export>_5e5e1c6e-6f3a-4d2e-9c0a-6f6f6f6f6f6f.csv`.
fn run_of(key: &str) -> Option<String> {
    let name = last(key);
    let is_id = |piece: &str| {
        let parts: Vec<&str> = piece.split('-').collect();
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
            && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.split(['_', '.']).find(|piece| is_id(piece)).map(str::to_lowercase)
}

/// Whether a file's folder is of one run, so that no other run overwrites it.
pub(super) fn is_of_one_run(month: &Month, key: &str) -> bool {
    key.strip_prefix(&month.folder).is_some_and(|rest| rest.contains('/'))
}

/// The last piece of a key.
fn last(key: &str) -> &str {
    key.strip_suffix('/').unwrap_or(key).rsplit('/').next().unwrap_or_default()
}

/// `20261001-20261031`, both days included.
fn days(name: &str) -> Option<(NaiveDate, NaiveDate)> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| text.len() == 8);
    let (from, to) = name.split_once('-')?;
    Some((day(from)?, day(to)?)).filter(|(from, to)| from <= to)
}

fn first_of_next(first: NaiveDate) -> Option<NaiveDate> {
    first.checked_add_months(chrono::Months::new(1))
}
