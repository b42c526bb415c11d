//! From SQL text to [`Filter`] and [`Having`], through `sqlparser`.
//!
//! Invariant: whatever the parser accepts beyond the closed list below is refused with its position, never ignored.

use sqlparser::ast::{BinaryOperator, Expr, Ident, Spanned, UnaryOperator, Value, ValueWithSpan};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

use super::{Comparison, Filter, Having};
use crate::{Dimension, Money, TagKey};

/// Longest filter text taken, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// Longest LIKE pattern taken, in bytes.
const MAX_PATTERN: usize = 512;
/// Deepest nesting taken.
const MAX_DEPTH: usize = 50;

/// A filter that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at position {position}")]
pub struct FilterError {
    /// What is wrong and what would be right.
    pub message: String,
    /// Where, counted in characters from 1.
    pub position: usize,
}

/// What went wrong at which place of the text, before the place is turned into a position.
struct Fault(String, Location);

pub(super) fn filter(text: &str) -> Result<Filter, FilterError> {
    parse(text, &filter_of)
}

pub(super) fn having(text: &str) -> Result<Having, FilterError> {
    parse(text, &having_of)
}

fn parse<T>(text: &str, convert: &dyn Fn(&Expr) -> Result<T, Fault>) -> Result<T, FilterError> {
    if text.len() > MAX_LENGTH {
        let message = format!("the expression is longer than {MAX_LENGTH} bytes");
        return Err(FilterError { message, position: MAX_LENGTH });
    }
    expression(text)
        .and_then(|expr| convert(&expr))
        .map_err(|Fault(message, location)| FilterError { message, position: position(text, location) })
}

fn expression(text: &str) -> Result<Expr, Fault> {
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_DEPTH).try_with_sql(text).map_err(fault)?;
    let expr = parser.parse_expr().map_err(fault)?;
    let next = parser.peek_token();
    if next.token == Token::EOF { Ok(expr) } else { Err(Fault(format!("unexpected {}", next.token), next.span.start)) }
}

/// Takes the place out of the parser's message, where it writes ` at Line: 1, Column: 7`.
fn fault(error: ParserError) -> Fault {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => format!("nested deeper than {MAX_DEPTH} levels"),
    };
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return Fault(text, Location::empty());
    };
    let mut numbers = place.split(", Column: ").map(|number| number.trim().parse::<u64>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(line)), Some(Ok(column))) => Fault(message.to_owned(), Location::new(line, column)),
        _ => Fault(text, Location::empty()),
    }
}

/// The character position of a line and column; the end of the text for a place that is not in it.
fn position(text: &str, location: Location) -> usize {
    let end = text.chars().count() + 1;
    let (Ok(line), Ok(column)) = (usize::try_from(location.line), usize::try_from(location.column)) else { return end };
    if line == 0 {
        return end;
    }
    let before: usize = text.split('\n').take(line - 1).map(|line| line.chars().count() + 1).sum();
    (before + column).min(end)
}

fn unsupported<T>(expr: &Expr, allowed: &str) -> Result<T, Fault> {
    Err(Fault(format!("{expr} cannot be used here; use {allowed}"), expr.span().start))
}

const FILTER_FORMS: &str = "=, <>, IN, LIKE, IS NULL, AND, OR and NOT over dimensions and 'quoted' values";

fn filter_of(expr: &Expr) -> Result<Filter, Fault> {
    let negate = |negated: bool, filter: Filter| if negated { Filter::Not(Box::new(filter)) } else { filter };
    match expr {
        Expr::Nested(inner) => filter_of(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Filter::Not(Box::new(filter_of(expr)?))),
        Expr::BinaryOp { op: BinaryOperator::And, .. } => {
            Ok(Filter::And(chain(expr, &BinaryOperator::And, filter_of)?))
        }
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => Ok(Filter::Or(chain(expr, &BinaryOperator::Or, filter_of)?)),
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Eq | BinaryOperator::NotEq), right } => {
            let equals = Filter::In(dimension(left)?, vec![text_value(right)?]);
            Ok(negate(*op == BinaryOperator::NotEq, equals))
        }
        Expr::InList { expr, list, negated } => {
            let values = list.iter().map(text_value).collect::<Result<_, _>>()?;
            Ok(negate(*negated, Filter::In(dimension(expr)?, values)))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            let like = text_value(pattern)?;
            if like.len() > MAX_PATTERN {
                let message = format!("the pattern is longer than {MAX_PATTERN} bytes");
                return Err(Fault(message, pattern.span().start));
            }
            Ok(negate(*negated, Filter::Like(dimension(expr)?, like)))
        }
        Expr::IsNull(expr) => Ok(Filter::IsNull(dimension(expr)?)),
        Expr::IsNotNull(expr) => Ok(negate(true, Filter::IsNull(dimension(expr)?))),
        Expr::Value(ValueWithSpan { value: Value::Boolean(true), .. }) => Ok(Filter::everything()),
        Expr::Value(ValueWithSpan { value: Value::Boolean(false), .. }) => Ok(Filter::Or(Vec::new())),
        other => unsupported(other, FILTER_FORMS),
    }
}

/// The terms of `a AND b AND c`, which the parser nests to the left without end: unrolled, so that the depth limit holds.
fn chain<T>(
    expr: &Expr,
    joined_by: &BinaryOperator,
    convert: impl Fn(&Expr) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let (mut terms, mut rest) = (Vec::new(), expr);
    while let Expr::BinaryOp { left, op, right } = rest
        && op == joined_by
    {
        terms.push(convert(right)?);
        rest = left;
    }
    terms.push(convert(rest)?);
    terms.reverse();
    Ok(terms)
}

fn dimension(expr: &Expr) -> Result<Dimension, Fault> {
    let known = |name: String, ident: &Ident| {
        name.parse::<Dimension>().map_err(|error| Fault(error.to_string(), ident.span.start))
    };
    match expr {
        Expr::Identifier(ident) => known(ident.value.clone(), ident),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [tags, key] if tags.value == "tags" && !key.value.is_empty() => {
                Ok(Dimension::Tag(TagKey::new(key.value.clone())))
            }
            [first, ..] => known(expr.to_string(), first),
            [] => unsupported(expr, FILTER_FORMS),
        },
        // `tags.cost-center` reads as a subtraction; say what was most likely meant.
        Expr::BinaryOp { left, op: BinaryOperator::Minus, .. } if left.to_string().starts_with("tags.") => Err(Fault(
            "a tag key with other than letters, digits and _ must be quoted: tags.\"cost-center\"".into(),
            expr.span().start,
        )),
        other => unsupported(other, "a dimension on the left, such as team or tags.env"),
    }
}

fn text_value(expr: &Expr) -> Result<String, Fault> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Ok(text.clone()),
        other => unsupported(other, "a value in single quotes, such as 'payments'"),
    }
}

const HAVING_FORMS: &str = "comparisons of cost with a number, joined by AND, OR and NOT, such as cost > 100";

fn having_of(expr: &Expr) -> Result<Having, Fault> {
    match expr {
        Expr::Nested(inner) => having_of(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Having::Not(Box::new(having_of(expr)?))),
        Expr::BinaryOp { op: BinaryOperator::And, .. } => {
            Ok(Having::And(chain(expr, &BinaryOperator::And, having_of)?))
        }
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => Ok(Having::Or(chain(expr, &BinaryOperator::Or, having_of)?)),
        Expr::BinaryOp { left, op, right } => {
            let comparison = match op {
                BinaryOperator::Lt => Comparison::Less,
                BinaryOperator::LtEq => Comparison::LessOrEqual,
                BinaryOperator::Eq => Comparison::Equal,
                BinaryOperator::NotEq => Comparison::NotEqual,
                BinaryOperator::GtEq => Comparison::GreaterOrEqual,
                BinaryOperator::Gt => Comparison::Greater,
                _ => return unsupported(expr, HAVING_FORMS),
            };
            match left.as_ref() {
                Expr::Identifier(ident) if ident.value == "cost" => Ok(Having::Cost(comparison, amount(right)?)),
                other => unsupported(other, HAVING_FORMS),
            }
        }
        other => unsupported(other, HAVING_FORMS),
    }
}

fn amount(expr: &Expr) -> Result<Money, Fault> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(..), .. })
        | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
            expr.to_string().parse().or_else(|_| unsupported(expr, "a plain number of at most 18 decimals"))
        }
        other => unsupported(other, HAVING_FORMS),
    }
}
