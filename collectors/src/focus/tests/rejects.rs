//! Lines that cannot be taken: each with why, where, what stands there, and its money.

use outlay_model::part::Repair;

use super::{csv, read_csv, told};

/// A line with these cells, between two that are taken.
#[track_caller]
fn check(cells: &[(&str, &str)], expected: &str) {
    let read = read_csv(csv(&[&[], cells, &[]]));
    assert_eq!(read.rejected(), [expected]);
    assert_eq!(read.charges.height(), 2);
}

#[test]
fn a_number_that_is_none() {
    check(
        &[("BilledCost", "1,5")],
        "unreadable_number at bill.csv:3 BilledCost=\"1,5\"; 2026-10-01 INV-1 USD: effective 1.25, list 2, \
         contracted 1.75, unpriced",
    );
    check(
        &[("ListCost", "$2")],
        "unreadable_number at bill.csv:3 ListCost=\"$2\"; 2026-10-01 INV-1 USD: effective 1.25, billed 1.5, \
         contracted 1.75, unpriced",
    );
}

#[test]
fn a_number_beyond_what_money_holds() {
    check(
        &[("EffectiveCost", "123456789012345678901")],
        "number_out_of_range at bill.csv:3 EffectiveCost=\"123456789012345678901\"; 2026-10-01 INV-1 USD: \
         effective 123456789012345678901, billed 1.5, list 2, contracted 1.75",
    );
    check(
        &[("BilledCost", "1e61")],
        "number_out_of_range at bill.csv:3 BilledCost=\"1e61\"; 2026-10-01 INV-1 USD: effective 1.25, list 2, \
         contracted 1.75, unpriced",
    );
}

#[test]
fn a_time_that_is_none() {
    check(
        &[("ChargePeriodEnd", "soon")],
        "unreadable_time at bill.csv:3 ChargePeriodEnd=\"soon\"; 2026-10-01 INV-1 USD: effective 1.25, billed 1.5, \
         list 2, contracted 1.75",
    );
    check(
        &[("BillingPeriodStart", "10/01/2026")],
        "unreadable_time at bill.csv:3 BillingPeriodStart=\"10/01/2026\"; - INV-1 USD: effective 1.25, billed 1.5, \
         list 2, contracted 1.75",
    );
}

#[test]
fn a_line_without_a_day() {
    check(
        &[("ChargePeriodStart", "")],
        "missing_charge_period at bill.csv:3 ChargePeriodStart; 2026-10-01 INV-1 USD: effective 1.25, billed 1.5, \
         list 2, contracted 1.75",
    );
}

#[test]
fn a_line_without_a_billing_period() {
    check(
        &[("BillingPeriodStart", "NULL"), ("BilledCost", "-3")],
        "missing_billing_period at bill.csv:3 BillingPeriodStart; - INV-1 USD: effective 1.25, billed -3, list 2, \
         contracted 1.75",
    );
}

#[test]
fn a_line_without_a_currency() {
    check(
        &[("BillingCurrency", ""), ("InvoiceId", "")],
        "missing_currency at bill.csv:3 BillingCurrency; 2026-10-01 -: effective 1.25, billed 1.5, list 2, \
         contracted 1.75",
    );
    check(
        &[("BillingCurrency", "Credits")],
        "missing_currency at bill.csv:3 BillingCurrency=\"Credits\"; 2026-10-01 INV-1 CREDITS: effective 1.25, \
         billed 1.5, list 2, contracted 1.75",
    );
}

#[test]
fn a_reject_that_states_no_cost_is_unpriced() {
    check(
        &[("BillingCurrency", ""), ("BilledCost", "NULL"), ("ListCost", "")],
        "missing_currency at bill.csv:3 BillingCurrency; 2026-10-01 INV-1: effective 1.25, contracted 1.75, unpriced",
    );
}

#[test]
fn only_the_first_fault_of_a_line_is_told() {
    check(
        &[("BilledCost", "x"), ("ListCost", "y"), ("BillingCurrency", "")],
        "unreadable_number at bill.csv:3 BilledCost=\"x\"; 2026-10-01 INV-1: effective 1.25, contracted 1.75, unpriced",
    );
}

#[test]
fn a_long_value_is_cut() {
    let read = read_csv(csv(&[&[], &[("ListCost", &"ü".repeat(300))]]));
    assert_eq!(read.rejects[0].value, Some("ü".repeat(200)));
}

#[test]
fn the_money_of_a_reject_keeps_every_digit() {
    let cost = "0.12345678901234567890123456789012345678901234567890";
    check(
        &[("BilledCost", cost), ("ChargePeriodStart", "")],
        &format!(
            "missing_charge_period at bill.csv:3 ChargePeriodStart; 2026-10-01 INV-1 USD: effective 1.25, billed {}, \
             list 2, contracted 1.75",
            cost.trim_end_matches('0')
        ),
    );
}

/// A bill whose third line is damaged.
#[track_caller]
fn check_damaged(damage: impl Fn(&str) -> Vec<u8>, expected: &str) {
    let bill = csv(&[&[], &[("BilledCost", "8")], &[]]);
    let mut bytes = Vec::new();
    for (place, line) in bill.lines().enumerate() {
        bytes.extend(if place == 2 { damage(line) } else { line.as_bytes().to_vec() });
        bytes.push(b'\n');
    }
    let read = read_csv(bytes);
    assert_eq!(read.rejected(), [expected]);
    assert_eq!(read.table(&["BilledCost"]), ["1.5", "1.5"]);
}

#[test]
fn a_line_with_more_or_fewer_fields() {
    check_damaged(
        |line| format!("{line},more").into_bytes(),
        "malformed_record at bill.csv:3 (13 fields, the header has 12); - -: , unpriced",
    );
    check_damaged(
        |line| line.rsplit_once(',').expect("cells").0.into(),
        "malformed_record at bill.csv:3 (11 fields, the header has 12); - -: , unpriced",
    );
    check_damaged(
        |_| b"Total".to_vec(),
        "malformed_record at bill.csv:3 (1 fields, the header has 12); - -: , unpriced",
    );
}

#[test]
fn text_that_is_not_utf_8() {
    let latin1 = |line: &str| [&line.as_bytes()[..line.len() - 5], b"M\xfcll"].concat();
    check_damaged(
        latin1,
        "invalid_text at bill.csv:3 (text that is not UTF-8); 2026-10-01 M\u{fffd}ll USD: effective 1.25, billed 8, list 2, contracted 1.75",
    );
}

#[test]
fn text_with_a_hole_in_it() {
    check(
        &[("ProviderName", "Nim\0bus")],
        "invalid_text at bill.csv:3 (a NUL where text should be); 2026-10-01 INV-1 USD: effective 1.25, billed 1.5, list 2, contracted 1.75",
    );
}

/// A bill whose third line has a quote that is not closed in this column, and what is rejected of it.
#[track_caller]
fn check_open(column: &str, rest: &[&[(&str, &str)]], expected: &[&str]) {
    let open = [(column, "OPEN"), ("BilledCost", "8")];
    let lines: Vec<&[(&str, &str)]> = [&[][..], &open].into_iter().chain(rest.iter().copied()).collect();
    let read = read_csv(csv(&lines).replace("OPEN", "\"OPEN"));
    assert_eq!(read.rejected(), expected);
    assert_eq!(read.charges.height() + expected.len(), lines.len(), "the lines it had swallowed are taken");
    assert_eq!(read.repairs.get(&Repair::OpenQuote), (!rest.is_empty()).then_some(&1));
}

const COSTS: &str = "effective 1.25, billed 8, list 2, contracted 1.75";

#[test]
fn an_open_quote_costs_its_line_and_no_other() {
    let told = format!("malformed_record at bill.csv:3 (a quote that is not closed); 2026-10-01 INV-1 USD: {COSTS}");
    check_open("ProviderName", &[&[], &[]], &[&told]);
    let of_last =
        format!("malformed_record at bill.csv:3 (a quote that is not closed); 2026-10-01 \"OPEN USD: {COSTS}");
    check_open("InvoiceId", &[&[], &[]], &[&of_last]);
    check_open("InvoiceId", &[], &[&of_last]);
    check_open("InvoiceId", &[&[], &[("ProviderName", "a,b")], &[]], &[&of_last]);
    check_open("InvoiceId", &[&[], &[("ProviderName", "two\nlines")], &[]], &[&of_last]);
}

#[test]
fn an_open_quote_before_a_cost_that_is_not_where_it_should_be() {
    let bill = csv(&[&[], &[("EffectiveCost", "OPEN,5")], &[]]).replace("\"OPEN,5\"", "\"OPEN,5");
    let read = read_csv(bill);
    let told = "malformed_record at bill.csv:3 (a quote that is not closed); - -: , unpriced";
    assert_eq!((read.rejected(), read.charges.height()), (vec![told.to_owned()], 2));
}

#[test]
fn a_quote_within_a_text_rejects_the_line_with_its_money() {
    let bill = csv(&[&[], &[("ProviderName", "OPEN")], &[]]).replace("OPEN", "\"12\" disk\"");
    let read = read_csv(bill);
    let told = "malformed_record at bill.csv:3 (a quote within a text, where it is not doubled); 2026-10-01 INV-1 USD: \
                effective 1.25, billed 1.5, list 2, contracted 1.75";
    assert_eq!((read.rejected(), read.charges.height()), (vec![told.to_owned()], 2));
}

#[test]
fn texts_of_several_lines_stay_texts() {
    let text = "one\ntwo, three\n\"four\"\n5,6,7,8,9,10,11";
    let read = read_csv(csv(&[&[], &[("x_Note", text)], &[]]));
    assert_eq!(read.column("x_Note"), [None, Some(text.to_owned()), None]);
    assert!(read.rejects.is_empty() && read.repairs().is_empty());
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let bad = &[("BilledCost", "bad")][..];
    let bill = csv(&[bad, &[("InvoiceId", "two\nlines")], bad, &[]]);
    let lines = |bill: String| read_csv(bill).rejects.iter().map(|reject| reject.line).collect::<Vec<_>>();
    assert_eq!(lines(bill.clone()), [2, 5]);
    assert_eq!(lines(bill.replace('\n', "\r\n")), [2, 5], "Windows line ends");
    assert_eq!(lines(format!("\u{feff}{bill}")), [2, 5], "byte-order mark");
    let blank = bill.replacen('\n', "\n\n\n", 1);
    assert_eq!(lines(blank.clone()), [4, 7], "empty lines");
    assert_eq!(lines(blank.replace('\n', "\r\n")), [4, 7], "both");
}

#[test]
fn rejects_are_told_in_the_order_of_their_lines() {
    let bill = csv(&[&[("BilledCost", "a")], &[("BilledCost", "b")], &[]]);
    let read = read_csv(bill.replacen("\na,", "\nshort\na,", 1));
    let told: Vec<_> = read.rejects.iter().map(told).collect();
    assert_eq!(read.rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(), [2, 3, 4], "{told:?}");
}

#[test]
fn a_quantity_that_cannot_be_read_costs_no_charge() {
    let read = read_csv(csv(&[&[("PricingQuantity", "N/A")], &[("ConsumedQuantity", "2.6e20")]]));
    assert_eq!((read.charges.height(), read.rejects.len()), (2, 0));
    assert_eq!(read.repairs.get(&Repair::NumberUnreadable), Some(&2));
}
