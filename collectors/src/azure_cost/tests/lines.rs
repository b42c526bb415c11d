//! What becomes of lines that both statements have, and of files that are one of them alone.

use bigdecimal::BigDecimal;
use outlay_model::part::Repair;

use super::{csv, fixture, read, read_files, try_read_files};
use crate::focus::tests::Read;

const COST: &str = "CostInBillingCurrency";
const COSTS: &[&str] = &["ChargeCategory", "ChargePeriodStart", "SubAccountId", "BilledCost", "EffectiveCost"];
const RESERVED: (&str, &str) = ("PricingModel", "Reservation");

fn counted(read: &Read, repair: Repair) -> u64 {
    read.repairs().into_iter().find(|(known, _)| *known == repair).map_or(0, |(_, times)| times)
}

/// Σ of a column.
fn sum(read: &Read, column: &str) -> BigDecimal {
    let number = |cell: Option<String>| cell.as_deref().unwrap_or("0").parse::<BigDecimal>().expect("a number");
    read.column(column).into_iter().map(number).sum()
}

/// Σ of the cost column of a file, by another reader than ours.
fn stated(path: &str, column: &str) -> BigDecimal {
    let text = std::fs::read_to_string(fixture(path)).expect("is there");
    let mut reader = ::csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let place = reader.headers().expect("a header").iter().position(|name| name == column).expect("is there");
    reader.records().map(|record| record.expect("a line")[place].parse::<BigDecimal>().expect("a number")).sum()
}

#[test]
fn billed_is_what_actual_says_and_effective_what_amortised_says() {
    for (case, column) in [("ea", "CostInBillingCurrency"), ("mca", "costInBillingCurrency")] {
        let read = read(&fixture(case));
        assert_eq!(sum(&read, "BilledCost"), stated(&format!("{case}/actual.csv"), column), "{case}");
        assert_eq!(sum(&read, "EffectiveCost"), stated(&format!("{case}/amortized.csv"), column), "{case}");
        assert_eq!(counted(&read, Repair::ActualDiffers), 0, "{case}");
    }
}

#[test]
fn what_the_two_do_not_agree_on_is_a_charge() {
    let amortised = csv(&[vec![(COST, "1.5")], vec![(COST, "2"), ("Date", "10/06/2026")]]);
    let actual = csv(&[
        vec![(COST, "1.5"), ("Date", "2026-10-05")],
        vec![(COST, "2.25"), ("Date", "2026-10-06")],
        vec![(COST, "1e-20"), ("SubscriptionId", "2222")],
    ]);
    for files in [["1-actual.csv", "2-amortized.csv"], ["2-actual.csv", "1-amortized.csv"]] {
        let read = read_files(&[(files[0], &actual), (files[1], &amortised)]);
        let mut table = read.table(COSTS);
        table.sort();
        let expected = [
            "Adjustment | 2026-10-05T00:00:00Z | 2222 | 0 | 0",
            "Adjustment | 2026-10-06T00:00:00Z | 1111 | 0.25 | 0",
            "Usage | 2026-10-05T00:00:00Z | 1111 | 1.5 | 1.5",
            "Usage | 2026-10-06T00:00:00Z | 1111 | 2 | 2",
        ];
        assert_eq!(table, expected);
        assert_eq!([Repair::ActualFolded, Repair::ActualDiffers].map(|of| counted(&read, of)), [3, 2]);
    }
}

#[test]
fn an_invoice_number_that_comes_later_is_the_actual_one() {
    let amortised = csv(&[vec![("InvoiceId", "")]]);
    let actual = csv(&[vec![("InvoiceId", "G1")]]);
    let read = read_files(&[("actual.csv", &actual), ("amortized.csv", &amortised)]);
    let mut table = read.table(&["ChargeCategory", "InvoiceId", "BilledCost", "EffectiveCost"]);
    table.sort();
    assert_eq!(table, ["Adjustment | - | -1.5 | 0", "Adjustment | G1 | 1.5 | 0", "Usage | - | 1.5 | 1.5"]);
}

#[test]
fn actual_cost_alone_does_not_say_what_is_effective() {
    let lines = csv(&[vec![], vec![RESERVED, (COST, "0")], vec![RESERVED, ("ChargeType", "Purchase"), (COST, "40")]]);
    let read = read_files(&[("actual.csv", &lines)]);
    assert_eq!(
        read.table(&["ChargeCategory", "BilledCost", "EffectiveCost"]),
        ["Usage | 1.5 | -", "Usage | 0 | -", "Purchase | 40 | -"]
    );
}

#[test]
fn amortised_cost_alone_does_not_say_what_commitments_are_billed() {
    let lines = csv(&[vec![], vec![RESERVED], vec![RESERVED, ("ChargeType", "UnusedReservation"), (COST, "0.5")]]);
    let read = read_files(&[("amortized.csv", &lines)]);
    assert_eq!(
        read.table(&["ChargeCategory", "BilledCost", "EffectiveCost", "PricingCategory"]),
        ["Usage | 1.5 | 1.5 | Standard", "Usage | - | 1.5 | Committed", "Usage | - | 0.5 | Committed"]
    );
}

#[test]
fn lines_tell_which_statement_they_are_of_where_names_do_not() {
    let buys = csv(&[vec![RESERVED, ("ChargeType", "Purchase"), (COST, "40")], vec![RESERVED, (COST, "0")]]);
    let uses = csv(&[vec![], vec![RESERVED, (COST, "0.5")]]);
    let read = read_files(&[("one.csv", &buys), ("two.csv", &uses)]);
    assert_eq!(sum(&read, "EffectiveCost"), BigDecimal::from(2));
    // The usage that amortised cost says was on demand is not in what is said to be all of actual cost.
    assert_eq!(sum(&read, "BilledCost"), BigDecimal::from(40));
    let error = try_read_files(&[("october.csv", &csv(&[vec![]]))]).err().expect("is not told").to_string();
    assert!(
        error.contains("october.csv: nothing tells whether it is actual or amortised cost; give it a name"),
        "{error}"
    );
    let both = csv(&[vec![RESERVED, ("ChargeType", "Purchase")], vec![RESERVED]]);
    assert!(try_read_files(&[("october.csv", &both)]).is_err());
}

#[test]
fn a_file_that_is_said_to_be_actual_and_is_not_is_refused() {
    let lines = csv(&[vec![], vec![("ChargeType", "UnusedSavingsPlan")]]);
    let error = try_read_files(&[("actual.csv", &lines)]).err().expect("is refused").to_string();
    assert!(error.contains("is said to be actual cost, but has lines of UnusedSavingsPlan"), "{error}");
}

#[test]
fn the_same_text_may_be_both_statements() {
    let lines = csv(&[vec![]]);
    let read = read_files(&[("actual.csv", &lines), ("amortized.csv", &lines)]);
    assert_eq!(read.table(COSTS), ["Usage | 2026-10-05T00:00:00Z | 1111 | 1.5 | 1.5"]);
    assert!(try_read_files(&[("actual.csv", &lines), ("actual-2.csv", &lines)]).is_err(), "twice the same");
}

#[test]
fn rejected_lines_keep_their_money() {
    let amortised = csv(&[vec![], vec![("Date", "31/10/2026")], vec![(COST, "1,5")]]);
    let actual = csv(&[vec![], vec![("Date", "31/10/2026")], vec![(COST, "three")]]);
    let read = read_files(&[("actual.csv", &actual), ("amortized.csv", &amortised)]);
    let expected = [
        "unreadable_number at actual.csv:4 BilledCost=\"three\"; 2026-10-01 - USD: effective 0, unpriced",
        "unreadable_time at amortized.csv:3 ChargePeriodStart=\"31/10/2026\"; 2026-10-01 - USD: effective 1.5, billed 1.5",
        "unreadable_number at amortized.csv:4 BilledCost=\"1,5\"; 2026-10-01 - USD: , unpriced",
    ];
    assert_eq!(read.rejected(), expected);
    assert_eq!(read.table(COSTS), ["Usage | 2026-10-05T00:00:00Z | 1111 | 1.5 | 1.5"]);
}

#[test]
fn a_refund_corrects_only_what_was_invoiced() {
    let refund = |more: &[(&'static str, &'static str)]| [&[("ChargeType", "Refund"), (COST, "-1")], more].concat();
    let lines = csv(&[refund(&[]), refund(&[("Date", "09/30/2026")]), refund(&[("PreviousInvoiceId", "G0")])]);
    let read = read_files(&[("actual.csv", &lines)]);
    let expected = ["Purchase | -", "Purchase | Correction", "Purchase | Correction"];
    assert_eq!(read.table(&["ChargeCategory", "ChargeClass"]), expected);
}

#[test]
fn without_a_billing_period_it_is_the_month() {
    let header = "Date,Cost,Currency,ChargeType\n";
    let read = read_files(&[("actual.csv", &format!("{header}12/31/2026,1,USD,Usage\n"))]);
    let columns = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodEnd"];
    assert_eq!(read.table(&columns), ["2026-12-01T00:00:00Z | 2027-01-01T00:00:00Z | 2027-01-01T00:00:00Z"]);
}
