//! Adds up the raw cells of a file before anything interprets them.
//!
//! This is the source's side of the conservation check (P1). It shares with normalise no code that reads a number: those are
//! added up by [`ExactSum`], dates are read by chrono, texts stand as they are.

use std::collections::{BTreeMap, HashMap};

use outlay_ledger::decimal::cell_text;
use outlay_ledger::tags::TagReader;
use outlay_model::part::BalanceKey;
use outlay_model::query::Metric;
use polars::prelude::{AnyValue, DataFrame, DataType, Series, TimeUnit};

use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::input::InputFile;
use crate::invoice::raw_key;
use crate::labels::Labels;
use crate::normalise::columns::{self, Binding};
use crate::normalise::text::tags_texts;
use crate::{CollectError, raw};

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

/// Reads a file once and adds up its raw cells.
pub(super) fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &dyn Fn(u64),
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
        columns: columns::of_charges(&header),
        rows: 0,
        periods: BTreeMap::new(),
        totals: BTreeMap::new(),
        beside: None,
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
