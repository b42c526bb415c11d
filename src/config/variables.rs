//! `OUTLAY_*` variables: `OUTLAY_SERVER__LISTEN` is `server.listen`.
//!
//! A key's name may be written in any letters. Where the names are the user's own (`rates`, `tags.aliases`) it is taken as
//! it is written: `OUTLAY_RATES__EUR`, `OUTLAY_TAGS__ALIASES__team`.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::meant;
use super::tree::{Path, Said};
use super::{Config, Place, Problem};

const PREFIX: &str = "OUTLAY_";
/// Between a table and its key.
const LEVEL: &str = "__";
/// Those that the command line reads.
const NOT_KEYS: [&str; 3] = ["OUTLAY_CONFIG", "OUTLAY_DATA", "OUTLAY_LOG"];

/// The variables that are ours to read, those of whole tables before those of their keys.
pub(super) fn ours(env: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut ours: Vec<_> =
        env.filter(|(name, _)| name.starts_with(PREFIX) && !NOT_KEYS.contains(&name.as_str())).collect();
    ours.sort_by_cached_key(|(name, _)| (name.matches(LEVEL).count(), name.clone()));
    ours
}

/// Lays the variables over what was said.
pub(super) fn add<'i>(said: &mut Said<'i>, variables: &'i [(String, String)], problems: &mut Vec<Problem>) {
    let known = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    for (name, text) in variables {
        let place = Place::Variable(name.clone());
        match key_of(name, &known) {
            Some((path, default)) => {
                let value = read(text, default);
                said.add(nest(path, value), &|_| place.clone());
            }
            None => problems.push(Problem { place, key: String::new(), text: unknown(name, &known) }),
        }
    }
}

/// The key that a variable names, and its default. What the defaults leave empty is a table for the user's own names.
fn key_of<'k>(name: &str, known: &'k Value) -> Option<(Path, Option<&'k Value>)> {
    let (mut path, mut here) = (Path::new(), Some(known));
    for step in name.strip_prefix(PREFIX)?.split(LEVEL) {
        let table = here?.as_object()?;
        if table.is_empty() && !step.is_empty() {
            path.push(step.to_owned());
            here = None;
        } else {
            let step = step.to_lowercase();
            here = Some(table.get(&step)?);
            path.push(step);
        }
    }
    Some((path, here))
}

/// TOML where it is TOML, else text. A key that takes text takes `2026` as text, too.
fn read<'i>(text: &'i str, default: Option<&Value>) -> DeValue<'i> {
    let value = DeValue::parse(text).ok().map(Spanned::into_inner);
    let wanted = value.filter(|value| value.is_str() || !default.is_some_and(Value::is_string));
    wanted.unwrap_or_else(|| DeValue::String(text.into()))
}

fn nest(path: Path, value: DeValue<'_>) -> DeTable<'_> {
    let nested = path.into_iter().rev().fold(value, |value, key| {
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, key.into()), Spanned::new(0..0, value));
        DeValue::Table(table)
    });
    match nested {
        DeValue::Table(table) => table,
        _ => unreachable!("a variable names at least one key"),
    }
}

/// What to say of a variable that names no key. Its value is not repeated: it may be somebody's secret.
fn unknown(name: &str, known: &Value) -> String {
    let mut names: Vec<String> =
        NOT_KEYS.iter().filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned).collect();
    name_keys(known, "", &mut names);
    let names = || names.iter().map(String::as_str);
    let said = name.strip_prefix(PREFIX).unwrap_or(name).to_uppercase();
    match meant(&said, names()).or_else(|| names().find(|name| name.rsplit(LEVEL).next() == Some(&said))) {
        Some(meant) => format!("names no configuration key; did you mean {PREFIX}{meant}?"),
        None => format!("names no configuration key; {PREFIX}SERVER{LEVEL}LISTEN, say, is server.listen"),
    }
}

/// The names of all keys, without the prefix.
fn name_keys(table: &Value, section: &str, names: &mut Vec<String>) {
    for (key, value) in table.as_object().into_iter().flatten() {
        let name = format!("{section}{}", key.to_uppercase());
        name_keys(value, &format!("{name}{LEVEL}"), names);
        names.push(name);
    }
}
