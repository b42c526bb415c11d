//! Adds up the raw cells of a file before anything interprets them: what each line contributes to each cost.
//!
//! This is the source's side of the conservation check (P1). It says once more, in its own way and with its own arithmetic
//! ([`ExactSum`]), what `amounts.rs` does with a line; the rules are those of docs/AZURE.md. What is billed is Σ of the actual
//! file, what is effective Σ of the amortised one; where there is one of them alone, it says what it can.

use std::collections::{BTreeMap, HashMap};

use outlay_ledger::decimal::cell_text;
use outlay_ledger::tags::TagReader;
use outlay_model::part::BalanceKey;
use outlay_model::query::Metric;
use polars::prelude::{DataFrame, PolarsResult};

use super::amounts::fit;
use super::layout::{Field, Layout};
use super::lines::{ChargeType, Line};
use super::native::Native;
use super::{dates, statement, words};
use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::figures::{Figure, Stated};
use crate::input::{InputFile, Statement};
use crate::invoice::raw_key;
use crate::labels::Labels;
use crate::{CollectError, raw};

/// The texts a survey reads.
const TEXTS: [Field; 9] = [
    Field::ChargeType,
    Field::Currency,
    Field::Date,
    Field::InvoiceId,
    Field::PeriodStart,
    Field::PricingCurrency,
    Field::PricingModel,
    Field::Tags,
    Field::Unit,
];
/// The numbers.
const FIGURES: [Field; 6] =
    [Field::Cost, Field::ExchangeRate, Field::ListCost, Field::ListPrice, Field::Quantity, Field::UnitPrice];

/// Reads a file once and adds up its raw cells.
pub(super) fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<FileSurvey, CollectError> {
    let layout = Layout::of(&file.path, &raw::header(file)?)?;
    let statement = statement::of(file, &layout)?;
    let read = TEXTS.iter().chain(&FIGURES).filter_map(|field| layout.raw(*field));
    let wanted: Vec<String> = read.map(ToOwned::to_owned).collect();
    let mut survey = FileSurvey {
        file: InputFile { statement: Some(statement), ..file.clone() },
        sha256: String::new(),
        columns: layout.charge_columns(),
        rows: 0,
        periods: BTreeMap::new(),
        totals: BTreeMap::new(),
        beside: Some(BTreeMap::new()),
        tag_spend: HashMap::new(),
    };
    let mut tags = TagReader::new(settings.tags.clone(), settings.privacy.clone());
    raw::batches(file, Some(&wanted), |batch| -> Result<(), CollectError> {
        let rows = (batch.lines.len() + batch.malformed.len()) as u64;
        let native = Native::of(&batch.cells, &layout)?;
        if statement == Statement::Actual {
            refuse_unused(file, &native)?;
        }
        add(&mut survey, &batch.cells, &layout, &native, statement)?;
        add_tags(&mut survey, &batch.cells, &layout, &native, &mut tags)?;
        survey.rows += rows;
        progress(rows);
        Ok(())
    })?;
    // After the rows: what cannot be read is told with its line.
    survey.sha256 = file.sha256()?;
    Ok(survey)
}

/// Refuses a file that is said to be actual cost and has lines that only amortised cost has.
fn refuse_unused(file: &InputFile, native: &Native) -> Result<(), CollectError> {
    match native.lines.iter().position(|line| line.charge_type == ChargeType::Unused) {
        None => Ok(()),
        Some(row) => Err(CollectError::OtherStatement {
            path: file.path.clone(),
            charge_type: native.cells(Field::ChargeType).get(row).unwrap_or_default().trim().to_owned(),
        }),
    }
}

/// Adds the lines of a batch to the sums of their invoices.
fn add(
    survey: &mut FileSurvey,
    cells: &DataFrame,
    layout: &Layout,
    native: &Native,
    statement: Statement,
) -> PolarsResult<()> {
    let one = |field| native.cells(field);
    let [periods, dates, invoices, currencies] =
        [Field::PeriodStart, Field::Date, Field::InvoiceId, Field::Currency].map(one);
    let invoices = Labels::of((0..cells.height()).map(|row| {
        // The day is of no matter where the period is stated.
        let period = periods.get(row);
        (period, if period.is_some() { None } else { dates.get(row) }, invoices.get(row), currencies.get(row))
    }));
    let keys: Labels<BalanceKey> = invoices.map(|(period, date, invoice, currency)| {
        let month = || dates::month(date?).map(|(start, _)| start);
        raw_key(period.map(dates::start).or_else(month).as_deref(), invoice, currency)
    });
    let figures = Figures::of(cells, layout, native)?;
    let mut sums = vec![(0_u64, Totals::default(), Totals::default()); keys.values.len()];
    for (row, key) in keys.rows.iter().enumerate() {
        let (rows, alone, beside) = &mut sums[*key];
        *rows += 1;
        figures.add(native.lines[row], statement, row, alone, beside);
    }
    for (key, (rows, alone, beside)) in keys.values.into_iter().zip(sums) {
        *survey.periods.entry(key.billing_period).or_default() += rows;
        let both = survey.beside.get_or_insert_default();
        for (totals, more) in [(&mut *both, beside), (&mut survey.totals, alone)] {
            let sums = totals.entry(key.clone()).or_default();
            sums.iter_mut().zip(&more).for_each(|(sum, more)| sum.merge(more));
        }
    }
    Ok(())
}

/// The numbers of a batch, in the order of [`FIGURES`], and what they are multiplied by.
struct Figures<'a> {
    figures: [Figure<'a>; FIGURES.len()],
    /// The part of a price that one of a quantity costs.
    parts: Labels<Option<String>>,
    /// Whether prices are in the currency of the bill.
    same_currency: Labels<bool>,
}

impl<'a> Figures<'a> {
    fn of(cells: &'a DataFrame, layout: &Layout, native: &Native) -> PolarsResult<Self> {
        let mut figures = FIGURES.map(|_| Figure::Absent);
        for (figure, field) in figures.iter_mut().zip(FIGURES) {
            let Some(raw) = layout.raw(field) else { continue };
            *figure = Figure::of(cells.column(raw)?);
        }
        let one = |field| native.cells(field);
        let (units, priced, billed) = (one(Field::Unit), one(Field::PricingCurrency), one(Field::Currency));
        let parts = Labels::of((0..cells.height()).map(|row| units.get(row)));
        let parts = parts.map(|unit| unit.map_or(Some("1".to_owned()), |unit| part(words::unit(unit).0)));
        let currencies = Labels::of((0..cells.height()).map(|row| (priced.get(row), billed.get(row))));
        let same_currency = currencies.map(|(priced, billed)| {
            let code = |text: &str| text.trim().to_ascii_uppercase();
            priced.is_none() || priced.map(code) == billed.map(code)
        });
        Ok(Self { figures, parts, same_currency })
    }

    /// What a line contributes to effective, billed, list and contracted cost: where the other statement is not there, and
    /// where it is. What cannot be read adds nothing here; normalise rejects the line and says so.
    fn add(&self, line: Line, statement: Statement, row: usize, alone: &mut Totals, beside: &mut Totals) {
        let [cost, _, list_cost, list_price, _, unit_price] = &self.figures;
        let [effective, billed, list, contracted] = alone;
        let [effective_beside, billed_beside, list_beside, contracted_beside] = beside;
        match statement {
            Statement::Actual => {
                cost.add(row, billed);
                cost.add(row, billed_beside);
            }
            Statement::Amortised => {
                cost.add(row, effective);
                cost.add(row, effective_beside);
                if !line.is_covered() {
                    cost.add(row, billed);
                }
            }
        }
        let (mut listed, mut agreed) = (ExactSum::default(), ExactSum::default());
        match line.charge_type {
            ChargeType::Unused => {}
            ChargeType::Usage => {
                if list_cost.add(row, &mut listed) != Stated::Number {
                    self.add_price(list_price, row, &mut listed);
                }
                self.add_price(unit_price, row, &mut agreed);
            }
            _ => {
                cost.add(row, &mut listed);
                cost.add(row, &mut agreed);
            }
        }
        list.merge(&listed);
        contracted.merge(&agreed);
        if statement == Statement::Amortised || line.buys() {
            list_beside.merge(&listed);
            contracted_beside.merge(&agreed);
        }
    }

    /// Adds what the quantity costs at a price.
    fn add_price(&self, price: &Figure<'_>, row: usize, sum: &mut ExactSum) {
        let [_, rate, _, _, quantity, _] = &self.figures;
        let Some((price, quantity)) = price.text(row).zip(quantity.text(row)) else { return };
        let Some(part) = &self.parts.values[self.parts.rows[row]] else { return };
        let rate = match self.same_currency.values[self.same_currency.rows[row]] {
            true => Some("1".to_owned()),
            false => rate.text(row),
        };
        let Some(rate) = rate else { return };
        let factors: [&str; 4] = [&price, &quantity, part, &rate];
        if fit(&factors) {
            sum.add_product(&factors);
        }
    }
}

/// One of so many: the shortest decimal that gives one when multiplied by it. There is none of sizes such as 744.
fn part(size: u64) -> Option<String> {
    let mut ten: u128 = 1;
    for places in 0..=30 {
        if ten.is_multiple_of(size.into()) {
            return Some(format!("{}e-{places}", ten / u128::from(size)));
        }
        ten *= 10;
    }
    None
}

/// Adds what was spent on each tag key: fine enough to rank by, and no amount anybody sees.
fn add_tags(
    survey: &mut FileSurvey,
    cells: &DataFrame,
    layout: &Layout,
    native: &Native,
    tags: &mut TagReader,
) -> PolarsResult<()> {
    let Some(cost) = layout.raw(Field::Cost) else { return Ok(()) };
    let (cost, texts) = (cells.column(cost)?.as_materialized_series(), native.cells(Field::Tags));
    let labels = Labels::of((0..cells.height()).map(|row| texts.get(row)));
    let mut spend = vec![0_i128; labels.values.len()];
    for (row, label) in labels.rows.iter().enumerate() {
        let cost: Option<f64> = match (cost.f64(), cost.str()) {
            (Ok(doubles), _) => doubles.get(row),
            (_, Ok(texts)) => texts.get(row).and_then(|text| text.trim().parse().ok()),
            _ => cost.get(row).ok().and_then(|cell| cell_text(&cell)).and_then(|text| text.parse().ok()),
        };
        spend[*label] = spend[*label].saturating_add(cost.map_or(0, |cost| (cost.abs() * 1e6) as i128));
    }
    for (text, spend) in labels.values.into_iter().zip(spend) {
        for (key, _) in text.map(|text| tags.read(&words::tags(text))).iter().flat_map(|read| &read.pairs) {
            let sum = survey.tag_spend.entry(key.clone()).or_default();
            *sum = sum.saturating_add(spend);
        }
    }
    Ok(())
}

// The order of the four sums is the metrics' own.
const _: () = assert!(matches!(Metric::ALL, [Metric::Effective, Metric::Billed, Metric::List, Metric::Contracted]));
