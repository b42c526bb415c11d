//! Gives each charge an owner.
//!
//! Without configured rules the tags decide: the first of a list of keys that a charge carries with a non-blank value
//! names its team, its component, its environment. What no rule claims is `unallocated`, in so many words, so that it
//! shows in every answer.

use std::collections::BTreeSet;

use outlay_model::dimension::tag_column;
use outlay_model::tags::{COMPONENT_KEYS, ENVIRONMENT_KEYS, TEAM_KEYS};
use outlay_model::{SourceName, TagKey, UNALLOCATED};
use polars::prelude::{DataType, Expr, LazyFrame, NULL, coalesce, col, lit, when};

use crate::schema::{COMPONENT, ENVIRONMENT, OWNERSHIP_RULE, SOURCE, TEAM};

/// The version of the rules that decide, written into every part; raised when the same charges would get other owners.
pub const RULE_BOOK: u32 = 1;

/// Adds source, team, component, environment and the rule that decided to charges whose tag columns are `keys`.
pub fn own(charges: LazyFrame, source: &SourceName, keys: &BTreeSet<TagKey>) -> LazyFrame {
    charges.with_columns([
        lit(source.as_str()).alias(SOURCE),
        first_of(TEAM_KEYS, keys, |value, _| value).fill_null(lit(UNALLOCATED)).alias(TEAM),
        first_of(COMPONENT_KEYS, keys, |value, _| value).alias(COMPONENT),
        first_of(ENVIRONMENT_KEYS, keys, |value, _| value).alias(ENVIRONMENT),
        first_of(TEAM_KEYS, keys, |value, key| {
            when(value.is_not_null()).then(lit(format!("tag:{key}"))).otherwise(lit(NULL))
        })
        .alias(OWNERSHIP_RULE),
    ])
}

/// The first of the keys that has a non-blank value, passed through `say`; null text when none has.
fn first_of(wanted: &[&str], keys: &BTreeSet<TagKey>, say: impl Fn(Expr, &str) -> Expr) -> Expr {
    let values: Vec<Expr> = wanted
        .iter()
        .filter(|key| keys.contains(**key))
        .map(|key| {
            let value = col(tag_column(&TagKey::new(*key)));
            let blank = value.clone().str().strip_chars(lit(NULL)).eq(lit(""));
            say(when(blank).then(lit(NULL)).otherwise(value), key)
        })
        .collect();
    let found = if values.is_empty() { lit(NULL) } else { coalesce(&values) };
    found.cast(DataType::String)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{IntoLazy, df};

    #[test]
    fn tags_decide_and_the_rest_is_unallocated() {
        let charges = df!(
            "tags.team" => [Some("payments"), Some("  "), None],
            "tags.app" => [Some("api"), Some("web"), None],
            "tags.service" => [None, Some("shop"), None],
        )
        .expect("a frame");
        let keys = ["team", "app", "service"].map(TagKey::new).into();
        let owned = own(charges.lazy(), &SourceName::new("aws"), &keys).collect().expect("owned");
        let column = |name: &str| -> Vec<Option<String>> {
            let text = owned.column(name).expect("there").str().expect("text").clone();
            text.iter().map(|value| value.map(ToOwned::to_owned)).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(column(TEAM), [some("payments"), some("unallocated"), some("unallocated")]);
        assert_eq!(column(COMPONENT), [some("api"), some("shop"), None]);
        assert_eq!(column(ENVIRONMENT), [None, None, None]);
        assert_eq!(column(OWNERSHIP_RULE), [some("tag:team"), None, None]);
        assert_eq!(column(SOURCE), [some("aws"), some("aws"), some("aws")]);
    }
}
