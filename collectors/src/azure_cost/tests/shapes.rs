//! Bills of each kind of agreement, whole.

use chrono::NaiveDate;
use polars::prelude::{DataType, Series};
use serde_json::Value;

use super::{fixture, read, try_read};
use crate::focus::tests::Read;
use crate::focus::tests::formats::{frame, parquet, retyped};

/// All that a charge says, one line a cell, so that what changes shows.
fn told(read: &Read) -> Vec<String> {
    let columns = read.names();
    let cells: Vec<_> = columns.iter().map(|name| read.column(name)).collect();
    let rows = cells.first().map_or(0, Vec::len);
    let charge = |row: usize| {
        let said = columns.iter().zip(&cells).filter_map(|(name, cells)| Some((name, cells[row].as_deref()?)));
        let said = said.filter(|(name, _)| !SAME.contains(&name.as_str()));
        let lines: Vec<String> = said.map(|(name, cell)| format!("  {name}: {}", sorted(cell))).collect();
        format!("{}\n{}\n", read.cell("ServiceName", row), lines.join("\n"))
    };
    (0..rows).map(charge).collect()
}

/// Columns that are the same in every charge of a file, or nearly.
const SAME: &[&str] = &[
    "ServiceName",
    "BillingPeriodEnd",
    "ProviderName",
    "x_BillingPeriod",
    "x_ChargeDate",
    "x_InvoiceSectionName",
    "x_IsAzureCreditEligible",
    "x_OfferId",
    "x_ServiceFamily",
];

/// An object with its keys in order.
fn sorted(cell: &str) -> String {
    match serde_json::from_str::<Value>(cell) {
        Ok(Value::Object(object)) => {
            let mut entries: Vec<_> = object.iter().map(|(key, value)| format!("{key}={value}")).collect();
            entries.sort();
            entries.join(" ")
        }
        _ => cell.to_owned(),
    }
}

#[track_caller]
fn check(case: &str) -> Read {
    let read = read(&fixture(case));
    let told = told(&read).join("\n");
    let path = fixture(case).join("charges.txt");
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(told.trim_end() == expected.trim_end(), "{} should say\n{told}", path.display());
    read
}

#[test]
fn an_enterprise_agreement() {
    let read = check("ea");
    assert!(
        !read.names().contains(&"x_AccountOwnerId".to_owned())
            || read.column("x_AccountOwnerId").iter().all(Option::is_none)
    );
}

#[test]
fn a_customer_agreement() {
    check("mca");
}

#[test]
fn a_file_from_before_there_were_charge_types() {
    check("legacy");
}

#[test]
fn a_translated_header() {
    check("translated");
}

/// Days as Parquet has them.
fn days(texts: &[Option<&str>]) -> Series {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%m/%d/%Y").expect("a day").to_epoch_days();
    let days: Series = texts.iter().map(|text| text.map(day)).collect();
    days.cast(&DataType::Date).expect("days")
}

fn doubles(texts: &[Option<&str>]) -> Series {
    texts.iter().map(|text| text.map(|text| text.parse::<f64>().expect("a number"))).collect()
}

#[test]
fn parquet_says_the_same_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["actual", "amortized"] {
        let text = std::fs::read_to_string(fixture("ea").join(name).with_extension("csv")).expect("is there");
        let mut bill = frame(text.trim_start_matches('\u{feff}'));
        for column in ["CostInBillingCurrency", "Quantity", "UnitPrice", "PayGPrice", "EffectivePrice"] {
            bill = retyped(&bill, column, &doubles);
        }
        for column in ["Date", "BillingPeriodStartDate", "BillingPeriodEndDate"] {
            bill = retyped(&bill, column, &days);
        }
        std::fs::write(folder.path().join(name).with_extension("parquet"), parquet(&bill)).expect("writes");
    }
    let without_prices = |read: &Read| -> Vec<String> {
        // Kept as they are, a text and a double are not written the same.
        told(read).iter().map(|charge| charge.lines().filter(|line| !line.contains("Price: ")).collect()).collect()
    };
    assert_eq!(without_prices(&read(folder.path())), without_prices(&read(&fixture("ea"))));
}

#[test]
fn another_bill_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("focus.csv"), "BilledCost,BillingCurrency,ChargePeriodStart\n1,USD,2026-10-01\n")
        .expect("a file");
    let error = try_read(folder.path()).err().expect("none").to_string();
    let expected = "not Azure cost details, these columns are missing: CostInBillingCurrency, Date; it is a FOCUS export, which is of kind focus";
    assert!(error.ends_with(expected), "{error}");
}
