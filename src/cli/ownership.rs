//! `outlay ownership`: whatever is said of who owns what, by its name, and how far it is carried out.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use outlay_catalog::AuditQuery;
use outlay_model::ownership::{Audited, Definition, Edit, Kind, Origin, Ownership};
use outlay_model::query::ParameterError;
use serde_json::{Value, json};

use super::output::{TextFormat, print};
use super::table::table;
use crate::app::App;
use crate::config::Place;
use crate::config::tree::Said;
use crate::ownership::{Change, Planned};

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
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.as_str()))
        .map(|word| Kind::ALL.iter().copied().find(|kind| kind.as_str() == word).expect("one of them"))
}

pub(super) async fn run(command: &OwnershipCommand, app: &App) -> anyhow::Result<ExitCode> {
    match command {
        OwnershipCommand::Get { kind, name } => get(app, *kind, name.as_deref()).await,
        OwnershipCommand::Set { kind, name, file, place, dry_run } => {
            let definition = read(*kind, file)?;
            edit(app, Edit::Put { name: name.clone(), definition, place: *place }, *dry_run).await
        }
        OwnershipCommand::Remove { kind, name, dry_run } => {
            edit(app, Edit::Remove { kind: *kind, name: name.clone() }, *dry_run).await
        }
        OwnershipCommand::Audit { kind, name, limit, format } => {
            let query = AuditQuery { kind: *kind, name: name.clone(), before: None };
            let rows = app.catalog.audit(&query, *limit).await?;
            let rows: Vec<Audited> = rows.into_iter().map(|(_, row)| row).collect();
            match format {
                TextFormat::Json => print(&serde_json::to_string_pretty(&json!({ "data": rows }))?),
                TextFormat::Table if rows.is_empty() => print("nothing was changed yet"),
                TextFormat::Table => print(&audit(&rows)),
            }
        }
    }
}

async fn get(app: &App, kind: Kind, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let ownership = &app.catalog.snapshot().await?.ownership;
    let text = match name {
        Some(name) => serde_json::to_string_pretty(&one(ownership, kind, name)?)?,
        None => serde_json::to_string_pretty(&json!({ "data": all(ownership, kind) }))?,
    };
    print(&text)
}

/// What is said of a name, with the name and who says it.
pub(super) fn one(ownership: &Ownership, kind: Kind, name: &str) -> anyhow::Result<Value> {
    Ok(described(ownership, kind, name).ok_or_else(|| {
        ParameterError::new("NAME", format!("there is no {kind} {name:?}; outlay ownership get {kind} lists them"))
    })?)
}

/// What is said of all names of a kind: rules in their order, all else by name.
pub(super) fn all(ownership: &Ownership, kind: Kind) -> Vec<Value> {
    let names: Vec<&str> = match kind {
        Kind::Rule => ownership.rules.iter().map(|(id, _)| id.as_str()).collect(),
        _ => ownership.origins.keys().filter(|(other, _)| *other == kind).map(|(_, name)| name.as_str()).collect(),
    };
    names.into_iter().filter_map(|name| described(ownership, kind, name)).collect()
}

fn described(ownership: &Ownership, kind: Kind, name: &str) -> Option<Value> {
    let mut said = json!({ "name": name, "origin": ownership.origin(kind, name)? });
    if kind == Kind::Rule {
        said["place"] = ownership.rules.iter().position(|(id, _)| id.as_str() == name)?.into();
    }
    let definition = serde_json::to_value(ownership.definition(kind, name)?).ok()?;
    match definition {
        // A map's own names might be called so, too.
        definition if kind == Kind::Map => said["map"] = definition,
        Value::Object(fields) => fields.into_iter().for_each(|(key, value)| said[key] = value),
        _ => return None,
    }
    Some(said)
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

async fn edit(app: &App, edit: Edit, dry_run: bool) -> anyhow::Result<ExitCode> {
    let known = &app.catalog.snapshot().await?.ownership;
    let (kind, name) = edit.subject();
    if matches!(edit, Edit::Remove { .. }) && known.origin(kind, name).is_none() {
        one(known, kind, name)?;
    }
    let same = match &edit {
        Edit::Put { name, definition, place } => {
            let stays = place.is_none_or(|place| known.rules.get(place).is_some_and(|(id, _)| id.as_str() == name));
            stays && known.definition(kind, name).as_ref() == Some(definition)
        }
        Edit::Remove { .. } => false,
    };
    let edits = if same { Vec::new() } else { vec![edit] };
    carry_out(app, &Planned::new(known, edits, Origin::Api, "cli"), dry_run, TextFormat::Table).await
}

/// Shows what is planned and, unless that is all that is asked for, does it.
pub(super) async fn carry_out(
    app: &App,
    planned: &Planned,
    dry_run: bool,
    format: TextFormat,
) -> anyhow::Result<ExitCode> {
    if !dry_run {
        planned.make(app).await?;
    }
    planned.notes.iter().for_each(|note| eprintln!("outlay: {note}"));
    match format {
        TextFormat::Json => {
            print(&serde_json::to_string_pretty(&json!({ "data": planned.changes, "made": !dry_run }))?)?;
        }
        TextFormat::Table => drop(print(&changes(&planned.changes, dry_run))?),
    }
    Ok(ExitCode::SUCCESS)
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
