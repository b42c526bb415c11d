//! What a store promises, wherever its files are.

mod bill;
mod cache;
mod documents;
mod faults;
mod footers;
mod gcs;
mod parts;
mod place;
