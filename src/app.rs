//! The parts of a running Outlay, put together from its configuration.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use outlay_catalog::Catalog;
use outlay_collectors::http::{FetchError, Http};
use outlay_collectors::{Settings, Variables};
use outlay_insights::Insights;
use outlay_ledger::tags::Privacy;
use outlay_model::part::Guard;
use outlay_model::rates::RateTable;
use outlay_store::{BucketSettings, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::{Collect, Config, Ownership, Retention, Source, StorePlace};
use crate::metrics::Metrics;
use crate::scratch::Scratch;

/// Everything a command needs.
#[derive(Clone)]
pub struct App {
    /// The catalog.
    pub catalog: Catalog,
    /// The store.
    pub store: Arc<Store>,
    /// The answers.
    pub insights: Insights,
    /// How bills are read.
    pub settings: Arc<Settings>,
    /// When a bill is refused.
    pub guard: Guard,
    /// How long a replaced part is kept for readers that still use it.
    pub retire_grace: Duration,
    /// How many days after its end a month is final, so that its files are put together.
    pub final_after_days: u32,
    /// How long what is kept.
    pub retention: Retention,
    /// The accounts whose bills are collected.
    pub sources: Arc<Vec<Source>>,
    /// What this process counts.
    pub metrics: Metrics,
    /// How they are collected.
    pub collect: Collect,
    /// Bills are staged one at a time: each keeps all cores busy and has its memory to itself.
    pub staging: Arc<Semaphore>,
    /// Where it is said who owns what.
    pub ownership: Arc<Ownership>,
    /// The environment.
    pub variables: Arc<Variables>,
}

impl App {
    /// Opens catalog and store.
    ///
    /// # Errors
    /// When either cannot be opened.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let rates = RateTable::new(&config.rates).map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
        let privacy = Privacy { keep: config.privacy.keep.clone() };
        let services = config.services.read().map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
        let store = open_store(config, privacy.clone()).await.context("the store cannot be opened")?;
        let catalog = Catalog::open(config.catalog.url.as_str()).await.context("the catalog cannot be opened")?;
        let (store, tags) = (Arc::new(store), Arc::new(config.tags.clone()));
        let insights = Insights::new(catalog.clone(), Arc::clone(&store), rates, config.reporting_currency, tags);
        Ok(Self {
            catalog,
            store,
            insights,
            settings: Arc::new(Settings { tags: config.tags.clone(), privacy, services }),
            guard: config.guard.clone(),
            retire_grace: Duration::from_secs(u64::from(config.store.retire_grace_hours) * 3600),
            final_after_days: config.store.final_after_days,
            retention: config.retention.clone(),
            sources: Arc::new(config.source.clone()),
            metrics: Metrics::new(config.source.iter().map(|source| &source.name)),
            collect: config.collect.clone(),
            staging: Arc::new(Semaphore::new(1)),
            ownership: Arc::new(config.ownership.clone()),
            variables: Arc::new(Variables(variables().collect())),
        })
    }

    /// A folder for a bill that is being read; it goes away when it is dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> anyhow::Result<Scratch> {
        let folder = &self.collect.scratch;
        Scratch::below(folder)
            .with_context(|| format!("{} cannot be written; choose another with [collect] scratch", folder.display()))
    }

    /// Tells the catalog which sources are configured, and that no others are.
    ///
    /// # Errors
    /// When a source that was a shadow would now count what another counts, or the catalog fails.
    pub async fn know_sources(&self) -> anyhow::Result<()> {
        let sources: Vec<_> = self.sources.iter().map(Source::described).collect();
        Ok(self.catalog.put_sources(&sources, now()).await?)
    }

    /// How long a job belongs to a replica that gives no sign of life.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.collect.lease_seconds.into())
    }

    /// The source of this name.
    ///
    /// # Errors
    /// When none is configured under it.
    pub fn source(&self, name: &str) -> anyhow::Result<&Source> {
        self.sources.iter().find(|source| source.name.as_str() == name).with_context(|| {
            let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
            match names.as_slice() {
                [] => format!("no source {name:?}: the configuration has none; add [[source]] to it"),
                names => format!("no source {name:?}: the configuration has {}", names.join(", ")),
            }
        })
    }

    /// The way of one run of a source to its provider.
    ///
    /// # Errors
    /// When this machine's certificates or proxy settings cannot be used.
    pub fn http(&self, source: &Source, stop: &CancellationToken) -> Result<Http, FetchError> {
        Http::new(source.http, stop.clone(), self.metrics.requests(&source.name))
    }
}

async fn open_store(config: &Config, privacy: Privacy) -> Result<Store, StoreError> {
    match config.store.url.place() {
        StorePlace::Folder(folder) => Store::open(folder, config.tags.clone(), privacy),
        StorePlace::Bucket(url) => {
            let settings = BucketSettings {
                url: url.clone(),
                variables: variables().collect(),
                cache: config.store.cache.clone(),
                cache_bytes: u64::from(config.store.cache_gib) << 30,
            };
            Store::open_bucket(settings, config.tags.clone(), privacy).await
        }
    }
}

/// The environment. A value that is no text is for somebody else.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The time. Only this crate reads the clock; every room is told.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
