//! `outlay demo`: an invented company's bills, the real pipeline, real answers. Never calls out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use outlay_catalog::Run;
use outlay_collectors::focus::Focus;
use outlay_demo::{Bills, Export, SourceBills};
use outlay_model::ownership::Event;
use outlay_model::part::RunState;
use outlay_model::query::SpendParams;
use outlay_model::report::Scope;
use outlay_model::{ComponentId, JobState, Request, SeriesId, SourceName};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::output::{count, print};
use super::{collect, import, log, spend};
use crate::app::{App, now};
use crate::config::Config;
use crate::ownership;
use crate::pipeline::{self, Force, ImportRequest, Quiet};
use crate::scheduler::Stop;
use crate::serve::serve;

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// Another company
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop when the bills are in
    #[arg(long)]
    no_serve: bool,
}

/// Where the demo keeps its data when nobody says: never beside real bills.
const DEMO_DATA: &str = "outlay-demo";
/// The embedded part of its configuration.
const DEMO_CONFIG: &str = include_str!("../../config/demo.toml");

pub(super) async fn run(arguments: &DemoArguments, data: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let data = data.unwrap_or_else(|| PathBuf::from(DEMO_DATA));
    let today = now().date_naive();
    let bills_folder = data.join("bills");
    refuse_real_bills(&data)?;
    if !arguments.no_serve {
        // Better said now than after all the work.
        std::net::TcpListener::bind(arguments.listen)
            .with_context(|| format!("cannot listen on {}; choose another address with --listen", arguments.listen))?;
    }
    let (folder, seed) = (bills_folder.clone(), arguments.seed);
    let written = tokio::task::spawn_blocking(move || outlay_demo::write_bills(&folder, seed, today));
    let bills = written.await?.with_context(|| format!("the bills cannot be written to {}", bills_folder.display()))?;
    let config_file = data.join("outlay.toml");
    std::fs::write(&config_file, configuration(&data, today, &bills)?)
        .with_context(|| format!("{} cannot be written", config_file.display()))?;
    // No variable may send the invented bills into a store of real ones.
    let loaded = Config::load(Some(&config_file), std::iter::empty(), None)?;
    log::start(loaded.config.log)?;
    let app = App::open(&loaded.config).await?;
    let files: usize = bills.sources.iter().flat_map(|source| &source.months).map(|month| month.files.len()).sum();
    print(&format!("Invented 13 months of bills: {files} files in {}\n", bills_folder.display()))?;

    say_who_owns_what(&app, &data, today).await?;
    let mut runs = Vec::new();
    for source in &bills.sources {
        // Another seed is another company; its bills may well be smaller.
        let force = Force { shrink: true, rejects: false };
        let (done, trouble) = match source.export {
            Export::DataExport(_) | Export::CostDetails { .. } | Export::UsageExport(_) => {
                let stop = Stop { asked: CancellationToken::new(), within: Duration::ZERO };
                let request = Request { window: None, force };
                let job = collect::done(&app, app.source(&source.name)?, request, &stop).await?;
                let trouble = Some(job.message.unwrap_or_default()).filter(|_| job.state != JobState::Done);
                (app.catalog.runs_of(&job.id).await?, trouble)
            }
            Export::Focus => {
                let files = source.months.iter().flat_map(|month| &month.files);
                let request = ImportRequest {
                    source: SourceName::parse(&source.name)?,
                    format: &Focus,
                    files: files.map(|file| file.display().to_string()).collect(),
                    delivery: None,
                    force,
                };
                (pipeline::import(&app, &request, Arc::new(Quiet)).await?, None)
            }
        };
        print(&summary(&source.name, &done))?;
        if let Some(trouble) = trouble {
            anyhow::bail!("{} cannot be collected: {trouble}", source.name);
        }
        runs.extend(done);
    }
    if runs.iter().any(|run| matches!(run.state, RunState::Refused | RunState::Failed)) {
        return Ok(ExitCode::FAILURE);
    }
    let settled = pipeline::settle(&app, &CancellationToken::new(), &|_| {}).await?;
    if let Some(trouble) = settled.trouble().filter(|_| !settled.is_done()) {
        anyhow::bail!("not all charges have the owners they should have: {trouble}");
    }
    show(&app, today, &bills, &data, arguments).await?;
    if !arguments.no_serve {
        let ready = |address| eprintln!("Serving on http://{address} (Ctrl-C stops it)");
        serve(app, &loaded.config.server, arguments.listen, ready).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The company's ownership file, what its build machines counted, and its releases.
const OWNERSHIP: &str = "ownership.toml";
const POINTS: &str = "builds.csv";

/// Says who owns what before the bills come, as a company would: by its file, by what it counts, and by its releases.
async fn say_who_owns_what(app: &App, data: &Path, today: chrono::NaiveDate) -> anyhow::Result<()> {
    let Some(said) = outlay_demo::ownership(today) else { return Ok(()) };
    let (file, counted) = (data.join(OWNERSHIP), data.join(POINTS));
    for (file, text) in [(&file, &said.file), (&counted, &said.points)] {
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    ownership::of_file(app, &file).await?.make(app).await?;
    let points = ownership::points::parse(&counted, &said.points)?;
    let days = ownership::points::days(&points);
    app.catalog.put_points(&SeriesId::new(said.series), &points, days, now()).await?;
    for release in said.releases {
        let event = Event {
            component: ComponentId::new(release.component),
            kind: "release".to_owned(),
            version: release.version,
            at: release.at.parse().context("a release has a time")?,
            environment: None,
            url: None,
        };
        app.catalog.put_event(&event, now()).await?;
    }
    Ok(())
}

/// Invented bills never go where something else already is.
fn refuse_real_bills(data: &Path) -> anyhow::Result<()> {
    let empty = !data.exists() || data.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    anyhow::ensure!(
        empty || data.join("bills/planted-anomalies.json").exists(),
        "{} is not a demo's folder: the demo writes only into an empty one or its own; name one with --data",
        data.display()
    );
    Ok(())
}

/// The demo's own configuration file: its tag spellings, where its data is, rates for its months, and the clouds' exports.
fn configuration(data: &Path, today: chrono::NaiveDate, bills: &Bills) -> anyhow::Result<String> {
    let quoted = |text: String| toml::Value::String(text).to_string();
    let (store, catalog) = (data.display().to_string(), format!("sqlite://{}/catalog.db", data.display()));
    let mut text = format!("{DEMO_CONFIG}\n[store]\nurl = {}\n\n[catalog]\nurl = {}\n", quoted(store), quoted(catalog));
    let owners = quoted(data.join(OWNERSHIP).display().to_string());
    text.push_str(&format!("\n[ownership]\nfile = {owners}\n"));
    let mut last = String::new();
    text.push_str("\n[rates]\n");
    for (currency, from, to_usd) in outlay_demo::rates(today) {
        if currency != last {
            text.push_str(&format!("{}{currency} = [\n", if last.is_empty() { "" } else { "]\n" }));
            last = currency;
        }
        text.push_str(&format!("  {{ from = \"{from}\", to_usd = \"{to_usd}\" }},\n"));
    }
    text.push_str("]\n");
    for source in &bills.sources {
        if let Some(settings) = settings(source)? {
            text.push_str(&format!("\n[[source]]\nname = {}\n{settings}\n", quoted(source.name.clone())));
        }
    }
    Ok(text)
}

/// How these bills are collected; those that are imported have no settings.
fn settings(source: &SourceBills) -> anyhow::Result<Option<String>> {
    let url = |folder: &Path| {
        let folder = folder.canonicalize().with_context(|| format!("{} cannot be found", folder.display()))?;
        let url = Url::from_file_path(&folder).map_err(|()| anyhow::anyhow!("{} is no path", folder.display()))?;
        anyhow::Ok(toml::Value::String(url.into()).to_string())
    };
    Ok(match &source.export {
        Export::Focus => None,
        Export::DataExport(export) => Some(format!("kind = \"aws_data_export\"\nurl = {}", url(export)?)),
        Export::CostDetails { actual, amortised } => {
            let (actual, amortised) = (url(actual)?, url(amortised)?);
            Some(format!("kind = \"azure_export\"\nurl = {actual}\namortized_url = {amortised}"))
        }
        Export::UsageExport(table) => {
            Some(format!("kind = \"gcp_billing_file\"\nurl = {}\ndelivery = \"folder\"", url(table)?))
        }
    })
}

fn summary(source: &str, runs: &[Run]) -> String {
    let committed: Vec<&Run> = runs.iter().filter(|run| run.state == RunState::Committed).collect();
    let unchanged = runs.iter().filter(|run| run.state == RunState::Unchanged).count();
    let rows = committed.iter().map(|run| run.rows).sum();
    let mut text = format!("  {source}: {} deliveries imported, {} charges", committed.len(), count(rows));
    if unchanged > 0 {
        text.push_str(&format!(", {unchanged} unchanged"));
    }
    for run in runs.iter().filter(|run| matches!(run.state, RunState::Refused | RunState::Failed)) {
        text.push_str(&format!("\n  {}", import::describe(run)));
    }
    text
}

/// The first answer, and where to find the others.
async fn show(
    app: &App,
    today: chrono::NaiveDate,
    bills: &Bills,
    data: &Path,
    arguments: &DemoArguments,
) -> anyhow::Result<()> {
    let params = SpendParams {
        group_by: Some("team".to_owned()),
        granularity: Some("day".to_owned()),
        ..SpendParams::default()
    };
    let query = params.query(today, app.insights.reporting_currency())?;
    let report = app.insights.spend_or_native(&query, now().date_naive(), &Scope::Company).await?;
    let lines = app.insights.reconciliation(None, &Scope::Company).await?;
    let clean = lines.iter().all(|line| line.difference.as_str() == "0");
    let config = format!("--config {}/outlay.toml", data.display());
    let (listen, planted, file) = (&arguments.listen, bills.planted.len(), bills.planted_file.display());
    let reconciled = if clean { "every digit accounted for" } else { "NOT every digit is accounted for" };
    print(&format!(
        "\nSpend by team, the last 30 complete days:\n\n{table}\n\n\
         Reconciled {balances} sums against the bills: {reconciled}.\n\
         {planted} anomalies are planted; {file} lists them.\n\n\
         Look around:\n  \
         outlay spend {config} --group-by provider,service --top 10\n  \
         outlay teams {config}\n  \
         outlay rules {config}\n  \
         outlay spend {config} --group-by environment --granularity month --period last_12_months\n  \
         outlay reconcile {config}\n  \
         curl 'http://{listen}/api/v1/spend?group_by=team&period=last_month'\n  \
         curl 'http://{listen}/api/v1/spend?group_by=provider&granularity=day&format=wide'",
        table = spend::spend_table(&report, None),
        balances = lines.len(),
    ))?;
    Ok(())
}
