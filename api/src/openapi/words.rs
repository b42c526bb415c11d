//! The schemas of parameters, from the lists and limits that their readers go by.

use outlay_model::Granularity;
use outlay_model::query::{Basis, Compare, DEFAULT_PERIOD, MAX_ROWS, Metric};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use crate::params::Count;

/// Text, with an example.
pub fn text(example: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).examples([example]).build()
}

/// One of these words.
pub fn one_of(words: impl IntoIterator<Item = &'static str>, default: Option<&str>) -> Object {
    let words: Vec<_> = words.into_iter().collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).default(default.map(Into::into)).build()
}

/// A whole number from 1.
pub fn count(Count { default, most }: Count) -> Object {
    whole(most).default(Some(default.into())).build()
}

/// The largest so many groups.
pub fn top() -> Object {
    whole(1000_u32).examples([10]).build()
}

/// Rows of one page.
pub fn page() -> Object {
    whole(u32::try_from(MAX_ROWS).unwrap_or(u32::MAX)).examples([1000]).build()
}

fn whole(most: u32) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most))
}

/// Every word for a range of days, of which one is taken where none is given.
pub fn period() -> Object {
    ObjectBuilder::from(any_period()).default(Some(DEFAULT_PERIOD.into())).build()
}

/// Every word for a range of days.
pub fn any_period() -> Object {
    // Counted periods reach 3660 back.
    let counted = "last_([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-5][0-9]|3660)_(days|months)";
    let units = "(week|month|quarter|year)";
    let words = format!("today|yesterday|{counted}|{units}_to_date|(this|last)_{units}");
    let month = "(0[1-9]|1[0-2])";
    let calendar =
        format!("[0-9]{{4}}(-Q[1-4]|-W(0[1-9]|[1-4][0-9]|5[0-3])|-{month}|-{month}-(0[1-9]|[12][0-9]|3[01]))?");
    let pattern = format!("^({words}|{calendar})$");
    let object = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    object.examples(["2026-10", "last_month"]).build()
}

/// A date.
pub fn day(example: &str) -> Object {
    let pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example]).build()
}

/// A date, an instant or epoch milliseconds.
pub fn bound(example: &str) -> Object {
    let pattern = "^([0-9]{12,}|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?)$";
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example]).build()
}

/// The first day, where it is given.
pub fn first_day() -> Schema {
    let about = "The first day, with `to`: a date, an RFC 3339 instant or epoch milliseconds.";
    Schema::Object(ObjectBuilder::from(bound("2026-10-01")).schema_type(or_null()).description(Some(about)).build())
}

/// The day after the last, likewise.
pub fn day_after() -> Schema {
    let about = "The day after the last, with `from`.";
    Schema::Object(ObjectBuilder::from(bound("2026-11-01")).schema_type(or_null()).description(Some(about)).build())
}

fn or_null() -> SchemaType {
    SchemaType::from_iter([Type::String, Type::Null])
}

/// An id that was given before.
pub fn id() -> Object {
    text("01931f2e-9d40-7c58-8e3e-0f6c6f6bd1aa")
}

/// How finely time is cut.
pub fn granularity() -> Object {
    one_of(Granularity::ALL.map(Granularity::as_str), Some(Granularity::default().as_str()))
}

/// Which time counts.
pub fn basis() -> Object {
    one_of(Basis::ALL.iter().map(|basis| basis.as_str()), Some(Basis::default().as_str()))
}

/// Which cost.
pub fn metric() -> Object {
    one_of(Metric::ALL.iter().map(|metric| metric.as_str()), Some(Metric::default().as_str()))
}

/// What to compare with.
pub fn compare() -> Object {
    one_of(Compare::ALL.iter().map(|compare| compare.as_str()), None)
}

/// A currency code, or `native`.
pub fn currency() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([A-Z]{3}|native)$")).examples(["USD"]).build()
}

/// A currency code.
pub fn code() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Z]{3}$")).examples(["EUR"]).build()
}

/// The name of a source.
pub fn source() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]*$"))
        .max_length(Some(64))
        .examples(["aws-prod"])
        .build()
}

/// A whole number from 0.
pub fn number(example: u64) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).examples([example]).build()
}
