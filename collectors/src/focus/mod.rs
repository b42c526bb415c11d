//! FOCUS exports, 1.0 to 1.3, as CSV, gzipped CSV or Parquet.
//!
//! Columns are bound by name in any order; what FOCUS does not know is kept under `x_`.

mod survey;

#[cfg(test)]
pub(crate) mod tests;

use crate::delivery::{FileSurvey, Settings};
use crate::format::{Each, Format};
use crate::input::InputFile;
use crate::normalise::{Normaliser, columns};
use crate::{CollectError, raw};

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Focus;

impl Format for Focus {
    fn kind(&self) -> &'static str {
        "focus"
    }

    fn title(&self) -> &'static str {
        "FOCUS 1.0 to 1.3"
    }

    fn version(&self) -> u32 {
        4
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
            let bindings = columns::bind(&raw::header(file)?);
            columns::require(&file.path, &bindings)?;
            normaliser.renamed(&bindings);
            raw::batches(file, None, |batch| each(normaliser.batch(file, &bindings, &batch)?))?;
        }
        Ok(())
    }
}
