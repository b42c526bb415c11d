//! Labels and tags as one flat object.
//!
//! The customer's labels keep their names, on the resource or inherited from its project; the resource's wins. Google's own
//! labels have `goog:` before them, as FOCUS asks of a provider's. Tags of the resource manager are another scheme of the
//! customer's, so they have `tag:` and their namespace before them: `tag:123456789012/env`.

use polars::prelude::{NewChunkedArray, PlSmallStr, StringChunked};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::literal;
use super::native::Native;
use crate::labels::Labels;

/// The columns, in the order in which they win.
pub(super) const SCHEMES: [&str; 4] = ["labels", "project.labels", "system_labels", "tags"];

/// The objects of a batch; null where they are empty.
pub(super) fn objects(native: &Native, height: usize) -> StringChunked {
    let cells = SCHEMES.map(|scheme| native.cells(scheme));
    let labels = Labels::of((0..height).map(|row| cells.map(|cells| cells.get(row)))).map(object);
    let texts = labels.rows.iter().map(|label| labels.values[*label].as_deref());
    StringChunked::from_iter_options(PlSmallStr::from_static("Tags"), texts)
}

fn object([labels, project, system, tags]: [Option<&str>; 4]) -> Option<String> {
    let mut object = Map::new();
    let mut add = |text: Option<&str>, prefix: &str| {
        for (key, value) in text.map(entries).unwrap_or_default() {
            if let Entry::Vacant(place) = object.entry(format!("{prefix}{key}")) {
                place.insert(value);
            }
        }
    };
    add(labels, "");
    add(project, "");
    add(system, "goog:");
    add(tags, "tag:");
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

/// Keys and values of a list of `{key, value}`, or of a map. FOCUS 1.2, Tags: one without a value is `true`.
fn entries(text: &str) -> Vec<(String, Value)> {
    // No labels, but what it says is not thrown away.
    let unreadable = || vec![("unreadable".to_owned(), Value::String(text.to_owned()))];
    let value = |value: Option<Value>| value.filter(|value| !value.is_null()).unwrap_or(Value::Bool(true));
    match literal::parse(text) {
        Some(Value::Object(map)) => map.into_iter().map(|(key, said)| (key, value(Some(said)))).collect(),
        Some(Value::Array(items)) => {
            let entry = |item| {
                let Value::Object(mut fields) = item else { return None };
                let Some(Value::String(key)) = fields.remove("key") else { return None };
                let key = match fields.get("namespace") {
                    Some(Value::String(namespace)) if !namespace.is_empty() => format!("{namespace}/{key}"),
                    _ => key,
                };
                Some((key, value(fields.remove("value"))))
            };
            items.into_iter().map(entry).collect::<Option<_>>().unwrap_or_else(unreadable)
        }
        _ => unreadable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_schemes_are_one_object() {
        let found = object([
            Some(r#"[{"key":"team","value":"shop"},{"key":"bare","value":null}]"#),
            Some("[{'key': 'team', 'value': 'platform'}, {'key': 'cost-center', 'value': '7'}]"),
            Some(r#"{"compute.googleapis.com/cores":"4"}"#),
            Some(r#"[{"key":"env","value":"prod","inherited":true,"namespace":"123456789012"}]"#),
        ]);
        let expected = concat!(
            r#"{"team":"shop","bare":true,"cost-center":"7","#,
            r#""goog:compute.googleapis.com/cores":"4","tag:123456789012/env":"prod"}"#
        );
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(object([Some("[]"), None, None, None]), None);
        assert_eq!(object([Some("x"), None, None, None]).as_deref(), Some(r#"{"unreadable":"x"}"#));
    }
}
