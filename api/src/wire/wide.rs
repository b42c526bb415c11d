//! `format=wide`: one row a time bucket, one column a group, which is what charts draw.
//!
//! Invariants: every figure of the report has a cell of its own, so what rows add up to, the table adds up to (P1); no
//! two columns have the same name; which of two equal labels gets the number does not depend on the order of the rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use outlay_model::dimension::Fixed;
use outlay_model::report::{SpendReport, SpendRow};
use outlay_model::{Currency, Dimension, Money};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::Envelope;
use super::rows::or_null;

/// The most columns a table may have: as many as `top` may ask for, the rest, and each with its previous figure.
pub const MAX_COLUMNS: usize = 2 * 1001;
/// The most cells a table may have. Figures are at most 50 000; a table ten times that is mostly holes.
pub const MAX_CELLS: usize = 500_000;

/// The table would be too large to draw or to send (P6: refused, never cut).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the table would have {columns} columns and {rows} rows, and at most {MAX_COLUMNS} columns and {MAX_CELLS} cells \
     are given: ask for the largest groups with top, for a coarser granularity, or for format=rows"
)]
pub struct TooWide {
    /// Columns but for `time`.
    pub columns: usize,
    /// Time buckets.
    pub rows: usize,
}

/// A spend answer as a table.
#[derive(Serialize, ToSchema)]
#[schema(as = SpendWide)]
pub struct SpendWide<'a> {
    #[serde(flatten)]
    table: Table,
    #[serde(flatten)]
    envelope: Envelope<'a>,
}

/// Lays an answer out as a table: `{"time", "<group>": cost, …}` and the names of the columns in `series`. A group is
/// named by its values joined with ` / `, `(none)` standing for none, and its currency in parentheses where currencies
/// are kept apart; without any grouping the column is `cost`. An answer that is compared has a second column,
/// `<group> (previous)`, for each. Names that would be equal are numbered. Buckets without any figure have no row.
///
/// # Errors
/// [`TooWide`] beyond [`MAX_COLUMNS`] or [`MAX_CELLS`].
pub fn spend_wide(report: &SpendReport) -> Result<SpendWide<'_>, TooWide> {
    let placed = place(&report.rows);
    let figures = if report.compared_with.is_some() { 2 } else { 1 };
    let columns = placed.groups.len() * figures;
    let rows = placed.buckets.len();
    if columns > MAX_COLUMNS || columns.saturating_mul(rows) > MAX_CELLS {
        return Err(TooWide { columns, rows });
    }
    let rows = placed.buckets.into_iter().map(|(time, cells)| {
        let mut row = vec![None; columns];
        for (group, figure) in cells {
            let start = group * figures;
            row[start] = figure.cost;
            if figures == 2 {
                row[start + 1] = figure.compared.and_then(|compared| compared.previous);
            }
        }
        (time, row)
    });
    let table = Table { rows: rows.collect(), series: names(report, &placed.groups) };
    Ok(SpendWide { table, envelope: Envelope::of(report) })
}

/// What tells columns apart: the values, the currency, and, should a report have two figures for the same, which.
type Group<'a> = (&'a [Option<String>], Option<Currency>, usize);

#[derive(Default)]
struct Placed<'a> {
    /// In the order they first appear.
    groups: Vec<Group<'a>>,
    /// By time: each figure with the number of its group.
    buckets: BTreeMap<Option<DateTime<Utc>>, Vec<(usize, &'a SpendRow)>>,
}

fn place(rows: &[SpendRow]) -> Placed<'_> {
    let mut placed = Placed::default();
    let mut numbers: HashMap<Group<'_>, usize> = HashMap::new();
    let mut seen: HashMap<_, usize> = HashMap::new();
    for row in rows {
        let times = seen.entry((row.time, &row.keys, row.currency)).or_default();
        let group = (row.keys.as_slice(), row.currency, *times);
        *times += 1;
        let number = *numbers.entry(group).or_insert_with(|| {
            placed.groups.push(group);
            placed.groups.len() - 1
        });
        placed.buckets.entry(row.time).or_default().push((number, row));
    }
    placed
}

/// The columns' names, in the order of the groups.
fn names(report: &SpendReport, groups: &[Group<'_>]) -> Vec<String> {
    let mut taken = BTreeSet::from(["time".to_owned()]);
    let mut by_group: BTreeMap<Group<'_>, Vec<String>> = groups.iter().map(|group| (*group, Vec::new())).collect();
    for (group, names) in &mut by_group {
        let label = label(report, group);
        if report.compared_with.is_some() {
            let previous = format!("{label} (previous)");
            names.extend([free(label, &mut taken), free(previous, &mut taken)]);
        } else {
            names.push(free(label, &mut taken));
        }
    }
    groups.iter().flat_map(|group| by_group.remove(group).unwrap_or_default()).collect()
}

fn label(report: &SpendReport, (keys, currency, _): &Group<'_>) -> String {
    // Beside the figure's own currency the bill's says nothing new.
    let says = |dimension: &Dimension| currency.is_none() || *dimension != Dimension::Fixed(Fixed::Currency);
    let values = report.group_by.iter().zip(*keys).filter(|(dimension, _)| says(dimension));
    let values: Vec<_> = values.map(|(_, value)| value.as_deref().unwrap_or("(none)")).collect();
    match (values.is_empty(), currency) {
        (true, None) => "cost".to_owned(),
        (true, Some(currency)) => currency.to_string(),
        (false, None) => values.join(" / "),
        (false, Some(currency)) => format!("{} ({currency})", values.join(" / ")),
    }
}

/// The label itself, or the first of `label (2)`, `label (3)`, … that no column has yet.
fn free(label: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_usize..).map(|number| format!("{label} ({number})"));
    let name = std::iter::once(label.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(label);
    taken.insert(name.clone());
    name
}

/// Rows of equal width below one set of names.
#[derive(ToSchema)]
pub struct Table {
    /// The names of the columns.
    series: Vec<String>,
    /// One object a time bucket.
    #[schema(rename = "data", value_type = Vec<WideRow>)]
    rows: Vec<Bucket>,
}

/// A time bucket and its figure in every column.
type Bucket = (Option<DateTime<Utc>>, Vec<Option<Money>>);

/// One time bucket, in the OpenAPI document: its columns are named by the groups.
pub struct WideRow;

impl PartialSchema for WideRow {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(Type::String);
        let time = time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let row = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("One time bucket: a cost under every name of `series`."))
            .property("time", time.description(Some("The start of the bucket; not there with `granularity=total`.")))
            .additional_properties(Some(or_null("The cost of a group; null where it has no figure.")));
        Schema::Object(row.build()).into()
    }
}

impl ToSchema for WideRow {}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(Some(2))?;
        table.serialize_entry("data", &Rows(self))?;
        table.serialize_entry("series", &self.series)?;
        table.end()
    }
}

struct Rows<'a>(&'a Table);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Table { series, rows } = self.0;
        let mut list = serializer.serialize_seq(Some(rows.len()))?;
        for (time, cells) in rows {
            list.serialize_element(&Row { series, time: *time, cells })?;
        }
        list.end()
    }
}

struct Row<'a> {
    series: &'a [String],
    time: Option<DateTime<Utc>>,
    cells: &'a [Option<Money>],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        if let Some(time) = self.time {
            row.serialize_entry("time", &time)?;
        }
        for (name, cell) in self.series.iter().zip(self.cells) {
            row.serialize_entry(name, cell)?;
        }
        row.end()
    }
}

#[cfg(test)]
impl SpendWide<'_> {
    /// Every cell, for adding up.
    pub(super) fn into_cells(self) -> Vec<Option<Money>> {
        self.table.rows.into_iter().flat_map(|(_, cells)| cells).collect()
    }
}
