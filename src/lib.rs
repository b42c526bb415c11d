//! The binary's library: configuration, the order of the pipeline, the command line and the server. Wiring only; what is
//! wired lives in the rooms (docs/ARCHITECTURE.md).

#![expect(
    clippy::disallowed_methods,
    reason = "this crate alone reads the clock and the environment, and passes them in"
)]

pub mod app;
pub mod cli;
pub mod config;
pub mod id;
pub mod metrics;
pub mod ownership;
pub mod pipeline;
pub mod schedule;
pub mod scheduler;
pub mod scratch;
pub mod serve;
