//! `outlay series` and `outlay events`: what is counted beside cost, and what happened to components.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, SubsecRound as _, Utc};
use clap::Subcommand;
use outlay_catalog::EventsQuery;
use outlay_model::ownership::{Event, Kind};
use outlay_model::query::ParameterError;
use outlay_model::{ComponentId, SeriesId};
use serde_json::json;

use super::output::{TextFormat, count, inclusive, print};
use super::ownership::settled;
use super::table::table;
use crate::app::{App, now};
use crate::ownership::points;

#[derive(Debug, Subcommand)]
pub(super) enum SeriesCommand {
    /// Say what a series counts: a CSV file with the columns day, team, component and value
    Put {
        /// Which series
        name: String,
        /// The file; - for standard input
        file: PathBuf,
        /// Forget everything else that it counted from the file's first day to its last
        #[arg(long)]
        replace: bool,
    },
}

pub(super) async fn series(command: &SeriesCommand, app: &App) -> anyhow::Result<ExitCode> {
    let SeriesCommand::Put { name, file, replace } = command;
    let text = read(file)?;
    let points = points::parse(file, &text)?;
    let days = points::days(&points);
    let ownership = &app.catalog.snapshot().await?.ownership;
    if ownership.origin(Kind::Series, name).is_none() {
        let names: Vec<&str> = ownership.series.keys().map(SeriesId::as_str).collect();
        let text = format!(
            "there is no series {name:?}; say what it counts first, as [series.{name}] in an ownership file{}",
            if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
        );
        return Err(ParameterError::new("NAME", text).into());
    }
    app.catalog.put_points(&SeriesId::new(name.as_str()), &points, days.filter(|_| *replace), now()).await?;
    print(&match days {
        Some(days) => format!("{name}: {} points, {}", count(points.len() as u64), inclusive(days)),
        None => format!("{name}: nothing is in the file"),
    })?;
    settled(app).await
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(text)
}

#[derive(Debug, clap::Args)]
pub(super) struct EventsArguments {
    #[command(subcommand)]
    command: Option<EventsCommand>,
    /// Only of this component
    #[arg(long)]
    component: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Record that something happened to a component; what is known already changes nothing
    Add {
        /// Which component
        #[arg(long)]
        component: String,
        /// What happened
        #[arg(long, default_value = "release")]
        kind: String,
        /// What is running since
        #[arg(long)]
        version: String,
        /// When, such as 2026-10-05T10:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
        /// Where, when not everywhere
        #[arg(long)]
        environment: Option<String>,
        /// Where to read on
        #[arg(long)]
        url: Option<String>,
    },
}

/// Events that are shown.
const SHOWN: u32 = 50;

pub(super) async fn events(arguments: &EventsArguments, app: &App) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Some(EventsCommand::Add { component, kind, version, at, environment, url }) => {
            for (name, text) in [("component", component), ("kind", kind), ("version", version)] {
                if text.trim().is_empty() {
                    return Err(ParameterError::new(name, "is empty").into());
                }
            }
            let event = Event {
                component: ComponentId::new(component.as_str()),
                kind: kind.clone(),
                version: version.clone(),
                at: at.unwrap_or_else(|| now().trunc_subsecs(0)),
                environment: environment.clone(),
                url: url.clone(),
            };
            let new = app.catalog.put_event(&event, now()).await?;
            let known = if new { "recorded" } else { "known already" };
            print(&format!("{component} {kind} {version}, {}: {known}", event.at.format("%Y-%m-%d %H:%M:%S UTC")))
        }
        None => {
            let component = arguments.component.as_deref().map(ComponentId::new);
            let events = app.catalog.events(&EventsQuery { component, ..EventsQuery::default() }, SHOWN).await?;
            match arguments.format {
                TextFormat::Json => print(&serde_json::to_string_pretty(&json!({ "data": events }))?),
                TextFormat::Table if events.is_empty() => {
                    print("nothing has happened yet: outlay events add --component NAME --version VERSION")
                }
                TextFormat::Table => {
                    let header = ["when (UTC)", "component", "kind", "version", "environment"];
                    let rows = events.iter().map(|event| {
                        vec![
                            event.at.format("%Y-%m-%d %H:%M").to_string(),
                            event.component.to_string(),
                            event.kind.clone(),
                            event.version.clone(),
                            event.environment.clone().unwrap_or_default(),
                        ]
                    });
                    print(&table(header.map(ToOwned::to_owned).into(), rows.collect(), &[]))
                }
            }
        }
    }
}
