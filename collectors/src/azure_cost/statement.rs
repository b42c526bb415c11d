//! Which of Azure's two statements of the same costs a file is of.
//!
//! Whoever brings the file knows it from its manifest. Of files that a person gives, the name says it, or the nearest folder
//! whose name does; else lines that only one of the two has. What cannot be told is asked, never guessed: taking one for the
//! other would count purchases twice or not at all.

use std::path::Path;

use polars::prelude::PolarsResult;

use super::layout::{Field, Layout};
use super::lines::{ChargeType, Line, PricingModel};
use crate::CollectError;
use crate::input::{InputFile, Statement};
use crate::labels::Labels;
use crate::native::texts;
use crate::raw::{self, RawBatch};

/// The statement of a file.
///
/// # Errors
/// [`CollectError::StatementUnknown`] when nothing tells.
pub(super) fn of(file: &InputFile, layout: &Layout) -> Result<Statement, CollectError> {
    if let Some(known) = file.statement.or_else(|| named(&file.path)) {
        return Ok(known);
    }
    // Before there were charge types, there was no amortised cost.
    if layout.raw(Field::ChargeType).is_none() {
        return Ok(Statement::Actual);
    }
    let (mut actual, mut amortised) = (false, false);
    let wanted = [Field::ChargeType, Field::PricingModel, Field::Cost];
    let wanted: Vec<String> = wanted.iter().filter_map(|field| layout.raw(*field)).map(ToOwned::to_owned).collect();
    raw::batches(file, Some(&wanted), |batch| -> Result<(), CollectError> {
        let (one, other) = evidence(&batch, layout)?;
        (actual, amortised) = (actual | one, amortised | other);
        Ok(())
    })?;
    match (actual, amortised) {
        (true, false) => Ok(Statement::Actual),
        (false, true) => Ok(Statement::Amortised),
        _ => Err(CollectError::StatementUnknown { path: file.path.clone() }),
    }
}

/// What the name of a file or of a folder around it says, the nearest first.
pub(crate) fn named(path: &Path) -> Option<Statement> {
    path.iter().rev().find_map(|name| {
        let name = name.to_string_lossy().to_lowercase();
        let amortised = name.contains("amortized") || name.contains("amortised");
        match (name.contains("actual"), amortised) {
            (true, false) => Some(Statement::Actual),
            (false, true) => Some(Statement::Amortised),
            _ => None,
        }
    })
}

/// Whether lines of a batch are such as only actual, or only amortised cost has.
fn evidence(batch: &RawBatch, layout: &Layout) -> PolarsResult<(bool, bool)> {
    let cells = |field| -> PolarsResult<Vec<Option<String>>> {
        let Some(raw) = layout.raw(field) else { return Ok(vec![None; batch.cells.height()]) };
        Ok(texts(batch.cells.column(raw)?)?.iter().map(|text| text.map(ToOwned::to_owned)).collect())
    };
    let (types, models, costs) = (cells(Field::ChargeType)?, cells(Field::PricingModel)?, cells(Field::Cost)?);
    let words = (0..batch.cells.height()).map(|row| (types[row].as_deref(), models[row].as_deref()));
    let lines = Labels::of(words).map(|(charge_type, model)| Line {
        charge_type: ChargeType::of(charge_type),
        pricing: PricingModel::of(model),
    });
    let (mut actual, mut amortised) = (false, false);
    for (row, label) in lines.rows.iter().enumerate() {
        let line = lines.values[*label];
        // Actual cost has the usage that a commitment covers too, at nothing.
        let costs = costs[row].as_deref().is_some_and(is_something);
        actual |= line.buys() && costs;
        amortised |= line.charge_type == ChargeType::Unused || (line.is_covered() && costs);
    }
    Ok((actual, amortised))
}

/// Whether a number is not zero.
fn is_something(cost: &str) -> bool {
    let mantissa = cost.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_statement() {
        for (path, expected) in [
            ("exports/actual/20261001-20261031/part_0.csv", Some(Statement::Actual)),
            ("exports/Amortized-Cost/part_0.csv", Some(Statement::Amortised)),
            ("actual/amortised.csv", Some(Statement::Amortised)),
            ("actual-and-amortized.csv", None),
            ("bills/october.csv", None),
        ] {
            assert_eq!(named(Path::new(path)), expected, "{path}");
        }
    }
}
