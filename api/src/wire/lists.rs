//! Plain lists, `{"data": […]}` and what the list is of; and the answers to probes.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{DimensionInfo, DimensionValue, KnownRate};
use outlay_model::{Currency, DateRange, Dimension, Money, SourceName};
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

/// What one unit of a currency is worth.
#[derive(Serialize, ToSchema)]
#[schema(as = Rate)]
pub struct RateLine<'a> {
    /// The currency.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// The first day it holds; of a published one, the day it was published for.
    from: NaiveDate,
    /// The day after the last it holds; null where it holds until another stands in the configuration.
    #[schema(required)]
    to: Option<NaiveDate>,
    /// US dollars for one unit. Of a published one it is rounded to 12 decimals; conversions go by the exact fraction.
    #[schema(value_type = Amount)]
    to_usd: Money,
    /// The source that brought it; null where it stands in the configuration.
    #[schema(value_type = Option<String>, required, example = "ecb")]
    source: Option<&'a SourceName>,
    /// The currency it was published against; null where it stands in the configuration.
    #[schema(value_type = Option<String>, required, example = "EUR")]
    base: Option<Currency>,
    /// How much of this currency one unit of that one is worth, as it was published.
    #[schema(value_type = Option<Amount>, required)]
    per_base: Option<Number>,
    /// Of how many days it is carried over because nothing was published for them, as on weekends.
    carried_days: u64,
}

/// The exchange rates.
#[derive(Serialize, ToSchema)]
pub struct Rates<'a> {
    #[schema(value_type = Vec<RateLine>)]
    data: Vec<RateLine<'a>>,
    /// The currency of answers that name none.
    #[schema(value_type = String, example = "USD")]
    reporting_currency: Currency,
}

/// The exchange rates, in the order given, and the currency of answers that name none.
pub fn rates_json(reporting: Currency, rates: &[KnownRate]) -> Rates<'_> {
    fn line(rate: &KnownRate) -> RateLine<'_> {
        let published = rate.published.as_ref();
        RateLine {
            currency: rate.currency,
            from: rate.from,
            to: rate.to,
            to_usd: rate.to_usd,
            source: published.map(|published| &published.source),
            base: published.map(|published| published.base),
            // A quote writes plain decimals, which JSON numbers are.
            per_base: published.map(|published| Number::from_string_unchecked(published.quote.to_string())),
            carried_days: published.map_or(0, |published| published.carried_days),
        }
    }
    Rates { data: rates.iter().map(line).collect(), reporting_currency: reporting }
}
