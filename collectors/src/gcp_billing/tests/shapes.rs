//! One bill as BigQuery writes it and as people dump it: the same charges.

use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, NamedFrom, ParquetWriter, PlSmallStr, Series, StructChunked,
};
use serde_json::{Map, Value};

use super::{fixture, read, try_read};
use crate::focus::tests::Read;

/// What every charge says in the columns that all shapes have; numbers as all of them name them.
fn told(read: &Read) -> Vec<String> {
    let columns = [
        "AvailabilityZone",
        "BilledCost",
        "BillingAccountId",
        "BillingCurrency",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeDescription",
        "ChargePeriodStart",
        "ChargePeriodEnd",
        "ConsumedQuantity",
        "ConsumedUnit",
        "ContractedCost",
        "EffectiveCost",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ResourceType",
        "ServiceName",
        "SkuId",
        "SubAccountId",
        "SubAccountName",
        "Tags",
        "x_CreditId",
        "x_CreditType",
        "x_CostType",
        "x_InvoiceMonth",
        "x_ServiceId",
    ];
    read.table(&columns)
}

#[test]
fn the_shapes_say_the_same() {
    let lines = told(&read(&fixture("four_shapes/rows.jsonl")));
    for shape in ["python.csv", "json.csv"] {
        assert_eq!(told(&read(&fixture("four_shapes").join(shape))), lines, "{shape}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(fixture("four_shapes/rows.jsonl")).expect("is there");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let file = std::fs::File::create(folder.path().join("rows.parquet")).expect("creates");
    ParquetWriter::new(file).finish(&mut frame(&rows)).expect("writes");
    assert_eq!(told(&read(folder.path())), lines, "Parquet");
}

/// Rows as BigQuery's Parquet has them: records as structs, lists of them, FLOAT64 as doubles.
fn frame(rows: &[Value]) -> DataFrame {
    let names: Vec<String> = rows[0].as_object().expect("an object").keys().cloned().collect();
    let columns: Vec<Column> = names
        .iter()
        .map(|name| {
            let cells: Vec<Value> = rows.iter().map(|row| row[name].clone()).collect();
            series(name, &cells).into_column()
        })
        .collect();
    DataFrame::new(rows.len(), columns).expect("a frame")
}

fn series(name: &str, cells: &[Value]) -> Series {
    let name_of = || PlSmallStr::from_str(name);
    if cells.iter().any(Value::is_array) {
        let items: Vec<Value> = cells.iter().flat_map(|cell| cell.as_array().cloned().unwrap_or_default()).collect();
        let all = series(name, &items);
        let mut start = 0;
        let lists = cells.iter().map(|cell| {
            let length = cell.as_array().map_or(0, Vec::len);
            start += length;
            all.slice((start - length) as i64, length)
        });
        return Series::new(name_of(), lists.collect::<Vec<_>>());
    }
    if let Some(Value::Object(first)) = cells.iter().find(|cell| cell.is_object()) {
        let nothing = Map::new();
        let field = |field: &String| {
            let of = |cell: &Value| cell.as_object().unwrap_or(&nothing).get(field).cloned().unwrap_or_default();
            series(field, &cells.iter().map(of).collect::<Vec<_>>())
        };
        let fields: Vec<Series> = first.keys().map(field).collect();
        return StructChunked::from_series(name_of(), cells.len(), fields.iter()).expect("one length").into_series();
    }
    if cells.iter().any(Value::is_number) {
        let doubles: Vec<Option<f64>> = cells.iter().map(|cell| cell.to_string().parse().ok()).collect();
        return Series::new(name_of(), doubles);
    }
    Series::new(name_of(), cells.iter().map(Value::as_str).collect::<Vec<_>>())
}

#[test]
fn another_bill_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("focus.csv"), "BilledCost,BillingCurrency\n1,USD\n").expect("a file");
    let error = try_read(folder.path()).err().expect("no export").to_string();
    let expected = "not a billing export of Google Cloud, the columns cost, currency, usage_start_time are missing";
    assert!(error.contains(expected), "{error}");
}
