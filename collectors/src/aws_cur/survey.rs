//! Adds up the raw cells of a report before anything interprets them: what each line contributes to each cost.
//!
//! This is the source's side of the conservation check (P1). It says once more, in its own way and with its own arithmetic
//! ([`ExactSum`]), what `amounts.rs` and `pairs.rs` do with a line; the rules are those of docs/AWS.md.

use std::collections::{BTreeMap, HashMap};

use outlay_ledger::decimal::cell_text;
use outlay_ledger::tags::TagReader;
use outlay_model::query::Metric;
use polars::prelude::{DataFrame, PolarsResult};

use super::fold::{Fold, fold};
use super::layout::Layout;
use super::lines::LineType;
use crate::delivery::{FileSurvey, Settings, Totals};
use crate::exact::ExactSum;
use crate::figures::{Figure, Stated};
use crate::input::InputFile;
use crate::invoice::raw_key;
use crate::labels::Labels;
use crate::native::{is_short, is_stated, texts};
use crate::{CollectError, raw};

/// The texts a survey reads.
const TEXTS: [&str; 5] = [
    "bill_billing_period_start_date",
    "bill_invoice_id",
    "line_item_currency_code",
    "line_item_line_item_type",
    "reservation_reservation_a_r_n",
];
/// The numbers.
const FIGURES: [&str; 15] = [
    "line_item_net_unblended_cost",
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "pricing_public_on_demand_cost",
    "pricing_public_on_demand_rate",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
];

/// Reads a file once and adds up its raw cells.
pub(super) fn survey(
    file: &InputFile,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<FileSurvey, CollectError> {
    let layout = Layout::of(&file.path, &raw::header(file)?)?;
    let read = TEXTS.iter().chain(&FIGURES).filter_map(|name| layout.raw(name));
    let tags = layout.parts(Fold::Tags).map(|part| part.raw.as_str());
    let wanted: Vec<String> = read.chain(tags).map(ToOwned::to_owned).collect();
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
        add(&mut survey, &batch.cells, &layout)?;
        add_tags(&mut survey, &batch.cells, &layout, &mut tags)?;
        survey.rows += rows;
        progress(rows);
        Ok(())
    })?;
    // After the rows: what cannot be read is told with its line.
    survey.sha256 = file.sha256()?;
    Ok(survey)
}

/// Adds the lines of a batch to the sums of their invoices.
fn add(survey: &mut FileSurvey, cells: &DataFrame, layout: &Layout) -> PolarsResult<()> {
    let text = |name: &str| -> PolarsResult<Labels<Option<String>>> {
        let Some(raw) = layout.raw(name) else {
            return Ok(Labels { values: vec![None], rows: vec![0; cells.height()] });
        };
        let texts = texts(cells.column(raw)?)?;
        Ok(Labels::of(texts.iter()).map(|text| text.filter(|text| is_stated(text)).map(ToOwned::to_owned)))
    };
    let [periods, invoices, currencies, types, reservations] =
        [text(TEXTS[0])?, text(TEXTS[1])?, text(TEXTS[2])?, text(TEXTS[3])?, text(TEXTS[4])?];
    let places = periods.rows.iter().zip(&invoices.rows).zip(&currencies.rows);
    let keys = Labels::of(places.map(|((period, invoice), currency)| (*period, *invoice, *currency)));
    let types = types.map(|text| LineType::of(text.as_deref()));
    let figures = Figures::of(cells, layout)?;
    let mut totals = vec![(0_u64, Totals::default()); keys.values.len()];
    for (row, key) in keys.rows.iter().enumerate() {
        let (rows, sums) = &mut totals[*key];
        *rows += 1;
        let reserved = reservations.values[reservations.rows[row]].is_some();
        figures.add(types.values[types.rows[row]], reserved, row, sums);
    }
    for ((period, invoice, currency), (rows, totals)) in keys.values.into_iter().zip(totals) {
        let [period, invoice, currency] =
            [&periods.values[period], &invoices.values[invoice], &currencies.values[currency]];
        let key = raw_key(period.as_deref(), invoice.as_deref(), currency.as_deref());
        *survey.periods.entry(key.billing_period).or_default() += rows;
        let sums = survey.totals.entry(key).or_default();
        sums.iter_mut().zip(&totals).for_each(|(sum, more)| sum.merge(more));
    }
    Ok(())
}

/// The numbers of a batch, in the order of [`FIGURES`].
struct Figures<'a>([Figure<'a>; FIGURES.len()]);

impl<'a> Figures<'a> {
    fn of(cells: &'a DataFrame, layout: &Layout) -> PolarsResult<Self> {
        let mut figures = FIGURES.map(|_| Figure::Absent);
        for (figure, name) in figures.iter_mut().zip(FIGURES) {
            let Some(raw) = layout.raw(name) else { continue };
            *figure = Figure::of(cells.column(raw)?);
        }
        Ok(Self(figures))
    }

    /// What a line contributes to effective, billed, list and contracted cost. What cannot be read adds nothing here;
    /// normalise rejects the line and says so.
    fn add(&self, line: LineType, reserved: bool, row: usize, sums: &mut Totals) {
        let [
            net,
            gross,
            quantity,
            list_cost,
            list_rate,
            ri_effective,
            ri_net_effective,
            net_unused_upfront,
            net_unused_recurring,
            unused_upfront,
            unused_recurring,
            sp_net_effective,
            sp_effective,
            total,
            used,
        ] = &self.0;
        let [effective, billed, list, contracted] = sums;
        let cost = |sum: &mut ExactSum| first([net, gross], row, sum);
        cost(billed);
        match line {
            LineType::Usage => {
                cost(effective);
                cost(contracted);
            }
            LineType::Covered => {
                first([sp_net_effective, sp_effective], row, effective);
                cost(contracted);
            }
            LineType::Reserved => {
                first([ri_net_effective, ri_effective], row, effective);
            }
            LineType::Negation => {}
            LineType::Discount => {
                cost(effective);
                cost(contracted);
            }
            LineType::ReservationFee => {
                let mut unused = ExactSum::default();
                let parts = [[net_unused_upfront, unused_upfront], [net_unused_recurring, unused_recurring]];
                if parts.into_iter().all(|part| computable(part, row) && first(part, row, &mut unused) != Stated::Other)
                {
                    effective.merge(&unused);
                }
                cost(list);
                cost(contracted);
            }
            LineType::PlanFee => {
                let (mut all, mut less) = (ExactSum::default(), ExactSum::default());
                let short = computable([total; 2], row) && computable([used; 2], row);
                if short && [total.add(row, &mut all), used.add(row, &mut less)] == [Stated::Number; 2] {
                    effective.merge(&all);
                    effective.subtract(&less);
                }
                cost(list);
                cost(contracted);
            }
            LineType::PlanUpfront => {
                cost(list);
                cost(contracted);
            }
            LineType::Fee
            | LineType::Subscription
            | LineType::Tax
            | LineType::Credit
            | LineType::Refund
            | LineType::Unknown => {
                if !(line == LineType::Fee && reserved) {
                    cost(effective);
                }
                cost(list);
                cost(contracted);
            }
        }
        if matches!(line, LineType::Usage | LineType::Covered | LineType::Reserved) {
            let rate = list_rate.text(row).zip(quantity.text(row));
            let rate = rate.filter(|(rate, quantity)| is_short(rate) && is_short(quantity));
            if !rate.is_some_and(|(rate, quantity)| list.add_product(&[&rate, &quantity])) {
                list_cost.add(row, list);
            }
        }
    }
}

/// Whether the cell of the first column that has one may be computed with.
fn computable(columns: [&Figure<'_>; 2], row: usize) -> bool {
    columns.into_iter().find_map(|figure| figure.text(row)).is_none_or(|text| is_short(&text))
}

/// Adds the cell of the first column that has one.
fn first(columns: [&Figure<'_>; 2], row: usize, sum: &mut ExactSum) -> Stated {
    match columns[0].add(row, sum) {
        Stated::No => columns[1].add(row, sum),
        stated => stated,
    }
}

/// Adds what was spent on each tag key: fine enough to rank by, and no amount anybody sees.
fn add_tags(survey: &mut FileSurvey, cells: &DataFrame, layout: &Layout, tags: &mut TagReader) -> PolarsResult<()> {
    let Some(folded) = fold(Fold::Tags, layout, cells, &[])? else { return Ok(()) };
    let billed = layout.raw("line_item_unblended_cost").map(|raw| cells.column(raw)).transpose()?;
    let labels = Labels::of(folded.json.iter());
    let mut spend = vec![0_i128; labels.values.len()];
    if let Some(billed) = billed {
        let billed = billed.as_materialized_series();
        for (row, label) in labels.rows.iter().enumerate() {
            let cost: Option<f64> = match (billed.f64(), billed.str()) {
                (Ok(doubles), _) => doubles.get(row),
                (_, Ok(texts)) => texts.get(row).and_then(|text| text.trim().parse().ok()),
                _ => billed.get(row).ok().and_then(|cell| cell_text(&cell)).and_then(|text| text.parse().ok()),
            };
            spend[*label] = spend[*label].saturating_add(cost.map_or(0, |cost| (cost.abs() * 1e6) as i128));
        }
    }
    for (text, spend) in labels.values.into_iter().zip(spend) {
        for (key, _) in text.map(|text| tags.read(text)).iter().flat_map(|read| &read.pairs) {
            let sum = survey.tag_spend.entry(key.clone()).or_default();
            *sum = sum.saturating_add(spend);
        }
    }
    Ok(())
}

// The order of the four sums is the metrics' own.
const _: () = assert!(matches!(Metric::ALL, [Metric::Effective, Metric::Billed, Metric::List, Metric::Contracted]));
