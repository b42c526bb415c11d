//! Newtypes for names and ids, so that no bare string crosses a room.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// What a delivery is replaced by: the key a provider's statement keeps across restatements, such as `2026-10`.
    DeliveryKey
}
text_id! {
    /// One staged copy of a delivery. Sorts by the time it was made (UUIDv7).
    PartId
}
text_id! {
    /// One run of a collector or importer. Sorts by the time it started (UUIDv7).
    RunId
}
text_id! {
    /// One job. Sorts by the time it was requested (UUIDv7).
    JobId
}
text_id! {
    /// A team, by the name the ownership rules give it.
    TeamId
}
text_id! {
    /// A component, by the name that charges and the registry give it.
    ComponentId
}
text_id! {
    /// A pool of shared cost.
    PoolId
}
text_id! {
    /// A series that is counted beside cost.
    SeriesId
}
text_id! {
    /// An ownership rule.
    RuleId
}
text_id! {
    /// A tag key, spelled exactly as queries spell it (after aliases).
    TagKey
}
text_id! {
    /// A configured source, by name.
    SourceName
}

/// The name cannot be used for a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a source name: use 1 to 64 letters, digits, '-', '_' or '.', starting with a letter or digit")]
pub struct SourceNameError(String);

impl SourceName {
    /// Checks a name that a person gave. Names become folder names in the store, so their alphabet is narrow.
    ///
    /// # Errors
    /// [`SourceNameError`] with the rule it breaks.
    pub fn parse(text: &str) -> Result<Self, SourceNameError> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let clean = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if starts_well && clean && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(SourceNameError(text.to_owned()))
        }
    }
}
