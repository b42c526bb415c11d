//! How an export lies in its bucket.
//!
//! ```text
//! <prefix>/<export>/metadata/BILLING_PERIOD=2026-10/<export>-Manifest.json                 overwritten
//! <prefix>/<export>/metadata/BILLING_PERIOD=2026-10/<execution>/<export>-Manifest.json     one for each execution
//! <prefix>/<export>/data/BILLING_PERIOD=2026-10/[<execution>/]<export>-00001.snappy.parquet
//! <prefix>/<report>/20261001-20261101/<report>-Manifest.json                               a legacy report
//! <prefix>/<report>/20261001-20261101/<assembly>/<report>-00001.csv.gz
//! ```
//!
//! The label is written in either case. A prefix that ends in a slash leaves an empty piece in the keys.

use std::collections::BTreeSet;

use chrono::{DateTime, Months, NaiveDate, Utc};
use outlay_model::DateRange;

use crate::http::FetchError;
use crate::objects::{Object, Place};

/// What a manifest's name ends with; a report for Redshift has another beside it.
const MANIFEST: &str = "-Manifest.json";

/// How an export lies in its bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// What all its keys start with, the slash included.
    pub root: String,
    /// Whether it is a legacy cost and usage report.
    pub legacy: bool,
}

/// A billing period that an export has, and the folder of its manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    pub days: DateRange,
    pub folder: String,
}

impl Period {
    /// Its month, as in a delivery's key.
    pub(super) fn month(&self) -> String {
        self.days.from().format("%Y-%m").to_string()
    }
}

impl Layout {
    /// Finds out how the export below `prefix` lies.
    pub(super) async fn find(place: &dyn Place, prefix: &str) -> Result<Self, FetchError> {
        let doubled = prefix.rsplit_once('/').map(|(parent, name)| format!("{parent}//{name}/"));
        let mut seen = BTreeSet::new();
        for root in [Some(format!("{prefix}/")), doubled, Some(format!("{prefix}//"))].into_iter().flatten() {
            let folders = place.list(&root, true).await?.folders;
            let names = || folders.iter().map(|folder| last(folder));
            if names().any(|name| name.eq_ignore_ascii_case("metadata")) {
                return Ok(Self { root, legacy: false });
            }
            if names().any(|name| legacy_days(name).is_some()) {
                return Ok(Self { root, legacy: true });
            }
            seen.extend(names().filter(|name| !name.is_empty()).map(ToOwned::to_owned));
        }
        let seen: Vec<String> = seen.into_iter().take(5).collect();
        let advice = match seen.as_slice() {
            [] => "correct url, or wait for the export's first delivery (up to 24 hours)".to_owned(),
            names => format!("there are {}: give the url of the export itself", names.join(", ")),
        };
        let place = format!("an export at {}", place.name(prefix));
        Err(FetchError::Missing { place, advice })
    }

    /// The billing periods it has, the newest first.
    pub(super) async fn periods(&self, place: &dyn Place) -> Result<Vec<Period>, FetchError> {
        let mut parents = vec![self.root.clone()];
        if !self.legacy {
            let folders = place.list(&self.root, true).await?.folders;
            parents = folders.into_iter().filter(|folder| last(folder).eq_ignore_ascii_case("metadata")).collect();
        }
        let mut periods = Vec::new();
        for parent in parents {
            let folders = place.list(&parent, true).await?.folders;
            periods.extend(folders.into_iter().filter_map(|folder| {
                let name = last(&folder);
                let days = if self.legacy { legacy_days(name) } else { export_days(name) };
                days.map(|days| Period { days, folder })
            }));
        }
        periods.sort_by_key(|period| std::cmp::Reverse(period.days.from()));
        Ok(periods)
    }

    /// The newest manifest of a period; none when AWS has written no bill of it yet.
    pub(super) async fn manifest(&self, place: &dyn Place, period: &Period) -> Result<Option<Object>, FetchError> {
        // A legacy report's own folders hold copies of what was newest once.
        let found = place.list(&period.folder, self.legacy).await?;
        let manifests = found.objects.into_iter().filter(|object| object.key.ends_with(MANIFEST));
        Ok(manifests.max_by_key(|object| (stamp(&object.key).unwrap_or(object.written), object.key.clone())))
    }

    /// Where a file that a manifest names is. Where an export was copied to, the manifest still has its old keys.
    pub(super) fn locate(&self, key: &str) -> String {
        if key.starts_with(&self.root) {
            return key.to_owned();
        }
        let pieces: Vec<&str> = key.split('/').collect();
        let start = if self.legacy {
            pieces.iter().position(|piece| legacy_days(piece).is_some())
        } else {
            pieces.windows(2).rposition(|pair| pair[0] == "data" && export_days(pair[1]).is_some())
        };
        match start {
            Some(start) => format!("{}{}", self.root, pieces[start..].join("/")),
            None => key.to_owned(),
        }
    }
}

/// Whether a run's files have a folder of their own, so that no other run overwrites them.
pub(super) fn is_of_one_run(key: &str) -> bool {
    stamp(key).is_some() || key.split('/').rev().nth(2).is_some_and(|piece| legacy_days(piece).is_some())
}

/// The last piece of a folder's key.
fn last(folder: &str) -> &str {
    folder.strip_suffix('/').unwrap_or(folder).rsplit('/').next().unwrap_or_default()
}

/// When the execution began that a key's folder is named for: `2026-10-18T20:16:37.306Z-3695a728-…`. A copied bucket
/// has files that are newer than newer executions.
fn stamp(key: &str) -> Option<DateTime<Utc>> {
    let folder = key.split('/').rev().nth(1)?;
    let end = folder.find("Z-")?;
    DateTime::parse_from_rfc3339(&folder[..=end]).ok().map(|stamp| stamp.to_utc())
}

/// `BILLING_PERIOD=2026-10`
fn export_days(name: &str) -> Option<DateRange> {
    let (label, month) = name.split_once('=')?;
    if !label.eq_ignore_ascii_case("billing_period") {
        return None;
    }
    let from = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok()?;
    DateRange::new(from, from.checked_add_months(Months::new(1))?)
}

/// `20261001-20261101`
fn legacy_days(name: &str) -> Option<DateRange> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| text.len() == 8);
    let (from, to) = name.split_once('-')?;
    DateRange::new(day(from)?, day(to)?)
}
