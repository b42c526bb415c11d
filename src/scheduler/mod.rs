//! Who collects when: jobs are rows in the catalog, and whoever takes one on does it (docs/adr/0009-jobs.md).

mod work;

pub use work::{LEASE, holder, work};
