//! Splits pools: for each pool and calendar month the transfers that its days' splits come to (docs/SHARED.md).
//!
//! Transfers are derived: a part of their own that says, by its fingerprint, from what it was made. So it does not matter what
//! changed: what was made from something else is made anew, what was not is left alone. The pools of a month are committed
//! together; a month, or a pool, that cannot be split keeps the transfers it has and stops no other.

mod month;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use outlay_catalog::{CatalogError, Intent, Rejects, Reowning, Run, Sharing, Snapshot};
use outlay_ledger::schema::LAYOUT;
use outlay_model::ownership::source_of_pool;
use outlay_model::part::{Part, RunState, Versions};
use outlay_model::{Currency, DeliveryKey, Money, PartId, PoolId};
use outlay_store::{PoolPlan, SharePlan, SharedPart, Store};

use super::lease::{LEASE, alive, clear_away};
use crate::app::{App, now};
use crate::id::{new_part, new_run};
use month::{Facts, Month, months};

/// The format that transfers say they are of, and the kind of the runs that make them.
const KIND: &str = "share";
/// How transfers are made; raised when the same inputs would come to others.
const VERSION: u32 = 1;
/// Days named in one message before the rest is only counted.
const NAMED: usize = 5;

/// What became of the pools.
#[derive(Debug, Default)]
pub struct Shared {
    /// Months of pools whose transfers were made anew, or taken away.
    pub recomputed: usize,
    /// Months of pools whose transfers are what they should be.
    pub kept: usize,
    /// What stays in pools that were split anew, because its day is not split or nobody weighs anything on it.
    pub left: Vec<Left>,
    /// What could not be split. It has the transfers it had.
    pub failed: Vec<Failed>,
}

/// Cost that stays in its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The pool.
    pub pool: PoolId,
    /// The days.
    pub days: BTreeSet<NaiveDate>,
    /// Their effective cost.
    pub amounts: BTreeMap<Currency, Money>,
}

/// A month of a pool that could not be split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The pool.
    pub pool: PoolId,
    /// The first day of the month.
    pub month: NaiveDate,
    /// Why, and what to do.
    pub message: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, month, message } = self;
        write!(f, "{}: the pool {pool} is not split anew: {message}", month.format("%Y-%m"))
    }
}

/// Splits the pools of these months (given by their first days), or of all, where they are not split as they should be.
///
/// # Errors
/// When the catalog cannot be read; what is wrong with one month is said of that.
pub async fn share(app: &App, only: Option<&BTreeSet<NaiveDate>>) -> anyhow::Result<Shared> {
    let mut shared = Shared::default();
    let snapshot = app.catalog.snapshot().await?;
    if snapshot.ownership.pools.is_empty() && snapshot.shared.is_empty() {
        return Ok(shared);
    }
    let months = months(&snapshot);
    let facts = Facts::read(app, &snapshot, &months).await?;
    for month in months.into_iter().filter(|month| only.is_none_or(|only| only.contains(&month.days.from()))) {
        share_month(app, &facts, &snapshot, &month, &mut shared).await?;
    }
    Ok(shared)
}

async fn share_month(
    app: &App,
    facts: &Facts,
    snapshot: &Snapshot,
    month: &Month<'_>,
    shared: &mut Shared,
) -> anyhow::Result<()> {
    let pools = &snapshot.ownership.pools;
    if month.is_partly_expired() {
        // Of what is kept no longer nothing can be made anew.
        shared.kept += month.live.len();
        return Ok(());
    }
    let gone = |pool: &PoolId| !pools.contains_key(pool) || !month.has_rows();
    let gone: Vec<&Part> = month.live.iter().filter(|(pool, _)| gone(pool)).map(|(_, part)| *part).collect();
    let mut failed: BTreeSet<PoolId> = BTreeSet::new();
    let mut plans: Vec<PoolPlan> = Vec::new();
    if month.has_rows() {
        let stale: Vec<&PoolId> = pools.keys().filter(|pool| !facts.is_made(month, pool, &failed)).collect();
        let mut split = BTreeMap::new();
        let mut spend = weigh::Spend::default();
        for pool in stale {
            match weigh::days(app, facts, month, pool, &mut spend).await {
                Ok(days) => drop(split.insert(pool.clone(), days)),
                Err(error) => {
                    failed.insert(pool.clone());
                    let message = format!("{error:#}");
                    shared.failed.push(Failed { pool: pool.clone(), month: month.days.from(), message });
                }
            }
        }
        // What depends on a pool that cannot be split depends on the transfers that this one has.
        for (pool, days) in split {
            if !facts.is_made(month, &pool, &failed) {
                let fingerprint = facts.fingerprint(month, &pool, &failed);
                plans.push(PoolPlan { pool, part: new_part(), fingerprint, days });
            }
        }
        shared.kept += pools.len() - failed.len() - plans.len();
    }
    if plans.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let pools: Vec<PoolId> = plans.iter().map(|plan| plan.pool.clone()).collect();
    match make(app, facts, month, plans, &gone).await {
        Ok(Some(left)) => {
            shared.recomputed += pools.len() + gone.len();
            shared.left.extend(left);
        }
        // Somebody else was at it, or a bill came in between: then this is looked at again.
        Ok(None) => shared.kept += pools.len(),
        Err(error) => {
            let message = format!("{error:#}");
            let failed = |pool| Failed { pool, month: month.days.from(), message: message.clone() };
            shared.failed.extend(pools.into_iter().map(failed));
        }
    }
    Ok(())
}

/// Writes and commits the transfers of some pools of a month, and gives what stays in these; `None` where another was faster.
async fn make(
    app: &App,
    facts: &Facts,
    month: &Month<'_>,
    plans: Vec<PoolPlan>,
    gone: &[&Part],
) -> anyhow::Result<Option<Vec<Left>>> {
    let delivery = month.delivery();
    let mut runs = Vec::new();
    for plan in &plans {
        let mut run = Run::started(new_run(), source_of_pool(&plan.pool), KIND, now());
        (run.delivery, run.part) = (Some(delivery.clone()), Some(plan.part.clone()));
        app.catalog.start_run(&run).await?;
        let files = vec![Store::file_of_transfers(&plan.pool, &plan.part)];
        let (part, source, expires_at) = (plan.part.clone(), run.source.clone(), now() + LEASE);
        app.catalog.intend(&Intent { part, run: run.id.clone(), source, files, expires_at }).await?;
        runs.push(run);
    }
    match make_and_commit(app, facts, month, &plans, gone, &runs).await {
        Ok(left) => Ok(Some(left)),
        Err(error) => {
            let superseded = matches!(error.downcast_ref(), Some(CatalogError::Superseded { .. }));
            let expired = matches!(error.downcast_ref(), Some(CatalogError::IntentExpired { .. }));
            for (plan, run) in plans.iter().zip(runs) {
                app.catalog.abandon(&plan.part).await?;
                if expired {
                    clear_away(app, &[Store::file_of_transfers(&plan.pool, &plan.part)]).await;
                }
                let state = if superseded { RunState::Unchanged } else { RunState::Failed };
                let (finished_at, message) = (Some(now()), Some(format!("{error:#}")));
                app.catalog
                    .finish_run(&Run { state, finished_at, message, part: None, ..run }, &Rejects::default())
                    .await?;
            }
            if superseded { Ok(None) } else { Err(error) }
        }
    }
}

async fn make_and_commit(
    app: &App,
    facts: &Facts,
    month: &Month<'_>,
    plans: &[PoolPlan],
    gone: &[&Part],
    runs: &[Run],
) -> anyhow::Result<Vec<Left>> {
    let parts: Vec<PartId> = plans.iter().map(|plan| plan.part.clone()).collect();
    let made = match plans {
        [] => Vec::new(),
        plans => {
            let plan = SharePlan {
                delivery: month.delivery(),
                days: month.days,
                // What a pool that goes has sent on goes with it.
                rows: month.rows(
                    plans.iter().map(|plan| &plan.pool).chain(gone.iter().filter_map(|part| part.pool.as_ref())),
                )?,
                tags: month.tags(),
                pools: plans.to_vec(),
                order: facts.order(month, plans),
            };
            let turn = app.staging.acquire().await?;
            let made = alive(app, &parts, app.store.share(plan)).await?;
            drop(turn);
            made
        }
    };
    let at = now();
    let mut sharings: Vec<Sharing> =
        gone.iter().map(|part| Sharing { before: Some((*part).clone()), after: None }).collect();
    let (mut done, mut all_left) = (Vec::new(), Vec::new());
    for ((plan, made), run) in plans.iter().zip(&made).zip(runs) {
        let left = left(&plan.pool, made);
        let rows = made.transfers;
        let kept = left.as_ref().map(|left| format!("; {}", left.told()));
        let message = Some(format!("{rows} transfers{}", kept.unwrap_or_default()));
        done.push(Run { state: RunState::Committed, finished_at: Some(at), rows, message, ..run.clone() });
        let before = month.live.get(&plan.pool).map(|part| (*part).clone());
        sharings.push(Sharing { before, after: Some(part(plan, made, month.delivery(), month)) });
        all_left.extend(left);
    }
    let reowning =
        Reowning { parts: Vec::new(), shared: sharings, noted: Vec::new(), intents: parts, runs: done, now: at };
    let mut committed = app.catalog.reown(&reowning).await;
    if committed.as_ref().is_err_and(CatalogError::is_retryable) {
        // Perhaps only the answer got lost. To commit again what is committed changes nothing.
        committed = app.catalog.reown(&reowning).await;
    }
    committed?;
    Ok(all_left)
}

fn part(plan: &PoolPlan, made: &SharedPart, delivery: DeliveryKey, month: &Month<'_>) -> Part {
    Part {
        id: plan.part.clone(),
        source: source_of_pool(&plan.pool),
        delivery,
        fingerprint: plan.fingerprint.clone(),
        edition: None,
        contents: BTreeSet::new(),
        files: vec![Store::file_of_transfers(&plan.pool, &plan.part)],
        // Its rows are no charges.
        rows: 0,
        days: made.days,
        covered: Vec::new(),
        provisional: Vec::new(),
        billing_periods: made.billing_periods.clone(),
        currencies: made.currencies.clone(),
        columns: Store::columns_of_transfers(),
        tag_keys: month.tags(),
        daily_tags: month.tags(),
        more_tags: false,
        hourly: false,
        magnitude: made.magnitude.clone(),
        billed: BTreeMap::new(),
        null_rows: made.null_rows.clone(),
        unpriced: 0,
        versions: Versions {
            format: KIND.to_owned(),
            normaliser: VERSION,
            rule_book: 0,
            rules: String::new(),
            layout: LAYOUT,
        },
        bundle: None,
        pool: Some(plan.pool.clone()),
    }
}

fn left(pool: &PoolId, made: &SharedPart) -> Option<Left> {
    let mut amounts: BTreeMap<Currency, Money> = BTreeMap::new();
    for ((_, currency), amount) in &made.left {
        let sum = amounts.entry(*currency).or_default();
        // Beyond what money can hold it is not worth telling to the last digit.
        *sum = sum.checked_add(*amount).unwrap_or(*sum);
    }
    let days = made.left.keys().map(|(day, _)| *day).collect();
    (!made.left.is_empty()).then(|| Left { pool: pool.clone(), days, amounts })
}

impl Left {
    /// The sentence about it.
    #[must_use]
    pub fn told(&self) -> String {
        let amounts: Vec<String> =
            self.amounts.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
        format!("{} of {} stays in {}: nobody has a share", amounts.join(" + "), told_days(&self.days), self.pool)
    }
}

fn told_days(days: &BTreeSet<NaiveDate>) -> String {
    let mut texts: Vec<String> = days.iter().take(NAMED).map(ToString::to_string).collect();
    if days.len() > NAMED {
        texts.push(format!("{} more days", days.len() - NAMED));
    }
    texts.join(", ")
}
