use chrono::NaiveDate;
use outlay_model::DateRange;
use serde_json::{Value, json};

use super::bigquery::{Query, price};
use super::shape::{Export, Shape};
use super::sql;
use super::statement::{Statement, Tally};
use super::table::TableName;

fn table(name: &str) -> Result<TableName, String> {
    TableName::try_from(name.to_owned())
}

#[test]
fn only_names_of_tables_come_into_a_query() {
    for name in ["finance.billing.gcp_billing_export_v1_01AB-CD", "example.com:finance.billing.export", "p-1.d_2.t"] {
        assert_eq!(table(name).expect("is one").quoted(), format!("`{name}`"));
    }
    for name in [
        "billing.export",
        "finance..export",
        "finance.billing.",
        "f.b.x` WHERE TRUE --",
        "f.b.x y",
        "F.b.x",
        "f.b-c.x",
        "",
    ] {
        assert!(table(name).is_err(), "{name}");
    }
}

fn shape(partitioning: Value) -> Shape {
    let table = json!({
        "location": "EU", "timePartitioning": partitioning,
        "schema": {"fields": [
            {"name": "invoice", "type": "RECORD", "fields": [{"name": "month", "type": "STRING"}]},
            {"name": "usage_start_time", "type": "TIMESTAMP"},
            {"name": "export_time", "type": "TIMESTAMP"},
            {"name": "cost", "type": "FLOAT"},
            {"name": "labels", "type": "RECORD", "mode": "REPEATED", "fields": [{"name": "key", "type": "STRING"}]},
            {"name": "usage", "type": "RECORD", "fields": [{"name": "amount", "type": "FLOAT"}, {"name": "unit", "type": "STRING"}]},
            {"name": "credits", "type": "RECORD", "mode": "REPEATED", "fields": [
                {"name": "name", "type": "STRING"}, {"name": "amount", "type": "FLOAT"},
            ]},
        ]},
    });
    Shape::of("the table", serde_json::from_value(table).expect("is one"), None).expect("is an export")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn window() -> DateRange {
    DateRange::new(day("2026-10-01"), day("2026-11-01")).expect("a range")
}

fn names(query: &Query) -> Vec<&str> {
    query.parameters.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_there_is_is_asked_of_the_partitions_that_can_hold_it() {
    let table = table("f.b.t").expect("is one");
    let query = sql::statements(&shape(json!({"type": "DAY"})), &table, window());
    assert!(query.sql.contains("FROM `f.b.t` AS line"), "{}", query.sql);
    assert!(query.sql.contains("AND line._PARTITIONTIME >= @first_partition GROUP BY"), "{}", query.sql);
    assert_eq!(names(&query), ["since", "until", "first_partition"]);
    assert!(format!("{:?}", query.parameters[2]).contains("2026-09-27T00:00:00Z"), "{:?}", query.parameters);
    let months = sql::statements(&shape(json!({"type": "MONTH"})), &table, window());
    assert!(format!("{:?}", months.parameters[2]).contains("2026-08-28T00:00:00Z"), "{:?}", months.parameters);
    let own = sql::statements(&shape(json!({"type": "DAY", "field": "export_time"})), &table, window());
    assert!(own.sql.contains("[MIN(line.export_time), MAX(line.export_time)]"), "{}", own.sql);
    let none = sql::statements(&shape(Value::Null), &table, window());
    assert!(!none.sql.contains("partition "), "{}", none.sql);
    assert_eq!(names(&none), ["since", "until"]);
}

fn stated(cost: &str) -> Statement {
    let row = vec![
        json!("202610/2026-10-03"),
        json!("2026-10-03"),
        json!("2"),
        json!("1791000000000000"),
        json!(cost),
        Value::Null,
        json!([{"v": "1790985600000000"}, {"v": "1791331200000000"}]),
    ];
    Statement::read("the table", &shape(json!({"type": "DAY"})), row).expect("is one")
}

#[test]
fn an_edition_is_what_is_stated() {
    let listed = stated("1.50").listed("BigQuery, f.b.t", false);
    assert_eq!(listed.key.as_str(), "2026-10/2026-10-03");
    assert_eq!(listed.edition.as_deref(), Some("1791000000000000: 2 lines, 1.5, 0"));
    assert_eq!(listed.days, DateRange::new(day("2026-10-03"), day("2026-10-04")));
    assert_ne!(stated("1.51").listed("", false).edition, listed.edition);
    assert_ne!(stated("1.50").listed("", true).edition, listed.edition);
}

#[test]
fn lines_are_asked_of_the_partitions_that_hold_them() {
    let (table, shape, statements) = (table("f.b.t").expect("is one"), shape(json!({"type": "DAY"})), [stated("1")]);
    let query = sql::lines(&shape, &table, &statements);
    assert_eq!(
        query.sql,
        "SELECT line.*, CONCAT(IFNULL(line.invoice.month, ''), '/', IFNULL(CAST(DATE(line.usage_start_time) AS STRING), '')) AS \
         outlay_delivery FROM `f.b.t` AS line WHERE CONCAT(IFNULL(line.invoice.month, ''), '/', \
         IFNULL(CAST(DATE(line.usage_start_time) AS STRING), '')) IN UNNEST(@deliveries) AND line._PARTITIONTIME BETWEEN \
         @first_partition AND @last_partition AND line._PARTITIONTIME IN (@partition_0, @partition_1)"
    );
    assert_eq!(names(&query), ["deliveries", "first_partition", "last_partition", "partition_0", "partition_1"]);
    let query = sql::sums(&shape, &table, &statements);
    assert!(query.sql.contains("SUM(CAST(CAST(line.`cost` AS STRING) AS BIGNUMERIC)) AS `cost`"), "{}", query.sql);
    assert!(query.sql.contains("ANY_VALUE(line.`labels`) AS `labels`"), "{}", query.sql);
    assert!(
        query.sql.contains("TO_JSON_STRING(line.`labels`), line.`usage`.`amount` IS NULL, line.`usage`.`unit`)"),
        "{}",
        query.sql
    );
}

#[test]
fn what_is_read_is_added_up_as_bigquery_does() {
    let row = |text: &str| serde_json::from_str(text).expect("JSON");
    let mut tally = Tally::default();
    tally
        .add(Export::Native, &row(r#"{"cost": 1.0E-6, "credits": [{"amount": -0.5}, {"name": "no amount"}]}"#), 1)
        .expect("adds");
    tally.add(Export::Native, &row(r#"{"cost": 1e-39, "credits": []}"#), 3).expect("adds");
    tally.add(Export::Native, &row("{}"), 1).expect("adds");
    assert_eq!((tally.lines, tally.cost.to_plain_string().trim_end_matches('0')), (5, "0.000001"));
    assert_eq!(tally.credits.to_plain_string().trim_end_matches('0'), "-0.5");
    let error = tally.add(Export::Native, &row(r#"{"cost": "NaN"}"#), 1).expect_err("is no number");
    assert_eq!(error, "has the amount \"NaN\", which is no number");
}

#[test]
fn a_scan_costs_by_the_tebibyte() {
    assert_eq!([0, 10 << 20, 1 << 40, u64::MAX].map(price), [0, 59, 6_250_000, 104_857_599_999_999]);
}
