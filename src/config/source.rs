//! `[[source]]`: the accounts whose bills are collected.

use std::collections::BTreeSet;

use outlay_collectors::http::HttpSettings;
use outlay_collectors::{KINDS, Kind, kind};
use outlay_model::{Role, SourceName, Yields};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::problem::meant;

/// An account with a provider whose bills are collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, in answers, filters and file names.
    pub name: SourceName,
    /// What it is, such as `aws_data_export`.
    pub kind: String,
    /// Whether it counts in totals.
    #[serde(default)]
    pub role: Role,
    /// When it is collected; by default as often as its kind is worth it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How its provider is asked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub http: HttpSettings,
    /// What its kind needs to know besides.
    #[serde(flatten)]
    pub settings: toml::Table,
}

impl Source {
    /// Its kind. A configuration that was loaded without problems has no others.
    ///
    /// # Errors
    /// When this version does not know the kind.
    pub fn kind(&self) -> anyhow::Result<&'static Kind> {
        kind(&self.kind).ok_or_else(|| anyhow::anyhow!("{}: {}", self.name, unknown_kind(&self.kind)))
    }

    /// When it is collected, as a cron expression of six fields.
    #[must_use]
    pub fn schedule(&self) -> &str {
        let default = kind(&self.kind).map_or("", |kind| kind.schedule);
        self.schedule.as_deref().unwrap_or(default)
    }

    /// What the catalog and the answers are told of it: nothing secret.
    #[must_use]
    pub fn described(&self) -> outlay_model::Source {
        let kind = kind(&self.kind);
        outlay_model::Source {
            name: self.name.clone(),
            kind: self.kind.clone(),
            yields: kind.map(Kind::yields).unwrap_or_default(),
            role: self.role,
            schedule: Some(self.schedule().to_owned()).filter(|schedule| !schedule.is_empty()),
            place: kind.map(|kind| (kind.place)(&self.settings)).unwrap_or_default(),
            restates_months: kind.map_or(0, |kind| kind.restates_months),
        }
    }
}

/// What is wrong with the sources: which one, the key at fault, and what to do.
pub(super) fn problems(sources: &[Source]) -> Vec<(usize, Option<String>, String)> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let mut of_rates: Option<&SourceName> = None;
    for (place, source) in sources.iter().enumerate() {
        let mut add = |key: Option<&str>, text: String| problems.push((place, key.map(ToOwned::to_owned), text));
        if let Err(error) = SourceName::parse(source.name.as_str()) {
            add(Some("name"), error.to_string());
        } else if !names.insert(&source.name) {
            add(Some("name"), format!("another source is called {} already; give each its own name", source.name));
        }
        match kind(&source.kind) {
            None => add(Some("kind"), unknown_kind(&source.kind)),
            Some(kind) => {
                for problem in (kind.problems)(&source.settings) {
                    add(problem.key.as_deref(), problem.text);
                }
                if kind.yields() == Yields::Rates {
                    if source.role == Role::Shadow {
                        add(
                            Some("role"),
                            "rates are in no total that they could be left out of; leave it out".to_owned(),
                        );
                    }
                    match of_rates {
                        None => of_rates = Some(&source.name),
                        // They would put each other's rates in the place of their own, in turn.
                        Some(other) => {
                            add(Some("kind"), format!("{other} brings exchange rates already; keep one of the two"))
                        }
                    }
                }
            }
        }
        for (key, text) in source.http.problems() {
            add(Some("http"), format!("{key}: {text}"));
        }
        if let Some(text) = source.schedule.as_deref().and_then(schedule_problem) {
            add(Some("schedule"), text);
        }
    }
    problems
}

fn is_default(settings: &HttpSettings) -> bool {
    *settings == HttpSettings::default()
}

fn schedule_problem(text: &str) -> Option<String> {
    let error = crate::schedule::Schedule::parse(text).err()?.to_string();
    let error = error.trim_end_matches('.');
    Some(format!("{error}; write seconds, minutes, hours, days, months and weekdays, such as \"0 15 */6 * * *\" (UTC)"))
}

fn unknown_kind(name: &str) -> String {
    let names = || KINDS.iter().map(|kind| kind.name);
    match meant(name, names()) {
        Some(meant) => format!("is not a kind of source; did you mean {meant}?"),
        None => format!("is not a kind of source; there are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

impl JsonSchema for Source {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of = |kind: &Kind, generator: &mut SchemaGenerator| {
            let mut schema = (kind.schema)(generator);
            let (role, http) = (generator.subschema_for::<Role>(), generator.subschema_for::<HttpSettings>());
            let common = serde_json::json!({
                "name": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                          "description": "Its name, in answers, filters and file names." },
                "kind": { "const": kind.name },
                "role": role,
                "http": http,
                "schedule": { "type": "string", "default": kind.schedule,
                              "description": "When it is collected: seconds, minutes, hours, days, months, weekdays, in UTC." },
            });
            let object = schema.ensure_object();
            object.insert("title".to_owned(), kind.title.into());
            let properties = object.entry("properties").or_insert_with(|| serde_json::json!({}));
            if let (Some(properties), serde_json::Value::Object(common)) = (properties.as_object_mut(), common) {
                properties.extend(common);
            }
            let required = object.entry("required").or_insert_with(|| serde_json::json!([]));
            if let Some(required) = required.as_array_mut() {
                required.extend(["name".into(), "kind".into()]);
            }
            schema
        };
        let kinds: Vec<Schema> = KINDS.iter().map(|kind| of(kind, generator)).collect();
        json_schema!({ "description": "An account with a provider whose bills are collected.", "oneOf": kinds })
    }
}
