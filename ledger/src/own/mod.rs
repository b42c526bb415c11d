//! Gives each charge an owner, as a [`Book`] says.
//!
//! For each of team, component and environment the first rule decides that holds on the charge's day, lets it through, and has
//! a name for it. A name that is taken from what a charge says is taken as it is; one that is cut out of it or looked up in a
//! map is without the blanks around. Blank names are none, and neither is a taken team that begins as a pool's does: whoever may
//! set tags must not reach into what is shared. A charge with a component and no team is the component's team's; likewise
//! the environment. What nothing claims is `unallocated`, in so many words, so that it shows in every answer.
//!
//! What it costs is bounded by what charges say, not by how many there are: bills repeat a few values, so with more than a
//! handful of conditions they are asked once of each combination of what the book looks at, and the answer is
//! given to all charges that are alike in it. Either way the answers are the same.

mod book;
mod decided;
mod explain;
mod names;
#[cfg(test)]
mod tests;

use outlay_model::ownership::Book;
use outlay_model::tags::TagSettings;
use outlay_model::{SourceName, TagKey};
use polars::prelude::{
    Column, DataFrame, DataType, IdxCa, IdxSize, IntoColumn, NewChunkedArray, PlSmallStr, PolarsResult, StringChunked,
};

use crate::labels::Labels;
use crate::schema::{self, CHARGE_DATE, SOURCE};
use crate::tags::{Privacy, TagReader};

pub use book::Owning;
pub use decided::Decided;
pub use explain::{Decision, Explained, Tried};

/// The version of how rules are applied, written into every part; raised when the same charges would get other owners.
pub const RULE_BOOK: u32 = 1;

/// A book may have so many conditions before charges are put together that are alike.
const HANDFUL: usize = 4;

/// Gives the charges of one source their owners, batch by batch.
#[derive(Debug)]
pub struct Owner {
    owning: Owning,
    source: SourceName,
    /// Reads tag keys that have no column of their own.
    tags: Option<TagReader>,
}

impl Owner {
    /// For charges of this source. With `more_tags`, their `Tags` hold keys that have no column, which are read from there.
    ///
    /// # Errors
    /// When an expression of the book cannot be used.
    pub fn new(
        book: &Book,
        source: &SourceName,
        tags: &TagSettings,
        privacy: &Privacy,
        more_tags: bool,
    ) -> PolarsResult<Self> {
        let reader = more_tags.then(|| TagReader::new(tags.clone(), privacy.clone()));
        Ok(Self { owning: Owning::new(book, tags)?, source: source.clone(), tags: reader })
    }

    /// Adds source, team, component, environment and the rule that decided, or puts them in the place of those that are there.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn own(&mut self, mut charges: DataFrame) -> PolarsResult<DataFrame> {
        let source = std::iter::repeat_n(self.source.as_str(), charges.height());
        charges.with_column(StringChunked::from_iter_values(PlSmallStr::from_static(SOURCE), source).into_column())?;
        let looked_at = self.looked_at(&charges)?;
        for column in self.owning.decided(&looked_at)?.columns() {
            charges.with_column(column)?;
        }
        Ok(charges)
    }

    /// What the book looks at, of these charges.
    fn looked_at(&mut self, charges: &DataFrame) -> PolarsResult<DataFrame> {
        let mut columns = Vec::new();
        for (name, key) in self.owning.columns() {
            let column = match (charges.column(name), key, &mut self.tags, charges.column("Tags")) {
                (Ok(column), ..) => column.clone(),
                (Err(_), Some(key), Some(reader), Ok(tags)) => from_text(reader, tags, key, name)?,
                _ => Column::full_null(PlSmallStr::from_str(name), charges.height(), &schema::data_type(name)),
            };
            columns.push(column);
        }
        DataFrame::new(charges.height(), columns)
    }
}

/// The value of a tag key, as the text of the tags says it.
fn from_text(reader: &mut TagReader, tags: &Column, key: &TagKey, name: &str) -> PolarsResult<Column> {
    let labels = Labels::of(tags.str()?.iter()).map(|text| text.map(|text| reader.read(text)));
    let values: Vec<Option<&str>> = labels
        .values
        .iter()
        .map(|read| {
            let pairs = &read.as_ref()?.pairs;
            pairs.iter().find(|(known, _)| known == key.as_str()).map(|(_, value)| value.as_str())
        })
        .collect();
    let cells = labels.rows.iter().map(|label| values[*label]);
    Ok(StringChunked::from_iter_options(PlSmallStr::from_str(name), cells).into_column())
}

/// Rows that are alike in every column: which combinations there are, by their first rows, and which of them each row has.
struct Alike {
    first: IdxCa,
    rows: Vec<usize>,
}

impl Alike {
    fn of(frame: &DataFrame) -> PolarsResult<Self> {
        let mut rows = vec![0_usize; frame.height()];
        // What no charge says tells none apart.
        for column in frame.columns().iter().filter(|column| column.null_count() < frame.height()) {
            let labels = if column.name() == CHARGE_DATE {
                let days = column.cast(&DataType::Int32)?;
                Labels::of(days.i32()?.iter()).rows
            } else {
                let texts = column.cast(&DataType::String)?;
                Labels::of(texts.str()?.iter()).rows
            };
            rows = Labels::of(rows.into_iter().zip(labels)).rows;
        }
        let mut first: Vec<IdxSize> = Vec::new();
        for (row, combination) in rows.iter().enumerate() {
            if *combination == first.len() {
                first.push(row as IdxSize);
            }
        }
        Ok(Self { first: IdxCa::from_vec(PlSmallStr::EMPTY, first), rows })
    }
}
