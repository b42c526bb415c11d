//! One bill for each version of FOCUS, with all its columns; `charges.txt` beside it says what becomes of them.

use std::fmt::Write;

use outlay_model::focus::{COLUMNS, FocusVersion};

use super::{Read, csv, fixture, read, read_csv};

/// Every charge, one stated column a line.
fn printed(read: &Read) -> String {
    let mut text = String::new();
    for row in 0..read.charges.height() {
        let _ = writeln!(text, "charge {}", row + 1);
        for column in read.charges.columns() {
            if let Some(cell) = &read.column(column.name())[row] {
                let _ = writeln!(text, "  {:<36}{cell}", column.name().as_str());
            }
        }
    }
    text
}

#[track_caller]
fn check(case: &str, version: FocusVersion) -> Read {
    let folder = fixture(case);
    let read = read(&folder.join("bill.csv"));
    assert_eq!((read.rejected(), read.repairs()), (Vec::new(), Vec::new()), "a bill to the letter");

    let bill = std::fs::read_to_string(folder.join("bill.csv")).expect("the bill");
    let header: Vec<&str> = bill.lines().next().expect("a header").split(',').collect();
    let mut columns: Vec<&str> =
        COLUMNS.iter().filter(|column| column.since <= version).map(|column| column.name).collect();
    columns.sort_unstable();
    assert_eq!(header, columns, "all columns of the version and no other");

    let expected = std::fs::read_to_string(folder.join("charges.txt")).unwrap_or_default();
    let printed = printed(&read);
    assert!(printed == expected, "not what charges.txt says:\n{printed}");
    read
}

#[test]
fn focus_1_0() {
    let read = check("focus_1_0", FocusVersion::V1_0);
    assert_eq!(read.cell("ServiceProviderName", 0), "AWS", "as 1.3 calls it");
    assert!(read.charges.column("HostProviderName").is_err(), "nobody said whose machines they are");
}

#[test]
fn focus_1_1() {
    check("focus_1_1", FocusVersion::V1_1);
}

#[test]
fn focus_1_2() {
    check("focus_1_2", FocusVersion::V1_2);
}

#[test]
fn focus_1_3() {
    let read = check("focus_1_3", FocusVersion::V1_3);
    let providers = read.table(&["ServiceProviderName", "ProviderName", "HostProviderName"]);
    assert_eq!(providers, ["Rockbase | Example Marketplace | AWS", "Rockbase | Example Marketplace | -"]);
}

#[test]
fn a_provider_under_the_old_name_stands_in_for_the_new_one_line_by_line() {
    let read = read_csv(csv(&[&[("ServiceProviderName", "Rockbase")], &[], &[("ProviderName", "")]]));
    assert_eq!(read.column("ServiceProviderName"), [Some("Rockbase".to_owned()), Some("Nimbus".to_owned()), None]);
}

#[test]
fn the_old_name_may_be_gone() {
    let bill = csv(&[&[("ServiceProviderName", "Rockbase")]]).replace("ProviderName,InvoiceId", "x_Old,InvoiceId");
    let read = read_csv(bill);
    assert_eq!(read.cell("ServiceProviderName", 0), "Rockbase");
    assert!(read.charges.column("ProviderName").is_err());
}

#[test]
fn a_bill_that_names_no_provider_has_none() {
    let read = read_csv(csv(&[&[]]).replace("ProviderName", "x_Vendor"));
    assert_eq!(read.column("ServiceProviderName"), [None]);
}
