//! Changes to who owns what.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Component, Ownership, Pool, Rule, Series, Team, ValueMap};
use crate::{ComponentId, PoolId, RuleId, SeriesId, TeamId};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What can be said.
    Kind {
        /// A team.
        Team = "team",
        /// A component.
        Component = "component",
        /// A map of spellings.
        Map = "map",
        /// A pool of shared cost.
        Pool = "pool",
        /// A series.
        Series = "series",
        /// A rule.
        Rule = "rule",
    }
}

words! {
    /// Who says it. What one says, no other changes.
    Origin {
        /// Somebody, over HTTP or at the command line.
        Api = "api",
        /// The file that is applied.
        File = "file",
        /// A Backstage catalog.
        Backstage = "backstage",
    }
}

/// What is said of a name.
#[expect(clippy::large_enum_variant, reason = "there are few at a time, and a box would only be in the way")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Definition {
    /// A team.
    Team(Team),
    /// A component.
    Component(Component),
    /// A map of spellings.
    Map(ValueMap),
    /// A pool.
    Pool(Pool),
    /// A series.
    Series(Series),
    /// A rule.
    Rule(Rule),
}

impl Definition {
    /// What it is of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Team(_) => Kind::Team,
            Self::Component(_) => Kind::Component,
            Self::Map(_) => Kind::Map,
            Self::Pool(_) => Kind::Pool,
            Self::Series(_) => Kind::Series,
            Self::Rule(_) => Kind::Rule,
        }
    }

    /// Reads what was said of a kind.
    ///
    /// # Errors
    /// What cannot be read of it.
    pub fn read(kind: Kind, json: serde_json::Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Team => Self::Team(serde_json::from_value(json)?),
            Kind::Component => Self::Component(serde_json::from_value(json)?),
            Kind::Map => Self::Map(serde_json::from_value(json)?),
            Kind::Pool => Self::Pool(serde_json::from_value(json)?),
            Kind::Series => Self::Series(serde_json::from_value(json)?),
            Kind::Rule => Self::Rule(serde_json::from_value(json)?),
        })
    }
}

/// One change.
#[expect(clippy::large_enum_variant, reason = "there are few at a time, and a box would only be in the way")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// This is what is said of a name from now on.
    Put {
        /// The name.
        name: String,
        /// What is said.
        definition: Definition,
        /// Of a rule: its place among the rules, from 0; without, it keeps the one it has, or comes last.
        place: Option<usize>,
    },
    /// Nothing is said of it any more.
    Remove {
        /// What.
        kind: Kind,
        /// The name.
        name: String,
    },
}

impl Edit {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> (Kind, &str) {
        match self {
            Self::Put { name, definition, .. } => (definition.kind(), name),
            Self::Remove { kind, name } => (*kind, name),
        }
    }
}

impl Ownership {
    /// What it is after a change that `origin` makes. Whether it may be is for [`Ownership::problems`] to say.
    pub fn edit(&mut self, edit: Edit, origin: Origin) {
        let (kind, name) = edit.subject();
        let subject = (kind, name.to_owned());
        match edit {
            Edit::Put { name, definition, place } => {
                match definition {
                    Definition::Team(team) => drop(self.teams.insert(TeamId::new(name), team)),
                    Definition::Component(component) => {
                        drop(self.components.insert(ComponentId::new(name), component));
                    }
                    Definition::Map(map) => drop(self.maps.insert(name, map)),
                    Definition::Pool(pool) => drop(self.pools.insert(PoolId::new(name), pool)),
                    Definition::Series(series) => drop(self.series.insert(SeriesId::new(name), series)),
                    Definition::Rule(rule) => self.put_rule(RuleId::new(name), rule, place),
                }
                self.origins.insert(subject, origin);
            }
            Edit::Remove { kind, name } => {
                match kind {
                    Kind::Team => drop(self.teams.remove(name.as_str())),
                    Kind::Component => drop(self.components.remove(name.as_str())),
                    Kind::Map => drop(self.maps.remove(&name)),
                    Kind::Pool => drop(self.pools.remove(name.as_str())),
                    Kind::Series => drop(self.series.remove(name.as_str())),
                    Kind::Rule => self.rules.retain(|(id, _)| id.as_str() != name),
                }
                self.origins.remove(&subject);
            }
        }
    }

    fn put_rule(&mut self, id: RuleId, rule: Rule, place: Option<usize>) {
        let had = self.rules.iter().position(|(other, _)| *other == id);
        if let Some(had) = had {
            self.rules.remove(had);
        }
        let place = place.or(had).unwrap_or(self.rules.len()).min(self.rules.len());
        self.rules.insert(place, (id, rule));
    }

    /// The changes that make what `origin` says exactly this: what it said and says no longer goes.
    #[must_use]
    pub fn edits_to(&self, origin: Origin, said: Vec<(String, Definition)>) -> Vec<Edit> {
        let gone = self.origins.iter().filter(|(subject, of)| {
            let (kind, name) = subject;
            **of == origin && !said.iter().any(|(said, definition)| said == name && definition.kind() == *kind)
        });
        let mut edits: Vec<Edit> =
            gone.map(|((kind, name), _)| Edit::Remove { kind: *kind, name: name.clone() }).collect();
        // The rules of an origin stand together, in the order they are said in, where its first one stands.
        let first = self.rules.iter().position(|(id, _)| self.origin(Kind::Rule, id.as_str()) == Some(origin));
        let mut place = first.unwrap_or(self.rules.len());
        for (name, definition) in said {
            let mut put = None;
            if definition.kind() == Kind::Rule {
                put = Some(place);
                place += 1;
            }
            let same = self.origin(definition.kind(), &name) == Some(origin)
                && self.definition(definition.kind(), &name).as_ref() == Some(&definition)
                && put.is_none_or(|place| self.rules.get(place).is_some_and(|(id, _)| id.as_str() == name));
            if !same {
                edits.push(Edit::Put { name, definition, place: put });
            }
        }
        edits
    }
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// When.
    pub at: DateTime<Utc>,
    /// Who made it, such as `api`, `cli` or the file's name.
    pub by: String,
    /// What it was about.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What was said before; `None` where nothing was.
    pub before: Option<serde_json::Value>,
    /// What is said since; `None` where nothing is.
    pub after: Option<serde_json::Value>,
    /// The generation it holds from.
    pub generation: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(team: &str) -> Definition {
        let json = serde_json::json!({ "from": "ever", "when": "TRUE", "team": team });
        Definition::read(Kind::Rule, json).expect("a rule")
    }

    fn order(ownership: &Ownership) -> Vec<&str> {
        ownership.rules.iter().map(|(id, _)| id.as_str()).collect()
    }

    #[test]
    fn rules_keep_their_order() {
        let mut ownership = Ownership::default();
        for (name, place) in [("a", None), ("b", None), ("c", Some(0)), ("b", None), ("a", Some(9))] {
            ownership.edit(Edit::Put { name: name.to_owned(), definition: rule(name), place }, Origin::Api);
        }
        assert_eq!(order(&ownership), ["c", "b", "a"]);
        ownership.edit(Edit::Remove { kind: Kind::Rule, name: "b".to_owned() }, Origin::Api);
        assert_eq!(order(&ownership), ["c", "a"]);
        assert_eq!(ownership.origin(Kind::Rule, "b"), None);
    }

    #[test]
    fn an_origin_says_all_it_says_at_once() {
        let mut ownership = Ownership::default();
        let said = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), rule(name))).collect::<Vec<_>>();
        let apply = |ownership: &mut Ownership, names: &[&str]| {
            let edits = ownership.edits_to(Origin::File, said(names));
            let count = edits.len();
            edits.into_iter().for_each(|edit| ownership.edit(edit, Origin::File));
            assert!(ownership.edits_to(Origin::File, said(names)).is_empty(), "to say it again changes nothing");
            count
        };
        assert_eq!(apply(&mut ownership, &["a", "b"]), 2);
        ownership.edit(Edit::Put { name: "own".to_owned(), definition: rule("x"), place: None }, Origin::Api);
        assert_eq!(apply(&mut ownership, &["a", "b"]), 0);
        apply(&mut ownership, &["b", "c", "a"]);
        assert_eq!(order(&ownership), ["b", "c", "a", "own"]);
        apply(&mut ownership, &["c"]);
        assert_eq!(order(&ownership), ["c", "own"]);
    }
}
