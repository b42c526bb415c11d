//! Cost details through the crate's boundary: files are found, surveyed and normalised. Every one of every test is held to
//! what holds for any bill: what the survey added up is what was kept, rejected and rounded away (P1).

mod lines;
mod promises;
mod shapes;

use std::path::{Path, PathBuf};

use super::AzureCost;
use crate::focus::tests::{Read, read_of};
use crate::{CollectError, Settings};

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/azure_cost/fixtures").join(case)
}

#[track_caller]
fn read(path: &Path) -> Read {
    try_read(path).expect("cost details")
}

fn try_read(path: &Path) -> Result<Read, CollectError> {
    read_of(&AzureCost, path, &Settings::default())
}

/// The cells of a line that is taken; a test says only what it changes or adds.
const LINE: &[(&str, &str)] = &[
    ("Date", "10/05/2026"),
    ("BillingPeriodStartDate", "10/01/2026"),
    ("BillingPeriodEndDate", "10/31/2026"),
    ("BillingAccountId", "8608480"),
    ("SubscriptionId", "1111"),
    ("ChargeType", "Usage"),
    ("PricingModel", "OnDemand"),
    ("CostInBillingCurrency", "1.5"),
    ("BillingCurrencyCode", "USD"),
];

/// CSV of [`LINE`]s with some cells changed.
fn csv(lines: &[Vec<(&str, &str)>]) -> String {
    let mut header: Vec<&str> = LINE.iter().map(|(column, _)| *column).collect();
    for (column, _) in lines.iter().flatten() {
        if !header.contains(column) {
            header.push(column);
        }
    }
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).expect("into memory");
    for line in lines {
        let cell =
            |column: &&str| line.iter().chain(LINE).find(|(name, _)| name == column).map_or("", |(_, cell)| cell);
        writer.write_record(header.iter().map(cell)).expect("into memory");
    }
    String::from_utf8(writer.into_inner().expect("into memory")).expect("UTF-8")
}

/// Reads files of these names as one delivery.
fn try_read_files(files: &[(&str, &str)]) -> Result<Read, CollectError> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    try_read(folder.path())
}

#[track_caller]
fn read_files(files: &[(&str, &str)]) -> Read {
    try_read_files(files).expect("cost details")
}
