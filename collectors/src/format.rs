//! Formats: what a native file says.
//!
//! A format is pure: files in, charges out, no network and no clock, so that a bill that was kept can be read again at any
//! time. `survey` and `normalise` read the same cells by code that shares nothing that reads a number, so that what was lost
//! between them would show (P1).

use std::fmt;

use crate::CollectError;
use crate::aws_cost_explorer::CostExplorer;
use crate::aws_cur::AwsCur;
use crate::azure_cost::AzureCost;
use crate::azure_cost_query::CostQuery;
use crate::delivery::{FileSurvey, Settings};
use crate::focus::Focus;
use crate::gcp_billing::GcpBilling;
use crate::input::InputFile;
use crate::normalise::{NormalBatch, Normaliser};

/// A native format of bills.
pub trait Format: Send + Sync {
    /// Its name, as in `import --kind`.
    fn kind(&self) -> &'static str;

    /// What it reads, for people.
    fn title(&self) -> &'static str;

    /// The version of its normaliser, written into every part; raised when the same bill would give other charges.
    fn version(&self) -> u32;

    /// Reads a file once and adds up its raw cells. `progress` is told of every batch's rows.
    ///
    /// # Errors
    /// [`CollectError`] when the file cannot be read to its end or is of another format.
    fn survey(&self, file: &InputFile, settings: &Settings, progress: &dyn Fn(u64))
    -> Result<FileSurvey, CollectError>;

    /// Calls `each` with every batch of the normaliser's delivery, in order: raw cells under FOCUS names, given to
    /// [`Normaliser::batch`].
    ///
    /// # Errors
    /// [`CollectError`] when a file cannot be read to its end, or what `each` fails with.
    fn normalise(&self, normaliser: &mut Normaliser<'_>, each: &mut Each<'_>) -> Result<(), CollectError>;
}

/// Takes the batches. It fails with [`CollectError::Stopped`] when nobody wants more of them.
pub type Each<'a> = dyn FnMut(NormalBatch) -> Result<(), CollectError> + 'a;

impl fmt::Debug for dyn Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Every format there is.
pub const FORMATS: &[&dyn Format] = &[&Focus, &AwsCur, &AzureCost, &CostExplorer, &CostQuery, &GcpBilling];

/// The format of this name.
#[must_use]
pub fn format(kind: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.kind() == kind)
}
