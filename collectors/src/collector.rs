//! Collectors: how the deliveries of one provider are found and brought.
//!
//! The pipeline asks a collector what there is for a window of days, leaves out what it has already, and has the rest
//! brought one delivery at a time into a folder. What a delivery's files mean is not a collector's business but that of a
//! [`Format`].
//!
//! Invariants every collector keeps (the conformance suite in `tests/collectors.rs` holds each to them):
//! - The same delivery collected twice gives the same bytes, or at least the same charges.
//! - Ranges are half-open. The last day of a window is there.
//! - `collect` brings all of a delivery or fails; what changes under it is [`FetchError::Changed`](crate::http::FetchError).
//! - No secret is in an error, a note, a log or a `Debug` text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::{DateRange, DeliveryKey, SourceName, Yields};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::http::Http;
use crate::input::InputFile;
use crate::purse::Purse;
use crate::rates::{RateCollector, RateSettings};
use crate::{CollectError, Format};

/// What talks to one provider for one source.
#[async_trait]
pub trait Collector: Send + Sync {
    /// Whether credentials and permissions do. Reads no row.
    ///
    /// # Errors
    /// [`CollectError`] that says what is missing and what to do.
    async fn check(&self) -> Result<Checked, CollectError>;

    /// What the provider states about days of the window, the newest first.
    ///
    /// # Errors
    /// [`CollectError`] when that cannot be found out.
    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError>;

    /// Hears which of the listed deliveries will be asked for, in this order, and of a folder that stays until all of them are
    /// brought. A collector that reads several at once for the price of one keeps there what waits for its turn.
    fn expect(&self, _missing: &[Listed], _folder: &Path) {}

    /// Brings a delivery into a folder, which is empty and goes away afterwards.
    ///
    /// # Errors
    /// [`CollectError`] when not all of it could be brought.
    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError>;
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// For a person, one line each.
    pub notes: Vec<String>,
}

/// What a provider has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Deliveries, the newest first.
    pub deliveries: Vec<Listed>,
    /// Whether these are all there are for the window: what was delivered before and is not among them is gone.
    pub complete: bool,
}

/// A delivery that could be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What a later edition of it replaces.
    pub key: DeliveryKey,
    /// The days it is about, where that is known before it is read.
    pub days: Option<DateRange>,
    /// What tells this edition from others, such as ETags. `None` when only reading it would tell.
    pub edition: Option<String>,
    /// Where the provider has it, for [`Collector::collect`] and for people.
    pub place: String,
    /// How many bytes it has, where the provider says so.
    pub bytes: Option<u64>,
}

/// A delivery that was brought.
#[derive(Debug, Clone)]
pub struct Collected {
    /// What its files are.
    pub format: &'static dyn Format,
    /// Its files, in order.
    pub files: Vec<InputFile>,
    /// The one of them that must be kept, because asking again would cost or may not give it again.
    pub raw: Option<PathBuf>,
    /// Days that the provider itself calls estimated.
    pub provisional: Vec<DateRange>,
    /// What the run should say, one line each.
    pub notes: Vec<String>,
}

/// What a collector may use of the house.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose bills.
    pub source: SourceName,
    /// The environment.
    pub variables: Arc<Variables>,
    /// The way out.
    pub http: Http,
    /// What requests that are charged are paid from.
    pub purse: Arc<dyn Purse>,
    /// The day, in UTC.
    pub today: NaiveDate,
    /// The clock, for requests that have to say when they were signed.
    pub clock: fn() -> DateTime<Utc>,
}

/// Environment variables. Their values never show.
#[derive(Clone, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What can be set about a source of one kind, besides its name, kind, role and schedule.
pub trait SourceSettings: DeserializeOwned + JsonSchema {
    /// The kind's name in the configuration.
    const KIND: &'static str;
    /// What it reads, for people.
    const TITLE: &'static str;
    /// When it is collected unless the configuration says otherwise: seconds, minutes, hours, days, months, weekdays; UTC.
    const SCHEDULE: &'static str;
    /// How many months before the present one the provider still restates as a matter of course.
    const RESTATES_MONTHS: u32;
    /// How many months before the present one it can be asked for.
    const REACH_MONTHS: u32;

    /// What is wrong with the settings that their types do not say: a key each, and what to do.
    fn problems(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What it reads, without anything secret.
    fn place(&self) -> String;

    /// Makes the collector. Nothing is asked of the provider yet.
    ///
    /// # Errors
    /// [`CollectError`] when credentials cannot be read or an address cannot be understood.
    fn connect(self, context: Context) -> Connected;
}

/// Something wrong with the settings of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The key at fault, if one is.
    pub key: Option<String>,
    /// What is wrong with it, and what to do.
    pub text: String,
}

/// A collector, or why there is none.
pub type Connected = Result<Arc<dyn Collector>, CollectError>;

/// What brings exchange rates, or why there is nothing.
pub type RatesConnected = Result<Arc<dyn RateCollector>, CollectError>;

/// Makes what talks to a source: one way for each thing a source can bring.
#[derive(Clone, Copy)]
pub enum Connect {
    /// Of bills.
    Charges(fn(&toml::Table, Context) -> Connected),
    /// Of exchange rates.
    Rates(fn(&toml::Table, Context) -> RatesConnected),
}

/// A kind of source.
#[derive(Clone, Copy)]
pub struct Kind {
    /// See [`SourceSettings::KIND`].
    pub name: &'static str,
    /// See [`SourceSettings::TITLE`].
    pub title: &'static str,
    /// See [`SourceSettings::SCHEDULE`].
    pub schedule: &'static str,
    /// See [`SourceSettings::RESTATES_MONTHS`].
    pub restates_months: u32,
    /// See [`SourceSettings::REACH_MONTHS`].
    pub reach_months: u32,
    /// What is wrong with settings.
    pub problems: fn(&toml::Table) -> Vec<SettingProblem>,
    /// What these settings read.
    pub place: fn(&toml::Table) -> String,
    /// Makes the collector.
    pub connect: Connect,
    /// What can be set.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    pub(crate) const fn of<S: SourceSettings>() -> Self {
        Self {
            name: S::KIND,
            title: S::TITLE,
            schedule: S::SCHEDULE,
            restates_months: S::RESTATES_MONTHS,
            reach_months: S::REACH_MONTHS,
            problems: |table| problems(read::<S>(table).map(|settings| settings.problems())),
            place: |table| read::<S>(table).map(|settings| settings.place()).unwrap_or_default(),
            connect: Connect::Charges(|table, context| settings::<S>(table, &context)?.connect(context)),
            schema: |generator| S::json_schema(generator),
        }
    }

    pub(crate) const fn of_rates<S: RateSettings>() -> Self {
        Self {
            name: S::KIND,
            title: S::TITLE,
            schedule: S::SCHEDULE,
            restates_months: S::RESTATES_MONTHS,
            reach_months: S::REACH_MONTHS,
            problems: |table| problems(read::<S>(table).map(|settings| settings.problems())),
            place: |table| read::<S>(table).map(|settings| settings.place()).unwrap_or_default(),
            connect: Connect::Rates(|table, context| settings::<S>(table, &context)?.connect(context)),
            schema: |generator| S::json_schema(generator),
        }
    }

    /// What its sources bring.
    #[must_use]
    pub const fn yields(&self) -> Yields {
        match self.connect {
            Connect::Charges(_) => Yields::Charges,
            Connect::Rates(_) => Yields::Rates,
        }
    }
}

fn read<S: DeserializeOwned>(table: &toml::Table) -> Result<S, toml::de::Error> {
    S::deserialize(table.clone())
}

fn settings<S: DeserializeOwned>(table: &toml::Table, context: &Context) -> Result<S, CollectError> {
    read(table).map_err(|error| CollectError::Settings { source_name: context.source.clone(), error })
}

fn problems(found: Result<Vec<(&'static str, String)>, toml::de::Error>) -> Vec<SettingProblem> {
    match found {
        Ok(found) => {
            let problem = |(key, text): (&str, String)| SettingProblem { key: Some(key.to_owned()), text };
            found.into_iter().map(problem).collect()
        }
        Err(error) => vec![SettingProblem { key: None, text: error.message().to_owned() }],
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
