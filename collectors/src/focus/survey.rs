//! Adds up the raw cells of a file before anything interprets them.
//!
//! This is the source's side of the conservation check (P1). It shares no code with normalise: numbers are read by
//! [`ExactSum`], dates by chrono, texts as they stand.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use outlay_ledger::decimal::cell_text;
use outlay_ledger::tags::TagReader;
use outlay_model::part::BalanceKey;
use outlay_model::query::Metric;
use polars::prelude::{AnyValue, Column, DataFrame, DataType, IntoSeries, TimeUnit};

use super::Settings;
use super::columns::{self, Binding};
use super::text::tags_text;
use crate::CollectError;
use crate::exact::ExactSum;
use crate::input::InputFile;
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

/// Reads a file once and adds up its raw cells. `progress` is told of every batch's rows.
///
/// # Errors
/// [`CollectError`] when it cannot be read to its end or is not a FOCUS export.
pub fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &mut dyn FnMut(u64),
) -> Result<FileSurvey, CollectError> {
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

/// The surveyed columns of a batch, as text.
struct Cells<'a> {
    height: usize,
    columns: BTreeMap<&'static str, &'a Column>,
}

impl<'a> Cells<'a> {
    fn of(cells: &'a DataFrame, bindings: &[Binding]) -> Self {
        let find = |target: &str| bindings.iter().find(|binding| binding.target == target);
        let columns =
            SURVEYED.iter().filter_map(|target| Some((*target, cells.column(&find(target)?.raw).ok()?))).collect();
        Self { height: cells.height(), columns }
    }

    /// The texts of a column, null where it is null, blank or the word `NULL`.
    fn texts(&self, target: &str) -> Vec<Option<String>> {
        let Some(column) = self.columns.get(target) else { return vec![None; self.height] };
        let stated = |text: &String| !text.trim().is_empty() && text != "NULL";
        let series = column.as_materialized_series();
        // Only the day and the hour of a time are ever asked for.
        let hours = series.dtype().is_temporal().then(|| {
            let texts = series.cast(&DataType::Datetime(TimeUnit::Microseconds, None));
            texts.and_then(|times| Ok(times.datetime()?.strftime("%Y-%m-%dT%H:%M:%SZ")?.into_series()))
        });
        let series = hours.and_then(Result::ok).unwrap_or_else(|| series.clone());
        match series.str() {
            Ok(texts) => texts.iter().map(|text| text.map(ToOwned::to_owned).filter(stated)).collect(),
            Err(_) => series.iter().map(|cell| cell_text(&cell).filter(stated)).collect(),
        }
    }
}

impl FileSurvey {
    fn add(&mut self, cells: &Cells<'_>, tags: &mut TagReader) {
        let periods = cells.texts("BillingPeriodStart");
        let invoices = cells.texts("InvoiceId");
        let currencies = cells.texts("BillingCurrency");
        let costs = Metric::ALL.iter().map(|metric| cells.texts(metric.column())).collect::<Vec<_>>();
        let billed = &costs[1];
        let mut raw_keys: HashMap<[Option<&str>; 3], BalanceKey> = HashMap::new();
        for row in 0..cells.height {
            let raw = [periods[row].as_deref(), invoices[row].as_deref(), currencies[row].as_deref()];
            let key = raw_keys.entry(raw).or_insert_with(|| raw_key(raw[0], raw[1], raw[2])).clone();
            *self.periods.entry(key.billing_period).or_default() += 1;
            let totals = self.totals.entry(key).or_default();
            for (sum, texts) in totals.iter_mut().zip(&costs) {
                // What cannot be read adds nothing here; normalise rejects the line and says so.
                texts[row].as_deref().map(|text| sum.add(text.trim()));
            }
        }
        if let Some(column) = cells.columns.get("Tags") {
            for (row, cell) in column.as_materialized_series().iter().enumerate() {
                self.rank_tags(&cell, billed[row].as_deref(), tags);
            }
        }
    }

    fn rank_tags(&mut self, cell: &AnyValue<'_>, billed: Option<&str>, tags: &mut TagReader) {
        let Some(text) = tags_text(cell) else { return };
        // Millionths are fine enough to rank by; this is not an amount anybody sees.
        let spend =
            billed.and_then(|text| text.trim().parse::<f64>().ok()).map_or(0, |cost| (cost.abs() * 1e6) as i128);
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
