//! Google Cloud's billing export, standard and detailed: the rows of BigQuery's tables, as JSON lines, CSV or Parquet.
//!
//! A row is no charge as FOCUS means it. Its cost is before credits, and credits of all kinds hang on it: discounts, which
//! belong to what the row costs, and money that was granted, which does not. What becomes of each kind of row, and what adds
//! up to what, is docs/GOOGLE.md.
//!
//! - `layout.rs` tells a file's columns apart, nested or flattened; `native.rs` reads their cells, `literal.rs` JSON that
//!   Python wrote.
//! - `translate.rs` makes a batch of FOCUS cells of a batch of them: which charges (`lines.rs`, `credits.rs`), what they cost
//!   (`amounts.rs`), on which invoice (`invoices.rs`), and all else that they say (`charge.rs`, `tags.rs`, `words.rs`).
//! - `survey.rs` adds the same cells up in its own way (P1).

mod amounts;
mod charge;
mod credits;
mod invoices;
mod layout;
mod lines;
mod literal;
mod native;
mod survey;
mod tags;
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

/// Rows translated at once: charges have more columns than rows, and batches as they are read would be held several times
/// over on their way to the store.
const PIECE_ROWS: usize = 1 << 14;

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct GcpBilling;

impl Format for GcpBilling {
    fn kind(&self) -> &'static str {
        "gcp_billing"
    }

    fn title(&self) -> &'static str {
        "Google Cloud billing exports, standard and detailed"
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
        for file in normaliser.files() {
            let layout = Layout::of(&file.path, &raw::header(file)?)?;
            let bindings = columns::bind(&layout.header());
            normaliser.renamed(&bindings);
            raw::batches(file, None, |batch| {
                batch.pieces(PIECE_ROWS).try_for_each(|piece| -> Result<(), CollectError> {
                    let batch = translate::translate(&layout, piece)?;
                    each(normaliser.batch(file, &bindings, &batch)?)
                })
            })?;
        }
        Ok(())
    }
}
