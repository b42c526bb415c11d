//! AWS Cost and Usage Reports: legacy CUR and CUR 2.0, as CSV, gzipped CSV or Parquet.
//!
//! A report's lines are no charges as FOCUS means them. Usage that a Savings Plan covers is stated at its on-demand cost and
//! taken back by another line; what was not used of a commitment is a figure on the line of its fee; discounts may be lines
//! of their own. What becomes of each kind of line, and what adds up to what, is docs/AWS.md.
//!
//! - `layout.rs` tells a file's columns apart, `native.rs` and `fold.rs` read their cells.
//! - `translate.rs` makes a batch of FOCUS cells of a batch of them: which charges (`pairs.rs`), what they cost
//!   (`amounts.rs`), and all else that they say (`charge.rs`, `words.rs`). What is shared by all formats follows after that.
//! - `survey.rs` adds the same cells up in its own way (P1).

mod amounts;
mod charge;
mod fold;
mod layout;
mod lines;
mod native;
mod pairs;
mod survey;
mod translate;
mod words;

#[cfg(test)]
mod tests;

use crate::delivery::{FileSurvey, Settings};
use crate::format::{Each, Format};
use crate::input::InputFile;
use crate::normalise::{Normaliser, columns};
use crate::{CollectError, raw};

use layout::Layout;
use pairs::Pairs;

/// Lines translated at once. A report's lines have many columns, and the charges made of them more; batches as they are read
/// would be held several times over, on their way to the store.
const PIECE_ROWS: usize = 1 << 14;

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct AwsCur;

impl Format for AwsCur {
    fn kind(&self) -> &'static str {
        "aws_cur"
    }

    fn title(&self) -> &'static str {
        "AWS Cost and Usage Reports, CUR 2.0 and legacy"
    }

    fn version(&self) -> u32 {
        2
    }

    fn survey(
        &self,
        file: &InputFile,
        settings: &Settings,
        progress: &dyn Fn(u64),
    ) -> Result<FileSurvey, CollectError> {
        survey::survey(file, settings, progress)
    }

    fn normalise(&self, normaliser: &mut Normaliser<'_>, each: &mut Each<'_>) -> Result<(), CollectError> {
        let mut pairs = Pairs::default();
        for file in normaliser.files() {
            let layout = Layout::of(&file.path, &raw::header(file)?)?;
            let bindings = columns::bind(&layout.header());
            normaliser.renamed(&bindings);
            raw::batches(file, None, |batch| {
                batch.pieces(PIECE_ROWS).try_for_each(|piece| -> Result<(), CollectError> {
                    let batch = translate::translate(&layout, piece, &mut pairs)?;
                    each(normaliser.batch(file, &bindings, &batch)?)?;
                    if pairs.is_full() {
                        pairs.forget_settled();
                    }
                    if pairs.is_full() { unsettled(normaliser, file, &mut pairs, each) } else { Ok(()) }
                })
            })?;
        }
        match normaliser.files().last() {
            Some(file) => unsettled(normaliser, file, &mut pairs, each),
            None => Ok(()),
        }
    }
}

/// Gives the charges of pairs that do not add up to nothing.
fn unsettled(
    normaliser: &mut Normaliser<'_>,
    file: &InputFile,
    pairs: &mut Pairs,
    each: &mut Each<'_>,
) -> Result<(), CollectError> {
    let Some(batch) = pairs.unsettled()? else { return Ok(()) };
    let header: Vec<String> = batch.cells.columns().iter().map(|column| column.name().to_string()).collect();
    each(normaliser.batch(file, &columns::bind(&header), &batch)?)
}
