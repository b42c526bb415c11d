//! Sources of exchange rates: a publisher's rates are asked for and given, day by day.
//!
//! They are no bills. There is nothing to list, no file to keep and no format to survey; what a publisher states about a day is
//! small and whole, so one question brings a window of days (docs/adr/0012-rates-are-a-kind-of-source.md). The rest is as with
//! bills: settings, a schedule, jobs, runs, one way out to the network.

use std::sync::Arc;

use async_trait::async_trait;
use outlay_model::DateRange;
use outlay_model::rates::Fixing;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::CollectError;
use crate::collector::{Checked, Context};

/// What talks to one publisher of exchange rates for one source.
#[async_trait]
pub trait RateCollector: Send + Sync {
    /// Whether the publisher answers, and with what.
    ///
    /// # Errors
    /// [`CollectError`] that says what is wrong and what to do.
    async fn check(&self) -> Result<Checked, CollectError>;

    /// What is published for days of the window, each day once, in order. Days without are days nothing was published for.
    ///
    /// # Errors
    /// [`CollectError`] when that cannot be found out, or cannot be right: then none of it is given.
    async fn rates(&self, window: DateRange) -> Result<Vec<Fixing>, CollectError>;
}

/// What can be set about a source of rates, besides its name, kind and schedule. As
/// [`SourceSettings`](crate::SourceSettings) for bills.
pub trait RateSettings: DeserializeOwned + JsonSchema {
    /// The kind's name in the configuration.
    const KIND: &'static str;
    /// What it reads, for people.
    const TITLE: &'static str;
    /// When it is collected unless the configuration says otherwise.
    const SCHEDULE: &'static str;
    /// How many months before the present one are read again each time, in case they were restated.
    const RESTATES_MONTHS: u32;
    /// How many months before the present one it is asked for when nothing is known yet.
    const REACH_MONTHS: u32;

    /// What is wrong with the settings that their types do not say: a key each, and what to do.
    fn problems(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What it reads, without anything secret.
    fn place(&self) -> String;

    /// Makes the collector. Nothing is asked of the publisher yet.
    ///
    /// # Errors
    /// [`CollectError`] when an address cannot be understood.
    fn connect(self, context: Context) -> Result<Arc<dyn RateCollector>, CollectError>;
}
