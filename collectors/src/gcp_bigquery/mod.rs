//! Google Cloud's billing export in BigQuery, asked through its REST API.
//!
//! A delivery is one invoice month × day of usage. What there is is told by one query, which states for each how many lines
//! it has, when the last of them was exported, and what they come to: that is its edition, so only what moved is read again.
//!
//! BigQuery charges for what it scans, whatever the answer's size:
//!
//! - No query is without a filter on partitions, where the table has them, and without `maximumBytesBilled`.
//! - The days of an invoice month that are to be read are read by one query, over the partitions that hold them; their rows go
//!   into a file for each day.
//!
//! Invariants: nothing but the quoted name of the table and names of columns becomes a part of a query's text, everything
//! else is a named parameter; each page is asked for once, and their rows are as many as BigQuery says; a delivery's
//! lines, Σ cost and Σ credits are those that were stated, or it is read again.

mod bigquery;
mod cells;
mod collector;
mod plan;
mod settings;
mod shape;
mod spool;
mod sql;
mod statement;
mod table;

pub use settings::BigQuerySettings;

#[cfg(test)]
mod tests;
