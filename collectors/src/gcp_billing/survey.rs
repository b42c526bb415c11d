//! Adds up the raw cells of an export before anything interprets them: what each row contributes to each cost.
//!
//! This is the source's side of the conservation check (P1). It says once more, in its own way and with its own arithmetic
//! ([`ExactSum`]), what `amounts.rs` and `translate.rs` do with a row and its credits; the rules are those of docs/GOOGLE.md.

use std::collections::{BTreeMap, HashMap};

use outlay_ledger::tags::TagReader;
use outlay_model::query::Metric;
use polars::prelude::{DataFrame, PolarsResult};

use super::layout::Layout;
use super::lines::Line;
use super::native::Native;
use super::tags::{self, SCHEMES};
use super::translate::{credits_of, invoices_of, lines_of};
use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::figures::{Figure, Stated};
use crate::input::InputFile;
use crate::invoice::raw_key;
use crate::labels::Labels;
use crate::native::is_short;
use crate::{CollectError, raw};

/// The fields a survey reads, besides labels.
const SURVEYED: [&str; 10] = [
    "adjustment_info.type",
    "cost",
    "cost_at_effective_price_default",
    "cost_at_list",
    "cost_type",
    "credits",
    "currency",
    "invoice.month",
    "sku.description",
    "usage_start_time",
];

/// Reads a file once and adds up its raw cells.
pub(super) fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<FileSurvey, CollectError> {
    let layout = Layout::of(&file.path, &raw::header(file)?)?;
    let wanted = layout.raws(&[&SURVEYED[..], &SCHEMES[..]].concat());
    let mut survey = FileSurvey {
        file: file.clone(),
        sha256: String::new(),
        columns: layout.charge_columns(),
        rows: 0,
        periods: BTreeMap::new(),
        totals: BTreeMap::new(),
        beside: None,
        tag_spend: HashMap::new(),
    };
    let mut tags = TagReader::new(settings.tags.clone(), settings.privacy.clone());
    raw::batches(file, Some(&wanted), |batch| -> Result<(), CollectError> {
        let rows = (batch.lines.len() + batch.malformed.len()) as u64;
        let native = Native::of(&batch.cells, &layout)?;
        let figures = Figures::of(&batch.cells, &layout)?;
        add(&mut survey, &native, &figures, &layout, batch.lines.len());
        add_tags(&mut survey, &native, &figures, batch.lines.len(), &mut tags);
        survey.rows += rows;
        progress(rows);
        Ok(())
    })?;
    // After the rows: what cannot be read is told with its line.
    survey.sha256 = file.sha256()?;
    Ok(survey)
}

/// Adds the rows of a batch to the sums of their invoices.
fn add(survey: &mut FileSurvey, native: &Native, figures: &Figures<'_>, layout: &Layout, height: usize) {
    let credits = credits_of(native, height);
    let (lines, invoices) = (lines_of(layout, native, height), invoices_of(native, height));
    let currency = native.cells("currency");
    let keys = Labels::of((0..height).map(|row| (invoices.rows[row], currency.get(row))));
    let mut totals = vec![(0_u64, Totals::default()); keys.values.len()];
    for (row, key) in keys.rows.iter().enumerate() {
        let (rows, sums) = &mut totals[*key];
        *rows += 1;
        let line = lines.values[lines.rows[row]];
        let Some(credits) = &credits.values[credits.rows[row]] else {
            // Nobody knows what is billed; what is stated at list prices and by contract is known.
            figures.add_prices(line, row, sums);
            continue;
        };
        let (discounts, grants): (Vec<_>, Vec<_>) = credits.iter().partition(|credit| credit.kind.reduces());
        figures.add_prices(line, row, sums);
        figures.add_billed(&discounts.iter().map(|credit| credit.amount.as_str()).collect::<Vec<_>>(), row, sums);
        for grant in grants {
            for sum in sums.iter_mut() {
                sum.add(&grant.amount);
            }
        }
    }
    for ((invoice, currency), (rows, totals)) in keys.values.into_iter().zip(totals) {
        let key = raw_key(invoices.values[invoice].start.as_deref(), None, currency);
        *survey.periods.entry(key.billing_period).or_default() += rows;
        let sums = survey.totals.entry(key).or_default();
        sums.iter_mut().zip(&totals).for_each(|(sum, more)| sum.merge(more));
    }
}

/// The costs of a batch.
struct Figures<'a> {
    cost: Figure<'a>,
    at_list: Figure<'a>,
    at_default: Figure<'a>,
}

impl<'a> Figures<'a> {
    fn of(cells: &'a DataFrame, layout: &Layout) -> PolarsResult<Self> {
        let one = |path: &str| -> PolarsResult<Figure<'a>> {
            match layout.fields.iter().find(|(known, _)| *known == path) {
                Some((_, raw)) => Ok(Figure::of(cells.column(raw)?)),
                None => Ok(Figure::Absent),
            }
        };
        Ok(Self {
            cost: one("cost")?,
            at_list: one("cost_at_list")?,
            at_default: one("cost_at_effective_price_default")?,
        })
    }

    /// Adds what a row costs at list prices, and by contract. What cannot be read adds nothing here; normalise rejects the
    /// row and says so.
    fn add_prices(&self, line: Line, row: usize, [_, _, list, contracted]: &mut Totals) {
        if self.at_list.add(row, list) == Stated::No && line != Line::Usage {
            self.cost.add(row, list);
        }
        if self.at_default.add(row, contracted) == Stated::No {
            self.cost.add(row, contracted);
        }
    }

    /// Adds what a row costs after its discounts, all of it or nothing.
    fn add_billed(&self, discounts: &[&str], row: usize, [effective, billed, ..]: &mut Totals) {
        if discounts.is_empty() {
            self.cost.add(row, billed);
            self.cost.add(row, effective);
            return;
        }
        let mut sum = ExactSum::default();
        let cost = self.cost.add(row, &mut sum) != Stated::Other;
        let short =
            self.cost.text(row).is_none_or(|text| is_short(&text)) && discounts.iter().all(|text| is_short(text));
        if cost && short && discounts.iter().all(|amount| sum.add(amount)) {
            effective.merge(&sum);
            billed.merge(&sum);
        }
    }
}

/// Adds what was spent on each tag key: fine enough to rank by, and no amount anybody sees.
fn add_tags(survey: &mut FileSurvey, native: &Native, figures: &Figures<'_>, height: usize, tags: &mut TagReader) {
    let objects = tags::objects(native, height);
    let labels = Labels::of(objects.iter());
    let mut spend = vec![0_i128; labels.values.len()];
    for (row, label) in labels.rows.iter().enumerate() {
        let cost = figures
            .cost
            .text(row)
            .and_then(|text| text.parse::<f64>().ok())
            .map_or(0, |cost| (cost.abs() * 1e6) as i128);
        spend[*label] = spend[*label].saturating_add(cost);
    }
    for (text, spend) in labels.values.into_iter().zip(spend) {
        for (key, _) in text.map(|text| tags.read(text)).iter().flat_map(|read| &read.pairs) {
            let sum = survey.tag_spend.entry(key.clone()).or_default();
            *sum = sum.saturating_add(spend);
        }
    }
}

// The order of the four sums is the metrics' own.
const _: () = assert!(matches!(Metric::ALL, [Metric::Effective, Metric::Billed, Metric::List, Metric::Contracted]));
