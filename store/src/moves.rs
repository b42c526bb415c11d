//! What a book would change: whose charges would become whose, and how much that is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Datelike as _, NaiveDate};
use outlay_ledger::decimal;
use outlay_ledger::labels::Labels;
use outlay_ledger::own::Owning;
use outlay_ledger::schema::{CHARGE_DATE, TEAM};
use outlay_model::filter::Filter;
use outlay_model::ownership::Book;
use outlay_model::query::{Basis, Metric};
use outlay_model::{Currency, DateRange, Money};
use polars::prelude::DataFrame;

use crate::cache::Held;
use crate::export::ExportScan;
use crate::home::blocking;
use crate::scan::Rows;
use crate::stage::{ROW_GROUP, dates, streamed};
use crate::{Store, StoreError};

/// Which charges to look at, and by which rules.
#[derive(Debug, Clone)]
pub struct MovesQuery {
    /// What to read, of the layer of charges; with the tag keys that the book looks at and that have no column.
    pub scans: Vec<ExportScan>,
    /// The days.
    pub range: DateRange,
    /// Which charges.
    pub filter: Filter,
    /// Which of these on which days; empty where the day makes no difference.
    pub by_day: Vec<(DateRange, Filter)>,
    /// The rules.
    pub book: Book,
    /// The most moves to give.
    pub most: usize,
}

/// What would change its team, in a month and a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The first day of the month.
    pub month: NaiveDate,
    /// Whose it is.
    pub from: String,
    /// Whose it would be.
    pub to: String,
    /// In which currency.
    pub currency: Currency,
    /// Charges.
    pub rows: u64,
    /// What they cost, in the order of [`Metric::ALL`]; `None` where none of them states it.
    pub costs: [Option<Money>; 4],
}

type Moves = BTreeMap<(NaiveDate, String, String, Currency), (u64, [Option<Money>; 4])>;

impl Store {
    /// What a book would change about whose charges are whose, against what is stored: sums by month, team before, team after and
    /// currency, in this order. What stays with its team is left out.
    ///
    /// # Errors
    /// [`StoreError`]; in particular [`StoreError::TooManyGroups`].
    pub async fn moves(self: &Arc<Self>, query: MovesQuery) -> Result<Vec<Move>, StoreError> {
        let files = query.scans.iter().flat_map(|scan| scan.scan.files.iter().cloned()).collect();
        let held = self.home.hold(files).await?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            store.moves_now(&query, &held)
        })
        .await
    }

    fn moves_now(&self, query: &MovesQuery, held: &Held) -> Result<Vec<Move>, StoreError> {
        let owning = Owning::new(&query.book, &self.tags)?;
        let mut needed: BTreeSet<String> = owning.columns().iter().map(|(name, _)| name.clone()).collect();
        needed.extend([CHARGE_DATE, TEAM, "BillingCurrency"].map(ToOwned::to_owned));
        needed.extend(Metric::ALL.iter().map(|metric| metric.column().to_owned()));
        let mut moves = Moves::new();
        for ExportScan { scan, rows } in &query.scans {
            for first in (0..*rows).step_by(ROW_GROUP) {
                let rows = Rows {
                    range: query.range,
                    basis: Basis::Charge,
                    filter: &query.filter,
                    by_day: &query.by_day,
                    only: Some((first, ROW_GROUP)),
                };
                let some = streamed(self.read(scan, held, needed.clone(), &rows)?)?;
                add(&owning, &some, &mut moves)?;
                if moves.len() > query.most {
                    return Err(StoreError::TooManyGroups { groups: moves.len(), most: query.most });
                }
            }
        }
        let moves = moves.into_iter().map(|((month, from, to, currency), (rows, costs))| Move {
            month,
            from,
            to,
            currency,
            rows,
            costs,
        });
        Ok(moves.collect())
    }
}

/// Adds up what would move of some charges.
fn add(owning: &Owning, charges: &DataFrame, moves: &mut Moves) -> Result<(), StoreError> {
    let decided = owning.decided(charges)?;
    let teams = charges.column(TEAM)?.str()?.clone();
    let teams = Labels::of(teams.iter());
    let currencies = charges.column("BillingCurrency")?.str()?.clone();
    let currencies = Labels::of(currencies.iter()).map(|code| code.and_then(|code| code.parse::<Currency>().ok()));
    let days = dates(charges.column(CHARGE_DATE)?)?;
    let mut costs = Vec::new();
    for metric in Metric::ALL {
        costs.push(decimal::amounts(charges.column(metric.column())?.as_materialized_series())?);
    }
    for (row, day) in days.into_iter().enumerate() {
        let (from, to) = (teams.values[teams.rows[row]].unwrap_or_default(), decided.team(row));
        if from == to {
            continue;
        }
        let month = day.and_then(|day| day.with_day(1)).ok_or(StoreError::Corrupt { what: "day" })?;
        let currency = currencies.values[currencies.rows[row]].ok_or(StoreError::Corrupt { what: "currency" })?;
        let (rows, sums) = moves.entry((month, from.to_owned(), to.to_owned(), currency)).or_default();
        *rows += 1;
        for (sum, cost) in sums.iter_mut().zip(&costs) {
            let Some(cost) = cost[row] else { continue };
            let more = sum.unwrap_or_default().checked_add(cost);
            *sum = Some(more.ok_or(StoreError::Corrupt { what: "sum" })?);
        }
    }
    Ok(())
}
