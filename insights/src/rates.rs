//! Exchange rates, as people look at them: which one holds, since when, and who says so.

use chrono::{Days, NaiveDate};
use outlay_model::query::MAX_ROWS;
use outlay_model::rates::{Held, Quote, RateTable};
use outlay_model::{Currency, DateRange, Money, SourceName};

use crate::{InsightError, Insights};

/// How many days of rates are given where none are asked for.
const USUAL_DAYS: u64 = 30;

/// A rate that holds for some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRate {
    /// The currency.
    pub currency: Currency,
    /// The first day it holds.
    pub from: NaiveDate,
    /// The day after the last; `None` for one of the configuration that is followed by no other.
    pub to: Option<NaiveDate>,
    /// US dollars for one unit, half-even at 12 decimals. Conversions go by the exact fraction.
    pub to_usd: Money,
    /// How it was published; `None` for one of the configuration.
    pub published: Option<PublishedRate>,
}

/// How a rate was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRate {
    /// By which source it came.
    pub source: SourceName,
    /// The currency it is quoted against.
    pub base: Currency,
    /// How much of the currency one unit of that is worth.
    pub quote: Quote,
    /// How many days it holds beyond the one it was published for.
    pub carried_days: u64,
}

impl Insights {
    /// The rates that hold on some day of the range, by currency and day; by default the last thirty days and this one.
    ///
    /// # Errors
    /// [`InsightError::TooManyRows`] when there are more than one answer may have; when the catalog cannot be read.
    pub async fn known_rates(
        &self,
        currency: Option<Currency>,
        range: Option<DateRange>,
        today: NaiveDate,
    ) -> Result<Vec<KnownRate>, InsightError> {
        let usual = || DateRange::new(today - Days::new(USUAL_DAYS), today + Days::new(1)).expect("a month of days");
        let rates = self.rates().await?;
        let known = known(&rates, currency, range.unwrap_or_else(usual))?;
        match known.len() {
            rows if rows > MAX_ROWS => Err(InsightError::TooManyRows { rows, most: MAX_ROWS }),
            _ => Ok(known),
        }
    }
}

fn known(rates: &RateTable, currency: Option<Currency>, range: DateRange) -> Result<Vec<KnownRate>, InsightError> {
    let mut known = Vec::new();
    for stretch in rates.stretches(range) {
        if currency.is_some_and(|currency| currency != stretch.currency) {
            continue;
        }
        let Some(to_usd) = stretch.held.to_usd(stretch.currency) else { continue };
        let published = match stretch.held {
            Held::Table { .. } => None,
            Held::Published(fixing) => fixing.quote(stretch.currency).map(|quote| PublishedRate {
                source: fixing.source.clone(),
                base: fixing.base,
                quote,
                carried_days: stretch.to.map_or(0, |to| (to - fixing.day).num_days().unsigned_abs().saturating_sub(1)),
            }),
        };
        known.push(KnownRate {
            currency: stretch.currency,
            from: stretch.held.from(),
            to: stretch.to,
            to_usd: to_usd.rounded().map_err(|_| InsightError::Overflow)?,
            published,
        });
    }
    Ok(known)
}
