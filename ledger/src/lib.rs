//! Pure functions on frames: what a charge looks like as columns, whose it is, and how it adds up.
//!
//! Polars adds money and never multiplies it (P2). Every function here takes frames or plans and gives frames or plans;
//! nothing reads a file, a clock or a setting that is not passed in.

pub mod decimal;
pub mod export;
pub mod filter;
pub mod labels;
pub mod own;
pub mod rollup;
pub mod schema;
pub mod tags;
pub mod transfer;
