//! Deliveries: surveyed files, grouped into what a later statement of the same replaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use outlay_ledger::tags::Privacy;
use outlay_model::dimension::tag_column;
use outlay_model::part::BalanceKey;
use outlay_model::tags::{MAX_TAG_COLUMNS, TagSettings};
use outlay_model::{DeliveryKey, TagKey};
use sha2::{Digest, Sha256};

use crate::exact::ExactSum;
use crate::input::{InputFile, Statement, hex};
use crate::normalise::filled;
use crate::services::Services;
use crate::{CollectError, Format};

/// How bills are read.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Tag keys.
    pub tags: TagSettings,
    /// What identifies a person.
    pub privacy: Privacy,
    /// Which category a service is in, where a bill does not say.
    pub services: Services,
}

impl Settings {
    /// Tells apart in what ways the same bill would be read differently.
    #[must_use]
    pub fn digest(&self, format: &dyn Format) -> String {
        // Bills are read the same whatever is required. The rest is written as it always was, so that nothing is read anew.
        let TagSettings { aliases, daily, required: _ } = &self.tags;
        let tags = format!("TagSettings {{ aliases: {aliases:?}, daily: {daily:?} }}");
        format!("{} {tags} {:?} {}", format.version(), self.privacy.keep, self.services.digest())
    }
}

/// Σ of the raw cells of the four costs, in the order of [`outlay_model::query::Metric::ALL`].
pub type Totals = [ExactSum; 4];

/// What a file holds, by its raw cells.
#[derive(Debug, Clone)]
pub struct FileSurvey {
    /// The file.
    pub file: InputFile,
    /// The hash of its bytes.
    pub sha256: String,
    /// The columns its charges will have, but for those of tags and ownership.
    pub columns: BTreeSet<String>,
    /// Its rows, malformed lines included.
    pub rows: u64,
    /// Rows per billing period.
    pub periods: BTreeMap<Option<NaiveDate>, u64>,
    /// Σ per invoice.
    pub totals: BTreeMap<BalanceKey, Totals>,
    /// The same where the delivery has another statement of the same costs as well, and that changes what this one says.
    pub beside: Option<BTreeMap<BalanceKey, Totals>>,
    /// Σ|BilledCost| per canonical tag key, in 10⁻⁶, to rank keys by.
    pub tag_spend: HashMap<String, i128>,
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

/// Surveys files, one on each core, and gives the surveys in the order of the files. `progress` is told of every batch's
/// rows.
///
/// # Errors
/// [`CollectError`] of the first file that cannot be read to its end or is of another format.
pub fn surveys(
    format: &dyn Format,
    files: &[InputFile],
    settings: &Settings,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<FileSurvey>, CollectError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(place) else { break done };
            let survey = format.survey(file, settings, progress).and_then(counted);
            if survey.is_err() {
                // The files before this one are under way or done; those behind it are not needed.
                next.store(files.len(), Ordering::Relaxed);
            }
            done.push((place, survey));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let mut surveys: Vec<(usize, Result<FileSurvey, CollectError>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    surveys.sort_unstable_by_key(|(place, _)| *place);
    surveys.into_iter().map(|(_, survey)| survey).collect()
}

/// Refuses a file that does not have the rows that whoever wrote it says it has.
fn counted(survey: FileSurvey) -> Result<FileSurvey, CollectError> {
    match survey.file.rows {
        Some(stated) if stated != survey.rows => {
            Err(CollectError::OtherCount { path: survey.file.path, rows: survey.rows, stated })
        }
        _ => Ok(survey),
    }
}

/// Groups surveyed files into deliveries: all into `key` if one is given, else by their main billing period.
///
/// # Errors
/// [`CollectError::SeveralPeriods`] or [`CollectError::NoPeriod`] when a file has no main billing period,
/// [`CollectError::SameFile`] when two hold the same.
pub fn deliveries(
    surveys: Vec<FileSurvey>,
    key: Option<&DeliveryKey>,
    format: &dyn Format,
    settings: &Settings,
) -> Result<Vec<Delivery>, CollectError> {
    let mut groups: BTreeMap<DeliveryKey, Vec<FileSurvey>> = BTreeMap::new();
    // Two statements of the same costs may well be the same text.
    let mut known: BTreeMap<(String, Option<Statement>), PathBuf> = BTreeMap::new();
    // A file with only a header states nothing; it matters when there is nothing else.
    let any = surveys.iter().any(|survey| survey.rows > 0);
    for survey in surveys.into_iter().filter(|survey| survey.rows > 0 || !any) {
        let path = survey.file.path.clone();
        if let Some(twin) = known.insert((survey.sha256.clone(), survey.file.statement), path.clone()) {
            return Err(CollectError::SameFile { path, twin });
        }
        let key = match key {
            Some(key) => key.clone(),
            None => DeliveryKey::new(main_period(&survey)?.format("%Y-%m").to_string()),
        };
        groups.entry(key).or_default().push(survey);
    }
    Ok(groups.into_iter().map(|(key, surveys)| delivery(key, surveys, format, settings)).collect())
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

/// Whether files make more than one statement of the same costs.
pub(crate) fn several_statements<'a>(files: impl IntoIterator<Item = &'a InputFile>) -> bool {
    let statements: BTreeSet<Statement> = files.into_iter().filter_map(|file| file.statement).collect();
    statements.len() > 1
}

fn delivery(key: DeliveryKey, surveys: Vec<FileSurvey>, format: &dyn Format, settings: &Settings) -> Delivery {
    let contents: BTreeSet<String> = surveys.iter().map(|survey| survey.sha256.clone()).collect();
    let mut fingerprint = format!("{}\n{contents:?}", settings.digest(format));
    let stated = |survey: &FileSurvey| Some((survey.file.statement?, survey.sha256.clone()));
    let statements: BTreeSet<(Statement, String)> = surveys.iter().filter_map(stated).collect();
    if !statements.is_empty() {
        fingerprint.push_str(&format!("{statements:?}"));
    }
    let fingerprint = hex(&Sha256::digest(fingerprint));
    let beside = several_statements(surveys.iter().map(|survey| &survey.file));
    let mut totals: BTreeMap<BalanceKey, Totals> = BTreeMap::new();
    let mut spend: BTreeMap<&str, i128> = BTreeMap::new();
    for survey in &surveys {
        for (key, more) in survey.beside.as_ref().filter(|_| beside).unwrap_or(&survey.totals) {
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
    let tag_keys: BTreeSet<TagKey> =
        by_spend.into_iter().take(MAX_TAG_COLUMNS).map(|(key, _)| TagKey::new(key)).collect();
    let mut columns: BTreeSet<String> = surveys.iter().flat_map(|survey| survey.columns.iter().cloned()).collect();
    let filled: Vec<String> = filled(&columns).collect();
    columns.extend(filled.into_iter().chain(tag_keys.iter().map(tag_column)));
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
