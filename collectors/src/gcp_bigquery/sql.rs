//! The queries. Nothing but names of columns, which BigQuery itself gave, and the quoted name of the table becomes a part of
//! their text; all else is a parameter.

use std::fmt::Write as _;

use outlay_model::DateRange;

use super::bigquery::{Parameter, Query};
use super::shape::{Export, Partition, Shape};
use super::statement::Statement;
use super::table::{Field, TableName};

/// What tells to which delivery a row belongs, beside its own columns.
pub(super) const DELIVERY: &str = "outlay_delivery";

/// How many lines a row was made of, beside its own columns.
pub(super) const LINES: &str = "outlay_lines";

/// The most partitions that a query names one by one.
const MOST_NAMED: usize = 500;

/// A number as it was written: a double by its shortest text, never by its bits.
fn exact(column: &str) -> String {
    format!("CAST(CAST({column} AS STRING) AS BIGNUMERIC)")
}

/// The columns that say where in time a row is.
struct Times {
    /// The invoice month: a text.
    month: &'static str,
    /// When what it is about began.
    start: &'static str,
}

impl Times {
    fn of(shape: &Shape) -> Self {
        match shape.export {
            Export::Native => Self { month: "line.invoice.month", start: "line.usage_start_time" },
            Export::Focus => Self {
                month: "SUBSTR(CAST(line.BillingPeriodStart AS STRING), 1, 7)",
                start: match shape.kind("ChargePeriodStart") {
                    Some("TIMESTAMP") => "line.ChargePeriodStart",
                    _ => "CAST(line.ChargePeriodStart AS TIMESTAMP)",
                },
            },
        }
    }

    /// The delivery of a row: its invoice month and its day of usage. Either may be missing.
    fn delivery(&self) -> String {
        let Self { month, start } = self;
        format!("CONCAT(IFNULL({month}, ''), '/', IFNULL(CAST(DATE({start}) AS STRING), ''))")
    }
}

/// What is stated of each delivery with days in a window.
pub(super) fn statements(shape: &Shape, table: &TableName, window: DateRange) -> Query {
    let times = Times::of(shape);
    let (delivery, start) = (times.delivery(), times.start);
    let (cost, credits) = match shape.export {
        Export::Native => (
            exact("line.cost"),
            format!("(SELECT SUM({}) FROM UNNEST(line.credits) AS credit)", exact("credit.amount")),
        ),
        Export::Focus => (exact("line.BilledCost"), exact("line.EffectiveCost")),
    };
    let credits = if shape.export == Export::Focus && !shape.has("EffectiveCost") { cost.clone() } else { credits };
    let exported = match shape.export {
        Export::Native => "MAX(line.export_time)",
        Export::Focus if shape.has("x_ExportTime") => "MAX(line.x_ExportTime)",
        Export::Focus => "NULL",
    };
    let partitions = match &shape.partition {
        Partition::Arrival { .. } => "ARRAY_AGG(DISTINCT line._PARTITIONTIME IGNORE NULLS)".to_owned(),
        Partition::Column { name, .. } => format!("[MIN(line.{name}), MAX(line.{name})]"),
        Partition::None => "NULL".to_owned(),
    };
    let mut query = Query {
        sql: format!(
            "SELECT {delivery} AS delivery, DATE({start}) AS day, COUNT(*) AS row_count, {exported} AS exported, \
             SUM({cost}) AS cost, SUM({credits}) AS credits, {partitions} AS partitions \
             FROM {} AS line \
             WHERE ({start} >= @since AND {start} < @until OR {start} IS NULL)",
            table.quoted(),
        ),
        parameters: vec![
            ("since".to_owned(), Partition::None.of_day(window.from())),
            ("until".to_owned(), Partition::None.of_day(window.to())),
        ],
    };
    since(&mut query, shape, window);
    query.sql.push_str(" GROUP BY delivery, day");
    query
}

/// Leaves out the partitions that end before a window begins.
fn since(query: &mut Query, shape: &Shape, window: DateRange) {
    if let Some(column) = shape.partition.column() {
        write!(query.sql, " AND line.{column} >= @first_partition").expect("texts can be written to");
        query.parameters.push(("first_partition".to_owned(), shape.partition.first(window.from())));
    }
}

/// Every row of some deliveries, from the partitions that hold them.
pub(super) fn lines(shape: &Shape, table: &TableName, statements: &[Statement]) -> Query {
    let delivery = Times::of(shape).delivery();
    let mut query = Query {
        sql: format!("SELECT line.*, {delivery} AS {DELIVERY} FROM {} AS line", table.quoted()),
        parameters: vec![],
    };
    among(&mut query, shape, statements);
    query
}

/// The rows of some deliveries, those added up that differ in nothing but amounts and the time of export.
///
/// Credits are put together before they are added up by what they are, so no line counts twice.
pub(super) fn sums(shape: &Shape, table: &TableName, statements: &[Statement]) -> Query {
    let delivery = Times::of(shape).delivery();
    let (mut columns, mut keys) = (Vec::new(), vec![DELIVERY.to_owned()]);
    for field in &shape.fields {
        let (column, key) = summed(field);
        columns.push(format!("{column} AS `{}`", field.name));
        keys.extend(key);
    }
    let mut query = Query {
        sql: format!(
            "SELECT {}, {delivery} AS {DELIVERY}, COUNT(*) AS {LINES} FROM {} AS line",
            columns.join(", "),
            table.quoted()
        ),
        parameters: vec![],
    };
    among(&mut query, shape, statements);
    let credit = shape.fields.iter().find(|field| field.name == "credits").map(credit).unwrap_or_default();
    query.sql = format!(
        "SELECT added.* REPLACE ({credit} AS credits) FROM ({} GROUP BY {}) AS added",
        query.sql,
        keys.join(", ")
    );
    query
}

/// How a column of lines that are added up is written, and what must be the same in all of them.
fn summed(field: &Field) -> (String, Vec<String>) {
    let name = format!("line.`{}`", field.name);
    match field.name.as_str() {
        // Costs, also those at other prices. What states none is not added to what does.
        cost if (cost == "cost" || cost.starts_with("cost_at_")) && !field.is_record() => {
            (format!("SUM({})", exact(&name)), vec![format!("{name} IS NULL")])
        }
        "export_time" => (format!("MAX({name})"), vec![]),
        "usage_start_time" => {
            let hour = format!("TIMESTAMP_TRUNC({name}, HOUR)");
            (hour.clone(), vec![hour])
        }
        "credits" => (format!("ARRAY_CONCAT_AGG({name})"), vec![]),
        "usage" if field.is_record() && !field.is_repeated() => {
            let (mut parts, mut keys) = (Vec::new(), Vec::new());
            for part in &field.fields {
                let inner = format!("{name}.`{}`", part.name);
                if part.name.starts_with("amount") {
                    parts.push(format!("SUM({}) AS `{}`", exact(&inner), part.name));
                    keys.push(format!("{inner} IS NULL"));
                } else {
                    parts.push(format!("{inner} AS `{}`", part.name));
                    keys.push(inner);
                }
            }
            (format!("STRUCT({})", parts.join(", ")), keys)
        }
        _ if field.is_record() || field.is_repeated() => {
            (format!("ANY_VALUE({name})"), vec![format!("TO_JSON_STRING({name})")])
        }
        _ => (name.clone(), vec![name]),
    }
}

/// The credits of lines that are added up: one of each kind.
fn credit(credits: &Field) -> String {
    let (mut parts, mut keys) = (Vec::new(), Vec::new());
    for part in &credits.fields {
        let inner = format!("credit.`{}`", part.name);
        if part.name == "amount" {
            parts.push(format!("SUM({}) AS amount", exact(&inner)));
        } else {
            parts.push(format!("{inner} AS `{}`", part.name));
            keys.push(inner);
        }
    }
    format!(
        "ARRAY(SELECT STRUCT({}) FROM UNNEST(added.credits) AS credit GROUP BY {})",
        parts.join(", "),
        keys.join(", ")
    )
}

/// Narrows a query down to some deliveries and the partitions that hold them.
fn among(query: &mut Query, shape: &Shape, statements: &[Statement]) {
    let delivery = Times::of(shape).delivery();
    write!(query.sql, " WHERE {delivery} IN UNNEST(@deliveries)").expect("texts can be written to");
    let deliveries = statements.iter().map(|statement| statement.name.clone()).collect();
    query.parameters.push(("deliveries".to_owned(), Parameter::Texts(deliveries)));
    let Some(column) = shape.partition.column() else { return };
    let mut partitions: Vec<&Parameter> = statements.iter().flat_map(|statement| &statement.partitions).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let (Some(first), Some(last)) = (partitions.first(), partitions.last()) else { return };
    write!(query.sql, " AND line.{column} BETWEEN @first_partition AND @last_partition")
        .expect("texts can be written to");
    query.parameters.push(("first_partition".to_owned(), (*first).clone()));
    query.parameters.push(("last_partition".to_owned(), (*last).clone()));
    // What came much later than the rest must not have all that lies between read.
    if matches!(shape.partition, Partition::Arrival { .. }) && partitions.len() <= MOST_NAMED {
        let names: Vec<String> = (0..partitions.len()).map(|number| format!("@partition_{number}")).collect();
        write!(query.sql, " AND line.{column} IN ({})", names.join(", ")).expect("texts can be written to");
        let named = partitions.into_iter().enumerate();
        query.parameters.extend(named.map(|(number, partition)| (format!("partition_{number}"), partition.clone())));
    }
}

/// Everything since a day, as if all of it were read: for what that would scan.
pub(super) fn everything(shape: &Shape, table: &TableName, window: DateRange) -> Query {
    let mut query = Query {
        sql: format!("SELECT line.* FROM {} AS line WHERE {} >= @since", table.quoted(), Times::of(shape).start),
        parameters: vec![("since".to_owned(), Partition::None.of_day(window.from()))],
    };
    since(&mut query, shape, window);
    query
}
