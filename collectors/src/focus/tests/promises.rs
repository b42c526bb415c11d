//! Whatever a bill holds: Σ surveyed = Σ charges + Σ rejected + Σ rounding, exactly, per invoice and cost (P1).
//!
//! [`read_as`] asserts it; what is random here is the bill.

use std::collections::BTreeSet;

use polars::prelude::{DataFrame, Int128Chunked, IntoSeries, NewChunkedArray, PlSmallStr, Series};
use proptest::prelude::*;
use proptest::sample::select;

use super::formats::{frame, parquet, retyped};
use super::{Read, Settings, csv, folder, read_as};

const COSTS: [&str; 4] = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?[0-9]{1,9}(\\.[0-9]{0,18})?",
        2 => "[+-]?[0-9]{0,21}\\.[0-9]{15,70}",
        2 => "[+-]?[0-9]{1,25}(\\.[0-9]{0,30})?[eE][+-]?[0-9]{1,2}",
        1 => "[0-9]{15,140}",
        3 => select(&["", " ", "NULL", "NULL ", "1,5", "NaN", "inf", "$3", "--1", "-", ".", "1e", "1e999", " 7 ", "0x1"][..])
            .prop_map(ToOwned::to_owned),
        1 => "\\PC{0,6}",
    ]
}

fn period() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&[
            "2026-10-01T00:00:00Z", "2026-10-01", "2026-10-01 00:00:00", "2026-10-01 00:00:00 UTC", "2026-10-01Z",
            "2026-10-01T01:00:00+02:00", "2026-09-30T22:00:00-07:00", "2026-10-01 01:00:00+02:00", "2026-9-1", "2026-9-1Z",
            "2026-9-1 07:00:00", "2026- 9-01", "2026-10-01soon", "10/01/2026", "26-10-01", "", "NULL", " 2026-10-01 ",
        ][..])
        .prop_map(ToOwned::to_owned),
        1 => "20[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}[T ]?([0-9]{1,2}:[0-9]{2})?(Z|\\+02:00)?",
    ]
}

fn line() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let currency = select(&["USD", "usd", " EUR ", "EUR", "", "US", "NULL", "Credits"][..]);
    let invoice = select(&["A", "a", " A", "", " ", "NULL", "007"][..]);
    let day = select(&["2026-10-05", "", "soon"][..]);
    let price = prop_oneof![Just("1".to_owned()), number()];
    (
        prop::array::uniform4(number()),
        period(),
        currency,
        invoice,
        prop_oneof![3 => Just("2026-10-05"), 1 => day],
        price,
    )
        .prop_map(|(costs, period, currency, invoice, day, price)| {
            let mut line: Vec<_> = COSTS.into_iter().zip(costs).collect();
            line.extend([("BillingPeriodStart", period), ("BillingCurrency", currency.to_owned())]);
            line.extend([
                ("InvoiceId", invoice.to_owned()),
                ("ChargePeriodStart", day.to_owned()),
                ("ListUnitPrice", price),
            ]);
            line
        })
}

fn bill(lines: &[Vec<(&'static str, String)>]) -> String {
    let lines: Vec<Vec<_>> =
        lines.iter().map(|line| line.iter().map(|(column, cell)| (*column, cell.as_str())).collect()).collect();
    csv(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn read_balanced(name: &str, bytes: &[u8]) -> Read {
    read_as(folder(&[(name, bytes)]).path(), Some("any"), &Settings::default())
}

/// Numbers as one of the types Parquet has for them.
fn typed() -> impl Strategy<Value = Vec<Series>> {
    let double =
        prop_oneof![any::<f64>(), -1e6..1e6_f64, select(&[0.1, f64::NAN, f64::INFINITY, 1e19, 1e20, 5e-324][..])];
    let doubles = prop::collection::vec(prop::option::weighted(0.9, double), 8);
    let limit = 10_i128.pow(38) - 1;
    let units = prop_oneof![-limit..=limit, -1_000_000_i128..1_000_000];
    let decimals = (prop::collection::vec(prop::option::weighted(0.9, units), 8), 0..=38_usize);
    let integers = prop::collection::vec(any::<i64>(), 8);
    let one = prop_oneof![
        doubles.prop_map(|cells| cells.into_iter().collect::<Series>()),
        decimals.prop_map(|(cells, scale)| {
            let units = Int128Chunked::from_iter_options(PlSmallStr::EMPTY, cells.into_iter());
            units.into_decimal_unchecked(38, scale).into_series()
        }),
        integers.prop_map(|cells| cells.into_iter().collect::<Series>()),
    ];
    prop::collection::vec(one, COSTS.len())
}

/// What is torn into a line; nothing that ends it.
const PIECES: &[&[u8]] = &[b"\"", b"\"\"", b",", b"\"\"\"", b",\"", b"\",", b"\0", b"\xff", b"\xef\xbb\xbf", b"x", b""];

/// How many bytes go, and which come instead.
fn torn() -> impl Strategy<Value = (usize, Vec<u8>)> {
    (0..4_usize, select(PIECES).prop_map(<[u8]>::to_vec))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_balances(
        lines in prop::collection::vec(line(), 0..25),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = bill(&lines).into_bytes();
        if let Some((place, byte)) = damage {
            // Anywhere below the header.
            let header = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bytes.insert(header + place.index(bytes.len() - header + 1), byte);
        }
        read_balanced("bill.csv", &bytes);
    }

    #[test]
    fn damage_costs_its_own_lines_and_no_others(
        lines in 2..30_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), torn()), 1..6),
    ) {
        // What a line costs is told by no other: a power of two.
        let costs: Vec<String> = (0..lines).map(|line| (1_u64 << line).to_string()).collect();
        let cells: Vec<_> = costs.iter().map(|cost| [("BilledCost", cost.as_str()), ("ResourceId", cost.as_str())]).collect();
        let bill = csv(&cells.iter().map(|cells| &cells[..]).collect::<Vec<_>>());
        let mut text: Vec<Vec<u8>> = bill.lines().map(|line| line.as_bytes().to_vec()).collect();
        let mut damaged = BTreeSet::new();
        for (line, place, (cut, bytes)) in damage {
            let line = 1 + line.index(lines);
            let place = place.index(text[line].len());
            let end = text[line].len().min(place + cut);
            text[line].splice(place..end, bytes);
            damaged.insert(line);
        }
        let read = read_balanced("bill.csv", &[text.join(&b'\n'), b"\n".to_vec()].concat());
        let kept: BTreeSet<Option<String>> = read.column("BilledCost").into_iter().collect();
        for line in (1..=lines).filter(|line| !damaged.contains(line)) {
            prop_assert!(kept.contains(&Some(costs[line - 1].clone())), "line {} is lost", line + 1);
        }
        for reject in &read.rejects {
            prop_assert!(damaged.contains(&(reject.line as usize - 1)), "{:?}", read.rejected());
        }
    }

    #[test]
    fn text_in_parquet_is_read_as_in_csv(lines in prop::collection::vec(line(), 1..25)) {
        let bill = bill(&lines);
        let (text, binary) = (read_balanced("bill.csv", bill.as_bytes()), read_balanced("bill.parquet", &parquet(&frame(&bill))));
        prop_assert_eq!(&text.charges, &binary.charges);
        prop_assert_eq!(text.repairs(), binary.repairs());
        let rejects = |read: &Read, first: u64| {
            let placed = read.rejects.iter().cloned().map(|mut reject| {
                (reject.line, reject.file) = (reject.line - first, String::new());
                reject
            });
            placed.collect::<Vec<_>>()
        };
        prop_assert_eq!(rejects(&text, 2), rejects(&binary, 1));
    }

    #[test]
    fn typed_numbers_balance(lines in prop::collection::vec(line(), 8), costs in typed()) {
        let typed = |frame: DataFrame, (column, cells): (&&str, Series)| retyped(&frame, column, &|_| cells.clone());
        let frame = COSTS.iter().zip(costs).fold(frame(&bill(&lines)), typed);
        read_balanced("bill.parquet", &parquet(&frame));
    }
}
