//! Reads the `Tags` of charges: which keys there are, by canonical spelling, and what their values say.
//!
//! Bills repeat the same tags on thousands of lines, so each distinct text is read once and remembered (bounded).
//! Person-identifying keys and values are left out (P10) and the text is rewritten without them; otherwise the
//! provider's text survives as it came.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use outlay_model::tags::TagSettings;
use polars::prelude::PlHashMap;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Keys and columns that identify a person, whatever their value: in lower case, without `_` and `-`.
const PERSON_KEYS: &[&str] = &["accountownerid", "apikeyid", "createdby", "iamprincipal", "userid", "useridentifier"];
/// Distinct tag texts remembered; then the memory starts afresh.
const REMEMBERED: usize = 100_000;

/// What one text of tags says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadTags {
    /// Canonical key and value, one per key.
    pub pairs: Vec<(String, String)>,
    /// The text without persons, when it had to be rewritten.
    pub rewritten: Option<String>,
    /// Keys that were met in two spellings.
    pub clashes: u64,
    /// Values that were themselves objects or lists.
    pub nested: u64,
    /// Persons left out.
    pub persons: u64,
    /// Not a JSON object.
    pub unreadable: bool,
}

/// What never leaves a bill unless it is asked for (P10).
#[derive(Debug, Clone, Default)]
pub struct Privacy {
    /// Keys and columns kept although they look like a person.
    pub keep: Vec<String>,
}

impl Privacy {
    /// Whether a key and value say who somebody is.
    #[must_use]
    pub fn hides(&self, key: &str, value: &str) -> bool {
        self.hides_under(key)(value)
    }

    /// Which values under a key say who somebody is.
    pub fn hides_under(&self, key: &str) -> impl Fn(&str) -> bool + use<> {
        let bare = key.to_ascii_lowercase().replace(['_', '-'], "");
        // Before a key may stand whose scheme it is of: `aws:`, `tag:123456789012/`.
        let name = bare.rsplit([':', '/']).next().unwrap_or_default();
        let (person, kept) = (PERSON_KEYS.contains(&name), self.keep.iter().any(|kept| kept == key));
        move |value| !kept && (person || is_email(value))
    }

    /// The same for a value with others inside it.
    fn hides_in(&self, key: &str, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::String(text) => self.hides(key, text),
            Value::Array(items) => items.iter().any(|item| self.hides_in(key, item)),
            Value::Object(fields) => {
                fields.iter().any(|(field, value)| self.hides_in(key, value) || self.hides_in(field, value))
            }
            other => self.hides(key, &other.to_string()),
        }
    }
}

/// Whether a text is an e-mail address: one `@`, something before it, a dotted name after it, no blanks.
fn is_email(text: &str) -> bool {
    // Nearly no text has one, and looking for a byte is all that costs.
    if !text.as_bytes().contains(&b'@') {
        return false;
    }
    let Some((local, domain)) = text.trim().split_once('@') else { return false };
    let clean =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '/' | ':'));
    clean(local) && clean(domain) && domain.trim_matches('.').contains('.')
}

/// Reads tags and remembers what it read.
#[derive(Debug)]
pub struct TagReader {
    settings: TagSettings,
    privacy: Privacy,
    known: PlHashMap<String, Arc<ReadTags>>,
    keys: PlHashMap<String, Key>,
}

/// What is known of a spelling.
#[derive(Debug)]
struct Key {
    canonical: String,
    person: bool,
}

impl TagReader {
    /// A reader with these settings.
    #[must_use]
    pub fn new(settings: TagSettings, privacy: Privacy) -> Self {
        Self { settings, privacy, known: PlHashMap::default(), keys: PlHashMap::default() }
    }

    /// What this text says.
    pub fn read(&mut self, text: &str) -> Arc<ReadTags> {
        if let Some(read) = self.known.get(text) {
            return Arc::clone(read);
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
            self.keys.clear();
        }
        let read = self.read_flat(text).unwrap_or_else(|| read(text, &self.settings, &self.privacy));
        let read = Arc::new(read);
        self.known.insert(text.to_owned(), Arc::clone(&read));
        read
    }

    /// Reads what nearly all tags are: an object of plain texts with nobody in it, and no key twice. `None` for any other.
    fn read_flat(&mut self, text: &str) -> Option<ReadTags> {
        let Flat(entries) = serde_json::from_str(text).ok()?;
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(entries.len());
        for (spelling, value) in entries {
            if !self.keys.contains_key(spelling) {
                let canonical = self.settings.canonical(spelling).0.to_owned();
                let key = Key { canonical, person: self.privacy.hides(spelling, "") };
                self.keys.insert(spelling.to_owned(), key);
            }
            let key = &self.keys[spelling];
            if key.person || is_email(value) || pairs.iter().any(|(known, _)| *known == key.canonical) {
                return None;
            }
            pairs.push((key.canonical.clone(), value.to_owned()));
        }
        Some(ReadTags { pairs, ..ReadTags::default() })
    }
}

/// The entries of an object whose keys and values are texts without escapes.
struct Flat<'a>(Vec<(&'a str, &'a str)>);

impl<'de> Deserialize<'de> for Flat<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Flat<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Flat<'de>, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Flat(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn read(text: &str, settings: &TagSettings, privacy: &Privacy) -> ReadTags {
    let mut tags = ReadTags::default();
    let object = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => Some(object),
        Ok(Value::Array(items)) => entries(items, &mut tags),
        _ => None,
    };
    let Some(object) = object else {
        // What cannot be taken apart is kept whole, unless somebody's address is in it.
        let person = text.split(|c: char| c.is_whitespace() || "\"',;=:{}[]()<>".contains(c)).any(is_email);
        let persons = u64::from(person && !privacy.keep.iter().any(|kept| kept == "Tags"));
        let rewritten = (persons > 0).then(|| "{}".to_owned());
        return ReadTags { unreadable: true, persons, rewritten, ..ReadTags::default() };
    };
    let mut best: Map<String, Value> = Map::new();
    let mut ranks: HashMap<String, usize> = HashMap::new();
    let mut kept = Map::new();
    for (spelling, value) in object {
        let said = match &value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(_) | Value::Object(_) => {
                tags.nested += 1;
                Some(value.to_string())
            }
            other => Some(other.to_string()),
        };
        if privacy.hides_in(&spelling, &value) {
            tags.persons += 1;
            continue;
        }
        if let Some(said) = said {
            let (key, rank) = settings.canonical(&spelling);
            let before = ranks.get(key).copied();
            tags.clashes += u64::from(before.is_some());
            if before.is_none_or(|before| rank < before) {
                ranks.insert(key.to_owned(), rank);
                best.insert(key.to_owned(), Value::String(said));
            }
        }
        kept.insert(spelling, value);
    }
    if tags.persons > 0 || text.trim_start().starts_with('[') {
        tags.rewritten = Some(Value::Object(kept).to_string());
    }
    tags.pairs = best
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect();
    tags
}

/// The object that a list of keys and values stands for, as BigQuery has maps; a key that comes again says nothing new.
/// `None` where it is another list.
fn entries(items: Vec<Value>, tags: &mut ReadTags) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for item in items {
        let Value::Object(mut fields) = item else { return None };
        let (Some(Value::String(key)), Some(value)) = (fields.remove("key"), fields.remove("value")) else {
            return None;
        };
        match object.entry(key) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(_) => tags.clashes += 1,
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reader() -> TagReader {
        let aliases = [("team".to_owned(), vec!["Team".to_owned(), "owner-team".to_owned()])].into();
        TagReader::new(TagSettings { aliases, daily: None, required: Vec::new() }, Privacy::default())
    }

    #[track_caller]
    fn check(text: &str, pairs: &[(&str, &str)]) -> Arc<ReadTags> {
        let read = reader().read(text);
        let expected: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(read.pairs, expected, "{text}");
        read
    }

    #[test]
    fn reads_flat_objects() {
        check(
            r#"{"env":"prod"," org":"x","empty":"","flag":true,"n":1.50,"gone":null}"#,
            &[("env", "prod"), (" org", "x"), ("empty", ""), ("flag", "true"), ("n", "1.50")],
        );
    }

    #[test]
    fn the_first_spelling_by_preference_wins() {
        let read = check(r#"{"owner-team":"c","Team":"b"}"#, &[("team", "b")]);
        assert_eq!(read.clashes, 1);
        check(r#"{"Team":"b","team":"a"}"#, &[("team", "a")]);
    }

    #[test]
    fn nested_values_are_kept_as_json() {
        assert_eq!(check(r#"{"a":{"b":1}}"#, &[("a", r#"{"b":1}"#)]).nested, 1);
    }

    #[test]
    fn what_is_not_an_object_is_said_to_be_unreadable() {
        for text in ["", "x", "[1]", r#"[{"key":"a"}]"#, "1", r#"{"a":"#, r#""k": "v""#] {
            assert!(check(text, &[]).unreadable);
        }
    }

    #[test]
    fn lists_of_keys_and_values_are_objects() {
        let text =
            r#"[{"key":"env","value":"prod"},{"key":"Team","value":"b","x_inherited":true},{"key":"env","value":"x"}]"#;
        let read = check(text, &[("env", "prod"), ("team", "b")]);
        assert_eq!((read.clashes, read.unreadable), (1, false));
        assert_eq!(read.rewritten.as_deref(), Some(r#"{"env":"prod","Team":"b"}"#));
        assert_eq!(check("[]", &[]).rewritten.as_deref(), Some("{}"));
        let read = check(r#"[{"key":"owner","value":"ann@example.com"}]"#, &[]);
        assert_eq!((read.persons, read.rewritten.as_deref()), (1, Some("{}")));
    }

    #[test]
    fn persons_stay_out() {
        let read = check(
            r#"{"aws:createdBy":"x","owner":"ann@example.com","env":"dev","repo":"git@host:a/b"}"#,
            &[("env", "dev"), ("repo", "git@host:a/b")],
        );
        assert_eq!(read.persons, 2);
        assert_eq!(read.rewritten.as_deref(), Some(r#"{"env":"dev","repo":"git@host:a/b"}"#));
        assert_eq!(check(r#"{"who":{"mail":["ann@example.com"]},"x":{"user_id":7}}"#, &[]).persons, 2);
        assert_eq!(
            check(r#"{"tag:123456789012/created_by":"x","goog-user_id":"y"}"#, &[("goog-user_id", "y")]).persons,
            1
        );
        let torn = check(r#"{"owner":"ann@example.com"#, &[]);
        assert_eq!((torn.unreadable, torn.rewritten.as_deref()), (true, Some("{}")));
        let privacy = Privacy { keep: vec!["owner".into()] };
        let kept = TagReader::new(TagSettings::default(), privacy).read(r#"{"owner":"ann@example.com"}"#);
        assert_eq!(kept.pairs.len(), 1);
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(
            entries in prop::collection::vec(
                ("(team|Team|owner-team|env|user_id|[a-c])", "(\"[a-z@. \\\\n\"]{0,8}\"|1.50|null|true|\\[\\]|\"a@b.c\")"), 0..5,
            ),
        ) {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            let text = format!("{{{}}}", entries.join(","));
            let mut reader = reader();
            if let Some(flat) = reader.read_flat(&text) {
                prop_assert_eq!(flat, read(&text, &reader.settings, &reader.privacy), "{}", text);
            }
        }
    }
}
