//! Values that change with time, by the day: who owned a team last quarter is not who owns it today (P9).

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::DateRange;

/// A value by the day. Written as the plain value where it never changed, or as a list of
/// `{ from = "2026-07-01", is = … }`: each holds from its day on (the first, without `from`, since ever) until the next one;
/// without `is`, there is none from that day on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dated<T>(Vec<Stretch<T>>);

/// Since when what is so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stretch<T> {
    /// Its first day; without, since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub from: Option<NaiveDate>,
    /// What is so; without, nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<T>,
}

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Dated<T> {
    /// The same on every day.
    #[must_use]
    pub fn always(value: T) -> Self {
        Self(vec![Stretch { from: None, is: Some(value) }])
    }

    /// Of stretches in the order of their days.
    ///
    /// # Errors
    /// Which day is not after the one before it.
    pub fn new(stretches: Vec<Stretch<T>>) -> Result<Self, String> {
        match stretches.windows(2).find(|pair| pair[1].from.is_none() || pair[1].from <= pair[0].from) {
            None => Ok(Self(stretches)),
            Some(pair) => Err(match pair[1].from {
                None => "only the first entry may be without from".to_owned(),
                Some(from) => format!("from = {from} is not after the entry before it"),
            }),
        }
    }

    /// Its stretches, in order.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch<T>] {
        &self.0
    }

    /// Whether there is no value on any day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|stretch| stretch.is.is_none())
    }

    /// What is so on a day.
    #[must_use]
    pub fn on(&self, day: NaiveDate) -> Option<&T> {
        self.0.iter().rev().find(|stretch| stretch.from.is_none_or(|from| from <= day))?.is.as_ref()
    }

    /// What is so in the end.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.0.last()?.is.as_ref()
    }

    /// Every value it ever has.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|stretch| stretch.is.as_ref())
    }

    /// The days it changes on, in order.
    pub fn changes(&self) -> impl Iterator<Item = NaiveDate> {
        self.0.iter().filter_map(|stretch| stretch.from)
    }
}

impl<T: Clone + PartialEq> Dated<T> {
    /// Only what holds on some of these days: what begins before them begins with them, and what lies outside is not told. Equal
    /// results mean that nothing differs on these days.
    #[must_use]
    pub fn within(&self, days: DateRange) -> Self {
        let mut stretches: Vec<Stretch<T>> = Vec::new();
        let first = Stretch { from: None, is: self.on(days.from()).cloned() };
        let inside =
            self.0.iter().filter(|stretch| stretch.from.is_some_and(|from| days.from() < from && from < days.to()));
        for stretch in std::iter::once(&first).chain(inside) {
            let before = stretches.last().and_then(|last| last.is.as_ref());
            if before != stretch.is.as_ref() {
                stretches.push(stretch.clone());
            }
        }
        Self(stretches)
    }
}

impl<T: Serialize + Clone> Serialize for Dated<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Stretch { from: None, is: Some(value) }] => value.serialize(serializer),
            stretches => stretches.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Dated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an untagged enum, which cannot hold numbers that keep their digits.
        let written = serde_json::Value::deserialize(deserializer)?;
        if written.is_array() {
            let stretches = serde_json::from_value(written).map_err(D::Error::custom)?;
            return Self::new(stretches).map_err(D::Error::custom);
        }
        serde_json::from_value(written).map(Self::always).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Dated<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Dated_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (value, stretches) = (generator.subschema_for::<T>(), generator.subschema_for::<Vec<Stretch<T>>>());
        schemars::json_schema!({ "anyOf": [value, stretches] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn read(text: &str) -> Result<Dated<u32>, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_value_by_the_day() {
        let people = read(r#"[{"is": 4}, {"from": "2026-07-01", "is": 6}, {"from": "2026-09-01"}]"#).expect("reads");
        let on = |text: &str| people.on(day(text)).copied();
        assert_eq!(
            [on("2020-01-01"), on("2026-06-30"), on("2026-07-01"), on("2026-08-31")],
            [Some(4), Some(4), Some(6), Some(6)]
        );
        assert_eq!(on("2026-09-01"), None);
        let late = read(r#"[{"from": "2026-07-01", "is": 6}]"#).expect("reads");
        assert_eq!(late.on(day("2026-06-30")), None);
        assert_eq!(read("5").expect("reads"), Dated::always(5));
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["5", r#"[{"is":4},{"from":"2026-07-01","is":6},{"from":"2026-09-01"}]"#, "[]"] {
            let dated = read(text).expect("reads");
            assert_eq!(serde_json::to_string(&dated).expect("writes"), text);
        }
    }

    #[test]
    fn days_come_in_order() {
        let said = |text: &str| read(text).expect_err("is wrong").to_string();
        assert!(
            said(r#"[{"from":"2026-07-01","is":1},{"from":"2026-07-01","is":2}]"#)
                .contains("not after the entry before")
        );
        assert!(said(r#"[{"from":"2026-07-01","is":1},{"is":2}]"#).contains("without from"));
    }

    #[test]
    fn within_days_only_their_difference_is_told() {
        let people = read(r#"[{"is":4},{"from":"2026-07-01","is":6},{"from":"2026-09-01","is":6}]"#).expect("reads");
        let days = |from, to| DateRange::new(day(from), day(to)).expect("a range");
        assert_eq!(people.within(days("2026-01-01", "2026-02-01")), Dated::always(4));
        assert_eq!(people.within(days("2026-07-01", "2026-12-01")), Dated::always(6));
        let both = Dated::new(vec![
            Stretch { from: None, is: Some(4) },
            Stretch { from: Some(day("2026-07-01")), is: Some(6) },
        ]);
        assert_eq!(people.within(days("2026-06-30", "2026-10-01")), both.expect("in order"));
    }
}
