//! FOCUS exports, 1.0 to 1.3, as CSV, gzipped CSV or Parquet.
//!
//! Contract: [`surveys`] reads files once and adds up their raw cells; [`deliveries`] groups surveyed files into what a
//! later import replaces; [`Normaliser`] reads the same files again and gives FOCUS charges in bounded batches, with
//! every line it could not take. Columns are bound by name in any order; what FOCUS does not know is kept under `x_`.

pub mod columns;
mod normalise;
mod survey;
mod text;
mod times;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::NaiveDate;
use outlay_ledger::tags::Privacy;
use outlay_model::part::BalanceKey;
use outlay_model::tags::{MAX_TAG_COLUMNS, TagSettings};
use outlay_model::{DeliveryKey, TagKey};
use sha2::{Digest, Sha256};

use crate::CollectError;
use crate::exact::ExactSum;
use crate::input::{InputFile, hex};

pub use normalise::{Coverage, NormalBatch, Normaliser};
pub use survey::{FileSurvey, Totals, surveys};

/// The normaliser's version, written into every part; raised when the same bill would give other charges.
pub const VERSION: u32 = 2;

/// How bills are read.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Tag keys.
    pub tags: TagSettings,
    /// What identifies a person.
    pub privacy: Privacy,
}

impl Settings {
    /// Tells settings apart that read the same bill differently.
    fn digest(&self) -> String {
        format!("{VERSION} {:?} {:?}", self.tags, self.privacy.keep)
    }
}

/// What a provider states at once: some files, surveyed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What a later import of it replaces.
    pub key: DeliveryKey,
    /// The hash of the files and of how they are read.
    pub fingerprint: String,
    /// The hashes of its files' contents.
    pub contents: BTreeSet<String>,
    /// Its files.
    pub files: Vec<InputFile>,
    /// Rows in them, malformed lines included.
    pub rows: u64,
    /// Σ of the raw cells.
    pub totals: BTreeMap<BalanceKey, Totals>,
    /// The columns its charges will have, but for those that ownership adds.
    pub columns: BTreeSet<String>,
    /// Tag keys that get a column: the most spent-on ones.
    pub tag_keys: BTreeSet<TagKey>,
    /// Whether keys are left without one.
    pub more_tags: bool,
}

/// The share of a file's rows that other billing periods may hold (late usage, corrections) before the main one no
/// longer names what the file states.
const STRAY_SHARE: f64 = 0.05;

/// Groups surveyed files into deliveries: all into `key` if one is given, else by their main billing period.
///
/// # Errors
/// [`CollectError::SeveralPeriods`] or [`CollectError::NoPeriod`] when a file has no main billing period,
/// [`CollectError::SameFile`] when two hold the same.
pub fn deliveries(
    surveys: Vec<FileSurvey>,
    key: Option<&DeliveryKey>,
    settings: &Settings,
) -> Result<Vec<Delivery>, CollectError> {
    let mut groups: BTreeMap<DeliveryKey, Vec<FileSurvey>> = BTreeMap::new();
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    // A file with only a header states nothing; it matters when there is nothing else.
    let any = surveys.iter().any(|survey| survey.rows > 0);
    for survey in surveys.into_iter().filter(|survey| survey.rows > 0 || !any) {
        let path = survey.file.path.clone();
        if let Some(twin) = known.insert(survey.sha256.clone(), path.clone()) {
            return Err(CollectError::SameFile { path, twin });
        }
        let key = match key {
            Some(key) => key.clone(),
            None => DeliveryKey::new(main_period(&survey)?.format("%Y-%m").to_string()),
        };
        groups.entry(key).or_default().push(survey);
    }
    Ok(groups.into_iter().map(|(key, surveys)| delivery(key, surveys, settings)).collect())
}

/// The billing period that nearly all rows are in.
fn main_period(survey: &FileSurvey) -> Result<NaiveDate, CollectError> {
    let path = survey.file.path.clone();
    let periods: BTreeMap<NaiveDate, u64> =
        survey.periods.iter().filter_map(|(period, rows)| period.map(|period| (period, *rows))).collect();
    let all: u64 = periods.values().sum();
    let Some((main, rows)) = periods.iter().max_by_key(|(_, rows)| **rows) else {
        return Err(CollectError::NoPeriod { path });
    };
    // A share of rows decides a name, not an amount.
    if (all - rows) as f64 > STRAY_SHARE * all as f64 {
        let list: Vec<_> = periods.keys().take(14).map(|period| period.format("%Y-%m").to_string()).collect();
        return Err(CollectError::SeveralPeriods { path, periods: periods.len(), list: list.join(", ") });
    }
    Ok(*main)
}

fn delivery(key: DeliveryKey, surveys: Vec<FileSurvey>, settings: &Settings) -> Delivery {
    let contents: BTreeSet<String> = surveys.iter().map(|survey| survey.sha256.clone()).collect();
    let fingerprint = hex(&Sha256::digest(format!("{}\n{contents:?}", settings.digest())));
    let mut totals: BTreeMap<BalanceKey, Totals> = BTreeMap::new();
    let mut spend: BTreeMap<&str, i128> = BTreeMap::new();
    for survey in &surveys {
        for (key, more) in &survey.totals {
            let sums: &mut Totals = totals.entry(key.clone()).or_default();
            sums.iter_mut().zip(more).for_each(|(sum, more): (&mut ExactSum, _)| sum.merge(more));
        }
        for (key, amount) in &survey.tag_spend {
            let sum = spend.entry(key.as_str()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }
    let mut by_spend: Vec<(&str, i128)> = spend.into_iter().collect();
    by_spend.sort_by_key(|(key, amount)| (std::cmp::Reverse(*amount), *key));
    let more_tags = by_spend.len() > MAX_TAG_COLUMNS;
    let tag_keys = by_spend.into_iter().take(MAX_TAG_COLUMNS).map(|(key, _)| TagKey::new(key)).collect();
    let columns = columns::of_charges(surveys.iter().map(|survey| survey.header.as_slice()), &tag_keys);
    Delivery {
        key,
        fingerprint,
        contents,
        rows: surveys.iter().map(|survey| survey.rows).sum(),
        files: surveys.into_iter().map(|survey| survey.file).collect(),
        totals,
        columns,
        tag_keys,
        more_tags,
    }
}
