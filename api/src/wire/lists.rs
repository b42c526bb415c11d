//! Plain lists, `{"data": […]}` and what the list is of; and the answers to probes.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{DimensionInfo, DimensionValue};
use outlay_model::rates::RateTable;
use outlay_model::{Currency, DateRange, Dimension};
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

use super::{Amount, Instants};

/// A list and nothing else.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    /// Where the next one starts; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// The process is alive.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// Questions can be answered.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`
    #[schema(example = "ready")]
    pub status: &'static str,
    /// The catalog's generation.
    pub generation: u64,
}

/// Something to group and filter by.
#[derive(Serialize, ToSchema)]
#[schema(as = Dimension)]
pub struct DimensionLine<'a> {
    /// Its word in `group_by` and `filter`.
    #[schema(example = "team")]
    name: &'a str,
    /// What it is.
    about: &'a str,
    /// Whether the daily roll-up answers it, which is fastest.
    daily: bool,
}

/// What there is to group and filter by.
pub fn dimensions_json(dimensions: &[DimensionInfo]) -> impl Serialize {
    let lines = dimensions.iter().map(|info| DimensionLine { name: &info.name, about: &info.about, daily: info.daily });
    List { data: lines.collect() }
}

/// One value of a dimension.
#[derive(Serialize, ToSchema)]
#[schema(as = Value)]
pub struct ValueLine<'a> {
    /// The value; null for charges that have none.
    #[schema(required)]
    value: Option<&'a str>,
    /// Charges that have it.
    charges: u64,
}

/// The values of a dimension.
#[derive(Serialize, ToSchema)]
#[schema(as = Values)]
pub struct Values<'a> {
    #[schema(value_type = Vec<ValueLine>)]
    data: Vec<ValueLine<'a>>,
    /// The dimension's word.
    dimension: String,
    /// The start of the range.
    from: DateTime<Utc>,
    /// Its end, exclusive.
    to: DateTime<Utc>,
}

/// The values of a dimension among the charges of a range.
pub fn values_json<'a>(dimension: &Dimension, range: DateRange, values: &'a [DimensionValue]) -> Values<'a> {
    let Instants { from, to } = range.into();
    let lines = values.iter().map(|value| ValueLine { value: value.value.as_deref(), charges: value.charges });
    Values { data: lines.collect(), dimension: dimension.to_string(), from, to }
}

/// What one unit of a currency is worth, from a day on until the next.
#[derive(Serialize, ToSchema)]
#[schema(as = Rate)]
pub struct RateLine {
    /// The currency.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// Since when.
    from: NaiveDate,
    /// US dollars for one unit.
    #[schema(value_type = Amount)]
    to_usd: Number,
}

/// The exchange rates.
#[derive(Serialize, ToSchema)]
pub struct Rates {
    data: Vec<RateLine>,
    /// The currency of answers that name none.
    #[schema(value_type = String, example = "USD")]
    reporting_currency: Currency,
}

/// The exchange rates, by currency and day, and the currency of answers that name none.
pub fn rates_json(reporting: Currency, rates: &RateTable) -> Rates {
    let mut data = Vec::new();
    for (currency, dated) in rates.iter() {
        // The table writes plain decimals, which JSON numbers are.
        data.extend(dated.map(|(from, rate)| RateLine { currency, from, to_usd: Number::from_string_unchecked(rate) }));
    }
    Rates { data, reporting_currency: reporting }
}
