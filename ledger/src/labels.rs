//! Columns that repeat a few values many times: which values there are, and which of them each row has.
//!
//! What is done once per value instead of once per row is most of what makes an import fast.

use std::hash::Hash;

use polars::prelude::PlHashMap;

/// The values of a column, each once, and the place in them of every row's.
#[derive(Debug, Clone)]
pub struct Labels<T> {
    /// The values, in order of their first row.
    pub values: Vec<T>,
    /// Per row, which of them.
    pub rows: Vec<usize>,
}

impl<T: Copy + Eq + Hash> Labels<T> {
    /// Of the cells of a column.
    pub fn of(cells: impl Iterator<Item = T>) -> Self {
        let mut known: PlHashMap<T, usize> = PlHashMap::default();
        let mut values: Vec<T> = Vec::new();
        let mut last = 0;
        let rows = cells.map(|cell| {
            // Neighbours are often equal.
            if values.get(last) != Some(&cell) {
                last = *known.entry(cell).or_insert_with(|| {
                    values.push(cell);
                    values.len() - 1
                });
            }
            last
        });
        let rows = rows.collect();
        Self { values, rows }
    }
}

impl<T> Labels<T> {
    /// Something else said of the same rows.
    #[must_use]
    pub fn map<U>(self, say: impl FnMut(T) -> U) -> Labels<U> {
        Labels { values: self.values.into_iter().map(say).collect(), rows: self.rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_finds_its_value() {
        let cells = [Some("a"), Some("a"), None, Some("b"), Some("a"), None];
        let labels = Labels::of(cells.into_iter());
        assert_eq!(labels.values, [Some("a"), None, Some("b")]);
        assert_eq!(labels.rows, [0, 0, 1, 2, 0, 1]);
    }
}
