//! By what costs are told apart, besides day, service and charge type.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// By what costs are told apart. A chain of these makes a path: each value of the first is told apart by the second, and so on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Level {
    /// Whose they are.
    Subscription,
    /// In which part of it they arose.
    ResourceGroup,
    /// Where they arose.
    Region,
    /// The values of one tag key.
    Tag(String),
}

/// Stands before a tag key.
const TAG: &str = "tag:";

impl Level {
    /// How a query groups by it.
    pub(super) fn grouping(&self) -> Value {
        match self {
            Self::Tag(key) => json!({ "type": "TagKey", "name": key }),
            _ => json!({ "type": "Dimension", "name": self.column() }),
        }
    }

    /// How a query asks for these of its values only.
    pub(super) fn filter(&self, values: &[String]) -> Value {
        match self {
            Self::Tag(key) => json!({ "tags": { "name": key, "operator": "In", "values": values } }),
            _ => json!({ "dimensions": { "name": self.column(), "operator": "In", "values": values } }),
        }
    }

    /// The column of an answer that has its values.
    pub(super) fn column(&self) -> &'static str {
        match self {
            Self::Subscription => "SubscriptionId",
            Self::ResourceGroup => "ResourceGroupName",
            Self::Region => "ResourceLocation",
            Self::Tag(_) => "TagValue",
        }
    }

    /// A value as it is kept: names of Azure's own are the same in small and large letters, and come in both.
    pub(super) fn kept(&self, value: &str) -> String {
        match self {
            Self::Subscription | Self::ResourceGroup => value.to_lowercase(),
            Self::Region | Self::Tag(_) => value.to_owned(),
        }
    }
}

impl TryFrom<String> for Level {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix(TAG)) {
            ("subscription", _) => Ok(Self::Subscription),
            ("resource_group", _) => Ok(Self::ResourceGroup),
            ("region", _) => Ok(Self::Region),
            (_, Some(key)) if !key.trim().is_empty() => Ok(Self::Tag(key.to_owned())),
            _ => Err(format!(
                "{text:?} is nothing to tell costs apart by; write resource_group, region, or tag: and a tag key"
            )),
        }
    }
}

impl From<Level> for String {
    fn from(level: Level) -> Self {
        level.to_string()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscription => f.write_str("subscription"),
            Self::ResourceGroup => f.write_str("resource_group"),
            Self::Region => f.write_str("region"),
            Self::Tag(key) => write!(f, "{TAG}{key}"),
        }
    }
}

impl JsonSchema for Level {
    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(resource_group|region|tag:.*\\S.*)$" })
    }
}
