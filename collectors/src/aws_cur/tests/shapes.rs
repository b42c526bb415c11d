//! One bill in the four shapes that AWS writes: the same charges.

use serde_json::Value;

use super::{fixture, read, try_read};
use crate::focus::tests::Read;

/// All that a charge says, one line a cell, so that what changes shows.
fn told(read: &Read) -> Vec<String> {
    let columns = read.names();
    let cells: Vec<_> = columns.iter().map(|name| read.column(name)).collect();
    let rows = cells.first().map_or(0, Vec::len);
    let charge = |row: usize| {
        let said = columns.iter().zip(&cells).filter_map(|(name, cells)| Some((name, cells[row].as_deref()?)));
        let said = said.filter(|(name, _)| !name.starts_with("Billing") && !SAME.contains(&name.as_str()));
        let lines: Vec<String> = said.map(|(name, cell)| format!("  {name}: {}", sorted(cell))).collect();
        format!("{}\n{}\n", read.cell("x_LineItemType", row), lines.join("\n"))
    };
    (0..rows).map(charge).collect()
}

/// Columns that are the same in every charge, or nearly.
const SAME: &[&str] = &[
    "x_LineItemType",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ProviderName",
    "ServiceProviderName",
    "SubAccountId",
    "x_BillingPeriod",
    "x_BillingEntity",
    "x_LineItemId",
];

/// An object with its keys in order; numbers as CSV and Parquet both name them.
fn sorted(cell: &str) -> String {
    match serde_json::from_str::<Value>(cell) {
        Ok(Value::Object(object)) => {
            let mut entries: Vec<_> = object.iter().map(|(key, value)| format!("{key}={value}")).collect();
            entries.sort();
            entries.join(" ")
        }
        _ => cell.strip_suffix(".0").unwrap_or(cell).to_owned(),
    }
}

#[test]
fn every_kind_of_line() {
    let told = told(&read(&fixture("four_shapes/legacy.csv"))).join("\n");
    let path = fixture("four_shapes/charges.txt");
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(told.trim_end() == expected.trim_end(), "{} should say\n{told}", path.display());
}

#[test]
fn the_four_shapes_say_the_same() {
    let legacy = told(&read(&fixture("four_shapes/legacy.csv")));
    for shape in ["legacy.parquet", "cur2.csv", "cur2.parquet"] {
        let charges = told(&read(&fixture("four_shapes").join(shape)));
        assert_eq!(charges.len(), legacy.len(), "{shape}");
        for (charge, expected) in charges.iter().zip(&legacy) {
            assert_eq!(charge, expected, "{shape}");
        }
    }
}

#[test]
fn another_bill_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("focus.csv"), "BilledCost,BillingCurrency\n1,USD\n").expect("a file");
    let error = try_read(folder.path()).err().expect("no report").to_string();
    assert!(
        error.contains("not an AWS Cost and Usage Report, the columns bill_billing_period_start_date, "),
        "{error}"
    );
}
