//! Azure cost details: what Cost Management exports as actual and amortised cost, of enterprise agreements (EA), Microsoft
//! customer agreements (MCA) and older ones, as CSV, gzipped CSV or Parquet.
//!
//! Azure states the same costs twice. Actual cost has what is invoiced: purchases of reservations and savings plans on their
//! day, and nothing for the usage they cover. Amortised cost has no such purchase; it spreads them over the usage they cover
//! and what of them was not used. FOCUS wants both of one charge. What becomes of each line, and what adds up to what, is
//! docs/AZURE.md.
//!
//! - `layout.rs` tells a file's columns apart, `statement.rs` which of the two statements it is, `native.rs` reads its cells.
//! - `translate.rs` makes a batch of FOCUS cells of a batch of them: which charges, what they cost (`amounts.rs`), all else
//!   that they say (`charge.rs`, `words.rs`, `dates.rs`), and where the two statements differ (`differences.rs`).
//! - `survey.rs` adds the same cells up in its own way (P1).

mod amounts;
mod charge;
mod dates;
mod differences;
mod layout;
mod lines;
mod native;
mod regions;
mod statement;
mod survey;
mod translate;
mod words;

#[cfg(test)]
mod tests;

use crate::delivery::{FileSurvey, Settings, several_statements};
use crate::format::{Each, Format};
use crate::input::InputFile;
use crate::normalise::{Normaliser, columns};
use crate::{CollectError, raw};

pub(crate) use statement::named;

use differences::Differences;
use layout::Layout;
use translate::Reading;

/// Lines translated at once: charges have more columns than lines, and batches as they are read would be held several times
/// over on their way to the store.
const PIECE_ROWS: usize = 1 << 14;

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct AzureCost;

impl Format for AzureCost {
    fn kind(&self) -> &'static str {
        "azure_cost"
    }

    fn title(&self) -> &'static str {
        "Azure cost details, actual and amortised"
    }

    fn version(&self) -> u32 {
        1
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
        let beside = several_statements(normaliser.files());
        let mut differences = Differences::default();
        for file in normaliser.files() {
            let layout = Layout::of(&file.path, &raw::header(file)?)?;
            let reading = Reading { layout: &layout, statement: statement::of(file, &layout)?, beside };
            let bindings = columns::bind(&layout.header());
            normaliser.renamed(&bindings);
            raw::batches(file, None, |batch| {
                batch.pieces(PIECE_ROWS).try_for_each(|piece| -> Result<(), CollectError> {
                    let batch = translate::translate(&reading, piece, &mut differences)?;
                    each(normaliser.batch(file, &bindings, &batch)?)?;
                    if differences.is_full() { settle(normaliser, file, &mut differences, each) } else { Ok(()) }
                })
            })?;
        }
        match normaliser.files().last() {
            Some(file) => settle(normaliser, file, &mut differences, each),
            None => Ok(()),
        }
    }
}

/// Gives the charges of what the two statements do not agree on.
fn settle(
    normaliser: &mut Normaliser<'_>,
    file: &InputFile,
    differences: &mut Differences,
    each: &mut Each<'_>,
) -> Result<(), CollectError> {
    let Some(batch) = differences.settle()? else { return Ok(()) };
    let header: Vec<String> = batch.cells.columns().iter().map(|column| column.name().to_string()).collect();
    each(normaliser.batch(file, &columns::bind(&header), &batch)?)
}
