//! Exports through the crate's boundary: files are found, surveyed and normalised. Every one of every test is held to what
//! holds for any bill: what the survey added up is what was kept, rejected and rounded away (P1).

mod cases;
mod promises;
mod shapes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use outlay_model::money::plain;

use super::GcpBilling;
use crate::focus::tests::{Read, read_of};
use crate::{CollectError, Settings};

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gcp_billing/fixtures").join(case)
}

#[track_caller]
fn read(path: &Path) -> Read {
    try_read(path).expect("an export")
}

fn try_read(path: &Path) -> Result<Read, CollectError> {
    read_of(&GcpBilling, path, &Settings::default())
}

/// Σ billed per billing period, of the charges.
fn billed(read: &Read) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, BigDecimal> = BTreeMap::new();
    for (period, cost) in read.column("x_BillingPeriod").into_iter().zip(read.column("BilledCost")) {
        let cost: BigDecimal = cost.as_deref().unwrap_or("0").parse().expect("a number");
        *sums.entry(period.unwrap_or_default()).or_default() += cost;
    }
    sums.into_iter().map(|(period, sum)| (period, plain(&sum))).collect()
}

/// All that some charges say, one line a cell, so that what changes shows; not what all of them say alike.
fn told(read: &Read) -> Vec<String> {
    let columns = read.names();
    let cells: Vec<_> = columns.iter().map(|name| read.column(name)).collect();
    let rows = cells.first().map_or(0, Vec::len);
    let alike = |cells: &[Option<String>]| rows > 1 && cells.iter().all(|cell| *cell == cells[0]);
    let charge = |row: usize| {
        let said = columns.iter().zip(&cells).filter(|(_, cells)| !alike(cells));
        let said = said.filter_map(|(name, cells)| Some((name, cells[row].as_deref()?)));
        let lines: Vec<String> = said.map(|(name, cell)| format!("  {name}: {cell}")).collect();
        format!("{}\n{}\n", read.cell("ChargeCategory", row), lines.join("\n"))
    };
    (0..rows).map(charge).collect()
}
