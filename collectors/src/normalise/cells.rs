//! One column at a time: text, numbers, instants and tags, with what had to be put right.

use std::collections::{BTreeMap, HashMap};

use outlay_ledger::tags::Privacy;
use outlay_ledger::{decimal, schema};
use outlay_model::dimension::tag_column;
use outlay_model::focus;
use outlay_model::money::{MoneyError, ReadMoney};
use outlay_model::part::{RejectReason, Repair};
use outlay_model::query::Metric;
use outlay_model::{Money, TagKey};
use polars::prelude::{
    AnyValue, Column, DataType, Int32Chunked, Int64Chunked, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult,
    StringChunked,
};

use super::text::{tags_texts, texts};
use super::times::billing_day;
use super::{Normaliser, Rounding, Work};
use crate::labels::Labels;

/// FOCUS columns of names that a customer, not the provider, gives: people give their own. Billing account and invoice are
/// left alone, because sums are kept by them.
const MAY_BE_PERSONS: &[&str] = &[
    "AllocatedResourceId",
    "AllocatedResourceName",
    "BillingAccountName",
    "CapacityReservationId",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "ResourceId",
    "ResourceName",
    "SubAccountId",
    "SubAccountName",
];

/// Columns besides `Tags` that are objects of customers' own keys and values.
const OBJECTS: &[&str] = &["AllocatedTags", "x_AdjustmentInfo", "x_CostCategories", "x_Project", "x_Resource"];

/// The word as FOCUS spells it, where it is one of the allowed ones.
fn spelled<'a>(allowed: &[&'a str], text: &'a str) -> &'a str {
    allowed.iter().copied().find(|word| word.eq_ignore_ascii_case(text)).unwrap_or(text)
}

impl Normaliser<'_> {
    pub(super) fn texts(&mut self, raw: &Column, target: &str) -> PolarsResult<Column> {
        let texts = texts(raw, target);
        self.count(Repair::NullText, texts.null_words);
        self.count(Repair::BlankText, texts.blanks);
        let known = focus::find(target);
        if known.is_some() && raw.dtype().is_numeric() {
            self.count(Repair::TextFromNumber, (texts.values.len() - texts.values.null_count()) as u64);
        }
        if OBJECTS.contains(&target) {
            return Ok(self.tags_without_persons(target, &texts.values));
        }
        if known.is_none() || MAY_BE_PERSONS.contains(&target) {
            return Ok(self.without_persons(target, texts.values));
        }
        let allowed = known.map_or(&[][..], |known| known.allowed);
        if allowed.is_empty() || target == "ServiceSubcategory" {
            return Ok(texts.values.into_column());
        }
        let labels = Labels::of(texts.values.iter());
        let known: Vec<Option<&str>> = labels.values.iter().map(|value| Some(spelled(allowed, (*value)?))).collect();
        if labels.values == known && known.iter().flatten().all(|word| allowed.contains(word)) {
            return Ok(texts.values.into_column());
        }
        let (mut cased, mut foreign) = (0, 0);
        let values = labels.rows.iter().map(|label| {
            cased += u64::from(known[*label] != labels.values[*label]);
            foreign += u64::from(known[*label].is_some_and(|word| !allowed.contains(&word)));
            known[*label]
        });
        let column = StringChunked::from_iter_options(PlSmallStr::from_str(target), values).into_column();
        self.count(Repair::ValueCase, cased);
        self.count(Repair::ValueNotAllowed, foreign);
        Ok(column)
    }

    /// Tags that are only kept, without the people in them (P10).
    fn tags_without_persons(&mut self, target: &str, values: &StringChunked) -> Column {
        let mut hidden = 0;
        let tags = &mut self.tags;
        let kept = values.iter().map(|value| {
            let read = tags.read(value?);
            hidden += read.persons;
            Some(read.rewritten.clone().unwrap_or_else(|| value.unwrap_or_default().to_owned()))
        });
        let column = StringChunked::from_iter_options(PlSmallStr::from_str(target), kept).into_column();
        self.count(Repair::PersonDropped, hidden);
        column
    }

    /// A column FOCUS does not know may hold people, and so may the names that customers give things (P10).
    fn without_persons(&mut self, target: &str, values: StringChunked) -> Column {
        let privacy: &Privacy = &self.settings.privacy;
        // The list of persons' fields has the names bills give them; what to keep is said by either name.
        let name = target.strip_prefix("x_").unwrap_or(target);
        let kept = privacy.keep.iter().any(|kept| kept == target);
        let hides = privacy.hides_under(name);
        if kept || !values.iter().flatten().any(&hides) {
            return values.into_column();
        }
        let mut hidden = 0;
        let kept = values.iter().map(|value| {
            let hides = value.is_some_and(&hides);
            hidden += u64::from(hides);
            value.filter(|_| !hides)
        });
        let column = StringChunked::from_iter_options(PlSmallStr::from_str(target), kept).into_column();
        self.count(Repair::PersonDropped, hidden);
        column
    }

    pub(super) fn decimals(
        &mut self,
        work: &mut Work<'_>,
        raw: &Column,
        target: &str,
        roundings: &mut Vec<Rounding>,
    ) -> Column {
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

    pub(super) fn instants(&mut self, work: &mut Work<'_>, raw: &Column, target: &str) -> PolarsResult<Column> {
        if matches!(raw.dtype(), DataType::Date | DataType::Datetime(..)) {
            if matches!(raw.dtype(), DataType::Date | DataType::Datetime(_, None)) {
                self.count(Repair::TimeWithoutZone, (raw.len() - raw.null_count()) as u64);
            }
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

    /// The first day of each billing period.
    pub(super) fn billing_days(&mut self, starts: &Column) -> PolarsResult<Column> {
        let (mut last, mut moved) = (None, 0);
        let starts = starts.cast(&DataType::Int64)?;
        let days = starts.i64()?.iter().map(|micros| {
            let micros = micros?;
            // A bill has a handful of them, in long runs.
            let (day, east) = match last {
                Some((start, day)) if start == micros => day,
                _ => last.insert((micros, billing_day(micros)?)).1,
            };
            moved += u64::from(east);
            Some(day.to_epoch_days())
        });
        let days = Int32Chunked::from_iter_options(PlSmallStr::from_static(schema::BILLING_PERIOD), days);
        self.count(Repair::PeriodEast, moved);
        days.into_column().cast(&DataType::Date)
    }

    pub(super) fn tag_columns(&mut self, work: &Work<'_>, columns: &mut BTreeMap<String, Column>) -> PolarsResult<()> {
        let Some(raw) = work.raw("Tags") else { return Ok(()) };
        let series = raw.as_materialized_series();
        let labels = tags_texts(series);
        let mut rows = vec![0; labels.values.len()];
        labels.rows.iter().for_each(|label| rows[*label] += 1);
        let mut counted: [(Repair, u64); 4] =
            [(Repair::TagsUnreadable, 0), (Repair::TagNested, 0), (Repair::TagClash, 0), (Repair::PersonDropped, 0)];
        let reads: Vec<_> = labels.values.iter().map(|text| text.as_deref().map(|text| self.tags.read(text))).collect();
        let mut kept: Vec<Option<&str>> = labels.values.iter().map(Option::as_deref).collect();
        let mut values: HashMap<&str, Vec<Option<&str>>> = HashMap::new();
        for (label, read) in reads.iter().enumerate().filter_map(|(label, read)| Some((label, read.as_ref()?))) {
            kept[label] = read.rewritten.as_deref().or(kept[label]);
            let seen = [u64::from(read.unreadable), read.nested, read.clashes, read.persons];
            counted.iter_mut().zip(seen).for_each(|((_, count), more)| *count += more * rows[label]);
            for (key, value) in &read.pairs {
                if let Some(key) = self.delivery.tag_keys.get(key.as_str()) {
                    values.entry(key.as_str()).or_insert_with(|| vec![None; rows.len()])[label] = Some(value);
                }
            }
        }
        let column = |name: &str, values: &[Option<&str>]| {
            let cells = labels.rows.iter().map(|label| values[*label]);
            StringChunked::from_iter_options(PlSmallStr::from_str(name), cells).into_column()
        };
        columns.insert("Tags".to_owned(), column("Tags", &kept));
        for (key, values) in &values {
            let name = tag_column(&TagKey::new(*key));
            columns.insert(name.clone(), column(&name, values));
        }
        let null_words =
            series.str().map_or(0, |texts| texts.iter().filter(|text| *text == Some("NULL")).count() as u64);
        self.count(Repair::NullText, null_words);
        counted.into_iter().for_each(|(repair, count)| self.count(repair, count));
        Ok(())
    }
}
