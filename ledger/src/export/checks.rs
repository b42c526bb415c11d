//! What is looked at on every exported row, because FOCUS asks for it: [`RowRule`] is the list.
//!
//! A finding keeps no row out. It says where the bills, and so the export, are not what FOCUS wants. Nulls that FOCUS
//! forbids are no finding: they are counted, and refused or let through, before the first row is written.

use std::collections::{BTreeMap, HashMap};

use outlay_model::Money;
use outlay_model::export::{Example, ExportColumn, Finding, RowRule, Severity};
use outlay_model::focus::FocusType;
use outlay_model::money::SCALE;
use polars::prelude::{Column, DataFrame, DataType, PolarsResult};
use serde_json::Value;

use crate::decimal;

/// Examples given of one finding.
const EXAMPLES: usize = 3;
/// Characters of an example's value.
const VALUE: usize = 200;
/// Distinct JSON texts remembered; then the memory starts afresh.
const REMEMBERED: usize = 100_000;
/// Columns that FOCUS wants both null or neither (FOCUS 1.2: regions, resources, sub accounts, SKU prices, commitments).
const PAIRS: &[(&str, &str)] = &[
    ("RegionName", "RegionId"),
    ("ResourceType", "ResourceId"),
    ("SubAccountName", "SubAccountId"),
    ("SubAccountType", "SubAccountId"),
    ("PricingUnit", "PricingQuantity"),
    ("ConsumedUnit", "ConsumedQuantity"),
    ("CommitmentDiscountCategory", "CommitmentDiscountId"),
    ("CommitmentDiscountUnit", "CommitmentDiscountQuantity"),
];
/// Costs that are a price times PricingQuantity (FOCUS 1.2, ListCost and ContractedCost).
const PRODUCTS: &[(&str, &str)] = &[("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")];
/// Objects whose values may be anything (FOCUS 1.3, JSON object format); in the others they are scalars.
const NESTING: &[&str] = &["AllocatedMethodDetails", "ContractApplied"];

/// Looks at rows and remembers what it found.
#[derive(Debug)]
pub struct Checks {
    columns: Vec<ExportColumn>,
    rows: u64,
    findings: BTreeMap<(Severity, RowRule, String), Finding>,
    longest: BTreeMap<String, u64>,
    objects: HashMap<String, Option<RowRule>>,
}

/// The rows of one batch that break one rule.
struct Found {
    rule: RowRule,
    rows: u64,
    examples: Vec<Example>,
}

impl Found {
    const fn new(rule: RowRule) -> Self {
        Self { rule, rows: 0, examples: Vec::new() }
    }

    fn add(&mut self, row: u64, value: impl FnOnce() -> Option<String>) {
        self.rows += 1;
        if self.examples.len() < EXAMPLES {
            let value = value().map(|text| text.chars().take(VALUE).collect());
            self.examples.push(Example { row, value });
        }
    }
}

impl Checks {
    /// For an export with these columns.
    #[must_use]
    pub fn new(columns: &[ExportColumn]) -> Self {
        let (columns, objects) = (columns.to_vec(), HashMap::new());
        Self { columns, rows: 0, findings: BTreeMap::new(), longest: BTreeMap::new(), objects }
    }

    /// Looks at the next rows.
    ///
    /// # Errors
    /// When they are not those of the export.
    pub fn see(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        for column in self.columns.clone() {
            let cells = rows.column(&column.name)?;
            match column.data_type {
                FocusType::String => self.texts(&column, cells)?,
                FocusType::Json => {
                    self.texts(&column, cells)?;
                    self.objects(&column, cells)?;
                }
                FocusType::DateTime => self.instants(&column, cells)?,
                FocusType::Decimal => self.prices(&column, cells)?,
            }
            if column.focus.is_none() && !pascal_case(&column.name) {
                let found = Found { rows: rows.height() as u64, ..Found::new(RowRule::CustomName) };
                self.take(&column.name, found);
            }
        }
        self.periods(rows)?;
        self.products(rows)?;
        self.pairs(rows)?;
        self.purchases(rows)?;
        self.rows += rows.height() as u64;
        Ok(())
    }

    /// How many rows were looked at.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The findings, the worst first, and the longest text of each text column, in characters.
    #[must_use]
    pub fn finish(self) -> (Vec<Finding>, BTreeMap<String, u64>) {
        (self.findings.into_values().collect(), self.longest)
    }

    fn take(&mut self, column: &str, found: Found) {
        if found.rows == 0 {
            return;
        }
        let rule = found.rule;
        let finding = self.findings.entry((rule.severity(), rule, column.to_owned())).or_insert_with(|| Finding {
            rule,
            column: column.to_owned(),
            rows: 0,
            examples: Vec::new(),
        });
        finding.rows += found.rows;
        let more = EXAMPLES.saturating_sub(finding.examples.len());
        finding.examples.extend(found.examples.into_iter().take(more));
    }

    fn texts(&mut self, column: &ExportColumn, cells: &Column) -> PolarsResult<()> {
        let allowed = column.focus.map_or(&[][..], |focus| focus.allowed);
        let (mut blank, mut foreign) = (Found::new(RowRule::BlankText), Found::new(RowRule::ValueNotAllowed));
        let mut longest = self.longest.get(&column.name).copied().unwrap_or(0);
        for (row, text) in numbered(self.rows, cells.str()?.iter()) {
            let Some(text) = text else { continue };
            if text.len() as u64 > longest {
                longest = longest.max(text.chars().count() as u64);
            }
            if text.trim_start().is_empty() {
                blank.add(row, || Some(text.to_owned()));
            }
            if !allowed.is_empty() && !allowed.contains(&text) {
                foreign.add(row, || Some(text.to_owned()));
            }
        }
        self.longest.insert(column.name.clone(), longest);
        self.take(&column.name, blank);
        self.take(&column.name, foreign);
        Ok(())
    }

    fn objects(&mut self, column: &ExportColumn, cells: &Column) -> PolarsResult<()> {
        let nests = NESTING.contains(&column.name.as_str());
        let (mut torn, mut nested) = (Found::new(RowRule::NotAnObject), Found::new(RowRule::NestedValue));
        for (row, text) in numbered(self.rows, cells.str()?.iter()) {
            let Some(text) = text else { continue };
            match self.broken(text) {
                Some(RowRule::NestedValue) if nests => {}
                Some(RowRule::NestedValue) => nested.add(row, || Some(text.to_owned())),
                Some(_) => torn.add(row, || Some(text.to_owned())),
                None => {}
            }
        }
        self.take(&column.name, torn);
        self.take(&column.name, nested);
        Ok(())
    }

    /// What a JSON text breaks. Bills repeat the same few, so each is read once.
    fn broken(&mut self, text: &str) -> Option<RowRule> {
        if let Some(known) = self.objects.get(text) {
            return *known;
        }
        if self.objects.len() >= REMEMBERED {
            self.objects.clear();
        }
        let broken = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => {
                fields.values().any(|value| value.is_object() || value.is_array()).then_some(RowRule::NestedValue)
            }
            _ => Some(RowRule::NotAnObject),
        };
        self.objects.insert(text.to_owned(), broken);
        broken
    }

    fn instants(&mut self, column: &ExportColumn, cells: &Column) -> PolarsResult<()> {
        let mut found = Found::new(RowRule::FractionOfSecond);
        let micros = cells.cast(&DataType::Int64)?;
        for (row, micros) in numbered(self.rows, micros.i64()?.iter()) {
            if micros.is_some_and(|micros| micros % 1_000_000 != 0) {
                found.add(row, || instant(cells, row - self.rows - 1));
            }
        }
        self.take(&column.name, found);
        Ok(())
    }

    fn prices(&mut self, column: &ExportColumn, cells: &Column) -> PolarsResult<()> {
        if !column.name.ends_with("UnitPrice") {
            return Ok(());
        }
        let mut found = Found::new(RowRule::NegativePrice);
        for (row, price) in numbered(self.rows, decimal::amounts(cells.as_materialized_series())?.into_iter()) {
            if let Some(price) = price.filter(|price| *price < Money::ZERO) {
                found.add(row, || Some(price.to_string()));
            }
        }
        self.take(&column.name, found);
        Ok(())
    }

    fn periods(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        for (start, end) in [("ChargePeriodStart", "ChargePeriodEnd"), ("BillingPeriodStart", "BillingPeriodEnd")] {
            let mut found = Found::new(RowRule::EmptyPeriod);
            let ends = rows.column(end)?;
            let (from, to) = (rows.column(start)?.cast(&DataType::Int64)?, ends.cast(&DataType::Int64)?);
            for (row, (from, to)) in numbered(self.rows, from.i64()?.iter().zip(to.i64()?.iter())) {
                if from.zip(to).is_some_and(|(from, to)| from >= to) {
                    found.add(row, || instant(ends, row - self.rows - 1));
                }
            }
            self.take(end, found);
        }
        Ok(())
    }

    fn products(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        let amounts =
            |name: &str| rows.column(name).ok().map(|column| decimal::amounts(column.as_materialized_series()));
        let Some(quantities) = amounts("PricingQuantity").transpose()? else { return Ok(()) };
        let classes = rows.column("ChargeClass")?.str()?.clone();
        for (cost, price) in PRODUCTS {
            let (Some(costs), Some(prices)) = (amounts(cost).transpose()?, amounts(price).transpose()?) else {
                continue;
            };
            let mut found = Found::new(RowRule::ProductDiffers);
            let cells = costs.into_iter().zip(prices).zip(&quantities).zip(classes.iter());
            for (row, (((cost, price), quantity), class)) in numbered(self.rows, cells) {
                let (Some(cost), Some(price), Some(quantity), None) = (cost, price, *quantity, class) else { continue };
                if !about(cost, product(price, quantity)) {
                    found.add(row, || Some(format!("{cost}, not {price} × {quantity}")));
                }
            }
            self.take(cost, found);
        }
        Ok(())
    }

    fn pairs(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        for (one, other) in PAIRS {
            let (Ok(first), Ok(second)) = (rows.column(one), rows.column(other)) else { continue };
            let mut found = Found::new(RowRule::WithoutItsPair);
            let (nulls, others) = (first.is_null(), second.is_null());
            for (row, (null, other_null)) in numbered(self.rows, nulls.iter().zip(others.iter())) {
                if null != other_null {
                    let lacks = if null == Some(true) { one } else { other };
                    found.add(row, || Some(format!("no {lacks}")));
                }
            }
            self.take(one, found);
        }
        Ok(())
    }

    fn purchases(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        let Ok(frequencies) = rows.column("ChargeFrequency") else { return Ok(()) };
        let mut found = Found::new(RowRule::UsagePurchase);
        let cells = frequencies.str()?.iter().zip(rows.column("ChargeCategory")?.str()?.iter());
        for (row, cell) in numbered(self.rows, cells) {
            if cell == (Some("Usage-Based"), Some("Purchase")) {
                found.add(row, || Some("Usage-Based".to_owned()));
            }
        }
        self.take("ChargeFrequency", found);
        Ok(())
    }
}

/// The cells of a batch with the rows of the export they stand in, after so many before them.
fn numbered<T>(before: u64, cells: impl Iterator<Item = T>) -> impl Iterator<Item = (u64, T)> {
    (before + 1..).zip(cells)
}

fn instant(cells: &Column, row: u64) -> Option<String> {
    cells.get(usize::try_from(row).ok()?).ok().and_then(|cell| decimal::cell_text(&cell))
}

fn pascal_case(name: &str) -> bool {
    let bare = name.strip_prefix("x_").unwrap_or_default();
    bare.starts_with(|c: char| c.is_ascii_uppercase()) && bare.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Price times quantity, to tell whether a cost is that; never an amount. `None` where it does not fit.
fn product(price: Money, quantity: Money) -> Option<Money> {
    let one = 10_i128.pow(SCALE);
    let (p, q) = (price.units(), quantity.units());
    let (whole, rest) = (p / one, p % one);
    // Of two numbers below one, the product fits.
    let fraction = rest * (q % one) / one;
    let sum = whole.checked_mul(q)?.checked_add(rest.checked_mul(q / one)?)?.checked_add(fraction)?;
    Money::from_units(sum)
}

/// Whether a cost is the product but for rounding: providers round either, so a ten-thousandth of the currency's unit, or
/// of the cost, is no difference.
fn about(cost: Money, product: Option<Money>) -> bool {
    let Some(difference) = product.and_then(|product| product.checked_sub(cost)) else { return false };
    let tolerance = (cost.abs().units() / 10_000).max(10_i128.pow(SCALE - 4));
    difference.abs().units() <= tolerance
}
