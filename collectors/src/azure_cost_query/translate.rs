//! Cells of the answers as raw cells under FOCUS names.
//!
//! One partition of the money: a row per day, charge type, service and subscription (or resource group); where that is
//! refined, a row per value and one with what is left, so that together they are the cell; and one row, without
//! subscription, with what the month's totals have beyond all cells. Of a row that only one of the two answers has, the other
//! cost is 0: what was bought this month and is used in others, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::{AddAssign, SubAssign};

use bigdecimal::{BigDecimal, Zero};
use chrono::{Months, NaiveDate};
use polars::prelude::{Column, DataFrame, IntoColumn, NewChunkedArray, PlSmallStr, StringChunked};

use super::answers::{self, Asked, Body, Cost, Head, keys};
use super::charge_types::{self, ADJUSTMENT, Kind};
use super::level::Level;
use super::survey::Overview;
use crate::CollectError;
use crate::format::Each;
use crate::input::InputFile;
use crate::normalise::Normaliser;
use crate::normalise::columns;
use crate::raw::RawBatch;

/// The columns of a charge that the Query API can say something about.
const COLUMNS: [&str; 23] = [
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
    "SubAccountType",
    "Tags",
    "x_BilledCostInUsd",
    "x_ChargeType",
    "x_EffectiveCostInUsd",
    "x_ResourceGroupName",
];

/// Rows in one batch.
const BATCH_ROWS: usize = 1 << 15;

/// Who sells Azure.
const PROVIDER: &str = "Microsoft";

/// What the row with what cannot be told apart says of itself.
const BEYOND: &str = "what the month's total has beyond what can be told apart";

pub(super) fn header() -> Vec<String> {
    COLUMNS.map(ToOwned::to_owned).to_vec()
}

/// Tags as FOCUS writes them.
pub(super) fn tags_text<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let tags: serde_json::Map<String, serde_json::Value> =
        tags.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    serde_json::Value::from(tags).to_string()
}

/// Gives the normaliser all rows of a file.
pub(super) fn normalise(
    file: &InputFile,
    normaliser: &mut Normaliser<'_>,
    each: &mut Each<'_>,
) -> Result<(), CollectError> {
    let mut overview = Overview::default();
    let head = answers::read(file, |head, _, exchange| Ok(overview.add(head, exchange)?))?;
    let bindings = columns::bind(&header());
    let mut send = |batch: RawBatch| each(normaliser.batch(file, &bindings, &batch)?);
    let mut rows = Rows::new(&head, &overview);
    let mut cells: Option<Cells> = None;
    let mut last_line = 1;
    answers::read(file, |head, line, exchange| {
        last_line = line;
        let Asked::Cells { charge_type, path } = &exchange.asked else { return Ok(()) };
        if cells.as_ref().is_none_or(|cells| cells.charge_type != *charge_type)
            && let Some(done) = cells.replace(Cells::of(charge_type))
        {
            done.write(&mut rows, &mut send)?;
        }
        let Some((cells, body)) = cells.as_mut().zip(exchange.body()?) else { return Ok(()) };
        Ok(cells.add(head, line, exchange.cost, path, &body)?)
    })?;
    if let Some(done) = cells {
        done.write(&mut rows, &mut send)?;
    }
    rows.beyond(last_line, overview.beyond());
    rows.flush(&mut send)
}

/// What is billed, what it effectively costs, both in dollars, and the line that says so.
#[derive(Debug, Clone, Default)]
struct Costs {
    sums: [BigDecimal; 4],
    line: u64,
}

impl Costs {
    fn read(line: u64, cost: Cost, row: &answers::Row<'_>) -> Result<Self, String> {
        let number =
            |text: String| text.parse::<BigDecimal>().map_err(|_| format!("the cost {text:?} is not a number"));
        let (own, usd) = (number(row.cost()?)?, row.usd().map(number).transpose()?.unwrap_or_default());
        let nothing = BigDecimal::default;
        let sums = match cost {
            Cost::Actual => [own, nothing(), usd, nothing()],
            Cost::Amortized => [nothing(), own, nothing(), usd],
        };
        Ok(Self { sums, line })
    }

    fn is_zero(&self) -> bool {
        self.sums[..2].iter().all(Zero::is_zero)
    }
}

impl AddAssign<&Self> for Costs {
    fn add_assign(&mut self, more: &Self) {
        self.sums.iter_mut().zip(&more.sums).for_each(|(sum, more)| *sum += more);
        self.line = self.line.max(more.line);
    }
}

impl SubAssign<&Self> for Costs {
    fn sub_assign(&mut self, part: &Self) {
        self.sums.iter_mut().zip(&part.sums).for_each(|(sum, part)| *sum -= part);
        self.line = self.line.max(part.line);
    }
}

/// Day, service, and values of the levels, as far as they are known.
type Place = (NaiveDate, String, Vec<String>);

/// The cells of one charge type.
struct Cells {
    charge_type: String,
    cells: BTreeMap<Place, Costs>,
    /// Cells of which something was told apart.
    refined: BTreeSet<Place>,
}

impl Cells {
    fn of(charge_type: &str) -> Self {
        Self { charge_type: charge_type.to_owned(), cells: BTreeMap::new(), refined: BTreeSet::new() }
    }

    /// Takes what an answer has by value out of the cell that it is a part of. What has no value stays in it.
    fn add(&mut self, head: &Head, line: u64, cost: Cost, path: &[String], body: &Body) -> Result<(), String> {
        let next = head.levels.get(path.len());
        for row in body.rows(true, &keys(&head.levels, path))? {
            let costs = Costs::read(line, cost, &row)?;
            let service = row.key(0).unwrap_or_default().to_owned();
            let whole = (row.day()?, service, path.to_vec());
            let value = next.and_then(|level| Some(level.kept(row.key(1)?)));
            if !path.is_empty() {
                if value.is_none() {
                    continue;
                }
                *self.cells.entry(whole.clone()).or_default() -= &costs;
                self.refined.insert(whole.clone());
            }
            let mut place = whole;
            place.2.extend(value);
            *self.cells.entry(place).or_default() += &costs;
        }
        Ok(())
    }

    fn write(self, rows: &mut Rows<'_>, send: &mut Send<'_>) -> Result<(), CollectError> {
        // A cell that came to nothing is kept; of one that is told apart, a rest of nothing says nothing.
        for (place, costs) in
            self.cells.iter().filter(|(place, costs)| !costs.is_zero() || !self.refined.contains(place))
        {
            rows.cell(&self.charge_type, place, costs);
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

    fn cell(&mut self, charge_type: &str, (day, service, path): &Place, costs: &Costs) {
        let Kind { charge_category, charge_frequency, pricing_category } =
            charge_types::kind(charge_type).unwrap_or(ADJUSTMENT);
        let head = self.head;
        let value = |level: &Level| head.levels.iter().position(|own| own == level).and_then(|at| path.get(at));
        let subscription = head.scope.subscription().or_else(|| value(&Level::Subscription).map(String::as_str));
        let name = subscription.and_then(|id| self.overview.names.get(id)).cloned();
        let tags = head.levels.iter().zip(path).filter_map(|(level, value)| match level {
            Level::Tag(key) => Some((key.as_str(), value.as_str())),
            _ => None,
        });
        let tags: Vec<_> = tags.collect();
        let owned = |text: &str| Some(text.to_owned());
        self.push(costs, (*day, day.succ_opt().unwrap_or(*day)), |column| match column {
            "ChargeCategory" => owned(charge_category),
            "ChargeFrequency" => charge_frequency.and_then(owned),
            "PricingCategory" => pricing_category.and_then(owned),
            "RegionId" => value(&Level::Region).cloned(),
            "ServiceName" => owned(service).filter(|service| !service.is_empty()),
            "SubAccountId" => subscription.and_then(owned),
            "SubAccountName" => name.clone(),
            "SubAccountType" => subscription.and_then(|_| owned("Subscription")),
            "Tags" => (!tags.is_empty()).then(|| tags_text(tags.iter().copied())),
            "x_ChargeType" => owned(charge_type),
            "x_ResourceGroupName" => {
                head.scope.resource_group().and_then(owned).or_else(|| value(&Level::ResourceGroup).cloned())
            }
            _ => None,
        });
    }

    /// The row with what cannot be told apart, if there is anything.
    fn beyond(&mut self, line: u64, sums: [BigDecimal; 4]) {
        let costs = Costs { sums, line };
        if costs.is_zero() {
            return;
        }
        self.push(&costs, (self.head.from, self.head.to), |column| match column {
            "ChargeCategory" => Some(ADJUSTMENT.charge_category.to_owned()),
            "ChargeFrequency" => ADJUSTMENT.charge_frequency.map(ToOwned::to_owned),
            "ChargeDescription" => Some(BEYOND.to_owned()),
            _ => None,
        });
    }

    fn push(&mut self, costs: &Costs, days: (NaiveDate, NaiveDate), cell: impl Fn(&str) -> Option<String>) {
        let time = |day: NaiveDate| Some(format!("{day}T00:00:00Z"));
        let next_month = self.head.from.checked_add_months(Months::new(1)).unwrap_or(self.head.to);
        let dollars = |sum: &BigDecimal| self.overview.has_dollars().then(|| sum.normalized().to_plain_string());
        let [billed, effective, billed_usd, effective_usd] = &costs.sums;
        for (name, column) in COLUMNS.iter().zip(&mut self.columns) {
            column.push(match *name {
                "BilledCost" => Some(billed.to_plain_string()),
                "EffectiveCost" => Some(effective.to_plain_string()),
                "BillingAccountId" => Some(self.head.billing_account_id.clone()),
                "BillingCurrency" => self.overview.currency().map(ToOwned::to_owned),
                "BillingPeriodStart" => time(self.head.from),
                "BillingPeriodEnd" => time(next_month),
                "ChargePeriodStart" => time(days.0),
                "ChargePeriodEnd" => time(days.1),
                "ProviderName" => Some(PROVIDER.to_owned()),
                "x_BilledCostInUsd" => dollars(billed_usd),
                "x_EffectiveCostInUsd" => dollars(effective_usd),
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
