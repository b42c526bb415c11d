//! Texts as bills hold them: byte-order marks, line ends, quotes, words that stand for null, closed lists.

use outlay_model::part::Repair;

use super::{csv, fixture, read, read_csv};

/// A text in a column, and what the charge has there.
#[track_caller]
fn check(column: &str, text: &str, expected: Option<&str>, repairs: &[(Repair, u64)]) {
    let read = read_csv(csv(&[&[(column, text)]]));
    assert_eq!(read.column(column), [expected.map(ToOwned::to_owned)], "{column} {text:?}");
    assert_eq!(read.repairs(), repairs, "{column} {text:?}");
}

#[test]
fn the_public_samples_quirks_are_put_right_and_counted() {
    let read = read(&fixture("sample_quirks"));
    assert_eq!(
        read.table(&["x_Id", "BilledCost", "ContractedCost", "BillingAccountId", "BillingAccountName", "SkuPriceId"]),
        [
            "1 | 0.000000321 | 0.000000321 | 00123 | - | X7",
            "2 | -0.25 | -0.25 | 42 | Example | X8",
            "3 | 0.5 | - | 7 | - | -",
        ]
    );
    assert_eq!(
        read.table(&["ChargePeriodStart", "ChargeCategory", "ChargeFrequency", "tags. org", "Tags"]),
        [
            r#"2024-09-14T07:00:00Z | Usage | Usage-Based | web | {"application": "shop", " org": "web"}"#,
            "2024-09-14T00:00:00Z | Usage | Usage-Based | - | -",
            "2024-09-14T07:00:00Z | Usage | Usage-Based | - | -",
        ]
    );
    assert_eq!(
        read.repairs(),
        [
            (Repair::NullText, 4),
            (Repair::TimeWithoutZone, 12),
            (Repair::ValueCase, 2),
            (Repair::ColumnRenamed, 1),
            (Repair::ServiceListed, 2)
        ]
    );
    assert!(read.coverage.hourly);
}

#[test]
fn ids_of_digits_stay_text() {
    check("BillingAccountId", "000123456789", Some("000123456789"), &[]);
    check("SubAccountId", "1234567890123456789012345", Some("1234567890123456789012345"), &[]);
    check("x_CostCenter", "0042", Some("0042"), &[]);
    check("InvoiceId", "007", Some("007"), &[]);
    check("SkuId", "1e5", Some("1e5"), &[]);
}

#[test]
fn texts_keep_their_letters_and_blanks() {
    check("ResourceName", " Müller & Söhne ", Some(" Müller & Söhne "), &[]);
    check("ServiceName", "amazon EC2", Some("amazon EC2"), &[]);
    check("ResourceId", "null", Some("null"), &[]);
    check("ResourceId", "N/A", Some("N/A"), &[]);
}

#[test]
fn words_and_blanks_stand_for_null() {
    check("ResourceId", "NULL", None, &[(Repair::NullText, 1)]);
    check("ResourceId", "", None, &[]);
    check("ResourceId", "  ", None, &[(Repair::BlankText, 1)]);
    check("ListCost", "NULL", None, &[(Repair::NullText, 1)]);
    check("ListCost", "", None, &[]);
    check("ChargePeriodEnd", "NULL", None, &[(Repair::NullText, 1)]);
    check("Tags", "NULL", None, &[(Repair::NullText, 1)]);
    check("Tags", " ", None, &[]);
    check("x_Note", "NULL", None, &[(Repair::NullText, 1)]);
}

#[test]
fn an_absent_cost_is_null_and_not_nothing() {
    let read = read_csv(csv(&[&[("BilledCost", ""), ("EffectiveCost", "NULL")]]));
    assert_eq!(read.table(&["BilledCost", "EffectiveCost"]), ["- | -"]);
}

#[test]
fn closed_lists_are_spelled_as_focus_does() {
    check("ChargeFrequency", "Usage-based", Some("Usage-Based"), &[(Repair::ValueCase, 1)]);
    check("ChargeCategory", "TAX", Some("Tax"), &[(Repair::ValueCase, 1)]);
    check("ServiceCategory", "AI and machine learning", Some("AI and Machine Learning"), &[(Repair::ValueCase, 1)]);
    check("BillingCurrency", " usd ", Some("USD"), &[(Repair::ValueCase, 1)]);
}

#[test]
fn a_value_outside_its_list_is_kept_and_counted() {
    check("ChargeCategory", "Marketplace", Some("Marketplace"), &[(Repair::ValueNotAllowed, 1)]);
    check("ChargeFrequency", "Other", Some("Other"), &[(Repair::ValueNotAllowed, 1)]);
    check("PricingCategory", "Spot", Some("Spot"), &[(Repair::ValueNotAllowed, 1)]);
    check("ServiceSubcategory", "Toasters", Some("Toasters"), &[]);
}

#[test]
fn every_kind_of_charge_is_kept() {
    let kinds = ["Usage", "Purchase", "Tax", "Credit", "Adjustment", ""];
    let lines: Vec<_> = kinds.iter().map(|kind| [("ChargeCategory", *kind), ("BilledCost", "-0")]).collect();
    let read = read_csv(csv(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>()));
    assert_eq!(read.charges.height(), kinds.len());
    assert_eq!(read.column("BilledCost"), vec![Some("0".to_owned()); kinds.len()]);
}

#[test]
fn times_come_in_many_shapes() {
    let unzoned = &[(Repair::TimeWithoutZone, 1)][..];
    for (text, repairs) in [
        ("2026-10-05T07:00:00Z", &[][..]),
        ("2026-10-05T07:00:00.000Z", &[]),
        ("2026-10-05T09:00:00+02:00", &[]),
        ("2026-10-05 07:00:00 UTC", &[]),
        ("2026-10-05 07:00:00", unzoned),
        ("2026-10-05T07:00", unzoned),
        (" 2026-10-05T07:00:00 ", unzoned),
    ] {
        check("ChargePeriodStart", text, Some("2026-10-05T07:00:00Z"), repairs);
    }
    check("ChargePeriodStart", "2026-10-05", Some("2026-10-05T00:00:00Z"), unzoned);
}

#[test]
fn days_are_utc() {
    let read = read_csv(csv(&[&[("ChargePeriodStart", "2026-10-05T01:30:00+02:00")]]));
    assert_eq!(read.table(&["x_ChargeDate", "ChargePeriodStart"]), ["2026-10-04 | 2026-10-04T23:30:00Z"]);
}

/// When a billing period starts, and which one it is taken for.
#[track_caller]
fn check_period(start: &str, expected: &str, moved: bool) {
    let read = read_csv(csv(&[&[("BillingPeriodStart", start)]]));
    assert_eq!(read.cell("x_BillingPeriod", 0), expected, "{start}");
    assert_eq!(read.repairs.contains_key(&Repair::PeriodEast), moved, "{start}");
}

#[test]
fn a_billing_period_is_that_of_its_month_wherever_midnight_is() {
    check_period("2026-10-01T00:00:00+02:00", "2026-10-01", true);
    check_period("2026-09-30T22:00:00Z", "2026-10-01", true);
    check_period("2026-10-01T00:00:00+14:00", "2026-10-01", true);
    check_period("2026-10-01T00:00:00-07:00", "2026-10-01", false);
    check_period("2026-09-30 10:00:00", "2026-10-01", true);
    check_period("2026-09-30 09:59:59", "2026-09-30", false);
    check_period("2026-09-29T22:00:00Z", "2026-09-29", false);
    check_period("2024-02-29T23:00:00Z", "2024-03-01", true);
    check_period("2026-09-30", "2026-09-30", false);
}

#[test]
fn a_period_that_ends_when_it_starts_is_counted() {
    check("ChargePeriodEnd", "2026-10-05T00:00:00Z", Some("2026-10-05T00:00:00Z"), &[(Repair::EmptyPeriod, 1)]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    let bill = csv(&[&[]]);
    assert_eq!(read_csv(format!("\u{feff}{bill}")).charges, read_csv(&bill).charges);
    let quoted = bill.replacen("BilledCost", "\"BilledCost\"", 1);
    assert_eq!(read_csv(format!("\u{feff}{quoted}")).charges, read_csv(&bill).charges);
}

#[test]
fn line_ends_are_unix_or_windows_or_missing() {
    let bill = csv(&[&[], &[("BilledCost", "2")]]);
    let expected = read_csv(&bill).charges;
    assert_eq!(read_csv(bill.replace('\n', "\r\n")).charges, expected);
    assert_eq!(read_csv(bill.trim_end()).charges, expected);
    assert_eq!(read_csv(bill.replace('\n', "\r\n").trim_end()).charges, expected);
    assert_eq!(read_csv(bill.replace('\n', "\n\n")).charges, expected);
    assert_eq!(read_csv(bill.replace('\n', "\r")).charges, expected);
    assert_eq!(read_csv(bill.replacen('\n', "\r", 2)).charges, expected);
}

#[test]
fn quoted_cells_hold_commas_quotes_and_lines() {
    let text = "first,\nsecond \"line\"\r\n";
    check("ChargeDescription", text, Some(text), &[]);
}

#[test]
fn commas_that_say_nothing_are_left_out() {
    let bill = csv(&[&[], &[("BilledCost", "2")]]);
    let read = read_csv(bill.replacen("\n", "\n,,,,,,,,,,,\n", 1) + ",,,\n");
    assert_eq!((read.charges, &read.repairs), (read_csv(&bill).charges, &[(Repair::EmptyLine, 2)].into()));
    let read = read_csv(bill.replace("INV-1\n", "INV-1,,\n"));
    assert_eq!((read.charges, &read.repairs), (read_csv(&bill).charges, &[(Repair::TrailingCommas, 2)].into()));
    let spreadsheet = read_csv(bill.replace("InvoiceId\n", "InvoiceId,\n"));
    assert_eq!(spreadsheet.charges.height(), 2);
}
