//! What the rules come to for the charges of some days: one list, in the order it is tried in, with nothing left to look up.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Dated, Ownership, Rule, Value, ValueMap, team_of_pool};
use crate::tags::{COMPONENT_KEYS, ENVIRONMENT_KEYS, TEAM_KEYS};
use crate::{ComponentId, DateRange, Dimension, Filter, TagKey, TeamId};

/// How the charges of some days find their owners. For each of team, component and environment the first rule decides that
/// holds on the charge's day, lets it through, and has a name for it. After the configured rules, corrections first, come those
/// that Outlay starts with: the tags that name a team, a component, an environment.
///
/// A charge that then has a component and no team is its component's team's; likewise the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// The rules, in the order they are tried in.
    pub rules: Vec<BookRule>,
    /// Which team answers for a component.
    pub teams: BTreeMap<ComponentId, Dated<TeamId>>,
    /// The only environment of a component.
    pub environments: BTreeMap<ComponentId, String>,
}

/// A rule, ready to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookRule {
    /// What charges carry of it: its name, or `tag:<key>`.
    pub id: String,
    /// Its first day, where it has one within the days of the book.
    pub from: Option<NaiveDate>,
    /// The day after its last, likewise.
    pub to: Option<NaiveDate>,
    /// Which charges.
    pub when: Filter,
    /// What it decides.
    pub decides: Decides,
}

/// What a rule decides, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decides {
    /// The team, or a pool by its team's name.
    pub team: Option<Choice>,
    /// The component.
    pub component: Option<Choice>,
    /// The environment.
    pub environment: Option<Choice>,
}

/// How a rule comes to a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Choice {
    /// It is always this one.
    Fixed(String),
    /// It is what a dimension says: nothing where that is missing, blank, or for a team begins as a pool's does.
    Taken {
        /// The dimension, by the word queries use.
        #[serde(serialize_with = "as_word")]
        from: Dimension,
        /// What must match, and says which piece of it.
        capture: Option<String>,
        /// Which names spellings mean.
        names: Option<ValueMap>,
        /// Whether a spelling that means none is left alone.
        only_mapped: bool,
    },
}

fn as_word<S: serde::Serializer>(dimension: &Dimension, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(dimension)
}

impl Ownership {
    /// The rules for the charges of some days, with what does not concern these days left out: equal books give equal owners.
    #[must_use]
    pub fn book(&self, days: DateRange) -> Book {
        let (corrections, rules): (Vec<_>, Vec<_>) = self.rules.iter().partition(|(_, rule)| rule.correction);
        let configured = corrections.into_iter().rev().chain(rules);
        let configured = configured.filter_map(|(id, rule)| self.entry(id.as_str(), rule, days));
        Book {
            rules: configured.chain(by_tags()).collect(),
            teams: self
                .components
                .iter()
                .map(|(id, component)| (id.clone(), component.team.within(days)))
                .filter(|(_, team)| !team.is_empty())
                .collect(),
            environments: self
                .components
                .iter()
                .filter_map(|(id, component)| Some((id.clone(), component.environment.clone()?)))
                .collect(),
        }
    }

    /// The tag keys that rules look at, by the names they use.
    #[must_use]
    pub fn tag_keys(&self) -> BTreeSet<TagKey> {
        let configured =
            self.book(DateRange::ALWAYS).dimensions().into_iter().filter_map(|dimension| match dimension {
                Dimension::Tag(key) => Some(key),
                Dimension::Fixed(_) => None,
            });
        configured.collect()
    }

    /// The rule on these days; `None` when it does not hold on any.
    fn entry(&self, id: &str, rule: &Rule, days: DateRange) -> Option<BookRule> {
        let from = rule.from.day().filter(|from| *from > days.from());
        let to = rule.to.filter(|to| *to < days.to());
        if from.is_some_and(|from| from >= days.to()) || to.is_some_and(|to| to <= days.from()) {
            return None;
        }
        let choice = |value: &Value| match value {
            Value::Fixed(name) => Choice::Fixed(name.clone()),
            Value::From(taken) => Choice::Taken {
                from: taken.from.clone(),
                capture: taken.capture.clone(),
                names: taken.map.as_ref().and_then(|map| self.maps.get(map)).cloned(),
                only_mapped: taken.only_mapped,
            },
        };
        let pool = rule.pool.as_ref().map(|pool| Choice::Fixed(team_of_pool(pool).to_string()));
        let decides = Decides {
            team: pool.or_else(|| rule.team.as_ref().map(choice)),
            component: rule.component.as_ref().map(choice),
            environment: rule.environment.as_ref().map(choice),
        };
        Some(BookRule { id: id.to_owned(), from, to, when: rule.when.filter().clone(), decides })
    }
}

/// The rules that Outlay starts with.
fn by_tags() -> impl Iterator<Item = BookRule> {
    let rule = |key: &str, decide: fn(Choice) -> Decides| BookRule {
        id: format!("tag:{key}"),
        from: None,
        to: None,
        when: Filter::everything(),
        decides: decide(Choice::Taken {
            from: Dimension::Tag(TagKey::new(key)),
            capture: None,
            names: None,
            only_mapped: false,
        }),
    };
    let teams = TEAM_KEYS.iter().map(move |key| rule(key, |team| Decides { team: Some(team), ..Decides::default() }));
    let components = COMPONENT_KEYS
        .iter()
        .map(move |key| rule(key, |component| Decides { component: Some(component), ..Decides::default() }));
    let environments = ENVIRONMENT_KEYS
        .iter()
        .map(move |key| rule(key, |environment| Decides { environment: Some(environment), ..Decides::default() }));
    teams.chain(components).chain(environments)
}

impl Default for Book {
    /// What Outlay starts with: the tags decide.
    fn default() -> Self {
        Self { rules: by_tags().collect(), teams: BTreeMap::new(), environments: BTreeMap::new() }
    }
}

impl Book {
    /// Tells books apart that may give other owners; empty for what Outlay starts with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let mut hash = Sha256::new();
        for rule in &self.rules {
            let decides = serde_json::to_string(&rule.decides).expect("texts and flags are JSON");
            let days = (rule.from, rule.to);
            hash.update(format!("{}\0{days:?}\0{}\0{decides}\n", rule.id, rule.when));
        }
        for (component, teams) in &self.teams {
            let teams = serde_json::to_string(teams).expect("days and names are JSON");
            hash.update(format!("{component}\0{teams}\n"));
        }
        for (component, environment) in &self.environments {
            hash.update(format!("{component}\0{environment}\0\n"));
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What it looks at to decide: the dimensions of conditions, and those that names are taken from.
    #[must_use]
    pub fn dimensions(&self) -> BTreeSet<Dimension> {
        let mut dimensions = BTreeSet::new();
        for rule in &self.rules {
            rule.when.each_dimension(&mut |dimension| {
                dimensions.insert(dimension.clone());
            });
            let Decides { team, component, environment } = &rule.decides;
            for choice in [team, component, environment].into_iter().flatten() {
                if let Choice::Taken { from, .. } = choice {
                    dimensions.insert(from.clone());
                }
            }
        }
        dimensions
    }

    /// Whether it depends on the day of a charge.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.rules.iter().any(|rule| rule.from.is_some() || rule.to.is_some())
            || self.teams.values().any(|teams| teams.changes().next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ownership(from: &str) -> Ownership {
        let mut ownership: Ownership = serde_json::from_value(serde_json::json!({
            "teams": { "payments": { "owner": "Ines" }, "search": { "owner": "Mei" } },
            "pools": { "network": { "split": { "even": ["payments", "search"] } } },
        }))
        .expect("reads");
        for (name, rule) in [
            ("network", serde_json::json!({ "from": from, "when": "service = 'Amazon VPC'", "pool": "network" })),
            ("names", serde_json::json!({ "from": "ever", "when": "TRUE", "team": { "from": "tags.cost-center" } })),
            ("one", serde_json::json!({ "from": "ever", "when": "TRUE", "team": "search", "correction": true })),
            ("two", serde_json::json!({ "from": "ever", "when": "TRUE", "team": "payments", "correction": true })),
        ] {
            ownership.rules.push((crate::RuleId::new(name), serde_json::from_value(rule).expect("a rule")));
        }
        ownership
    }

    fn month(text: &str) -> DateRange {
        DateRange::parse_period(text, NaiveDate::MIN).expect("a month")
    }

    #[test]
    fn corrections_come_first_and_the_latest_of_them_before_others() {
        let book = ownership("ever").book(month("2026-09"));
        let order: Vec<&str> = book.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(order[..5], ["two", "one", "network", "names", "tag:team"]);
        assert_eq!(order.last(), Some(&"tag:env"));
        assert_eq!(book.rules[2].decides.team, Some(Choice::Fixed("shared:network".to_owned())));
        let words: Vec<String> = book.dimensions().iter().map(ToString::to_string).collect();
        assert!(
            words.contains(&"service".to_owned()) && words.contains(&"tags.\"cost-center\"".to_owned()),
            "{words:?}"
        );
        assert!(!book.is_dated());
    }

    #[test]
    fn a_book_of_days_before_a_change_is_what_it_was() {
        let (before, after) = (ownership("2026-12-01"), ownership("2026-10-10"));
        let same = |month| before.book(month).fingerprint() == after.book(month).fingerprint();
        assert!(same(month("2026-09")));
        assert!(!same(month("2026-10")));
        assert!(!same(month("2026-11")));
        assert!(same(month("2026-12")));
        assert!(after.book(month("2026-10")).is_dated() && !after.book(month("2026-11")).is_dated());
    }

    #[test]
    fn without_rules_the_tags_decide() {
        let book = Ownership::default().book(month("2026-09"));
        assert_eq!(book, Book::default());
        assert_eq!(book.fingerprint(), "");
    }
}
