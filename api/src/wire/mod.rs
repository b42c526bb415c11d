//! The shapes answers have outside, for the API and the command line alike.
//!
//! Functions from reports to something that serialises, and nothing else. Money is written from the decimal, every
//! digit it has, never through a float (P2); what is not known is null, never 0 and never left out of a row (P6).

mod changes;
mod coverage;
mod csv;
mod export;
mod jobs;
mod lists;
mod owners;
mod ownership;
mod rows;
mod runs;
mod sources;
mod units;
mod why;
mod wide;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use outlay_model::dimension::Fixed;
use outlay_model::query::{Basis, Metric};
use outlay_model::report::{SpendReport, SpendRow as Figure};
use outlay_model::{Currency, DateRange, Dimension, Granularity, Money};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

pub use changes::{ChangeLine, Difference, Figures, changes_json};
pub use coverage::{BiggestUnowned, Coverage, Share, TagShare, Unowned, UnownedLine, coverage_json};
pub use csv::{csv_name, spend_csv};
pub use export::{ExportMetadata, export_metadata, export_name};
pub use jobs::{JobLine, JobProgress, job_json, jobs_json};
pub use lists::{
    DimensionLine, Health, RateLine, Rates, Readiness, ValueLine, Values, dimensions_json, rates_json, values_json,
};
pub use owners::{
    ComponentDetails, ComponentLine, Components, Grounds, TeamDetails, TeamLine, TeamSpend, Teams, WholeComponent,
    WholeTeam, component_json, components_json, team_json, teams_json,
};
pub use ownership::{
    AuditLine, EventsTold, PointsTold, Removed, SettlingLine, SettlingProgress, StaleLine, audit_json, changed_json,
    definition_json, definitions_json, events_told_json, points_json, points_told_json, removed_json, settling_json,
};
pub use rows::{SpendRow, SpendRows, spend_rows};
pub use runs::{
    ReconciliationLine, Refusal, RefusedFigure, RejectCount, RejectLine, Rejects, RunLine, reconciliation_json,
    rejects_json, run_json, runs_json,
};
pub use sources::{DayRunLine, DeliveryLine, SourceDetails, SourceLine, source_json, sources_json};
pub use units::{
    AmongPeers, DaysLine, EventLine, Peers, ReleaseLine, Releases, UnitCost, UnitCostLine, WindowLine, events_json,
    peers_json, releases_json, unit_cost_json,
};
pub use why::{
    Costs, Explanation, Move, MoveTotal, Owners, Preview, TriedLine, WhoseRow, WhoseRows, explanation_json,
    preview_json, whose_json,
};
pub use wide::{MAX_CELLS, MAX_COLUMNS, SpendWide, Table, TooWide, WideRow, spend_wide};

/// Money in the OpenAPI document. What is written comes from [`Money`] or from exact decimals.
pub struct Amount;

/// Something a reader of an answer must know: a gap, a partly known figure.
#[derive(Serialize, ToSchema)]
pub struct Warning<'a> {
    /// A stable word for it.
    #[schema(example = "missing_days")]
    code: &'static str,
    /// The sentence, with its figures.
    message: &'a str,
}

/// Everything about a spend answer but its figures.
#[derive(Serialize, ToSchema)]
#[schema(as = Envelope)]
pub struct Envelope<'a> {
    /// Σ of all rows of all pages; null when no charge states the metric, or currencies are kept apart.
    #[schema(value_type = Option<Amount>, required)]
    total: Option<Money>,
    /// The same per currency, where currencies are kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = totals_by_currency, required = false)]
    totals: Option<&'a BTreeMap<Currency, Option<Money>>>,
    /// The currency of every figure; null where each row has its own.
    #[schema(value_type = Option<String>, required, example = "USD")]
    currency: Option<Currency>,
    /// Which cost.
    #[schema(value_type = String, example = "effective")]
    metric: Metric,
    /// Which time counts.
    #[schema(value_type = String, example = "charge")]
    basis: Basis,
    /// The start of the range.
    from: DateTime<Utc>,
    /// Its end, exclusive.
    to: DateTime<Utc>,
    /// The range it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Instants, required = false)]
    compared_with: Option<Instants>,
    /// How finely time is cut.
    #[schema(example = "day")]
    granularity: &'static str,
    /// The last day up to which every source has stated everything, where that is known.
    #[schema(required)]
    complete_until: Option<NaiveDate>,
    /// Rises with everything that can change an answer.
    generation: u64,
    /// What to know about the figures.
    #[schema(value_type = Vec<Warning>)]
    warnings: Vec<Warning<'a>>,
    /// Where the next page starts; null on the last.
    #[schema(required)]
    next_cursor: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    fn of(report: &'a SpendReport) -> Self {
        let Instants { from, to } = report.range.into();
        let warnings = report.warnings.iter();
        Self {
            total: report.total,
            totals: report.totals.as_ref(),
            currency: report.currency,
            metric: report.metric,
            basis: report.basis,
            from,
            to,
            compared_with: report.compared_with.map(Instants::from),
            granularity: report.granularity.as_str(),
            complete_until: report.complete_until,
            generation: report.generation,
            warnings: warnings.map(|warning| Warning { code: warning.code, message: &warning.message }).collect(),
            next_cursor: report.next_cursor.as_deref(),
        }
    }
}

fn totals_by_currency() -> Schema {
    let about = "The same per currency, where currencies are kept apart.";
    let amount = rows::or_null("Null when no charge in this currency states the metric.");
    let totals = ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(amount));
    Schema::Object(totals.description(Some(about)).build())
}

/// A range of days as the instants it starts and ends at; the end is exclusive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Range)]
pub struct Instants {
    /// Inclusive.
    from: DateTime<Utc>,
    /// Exclusive.
    to: DateTime<Utc>,
}

impl From<DateRange> for Instants {
    fn from(range: DateRange) -> Self {
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        Self { from: midnight(range.from()), to: midnight(range.to()) }
    }
}

/// One column of a flat row. `rows` and `csv` have the same, so that one can stand for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    /// A grouped dimension, by its place.
    Key(usize),
    Currency,
    Cost,
    Previous,
    Change,
}

/// What stands in one column of one row.
enum Cell<'a> {
    Null,
    Time(DateTime<Utc>),
    Text(&'a str),
    Money(Money),
}

impl Column {
    /// The columns of an answer with their names: `time` unless it is a total, the dimensions, `currency` where
    /// currencies are kept apart, `cost`, and `previous` and `change` where it is compared.
    fn of(report: &SpendReport) -> Vec<(String, Self)> {
        let native = report.currency.is_none();
        let mut columns = Vec::new();
        if report.granularity != Granularity::Total {
            columns.push(("time".to_owned(), Self::Time));
        }
        for (place, dimension) in report.group_by.iter().enumerate() {
            // The bill's currency and the figure's are the same thing then, and a name may stand in a row only once.
            if !(native && *dimension == Dimension::Fixed(Fixed::Currency)) {
                columns.push((column_name(dimension), Self::Key(place)));
            }
        }
        if native {
            columns.push(("currency".to_owned(), Self::Currency));
        }
        columns.push(("cost".to_owned(), Self::Cost));
        if report.compared_with.is_some() {
            columns.extend([("previous".to_owned(), Self::Previous), ("change".to_owned(), Self::Change)]);
        }
        columns
    }

    fn cell(self, row: &Figure) -> Cell<'_> {
        let money = |money: Option<Money>| money.map_or(Cell::Null, Cell::Money);
        match self {
            Self::Time => row.time.map_or(Cell::Null, Cell::Time),
            Self::Key(place) => row.keys.get(place).and_then(Option::as_deref).map_or(Cell::Null, Cell::Text),
            Self::Currency => row.currency.as_ref().map(Currency::as_str).map_or(Cell::Null, Cell::Text),
            Self::Cost => money(row.cost),
            Self::Previous => money(row.compared.and_then(|compared| compared.previous)),
            Self::Change => money(row.compared.and_then(|compared| compared.change)),
        }
    }
}

/// A dimension's name in rows: its word in queries, but for the quotes an odd tag key needs there.
fn column_name(dimension: &Dimension) -> String {
    match dimension {
        Dimension::Fixed(fixed) => fixed.as_str().to_owned(),
        Dimension::Tag(key) => format!("tags.{key}"),
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Time(time) => time.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Money(money) => money.serialize(serializer),
        }
    }
}
