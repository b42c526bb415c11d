//! Turns raw cells into FOCUS charges.
//!
//! Every line ends up in exactly one place: a charge, or a reject with its reason, place and money. What is put right on
//! the way is counted. Nothing is dropped for its category, its sign or for lacking an account or a tag (P5).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bigdecimal::BigDecimal;
use chrono::{DateTime, Days, NaiveDate};
use outlay_ledger::schema::{self, BILLING_PERIOD, CHARGE_DATE};
use outlay_ledger::tags::TagReader;
use outlay_ledger::{decimal, tags};
use outlay_model::dimension::tag_column;
use outlay_model::focus::{self, FocusType};
use outlay_model::money::{MoneyError, ReadMoney};
use outlay_model::part::{BalanceKey, Reject, RejectReason, Repair, Repairs};
use outlay_model::query::Metric;
use outlay_model::{Currency, Money};
use polars::prelude::{
    AnyValue, BooleanChunked, Column, DataFrame, DataType, Int64Chunked, IntoColumn, NewChunkedArray, PlSmallStr,
    PolarsResult, StringChunked, StringChunkedBuilder,
};

use super::columns::{self, Binding};
use super::survey::raw_key;
use super::text::{tags_text, texts};
use super::times::TimeReader;
use super::{Delivery, Settings};
use crate::CollectError;
use crate::input::InputFile;
use crate::raw::{self, RawBatch};

/// Charges of a batch and what did not become one.
#[derive(Debug)]
pub struct NormalBatch {
    /// The charges, with exactly the columns of [`Delivery::columns`].
    pub charges: DataFrame,
    /// The lines that were not taken.
    pub rejects: Vec<Reject>,
}

/// What the charges of a delivery say about time, for honest gaps (P6).
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Days that usage covers.
    pub usage: BTreeSet<NaiveDate>,
    /// Days that any charge covers.
    pub any: BTreeSet<NaiveDate>,
    /// Whether some charge covers less than a day.
    pub hourly: bool,
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
    faults: Vec<Option<Fault>>,
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
        self.faults[row].get_or_insert(Fault { reason, column: Some(column.to_owned()), value });
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
            coverage: Coverage::default(),
        }
    }

    /// Calls `each` with every batch of the delivery's files, in order.
    ///
    /// # Errors
    /// [`CollectError`] when a file cannot be read to its end, or what `each` fails with.
    pub fn run<E: From<CollectError>>(&mut self, mut each: impl FnMut(NormalBatch) -> Result<(), E>) -> Result<(), E> {
        for file in &self.delivery.files {
            let bindings = columns::bind(&raw::header(file)?);
            columns::require(&file.path, &bindings)?;
            for repair in bindings.iter().filter_map(|binding| binding.repair) {
                self.count(repair, 1);
            }
            raw::batches(file, None, |batch| each(self.batch(file, &bindings, &batch)?))?;
        }
        Ok(())
    }

    fn count(&mut self, repair: Repair, times: u64) {
        if times > 0 {
            *self.repairs.entry(repair).or_default() += times;
        }
    }

    fn batch(&mut self, file: &InputFile, bindings: &[Binding], batch: &RawBatch) -> Result<NormalBatch, CollectError> {
        let height = batch.cells.height();
        let mut work = Work { file, batch, bindings, faults: vec![None; height] };
        for row in &batch.invalid_text {
            work.faults[*row] = Some(Fault { reason: RejectReason::InvalidText, column: None, value: None });
        }
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
        self.tag_columns(&work, &mut columns)?;

        let keep: BooleanChunked = work.faults.iter().map(|fault| Some(fault.is_none())).collect();
        let charges = self.complete(height, columns)?.filter(&keep)?;
        self.tally(&charges)?;
        for Rounding { row, metric, lost } in
            roundings.into_iter().filter(|rounding| work.faults[rounding.row].is_none())
        {
            self.count(Repair::NumberRounded, 1);
            if let Some(metric) = metric {
                *self.rounding.entry((self.key(&work, row), metric)).or_default() += lost;
            }
        }
        Ok(NormalBatch { charges, rejects: self.rejects(&work) })
    }

    fn texts(&mut self, raw: &Column, target: &str) -> PolarsResult<Column> {
        let texts = texts(raw, target);
        self.count(Repair::NullText, texts.null_words);
        self.count(Repair::BlankText, texts.blanks);
        let allowed = focus::find(target).map_or(&[][..], |known| known.allowed);
        if target.starts_with("x_") {
            return Ok(self.without_persons(target, texts.values));
        }
        if allowed.is_empty() || target == "ServiceSubcategory" {
            return Ok(texts.values.into_column());
        }
        let mut spelled: HashMap<&str, &str> = HashMap::new();
        let (mut cased, mut foreign) = (0, 0);
        let values = texts.values.iter().map(|value| {
            value.map(|text| {
                let known = *spelled.entry(text).or_insert_with(|| {
                    allowed.iter().copied().find(|word| word.eq_ignore_ascii_case(text)).unwrap_or(text)
                });
                cased += u64::from(known != text);
                foreign += u64::from(!allowed.contains(&known));
                known
            })
        });
        let column = StringChunked::from_iter_options(PlSmallStr::from_str(target), values).into_column();
        self.count(Repair::ValueCase, cased);
        self.count(Repair::ValueNotAllowed, foreign);
        Ok(column)
    }

    /// A column FOCUS does not know may hold people (P10).
    fn without_persons(&mut self, target: &str, values: StringChunked) -> Column {
        let privacy: &tags::Privacy = &self.settings.privacy;
        // The list of persons' fields has the names bills give them; what to keep is said by either name.
        let name = target.strip_prefix("x_").unwrap_or(target);
        let kept = privacy.keep.iter().any(|kept| kept == target);
        if kept || !values.iter().flatten().any(|text| privacy.hides(name, text)) {
            return values.into_column();
        }
        let mut hidden = 0;
        let kept = values.iter().map(|value| {
            let hides = value.is_some_and(|text| privacy.hides(name, text));
            hidden += u64::from(hides);
            value.filter(|_| !hides)
        });
        let column = StringChunked::from_iter_options(PlSmallStr::from_str(target), kept).into_column();
        self.count(Repair::PersonDropped, hidden);
        column
    }

    fn decimals(&mut self, work: &mut Work<'_>, raw: &Column, target: &str, roundings: &mut Vec<Rounding>) -> Column {
        let metric = Metric::ALL.iter().copied().find(|metric| metric.column() == target);
        let (mut null_words, mut unreadable) = (0, 0);
        let series = raw.as_materialized_series();
        let mut read = |row: usize, cell: Option<Result<ReadMoney, MoneyError>>, text: &dyn Fn() -> String| match cell?
        {
            Ok(ReadMoney { money, rounding }) => {
                roundings.extend(rounding.map(|lost| Rounding { row, metric, lost }));
                Some(money)
            }
            Err(_) if metric.is_none() => {
                unreadable += 1;
                None
            }
            Err(error) => {
                let reason = match error {
                    MoneyError::Unreadable => RejectReason::UnreadableNumber,
                    MoneyError::OutOfRange => RejectReason::NumberOutOfRange,
                };
                work.fault(row, reason, target, Some(&text()));
                None
            }
        };
        let mut from_text = |text: Option<&str>| match text.map(str::trim) {
            None | Some("") => None,
            Some("NULL") => {
                null_words += 1;
                None
            }
            Some(text) => Some(Money::read(text)),
        };
        let amounts: Vec<Option<Money>> = match series.dtype() {
            DataType::String => match series.str() {
                Ok(texts) => texts
                    .iter()
                    .enumerate()
                    .map(|(row, text)| read(row, from_text(text), &|| text.unwrap_or_default().to_owned()))
                    .collect(),
                Err(_) => Vec::new(),
            },
            DataType::Float64 => match series.f64() {
                Ok(doubles) => doubles
                    .iter()
                    .enumerate()
                    .map(|(row, double)| {
                        let text = || double.map(|double| format!("{double:?}")).unwrap_or_default();
                        read(row, double.map(decimal::read_double), &text)
                    })
                    .collect(),
                Err(_) => Vec::new(),
            },
            _ => series
                .iter()
                .enumerate()
                .map(|(row, cell)| {
                    let number = match &cell {
                        AnyValue::Decimal(units, _, scale) => Some(decimal::read_scaled(*units, *scale)),
                        other => decimal::cell_text(other).as_deref().map(Money::read),
                    };
                    read(row, number, &|| cell.to_string())
                })
                .collect(),
        };
        self.count(Repair::NullText, null_words);
        self.count(Repair::NumberUnreadable, unreadable);
        decimal::column(target, amounts)
    }

    fn instants(&mut self, work: &mut Work<'_>, raw: &Column, target: &str) -> PolarsResult<Column> {
        if matches!(raw.dtype(), DataType::Date | DataType::Datetime(..)) {
            return raw.cast(&schema::instant()).map(|column| column.with_name(PlSmallStr::from_str(target)));
        }
        let texts = texts(raw, target);
        self.count(Repair::NullText, texts.null_words);
        let mut unzoned = 0;
        let times = &mut self.times;
        let micros = texts.values.iter().enumerate().map(|(row, text)| {
            let text = text?;
            let read = times.read(text);
            match read {
                Some(time) => {
                    unzoned += u64::from(!time.zoned);
                    Some(time.micros)
                }
                None => {
                    work.fault(row, RejectReason::UnreadableTime, target, Some(text));
                    None
                }
            }
        });
        let micros: Vec<Option<i64>> = micros.collect();
        self.count(Repair::TimeWithoutZone, unzoned);
        let column = Int64Chunked::from_iter_options(PlSmallStr::from_str(target), micros.into_iter());
        column.into_column().cast(&schema::instant())
    }

    /// Faults the lines without day, invoice or currency, and writes currencies as FOCUS does.
    fn require(&mut self, work: &mut Work<'_>, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        for (target, reason) in [
            ("ChargePeriodStart", RejectReason::MissingChargePeriod),
            ("BillingPeriodStart", RejectReason::MissingBillingPeriod),
        ] {
            let Some(column) = columns.get(target) else { continue };
            for row in column.is_null().iter().enumerate().filter(|(_, null)| *null == Some(true)).map(|(row, _)| row) {
                work.fault(row, reason, target, None);
            }
        }
        let Some(column) = columns.get("BillingCurrency") else { return Ok(()) };
        let mut builder = StringChunkedBuilder::new("BillingCurrency".into(), column.len());
        let mut cased = 0;
        for (row, text) in column.str()?.iter().enumerate() {
            let code = text.map(|text| text.trim().to_ascii_uppercase());
            match code.as_deref().map(str::parse::<Currency>) {
                Some(Ok(currency)) => {
                    cased += u64::from(text != Some(currency.as_str()));
                    builder.append_value(currency.as_str());
                }
                _ => {
                    work.fault(row, RejectReason::MissingCurrency, "BillingCurrency", text);
                    builder.append_null();
                }
            }
        }
        columns.insert("BillingCurrency".to_owned(), builder.finish().into_column());
        self.count(Repair::ValueCase, cased);
        Ok(())
    }

    /// Adds what every charge has, stated or not: its day, its billing period's first day, and who provides it.
    fn derive(&mut self, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        for (from, to) in [("ChargePeriodStart", CHARGE_DATE), ("BillingPeriodStart", BILLING_PERIOD)] {
            if let Some(column) = columns.get(from) {
                let date = column.cast(&DataType::Date)?.with_name(PlSmallStr::from_str(to));
                columns.insert(to.to_owned(), date);
            }
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

    fn tag_columns(&mut self, work: &Work<'_>, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        let Some(raw) = work.raw("Tags") else { return Ok(()) };
        let series = raw.as_materialized_series();
        let height = series.len();
        let mut text = StringChunkedBuilder::new("Tags".into(), height);
        let mut values: HashMap<&str, Vec<Option<String>>> = HashMap::new();
        let mut counted: [(Repair, u64); 4] =
            [(Repair::TagsUnreadable, 0), (Repair::TagNested, 0), (Repair::TagClash, 0), (Repair::PersonDropped, 0)];
        let mut null_words = 0;
        for (row, cell) in series.iter().enumerate() {
            null_words += u64::from(matches!(cell, AnyValue::String("NULL")));
            let Some(stated) = tags_text(&cell) else {
                text.append_null();
                continue;
            };
            let read = self.tags.read(&stated);
            text.append_value(read.rewritten.as_deref().unwrap_or(&stated));
            let seen = [u64::from(read.unreadable), read.nested, read.clashes, read.persons];
            counted.iter_mut().zip(seen).for_each(|((_, count), more)| *count += more);
            for (key, value) in &read.pairs {
                if let Some(key) = self.delivery.tag_keys.get(key.as_str()) {
                    let column = values.entry(key.as_str()).or_insert_with(|| vec![None; height]);
                    column[row] = Some(value.clone());
                }
            }
        }
        columns.insert("Tags".to_owned(), text.finish().into_column());
        for key in &self.delivery.tag_keys {
            if let Some(values) = values.remove(key.as_str()) {
                let name = tag_column(key);
                let column = StringChunked::from_iter_options(PlSmallStr::from_str(&name), values.into_iter());
                columns.insert(name, column.into_column());
            }
        }
        self.count(Repair::NullText, null_words);
        counted.into_iter().for_each(|(repair, count)| self.count(repair, count));
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

    /// Keeps the sums that guards need, and the days the charges cover.
    fn tally(&mut self, charges: &DataFrame) -> PolarsResult<()> {
        for (metric, sum) in &mut self.magnitude {
            let Ok(column) = charges.column(metric.column()) else { continue };
            for amount in decimal::amounts(column.as_materialized_series())?.into_iter().flatten() {
                *sum = sum.and_then(|sum| sum.checked_add(amount.abs()));
            }
        }
        let instants = |name: &str| -> PolarsResult<Vec<Option<i64>>> {
            match charges.column(name) {
                Ok(column) => Ok(column.cast(&DataType::Int64)?.i64()?.iter().collect()),
                Err(_) => Ok(vec![None; charges.height()]),
            }
        };
        let (starts, ends, bills) =
            (instants("ChargePeriodStart")?, instants("ChargePeriodEnd")?, instants("BillingPeriodEnd")?);
        let usage: Vec<bool> = match charges.column("ChargeCategory") {
            Ok(column) => column.str()?.iter().map(|category| category == Some("Usage")).collect(),
            Err(_) => vec![false; charges.height()],
        };
        let (mut last, mut empty) = (None, 0);
        for row in 0..charges.height() {
            let Some(start) = starts[row] else { continue };
            let end = ends[row];
            empty += u64::from(end.is_some_and(|end| end <= start));
            let span = (start, end, bills[row], usage[row]);
            if last.replace(span) != Some(span) {
                self.coverage.add(span);
            }
        }
        self.count(Repair::EmptyPeriod, empty);
        Ok(())
    }

    fn key(&self, work: &Work<'_>, row: usize) -> BalanceKey {
        let text = |target| work.raw_text(target, row);
        raw_key(text("BillingPeriodStart").as_deref(), text("InvoiceId").as_deref(), text("BillingCurrency").as_deref())
    }

    fn rejects(&self, work: &Work<'_>) -> Vec<Reject> {
        let file = work.file.name();
        let faulty = work.faults.iter().enumerate().filter_map(|(row, fault)| Some((row, fault.as_ref()?)));
        let rejected = faulty.map(|(row, fault)| {
            let cost = |metric: &Metric| {
                let text = work.raw_text(metric.column(), row)?;
                Some((*metric, text.trim().to_owned()))
            };
            let stated: BTreeMap<Metric, String> = Metric::ALL.iter().filter_map(cost).collect();
            let costs: BTreeMap<Metric, BigDecimal> =
                stated.iter().filter_map(|(metric, text)| Some((*metric, exact(text)?))).collect();
            Reject {
                reason: fault.reason,
                file: file.clone(),
                line: work.batch.lines[row],
                column: fault.column.clone(),
                value: fault.value.clone(),
                key: self.key(work, row),
                unpriced: costs.len() < stated.len() || !costs.contains_key(&Metric::Billed),
                costs,
            }
        });
        let malformed = work.batch.malformed.iter().map(|record| Reject {
            reason: RejectReason::MalformedRecord,
            file: file.clone(),
            line: record.line,
            column: None,
            value: Some(format!("{} fields, the header has {}", record.fields, record.expected)),
            key: raw_key(None, None, None),
            costs: BTreeMap::new(),
            unpriced: true,
        });
        let mut rejects: Vec<Reject> = rejected.chain(malformed).collect();
        rejects.sort_by_key(|reject| reject.line);
        rejects
    }
}

/// The exact number of a rejected cell, however large; `None` when it is not a number.
fn exact(text: &str) -> Option<BigDecimal> {
    let mut sum = crate::exact::ExactSum::default();
    sum.add(text).then(|| sum.total())
}

impl Coverage {
    /// Adds the days from a charge's start to its end, or to the end of its billing period if that is earlier: a charge
    /// that pays for three years does not make three years of bills complete.
    fn add(&mut self, (start, end, bill_end, usage): (i64, Option<i64>, Option<i64>, bool)) {
        const HOUR: i64 = 3_600_000_000;
        let day = |micros: i64| DateTime::from_timestamp_micros(micros).map(|instant| instant.date_naive());
        let end = end.map(|end| bill_end.map_or(end, |bill_end| end.min(bill_end.max(start))));
        self.hourly |= end.is_some_and(|end| end > start && end - start <= HOUR);
        let Some(first) = day(start) else { return };
        let last = end.and_then(|end| day(end.max(start + 1) - 1)).unwrap_or(first);
        for day in first.iter_days().take_while(|day| *day <= last.min(first + Days::new(366))) {
            self.any.insert(day);
            if usage {
                self.usage.insert(day);
            }
        }
    }
}
