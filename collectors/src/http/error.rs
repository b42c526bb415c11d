//! Why something could not be brought.

/// Something could not be brought from a provider.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It changed while it was read: it has to be started again.
    #[error("{what} changed while it was read")]
    Changed {
        /// What.
        what: String,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Cancelled,
}
