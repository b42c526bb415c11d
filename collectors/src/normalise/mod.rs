//! Turns raw cells into FOCUS charges.
//!
//! Every line ends up in exactly one place: a charge, or a reject with its reason, place and money. What is put right on
//! the way is counted. Nothing is dropped for its category, its sign or for lacking an account or a tag (P5).

mod cells;
pub mod columns;
mod coverage;
mod rejects;
mod services;
pub(crate) mod text;
pub(crate) mod times;

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use outlay_ledger::decimal;
use outlay_ledger::schema::{self, BILLING_PERIOD, CHARGE_DATE};
use outlay_ledger::tags::TagReader;
use outlay_model::focus::{self, FocusType};
use outlay_model::part::{BalanceKey, Reject, RejectReason, Repair, Repairs};
use outlay_model::query::Metric;
use outlay_model::{Currency, Money};
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked,
};

use crate::CollectError;
use crate::delivery::{Delivery, Settings};
use crate::input::InputFile;
use crate::labels::Labels;
use crate::raw::RawBatch;

use columns::Binding;
use times::TimeReader;

pub use coverage::Coverage;
pub(crate) use services::filled;

/// Charges of a batch and what did not become one.
#[derive(Debug)]
pub struct NormalBatch {
    /// The charges, with exactly the columns of [`Delivery::columns`].
    pub charges: DataFrame,
    /// The lines that were not taken.
    pub rejects: Vec<Reject>,
}

/// Reads the files of a delivery into charges, keeping count.
pub struct Normaliser<'a> {
    delivery: &'a Delivery,
    settings: &'a Settings,
    tags: TagReader,
    times: TimeReader,
    /// What was put right.
    pub repairs: Repairs,
    /// What rounding to 18 decimals took away, per invoice and cost.
    pub rounding: BTreeMap<(BalanceKey, Metric), BigDecimal>,
    /// Σ|cost| of the charges; `None` once it no longer fits.
    pub magnitude: BTreeMap<Metric, Option<Money>>,
    /// Σ|BilledCost| of the charges in each currency; right while the sum over all of them fits.
    pub billed: BTreeMap<Currency, Money>,
    /// What time the charges cover.
    pub coverage: Coverage,
}

/// The first thing wrong with a line.
#[derive(Debug, Clone)]
struct Fault {
    reason: RejectReason,
    column: Option<String>,
    value: Option<String>,
}

/// What rounding took from a number: of a cost, or of a price or quantity, which is only counted.
struct Rounding {
    row: usize,
    metric: Option<Metric>,
    lost: BigDecimal,
}

/// A batch on its way: the faults found so far, line by line.
struct Work<'a> {
    file: &'a InputFile,
    batch: &'a RawBatch,
    bindings: &'a [Binding],
    faults: BTreeMap<usize, Fault>,
}

impl Work<'_> {
    fn raw(&self, target: &str) -> Option<&Column> {
        let binding = self.bindings.iter().find(|binding| binding.target == target)?;
        self.batch.cells.column(&binding.raw).ok()
    }

    fn raw_text(&self, target: &str, row: usize) -> Option<String> {
        let text = decimal::cell_text(&self.raw(target)?.get(row).ok()?)?;
        (!text.trim().is_empty() && text != "NULL").then_some(text)
    }

    fn fault(&mut self, row: usize, reason: RejectReason, column: &str, value: Option<&str>) {
        let value = value.map(|text| text.chars().take(200).collect());
        self.faults.entry(row).or_insert(Fault { reason, column: Some(column.to_owned()), value });
    }
}

impl<'a> Normaliser<'a> {
    /// For the files of one delivery.
    #[must_use]
    pub fn new(delivery: &'a Delivery, settings: &'a Settings) -> Self {
        Self {
            delivery,
            settings,
            tags: TagReader::new(settings.tags.clone(), settings.privacy.clone()),
            times: TimeReader::default(),
            repairs: Repairs::new(),
            rounding: BTreeMap::new(),
            magnitude: Metric::ALL.iter().map(|metric| (*metric, Some(Money::ZERO))).collect(),
            billed: BTreeMap::new(),
            coverage: Coverage::default(),
        }
    }

    /// The files of the delivery, in order.
    #[must_use]
    pub fn files(&self) -> &'a [InputFile] {
        &self.delivery.files
    }

    /// Counts what had to be put right about the names of a file's columns.
    pub fn renamed(&mut self, bindings: &[Binding]) {
        for repair in bindings.iter().filter_map(|binding| binding.repair) {
            self.count(repair, 1);
        }
    }

    /// Counts what was put right.
    pub fn count(&mut self, repair: Repair, times: u64) {
        if times > 0 {
            *self.repairs.entry(repair).or_default() += times;
        }
    }

    /// Turns raw cells into charges: those of the columns that `bindings` name, each under its FOCUS or `x_` name.
    ///
    /// # Errors
    /// [`CollectError::Frame`], which is a bug.
    pub fn batch(
        &mut self,
        file: &InputFile,
        bindings: &[Binding],
        batch: &RawBatch,
    ) -> Result<NormalBatch, CollectError> {
        let height = batch.cells.height();
        let mut work = Work { file, batch, bindings, faults: BTreeMap::new() };
        for damaged in &batch.damaged {
            let (reason, value) = (damaged.reason, Some(damaged.what.clone()));
            work.faults.insert(damaged.row, Fault { reason, column: None, value });
        }
        batch.repairs.iter().for_each(|(repair, times)| self.count(*repair, *times));
        let mut columns: BTreeMap<String, Column> = BTreeMap::new();
        let mut roundings: Vec<Rounding> = Vec::new();
        for binding in bindings {
            let raw = batch.cells.column(&binding.raw)?;
            let column = match focus::find(&binding.target).map(|known| known.data_type) {
                Some(FocusType::Decimal) => self.decimals(&mut work, raw, &binding.target, &mut roundings),
                Some(FocusType::DateTime) => self.instants(&mut work, raw, &binding.target)?,
                _ if binding.target == "Tags" => continue,
                _ => self.texts(raw, &binding.target)?,
            };
            columns.insert(binding.target.clone(), column);
        }
        self.require(&mut work, &mut columns)?;
        self.derive(&mut columns)?;
        self.services(height, &mut columns)?;
        self.tag_columns(&work, &mut columns)?;

        let mut charges = self.complete(height, columns)?;
        if !work.faults.is_empty() {
            let keep: BooleanChunked = (0..height).map(|row| Some(!work.faults.contains_key(&row))).collect();
            charges = charges.filter(&keep)?;
        }
        self.tally(&charges)?;
        roundings.retain(|rounding| !work.faults.contains_key(&rounding.row));
        for Rounding { row, metric, lost } in roundings {
            self.count(Repair::NumberRounded, 1);
            if let Some(metric) = metric {
                *self.rounding.entry((self.key(&work, row), metric)).or_default() += lost;
            }
        }
        Ok(NormalBatch { charges, rejects: self.rejects(&work) })
    }

    /// Faults the lines without day, invoice or currency, and writes currencies as FOCUS does.
    fn require(&mut self, work: &mut Work<'_>, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        for (target, reason) in [
            ("ChargePeriodStart", RejectReason::MissingChargePeriod),
            ("BillingPeriodStart", RejectReason::MissingBillingPeriod),
        ] {
            let Some(column) = columns.get(target) else { continue };
            if column.null_count() > 0 {
                let nulls = column.is_null();
                let missing = nulls.iter().enumerate().filter(|(_, null)| *null == Some(true));
                missing.for_each(|(row, _)| work.fault(row, reason, target, None));
            }
        }
        let Some(column) = columns.get("BillingCurrency") else { return Ok(()) };
        let labels = Labels::of(column.str()?.iter());
        let read = |text: &Option<&str>| text.and_then(|text| text.trim().to_ascii_uppercase().parse().ok());
        let currencies: Vec<Option<Currency>> = labels.values.iter().map(read).collect();
        let mut cased = 0;
        let codes = labels.rows.iter().enumerate().map(|(row, label)| {
            let (text, currency) = (labels.values[*label], currencies[*label].as_ref().map(Currency::as_str));
            match currency {
                Some(code) => cased += u64::from(text != Some(code)),
                None => work.fault(row, RejectReason::MissingCurrency, "BillingCurrency", text),
            }
            currency
        });
        let codes = StringChunked::from_iter_options("BillingCurrency".into(), codes).into_column();
        columns.insert("BillingCurrency".to_owned(), codes);
        self.count(Repair::ValueCase, cased);
        Ok(())
    }

    /// Adds what every charge has, stated or not: its day, its billing period's first day, and who provides it.
    fn derive(&mut self, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        if let Some(starts) = columns.get("ChargePeriodStart") {
            let days = starts.cast(&DataType::Date)?.with_name(PlSmallStr::from_str(CHARGE_DATE));
            columns.insert(CHARGE_DATE.to_owned(), days);
        }
        if let Some(starts) = columns.get("BillingPeriodStart") {
            let days = self.billing_days(starts)?;
            columns.insert(BILLING_PERIOD.to_owned(), days);
        }
        // FOCUS 1.3 renamed ProviderName; both say who makes the service available.
        let provider = match (columns.get("ServiceProviderName"), columns.get("ProviderName")) {
            (Some(new), Some(old)) => Some(new.zip_with(&new.is_not_null(), old)?),
            (Some(new), None) => Some(new.clone()),
            (None, old) => old.cloned(),
        };
        if let Some(provider) = provider {
            let name = PlSmallStr::from_static("ServiceProviderName");
            columns.insert(name.to_string(), provider.with_name(name));
        }
        Ok(())
    }

    /// All columns of the delivery in their order; one this file does not have is null.
    fn complete(&self, height: usize, mut columns: BTreeMap<String, Column>) -> PolarsResult<DataFrame> {
        let names = schema::ordered(self.delivery.columns.iter().map(String::as_str));
        let columns = names.into_iter().map(|name| {
            columns
                .remove(&name)
                .unwrap_or_else(|| Column::full_null(PlSmallStr::from_str(&name), height, &schema::data_type(&name)))
        });
        DataFrame::new(height, columns.collect())
    }
}
