//! Reports through the crate's boundary: files are found, surveyed and normalised. Every one of every test is held to what
//! holds for any bill: what the survey added up is what was kept, rejected and rounded away (P1).

mod lines;
mod promises;
mod shapes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use outlay_model::money::plain;

use super::AwsCur;
use crate::focus::tests::{Read, read_of};
use crate::{CollectError, Settings};

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws_cur/fixtures").join(case)
}

#[track_caller]
fn read(path: &Path) -> Read {
    try_read(path).expect("a report")
}

fn try_read(path: &Path) -> Result<Read, CollectError> {
    read_of(&AwsCur, path, &Settings::default())
}

/// The cells of a line that is taken; a test says only what it changes or adds.
const LINE: &[(&str, &str)] = &[
    ("bill_billing_period_start_date", "2026-10-01T00:00:00Z"),
    ("bill_billing_period_end_date", "2026-11-01T00:00:00Z"),
    ("bill_invoice_id", "INV-1"),
    ("bill_payer_account_id", "012345678901"),
    ("line_item_usage_account_id", "000000000042"),
    ("line_item_line_item_type", "Usage"),
    ("line_item_usage_start_date", "2026-10-05T00:00:00Z"),
    ("line_item_usage_end_date", "2026-10-06T00:00:00Z"),
    ("line_item_product_code", "AmazonEC2"),
    ("line_item_currency_code", "USD"),
    ("line_item_unblended_cost", "1.5"),
];

/// A CSV report of [`LINE`]s with some cells changed.
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

/// Reads reports of one file each as one delivery.
#[track_caller]
fn read_csvs(texts: &[&str]) -> Read {
    let folder = tempfile::tempdir().expect("a folder");
    for (place, text) in texts.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{place}.csv")), text).expect("a file");
    }
    read(folder.path())
}

/// Σ of a cost per kind of line.
fn sums(read: &Read, cost: &str) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, BigDecimal> = BTreeMap::new();
    for (kind, cost) in read.column("x_LineItemType").into_iter().zip(read.column(cost)) {
        let cost: BigDecimal = cost.as_deref().unwrap_or("0").parse().expect("a number");
        *sums.entry(kind.unwrap_or_default()).or_default() += cost;
    }
    sums.into_iter().map(|(kind, sum)| (kind, plain(&sum))).collect()
}
