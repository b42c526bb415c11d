//! `outlay config print`: the configuration in force, and where each value comes from.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::problem::{dotted, quoted};
use super::tree::Path;
use super::{Loaded, Place};

/// The configuration as TOML that loads to the same, with a comment per value: the line of the file, `--data`, the
/// variable, or `default`.
#[must_use]
pub fn print(loaded: &Loaded) -> String {
    let config = serde_json::to_value(&loaded.config).expect("a configuration is JSON");
    let mut text = String::new();
    print_table(&mut text, loaded, &mut Path::new(), config.as_object().expect("it has keys"));
    text
}

/// A table's own values stand before its tables, or they would be read as theirs.
fn print_table(text: &mut String, loaded: &Loaded, path: &mut Path, table: &Map<String, Value>) {
    let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_object());
    if !path.is_empty() && (!values.is_empty() || tables.is_empty()) {
        let comment = if table.is_empty() { format!("  # {}", origin(loaded, path)) } else { String::new() };
        writeln!(text, "\n[{}]{comment}", dotted(path)).expect("a string takes all");
    }
    for (key, value) in values {
        path.push(key.clone());
        print_value(text, loaded, path, value);
        path.pop();
    }
    for (key, value) in tables {
        path.push(key.clone());
        print_table(text, loaded, path, value.as_object().expect("a table, as it was sorted"));
        path.pop();
    }
}

fn print_value(text: &mut String, loaded: &Loaded, path: &mut Path, value: &Value) {
    let key = dotted(&path[path.len() - 1..]);
    let origin_of = |path: &Path| origin(loaded, path);
    let written = match value {
        Value::Null => writeln!(text, "# {key} is not set"),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            writeln!(text, "{key} = [").expect("a string takes all");
            for (n, item) in items.iter().enumerate() {
                path.push(n.to_string());
                writeln!(text, "  {},  # {}", inline(item), origin_of(path)).expect("a string takes all");
                path.pop();
            }
            writeln!(text, "]")
        }
        value => writeln!(text, "{key} = {}  # {}", inline(value), origin_of(path)),
    };
    written.expect("a string takes all");
}

fn origin(loaded: &Loaded, path: &[String]) -> String {
    loaded.places.get(path).map_or_else(|| "default".to_owned(), Place::to_string)
}

fn inline(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(inline).collect())),
        Value::Object(table) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{} = {}", dotted(std::slice::from_ref(key)), inline(value));
            format!("{{ {} }}", joined(table.iter().map(pair).collect()))
        }
        other => other.to_string(),
    }
}
