//! What an export's table looks like: which of Google's it is, by its columns, and how it is cut up.

use chrono::{Days, NaiveDate};

use super::bigquery::Parameter;
use super::table::{Field, Table, TimePartitioning};
use crate::Format;
use crate::focus::Focus;
use crate::gcp_billing::GcpBilling;
use crate::http::FetchError;

/// How long before usage its partition may begin: none is exported before it is, and a day in Google's time begins within one.
const SLACK_DAYS: u64 = 3;

/// Which export a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    /// Standard or detailed, in Google's own columns.
    Native,
    /// In the columns of FOCUS.
    Focus,
}

/// What rows are filtered by, so that BigQuery leaves out the partitions that cannot hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Partition {
    /// By when rows came.
    Arrival {
        /// How many days one may have.
        days: u64,
    },
    /// By a column.
    Column {
        name: String,
        /// Whether it is a DATE.
        is_date: bool,
        /// How many days one may have.
        days: u64,
    },
    /// It has none, or is a view on what may have some: the days themselves are all there is to filter by.
    None,
}

impl Partition {
    fn of(table: &Table) -> Self {
        let Some(TimePartitioning { kind, field }) = &table.time_partitioning else { return Self::None };
        let days = match kind.as_str() {
            "MONTH" => 31,
            "YEAR" => 366,
            _ => 1,
        };
        match field {
            None => Self::Arrival { days },
            Some(name) => {
                let kind = table.schema.field(name).map(|field| field.kind.as_str());
                match kind {
                    Some("TIMESTAMP") => Self::Column { name: name.clone(), is_date: false, days },
                    Some("DATE") => Self::Column { name: name.clone(), is_date: true, days },
                    _ => Self::None,
                }
            }
        }
    }

    /// As a query names it.
    pub(super) fn column(&self) -> Option<&str> {
        match self {
            Self::Arrival { .. } => Some("_PARTITIONTIME"),
            Self::Column { name, .. } => Some(name),
            Self::None => None,
        }
    }

    /// The first that can hold usage of a day or of later ones.
    pub(super) fn first(&self, day: NaiveDate) -> Parameter {
        let (Self::Arrival { days } | Self::Column { days, .. }) = self else { return Parameter::Date(day) };
        let first = day.checked_sub_days(Days::new(SLACK_DAYS + days)).unwrap_or(NaiveDate::MIN);
        self.of_day(first)
    }

    pub(super) fn of_day(&self, day: NaiveDate) -> Parameter {
        match self {
            Self::Column { is_date: true, .. } => Parameter::Date(day),
            _ => Parameter::Time(day.and_time(chrono::NaiveTime::MIN).and_utc()),
        }
    }
}

/// What an export's table looks like.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub export: Export,
    pub partition: Partition,
    pub location: String,
    pub fields: Vec<Field>,
}

impl Shape {
    /// What a table looks like, if it is one of Google's.
    pub(super) fn of(place: &str, table: Table, location: Option<&str>) -> Result<Self, FetchError> {
        let has = |names: &[&str]| names.iter().all(|name| table.schema.field(name).is_some());
        let export = if has(&["invoice", "usage_start_time", "export_time", "cost", "credits"]) {
            Export::Native
        } else if has(&["BillingPeriodStart", "ChargePeriodStart", "BilledCost"]) {
            Export::Focus
        } else {
            return Err(FetchError::Refused {
                place: place.to_owned(),
                why: "is none of Google's billing exports (columns such as usage_start_time and cost are missing)".to_owned(),
                advice: "name the table gcp_billing_export_v1_…, gcp_billing_export_resource_v1_… or gcp_billing_export_focus_…"
                    .to_owned(),
            });
        };
        Ok(Self {
            export,
            partition: Partition::of(&table),
            location: location.map_or(table.location, ToOwned::to_owned),
            fields: table.schema.fields,
        })
    }

    /// What its rows are read as.
    pub(super) fn format(&self) -> &'static dyn Format {
        match self.export {
            Export::Native => &GcpBilling,
            Export::Focus => &Focus,
        }
    }

    /// What it is, for people.
    pub(super) fn title(&self) -> &'static str {
        match self.export {
            Export::Focus => "FOCUS export",
            Export::Native if self.has("resource") => "detailed export",
            Export::Native => "standard export",
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.kind(name).is_some()
    }

    /// The type of a column.
    pub(super) fn kind(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.kind.as_str())
    }
}
