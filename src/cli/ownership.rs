//! `outlay ownership`: whatever is said of who owns what, by its name, and how far it is carried out.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use outlay_api::wire;
use outlay_catalog::AuditQuery;
use outlay_insights::{InsightError, Preview, SettlingReport};
use outlay_model::Money;
use outlay_model::ownership::{Audited, Definition, Edit, Kind, Origin, SettlingProgress};
use outlay_model::query::{Metric, ParameterError};
use outlay_model::report::Scope;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::import::Bar;
use super::output::{TextFormat, cents, count, print};
use super::table::table;
use crate::app::{App, now};
use crate::config::Place;
use crate::config::tree::Said;
use crate::ownership::{Change, Planned};
use crate::pipeline::{self, Progress as _};

#[derive(Debug, Subcommand)]
pub(super) enum OwnershipCommand {
    /// Show what is said of a name, or of all names of a kind, as JSON
    Get {
        /// team, component, map, pool, series or rule
        #[arg(value_parser = kinds())]
        kind: Kind,
        /// Which one [default: all of the kind]
        name: Option<String>,
    },
    /// Say something of a name, in place of what was said: JSON or TOML, as in the ownership file
    Set {
        /// team, component, map, pool, series or rule
        #[arg(value_parser = kinds())]
        kind: Kind,
        /// Which one
        name: String,
        /// The file with it; - for standard input
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Of a rule: its place among the rules, from 0 [default: the one it has, or the last]
        #[arg(long, value_name = "N")]
        place: Option<usize>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Only show what would change, and which cost it would move
        #[arg(long)]
        preview: bool,
    },
    /// Say nothing of a name any more
    Remove {
        /// team, component, map, pool, series or rule
        #[arg(value_parser = kinds())]
        kind: Kind,
        /// Which one
        name: String,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Only show what would change, and which cost it would move
        #[arg(long)]
        preview: bool,
    },
    /// Show who changed what, the latest first
    Audit {
        /// Only of this kind
        #[arg(long, value_parser = kinds())]
        kind: Option<Kind>,
        /// Only of this name
        #[arg(long)]
        name: Option<String>,
        /// At most so many changes
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
    /// Show whether all charges have the owners, and all pools the splits, that they should have
    Status {
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.as_str()))
        .map(|word| Kind::ALL.iter().copied().find(|kind| kind.as_str() == word).expect("one of them"))
}

pub(super) async fn run(command: &OwnershipCommand, app: &App) -> anyhow::Result<ExitCode> {
    match command {
        OwnershipCommand::Get { kind, name } => get(app, *kind, name.as_deref()).await,
        OwnershipCommand::Set { kind, name, file, place, dry_run, preview } => {
            let definition = read(*kind, file)?;
            edit(app, Edit::Put { name: name.clone(), definition, place: *place }, How::of(*dry_run, *preview)).await
        }
        OwnershipCommand::Remove { kind, name, dry_run, preview } => {
            edit(app, Edit::Remove { kind: *kind, name: name.clone() }, How::of(*dry_run, *preview)).await
        }
        OwnershipCommand::Audit { kind, name, limit, format } => {
            let query = AuditQuery { kind: *kind, name: name.clone(), before: None };
            let rows = app.insights.audit(&query, *limit, &Scope::Company).await?.rows;
            match format {
                TextFormat::Json => print(&serde_json::to_string_pretty(&wire::audit_json(&rows, None))?),
                TextFormat::Table if rows.is_empty() => print("nothing was changed yet"),
                TextFormat::Table => print(&audit(&rows)),
            }
        }
        OwnershipCommand::Status { format } => {
            let report = app.insights.settling(&Scope::Company).await?;
            match format {
                TextFormat::Json => print(&serde_json::to_string_pretty(&wire::settling_json(&report))?),
                TextFormat::Table => print(&status(&report)),
            }
        }
    }
}

async fn get(app: &App, kind: Kind, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let today = now().date_naive();
    print(&match name {
        Some(name) => {
            let defined = app.insights.definition(kind, name, today, &Scope::Company).await?;
            serde_json::to_string_pretty(&wire::definition_json(&defined))?
        }
        None => {
            let defined = app.insights.definitions(kind, today, &Scope::Company).await?;
            serde_json::to_string_pretty(&wire::definitions_json(&defined))?
        }
    })
}

/// Reads a definition, as JSON or as TOML.
fn read(kind: Kind, file: &Path) -> anyhow::Result<Definition> {
    let shown = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    }
    let json = match serde_json::from_str::<Value>(&text) {
        Ok(json) => json,
        Err(error) if text.trim_start().starts_with('{') => {
            return Err(ParameterError::new("file", format!("{shown} is not JSON: {error}")).into());
        }
        Err(_) => toml(file, &text)?,
    };
    let wrong = |error| ParameterError::new("file", format!("{shown} is no {kind}: {error}"));
    Ok(Definition::read(kind, json).map_err(wrong)?)
}

/// TOML as JSON, dates as texts.
fn toml(file: &Path, text: &str) -> anyhow::Result<Value> {
    let (mut said, mut problems) = (Said::default(), Vec::new());
    crate::config::load::add_file(&mut said, file, text, &mut problems);
    if let Some(problem) = problems.first() {
        let text = match &problem.place {
            Place::File(_, Some(line)) => format!("line {line} {}", problem.text),
            _ => problem.text.clone(),
        };
        return Err(ParameterError::new("file", text).into());
    }
    Ok(said.read()?)
}

async fn edit(app: &App, edit: Edit, how: How) -> anyhow::Result<ExitCode> {
    let known = &app.catalog.snapshot().await?.ownership;
    let (kind, name) = edit.subject();
    if matches!(edit, Edit::Remove { .. }) && known.origin(kind, name).is_none() {
        return Err(InsightError::NotSaid { kind, name: name.to_owned() }.into());
    }
    let same = match &edit {
        Edit::Put { name, definition, place } => {
            let stays = place.is_none_or(|place| known.rules.get(place).is_some_and(|(id, _)| id.as_str() == name));
            stays && known.definition(kind, name).as_ref() == Some(definition)
        }
        Edit::Remove { .. } => false,
    };
    let edits = if same { Vec::new() } else { vec![edit] };
    carry_out(app, &Planned::new(known, edits, Origin::Api, "cli"), how, TextFormat::Table).await
}

/// What is done about changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// They are made.
    Make,
    /// They are shown.
    Show,
    /// They are shown, with what they would move.
    Preview,
}

impl How {
    pub(super) const fn of(dry_run: bool, preview: bool) -> Self {
        match (dry_run, preview) {
            (_, true) => Self::Preview,
            (true, false) => Self::Show,
            (false, false) => Self::Make,
        }
    }
}

/// Shows what is planned and, where that is asked for, does it, with all that follows from it.
pub(super) async fn carry_out(app: &App, planned: &Planned, how: How, format: TextFormat) -> anyhow::Result<ExitCode> {
    if how == How::Make {
        planned.make(app).await?;
    }
    planned.notes.iter().for_each(|note| eprintln!("outlay: {note}"));
    let preview = match how {
        How::Preview => {
            let edits = planned.edits.clone();
            Some(app.insights.preview_of(edits, planned.origin, None, &Scope::Company).await?)
        }
        _ => None,
    };
    match format {
        TextFormat::Json => {
            let mut said = json!({ "data": planned.changes, "made": how == How::Make });
            if let Some(preview) = &preview {
                said["preview"] = serde_json::to_value(wire::preview_json(preview))?;
            }
            print(&serde_json::to_string_pretty(&said)?)?;
        }
        TextFormat::Table => {
            let moves = preview.as_ref().map(|preview| format!("\n\n{}", moves(preview))).unwrap_or_default();
            print(&format!("{}{moves}", changes(&planned.changes, how != How::Make)))?;
        }
    }
    if how == How::Make { settled(app).await } else { Ok(ExitCode::SUCCESS) }
}

/// Gives charges the owners, and pools the splits, that follow from what was changed.
pub(super) async fn settled(app: &App) -> anyhow::Result<ExitCode> {
    let bar = Bar::new();
    let settled = pipeline::settle(app, &CancellationToken::new(), &|so_far| bar.settling(so_far)).await;
    bar.0.finish_and_clear();
    let settled = settled?;
    if let Some(trouble) = settled.trouble().filter(|_| !settled.is_done()) {
        eprintln!("outlay: not all charges have the owners they should have: {trouble}");
    }
    Ok(if settled.is_done() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What would move, for people.
fn moves(preview: &Preview) -> String {
    if preview.moves.is_empty() {
        return "no cost would move".to_owned();
    }
    let effective = |costs: &[Option<Money>; 4]| {
        let place = Metric::ALL.iter().position(|metric| *metric == Metric::Effective);
        place.and_then(|place| costs[place]).map_or_else(|| "–".to_owned(), cents)
    };
    let header = ["month", "from", "to", "charges", "effective", ""].map(ToOwned::to_owned).into();
    let rows = preview.moves.iter().map(|moved| {
        vec![
            moved.month.format("%Y-%m").to_string(),
            moved.from.clone(),
            moved.to.clone(),
            count(moved.rows),
            effective(&moved.costs),
            moved.currency.to_string(),
        ]
    });
    let mut text = table(header, rows.collect(), &[3, 4]);
    for (currency, total) in &preview.totals {
        text.push_str(&format!("\n\n{} charges, {} {currency} would move", count(total.rows), effective(&total.costs)));
    }
    if preview.expired.charges > 0 {
        let charges = count(preview.expired.charges);
        text.push_str(&format!("\n{charges} charges keep the owners they have: their detail is kept no longer"));
    }
    text
}

fn status(report: &SettlingReport) -> String {
    let SettlingReport { settling, stale, expired } = report;
    let mut text = match (settling.is_settled(), &settling.holder, settling.finished_at) {
        (true, ..) => "all charges have the owners, and all pools the splits, that they should have".to_owned(),
        (false, Some(holder), None) => {
            let SettlingProgress { parts, parts_done, charges, charges_done, month } = &settling.progress;
            let month = month.map(|month| format!("{}, ", month.format("%Y-%m"))).unwrap_or_default();
            format!(
                "{holder} is at it: {month}{parts_done} of {parts} deliveries, {} of {} charges",
                count(*charges_done),
                count(*charges)
            )
        }
        (false, ..) => format!(
            "{} deliveries with {} charges are to be looked at; outlay serve does it, or the next command that changes something",
            stale.parts,
            count(stale.charges)
        ),
    };
    if let Some(message) = &settling.message {
        text.push_str(&format!("\nthe last time: {message}"));
    }
    if expired.charges > 0 {
        let charges = count(expired.charges);
        text.push_str(&format!("\n{charges} charges keep the owners they have: their detail is kept no longer"));
    }
    text
}

/// Changes for people: a line each, and below a changed one what differs.
fn changes(changes: &[Change], dry_run: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Change { kind, name, change, before, after } in changes {
        let sign = match *change {
            "add" => '+',
            "remove" => '-',
            _ => '~',
        };
        let moved = if *change == "move" { ", moved" } else { "" };
        lines.push(format!("{sign} {kind} {name}{moved}"));
        let fields = |definition: &Option<Definition>| {
            definition.as_ref().and_then(|definition| serde_json::to_value(definition).ok()).unwrap_or_default()
        };
        if let ("change", Value::Object(before), Value::Object(after)) = (*change, fields(before), fields(after)) {
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys.into_iter().filter(|key| before.get(*key) != after.get(*key)) {
                let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
                lines.push(format!("    {key}: {} → {}", shown(before.get(key)), shown(after.get(key))));
            }
        }
    }
    lines.push(match (changes.len(), dry_run) {
        (0, _) => "nothing changes".to_owned(),
        (1, true) => "1 change; nothing was changed".to_owned(),
        (count, true) => format!("{count} changes; nothing was changed"),
        (1, false) => "1 change made".to_owned(),
        (count, false) => format!("{count} changes made"),
    });
    lines.join("\n")
}

fn audit(rows: &[Audited]) -> String {
    let header = ["when (UTC)", "by", "what", "name", "change"].map(ToOwned::to_owned).into();
    let rows = rows.iter().map(|row| {
        let change = match (&row.before, &row.after) {
            (None, Some(after)) => format!("added {after}"),
            (Some(before), None) => format!("removed {before}"),
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (None, None) => String::new(),
        };
        vec![
            row.at.format("%Y-%m-%d %H:%M").to_string(),
            row.by.clone(),
            row.kind.to_string(),
            row.name.clone(),
            change,
        ]
    });
    table(header, rows.collect(), &[])
}
