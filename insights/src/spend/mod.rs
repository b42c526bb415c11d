//! Who spent what: the query everything else is made of (docs/ARCHITECTURE.md, `/spend`).

mod arrange;
mod table;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::query::{Compare, Cursor, ParameterError, SpendQuery, TargetCurrency};
use outlay_model::report::{Scope, SpendReport, Warning};

use crate::coverage::complete_until;
use crate::{InsightError, Insights};
use arrange::{Pair, Table, fold, group_of, group_totals, page, pair_up, rows, sort, totals};

pub(crate) use arrange::warning_of_nulls;

impl Insights {
    /// Answers a spend query. The figures are the same on every day it may be asked; what is said of how sure they are
    /// is not.
    ///
    /// # Errors
    /// [`InsightError`]: a wrong question, one too big, data that is lacking, or a failure of ours.
    pub async fn spend(
        &self,
        query: &SpendQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<SpendReport, InsightError> {
        let snapshot = self.snapshot_for(query, scope).await?;
        let compared_with = match query.compare {
            None => None,
            Some(compare) => {
                let range = match compare {
                    Compare::PreviousPeriod => query.range.previous(),
                    Compare::PreviousYear => query.range.previous_year(),
                };
                Some(range.ok_or_else(|| ParameterError::new("compare", "there are no days that far back"))?)
            }
        };
        let mut warnings = Vec::new();
        let (now, layers) = self.table(&snapshot, query, query.range, scope, &mut warnings).await?;
        let mut table: Table =
            now.into_iter().map(|(place, cell)| (place, Pair { now: Some(cell), then: None })).collect();
        let mut then_stated = true;
        if let Some(range) = compared_with {
            let (then, stated) = self.table(&snapshot, query, range, scope, &mut warnings).await?;
            then_stated = !stated.is_empty();
            if !then_stated {
                let message = format!("nothing was stated for {range}: there is nothing to compare with");
                warnings.push(Warning { code: "nothing_to_compare", message });
            }
            pair_up(&mut table, then, query, range, &mut warnings)?;
        }
        let now = table.iter().filter_map(|(_, pair)| pair.now.as_ref());
        warnings.extend(warning_of_nulls(now, query, query.range));
        if let Some(range) = compared_with {
            let then = table.iter().filter_map(|(_, pair)| pair.then.as_ref());
            warnings.extend(warning_of_nulls(then, query, range));
        }
        if let Some(having) = &query.having {
            let totals = group_totals(&table)?;
            let left_out: HashSet<_> =
                totals.iter().filter(|(_, cost)| !having.holds(**cost)).map(|(group, _)| group.clone()).collect();
            table.retain(|(place, _)| !left_out.contains(&group_of(place)));
            if !left_out.is_empty() {
                let message = format!("having left out {} groups; they are in no figure here", left_out.len());
                warnings.push(Warning { code: "having", message });
            }
        }
        if let Some(top) = query.top {
            table = fold(table, top)?;
        }
        let totals = totals(&table)?;
        sort(&mut table, query);
        let next_cursor = page(&mut table, query, |offset| self.cursor(query, scope, snapshot.generation, offset))?;
        let rows = rows(table, query, then_stated)?;
        let sources = self.configured().await?;
        let (complete_until, gaps) = complete_until(&sources, &snapshot.parts, query.range, today);
        warnings.extend(gaps);
        let native = query.currency == TargetCurrency::Native;
        Ok(SpendReport {
            range: query.range,
            compared_with,
            granularity: query.granularity,
            basis: query.basis,
            metric: query.metric,
            group_by: query.group_by.clone(),
            currency: match query.currency {
                TargetCurrency::Native => None,
                TargetCurrency::To(currency) => Some(currency),
            },
            rows,
            total: if native { None } else { totals.get(&None).copied().flatten() },
            totals: native.then(|| totals.iter().filter_map(|(currency, cost)| Some(((*currency)?, *cost))).collect()),
            complete_until,
            generation: snapshot.generation,
            warnings,
            next_cursor,
            plan: layers,
        })
    }

    /// The parts the answer is made of: those of the cursor's generation, or the latest.
    async fn snapshot_for(&self, query: &SpendQuery, scope: &Scope) -> Result<Arc<Snapshot>, InsightError> {
        match query.cursor {
            None => Ok(self.catalog.snapshot().await?),
            Some(cursor) if cursor != self.cursor(query, scope, cursor.generation, cursor.offset) => {
                let message = "it belongs to another query (a period such as today is another one tomorrow), another \
                    configuration or another version of outlay, or was altered: repeat the query that gave it, or start \
                    again without it";
                Err(ParameterError::new("cursor", message).into())
            }
            Some(cursor) => Ok(self.catalog.snapshot_at(cursor.generation).await?),
        }
    }

    /// The cursor of a page of this query. The seal has everything in it that the order of the rows depends on.
    fn cursor(&self, query: &SpendQuery, scope: &Scope, generation: u64, offset: usize) -> Cursor {
        let query = SpendQuery { cursor: None, limit: None, ..query.clone() };
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), self.fingerprint, query, scope, generation, offset).hash(&mut hasher);
        Cursor { generation, offset, seal: hasher.finish() }
    }
}
