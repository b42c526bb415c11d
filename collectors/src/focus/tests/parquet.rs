//! What only Parquet does: nested values, dictionaries and bytes, numbers that are none, rows instead of lines.

use outlay_model::part::Repair;
use polars::prelude::{BinaryChunked, DataFrame, IntoColumn, NewChunkedArray, Series};

use super::formats::{decimals, frame, parquet, retyped};
use super::{Settings, csv, fixture, folder, list, normalise, read, read_bytes, refusal};

#[test]
fn an_arrow_writers_maps_dictionaries_and_bytes() {
    let read = read(&fixture("parquet_maps").join("bill.parquet"));
    assert_eq!(
        read.table(&["BilledCost", "EffectiveCost", "BillingCurrency", "ServiceName", "ChargePeriodStart"]),
        [
            "0.1 | 0.1 | USD | Zürich Machines | 2026-10-05T07:00:00Z",
            "-2.5 | -2.5 | USD | Zürich Machines | 2026-10-05T08:00:00Z",
        ]
    );
    for (column, first) in [
        ("Tags", r#"{"team":"search","empty":"","gone":null}"#),
        ("SkuPriceDetails", r#"{"CoreCount":"8","OperatingSystem":"Linux"}"#),
        ("x_Discounts", r#"{"EDP":0.05,"PrivateRate":0.2}"#),
        ("x_Credits", r#"[{"name":"Free tier","amount":-0.1,"ids":["a","b"]},{"name":"Promo","ids":[]}]"#),
        ("x_Project", r#"{"id":"shop","number":7,"parent":{"id":"retail"}}"#),
    ] {
        assert_eq!(read.column(column), [Some(first.to_owned()), None]);
    }
    assert_eq!(read.table(&["tags.team", "tags.empty"]), ["search | ", "- | -"]);
    assert_eq!(read.repairs(), [(Repair::NumberRounded, 1), (Repair::PersonDropped, 1), (Repair::ServiceUnlisted, 2)]);
}

#[test]
fn bytes_that_are_no_text_become_hexadecimal() {
    let mut bill = frame(&csv(&[&[], &[]]));
    let ids = BinaryChunked::from_iter_options("ResourceId".into(), [Some(b"\xff\x00"), None].into_iter());
    bill.with_column(ids.into_column()).expect("two rows");
    assert_eq!(read_bytes("bill.parquet", parquet(&bill)).column("ResourceId"), [Some("ff00".to_owned()), None]);
}

/// Three rows of which only the second has another BilledCost.
fn with_billed(typed: impl Fn(&[Option<&str>]) -> Series) -> DataFrame {
    retyped(&frame(&csv(&[&[], &[], &[]])), "BilledCost", &typed)
}

/// Why the second row is not taken.
#[track_caller]
fn check(bill: &DataFrame, expected: &str) {
    let read = read_bytes("bill.parquet", parquet(bill));
    let expected = format!("{expected}; 2026-10-01 INV-1 USD: effective 1.25");
    assert!(read.rejected().len() == 1 && read.rejected()[0].starts_with(&expected), "{:?}", read.rejected());
    assert_eq!(read.charges.height(), 2);
    assert_eq!(read.rejects[0].unpriced, expected.starts_with("unreadable") || expected.contains("1e300"));
}

#[test]
fn a_double_that_is_no_amount() {
    let doubles = |double: f64| with_billed(|_| [0.5, double, 0.25].into_iter().collect());
    check(&doubles(f64::NAN), "unreadable_number at bill.parquet:2 BilledCost=\"NaN\"");
    check(&doubles(f64::NEG_INFINITY), "unreadable_number at bill.parquet:2 BilledCost=\"-inf\"");
    check(&doubles(1e300), "number_out_of_range at bill.parquet:2 BilledCost=\"1e300\"");
    check(&doubles(1e25), "number_out_of_range at bill.parquet:2 BilledCost=\"1e25\"");
}

#[test]
fn a_decimal_beyond_what_money_holds() {
    let bill = with_billed(|_| decimals(&[Some("1.25"), Some("123456789012345678901.25"), None], 2));
    check(&bill, "number_out_of_range at bill.parquet:2 BilledCost=\"123456789012345678901.25\"");
}

#[test]
fn a_cell_of_text_that_is_no_number_or_time() {
    let bill = frame(&csv(&[&[], &[("BilledCost", "1,5")], &[]]));
    check(&bill, "unreadable_number at bill.parquet:2 BilledCost=\"1,5\"");
    let mut bill = frame(&csv(&[&[], &[("ListCost", "NULL"), ("ChargePeriodStart", "NULL")], &[]]));
    check(&bill, "missing_charge_period at bill.parquet:2 ChargePeriodStart");
    bill.rename("BilledCost", "BILLEDCOST".into()).expect("a column");
    check(&bill, "missing_charge_period at bill.parquet:2 ChargePeriodStart");
}

#[test]
fn what_is_no_bill_is_refused() {
    let whole = parquet(&frame(&csv(&[&[], &[]])));
    assert_eq!(refusal("bill.parquet", &whole[..whole.len() - 9]), "bill.parquet: cannot be read as Parquet");
    assert_eq!(refusal("bill.parquet", "PAR1"), "bill.parquet: cannot be read as Parquet");
    assert_eq!(
        refusal("bill.parquet", parquet(&frame("BilledCost,BillingCurrency,Day\n1,USD,1\n"))),
        "bill.parquet: not a FOCUS export, the columns BillingPeriodStart, ChargePeriodStart are missing"
    );
    assert_eq!(
        refusal("bill.parquet", parquet(&frame(&csv(&[])))),
        "bill.parquet: no row has a BillingPeriodStart; say with --delivery KEY what the file states"
    );
}

#[test]
fn a_damaged_file_is_never_taken_for_a_shorter_one() {
    let lines: Vec<_> = (0..2000).map(|line| [("ResourceId", format!("{:x}", line * 7_654_321_u64))]).collect();
    let lines: Vec<_> =
        lines.iter().map(|line| line.each_ref().map(|(column, cell)| (*column, cell.as_str()))).collect();
    let whole = parquet(&frame(&csv(&lines.iter().map(|line| &line[..]).collect::<Vec<_>>())));
    let settings = Settings::default();
    let mut refused = 0;
    for part in 0..20 {
        let mut bytes = whole.clone();
        let start = whole.len() * part / 20 + 8;
        bytes[start..start + 24].fill(0xff);
        let folder = folder(&[("bill.parquet", &bytes)]);
        match list(folder.path(), Some("any"), &settings).and_then(|mut listed| normalise(listed.remove(0), &settings))
        {
            // Parquet has no checksums: damage within a text may pass for another text.
            Ok(read) => assert_eq!(read.delivery.rows, 2000, "damaged at {start}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
