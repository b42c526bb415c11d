//! The numbers of raw cells, for the surveys of formats that compute with them. This is the source's side of the
//! conservation check: a normaliser reads the same cells by [`crate::numbers`] and shares nothing of this (P1).

use outlay_ledger::decimal::cell_text;
use polars::prelude::{Column, Float64Chunked, StringChunked};

use crate::exact::ExactSum;
use crate::native::is_stated;

/// A column of numbers.
pub(crate) enum Figure<'a> {
    /// The file does not have it.
    Absent,
    /// Of text.
    Texts(&'a StringChunked),
    /// Of doubles.
    Doubles(&'a Float64Chunked),
    /// Of any other type.
    Others(Vec<Option<String>>),
}

/// What a cell holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    /// Nothing.
    No,
    /// A number.
    Number,
    /// Something else.
    Other,
}

impl<'a> Figure<'a> {
    /// The numbers of a column.
    pub(crate) fn of(column: &'a Column) -> Self {
        let series = column.as_materialized_series();
        if let Ok(texts) = series.str() {
            Self::Texts(texts)
        } else if let Ok(doubles) = series.f64() {
            Self::Doubles(doubles)
        } else {
            Self::Others(series.iter().map(|cell| cell_text(&cell)).collect())
        }
    }

    /// The number's text, where the cell says anything.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Texts(texts) => texts.get(row).filter(|text| is_stated(text)).map(|text| text.trim().to_owned()),
            Self::Doubles(doubles) => doubles.get(row).map(|double| double.to_string()),
            Self::Others(texts) => texts[row].clone(),
        }
    }

    /// Adds the number to a sum, and says whether there was one.
    pub(crate) fn add(&self, row: usize, sum: &mut ExactSum) -> Stated {
        let read = match self {
            Self::Absent => return Stated::No,
            Self::Texts(texts) => match texts.get(row).filter(|text| is_stated(text)) {
                Some(text) => sum.add(text.trim()),
                None => return Stated::No,
            },
            Self::Doubles(doubles) => match doubles.get(row) {
                Some(double) => sum.add_double(double),
                None => return Stated::No,
            },
            Self::Others(texts) => match &texts[row] {
                Some(text) => sum.add(text),
                None => return Stated::No,
            },
        };
        if read { Stated::Number } else { Stated::Other }
    }
}
