//! How much of each day of a pool each of those who share it bears.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use outlay_ledger::transfer::{Method, Shares, Usage};
use outlay_model::dimension::Fixed;
use outlay_model::money::SCALE;
use outlay_model::ownership::{DayFacts, NoRate, OwnSpend, Split, Weights};
use outlay_model::part::Layer;
use outlay_model::query::{Basis, Metric};
use outlay_model::{Currency, Dimension, Filter, Granularity, PoolId, TeamId};
use outlay_store::{GroupQuery, Scan, Segments};

use super::month::{Facts, Month};
use super::told_days;
use crate::app::App;

/// Teams and currencies of a month's days.
const MAX_GROUPS: usize = 10_000_000;

/// What teams spent themselves on the days of a month, by the services that count.
#[derive(Debug, Default)]
pub(super) struct Spend(BTreeMap<Vec<String>, BTreeMap<NaiveDate, OwnSpend>>);

/// How each day of a pool is split. Days without a split, or on which nobody weighs anything, are not there.
///
/// # Errors
/// When a rate is missing, or what teams spend cannot be read.
pub(super) async fn days(
    app: &App,
    facts: &Facts,
    month: &Month<'_>,
    pool: &PoolId,
    spend: &mut Spend,
) -> anyhow::Result<BTreeMap<NaiveDate, (Method, Shares)>> {
    let splits = facts.split(pool, month);
    let (mut days, mut missing, nothing) = (BTreeMap::new(), BTreeSet::new(), OwnSpend::new());
    for day in month.days.iter() {
        let Some(split) = splits.on(day) else { continue };
        let own = match split {
            Split::Spend(by) => {
                if !spend.0.contains_key(&by.services) {
                    let read = own_spend(app, month, &by.services).await;
                    spend.0.insert(by.services.clone(), read.context("what teams spend cannot be read")?);
                }
                spend.0.get(&by.services).and_then(|days| days.get(&day))
            }
            _ => None,
        };
        let points = match split {
            Split::Metric(by) => facts.points.get(&by.series).and_then(|days| days.get(&day)),
            _ => None,
        };
        let of_day = DayFacts {
            day,
            spend: own.unwrap_or(&nothing),
            points: points.map_or(&[], Vec::as_slice),
            ownership: &facts.ownership,
            rates: &facts.rates,
            currency: facts.currency,
        };
        match split.weights(&of_day) {
            Ok(weights) => days.extend(shares(facts, split, &weights).map(|shares| (day, shares))),
            Err(rates) => missing.extend(rates),
        }
    }
    anyhow::ensure!(missing.is_empty(), "{}", told(&missing));
    Ok(days)
}

fn shares(facts: &Facts, split: &Split, weights: &Weights) -> Option<(Method, Shares)> {
    let shares = Shares::new(weights)?;
    let usage = match split {
        Split::Metric(by) => facts.ownership.series.get(&by.series).map(|series| {
            let quantity = |team: &TeamId| weights.get(team).cloned().unwrap_or_default();
            let quantities = shares.targets().iter().map(|team| BigDecimal::new(quantity(team), SCALE.into()));
            Usage { unit: series.unit.clone(), quantities: quantities.collect() }
        }),
        _ => None,
    };
    Some((Method { word: split.as_str(), usage }, shares))
}

/// The effective cost of each team on each day, before any split.
async fn own_spend(app: &App, month: &Month<'_>, services: &[String]) -> anyhow::Result<BTreeMap<NaiveDate, OwnSpend>> {
    let filter = match services {
        [] => Filter::everything(),
        services => Filter::In(Dimension::Fixed(Fixed::Service), services.to_vec()),
    };
    // Those of the parts alone: no transfers.
    let parts = Month { live: BTreeMap::new(), parts: month.parts.clone(), days: month.days };
    let rows = parts.rows(std::iter::empty())?;
    let inside =
        |rows: &outlay_store::DailyRows| month.days.from() <= rows.days.from() && rows.days.to() <= month.days.to();
    let scans = rows.iter().map(|rows| Scan {
        layer: Layer::Daily,
        files: vec![rows.file.clone()],
        inside: inside(rows),
        tags_from_text: BTreeSet::new(),
        only_parts: rows.only_parts.clone(),
    });
    let query = GroupQuery {
        scans: together(scans),
        range: month.days,
        basis: Basis::Charge,
        granularity: Granularity::Day,
        filter,
        group_by: vec![Dimension::Fixed(Fixed::Team)],
        metric: Some(Metric::Effective),
        may_be_null: true,
        only_currency: None,
        segments: Segments::one(month.days.from()),
        max_groups: MAX_GROUPS,
    };
    let mut days: BTreeMap<NaiveDate, OwnSpend> = BTreeMap::new();
    for group in app.store.group(query).await? {
        let (Some(time), Some(Some(team)), Some(sum)) = (group.time, group.keys.first(), group.sum) else { continue };
        let amounts: &mut BTreeMap<Currency, _> =
            days.entry(time.date()).or_default().entry(TeamId::new(&**team)).or_default();
        amounts.insert(group.currency, sum);
    }
    Ok(days)
}

/// Files that are read alike in one scan.
fn together(scans: impl Iterator<Item = Scan>) -> Vec<Scan> {
    let mut all: Vec<Scan> = Vec::new();
    for scan in scans {
        let alike = |other: &&mut Scan| {
            other.inside == scan.inside && other.only_parts.is_empty() && scan.only_parts.is_empty()
        };
        match all.iter_mut().find(alike) {
            Some(other) => other.files.extend(scan.files),
            None => all.push(scan),
        }
    }
    all
}

fn told(missing: &BTreeSet<NoRate>) -> String {
    let mut pairs: BTreeMap<(Currency, Currency), BTreeSet<NaiveDate>> = BTreeMap::new();
    for NoRate { from, to, day } in missing {
        pairs.entry((*from, *to)).or_default().insert(*day);
    }
    let pairs = pairs.iter().map(|((from, to), days)| format!("no {from} to {to} rate for {}", told_days(days)));
    format!(
        "{}: teams' own spend cannot be compared without; add one under [rates], or collect published ones (ecb_rates)",
        pairs.collect::<Vec<_>>().join("; ")
    )
}
