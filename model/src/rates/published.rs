//! Rates that a publisher states day by day, such as the reference rates of the European Central Bank.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{Currency, DateRange, Money, SourceName};

/// How many days a published rate holds beyond its own. Markets close for weekends and holidays, for five days in a row at
/// the most; what has not been published anew after twice that is missing, and not silently old.
pub const CARRIED_DAYS: u64 = 10;

/// A rate as it is written down: positive, with at most 18 decimals, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quote(Money);

/// The text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a positive decimal of at most 18 decimals")]
pub struct QuoteError;

impl Quote {
    /// One for one.
    pub const ONE: Self = Self(match Money::from_units(10_i128.pow(crate::money::SCALE)) {
        Some(one) => one,
        None => Money::ZERO,
    });

    /// In units of 10⁻¹⁸.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0.units()
    }
}

impl FromStr for Quote {
    type Err = QuoteError;

    fn from_str(text: &str) -> Result<Self, QuoteError> {
        let read = Money::read(text).map_err(|_| QuoteError)?;
        if read.rounding.is_none() && read.money > Money::ZERO { Ok(Self(read.money)) } else { Err(QuoteError) }
    }
}

impl TryFrom<String> for Quote {
    type Error = QuoteError;

    fn try_from(text: String) -> Result<Self, QuoteError> {
        text.parse()
    }
}

impl From<Quote> for String {
    fn from(quote: Quote) -> Self {
        quote.to_string()
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was published for one day: all of its rates at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixing {
    /// The day.
    pub day: NaiveDate,
    /// The source that brought it.
    pub source: SourceName,
    /// The currency that the others are quoted against.
    pub base: Currency,
    /// How much of each other currency one unit of the base is worth.
    pub quotes: BTreeMap<Currency, Quote>,
}

impl Fixing {
    /// How much of a currency one unit of the base is worth.
    #[must_use]
    pub fn quote(&self, currency: Currency) -> Option<Quote> {
        if currency == self.base { Some(Quote::ONE) } else { self.quotes.get(&currency).copied() }
    }

    /// What one unit of a currency is worth in dollars, as a fraction.
    #[must_use]
    pub fn worth(&self, currency: Currency) -> Option<(Quote, Quote)> {
        self.quote(Currency::USD).zip(self.quote(currency))
    }
}

/// Everything that is published, by day. It may be read again a thousand times a second, so it is shared and never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    fixings: BTreeMap<NaiveDate, Fixing>,
}

impl Published {
    /// Of the fixings of different days; of two of the same day, the later one counts.
    #[must_use]
    pub fn new(fixings: impl IntoIterator<Item = Fixing>) -> Self {
        Self { fixings: fixings.into_iter().map(|fixing| (fixing.day, fixing)).collect() }
    }

    /// All of it, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Fixing> {
        self.fixings.values()
    }

    /// What was published for a day.
    #[must_use]
    pub fn on(&self, day: NaiveDate) -> Option<&Fixing> {
        self.fixings.get(&day)
    }

    /// What a source has brought: from its first day to its last, how many days, and how many rates they have.
    #[must_use]
    pub fn of(&self, source: &SourceName) -> Option<Brought> {
        let mut brought: Option<Brought> = None;
        for fixing in self.fixings.values().filter(|fixing| fixing.source == *source) {
            let day = DateRange::new(fixing.day, fixing.day.succ_opt()?)?;
            let so_far = brought.get_or_insert(Brought { span: day, days: 0, quotes: 0 });
            so_far.span = so_far.span.and(day);
            so_far.days += 1;
            so_far.quotes += fixing.quotes.len() as u64;
        }
        brought
    }

    /// The fixing that tells what a currency is worth on a day: the latest that does, unless it is too old.
    pub(super) fn holding(&self, currency: Currency, day: NaiveDate) -> Option<&Fixing> {
        let oldest = day.checked_sub_days(Days::new(CARRIED_DAYS)).unwrap_or(NaiveDate::MIN);
        let recent = self.fixings.range(oldest..=day).rev().map(|(_, fixing)| fixing);
        recent.into_iter().find(|fixing| fixing.worth(currency).is_some())
    }

    /// The first day after this one on which a currency's worth is published.
    pub(super) fn next(&self, currency: Currency, day: NaiveDate) -> Option<NaiveDate> {
        let later = self.fixings.range(day.succ_opt()?..).map(|(_, fixing)| fixing);
        later.into_iter().find(|fixing| fixing.worth(currency).is_some()).map(|fixing| fixing.day)
    }

    /// What these fixings say that is not known yet.
    #[must_use]
    pub fn news(&self, fixings: Vec<Fixing>) -> News {
        let mut news = News::default();
        for fixing in fixings {
            let Some(known) = self.on(fixing.day) else {
                news.added.push(fixing);
                continue;
            };
            if (known.base, &known.quotes) == (fixing.base, &fixing.quotes) {
                continue;
            }
            for currency in known.quotes.keys().chain(fixing.quotes.keys()) {
                let (before, after) = (known.quotes.get(currency).copied(), fixing.quotes.get(currency).copied());
                let moved = Moved { day: fixing.day, currency: *currency, before, after };
                if before != after && !news.moved.contains(&moved) {
                    news.moved.push(moved);
                }
            }
            news.restated.push(fixing);
        }
        news
    }
}

/// What a source has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// From the first day to the last.
    pub span: DateRange,
    /// On how many days of it something was published.
    pub days: u64,
    /// How many rates these have.
    pub quotes: u64,
}

/// What is published and was not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Days that nothing was known of.
    pub added: Vec<Fixing>,
    /// Days that something else was known of.
    pub restated: Vec<Fixing>,
    /// What of them has moved.
    pub moved: Vec<Moved>,
}

impl News {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.restated.is_empty()
    }
}

/// A rate that was published again, and not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Of this day.
    pub day: NaiveDate,
    /// Of this currency.
    pub currency: Currency,
    /// What it was; `None` where it was not stated.
    pub before: Option<Quote>,
    /// What it is; `None` where it is stated no longer.
    pub after: Option<Quote>,
}
