//! Whose charges are, as stored, and whose they would be by a book: for whoever asks why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlay_ledger::decimal;
use outlay_ledger::labels::Labels;
use outlay_ledger::own::{Decision, Explained, Owning};
use outlay_ledger::schema::{CHARGE_DATE, COMPONENT, ENVIRONMENT, OWNERSHIP_RULE, TEAM};
use outlay_model::query::{Basis, Metric};
use outlay_model::{Currency, Money};
use polars::prelude::{DataFrame, PlHashMap};

use crate::cache::Held;
use crate::export::ExportScan;
use crate::home::blocking;
use crate::moves::MovesQuery;
use crate::own::ExplainQuery;
use crate::scan::Rows;
use crate::stage::{ROW_GROUP, streamed};
use crate::{Store, StoreError};

/// Charges that are owned alike, and would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Whose they are, as stored.
    pub stored: Decision,
    /// Whose they are by the book.
    pub decided: Decision,
    /// Their currency.
    pub currency: Currency,
    /// How many there are.
    pub rows: u64,
    /// What they cost, in the order of [`Metric::ALL`]; `None` where none of them states it.
    pub costs: [Option<Money>; 4],
}

/// Owners as they are compared.
type Key = [Option<String>; 4];
type Found = BTreeMap<(Key, Key, Currency), (u64, [Option<Money>; 4])>;

impl Store {
    /// Why a charge that says this would be whose it is. Runs on a blocking thread.
    ///
    /// # Errors
    /// As [`Store::explain`].
    pub async fn explained(self: &Arc<Self>, query: ExplainQuery) -> Result<Explained, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            store.explain(&query)
        })
        .await
    }

    /// Whose charges are, as stored, and whose they would be: sums by both and by currency, in this order.
    ///
    /// # Errors
    /// [`StoreError`]; in particular [`StoreError::TooManyGroups`].
    pub async fn whose(self: &Arc<Self>, query: MovesQuery) -> Result<Vec<Whose>, StoreError> {
        let files = query.scans.iter().flat_map(|scan| scan.scan.files.iter().cloned()).collect();
        let held = self.home.hold(files).await?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let store = Arc::clone(self);
        blocking(move || {
            let _permit = permit;
            store.whose_now(&query, &held)
        })
        .await
    }

    fn whose_now(&self, query: &MovesQuery, held: &Held) -> Result<Vec<Whose>, StoreError> {
        let owning = Owning::new(&query.book, &self.tags)?;
        let mut needed: BTreeSet<String> = owning.columns().iter().map(|(name, _)| name.clone()).collect();
        needed.extend(OWNERS.map(ToOwned::to_owned));
        needed.extend([CHARGE_DATE, CURRENCY].map(ToOwned::to_owned));
        needed.extend(Metric::ALL.iter().map(|metric| metric.column().to_owned()));
        let mut found = Found::new();
        for ExportScan { scan, rows } in &query.scans {
            for first in (0..*rows).step_by(ROW_GROUP) {
                let only = Some((first, ROW_GROUP));
                let rows = Rows {
                    range: query.range,
                    basis: Basis::Charge,
                    filter: &query.filter,
                    by_day: &query.by_day,
                    only,
                };
                add(&owning, &streamed(self.read(scan, held, needed.clone(), &rows)?)?, &mut found)?;
                if found.len() > query.most {
                    return Err(StoreError::TooManyGroups { groups: found.len(), most: query.most });
                }
            }
        }
        let decision = |[team, component, environment, rule]: Key| Decision {
            team: team.unwrap_or_default(),
            component,
            environment,
            rule,
        };
        let found = found.into_iter().map(|((stored, decided, currency), (rows, costs))| {
            let (stored, decided) = (decision(stored), decision(decided));
            Whose { stored, decided, currency, rows, costs }
        });
        Ok(found.collect())
    }
}

/// The columns that say whose a charge is, as [`Key`] has them.
const OWNERS: [&str; 4] = [TEAM, COMPONENT, ENVIRONMENT, OWNERSHIP_RULE];
const CURRENCY: &str = "BillingCurrency";

fn add(owning: &Owning, charges: &DataFrame, found: &mut Found) -> Result<(), StoreError> {
    let decided = owning.decided(charges)?;
    let mut stored = Vec::new();
    for column in OWNERS {
        let cells = charges.column(column)?.str()?.clone();
        stored.push(Labels::of(cells.iter()).map(|text| text.map(ToOwned::to_owned)));
    }
    let currencies = charges.column(CURRENCY)?.str()?.clone();
    let currencies = Labels::of(currencies.iter()).map(|code| code.and_then(|code| code.parse::<Currency>().ok()));
    let mut costs = Vec::new();
    for metric in Metric::ALL {
        costs.push(decimal::amounts(charges.column(metric.column())?.as_materialized_series())?);
    }
    // A batch repeats a few owners: they are put together by reference before any text is kept.
    let mut alike: PlHashMap<_, (u64, [Option<Money>; 4])> = PlHashMap::default();
    for row in 0..charges.height() {
        let said = [0, 1, 2, 3].map(|place: usize| stored[place].rows[row]);
        let would = [Some(decided.team(row)), decided.component(row), decided.environment(row), decided.rule(row)];
        let (rows, sums) = alike.entry((said, would, currencies.rows[row])).or_default();
        *rows += 1;
        for (sum, cost) in sums.iter_mut().zip(&costs) {
            *sum = total(*sum, cost[row])?;
        }
    }
    for ((said, would, currency), (more_rows, more)) in alike {
        let is = [0, 1, 2, 3].map(|place: usize| stored[place].values[said[place]].clone());
        let would = would.map(|text| text.map(ToOwned::to_owned));
        let currency = currencies.values[currency].ok_or(StoreError::Corrupt { what: "currency" })?;
        let (rows, sums) = found.entry((is, would, currency)).or_default();
        *rows += more_rows;
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum = total(*sum, more)?;
        }
    }
    Ok(())
}

/// The sum of what is stated.
fn total(sum: Option<Money>, more: Option<Money>) -> Result<Option<Money>, StoreError> {
    let Some(more) = more else { return Ok(sum) };
    sum.unwrap_or_default().checked_add(more).map(Some).ok_or(StoreError::Corrupt { what: "sum" })
}
