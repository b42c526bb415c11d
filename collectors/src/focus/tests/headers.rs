//! Columns are bound by name: in any order, in other letters, with strays among them, differing from file to file.

use std::fs;

use outlay_model::part::Repair;

use super::formats::gzip;
use super::{LINE, csv, fixture, read, read_csv, refusal};

/// The 1.2 bill with its columns turned around and renamed.
fn rewritten(rename: impl Fn(&str) -> String) -> String {
    let bill = fs::read(fixture("focus_1_2").join("bill.csv")).expect("the bill");
    let mut records = ::csv::ReaderBuilder::new().has_headers(false).from_reader(bill.as_slice());
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for (line, record) in records.records().enumerate() {
        let record = record.expect("a record");
        let cells = record.iter().rev().map(|cell| if line == 0 { rename(cell) } else { cell.to_owned() });
        writer.write_record(cells).expect("into memory");
    }
    String::from_utf8(writer.into_inner().expect("into memory")).expect("UTF-8")
}

#[track_caller]
fn check_renamed(rename: impl Fn(&str) -> String, repairs: &[(Repair, u64)]) {
    let expected = read(&fixture("focus_1_2").join("bill.csv"));
    let renamed = read_csv(rewritten(rename));
    assert_eq!(renamed.charges, expected.charges);
    assert_eq!(renamed.repairs(), repairs);
}

#[test]
fn columns_come_in_any_order() {
    check_renamed(str::to_owned, &[]);
}

#[test]
fn names_come_in_other_letters() {
    check_renamed(str::to_lowercase, &[(Repair::ColumnCase, 57)]);
    check_renamed(str::to_uppercase, &[(Repair::ColumnCase, 57)]);
    check_renamed(|name| format!(" {name} "), &[]);
}

/// Extra columns, and what they are called in the charges.
#[track_caller]
fn check_strays(strays: &[&str], expected: &[&str], repairs: &[(Repair, u64)]) {
    let cells: Vec<String> = (1..=strays.len()).map(|place| place.to_string()).collect();
    let bill = csv(&[&[]]);
    let (header, line) = bill.trim_end().split_once('\n').expect("a line");
    let read = read_csv(format!("{header},{}\n{line},{}\n", strays.join(","), cells.join(",")));
    let found: Vec<_> = expected.iter().map(|name| read.cell(name, 0)).collect();
    assert_eq!(found, cells, "{expected:?}");
    assert_eq!(read.repairs(), repairs);
    assert_eq!(read.cell("BilledCost", 0), "1.5");
}

#[test]
fn a_stray_column_is_kept_under_x() {
    check_strays(&["Id"], &["x_Id"], &[(Repair::ColumnRenamed, 1)]);
    check_strays(&["x_Discounts", "line item"], &["x_Discounts", "x_line item"], &[(Repair::ColumnRenamed, 1)]);
}

#[test]
fn no_column_is_lost_to_another_of_its_name() {
    check_strays(&["Note", "Note"], &["x_Note", "x_Note_14"], &[(Repair::ColumnRenamed, 2)]);
    check_strays(&["billedcost"], &["x_billedcost"], &[(Repair::ColumnRenamed, 1)]);
    check_strays(&["Note", "Note_15", "Note"], &["x_Note", "x_Note_15", "x_Note_15_"], &[(Repair::ColumnRenamed, 3)]);
    check_strays(&["", ""], &["x__13", "x__14"], &[(Repair::ColumnRenamed, 2)]);
}

#[test]
fn a_bills_own_team_is_not_our_team() {
    check_strays(&["x_Team", "Team"], &["x_ImportedTeam", "x_ImportedTeam_2"], &[(Repair::ColumnRenamed, 2)]);
    check_strays(&["ChargeDate"], &["x_ImportedChargeDate"], &[(Repair::ColumnRenamed, 1)]);
}

#[test]
fn files_with_different_columns_are_united() {
    let read = read(&fixture("two_headers"));
    assert_eq!(read.delivery.files.len(), 2);
    let columns = ["BilledCost", "EffectiveCost", "ListCost", "ServiceName", "ServiceProviderName", "InvoiceId"];
    assert_eq!(
        read.table(&[&columns[..], &["tags.team", "x_Project", "BillingPeriodEnd"]].concat()),
        [
            "4.1 | 4.1 | - | Machines | Nimbus | - | search | - | 2026-11-01T00:00:00Z",
            "0.9 | 0.9 | - | Buckets | Nimbus | - | - | - | 2026-11-01T00:00:00Z",
            "2.5 | - | 3 | Machines | Nimbus South | S-1 | - | atlas | -",
        ]
    );
    assert_eq!(read.repairs(), [(Repair::ColumnCase, 1)]);
}

#[test]
fn what_is_not_a_focus_export_is_told_what_it_lacks() {
    assert_eq!(
        refusal("blank.csv", "\n"),
        "blank.csv: not a FOCUS export, the columns BilledCost, BillingCurrency, BillingPeriodStart, ChargePeriodStart \
         are missing"
    );
    let told = refusal("bill.csv", csv(&[&[]]).replace(',', ";"));
    assert!(told.ends_with("are missing; semicolons stand between its columns, where commas must"), "{told}");
    let bill = csv(&[&[]]).replacen("BilledCost", "Cost", 1).replacen("BillingCurrency", "Currency", 1);
    assert_eq!(
        refusal("cur.csv", bill),
        "cur.csv: not a FOCUS export, the columns BilledCost, BillingCurrency are missing"
    );
}

#[test]
fn what_is_no_text_is_told_what_it_is() {
    let bill = csv(&[&[]]);
    let wide: Vec<u8> = bill.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe", &wide[..]].concat();
    for (bytes, what) in [
        (&marked[..], "is UTF-16 text, not UTF-8 CSV, JSON lines, gzip or Parquet; convert or unpack it first"),
        (&wide, "is UTF-16 text, not UTF-8 CSV, JSON lines, gzip or Parquet; convert or unpack it first"),
        (&gzip(&marked), "is UTF-16 text, not UTF-8 CSV, JSON lines, gzip or Parquet; convert or unpack it first"),
        (b"PK\x03\x04...", "is a ZIP archive, not UTF-8 CSV, JSON lines, gzip or Parquet; convert or unpack it first"),
        (b"", "is empty, not even a header is there; deliver it again"),
    ] {
        assert_eq!(refusal("bill.csv", bytes), format!("bill.csv: {what}"));
    }
}

#[test]
fn a_translated_header_has_the_english_name_in_brackets() {
    let bill = csv(&[&[]]).replacen("BilledCost", "Kosten (BilledCost)", 1);
    let read = read_csv(bill);
    assert_eq!((read.cell("BilledCost", 0), read.repairs()), ("1.5".to_owned(), vec![(Repair::ColumnCase, 1)]));
}

#[test]
fn files_that_were_joined_are_read_as_one() {
    let bill = csv(&[&[], &[]]);
    let read = read_csv(format!("\u{feff}{bill}\u{feff}{bill}"));
    assert_eq!(read.charges.height(), 4);
    assert_eq!(read.repairs(), [(Repair::HeaderRepeated, 1), (Repair::ByteOrderMark, 1)]);
    let other = csv(&[&[("x_Note", "")]]);
    let told = "bill.csv: line 4 is another header, with other columns; cut the file in two before it";
    assert_eq!(refusal("bill.csv", format!("{bill}{other}")), told);
}

#[test]
fn a_header_alone_states_nothing() {
    let header: Vec<_> = LINE.iter().map(|(column, _)| *column).collect();
    let expected = "bill.csv: no row has a BillingPeriodStart; say with --delivery KEY what the file states";
    assert_eq!(refusal("bill.csv", header.join(",")), expected);
    assert_eq!(refusal("bill.csv", header.join(",") + "\n"), expected);
}
