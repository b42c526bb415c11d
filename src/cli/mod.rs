//! The command line (docs/ARCHITECTURE.md): 0 done, 1 failed, 2 bad usage.

mod check;
mod collect;
mod demo;
mod export;
mod import;
mod log;
mod output;
mod ownership;
mod rebuild;
mod reconcile;
mod recover;
mod rules;
mod series;
mod sources;
mod spend;
mod table;
mod teams;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use outlay_catalog::CatalogError;
use outlay_insights::InsightError;
use outlay_model::query::ParameterError;

use crate::app::App;
use crate::config::{self, Config, ConfigError, Loaded};
use crate::ownership::{FileError, PointsError};
use crate::pipeline::same_history;
use crate::serve::serve;

/// What your clouds cost, whose cost it is, and when something is off.
#[derive(Debug, Parser)]
#[command(name = "outlay", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file [default: ./outlay.toml if present, else built-in defaults]
    #[arg(long, global = true, env = "OUTLAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of store and catalog [default: ./outlay-data]
    #[arg(long, global = true, env = "OUTLAY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Invent a company's bills, run the real pipeline on them, and serve the answers
    Demo(demo::DemoArguments),
    /// Serve the API
    Serve {
        /// The address to listen on, such as 127.0.0.1:8080
        #[arg(long, value_name = "ADDR")]
        listen: Option<std::net::SocketAddr>,
    },
    /// Import bills from disk, as CSV, CSV.gz or Parquet
    Import(import::ImportArguments),
    /// Collect the bills of configured sources now
    Collect(collect::CollectArguments),
    /// Show how fresh each source is
    Sources(sources::SourcesArguments),
    /// Show spend by team, service, account, tag, …
    Spend(Box<spend::SpendArguments>),
    /// Show who answers for what, and what it costs
    Teams(teams::ListArguments),
    /// Show what teams build and run, and what it costs
    Components(teams::ListArguments),
    /// Show the rules that find the owners of charges, and say where they come from
    Rules(rules::RulesArguments),
    /// Say who owns what by name, and show who changed it
    #[command(subcommand)]
    Ownership(ownership::OwnershipCommand),
    /// Say what is counted beside cost, to split shared cost by and for unit costs
    #[command(subcommand)]
    Series(series::SeriesCommand),
    /// Show what happened to components, and record it
    Events(series::EventsArguments),
    /// Write charges to a CSV or Parquet file in the FOCUS format
    Export(export::ExportArguments),
    /// Show source against stored, to the last digit
    Reconcile(reconcile::ReconcileArguments),
    /// Check that everything is where it should be
    Check,
    /// Make anew what an older version or configuration rolled up
    Rebuild(rebuild::RebuildArguments),
    /// Rebuild a lost catalog from the store
    Recover(recover::RecoverArguments),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the configuration in force, and where each value comes from
    Print,
    /// Print the JSON schema of the configuration file
    Schema,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let done = runtime.block_on(run(arguments));
    // Queries that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| fail(&error))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Demo(demo) = &arguments.command {
        return demo::run(demo, arguments.data).await;
    }
    if let Command::Config(ConfigCommand::Schema) = &arguments.command {
        return output::print(&config::schema());
    }
    if let Command::Rules(rules) = &arguments.command
        && rules.is_schema()
    {
        return output::print(&crate::ownership::schema());
    }
    let loaded = load(&arguments)?;
    let config = &loaded.config;
    log::start(config.log)?;
    match &arguments.command {
        Command::Config(_) => output::print(&config::print(&loaded)),
        Command::Serve { listen } => {
            let listen = listen.unwrap_or(config.server.listen);
            let ready = |address| eprintln!("outlay serves on http://{address}/api/v1/spend (Ctrl-C stops it)");
            let app = App::open(config).await?;
            same_history(&app).await?;
            serve(app, &config.server, listen, ready).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Import(import) => with_owners(config, async |app| import::run(import, app).await).await,
        Command::Collect(collect) if collect.is_dry_run() => {
            with_app(config, async |app| collect::run(collect, app).await).await
        }
        Command::Collect(collect) => with_owners(config, async |app| collect::run(collect, app).await).await,
        Command::Teams(list) => with_app(config, async |app| teams::teams(list, app).await).await,
        Command::Components(list) => with_app(config, async |app| teams::components(list, app).await).await,
        Command::Rules(rules) => with_app(config, async |app| rules::run(rules, app).await).await,
        Command::Series(command) => with_app(config, async |app| series::series(command, app).await).await,
        Command::Events(events) => with_app(config, async |app| series::events(events, app).await).await,
        Command::Ownership(command) => with_app(config, async |app| ownership::run(command, app).await).await,
        Command::Sources(sources) => with_app(config, async |app| sources::run(sources, app).await).await,
        Command::Spend(spend) => with_app(config, async |app| spend::run(spend, app).await).await,
        Command::Export(export) => with_app(config, async |app| export::run(export, app).await).await,
        Command::Reconcile(reconcile) => with_app(config, async |app| reconcile::run(reconcile, app).await).await,
        Command::Check => closing(App::open(config).await?, async |app| check::run(app).await).await,
        Command::Rebuild(rebuild) => with_app(config, async |app| rebuild::run(rebuild, app).await).await,
        Command::Recover(recover) => {
            closing(App::open(config).await?, async |app| recover::run(recover, app).await).await
        }
        Command::Demo(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Opens catalog and store for a command. A catalog that is lost is not taken for an empty one.
async fn with_app(
    config: &Config,
    command: impl AsyncFnOnce(&App) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    closing(App::open(config).await?, async |app| {
        same_history(app).await?;
        command(app).await
    })
    .await
}

/// As [`with_app`], for a command that brings charges: their owners are found by the configured file as it is now.
async fn with_owners(
    config: &Config,
    command: impl AsyncFnOnce(&App) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    with_app(config, async |app| {
        crate::ownership::apply::configured_file(app).await;
        command(app).await
    })
    .await
}

/// Closes the catalog in an orderly way when the command is done: all of it is in its file then, unless another process has it open.
async fn closing(app: App, command: impl AsyncFnOnce(&App) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let result = command(&app).await;
    app.catalog.close().await;
    result
}

fn load(arguments: &Arguments) -> Result<Loaded, ConfigError> {
    Config::load(arguments.config.as_deref(), std::env::vars(), arguments.data.as_deref())
}

/// Says what went wrong, with its causes, and whose fault it is: 2 for what was asked, 1 for the rest.
fn fail(error: &anyhow::Error) -> ExitCode {
    let asked = error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<ParameterError>()
            || cause.is::<log::LogError>()
            || cause.is::<FileError>()
            || cause.is::<PointsError>()
            || matches!(
                cause.downcast_ref::<CatalogError>(),
                Some(
                    CatalogError::OwnershipProblems(_)
                        | CatalogError::SaidElsewhere { .. }
                        | CatalogError::NotSaid { .. }
                )
            )
            || matches!(
                cause.downcast_ref::<InsightError>(),
                Some(
                    InsightError::Parameter(_)
                        | InsightError::NotSaid { .. }
                        | InsightError::SaidElsewhere(_)
                        | InsightError::OwnershipProblems(_)
                )
            )
    });
    eprintln!("outlay: {error:#}");
    ExitCode::from(if asked { 2 } else { 1 })
}
