//! A whole Outlay in a temporary folder, and bills to put into it.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub mod azure;
pub mod bank;
pub mod bigquery;
pub mod cost_explorer;
pub mod database;
pub mod lines;
pub mod server;
pub mod standin;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay::app::App;
use outlay::config::Config;
use outlay::pipeline::{self, Force, ImportRequest, Progress};
use outlay_catalog::{OwnershipChange, Run};
use outlay_collectors::focus::Focus;
use outlay_insights::InsightError;
use outlay_model::ownership::{Definition, Edit, Origin, Ownership};
use outlay_model::query::SpendParams;
use outlay_model::report::{Scope, SpendReport};
use outlay_model::{Currency, DeliveryKey, SourceName};
use tempfile::TempDir;

pub struct House {
    pub app: App,
    pub folder: TempDir,
}

pub struct Quiet;

impl Progress for Quiet {
    fn surveyed(&self, _: u64) {}
    fn staging(&self, _: &DeliveryKey, _: u64) {}
    fn staged(&self, _: u64) {}
}

impl House {
    pub async fn new() -> Self {
        Self::with_config("").await
    }

    /// With this text as its configuration file.
    pub async fn with_config(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("outlay.toml");
        fs::write(&file, text).expect("writes");
        let data = folder.path().join("data");
        let loaded = Config::load(Some(&file), std::iter::empty(), Some(&data)).expect("a configuration");
        Self { app: App::open(&loaded.config).await.expect("opens"), folder }
    }

    /// Writes a bill and gives its path.
    pub fn bill(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        fs::write(&path, text).expect("writes");
        path
    }

    pub async fn import(&self, source: &str, name: &str, text: &str) -> Vec<Run> {
        self.import_with(source, name, text, None, Force::default()).await.expect("imports")
    }

    pub async fn import_with(
        &self,
        source: &str,
        name: &str,
        text: &str,
        delivery: Option<&str>,
        force: Force,
    ) -> anyhow::Result<Vec<Run>> {
        self.import_file(source, &self.bill(name, text), delivery, force).await
    }

    pub async fn import_file(
        &self,
        source: &str,
        file: &Path,
        delivery: Option<&str>,
        force: Force,
    ) -> anyhow::Result<Vec<Run>> {
        let request = ImportRequest {
            source: SourceName::parse(source)?,
            format: &Focus,
            files: vec![file.display().to_string()],
            delivery: delivery.map(DeliveryKey::new),
            force,
        };
        pipeline::import(&self.app, &request, Arc::new(Quiet)).await
    }

    /// Has the registry say this.
    pub async fn say(&self, ownership: &Ownership) {
        let teams = ownership.teams.iter().map(|(id, team)| (id.to_string(), Definition::Team(team.clone())));
        let components = ownership.components.iter();
        let components = components.map(|(id, said)| (id.to_string(), Definition::Component(said.clone())));
        let series = ownership.series.iter().map(|(id, said)| (id.to_string(), Definition::Series(said.clone())));
        let pools = ownership.pools.iter().map(|(id, said)| (id.to_string(), Definition::Pool(said.clone())));
        let rules = ownership.rules.iter().map(|(id, said)| (id.to_string(), Definition::Rule(said.clone())));
        let said = teams.chain(components).chain(series).chain(pools).chain(rules);
        let edits = said.map(|(name, definition)| Edit::Put { name, definition, place: None }).collect();
        let now = today().and_hms_opt(12, 0, 0).expect("noon").and_utc();
        let change = OwnershipChange { edits, origin: Origin::Api, by: "test".to_owned(), now };
        self.app.catalog.change_ownership(&change).await.expect("is let in");
    }

    pub async fn try_spend(&self, params: &[(&str, &str)]) -> Result<SpendReport, InsightError> {
        let map: serde_json::Map<_, _> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        let params: SpendParams = serde_json::from_value(map.into()).expect("known parameters");
        let query = params.query(today(), Currency::USD)?;
        self.app.insights.spend(&query, today(), &Scope::Company).await
    }

    pub async fn spend(&self, params: &[(&str, &str)]) -> SpendReport {
        self.try_spend(params).await.expect("an answer")
    }

    /// The total as text; `null` when nobody states it.
    pub async fn total(&self, params: &[(&str, &str)]) -> String {
        text(self.spend(params).await.total)
    }

    /// Costs as text by the values of the grouped dimensions, joined with `|`; `null` where there is none.
    pub async fn groups(&self, params: &[(&str, &str)]) -> BTreeMap<String, String> {
        let report = self.spend(params).await;
        let key = |keys: &[Option<String>]| {
            keys.iter().map(|key| key.clone().unwrap_or_else(|| "null".into())).collect::<Vec<_>>().join("|")
        };
        report.rows.iter().map(|row| (key(&row.keys), text(row.cost))).collect()
    }
}

pub fn text(cost: Option<outlay_model::Money>) -> String {
    cost.map_or_else(|| "null".to_owned(), |cost| cost.to_string())
}

/// The day all tests take for today.
pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 21).expect("a date")
}

/// A line of a bill: the columns that differ, over a believable charge.
pub fn bill(rows: &[&[(&str, &str)]]) -> String {
    let plain = [
        ("ProviderName", "AWS"),
        ("BillingAccountId", "0001"),
        ("BillingCurrency", "USD"),
        ("BillingPeriodStart", "2026-10-01T00:00:00Z"),
        ("BillingPeriodEnd", "2026-11-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-10-05T00:00:00Z"),
        ("ChargePeriodEnd", "2026-10-06T00:00:00Z"),
        ("ChargeCategory", "Usage"),
        ("ServiceName", "Amazon EC2"),
        ("ServiceCategory", "Compute"),
        ("BilledCost", "1"),
        ("EffectiveCost", "1"),
        ("SubAccountId", "111"),
        ("ResourceId", ""),
        ("InvoiceId", ""),
        ("ListCost", ""),
        ("Tags", ""),
    ];
    let quote = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut text = plain.map(|(name, _)| name).join(",") + "\n";
    for row in rows {
        let cells = plain.map(|(name, usual)| {
            let cell = row.iter().find(|(column, _)| *column == name).map_or(usual, |(_, cell)| cell);
            if cell.is_empty() { String::new() } else { quote(cell) }
        });
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}
