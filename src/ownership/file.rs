//! The ownership file: teams, components, maps, pools, series and rules, in TOML.
//!
//! Its shapes are the model's, so that a definition reads the same here, over HTTP and at the command line. Everything that is
//! wrong is told at once, each with its line: what cannot be read is left out while the rest is looked at, and stands in for
//! itself where something else names it, so that one mistake is not told twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use outlay_model::PoolId;
use outlay_model::ownership::{
    Component, Condition, Definition, Kind, Origin, Ownership, Pool, Rule, Series, Since, Team, Value, ValueMap,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::whole;
use crate::config::load::add_file;
use crate::config::problem::{NOT_A_DATE, in_toml_words, listed, unknown_key};
use crate::config::tree::{self, Said};
use crate::config::{Place, Problem};

/// Who owns what. `docs/OWNERSHIP.md` explains it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// Teams, by name.
    team: BTreeMap<String, Team>,
    /// What they build and run, by name.
    component: BTreeMap<String, Component>,
    /// Which spellings mean which names; rules say which map they look into.
    map: BTreeMap<String, ValueMap>,
    /// Shared costs and how they are split, by name.
    pool: BTreeMap<String, Pool>,
    /// What is counted beside cost, by name.
    series: BTreeMap<String, Series>,
    /// The rules. Of each charge's team, component and environment the first rule that has one decides.
    rule: Vec<NamedRule>,
}

/// A rule and its name. It spells out the fields of the model's rule, for what is flattened loses its line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NamedRule {
    /// Its name, which charges carry that it decides about.
    name: String,
    /// Its first day, or `ever`. Charges of days before are left to other rules.
    from: Since,
    /// The day after its last, where it has one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    to: Option<NaiveDate>,
    /// Which charges: SQL over dimensions, as in `filter`.
    when: Condition,
    /// Whose they are.
    #[serde(default)]
    team: Option<Value>,
    /// In place of a team: the pool that is split between teams.
    #[serde(default)]
    pool: Option<PoolId>,
    /// What they are part of.
    #[serde(default)]
    component: Option<Value>,
    /// Which environment they are of.
    #[serde(default)]
    environment: Option<Value>,
    /// A correction goes before all rules that are none, and a later correction before an earlier one.
    #[serde(default)]
    correction: bool,
    /// Why it is so, for people.
    #[serde(default)]
    about: Option<String>,
}

impl NamedRule {
    fn named(self) -> (String, Rule) {
        let Self { name, from, to, when, team, pool, component, environment, correction, about } = self;
        (name, Rule { from, to, when, team, pool, component, environment, correction, about })
    }
}

/// A file that was read, and where everything in it stands.
#[derive(Debug, Clone)]
pub struct File {
    /// Which file.
    pub path: PathBuf,
    said: Vec<(String, Definition)>,
    places: BTreeMap<tree::Path, Place>,
    /// What could not be read of it.
    unread: Vec<Problem>,
    /// Names that are in it, but could not be read.
    lost: BTreeSet<(Kind, String)>,
}

/// An ownership file cannot be used. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("who owns what stays as it is: the ownership file has {}", listed(.problems))]
pub struct FileError {
    /// Everything that is wrong with it, by line.
    pub problems: Vec<Problem>,
}

impl File {
    /// Reads the file.
    ///
    /// # Errors
    /// When there is no such file, or it is not TOML. What else is wrong is told when it is held against what others say.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let (place, text) = (Place::File(path.to_owned(), None), format!("cannot be read: {error}"));
            FileError { problems: vec![Problem { place, key: String::new(), text }] }
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let (mut said, mut problems) = (Said::default(), Vec::new());
        add_file(&mut said, path, text, &mut problems);
        if !problems.is_empty() {
            return Err(FileError { problems });
        }
        let names = |said: &Said<'_>| -> BTreeSet<(Kind, String)> {
            let places = said.places();
            let named = places.keys().filter(|place| place.len() == 2);
            named.filter_map(|place| Some((kind_of(&place[0])?, place[1].clone()))).collect()
        };
        let before = names(&said);
        let written: Written = said.understand(&explain, &mut problems);
        let lost = before.difference(&names(&said)).cloned().collect();
        let places = said.places();
        let mut read = Vec::new();
        let mut gather = |named: &mut dyn Iterator<Item = (String, Definition)>| read.extend(named);
        gather(&mut written.team.into_iter().map(|(name, team)| (name, Definition::Team(team))));
        gather(&mut written.component.into_iter().map(|(name, said)| (name, Definition::Component(said))));
        gather(&mut written.map.into_iter().map(|(name, map)| (name, Definition::Map(map))));
        gather(&mut written.pool.into_iter().map(|(name, pool)| (name, Definition::Pool(pool))));
        gather(&mut written.series.into_iter().map(|(name, series)| (name, Definition::Series(series))));
        let mut rules: Vec<(String, Rule)> = Vec::new();
        for (number, rule) in written.rule.into_iter().enumerate() {
            let (name, rule) = rule.named();
            if rules.iter().any(|(other, _)| *other == name) {
                let place = places[&["rule".to_owned(), number.to_string(), "name".to_owned()][..]].clone();
                let text = format!("another rule above is called {name:?}; give each its own name");
                problems.push(Problem { place, key: "rule.name".to_owned(), text });
            }
            rules.push((name, rule));
        }
        gather(&mut rules.into_iter().map(|(name, rule)| (name, Definition::Rule(rule))));
        Ok(Self { path: path.to_owned(), said: read, places, unread: problems, lost })
    }

    /// What it says, once it fits to what others say.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn said(&self, known: &Ownership) -> Result<&[(String, Definition)], FileError> {
        let mut problems = self.unread.clone();
        let elsewhere = self.said.iter().filter_map(|(name, definition)| {
            let kind = definition.kind();
            let origin = known.origin(kind, name).filter(|origin| *origin != Origin::File)?;
            let text = format!("is said by {} already; remove it there, or here", whole::teller(origin));
            Some(self.problem(kind, name, "", text))
        });
        problems.extend(elsewhere);
        if problems.len() == self.unread.len() {
            let of_whole = whole::problems(known, Origin::File, &self.said, &self.lost);
            // A rule of which something could not be read is not what it was meant to be: that is told, and no more.
            let half_read = self.unread.iter().any(|problem| problem.key.starts_with("rule."));
            let of_whole = of_whole.into_iter().filter(|problem| !(half_read && problem.kind == Kind::Rule));
            let placed = of_whole.map(|problem| {
                let text = match self.place(problem.kind, &problem.name, &problem.field) {
                    Some(_) => problem.text.clone(),
                    // Somebody else's, which this file would leave without what it needs.
                    None => problem.to_string(),
                };
                self.problem(problem.kind, &problem.name, &problem.field, text)
            });
            problems.extend(placed);
        }
        if problems.is_empty() {
            return Ok(&self.said);
        }
        problems.sort();
        Err(FileError { problems })
    }

    /// Where a name or a field of it stands, and the key that leads there.
    fn place(&self, kind: Kind, name: &str, field: &str) -> Option<(&Place, Vec<String>)> {
        let section = kind.as_str().to_owned();
        let (mut path, mut key) = match kind {
            Kind::Rule => {
                let rules = self.said.iter().filter(|(_, definition)| definition.kind() == Kind::Rule);
                let number = rules.enumerate().find(|(_, (other, _))| other == name)?.0;
                (vec![section.clone(), number.to_string()], vec![section])
            }
            _ => (vec![section.clone(), name.to_owned()], vec![section, name.to_owned()]),
        };
        let mut place = self.places.get(&path)?;
        for step in field.split('.').filter(|step| !step.is_empty()) {
            path.push(step.to_owned());
            key.push(step.to_owned());
            match self.places.get(&path) {
                Some(inner) => place = inner,
                None => break,
            }
        }
        Some((place, key))
    }

    fn problem(&self, kind: Kind, name: &str, field: &str, text: String) -> Problem {
        match self.place(kind, name, field) {
            Some((place, key)) => Problem { place: place.clone(), key: crate::config::problem::dotted(&key), text },
            None => Problem { place: Place::File(self.path.clone(), None), key: String::new(), text },
        }
    }
}

/// The kind that a section is of. Rules are a list and have no names in their places.
fn kind_of(section: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.as_str() == section && *kind != Kind::Rule)
}

/// What the library that reads dates says of texts that are none.
const NO_DATES: [&str; 6] = [
    "input contains invalid characters",
    "premature end of input",
    "input is out of range",
    "trailing input",
    "input is not enough for unique date and time",
    "no possible date and time matching input",
];

fn explain(path: &[String], message: &str) -> String {
    if let Some(names) = message.strip_prefix("unknown field ") {
        // Inside a list or an inline table that is read as a whole, the key at fault is in the message only.
        let key = names.split('`').nth(1).unwrap_or_default();
        let path = match path.last() {
            Some(last) if last == key => path.to_vec(),
            _ => [path, &[key.to_owned()]].concat(),
        };
        return unknown_key(&path, names, None, "outlay rules schema");
    }
    if NO_DATES.contains(&message) {
        return NOT_A_DATE.to_owned();
    }
    // The key is told before the message already.
    let own = path.last().and_then(|key| message.strip_prefix(key)?.strip_prefix(": "));
    in_toml_words(own.unwrap_or(message))
}

/// The JSON schema of the file, for editors: checked in as `config/ownership.schema.json`.
#[must_use]
pub fn schema() -> String {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Written)).expect("a schema is JSON");
    schema + "\n"
}

#[cfg(test)]
mod tests;
