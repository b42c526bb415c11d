//! Tags as real companies have them: three providers, three spellings, and a share of spend that nobody tagged.
//!
//! How well a resource is tagged does not depend on the seed, so the untagged share is a property of the company.

use serde_json::{Map, Value};

use crate::chance;
use crate::company::Environment;

/// How one source spells its tags.
#[derive(Debug)]
pub(crate) struct Scheme {
    pub(crate) team: &'static str,
    pub(crate) component: &'static str,
    pub(crate) environment: &'static str,
    /// How the source writes "no tags": an empty object, or nothing at all.
    pub(crate) blank: Option<&'static str>,
    /// The provider's own tag that names who created a resource: personal data a collector has to drop.
    pub(crate) creator: Option<&'static str>,
    /// Percent of resources without a team tag.
    pub(crate) untagged: u64,
}

/// Who a resource belongs to, whether or not its tags say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) team: &'static str,
    /// Absent where the team as a whole uses something.
    pub(crate) component: Option<&'static str>,
    pub(crate) environment: Environment,
}

impl Scheme {
    /// The Tags cell of the resource that `name` identifies; `tidy` ones are always fully tagged.
    pub(crate) fn tags(&self, owner: &Owner, name: &[&str], tidy: bool) -> Option<String> {
        let draw = chance::fingerprint(&[&["tags"], name].concat());
        let care = draw % 100;
        let mut tags = Map::new();
        let mut put = |key: &str, value: &str| tags.insert(key.to_owned(), Value::from(value));
        let environment = owner.environment.name();
        let component = owner.component.unwrap_or(owner.team);
        if tidy || care >= self.untagged {
            put(self.team, owner.team);
            if owner.component.is_some() {
                put(self.component, component);
            }
            put(self.environment, environment);
            if draw / 100 % 5 < 2 {
                put("cost-center", &cost_center(owner.team));
            }
            if owner.component.is_some() && draw / 500 % 10 < 3 {
                put("repo", &format!("brightwater/{component}"));
            }
        } else {
            // Five kinds of neglect, equally likely.
            match draw / 100 % 5 {
                0 => {}
                1 | 2 => {
                    put(self.environment, environment);
                }
                3 => {
                    put("cost-center", &cost_center(owner.team));
                    put(self.environment, environment);
                }
                _ => {
                    put("repo", &format!("brightwater/{component}"));
                }
            }
        }
        if let Some(key) = self.creator
            && (draw / 5_000).is_multiple_of(12)
        {
            let person = chance::letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17, &["creator", owner.team]);
            put(key, &format!("IAMUser:AIDA{person}:{}-deployer", owner.team));
        }
        if tags.is_empty() { self.blank.map(str::to_owned) } else { Some(Value::Object(tags).to_string()) }
    }
}

/// The accounting department's number for a team: four digits, never the team's name.
pub(crate) fn cost_center(team: &str) -> String {
    format!("CC-{}", 4_000 + chance::fingerprint(&["cost-center", team]) % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_resource_says_team_component_and_environment() {
        let scheme = Scheme {
            team: "Team",
            component: "service",
            environment: "environment",
            blank: None,
            creator: None,
            untagged: 100,
        };
        let owner = Owner { team: "web", component: Some("storefront"), environment: Environment::Dev };
        let tags = scheme.tags(&owner, &["x"], true).expect("tags");
        assert!(tags.starts_with(r#"{"Team":"web","service":"storefront","environment":"dev""#), "{tags}");
        for name in ["a", "b", "c", "d", "e"] {
            assert!(scheme.tags(&owner, &[name], false).is_none_or(|tags| !tags.contains("Team")));
        }
    }
}
