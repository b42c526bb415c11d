//! The one question everything else is made of: how much, of which charges, cut how.
//!
//! [`SpendParams`] is what a person or a URL says, all text; [`SpendParams::query`] turns it into a checked
//! [`SpendQuery`] or says which parameter is wrong (P8). The command line and the API share both.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::filter::{FilterError, Having};
use crate::{Currency, DateRange, Dimension, Filter, Granularity};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $(#[$first:meta])* $default:ident = $default_word:literal, $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $(#[$first])* #[default] #[serde(rename = $default_word)] $default,
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[Self::$default, $(Self::$variant),*];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::$default => $default_word, $(Self::$variant => $word),* }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    format!("{text:?} is not one of {}", words.join(", "))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Which of the four costs (FOCUS 1.2, §3 of its cost columns).
    Metric {
        /// Amortised, after all discounts: EffectiveCost.
        Effective = "effective",
        /// What the invoice says: BilledCost.
        Billed = "billed",
        /// At public prices: ListCost.
        List = "list",
        /// At negotiated prices, before commitments: ContractedCost.
        Contracted = "contracted",
    }
}

impl Metric {
    /// The FOCUS column.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Effective => "EffectiveCost",
            Self::Billed => "BilledCost",
            Self::List => "ListCost",
            Self::Contracted => "ContractedCost",
        }
    }
}

words! {
    /// Which time counts.
    Basis {
        /// When the charge arose (ChargePeriodStart).
        Charge = "charge",
        /// When it is invoiced (BillingPeriodStart).
        Billing = "billing",
    }
}

words! {
    /// What to compare with.
    Compare {
        /// The same number of days, or whole months, just before.
        PreviousPeriod = "previous_period",
        /// The same days a year earlier.
        PreviousYear = "previous_year",
    }
}

/// The currency of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetCurrency {
    /// Each in its own; never added up (P7).
    Native,
    /// Converted by the dated rates.
    To(Currency),
}

/// What rows are ordered by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// The time bucket.
    Time,
    /// The cost.
    Cost,
    /// A dimension of the `group_by`, by its place there.
    Key(usize),
}

/// One part of an ordering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// What.
    pub by: OrderBy,
    /// Largest first.
    pub descending: bool,
}

/// A checked spend query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpendQuery {
    /// The days (or, on the billing basis, the invoice periods that start on them).
    pub range: DateRange,
    /// How finely time is cut.
    pub granularity: Granularity,
    /// Which time counts.
    pub basis: Basis,
    /// What to group by, in order.
    pub group_by: Vec<Dimension>,
    /// Which charges count.
    pub filter: Filter,
    /// Which groups stay, by their cost over the whole range.
    pub having: Option<Having>,
    /// Which cost.
    pub metric: Metric,
    /// In which currency.
    pub currency: TargetCurrency,
    /// Keep the largest N groups over the whole range, fold the rest.
    pub top: Option<usize>,
    /// The order of the rows.
    pub order_by: Vec<Order>,
    /// Rows of one page.
    pub limit: Option<usize>,
    /// Where the page starts.
    pub cursor: Option<Cursor>,
    /// What to compare with.
    pub compare: Option<Compare>,
}

impl SpendQuery {
    /// The plainest question: effective cost of everything in the range, in the reporting currency.
    #[must_use]
    pub fn new(range: DateRange, currency: TargetCurrency) -> Self {
        Self {
            range,
            granularity: Granularity::Total,
            basis: Basis::default(),
            group_by: Vec::new(),
            filter: Filter::everything(),
            having: None,
            metric: Metric::default(),
            currency,
            top: None,
            order_by: Vec::new(),
            limit: None,
            cursor: None,
            compare: None,
        }
    }
}

/// Where a page starts: a row of the answer that one generation of the catalog gives to one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The generation the first page was answered from.
    pub generation: u64,
    /// Rows before this page.
    pub offset: usize,
    /// Made of the other two, the query and whatever else decides the order of its rows: a cursor that was altered, or
    /// carried to another query, does not have the seal it should.
    pub seal: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:016x}", self.generation, self.offset, self.seal)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let read = (|| {
            let generation = parts.next()?.parse().ok()?;
            let offset = parts.next()?.parse().ok()?;
            let seal = u64::from_str_radix(parts.next()?, 16).ok()?;
            let cursor = Self { generation, offset, seal };
            // One spelling only: numbers may be read from several.
            (parts.next().is_none() && cursor.to_string() == text).then_some(cursor)
        })();
        read.ok_or_else(|| format!("{text:?} is not a cursor; take it from next_cursor of the page before"))
    }
}

/// A parameter that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct ParameterError {
    /// The parameter's name.
    pub parameter: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
    /// Where in the parameter's text, in characters from 1, when that is known.
    pub position: Option<usize>,
}

impl ParameterError {
    /// An error about a parameter as a whole.
    pub fn new(parameter: &'static str, message: impl fmt::Display) -> Self {
        Self { parameter, message: message.to_string(), position: None }
    }

    fn filter(parameter: &'static str, error: FilterError) -> Self {
        Self { parameter, position: Some(error.position), message: error.to_string() }
    }
}

/// A spend query as text, parameter by parameter, as the API and the command line take it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpendParams {
    /// A named period; instead of `from` and `to`.
    pub period: Option<String>,
    /// First day.
    pub from: Option<String>,
    /// Day after the last.
    pub to: Option<String>,
    /// `total`, `hour`, `day`, …
    pub granularity: Option<String>,
    /// `charge` or `billing`.
    pub basis: Option<String>,
    /// Comma list of dimensions.
    pub group_by: Option<String>,
    /// SQL boolean expression.
    pub filter: Option<String>,
    /// `cost > 100`.
    pub having: Option<String>,
    /// Which cost.
    pub metric: Option<String>,
    /// A currency code or `native`.
    pub currency: Option<String>,
    /// Largest N groups.
    pub top: Option<String>,
    /// Comma list of `time`, `cost` and grouped dimensions; `-` before one reverses it.
    pub order_by: Option<String>,
    /// Rows of one page.
    pub limit: Option<String>,
    /// Next page.
    pub cursor: Option<String>,
    /// `previous_period` or `previous_year`.
    pub compare: Option<String>,
}

/// The period of a query that names none.
pub const DEFAULT_PERIOD: &str = "last_30_days";
/// The most rows one page may ask for, and the most an answer without `limit` may have.
pub const MAX_ROWS: usize = 50_000;

impl SpendParams {
    /// Checks the text and turns it into a query.
    ///
    /// # Errors
    /// [`ParameterError`] naming the first parameter that is wrong.
    pub fn query(&self, today: NaiveDate, reporting: Currency) -> Result<SpendQuery, ParameterError> {
        let group_by = match &self.group_by {
            Some(text) => Dimension::parse_list(text).map_err(|error| ParameterError::new("group_by", error))?,
            None => Vec::new(),
        };
        let granularity = word("granularity", self.granularity.as_deref())?;
        let basis = word("basis", self.basis.as_deref())?;
        if basis == Basis::Billing && matches!(granularity, Granularity::Hour | Granularity::Day | Granularity::Week) {
            let message = "invoices are monthly: with basis=billing use total, month, quarter or year";
            return Err(ParameterError::new("granularity", message));
        }
        let order_by = self.order_by.as_deref().map(|text| order(text, granularity, &group_by)).transpose()?;
        Ok(SpendQuery {
            range: self
                .range(today)?
                .fits(granularity)
                .map_err(|error| ParameterError::new(if self.from.is_some() { "from" } else { "period" }, error))?,
            granularity,
            basis,
            filter: match &self.filter {
                Some(text) => Filter::parse(text).map_err(|error| ParameterError::filter("filter", error))?,
                None => Filter::everything(),
            },
            having: match &self.having {
                Some(text) => Some(Having::parse(text).map_err(|error| ParameterError::filter("having", error))?),
                None => None,
            },
            metric: word("metric", self.metric.as_deref())?,
            currency: match self.currency.as_deref() {
                None => TargetCurrency::To(reporting),
                Some("native") => TargetCurrency::Native,
                Some(code) => TargetCurrency::To(
                    code.parse().map_err(|error| ParameterError::new("currency", format!("{error}, or native")))?,
                ),
            },
            top: self.top.as_deref().map(|text| count("top", text, 1000)).transpose()?,
            order_by: order_by.unwrap_or_default(),
            limit: self.limit.as_deref().map(|text| count("limit", text, MAX_ROWS)).transpose()?,
            cursor: match &self.cursor {
                Some(text) => Some(text.parse().map_err(|error| ParameterError::new("cursor", error))?),
                None => None,
            },
            compare: match &self.compare {
                Some(text) => Some(text.parse().map_err(|error| ParameterError::new("compare", error))?),
                None => None,
            },
            group_by,
        })
    }

    fn range(&self, today: NaiveDate) -> Result<DateRange, ParameterError> {
        match days(self.period.as_deref(), self.from.as_deref(), self.to.as_deref(), today)? {
            Some(range) => Ok(range),
            None => {
                DateRange::parse_period(DEFAULT_PERIOD, today).map_err(|error| ParameterError::new("period", error))
            }
        }
    }
}

/// The days that `period`, or `from` and `to`, name; `None` when none of them says anything.
///
/// # Errors
/// [`ParameterError`] naming the one that is wrong or lacking.
pub fn days(
    period: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    today: NaiveDate,
) -> Result<Option<DateRange>, ParameterError> {
    let range = match (period, from, to) {
        (None, None, None) => return Ok(None),
        (Some(period), None, None) => {
            DateRange::parse_period(period, today).map_err(|error| ParameterError::new("period", error))
        }
        (None, Some(from), Some(to)) => {
            DateRange::parse_bounds(from, to).map_err(|(parameter, error)| ParameterError::new(parameter, error))
        }
        (None, Some(_), None) => Err(ParameterError::new("to", "give the day after the last as well as from")),
        (None, None, Some(_)) => Err(ParameterError::new("from", "give the first day as well as to")),
        (Some(_), ..) => Err(ParameterError::new("period", "give either period, or from and to, not both")),
    };
    range.map(Some)
}

fn word<T: FromStr + Default>(parameter: &'static str, text: Option<&str>) -> Result<T, ParameterError>
where
    T::Err: fmt::Display,
{
    match text {
        Some(text) => text.parse().map_err(|error| ParameterError::new(parameter, error)),
        None => Ok(T::default()),
    }
}

fn count(parameter: &'static str, text: &str, most: usize) -> Result<usize, ParameterError> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| ParameterError::new(parameter, format!("{text:?} is not a whole number from 1 to {most}")))
}

fn order(text: &str, granularity: Granularity, group_by: &[Dimension]) -> Result<Vec<Order>, ParameterError> {
    let one = |name: &str| {
        let (descending, name) = name.strip_prefix('-').map_or((false, name), |rest| (true, rest));
        let by = match name {
            "cost" => Some(OrderBy::Cost),
            "time" if granularity != Granularity::Total => Some(OrderBy::Time),
            name => name
                .parse::<Dimension>()
                .ok()
                .and_then(|wanted| group_by.iter().position(|dimension| *dimension == wanted))
                .map(OrderBy::Key),
        };
        by.map(|by| Order { by, descending }).ok_or_else(|| {
            let message = format!("{name:?} cannot be ordered by; use cost, time (unless granularity=total) or a dimension of group_by, with - before it for largest first");
            ParameterError::new("order_by", message)
        })
    };
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 21).expect("a date")
    }

    fn params(pairs: &[(&str, &str)]) -> SpendParams {
        let map: serde_json::Map<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        serde_json::from_value(map.into()).expect("known parameters")
    }

    #[track_caller]
    fn refused(pairs: &[(&str, &str)], parameter: &str, says: &str) {
        let error = params(pairs).query(today(), Currency::USD).expect_err("refused");
        assert_eq!(error.parameter, parameter);
        assert!(error.message.contains(says), "{error}");
    }

    #[test]
    fn nothing_said_is_the_last_thirty_days() {
        let query = params(&[]).query(today(), Currency::USD).expect("fine");
        assert_eq!(query.range.to_string(), "2026-10-22..2026-11-21");
        assert_eq!(query.currency, TargetCurrency::To(Currency::USD));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        refused(&[("period", "2026-10"), ("from", "2026-10-01")], "period", "not both");
        refused(&[("from", "2026-10-01")], "to", "day after");
        refused(&[("from", "1000-01-01"), ("to", "2200-01-01")], "from", "at most 36600");
        refused(&[("period", "last_3660_days"), ("granularity", "hour")], "period", "at most 400");
        refused(&[("from", "2026-10-01"), ("to", "soon")], "to", "not a date");
        refused(&[("from", "2026-10-02"), ("to", "2026-10-02")], "from", "to is exclusive");
        refused(&[("group_by", "nonsense")], "group_by", "use provider, seller");
        refused(&[("granularity", "minute")], "granularity", "use total, hour");
        refused(&[("granularity", "day"), ("basis", "billing")], "granularity", "monthly");
        refused(&[("metric", "blended")], "metric", "effective, billed, list, contracted");
        refused(&[("currency", "usd")], "currency", "native");
        refused(&[("top", "0")], "top", "1 to 1000");
        refused(&[("limit", "50001")], "limit", "50000");
        refused(&[("cursor", "x")], "cursor", "next_cursor");
        refused(&[("order_by", "team")], "order_by", "dimension of group_by");
        refused(&[("filter", "team IN ('a') AND")], "filter", "position 18");
    }

    #[test]
    fn a_cursor_prints_what_parses() {
        let cursor = Cursor { generation: 412, offset: 100, seal: 0xbeef };
        assert_eq!(cursor.to_string(), "412.100.000000000000beef");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["412.100.beef", "+412.100.000000000000beef", "412.100.000000000000BEEF", "412.100", "1.2.3.4", ""]
        {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
