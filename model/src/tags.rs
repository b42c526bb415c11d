//! Tag keys: which spellings mean the same key, and which keys are kept where.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Dimension, TagKey};

/// Tag keys that decide ownership when no rule is configured, in the order they are tried.
pub const TEAM_KEYS: &[&str] = &["team"];
/// As [`TEAM_KEYS`], for the component.
pub const COMPONENT_KEYS: &[&str] = &["component", "service", "app"];
/// As [`TEAM_KEYS`], for the environment.
pub const ENVIRONMENT_KEYS: &[&str] = &["environment", "env"];

/// At most this many tag keys become columns of a part; the rest are queried from `Tags`.
pub const MAX_TAG_COLUMNS: usize = 500;
/// At most this many tag keys are kept in `daily`.
pub const MAX_DAILY_TAGS: usize = 30;

/// `[tags]` of the configuration: how tag keys are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TagSettings {
    /// Other spellings of a key, in order of preference: `team = ["Team", "owner-team"]`. Where a charge carries two of
    /// them the first wins (the key itself before its aliases) and the clash is counted.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// The tag keys kept in the daily roll-up; at most 30. By default those that ownership rules, aliases and `required` name.
    pub daily: Option<Vec<String>>,
    /// The tag keys that every charge should carry: `/coverage` says how much of the spend does.
    pub required: Vec<String>,
}

impl TagSettings {
    /// The key that `spelling` stands for, and its rank: 0 for the key itself, then its aliases in order.
    #[must_use]
    pub fn canonical<'a>(&'a self, spelling: &'a str) -> (&'a str, usize) {
        self.aliases
            .iter()
            .find_map(|(key, aliases)| {
                aliases.iter().position(|alias| alias == spelling).map(|rank| (key.as_str(), rank + 1))
            })
            .unwrap_or((spelling, 0))
    }

    /// A dimension as charges carry it: a tag named by one of its other spellings is the tag itself.
    #[must_use]
    pub fn canonical_dimension(&self, dimension: &Dimension) -> Dimension {
        match dimension {
            Dimension::Tag(key) => Dimension::Tag(TagKey::new(self.canonical(key.as_str()).0)),
            fixed => fixed.clone(),
        }
    }

    /// The keys the daily roll-up keeps, canonical.
    #[must_use]
    pub fn daily_keys(&self) -> Vec<TagKey> {
        self.daily_keys_with(&BTreeSet::new())
    }

    /// The keys the daily roll-up keeps, canonical, where rules look at `used` as well: those come in as far as there is room,
    /// unless the keys are configured.
    #[must_use]
    pub fn daily_keys_with(&self, used: &BTreeSet<TagKey>) -> Vec<TagKey> {
        let mut keys: Vec<&str> = match &self.daily {
            Some(keys) => keys.iter().map(|key| self.canonical(key).0).collect(),
            None => {
                let owning = [TEAM_KEYS, COMPONENT_KEYS, ENVIRONMENT_KEYS].concat();
                let required = self.required.iter().map(|key| self.canonical(key).0);
                self.aliases.keys().map(String::as_str).chain(owning).chain(required).collect()
            }
        };
        keys.sort_unstable();
        keys.dedup();
        if self.daily.is_none() {
            for key in used {
                let key = self.canonical(key.as_str()).0;
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys.truncate(MAX_DAILY_TAGS);
        keys.sort_unstable();
        keys.into_iter().map(TagKey::new).collect()
    }

    /// The keys that every charge should carry, canonical, in the order they are named in.
    #[must_use]
    pub fn required_keys(&self) -> Vec<TagKey> {
        let mut keys: Vec<TagKey> = Vec::new();
        for key in self.required.iter().map(|key| TagKey::new(self.canonical(key).0)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Every problem with the settings, each a sentence naming its key.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, aliases) in &self.aliases {
            for alias in aliases {
                if self.aliases.contains_key(alias) {
                    problems.push(format!("tags.aliases.{key}: {alias:?} is itself a key with aliases"));
                }
                if let Some(other) = owner.insert(alias, key).filter(|other| other != key) {
                    problems.push(format!("tags.aliases.{key}: {alias:?} is already an alias of {other:?}"));
                }
            }
        }
        if self.required.iter().any(|key| key.trim().is_empty()) {
            problems.push("tags.required: a key is empty".to_owned());
        }
        if self.daily.as_ref().is_some_and(|keys| keys.len() > MAX_DAILY_TAGS) {
            problems.push(format!("tags.daily: at most {MAX_DAILY_TAGS} keys, each multiplies the daily rows"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_look_at_is_kept_by_day_unless_that_is_configured() {
        let aliases = [("cost-center".to_owned(), vec!["cc".to_owned()])].into();
        let settings = TagSettings { aliases, ..TagSettings::default() };
        let used: BTreeSet<TagKey> = ["cc", "zone", "team"].map(TagKey::new).into();
        let words = |keys: Vec<TagKey>| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(
            words(settings.daily_keys_with(&used)),
            "app component cost-center env environment service team zone"
        );
        assert_eq!(words(settings.daily_keys()), "app component cost-center env environment service team");
        let settings = TagSettings { daily: Some(vec!["cc".to_owned()]), ..settings };
        assert_eq!(words(settings.daily_keys_with(&used)), "cost-center");
        let many: BTreeSet<TagKey> = (0..40).map(|key| TagKey::new(format!("a{key:02}"))).collect();
        let kept = TagSettings::default().daily_keys_with(&many);
        assert!(kept.len() == MAX_DAILY_TAGS && kept.contains(&TagKey::new("team")), "{kept:?}");
    }
}
