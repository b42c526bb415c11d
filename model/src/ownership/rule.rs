//! Rules: which charges belong to whom, and which costs are shared how.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use super::{Dated, PoolId, SeriesId};
use crate::{Dimension, Filter, Money, TeamId};

/// What a rule without end begins with.
const EVER: &str = "ever";

/// Which charges belong to whom. For each of team, component and environment the first rule that holds and has one decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its first day, or `ever`. Charges of days before are left to other rules: what is past changes only when asked to.
    pub from: Since,
    /// The day after its last, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub to: Option<NaiveDate>,
    /// Which charges: SQL over dimensions, as in `filter`.
    pub when: Condition,
    /// Whose they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Value>,
    /// In place of a team: the pool that is split between teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// What they are part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Value>,
    /// Which environment they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Value>,
    /// A correction goes before all rules that are none, and a later correction before an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub correction: bool,
    /// Why it is so, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// A first day, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Since {
    /// As far back as charges go.
    Ever,
    /// From this day on.
    Day(NaiveDate),
}

impl Since {
    /// The day, where there is one.
    #[must_use]
    pub const fn day(self) -> Option<NaiveDate> {
        match self {
            Self::Ever => None,
            Self::Day(day) => Some(day),
        }
    }
}

impl TryFrom<String> for Since {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == EVER {
            return Ok(Self::Ever);
        }
        text.parse().map(Self::Day).map_err(|_| format!("{text:?} is not a day such as 2026-10-01, nor {EVER:?}"))
    }
}

impl From<Since> for String {
    fn from(since: Since) -> Self {
        since.to_string()
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever => f.pad(EVER),
            Self::Day(day) => day.fmt(f),
        }
    }
}

impl JsonSchema for Since {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Since".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A day, such as `2026-10-01`, or `ever`." })
    }
}

/// A filter as a person wrote it.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    filter: Filter,
}

impl Condition {
    /// Parses the SQL text.
    ///
    /// # Errors
    /// [`FilterError`](crate::filter::FilterError) with the position of the first problem.
    pub fn parse(text: &str) -> Result<Self, crate::filter::FilterError> {
        Ok(Self { text: text.to_owned(), filter: Filter::parse(text)? })
    }

    /// What it says.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl std::hash::Hash for Condition {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Its position is one in the condition, not in what the condition stands in.
        let condition = Self::parse(&String::deserialize(deserializer)?);
        condition.map_err(|error| Error::custom(format_args!("when: {error}")))
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "SQL over dimensions, as in `filter`." })
    }
}

/// What a rule assigns: a fixed name, or one that the charge carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "RuleValue")]
pub enum Value {
    /// This name.
    Fixed(String),
    /// The name that is in one of its dimensions. Where there is none, the rule does not decide.
    From(Taken),
}

/// Not derived: that would say of whatever is wrong within only that it is neither.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTaken)
    }
}

struct NameOrTaken;

impl<'de> Visitor<'de> for NameOrTaken {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or where it is taken from")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Value, E> {
        Ok(Value::Fixed(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Taken::deserialize(MapAccessDeserializer::new(map)).map(Value::From).map_err(|error| {
            // How a number that keeps its digits looks from here.
            let number = error.to_string().contains("$serde_json::private::Number");
            if number { Error::invalid_type(Unexpected::Other("a number"), &self) } else { error }
        })
    }
}

/// A name taken from what a charge says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Where the name is: `tags.cost-center`, `account_name`, or another dimension.
    #[serde(with = "by_name")]
    #[schemars(with = "String")]
    pub from: Dimension,
    /// A regular expression that must match; its first group is the name, or all of the match where it has no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// The map that says which name a spelling means. What it does not have is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// With `map`: what it does not have is not taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_mapped: bool,
}

/// A dimension by the word queries use, a tag key spelled as it is: `tags.cost-center`.
mod by_name {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Dimension;

    pub(super) fn serialize<S: Serializer>(dimension: &Dimension, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(dimension)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dimension, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Shared cost that waits to be split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How it is split, by the day. On days without, its cost stays in it.
    pub split: Dated<Split>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// Who has a share: a team or, as `shared:<pool>`, another pool.
pub type Target = TeamId;

/// How a day of a pool is split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Split {
    /// Between these, each the same: `{ even = ["payments", "search"] }`.
    Even(Vec<Target>),
    /// In these proportions, which are positive: `{ fixed = { payments = 3, search = 1.5 } }`.
    Fixed(#[schemars(with = "BTreeMap<TeamId, f64>")] BTreeMap<Target, Money>),
    /// In proportion to what the teams themselves spend on that day (effective cost, before any split).
    Spend(BySpend),
    /// In proportion to what a series counts for them on that day.
    Metric(ByMetric),
}

/// Which spend a day is split by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BySpend {
    /// Between these teams; empty: all that spend anything, but `unallocated`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<TeamId>,
    /// Only their spend on these services counts; empty: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// Which series a day is split by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByMetric {
    /// Which series.
    pub series: SeriesId,
    /// Between these teams; empty: all that it counts anything for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<TeamId>,
}

impl Split {
    /// Who is named as having a share.
    #[must_use]
    pub fn targets(&self) -> Vec<&Target> {
        match self {
            Self::Even(among) | Self::Spend(BySpend { among, .. }) | Self::Metric(ByMetric { among, .. }) => {
                among.iter().collect()
            }
            Self::Fixed(shares) => shares.keys().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(rule: &str, expected: &str) {
        let error = serde_json::from_str::<Rule>(rule).expect_err("is wrong").to_string();
        assert_eq!(error, expected);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        refused(
            r#"{"from": "ever", "when": "service = 'a' AND", "team": "x"}"#,
            "when: Expected: an expression, found: EOF at position 18 at line 1 column 44",
        );
        refused(
            r#"{"from": "2026-02-30", "when": "TRUE", "team": "x"}"#,
            r#""2026-02-30" is not a day such as 2026-10-01, nor "ever" at line 1 column 21"#,
        );
        refused(
            r#"{"from": "ever", "when": "TRUE", "team": {"from": "tags.x", "capture": "(.*)", "mapp": "m"}}"#,
            "unknown field `mapp`, expected one of `from`, `capture`, `map`, `only_mapped` at line 1 column 85",
        );
        refused(
            r#"{"from": "ever", "when": "TRUE", "team": 5}"#,
            "invalid type: integer `5`, expected a name, or where it is taken from at line 1 column 42",
        );
        refused(
            r#"{"from": "ever", "when": "TRUE", "team": 5.5}"#,
            "invalid type: a number, expected a name, or where it is taken from at line 1 column 44",
        );
    }
}
