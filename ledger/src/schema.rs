//! The columns of `charges` and `daily`, with their types.
//!
//! A known column has one type for ever within a layout version; a column FOCUS does not know is text under `x_`; a tag
//! key is text under `tags.`. Both are told from the name alone, so any set of column names has exactly one schema.

use outlay_model::TagKey;
use outlay_model::dimension::{Fixed, tag_column};
use outlay_model::focus::{self, FocusType};
use outlay_model::query::Metric;
use polars::prelude::{DataType, PlSmallStr, Schema, SchemaRef, TimeUnit, TimeZone};

use crate::decimal;

/// The layout version written into every part.
pub const LAYOUT: u32 = 1;

/// The UTC day a charge starts on.
pub const CHARGE_DATE: &str = "x_ChargeDate";
/// The first UTC day of its billing period.
pub const BILLING_PERIOD: &str = "x_BillingPeriod";
/// The source it came from.
pub const SOURCE: &str = "x_Source";
/// The accountable team.
pub const TEAM: &str = "x_Team";
/// The component.
pub const COMPONENT: &str = "x_Component";
/// The environment.
pub const ENVIRONMENT: &str = "x_Environment";
/// The rule that decided the team.
pub const OWNERSHIP_RULE: &str = "x_OwnershipRule";
/// The part it belongs to.
pub const PART_ID: &str = "x_PartId";
/// Charges behind a `daily` row.
pub const ROWS: &str = "x_Rows";

/// The columns this product adds to every charge. A bill's own column of such a name is kept as `x_Imported…`.
pub const OWN_COLUMNS: &[&str] = &[
    CHARGE_DATE,
    BILLING_PERIOD,
    SOURCE,
    TEAM,
    COMPONENT,
    ENVIRONMENT,
    OWNERSHIP_RULE,
    PART_ID,
    ROWS,
    nulls_column(Metric::Effective),
    nulls_column(Metric::Billed),
    nulls_column(Metric::List),
    nulls_column(Metric::Contracted),
    nulls_billed_column(Metric::Effective),
    nulls_billed_column(Metric::Billed),
    nulls_billed_column(Metric::List),
    nulls_billed_column(Metric::Contracted),
];

/// The type of instants: microseconds in UTC.
#[must_use]
pub fn instant() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
}

/// The type of any column of either layer, from its name.
#[must_use]
pub fn data_type(column: &str) -> DataType {
    if let Some(known) = focus::find(column) {
        return match known.data_type {
            FocusType::String | FocusType::Json => DataType::String,
            FocusType::Decimal => decimal::data_type(),
            FocusType::DateTime => instant(),
        };
    }
    match column {
        CHARGE_DATE | BILLING_PERIOD => DataType::Date,
        ROWS => DataType::Int64,
        name if Metric::ALL.iter().any(|metric| nulls_column(*metric) == name) => DataType::Int64,
        name if Metric::ALL.iter().any(|metric| nulls_billed_column(*metric) == name) => decimal::data_type(),
        _ => DataType::String,
    }
}

/// `daily`: how many charges of the row leave the metric out.
#[must_use]
pub const fn nulls_column(metric: Metric) -> &'static str {
    match metric {
        Metric::Effective => "x_EffectiveCostNulls",
        Metric::Billed => "x_BilledCostNulls",
        Metric::List => "x_ListCostNulls",
        Metric::Contracted => "x_ContractedCostNulls",
    }
}

/// `daily`: the billed cost of the charges that leave the metric out.
#[must_use]
pub const fn nulls_billed_column(metric: Metric) -> &'static str {
    match metric {
        Metric::Effective => "x_EffectiveCostNullsBilled",
        Metric::Billed => "x_BilledCostNullsBilled",
        Metric::List => "x_ListCostNullsBilled",
        Metric::Contracted => "x_ContractedCostNullsBilled",
    }
}

/// The schema of the named columns.
pub fn of<'a>(columns: impl IntoIterator<Item = &'a str>) -> SchemaRef {
    let fields = columns.into_iter().map(|name| (PlSmallStr::from_str(name), data_type(name)));
    std::sync::Arc::new(fields.collect::<Schema>())
}

/// Puts column names in the order charges are stored: FOCUS columns, tags, then the rest.
#[must_use]
pub fn ordered<'a>(columns: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let rank = |name: &str| {
        let place = focus::COLUMNS.iter().position(|column| column.name == name);
        match place {
            Some(place) => (0, place),
            None if name.starts_with("tags.") => (1, 0),
            None => (2, 0),
        }
    };
    let mut columns: Vec<String> = columns.into_iter().map(ToOwned::to_owned).collect();
    columns.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    columns.dedup();
    columns
}

/// The key columns of `daily`: the day, the fixed dimensions it keeps, the tag keys.
#[must_use]
pub fn daily_keys<'a>(tags: impl IntoIterator<Item = &'a TagKey>) -> Vec<String> {
    let fixed = Fixed::ALL.iter().filter(|fixed| fixed.in_daily()).map(|fixed| fixed.column().to_owned());
    let tags = tags.into_iter().map(tag_column);
    std::iter::once(CHARGE_DATE.to_owned()).chain(fixed).chain(tags).collect()
}

/// The value columns of `daily`: rows, and per metric its sum, its nulls and their billed cost.
#[must_use]
pub fn daily_values() -> Vec<&'static str> {
    let metrics = Metric::ALL.iter().flat_map(|m| [m.column(), nulls_column(*m), nulls_billed_column(*m)]);
    std::iter::once(ROWS).chain(metrics).collect()
}
