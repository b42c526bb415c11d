//! By what an account's charges are told apart, besides day, service and record type.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// By what an account's charges are told apart, besides day, service and record type.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Refine {
    /// Nothing.
    #[default]
    None,
    /// Where they arose.
    Region,
    /// The values of one tag key.
    Tag(String),
}

/// Stands before a tag key.
const TAG: &str = "tag:";

impl Refine {
    /// What a group's key says: the region, or the tag's value. `None` where it says that there is none.
    pub(super) fn value<'a>(&self, key: &'a str) -> Option<&'a str> {
        let value = match self {
            Self::None => return None,
            Self::Region => key,
            // `team$payments`; untagged is `team$`. A value may have a `$` as well.
            Self::Tag(tag) => key.strip_prefix(tag.as_str()).and_then(|rest| rest.strip_prefix('$')).unwrap_or(key),
        };
        (!value.is_empty() && value != "NoRegion").then_some(value)
    }
}

impl TryFrom<String> for Refine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix(TAG)) {
            ("none", _) => Ok(Self::None),
            ("region", _) => Ok(Self::Region),
            (_, Some(key)) if !key.trim().is_empty() => Ok(Self::Tag(key.to_owned())),
            _ => {
                Err(format!("{text:?} is nothing to tell charges apart by; write none, region, or tag: and a tag key"))
            }
        }
    }
}

impl From<Refine> for String {
    fn from(refine: Refine) -> Self {
        refine.to_string()
    }
}

impl fmt::Display for Refine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Region => f.write_str("region"),
            Self::Tag(key) => write!(f, "{TAG}{key}"),
        }
    }
}

impl JsonSchema for Refine {
    fn schema_name() -> Cow<'static, str> {
        "Refine".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(none|region|tag:.*\\S.*)$", "default": "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(refine: &str, key: &str, expected: Option<&str>) {
        let refine = Refine::try_from(refine.to_owned()).expect("can be refined by");
        assert_eq!(refine.value(key), expected);
    }

    #[test]
    fn keys_say_what_they_say() {
        check("region", "eu-west-1", Some("eu-west-1"));
        check("region", "global", Some("global"));
        check("region", "NoRegion", None);
        check("tag:team", "team$payments", Some("payments"));
        check("tag:team", "team$a$b", Some("a$b"));
        check("tag:team", "team$", None);
        check("tag:cost$center", "cost$center$7", Some("7"));
        check("none", "anything", None);
    }

    #[test]
    fn nothing_else_is_taken() {
        for text in ["", "Region", "tag:", "tag: ", "team"] {
            assert!(Refine::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
