//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value was said. In the order in which they are reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On a line of the file, from 1; or the file as a whole.
    File(PathBuf, Option<usize>),
    /// By `--data`.
    Data,
    /// In a variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, Some(line)) => write!(f, "{}:{line}", path.display()),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::Data => f.write_str("--data"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key it is about, dotted; empty when it is about none.
    pub key: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.place, self.text),
            key => write!(f, "{}: {key}: {}", self.place, self.text),
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {}", listed(.problems))]
pub struct ConfigError {
    /// Everything that is wrong with it: the file's problems by line, then the variables'.
    pub problems: Vec<Problem>,
}

pub(crate) fn listed(problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "a problem".to_owned(),
        many => format!("{many} problems"),
    };
    problems.iter().fold(count, |text, problem| format!("{text}\n  {problem}"))
}

/// The candidate that somebody who wrote `word` most likely meant.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    near.filter(|(distance, _)| *distance <= (word.len() / 3).max(1)).min().map(|(_, candidate)| candidate)
}

/// A key as it is written in TOML.
pub(crate) fn dotted(path: &[String]) -> String {
    path.iter().map(|key| bare_or_quoted(key)).collect::<Vec<_>>().join(".")
}

fn bare_or_quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { quoted(key) }
}

/// A TOML string: JSON's escapes are TOML's, but for one character.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// What to say of a text where a date should be.
pub(crate) const NOT_A_DATE: &str = "is not a date; write one such as \"2026-01-31\"";

/// Serde's words about a value, in those of somebody who writes TOML.
pub(crate) fn in_toml_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "a sequence" => "a list",
        "a map" => "a table",
        "f64" => "a number",
        "u32" => "a whole number",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// What to say of a key that there is not. `names` is what serde says of an unknown field: itself and those it knows, all in
/// backticks; `elsewhere` is where else there is a key of this name, `schema` the command that shows all.
pub(crate) fn unknown_key(path: &[String], names: &str, elsewhere: Option<String>, schema: &str) -> String {
    let (key, section) = path.split_last().expect("a field has a name");
    let siblings = names.split('`').skip(1).step_by(2).skip(1);
    let nearest = meant(key, siblings).map(|sibling| dotted(&[section, &[sibling.to_owned()]].concat()));
    match nearest.or(elsewhere) {
        Some(meant) => format!("is not a key; did you mean {meant}?"),
        None => format!("is not a key; see `{schema}` for those there are"),
    }
}
