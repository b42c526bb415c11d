//! What a store promises, wherever its files are.

mod bill;
mod documents;
mod footers;
