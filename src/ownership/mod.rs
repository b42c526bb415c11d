//! How people say who owns what: the ownership file, a Backstage catalog, and the command line.
//!
//! Each is an origin of its own. What it says is compared with what it said before, and only what differs is changed, as one
//! change that the catalog checks as a whole: it is made or refused, and to say the same again changes nothing. What a rule
//! change means for charges that are here already is for settling to find out (docs/OWNERSHIP.md).

pub mod apply;
pub mod backstage;
pub mod edits;
pub mod file;
pub mod points;
mod whole;

pub use apply::{Planned, of_file};
pub use edits::Change;
pub use file::{File, FileError, schema};
pub use points::PointsError;
