//! Why a charge is whose it is, and what a change would move: asked before it is made.
//!
//! Both ask the store by the very code that gives charges their owners, against what is stored. So what a preview says is what
//! the change then does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use outlay_catalog::{CatalogError, Snapshot};
use outlay_model::filter::Filter;
use outlay_model::ownership::{Book, BookRule, Edit, Origin};
use outlay_model::part::{Layer, Part};
use outlay_model::report::Scope;
use outlay_model::{Currency, DateRange, Dimension, Money};
use outlay_store::{ExplainQuery, Explained, ExportScan, Move, MovesQuery, Scan, StoreError, Whose};

use crate::counted::Stale;
use crate::error::company_only;
use crate::lineage::{Asked, Counts};
use crate::ownership::Books;
use crate::plan::without_column;
use crate::{InsightError, Insights};

/// Moves of one answer.
const MOST_MOVES: usize = 50_000;

/// What changes of ownership would move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// By month, team before, team after and currency, in this order.
    pub moves: Vec<Move>,
    /// Their sums, by currency.
    pub totals: BTreeMap<Currency, Moved>,
    /// What had to be looked at.
    pub looked_at: Stale,
    /// What would stay as it is, because its charges are kept no longer.
    pub expired: Stale,
    /// The generation that was looked at.
    pub generation: u64,
    /// Whether charges have other owners by now than they should have, which would move as well.
    pub settling: bool,
}

/// How much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Charges.
    pub rows: u64,
    /// What they cost, in the order of the metrics; `None` where none of them states it.
    pub costs: [Option<Money>; 4],
}

/// Why a charge would be whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The rules, those that are built in last.
    pub rules: Vec<BookRule>,
    /// What came of each, in the same order, and of all of them.
    pub explained: Explained,
}

impl Insights {
    /// What changes would move, without making them. Only what rules and components decide is looked at; a pool's charges move
    /// to the pool.
    ///
    /// # Errors
    /// [`InsightError::OwnershipProblems`], [`InsightError::SaidElsewhere`] and [`InsightError::NotSaid`], as the changes
    /// would be refused; [`InsightError::TooManyRows`]; [`InsightError::Forbidden`] for a team.
    pub async fn preview(
        &self,
        edits: Vec<Edit>,
        range: Option<DateRange>,
        scope: &Scope,
    ) -> Result<Preview, InsightError> {
        self.preview_of(edits, Origin::Api, range, scope).await
    }

    /// As [`Insights::preview`], of changes that somebody else makes, such as those of an ownership file.
    ///
    /// # Errors
    /// As [`Insights::preview`].
    pub async fn preview_of(
        &self,
        edits: Vec<Edit>,
        by: Origin,
        range: Option<DateRange>,
        scope: &Scope,
    ) -> Result<Preview, InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let mut candidate = (*snapshot.ownership).clone();
        for edit in edits {
            let (kind, name) = edit.subject();
            match candidate.origin(kind, name) {
                Some(origin) if origin != by => {
                    let name = name.to_owned();
                    return Err(CatalogError::SaidElsewhere { kind, name, origin }.into());
                }
                None if matches!(edit, Edit::Remove { .. }) => {
                    return Err(InsightError::NotSaid { kind, name: name.to_owned() });
                }
                _ => candidate.edit(edit, by),
            }
        }
        let problems = candidate.problems();
        if !problems.is_empty() {
            return Err(InsightError::OwnershipProblems(problems));
        }
        let (mut books, mut now) = (Books::of(&candidate), Books::of(&snapshot.ownership));
        let touches = |part: &&Part| range.is_none_or(|range| part.days.is_some_and(|days| touch(days, range)));
        let (gone, kept): (Vec<&Part>, Vec<&Part>) = snapshot
            .parts
            .iter()
            .filter(touches)
            .filter(|part| books.differ(part))
            .partition(|part| part.files(Layer::Charges).next().is_none());
        let settling = snapshot.parts.iter().any(|part| now.differ(part));
        let (mut looked_at, mut expired) = (Stale::default(), Stale::default());
        kept.iter().for_each(|part| looked_at.add(part));
        gone.iter().for_each(|part| expired.add(part));
        let moves = match range.or(looked_at.days) {
            None => Vec::new(),
            Some(range) => {
                let query = self.looking(&kept, range, Filter::everything(), candidate.book(range), MOST_MOVES);
                self.store.moves(query).await.map_err(too_many)?
            }
        };
        let mut totals: BTreeMap<Currency, Moved> = BTreeMap::new();
        for Move { currency, rows, costs, .. } in &moves {
            let total = totals.entry(*currency).or_default();
            total.rows += rows;
            for (sum, more) in total.costs.iter_mut().zip(costs) {
                let Some(more) = more else { continue };
                *sum = Some(sum.unwrap_or_default().checked_add(*more).ok_or(InsightError::Overflow)?);
            }
        }
        Ok(Preview { moves, totals, looked_at, expired, generation: snapshot.generation, settling })
    }

    /// Whose a charge of a day would be that says this, and why.
    ///
    /// # Errors
    /// When the catalog cannot be read, a value cannot be so, or the caller may not see rules.
    pub async fn explain(
        &self,
        day: NaiveDate,
        values: BTreeMap<Dimension, String>,
        scope: &Scope,
    ) -> Result<Explanation, InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let book = snapshot.ownership.book(DateRange::ALWAYS);
        let query = ExplainQuery { day, values, book: book.clone() };
        let explained = self.store.explained(query).await?;
        Ok(Explanation { rules: book.rules, explained })
    }

    /// Whose charges are, by what rule, and whose they would be by the rules of now.
    ///
    /// # Errors
    /// [`InsightError::TooManyRows`], [`InsightError::DetailExpired`]; else when catalog or store cannot be read, or the caller
    /// may not see rules.
    pub async fn whose(
        &self,
        filter: &Filter,
        range: DateRange,
        most: usize,
        scope: &Scope,
    ) -> Result<(u64, Vec<Whose>), InsightError> {
        company_only(scope)?;
        let snapshot = self.catalog.snapshot().await?;
        let filter = filter.renamed(&|dimension| self.tags.canonical_dimension(dimension));
        let parts = within(&snapshot, range);
        let gone = parts.iter().filter(|part| part.files(Layer::Charges).next().is_none());
        if let Some(days) = gone.filter_map(|part| part.days).reduce(DateRange::and) {
            return Err(InsightError::DetailExpired { days });
        }
        // Who belongs to whom is what it was on the day of the charge.
        let asked = Asked::new(&snapshot.ownership, range, &filter, &[], Counts::Once);
        let query = self.looking(&parts, range, asked.filter(), snapshot.ownership.book(range), most);
        let query = MovesQuery { by_day: asked.by_day(), ..query };
        Ok((snapshot.generation, self.store.whose(query).await.map_err(too_many)?))
    }

    /// Asks the charges of some parts.
    fn looking(&self, parts: &[&Part], range: DateRange, filter: Filter, book: Book, most: usize) -> MovesQuery {
        let canonical = |dimension: &Dimension| self.tags.canonical_dimension(dimension);
        let mut dimensions: BTreeSet<Dimension> = book.dimensions().iter().map(canonical).collect();
        filter.each_dimension(&mut |dimension| {
            dimensions.insert(dimension.clone());
        });
        let scan = |part: &&Part| ExportScan {
            scan: Scan {
                layer: Layer::Charges,
                files: part.files(Layer::Charges).map(ToOwned::to_owned).collect(),
                inside: part.days.is_some_and(|days| range.from() <= days.from() && days.to() <= range.to()),
                tags_from_text: dimensions.iter().filter_map(|dimension| without_column(part, dimension)).collect(),
                only_parts: BTreeSet::new(),
            },
            rows: part.rows,
        };
        MovesQuery { scans: parts.iter().map(scan).collect(), range, filter, by_day: Vec::new(), book, most }
    }
}

/// The parts that count and may have charges of some days.
fn within(snapshot: &Snapshot, range: DateRange) -> Vec<&Part> {
    snapshot.parts.iter().filter(|part| part.days.is_some_and(|days| touch(days, range))).collect()
}

fn touch(days: DateRange, range: DateRange) -> bool {
    days.from() < range.to() && range.from() < days.to()
}

fn too_many(error: StoreError) -> InsightError {
    match error {
        StoreError::TooManyGroups { groups, most } => InsightError::TooManyRows { rows: groups, most },
        error => error.into(),
    }
}
