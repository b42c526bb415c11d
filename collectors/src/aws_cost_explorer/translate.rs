//! Cells of the answers as raw cells under FOCUS names.
//!
//! One partition of the money: a row per day, account, service and record type; for an account that is refined, a row per
//! region or tag value and one with what is left, so that together they are the cell; and one row, without account, with
//! what the month's total has beyond all cells.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use bigdecimal::{BigDecimal, Zero};
use chrono::{Months, NaiveDate};
use polars::prelude::{Column, DataFrame, IntoColumn, NewChunkedArray, PlSmallStr, StringChunked};

use super::answers::{self, Asked, CostAndUsage, Head, costs};
use super::record_types::{self, ADJUSTMENT, Kind};
use super::refine::Refine;
use super::survey::Overview;
use crate::CollectError;
use crate::format::Each;
use crate::input::InputFile;
use crate::kept::LineError;
use crate::normalise::Normaliser;
use crate::normalise::columns;
use crate::raw::RawBatch;

/// The columns of a charge that Cost Explorer can say something about.
const COLUMNS: [&str; 19] = [
    "BilledCost",
    "EffectiveCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "PricingCategory",
    "ProviderName",
    "RegionId",
    "ServiceName",
    "SubAccountId",
    "SubAccountName",
    "Tags",
    "x_RecordType",
];

/// Rows in one batch.
const BATCH_ROWS: usize = 1 << 15;

/// What the row with what accounts do not bear says of itself.
const BEYOND: &str = "what the month's total has beyond what accounts bear";

pub(super) fn header() -> Vec<String> {
    COLUMNS.map(ToOwned::to_owned).to_vec()
}

/// The tags of a charge that is refined by a tag key, as FOCUS writes them.
pub(super) fn tags_text(by: &Refine, key: &str) -> Option<String> {
    let Refine::Tag(tag) = by else { return None };
    Some(serde_json::json!({ tag.as_str(): by.value(key)? }).to_string())
}

/// Gives the normaliser all rows of a file.
pub(super) fn normalise(
    file: &InputFile,
    normaliser: &mut Normaliser<'_>,
    each: &mut Each<'_>,
) -> Result<(), CollectError> {
    let mut overview = Overview::default();
    let head = answers::read(file, |_, _, exchange| Ok(overview.add(exchange)?))?;
    let bindings = columns::bind(&header());
    let mut send = |batch: RawBatch| each(normaliser.batch(file, &bindings, &batch)?);
    let mut rows = Rows::new(&head, &overview);
    let mut cells: Option<Cells> = None;
    let mut last_line = 1;
    answers::read(file, |_, line, exchange| {
        last_line = line;
        let Some(body) = exchange.costs()? else { return Ok(()) };
        if let Asked::Cells { record_type } = &exchange.asked
            && cells.as_ref().is_none_or(|cells| cells.record_type != *record_type)
            && let Some(done) = cells.replace(Cells::of(record_type))
        {
            done.write(&mut rows, &mut send)?;
        }
        match (&exchange.asked, &mut cells) {
            (Asked::Cells { .. }, Some(cells)) => cells.add(line, body),
            (Asked::Refined { record_type, account, by }, Some(cells)) if cells.record_type == *record_type => {
                cells.refine(line, account, by, body)
            }
            (Asked::Refined { .. }, _) => Err("refines cells that do not stand before it".to_owned().into()),
            (Asked::Total | Asked::RecordTypes, _) => Ok(()),
            (Asked::Cells { .. }, None) => unreachable!("there are cells by now"),
        }
    })?;
    if let Some(done) = cells {
        done.write(&mut rows, &mut send)?;
    }
    rows.beyond(last_line, overview.beyond());
    rows.flush(&mut send)
}

/// What is billed, what it effectively costs, and the line that says so.
#[derive(Debug, Clone, Default)]
struct Costs {
    billed: BigDecimal,
    effective: BigDecimal,
    line: u64,
}

impl Costs {
    fn read(line: u64, group: &answers::Group) -> Result<Self, String> {
        let number =
            |text: &str| text.parse::<BigDecimal>().map_err(|_| format!("the amount {text:?} is not a number"));
        let [billed, effective] = costs(&group.metrics)?;
        Ok(Self { billed: number(&billed.amount)?, effective: number(&effective.amount)?, line })
    }

    fn add(&mut self, more: &Self) {
        self.billed += &more.billed;
        self.effective += &more.effective;
        self.line = more.line;
    }

    fn take_away(&mut self, part: &Self) {
        self.billed -= &part.billed;
        self.effective -= &part.effective;
        self.line = self.line.max(part.line);
    }

    fn is_zero(&self) -> bool {
        self.billed.is_zero() && self.effective.is_zero()
    }
}

/// Day, account, service.
type Place = (NaiveDate, String, String);

/// The cells of one record type. A period's groups may come on several pages.
struct Cells {
    record_type: String,
    cells: BTreeMap<Place, Costs>,
    refined: BTreeMap<(Place, String, Refine), Costs>,
}

impl Cells {
    fn of(record_type: &str) -> Self {
        Self { record_type: record_type.to_owned(), cells: BTreeMap::new(), refined: BTreeMap::new() }
    }

    fn add(&mut self, line: u64, body: CostAndUsage) -> Result<(), LineError> {
        for result in body.results_by_time {
            for mut group in result.groups {
                let costs = Costs::read(line, &group)?;
                let [account, service] = [0, 1].map(|at| mem::take(&mut group.keys[at]));
                self.cells.entry((result.time_period.start, account, service)).or_default().add(&costs);
            }
        }
        Ok(())
    }

    /// Takes what a group says by name out of its cell. Groups without a name stay in it.
    fn refine(&mut self, line: u64, account: &str, by: &Refine, body: CostAndUsage) -> Result<(), LineError> {
        for result in body.results_by_time {
            for group in result.groups {
                let Some(value) = by.value(&group.keys[1]) else { continue };
                let costs = Costs::read(line, &group)?;
                let place = (result.time_period.start, account.to_owned(), group.keys[0].clone());
                self.cells.entry(place.clone()).or_default().take_away(&costs);
                self.refined.entry((place, value.to_owned(), by.clone())).or_default().add(&costs);
            }
        }
        Ok(())
    }

    fn write(self, rows: &mut Rows<'_>, send: &mut Send<'_>) -> Result<(), CollectError> {
        let refined: BTreeSet<&Place> = self.refined.keys().map(|(place, ..)| place).collect();
        // A cell that came to nothing is kept; of one that is told apart, a rest of nothing says nothing.
        let whole = self.cells.iter().filter(|(place, costs)| !costs.is_zero() || !refined.contains(place));
        for (place, costs) in whole {
            rows.cell(&self.record_type, place, None, costs);
            rows.flush_full(send)?;
        }
        for ((place, value, by), costs) in &self.refined {
            rows.cell(&self.record_type, place, Some((by, value)), costs);
            rows.flush_full(send)?;
        }
        Ok(())
    }
}

/// Takes batches.
type Send<'a> = dyn FnMut(RawBatch) -> Result<(), CollectError> + 'a;

/// Rows on their way into a batch.
struct Rows<'a> {
    head: &'a Head,
    overview: &'a Overview,
    columns: [Vec<Option<String>>; COLUMNS.len()],
    lines: Vec<u64>,
}

impl<'a> Rows<'a> {
    fn new(head: &'a Head, overview: &'a Overview) -> Self {
        Self { head, overview, columns: Default::default(), lines: Vec::new() }
    }

    fn cell(&mut self, record_type: &str, place: &Place, refined: Option<(&Refine, &String)>, costs: &Costs) {
        let (day, account, service) = place;
        let Kind { charge_category, charge_frequency, pricing_category } =
            record_types::kind(record_type).unwrap_or(ADJUSTMENT);
        let name = self.overview.names.get(account).cloned();
        let (region, tags) = match refined {
            Some((Refine::Region, value)) => (Some(value.clone()), None),
            Some((by @ Refine::Tag(tag), value)) => (None, tags_text(by, &format!("{tag}${value}"))),
            Some((Refine::None, _)) | None => (None, None),
        };
        let stated = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.push(costs, (*day, day.succ_opt().unwrap_or(*day)), |column| match column {
            "ChargeCategory" => Some(charge_category.to_owned()),
            "ChargeFrequency" => Some(charge_frequency.to_owned()),
            "PricingCategory" => pricing_category.map(ToOwned::to_owned),
            "RegionId" => region.clone(),
            "ServiceName" => stated(service),
            "SubAccountId" => stated(account),
            "SubAccountName" => name.clone(),
            "Tags" => tags.clone(),
            "x_RecordType" => Some(record_type.to_owned()),
            _ => None,
        });
    }

    /// The row with what no account bears, if there is anything.
    fn beyond(&mut self, line: u64, [billed, effective]: [BigDecimal; 2]) {
        let costs = Costs { billed, effective, line };
        if costs.is_zero() {
            return;
        }
        self.push(&costs, (self.head.from, self.head.to), |column| match column {
            "ChargeCategory" => Some(ADJUSTMENT.charge_category.to_owned()),
            "ChargeFrequency" => Some(ADJUSTMENT.charge_frequency.to_owned()),
            "ChargeDescription" => Some(BEYOND.to_owned()),
            _ => None,
        });
    }

    fn push(&mut self, costs: &Costs, days: (NaiveDate, NaiveDate), cell: impl Fn(&str) -> Option<String>) {
        let time = |day: NaiveDate| Some(format!("{day}T00:00:00Z"));
        let next_month = self.head.from.checked_add_months(Months::new(1)).unwrap_or(self.head.to);
        for (name, column) in COLUMNS.iter().zip(&mut self.columns) {
            column.push(match *name {
                "BilledCost" => Some(costs.billed.to_plain_string()),
                "EffectiveCost" => Some(costs.effective.to_plain_string()),
                "BillingAccountId" => Some(self.head.billing_account_id.clone()),
                "BillingCurrency" => Some(self.overview.currency().to_owned()),
                "BillingPeriodStart" => time(self.head.from),
                "BillingPeriodEnd" => time(next_month),
                "ChargePeriodStart" => time(days.0),
                "ChargePeriodEnd" => time(days.1),
                "ProviderName" => Some("AWS".to_owned()),
                name => cell(name),
            });
        }
        self.lines.push(costs.line);
    }

    fn flush_full(&mut self, send: &mut Send<'_>) -> Result<(), CollectError> {
        if self.lines.len() < BATCH_ROWS { Ok(()) } else { self.flush(send) }
    }

    fn flush(&mut self, send: &mut Send<'_>) -> Result<(), CollectError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let height = self.lines.len();
        let columns: Vec<Column> = COLUMNS
            .iter()
            .zip(&mut self.columns)
            .map(|(name, cells)| {
                let cells = mem::take(cells).into_iter();
                StringChunked::from_iter_options(PlSmallStr::from_static(name), cells).into_column()
            })
            .collect();
        let cells = DataFrame::new(height, columns)?;
        send(RawBatch { cells, lines: mem::take(&mut self.lines), ..RawBatch::default() })
    }
}
