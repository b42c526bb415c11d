//! Numbers: every digit kept up to 18 decimals, and what is rounded beyond them accounted for (P2).

use bigdecimal::BigDecimal;
use outlay_model::money::plain;
use outlay_model::part::Repair;
use outlay_model::query::Metric;

use super::{Read, csv, read_csv};

fn lost(read: &Read, metric: Metric) -> String {
    let of_metric = read.rounding.iter().filter(|((_, other), _)| *other == metric);
    plain(&of_metric.map(|(_, lost)| lost).sum::<BigDecimal>())
}

/// A BilledCost, what is kept of it, and what rounding takes away.
#[track_caller]
fn check(text: &str, kept: &str, rounding: &str) {
    let read = read_csv(csv(&[&[("BilledCost", text)]]));
    assert_eq!((read.cell("BilledCost", 0).as_str(), lost(&read, Metric::Billed).as_str()), (kept, rounding), "{text}");
    let rounded = u64::from(rounding != "0");
    assert_eq!(read.repairs.get(&Repair::NumberRounded).copied().unwrap_or_default(), rounded, "{text}");
}

#[test]
fn every_digit_is_kept() {
    check("0.009865586851323632", "0.009865586851323632", "0");
    check("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678", "0");
    check("0.000000321000000", "0.000000321", "0");
    check("-2.6137", "-2.6137", "0");
    check("+5", "5", "0");
    check(".5", "0.5", "0");
    check(" 7 ", "7", "0");
    check("0010.50", "10.5", "0");
}

#[test]
fn exponents_are_read() {
    check("35.2E-7", "0.00000352", "0");
    check("35.2E+7", "352000000", "0");
    check("-1e-18", "-0.000000000000000001", "0");
    check("1e19", "10000000000000000000", "0");
}

#[test]
fn longer_numbers_are_rounded_half_even() {
    check("0.1234567890123456785432109", "0.123456789012345679", "-0.0000000000000000004567891");
    check("-0.1234567890123456784", "-0.123456789012345678", "-0.0000000000000000004");
    check("0.0000000000000000025", "0.000000000000000002", "0.0000000000000000005");
    check("0.0000000000000000035", "0.000000000000000004", "-0.0000000000000000005");
    check("1e-30", "0", "0.000000000000000000000000000001");
}

#[test]
fn numbers_longer_than_any_integer_still_balance() {
    check("0.10000000000000000000000000000000000000000000000000", "0.1", "0");
    check(
        "1.00000000000000000000000000000000000000000000000001",
        "1",
        "0.00000000000000000000000000000000000000000000000001",
    );
    check(
        "3333333333333333333.33333333333333333333333333333333",
        "3333333333333333333.333333333333333333",
        "0.00000000000000000033333333333333",
    );
}

#[test]
fn sums_of_rounded_numbers_are_exact() {
    let costs = ["0.1234567890123456785432109", "0.0000000000000000014999999", "-7.0000000000000000000000001", "2"];
    let lines: Vec<_> =
        costs.iter().map(|cost| [("BilledCost", *cost), ("ListCost", "0.0000000000000000001")]).collect();
    let read = read_csv(csv(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>()));
    let balance = read.balances().into_iter().find(|balance| balance.metric == Metric::Billed).expect("one invoice");
    assert_eq!(plain(&balance.source), "-4.8765432109876543199567893");
    assert_eq!(plain(&balance.stored), "-4.87654321098765432");
    assert_eq!(plain(&balance.rounding), "0.0000000000000000000432107");
    assert_eq!(lost(&read, Metric::List), "0.0000000000000000004");
    assert_eq!(read.repairs(), [(Repair::NumberRounded, 7)]);
}

#[test]
fn prices_and_quantities_are_rounded_and_counted_alike() {
    let read = read_csv(csv(&[&[("ListUnitPrice", "0.00000000000000000049"), ("PricingQuantity", "1E+3")]]));
    assert_eq!(read.table(&["ListUnitPrice", "PricingQuantity"]), ["0 | 1000"]);
    assert_eq!(read.repairs(), [(Repair::NumberRounded, 1)]);
    assert!(read.rounding.is_empty(), "no cost was rounded");
}

#[test]
fn rounding_belongs_to_its_invoice() {
    let read = read_csv(csv(&[
        &[("BilledCost", "0.0000000000000000001"), ("InvoiceId", "A")],
        &[("BilledCost", "0.0000000000000000002"), ("InvoiceId", "B")],
        &[("BilledCost", "0.0000000000000000004"), ("InvoiceId", "B")],
    ]));
    let by_invoice: Vec<_> =
        read.rounding.iter().map(|((key, _), lost)| (key.invoice.as_deref().unwrap_or("-"), plain(lost))).collect();
    assert_eq!(by_invoice, [("A", "0.0000000000000000001".to_owned()), ("B", "0.0000000000000000006".to_owned())]);
}
