//! Names that are taken from what a charge says: cut out by a regular expression, looked up in a map, or as they are.

use std::borrow::Cow;

use outlay_model::Dimension;
use outlay_model::ownership::{Choice, SHARED, ValueMap};
use polars::prelude::{DataFrame, DataType, PlHashMap, PolarsResult, polars_err};
use regex::Regex;

use super::decided::{Name, Names};
use crate::labels::Labels;

/// Takes names from a column.
#[derive(Debug)]
pub(super) struct Taking {
    column: String,
    capture: Option<Regex>,
    /// The name of each spelling, folded.
    spellings: Option<PlHashMap<String, String>>,
    only_mapped: bool,
    /// Names of teams, which must not be those of pools.
    of_teams: bool,
}

impl Taking {
    /// What a choice takes; `None` when it takes nothing.
    ///
    /// # Errors
    /// When its regular expression cannot be used.
    pub(super) fn new(
        choice: &Choice,
        of_teams: bool,
        canonical: &impl Fn(&Dimension) -> Dimension,
    ) -> PolarsResult<Option<Self>> {
        let Choice::Taken { from, capture, names, only_mapped } = choice else { return Ok(None) };
        let capture = capture.as_deref().map(Regex::new).transpose();
        let capture = capture.map_err(|error| polars_err!(ComputeError: "a regular expression of a rule: {error}"))?;
        Ok(Some(Self {
            column: canonical(from).column(),
            capture,
            spellings: names.as_ref().map(spellings),
            only_mapped: *only_mapped,
            of_teams,
        }))
    }

    /// The name that each row gives. Each value is looked at once.
    pub(super) fn names(&self, rows: &DataFrame, names: &mut Names) -> PolarsResult<Vec<Option<Name>>> {
        let texts = rows.column(&self.column)?.cast(&DataType::String)?;
        let labels = Labels::of(texts.str()?.iter());
        let labels = labels.map(|text| self.name(text?).map(|name| names.of(&name)));
        Ok(labels.rows.iter().map(|label| labels.values[*label]).collect())
    }

    fn name<'a>(&'a self, value: &'a str) -> Option<Cow<'a, str>> {
        let worked_on = self.capture.is_some() || self.spellings.is_some() || self.only_mapped;
        let mut text = if worked_on { value.trim() } else { value };
        if let Some(capture) = &self.capture {
            let found = capture.captures(text)?;
            let piece = usize::from(capture.captures_len() > 1);
            text = found.get(piece)?.as_str().trim();
        }
        let mapped = self.spellings.as_ref().and_then(|spellings| spellings.get(&folded(text)));
        let name = match mapped {
            Some(name) => name.as_str(),
            None if self.only_mapped => return None,
            None => text,
        };
        let is_none = name.trim().is_empty() || (self.of_teams && name.starts_with(SHARED));
        (!is_none).then_some(Cow::Borrowed(name))
    }
}

/// How spellings are compared: as [`ValueMap::name_of`] does.
fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Every spelling's name; where two names share one, the first name has it.
fn spellings(map: &ValueMap) -> PlHashMap<String, String> {
    let mut known = PlHashMap::default();
    for (name, spellings) in &map.0 {
        for spelling in std::iter::once(name).chain(spellings) {
            known.entry(folded(spelling)).or_insert_with(|| name.clone());
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use outlay_model::TagKey;

    #[track_caller]
    fn check(capture: Option<&str>, map: Option<&str>, only_mapped: bool, value: &str, expected: Option<&str>) {
        let choice = Choice::Taken {
            from: Dimension::Tag(TagKey::new("x")),
            capture: capture.map(ToOwned::to_owned),
            names: map.map(|map| serde_json::from_str(map).expect("a map")),
            only_mapped,
        };
        let taking = Taking::new(&choice, true, &Clone::clone).expect("can be used").expect("takes");
        assert_eq!(taking.name(value).as_deref(), expected, "{value:?}");
    }

    #[test]
    fn names_are_taken_cut_out_and_looked_up() {
        let map = Some(r#"{"payments": ["pay", " Payments-Team "], "search": ["find"]}"#);
        check(None, None, false, " as it is ", Some(" as it is "));
        check(None, None, false, " \t", None);
        check(None, None, false, "shared:network", None);
        check(None, map, false, " PAY ", Some("payments"));
        check(None, map, false, "payments-team", Some("payments"));
        check(None, map, false, " other ", Some("other"));
        check(None, map, true, "other", None);
        check(Some("^prod-([a-z]+)"), None, false, "prod-web-1", Some("web"));
        check(Some("^prod-([a-z]+)"), None, false, "dev-web-1", None);
        check(Some("[0-9]+"), None, false, "cc 4711", Some("4711"));
        check(Some("a(x)?"), None, false, "ab", None);
        check(Some("^prod-([a-z]+)"), map, true, "prod-find-2", Some("search"));
        check(Some(": *(.*)"), None, false, "to: shared:network", None);
    }

    #[test]
    fn a_map_is_read_as_the_model_reads_it() {
        let map: ValueMap = serde_json::from_str(r#"{"a": ["x", "B"], "b": ["x", "y"], "C": ["Ä"]}"#).expect("a map");
        let known = spellings(&map);
        for text in ["a", "A ", "b", "x", "Y", "c", "ä", "z"] {
            assert_eq!(known.get(&folded(text)).map(String::as_str), map.name_of(text), "{text}");
        }
    }
}
