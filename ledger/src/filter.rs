//! From a [`Filter`] to an expression over either layer.
//!
//! Every comparison is made two-valued where it stands (a missing value compares false), so NOT, AND and OR need no
//! third value and Σ(f) + Σ(NOT f) = Σ.

use outlay_model::dimension::Fixed;
use outlay_model::{Dimension, Filter, UNALLOCATED};
use polars::prelude::{DataType, Expr, IntoSeries, NewChunkedArray, PlSmallStr, Series, StringChunked, col, lit};

/// The expression that is true for charges the filter lets through, and false for all others.
pub fn expression(filter: &Filter) -> Expr {
    match filter {
        Filter::In(dimension, values) => {
            let values: Vec<String> = values.iter().map(|value| spelled(dimension, value)).collect();
            let matches = match values.as_slice() {
                [value] => text(dimension).eq(lit(value.as_str())),
                _ => text(dimension).is_in(list(&values), false),
            };
            matches.fill_null(lit(false))
        }
        Filter::Like(dimension, pattern) => {
            text(dimension).str().contains(lit(like_to_regex(pattern)), true).fill_null(lit(false))
        }
        // Charges without an owner carry the word for it, so that it shows in answers.
        Filter::IsNull(Dimension::Fixed(Fixed::Team)) => {
            col(Fixed::Team.column()).eq(lit(UNALLOCATED)).fill_null(lit(true))
        }
        Filter::IsNull(dimension) => col(dimension.column()).is_null(),
        Filter::Not(inner) => expression(inner).not(),
        Filter::And(parts) => balanced(parts, Expr::and).unwrap_or_else(|| lit(true)),
        Filter::Or(parts) => balanced(parts, Expr::or).unwrap_or_else(|| lit(false)),
    }
}

/// The expression that is true for rows whose text in `column` is one of `values`.
pub fn one_of<'a>(column: &str, values: impl IntoIterator<Item = &'a str>) -> Expr {
    let values: Vec<String> = values.into_iter().map(ToOwned::to_owned).collect();
    col(column).is_in(list(&values), false).fill_null(lit(false))
}

/// Joins expressions as a tree, not a chain: the engine walks them recursively.
fn balanced(parts: &[Filter], join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    match parts {
        [] => None,
        [one] => Some(expression(one)),
        parts => {
            let (left, right) = parts.split_at(parts.len() / 2);
            balanced(left, join).zip(balanced(right, join)).map(|(left, right)| join(left, right))
        }
    }
}

fn text(dimension: &Dimension) -> Expr {
    match dimension {
        Dimension::Fixed(Fixed::BillingPeriod) => col(dimension.column()).cast(DataType::String),
        _ => col(dimension.column()),
    }
}

/// A billing period may be named by its month.
fn spelled(dimension: &Dimension, value: &str) -> String {
    let month = value.len() == 7 && matches!(dimension, Dimension::Fixed(Fixed::BillingPeriod));
    if month { format!("{value}-01") } else { value.to_owned() }
}

fn list(values: &[String]) -> Expr {
    lit(series(values)).implode(false)
}

fn series(values: &[String]) -> Series {
    StringChunked::from_iter_values(PlSmallStr::EMPTY, values.iter().map(String::as_str)).into_series()
}

/// A SQL LIKE pattern as a regular expression: `%` any text, `_` any one character, `\` takes the next character as it is.
fn like_to_regex(pattern: &str) -> String {
    let mut regex = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '\\' => regex.push_str(&regex_escape(chars.next().unwrap_or('\\'))),
            c => regex.push_str(&regex_escape(c)),
        }
    }
    // An end that may be any text is left open: then the engine only looks for the rest, which is many times faster.
    let (start, rest) = regex.strip_prefix(".*").map_or(("^", regex.as_str()), |rest| ("", rest));
    let (rest, end) = rest.strip_suffix(".*").map_or((rest, "$"), |rest| (rest, ""));
    format!("(?s){start}{rest}{end}")
}

fn regex_escape(c: char) -> String {
    if c.is_alphanumeric() || c == '_' || !c.is_ascii() { c.to_string() } else { format!("\\x{:02X}", c as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{BooleanChunked, IntoLazy, df};

    #[track_caller]
    fn check(filter: &str, expected: [bool; 4]) {
        let frame = df!(
            "ServiceName" => [Some("Amazon EC2"), Some("50% off_x"), None, Some("a\nb\\")],
            "tags.env" => [Some("prod"), None, Some(""), Some("dev")],
            "x_Team" => ["unallocated", "a", "b", "c"],
        )
        .expect("a frame");
        let filter = Filter::parse(filter).expect(filter);
        let result = frame.lazy().with_column(expression(&filter).alias("f")).collect().expect("evaluates");
        let flags: BooleanChunked = result.column("f").expect("f").bool().expect("flags").clone();
        assert_eq!(flags.iter().map(|flag| flag == Some(true)).collect::<Vec<_>>(), expected, "{filter}");
        assert_eq!(flags.null_count(), 0, "{filter} is two-valued");
    }

    #[test]
    fn logic_is_two_valued() {
        check("service = 'Amazon EC2'", [true, false, false, false]);
        check("service <> 'Amazon EC2'", [false, true, true, true]);
        check("NOT service = 'Amazon EC2'", [false, true, true, true]);
        check("service IN ('Amazon EC2', 'x')", [true, false, false, false]);
        check("NOT service IN ('Amazon EC2', 'x')", [false, true, true, true]);
        check("tags.env IS NULL", [false, true, false, false]);
        check("tags.env IS NOT NULL AND NOT tags.env = 'prod'", [false, false, true, true]);
        check("TRUE", [true; 4]);
        check("FALSE OR service LIKE 'zzz'", [false; 4]);
    }

    #[test]
    fn like_follows_sql() {
        check("service LIKE 'Amazon%'", [true, false, false, false]);
        check("service LIKE '%EC_'", [true, false, false, false]);
        check("service LIKE '%zon E%'", [true, false, false, false]);
        check("service LIKE '%'", [true, true, false, true]);
        check("service LIKE '%\\_%%'", [false, true, false, false]);
        check("service LIKE '_%_' AND NOT service LIKE 'Am%'", [false, true, false, true]);
        check("service LIKE '50\\% off\\_x'", [false, true, false, false]);
        check("service LIKE 'amazon%'", [false; 4]);
        check("service LIKE 'a%b\\\\'", [false, false, false, true]);
        check("service LIKE '%(.*'", [false; 4]);
    }

    #[test]
    fn long_chains_are_no_deep_trees() {
        check(&vec!["FALSE"; 1500].join(" OR "), [false; 4]);
        check(
            &format!("{} OR service = 'Amazon EC2'", vec!["team = 'x'"; 600].join(" OR ")),
            [true, false, false, false],
        );
    }

    #[test]
    fn no_team_means_unallocated() {
        check("team IS NULL", [true, false, false, false]);
        check("team IS NOT NULL", [false, true, true, true]);
        check("team = 'unallocated'", [true, false, false, false]);
    }
}
