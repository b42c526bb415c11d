//! Reads what providers deliver and turns it into FOCUS charges.
//!
//! One folder a provider format. A collector is split so that it can be trusted: a *survey* adds up the raw cells of a
//! delivery, *normalise* turns the same cells into charges, and the two share no code, so that what was lost between
//! them would show (P1). Files are read in bounded batches, never whole.

pub mod error;
pub mod exact;
pub mod focus;
pub mod input;
mod labels;
pub mod raw;
pub mod records;

pub use error::CollectError;
