//! Adds up the raw cells of a file before anything interprets them.
//!
//! This is the source's side of the conservation check (P1). It shares with normalise no code that reads a number: those are
//! added up by [`ExactSum`], dates are read by chrono, texts stand as they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use outlay_ledger::decimal::cell_text;
use outlay_ledger::tags::TagReader;
use outlay_model::part::BalanceKey;
use outlay_model::query::Metric;
use polars::prelude::{AnyValue, DataFrame, DataType, Series, TimeUnit};

use super::Settings;
use super::columns::{self, Binding};
use super::text::tags_texts;
use crate::CollectError;
use crate::exact::ExactSum;
use crate::input::InputFile;
use crate::labels::Labels;
use crate::raw;

/// Σ of the raw cells of the four costs, in the order of [`Metric::ALL`].
pub type Totals = [ExactSum; 4];

/// What a file holds, by its raw cells.
#[derive(Debug, Clone)]
pub struct FileSurvey {
    /// The file.
    pub file: InputFile,
    /// The hash of its bytes.
    pub sha256: String,
    /// Its columns.
    pub header: Vec<String>,
    /// Its rows, malformed lines included.
    pub rows: u64,
    /// Rows per billing period.
    pub periods: BTreeMap<Option<NaiveDate>, u64>,
    /// Σ per invoice.
    pub totals: BTreeMap<BalanceKey, Totals>,
    /// Σ|BilledCost| per canonical tag key, in 10⁻⁶, to rank keys by.
    pub tag_spend: HashMap<String, i128>,
}

/// The columns a survey reads.
const SURVEYED: [&str; 8] = [
    "EffectiveCost",
    "BilledCost",
    "ListCost",
    "ContractedCost",
    "BillingPeriodStart",
    "InvoiceId",
    "BillingCurrency",
    "Tags",
];

/// Surveys files, one on each core, and gives the surveys in the order of the files. `progress` is told of every batch's
/// rows.
///
/// # Errors
/// [`CollectError`] of the first file that cannot be read to its end or is not a FOCUS export.
pub fn surveys(
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
            let survey = survey(file, settings, progress);
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

/// Reads a file once and adds up its raw cells.
fn survey(file: &InputFile, settings: &Settings, progress: &dyn Fn(u64)) -> Result<FileSurvey, CollectError> {
    let header = raw::header(file)?;
    let bindings = columns::bind(&header);
    columns::require(&file.path, &bindings)?;
    let wanted: Vec<String> = bindings
        .iter()
        .filter(|binding| SURVEYED.contains(&binding.target.as_str()))
        .map(|binding| binding.raw.clone())
        .collect();
    let mut survey = FileSurvey {
        file: file.clone(),
        sha256: String::new(),
        header,
        rows: 0,
        periods: BTreeMap::new(),
        totals: BTreeMap::new(),
        tag_spend: HashMap::new(),
    };
    let mut tags = TagReader::new(settings.tags.clone(), settings.privacy.clone());
    raw::batches(file, Some(&wanted), |batch| -> Result<(), CollectError> {
        let rows = (batch.lines.len() + batch.malformed.len()) as u64;
        survey.add(&Cells::of(&batch.cells, &bindings), &mut tags);
        survey.rows += rows;
        progress(rows);
        Ok(())
    })?;
    // After the rows: what cannot be read is told with its line.
    survey.sha256 = file.sha256()?;
    Ok(survey)
}

/// The surveyed columns of a batch.
struct Cells<'a> {
    height: usize,
    columns: BTreeMap<&'static str, &'a Series>,
}

impl<'a> Cells<'a> {
    fn of(cells: &'a DataFrame, bindings: &[Binding]) -> Self {
        let find = |target: &str| bindings.iter().find(|binding| binding.target == target);
        let columns = SURVEYED
            .iter()
            .filter_map(|target| Some((*target, cells.column(&find(target)?.raw).ok()?.as_materialized_series())));
        Self { height: cells.height(), columns: columns.collect() }
    }

    /// The texts of a column, null where it is null, blank or the word `NULL`.
    fn texts(&self, target: &str) -> Labels<Option<String>> {
        let Some(series) = self.columns.get(target) else {
            return Labels { values: vec![None], rows: vec![0; self.height] };
        };
        if let Ok(texts) = series.str() {
            return Labels::of(texts.iter()).map(|text| text.filter(|text| is_stated(text)).map(ToOwned::to_owned));
        }
        // Only the day and the hour of a time are ever asked for.
        let unit = TimeUnit::Microseconds;
        let times = series.dtype().is_temporal().then(|| series.cast(&DataType::Datetime(unit, None)));
        if let Some(Ok(times)) = times
            && let Ok(times) = times.datetime()
        {
            return Labels::of(times.physical().iter()).map(|time| cell_text(&AnyValue::Datetime(time?, unit, None)));
        }
        let texts: Vec<Option<String>> = series.iter().map(|cell| cell_text(&cell)).collect();
        Labels::of(texts.iter().map(Option::as_deref)).map(|text| text.map(ToOwned::to_owned))
    }

    /// The invoice of every row.
    fn invoices(&self) -> Labels<BalanceKey> {
        let [periods, invoices, currencies] =
            ["BillingPeriodStart", "InvoiceId", "BillingCurrency"].map(|name| self.texts(name));
        let places = periods.rows.iter().zip(&invoices.rows).zip(&currencies.rows);
        Labels::of(places.map(|((period, invoice), currency)| (*period, *invoice, *currency))).map(
            |(period, invoice, currency)| {
                let [period, invoice, currency] =
                    [&periods.values[period], &invoices.values[invoice], &currencies.values[currency]];
                raw_key(period.as_deref(), invoice.as_deref(), currency.as_deref())
            },
        )
    }

    /// Adds the cells of a cost to the sums of their rows. What cannot be read adds nothing here; normalise rejects the line
    /// and says so.
    fn add_costs(&self, metric: Metric, rows: &[usize], sums: &mut [&mut ExactSum]) {
        let Some(series) = self.columns.get(metric.column()) else { return };
        let rows = rows.iter();
        if let Ok(doubles) = series.f64() {
            for (row, double) in rows.zip(doubles.iter()) {
                double.map(|double| sums[*row].add_double(double));
            }
        } else if let Ok(decimals) = series.decimal() {
            for (row, units) in rows.zip(decimals.physical().iter()) {
                if let Some(units) = units {
                    sums[*row].add_scaled(units, -(decimals.scale() as i32));
                }
            }
        } else if let Ok(texts) = series.str() {
            for (row, text) in rows.zip(texts.iter()) {
                text.filter(|text| is_stated(text)).map(|text| sums[*row].add(text.trim()));
            }
        } else {
            for (row, cell) in rows.zip(series.iter()) {
                cell_text(&cell).map(|text| sums[*row].add(&text));
            }
        }
    }

    /// The texts of the tags, and what was spent on each in 10⁻⁶: fine enough to rank by, and no amount anybody sees.
    fn tag_spend(&self) -> Vec<(String, i128)> {
        let (Some(tags), Some(billed)) = (self.columns.get("Tags"), self.columns.get(Metric::Billed.column())) else {
            return Vec::new();
        };
        let labels = tags_texts(tags);
        let mut spend = vec![0_i128; labels.values.len()];
        let mut add = |row: usize, cost: Option<f64>| {
            let sum = &mut spend[labels.rows[row]];
            *sum = sum.saturating_add(cost.map_or(0, |cost| (cost.abs() * 1e6) as i128));
        };
        match billed.f64() {
            Ok(doubles) => doubles.iter().enumerate().for_each(|(row, cost)| add(row, cost)),
            Err(_) => billed.iter().enumerate().for_each(|(row, cell)| {
                add(row, cell_text(&cell).and_then(|text| text.trim().parse().ok()));
            }),
        }
        labels.values.into_iter().zip(spend).filter_map(|(text, spend)| Some((text?, spend))).collect()
    }
}

/// Whether a cell says anything: it is not blank, and not the word `NULL`.
fn is_stated(text: &str) -> bool {
    !text.trim().is_empty() && text != "NULL"
}

impl FileSurvey {
    fn add(&mut self, cells: &Cells<'_>, tags: &mut TagReader) {
        let invoices = cells.invoices();
        let mut rows = vec![0_u64; invoices.values.len()];
        invoices.rows.iter().for_each(|invoice| rows[*invoice] += 1);
        let mut totals: Vec<Totals> = vec![Totals::default(); invoices.values.len()];
        for (place, metric) in Metric::ALL.iter().enumerate() {
            let mut sums: Vec<&mut ExactSum> = totals.iter_mut().map(|totals| &mut totals[place]).collect();
            cells.add_costs(*metric, &invoices.rows, &mut sums);
        }
        for ((key, rows), totals) in invoices.values.into_iter().zip(rows).zip(totals) {
            *self.periods.entry(key.billing_period).or_default() += rows;
            let sums = self.totals.entry(key).or_default();
            sums.iter_mut().zip(&totals).for_each(|(sum, more)| sum.merge(more));
        }
        for (text, spend) in cells.tag_spend() {
            for (key, _) in &tags.read(&text).pairs {
                match self.tag_spend.get_mut(key) {
                    Some(sum) => *sum = sum.saturating_add(spend),
                    None => {
                        self.tag_spend.insert(key.clone(), spend);
                    }
                }
            }
        }
    }
}

/// Which invoice a line's money belongs to, from its raw cells.
pub(super) fn raw_key(period: Option<&str>, invoice: Option<&str>, currency: Option<&str>) -> BalanceKey {
    BalanceKey {
        billing_period: period.and_then(raw_date),
        invoice: invoice.map(ToOwned::to_owned),
        currency: currency.map(|text| text.trim().to_ascii_uppercase()).unwrap_or_default(),
    }
}

/// The UTC day of an instant with an offset, else the leading `YYYY-MM-DD`, or `YYYY-M-D`. From ten o'clock on the last day
/// of a month it is the day after, for that is midnight in the east.
fn raw_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (day, hour) = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => (instant.to_utc().date_naive(), instant.to_utc().hour()),
        Err(_) => {
            let time = text[end..].trim_start_matches(['T', ' ']).split(':').next().unwrap_or_default();
            (text[..end].parse().ok()?, time.parse().unwrap_or(0))
        }
    };
    day.succ_opt().filter(|next| hour >= 10 && next.day() == 1).or(Some(day))
}
