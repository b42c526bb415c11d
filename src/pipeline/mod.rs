//! The order of the pipeline, written here once: survey, normalise, own, stage, check, commit, sweep (docs/ARCHITECTURE.md).

mod balance;
mod guards;
mod import;
mod sweep;

pub use import::{Force, ImportRequest, Progress, import};
pub use sweep::sweep;
