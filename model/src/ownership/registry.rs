//! Teams and what they run: who answers for what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ComponentId, Dated};
use crate::{Currency, TeamId};

/// A team. Its top parent is its department.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its name for people, where that is another than its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The one person who is accountable for what it spends: a name or a mail address.
    pub owner: Dated<String>,
    /// What kind of team it is, such as `product` or `platform`. It is compared with teams of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How many people work in it.
    #[serde(default, skip_serializing_if = "Dated::is_empty")]
    pub people: Dated<u32>,
    /// The team it is part of.
    #[serde(default, skip_serializing_if = "Dated::is_empty")]
    pub parent: Dated<TeamId>,
    /// Where it is told something: mail addresses, chat channels, URLs of webhooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// The currency it thinks in, where that is not the reporting currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

/// What a team builds and runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name for people, where that is another than its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The team that owns it. A charge that has this component and no team of its own is that team's.
    pub team: Dated<TeamId>,
    /// The environment it runs in, where there is only one. A charge that has this component and no environment of its own is
    /// that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The system it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Where to read on: titles and their URLs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
}

/// Which spellings mean the same name: `payments = ["pay", "Payments", "payments-team"]`. Upper and lower case do not matter,
/// nor do blanks around; a name is a spelling of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ValueMap(pub BTreeMap<String, Vec<String>>);

impl ValueMap {
    /// The name that a spelling means.
    #[must_use]
    pub fn name_of(&self, spelling: &str) -> Option<&str> {
        let fold = |text: &str| text.trim().to_lowercase();
        let wanted = fold(spelling);
        let means = |name: &str, spellings: &[String]| {
            fold(name) == wanted || spellings.iter().any(|spelling| fold(spelling) == wanted)
        };
        self.0.iter().find(|(name, spellings)| means(name, spellings)).map(|(name, _)| name.as_str())
    }
}

/// What is counted day by day beside cost: CPU-hours, requests, builds. Shared costs can be split by it, and a unit of it has a
/// cost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// What one of it is, such as `build`, or `thousand requests`.
    pub unit: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// What a series counts on one day: for a team, for a component, or for both together (that team's share of the component).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The UTC day.
    pub day: chrono::NaiveDate,
    /// Which team's.
    pub team: Option<TeamId>,
    /// Which component's.
    pub component: Option<ComponentId>,
    /// How many: exact, at most 18 decimals, not negative.
    pub value: crate::Money,
}

/// Something that happened to a component, from CI: a deployment, a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Which component.
    pub component: ComponentId,
    /// What happened, such as `deployment` or `release`.
    pub kind: String,
    /// What is running from then on.
    pub version: String,
    /// When.
    #[schemars(with = "String")]
    pub at: chrono::DateTime<chrono::Utc>,
    /// Where, when not everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
