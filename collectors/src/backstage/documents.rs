//! The YAML of a catalog: documents, each an entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Note;
use super::entity_ref::{DEFAULT, EntityRef, called};

/// The kinds that are of use here.
const KINDS: [&str; 5] = ["group", "user", "system", "component", "location"];
/// The annotations that are. Others may hold what they like.
const ANNOTATIONS: [&str; 2] = ["infrawallet.io/", "outlay.dev/"];

/// Where an entity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At {
    pub file: Arc<str>,
    pub line: u64,
}

impl At {
    pub(super) fn note(&self, text: impl Into<String>) -> Note {
        Note { file: self.file.to_string(), line: Some(self.line), text: text.into() }
    }
}

/// An entity of a kind that is of use here.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub at: At,
    pub id: EntityRef,
    /// What it is called here.
    pub name: String,
    pub title: Option<String>,
    pub annotations: BTreeMap<String, String>,
    pub links: Vec<Link>,
    pub spec: Value,
    /// What is wrong with it, where it cannot be taken as it is.
    pub fault: Option<String>,
}

/// A link of an entity.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub url: String,
    pub title: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    kind: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    title: Value,
    annotations: Option<BTreeMap<String, Value>>,
    links: Option<Vec<Value>>,
}

impl Entity {
    /// Its spec, in the shape of its kind.
    pub(super) fn spec<T: for<'de> Deserialize<'de> + Default>(&self) -> Result<T, String> {
        match &self.spec {
            Value::Null => Ok(T::default()),
            spec => {
                T::deserialize(spec).map_err(|error| format!("{} has a spec that cannot be read: {error}", self.id))
            }
        }
    }
}

/// Reads a file's entities; what is wrong with one of them is told in `notes`.
///
/// # Errors
/// Why the file cannot be read, with the line.
pub(super) fn parse(file: &str, text: &str, notes: &mut Vec<Note>) -> Result<Vec<Entity>, Note> {
    let options = serde_saphyr::options! {
        // Such files are written by hand; more is an attack, or no such file.
        budget: serde_saphyr::budget! { max_nodes: 100_000, max_depth: 32, max_documents: 10_000, max_aliases: 1_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000, max_replay_stack_depth: 8 },
        // As Backstage reads it: `y` and `no` are names like others.
        strict_booleans: true,
        with_snippet: false,
    };
    let documents: Result<Vec<Spanned<Value>>, _> = serde_saphyr::from_multiple_with_options(text, options);
    let documents = documents.map_err(|error| Note {
        file: file.to_owned(),
        line: error.location().map(|location| location.line()).filter(|line| *line > 0),
        text: format!("is not YAML that can be read: {}", error.without_snippet()),
    })?;
    let file: Arc<str> = file.into();
    let mut entities = Vec::new();
    for Spanned { value, referenced, .. } in documents {
        let at = At { file: Arc::clone(&file), line: referenced.line() };
        match entity(value, &at) {
            Ok(entity) => entities.extend(entity),
            Err(text) => notes.push(at.note(text)),
        }
    }
    Ok(entities)
}

/// The entity of a document, where it is of a kind that is of use here.
fn entity(document: Value, at: &At) -> Result<Option<Entity>, String> {
    let written: Written =
        serde_json::from_value(document).map_err(|error| format!("is not an entity of a catalog: {error}"))?;
    let kind = written.kind.ok_or("is not an entity of a catalog: it has no kind")?.to_lowercase();
    if !KINDS.contains(&kind.as_str()) {
        return Ok(None);
    }
    let metadata: Metadata = serde_json::from_value(written.metadata)
        .map_err(|error| format!("the metadata of this {kind} cannot be read: {error}"))?;
    let namespace = metadata.namespace.unwrap_or_else(|| DEFAULT.to_owned());
    let id = EntityRef::new(&kind, &namespace, &metadata.name);
    let (mut annotations, mut fault) = (BTreeMap::new(), None);
    for (key, value) in metadata.annotations.unwrap_or_default() {
        match value {
            Value::String(text) => drop(annotations.insert(key, text)),
            _ if ANNOTATIONS.iter().any(|ours| key.starts_with(ours)) => {
                fault = Some(format!(
                    "{id}: the annotation {key} is not a text: write it in quotes, \"…\"; it is left out"
                ));
            }
            _ => {}
        }
    }
    Ok(Some(Entity {
        at: at.clone(),
        name: called(&namespace, metadata.name.trim()),
        id,
        title: metadata.title.as_str().map(ToOwned::to_owned),
        annotations,
        // A link that is none leads nowhere; nothing else hangs on it.
        links: metadata.links.into_iter().flatten().filter_map(|link| serde_json::from_value(link).ok()).collect(),
        spec: written.spec,
        fault,
    }))
}

/// Which other files a `Location` names.
#[derive(Deserialize, Default)]
pub(super) struct Targets {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    target: Option<String>,
    targets: Option<Vec<String>>,
}

impl Targets {
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.target.iter().chain(self.targets.iter().flatten()).map(String::as_str)
    }
}
