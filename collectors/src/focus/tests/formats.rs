//! The same bill gives the same charges, whatever it is packed in and however its cells are typed.

use std::io::Write;

use bigdecimal::{BigDecimal, ToPrimitive};
use chrono::{DateTime, Datelike};
use flate2::Compression;
use flate2::write::GzEncoder;
use outlay_model::part::Repair;
use polars::prelude::{
    Column, DataFrame, DataType, Int32Chunked, Int64Chunked, Int128Chunked, IntoColumn, IntoSeries, ListChunked,
    NewChunkedArray, ParquetWriter, PlSmallStr, Series, StringChunked, StructChunked, TimeUnit, TimeZone,
};
use serde_json::{Map, Value};

use super::{LINE, Read, csv, fixture, read, read_bytes, read_csv, refusal};
use crate::input::Format;

const COSTS: [&str; 4] = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];
const TIMES: [&str; 4] = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"];

/// A bill with a bit of everything.
fn bill() -> String {
    csv(&[
        &[("BilledCost", "0.1"), ("EffectiveCost", "-0.000000321"), ("Tags", r#"{"team":"search","env":"prod"}"#)],
        &[("BilledCost", "12345.678901"), ("ListCost", ""), ("InvoiceId", ""), ("Tags", r#"{"team":"data"}"#)],
        &[("BilledCost", "-3"), ("ChargePeriodEnd", ""), ("ProviderName", "Müller, \"Cloud\"")],
        &[("BilledCost", "0"), ("EffectiveCost", "1e-7"), ("Tags", r#"{"env":"dev"}"#), ("x_Note", "two\nlines")],
    ])
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(bytes).expect("into memory");
    writer.finish().expect("into memory")
}

/// A bill as a frame of texts.
pub(crate) fn frame(bill: &str) -> DataFrame {
    let mut records = ::csv::Reader::from_reader(bill.as_bytes());
    let header = records.headers().expect("a header").clone();
    let lines: Vec<_> = records.records().map(|record| record.expect("a line")).collect();
    let columns = header.iter().enumerate().map(|(place, name)| {
        let cells = lines.iter().map(|line| line.get(place).filter(|cell| !cell.is_empty()));
        StringChunked::from_iter_options(PlSmallStr::from_str(name), cells).into_column()
    });
    DataFrame::new(lines.len(), columns.collect()).expect("a frame")
}

pub(crate) fn parquet(frame: &DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame.clone()).expect("into memory");
    bytes
}

/// The frame with one of its columns of text written as another type.
pub(crate) fn retyped(frame: &DataFrame, column: &str, typed: &impl Fn(&[Option<&str>]) -> Series) -> DataFrame {
    let texts: Vec<Option<&str>> = frame.column(column).expect("a column").str().expect("texts").iter().collect();
    let mut frame = frame.clone();
    let series = typed(&texts).with_name(PlSmallStr::from_str(column));
    frame.with_column(series.into_column()).expect("as high as the others");
    frame
}

fn doubles(texts: &[Option<&str>]) -> Series {
    texts.iter().map(|text| text.map(|text| text.parse::<f64>().expect("a number"))).collect()
}

fn integers(texts: &[Option<&str>]) -> Series {
    texts.iter().map(|text| text.map(|text| text.parse::<i64>().expect("an integer"))).collect()
}

pub(super) fn decimals(texts: &[Option<&str>], scale: usize) -> Series {
    let units = |text: &str| {
        let scaled = text.parse::<BigDecimal>().expect("a number").with_scale(scale as i64);
        scaled.into_bigint_and_exponent().0.to_i128().expect("fits")
    };
    let units = texts.iter().map(|text| text.map(units));
    let units = Int128Chunked::from_iter_options(PlSmallStr::EMPTY, units);
    units.into_decimal_unchecked(38, scale).into_series()
}

pub(super) fn instants(texts: &[Option<&str>], unit: TimeUnit, zone: Option<&str>) -> Series {
    let time = |text: &str| {
        let instant = DateTime::parse_from_rfc3339(text).expect("an instant");
        match unit {
            TimeUnit::Nanoseconds => instant.timestamp_nanos_opt().expect("in range"),
            TimeUnit::Microseconds => instant.timestamp_micros(),
            TimeUnit::Milliseconds => instant.timestamp_millis(),
        }
    };
    let zone = TimeZone::opt_try_new(zone).expect("a zone");
    let times = Int64Chunked::from_iter_options(PlSmallStr::EMPTY, texts.iter().map(|text| text.map(time)));
    times.into_series().cast(&DataType::Datetime(unit, zone)).expect("instants")
}

fn dates(texts: &[Option<&str>]) -> Series {
    let day =
        |text: &str| DateTime::parse_from_rfc3339(text).expect("an instant").date_naive().num_days_from_ce() - 719_163;
    let days = Int32Chunked::from_iter_options(PlSmallStr::EMPTY, texts.iter().map(|text| text.map(day)));
    days.into_series().cast(&DataType::Date).expect("days")
}

fn texts<'a>(name: &str, texts: impl IntoIterator<Item = Option<&'a str>>) -> Series {
    let texts: Vec<_> = texts.into_iter().collect();
    StringChunked::from_iter_options(PlSmallStr::from_str(name), texts.into_iter()).into_series()
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("a JSON object")
}

/// Tags as most engines write a map: a list of key and value.
pub(super) fn map(cells: &[Option<&str>]) -> Series {
    let entries = |text: &str| {
        let object = object(text);
        let keys = texts("key", object.keys().map(|key| Some(key.as_str())));
        let values = texts("value", object.values().map(Value::as_str));
        let entries = StructChunked::from_series(PlSmallStr::EMPTY, object.len(), [keys, values].iter());
        entries.expect("as many keys as values").into_series()
    };
    cells.iter().map(|cell| cell.map(entries)).collect::<ListChunked>().into_series()
}

/// Tags as a struct with a field for every key.
pub(super) fn structs(cells: &[Option<&str>]) -> Series {
    let objects: Vec<_> = cells.iter().map(|cell| cell.map(object).unwrap_or_default()).collect();
    let mut keys: Vec<&String> = Vec::new();
    for key in objects.iter().flat_map(Map::keys) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let field = |key: &&String| texts(key, objects.iter().map(|object| object.get(*key)?.as_str()));
    let fields: Vec<Series> = keys.iter().map(field).collect();
    StructChunked::from_series(PlSmallStr::EMPTY, objects.len(), fields.iter()).expect("fields").into_series()
}

#[track_caller]
fn assert_same(read: &Read, expected: &Read, what: &str) {
    assert!(read.rejects.is_empty(), "{what}: {:?}", read.rejected());
    assert_eq!(read.charges, expected.charges, "{what}");
    let sources =
        |read: &Read| read.balances().into_iter().map(|balance| (balance.key, balance.source)).collect::<Vec<_>>();
    assert_eq!(sources(read), sources(expected), "{what}");
    assert_eq!(read.coverage.usage, expected.coverage.usage, "{what}");
}

#[test]
fn gzip_changes_nothing() {
    let bill = bill();
    let expected = read_csv(&bill);
    assert_same(&read_bytes("bill.csv.gz", gzip(bill.as_bytes())), &expected, "one member");
    let (first, second) = bill.as_bytes().split_at(bill.len() / 2 + 3);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    assert_same(&read_bytes("bill.csv.gz", members), &expected, "cut within a line");
}

/// The same bill as BigQuery exports rows: costs are numbers, tags a list of keys and values, and what is null is not there.
fn json_lines(bill: &str) -> String {
    let mut reader = ::csv::Reader::from_reader(bill.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let cell = |name: &str, cell: &str| match name {
        "Tags" => {
            let tags: Map<String, Value> = serde_json::from_str(cell).expect("an object");
            tags.into_iter().map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect()
        }
        name if COSTS.contains(&name) => serde_json::from_str(cell).expect("a number"),
        _ => Value::from(cell),
    };
    let row = |record: ::csv::StringRecord| {
        let stated = header.iter().zip(&record).filter(|(_, text)| !text.is_empty());
        let row: Map<String, Value> = stated.map(|(name, text)| (name.to_owned(), cell(name, text))).collect();
        format!("{}\n", Value::Object(row))
    };
    reader.records().map(|record| row(record.expect("a record"))).collect()
}

#[test]
fn json_lines_say_what_csv_says() {
    let bill = bill();
    let (lines, expected) = (json_lines(&bill), read_csv(&bill));
    assert_same(&read_bytes("bill.jsonl", &lines), &expected, "JSON lines");
    assert_same(&read_bytes("bill.jsonl.gz", gzip(lines.as_bytes())), &expected, "gzipped");
}

#[test]
fn what_stands_behind_gzip_is_padding_or_refused() {
    let bill = bill();
    let padded = [gzip(bill.as_bytes()), vec![0; 700_000]].concat();
    assert_same(&read_bytes("bill.csv.gz", padded), &read_csv(&bill), "padded");
    let more = [gzip(bill.as_bytes()), b"more".to_vec()].concat();
    let lines = bill.lines().count();
    assert_eq!(refusal("bill.csv.gz", more), format!("bill.csv.gz: cannot be read after line {lines}"));
}

#[test]
fn the_first_bytes_tell_the_format_and_the_name_does_not() {
    let bill = bill();
    let expected = read_csv(&bill);
    for (name, bytes, format) in [
        ("bill.csv", gzip(bill.as_bytes()), Format::CsvGz),
        ("bill.csv", parquet(&frame(&bill)), Format::Parquet),
        ("bill.parquet", bill.clone().into_bytes(), Format::Csv),
    ] {
        let read = read_bytes(name, bytes);
        assert_eq!(read.delivery.files[0].format, format);
        assert_same(&read, &expected, name);
    }
}

/// The same bill in Parquet, with some columns written as another type.
#[track_caller]
fn check(what: &str, bill: &str, columns: &[&str], typed: impl Fn(&[Option<&str>]) -> Series) {
    let typed = columns.iter().fold(frame(bill), |frame, column| retyped(&frame, column, &typed));
    assert_same(&read_bytes("bill.parquet", parquet(&typed)), &read_csv(bill), what);
}

#[test]
fn parquet_of_texts() {
    check("texts", &bill(), &[], doubles);
}

#[test]
fn costs_are_doubles_decimals_or_integers() {
    check("doubles", &bill(), &COSTS, doubles);
    for scale in [9, 15, 18] {
        check(&format!("decimals of scale {scale}"), &bill(), &COSTS, |texts| decimals(texts, scale));
    }
    let line = [("EffectiveCost", "-2"), ("ListCost", "0"), ("ContractedCost", "40")];
    let whole = csv(&[&[&line[..], &[("BilledCost", "7")]].concat(), &[&line[..], &[("BilledCost", "")]].concat()]);
    check("integers", &whole, &COSTS, integers);
    check("short integers", &whole, &COSTS, |texts| integers(texts).cast(&DataType::Int16).expect("fit"));
    check("unsigned integers", &whole, &["BilledCost"], |texts| integers(texts).cast(&DataType::UInt32).expect("fit"));
    check("decimals without decimals", &whole, &COSTS, |texts| decimals(texts, 0));
}

#[test]
fn times_are_timestamps_of_any_unit() {
    let bill = bill().replace("2026-10-05T00:00:00Z", "2026-10-05T07:30:59Z");
    for unit in [TimeUnit::Nanoseconds, TimeUnit::Microseconds, TimeUnit::Milliseconds] {
        for zone in [None, Some("UTC"), Some("Europe/Berlin"), Some("America/Los_Angeles")] {
            check(&format!("{unit:?} {zone:?}"), &bill, &TIMES, |texts| instants(texts, unit, zone));
            let typed = retyped(&frame(&bill), "ChargePeriodStart", &|texts| instants(texts, unit, zone));
            let unzoned = read_bytes("bill.parquet", parquet(&typed)).repairs.get(&Repair::TimeWithoutZone).copied();
            assert_eq!(unzoned, zone.is_none().then_some(4), "{unit:?} {zone:?}");
        }
    }
}

#[test]
fn billing_periods_start_in_the_east() {
    let bill = bill().replace("2026-10-01T00:00:00Z", "2026-09-30T22:00:00Z");
    assert_eq!(read_csv(&bill).cell("x_BillingPeriod", 0), "2026-10-01");
    for zone in [None, Some("UTC"), Some("Europe/Berlin")] {
        check(&format!("{zone:?}"), &bill, &TIMES, |texts| instants(texts, TimeUnit::Milliseconds, zone));
    }
}

#[test]
fn times_are_dates() {
    check("dates", &bill(), &TIMES, dates);
}

#[test]
fn tags_are_maps_or_structs() {
    check("map", &bill(), &["Tags"], map);
    check("struct", &bill(), &["Tags"], structs);
}

#[test]
fn texts_are_categories() {
    let categories = |texts: &[Option<&str>]| {
        let texts = StringChunked::from_iter_options(PlSmallStr::EMPTY, texts.iter().copied());
        texts.into_series().cast(&DataType::from_categories(polars::prelude::Categories::global())).expect("categories")
    };
    check(
        "dictionary",
        &bill(),
        &["BillingCurrency", "ProviderName", "ChargeCategory", "InvoiceId", "x_Note"],
        categories,
    );
    check("dictionary of numbers and times", &bill(), &["BilledCost", "ChargePeriodStart", "Tags"], categories);
}

#[test]
fn every_version_reads_alike_from_parquet() {
    for case in ["focus_1_0", "focus_1_1", "focus_1_2", "focus_1_3"] {
        let path = fixture(case).join("bill.csv");
        let bill = std::fs::read_to_string(&path).expect("the bill");
        let typed = frame(&bill);
        let costs = COSTS.iter().fold(typed, |frame, column| retyped(&frame, column, &doubles));
        let times = TIMES.iter().fold(costs, |frame, column| {
            retyped(&frame, column, &|texts| instants(texts, TimeUnit::Milliseconds, Some("UTC")))
        });
        assert_same(&read_bytes("bill.parquet", parquet(&times)), &read(&path), case);
    }
}

#[test]
fn what_a_column_holds_is_told_by_its_name_not_its_type() {
    let numbers = retyped(&frame(&csv(&[&[("InvoiceId", "123456789012")]])), "InvoiceId", &integers);
    let read = read_bytes("bill.parquet", parquet(&numbers));
    assert_eq!((read.cell("InvoiceId", 0), read.repairs()), ("123456789012".into(), vec![(Repair::TextFromNumber, 1)]));
    let bill = csv(&[&[("InvoiceId", "123456789012")], &[("InvoiceId", "")]]);
    let read = read_bytes("bill.parquet", parquet(&retyped(&frame(&bill), "InvoiceId", &doubles)));
    assert_eq!(read.column("InvoiceId"), [Some("123456789012".into()), None]);
    assert_eq!(read.repairs(), [(Repair::TextFromNumber, 1)]);
    let flags: Column = [Some(true)].iter().copied().collect::<Series>().with_name("x_Free".into()).into();
    let mut frame = frame(&csv(&[LINE]));
    frame.with_column(flags).expect("one row");
    assert_eq!(read_bytes("bill.parquet", parquet(&frame)).cell("x_Free", 0), "true");
}
