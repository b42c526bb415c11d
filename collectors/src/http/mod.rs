//! How collectors talk to providers.

mod error;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

pub use error::FetchError;

/// One source's way out.
#[derive(Debug, Clone, Default)]
pub struct Http {
    /// Ends what is under way.
    pub stop: CancellationToken,
    /// What has been asked so far.
    pub counters: Arc<Counters>,
}

/// What a source has asked of its provider.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests sent.
    pub requests: AtomicU64,
}
