//! Filters: a SQL boolean expression over dimensions, parsed by a real SQL parser into a closed set of operators (P8).
//!
//! Logic is two-valued: a comparison with a missing value is false and its `NOT` is true, so for every filter *f*
//! Σ(f) + Σ(NOT f) = Σ. `IS NULL` means the charge has no such value (for a tag: untagged).

mod parse;

use std::fmt;

pub use parse::FilterError;

use crate::{Dimension, Money};

/// Which charges count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The dimension has one of these values.
    In(Dimension, Vec<String>),
    /// The dimension matches a SQL pattern: `%` any text, `_` any one character, `\` escapes.
    Like(Dimension, String),
    /// The dimension has no value.
    IsNull(Dimension),
    /// The filter does not hold.
    Not(Box<Filter>),
    /// All hold; everything when empty.
    And(Vec<Filter>),
    /// Any holds; nothing when empty.
    Or(Vec<Filter>),
}

impl Filter {
    /// The filter that lets everything through.
    #[must_use]
    pub const fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// Whether this lets everything through because it says nothing.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::And(parts) if parts.is_empty())
    }

    /// `dimension = 'value'`.
    #[must_use]
    pub fn equals(dimension: impl Into<Dimension>, value: impl Into<String>) -> Self {
        Self::In(dimension.into(), vec![value.into()])
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (all, other) | (other, all) if all.is_everything() => other,
            (Self::And(mut parts), other) => {
                parts.push(other);
                Self::And(parts)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }

    /// Parses the SQL text of a filter.
    ///
    /// # Errors
    /// [`FilterError`] with the character position of the first problem.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text)
    }

    /// The same filter with every dimension passed through `rename`.
    #[must_use]
    pub fn renamed(&self, rename: &impl Fn(&Dimension) -> Dimension) -> Self {
        let all = |parts: &[Self]| parts.iter().map(|part| part.renamed(rename)).collect();
        match self {
            Self::In(dimension, values) => Self::In(rename(dimension), values.clone()),
            Self::Like(dimension, pattern) => Self::Like(rename(dimension), pattern.clone()),
            Self::IsNull(dimension) => Self::IsNull(rename(dimension)),
            Self::Not(inner) => Self::Not(Box::new(inner.renamed(rename))),
            Self::And(parts) => Self::And(all(parts)),
            Self::Or(parts) => Self::Or(all(parts)),
        }
    }

    /// Calls `see` with every dimension the filter names.
    pub fn each_dimension<'a>(&'a self, see: &mut impl FnMut(&'a Dimension)) {
        match self {
            Self::In(dimension, _) | Self::Like(dimension, _) | Self::IsNull(dimension) => see(dimension),
            Self::Not(inner) => inner.each_dimension(see),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each_dimension(see)),
        }
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Prints the SQL that parses back to the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            f.write_str("(")?;
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                write!(f, "{part}")?;
            }
            f.write_str(")")
        };
        match self {
            Self::In(dimension, values) => match values.as_slice() {
                [value] => write!(f, "{dimension} = {}", quoted(value)),
                values => {
                    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                    write!(f, "{dimension} IN ({})", values.join(", "))
                }
            },
            Self::Like(dimension, pattern) => write!(f, "{dimension} LIKE {}", quoted(pattern)),
            Self::IsNull(dimension) => write!(f, "{dimension} IS NULL"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::And(parts) if parts.is_empty() => f.write_str("TRUE"),
            Self::Or(parts) if parts.is_empty() => f.write_str("FALSE"),
            Self::And(parts) => join(f, parts, "AND"),
            Self::Or(parts) => join(f, parts, "OR"),
        }
    }
}

/// What `having` asks of a group's cost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Having {
    /// `cost <op> amount`.
    Cost(Comparison, Money),
    /// Does not hold.
    Not(Box<Having>),
    /// All hold.
    And(Vec<Having>),
    /// Any holds.
    Or(Vec<Having>),
}

/// A comparison of amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl Having {
    /// Parses `cost > 100`, with AND, OR, NOT and parentheses.
    ///
    /// # Errors
    /// [`FilterError`] with the character position of the first problem.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::having(text)
    }

    /// Whether a group of this cost stays. A group without a cost (all its charges leave the metric out) stays only
    /// under a `NOT`.
    #[must_use]
    pub fn holds(&self, cost: Option<Money>) -> bool {
        match self {
            Self::Cost(comparison, amount) => cost.is_some_and(|cost| match comparison {
                Comparison::Less => cost < *amount,
                Comparison::LessOrEqual => cost <= *amount,
                Comparison::Equal => cost == *amount,
                Comparison::NotEqual => cost != *amount,
                Comparison::GreaterOrEqual => cost >= *amount,
                Comparison::Greater => cost > *amount,
            }),
            Self::Not(inner) => !inner.holds(cost),
            Self::And(parts) => parts.iter().all(|part| part.holds(cost)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(cost)),
        }
    }
}

#[cfg(test)]
mod tests;
