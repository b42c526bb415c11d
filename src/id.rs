//! New ids: in the order in which they are made.

use outlay_model::{JobId, PartId, RunId};
use uuid::Uuid;

/// The id of a new run.
#[must_use]
pub fn new_run() -> RunId {
    RunId::new(Uuid::now_v7().to_string())
}

/// The id of a new part, or of what else has files in the store.
#[must_use]
pub fn new_part() -> PartId {
    PartId::new(Uuid::now_v7().to_string())
}

/// The id of a new job.
#[must_use]
pub fn new_job() -> JobId {
    JobId::new(Uuid::now_v7().to_string())
}
