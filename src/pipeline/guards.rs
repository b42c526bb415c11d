//! When a new copy of a delivery is kept out (P1, P3).
//!
//! A guard never throws anything away: the old copy stays live, the run stays visible with the figures that were
//! compared, and the operator may let the new copy in.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::BigDecimal;
use outlay_catalog::{Refusal, RefusedFigure, Rejects};
use outlay_model::money::plain;
use outlay_model::part::{Force, Guard, Part};
use outlay_model::query::Metric;
use outlay_model::{Currency, Money};

/// Why this copy may not replace the last one, if it may not.
pub fn refusal(guard: &Guard, force: Force, part: &Part, last: Option<&Part>, rejects: &Rejects) -> Option<Refusal> {
    let rejected = if force.rejects { None } else { too_many_rejects(guard, part, rejects) };
    rejected.or_else(|| too_small(guard, part, last.filter(|_| !force.shrink)?))
}

fn too_many_rejects(guard: &Guard, part: &Part, rejects: &Rejects) -> Option<Refusal> {
    let (rejected, unpriced) = (rejects.rows(), rejects.unpriced());
    let lines = part.rows + rejected;
    let reason = if unpriced > 0 {
        "lines were rejected whose money cannot be read"
    } else if rejected as f64 > guard.max_rejects * lines as f64 {
        "too many lines were rejected"
    } else {
        return None;
    };
    let count = |name: &str, after: u64| RefusedFigure {
        name: name.to_owned(),
        after: after.to_string(),
        ..RefusedFigure::default()
    };
    let mut figures = vec![
        count("lines", lines),
        count("rejected", rejected),
        RefusedFigure {
            name: "rejected_share".to_owned(),
            after: percent(rejected as f64 / lines as f64),
            limit: Some(percent(guard.max_rejects)),
            ..RefusedFigure::default()
        },
        RefusedFigure { limit: Some("0".to_owned()), ..count("unpriced", unpriced) },
    ];
    let mut billed: BTreeMap<String, BigDecimal> = BTreeMap::new();
    for count in rejects.counts().filter(|count| count.rows > count.unpriced) {
        *billed.entry(count.currency).or_default() += count.billed;
    }
    figures.extend(billed.into_iter().map(|(currency, sum)| RefusedFigure {
        name: "rejected_billed".to_owned(),
        currency: Some(currency),
        after: plain(&sum),
        ..RefusedFigure::default()
    }));
    let reason = format!("{reason}; look at them and let the delivery in with --accept-rejects");
    Some(Refusal { reason, figures })
}

fn too_small(guard: &Guard, part: &Part, last: &Part) -> Option<Refusal> {
    let (billed_last, billed) = (billed(last), billed(part));
    let currencies: BTreeSet<Currency> = billed_last.keys().chain(billed.keys()).copied().collect();
    let of = |sums: &BTreeMap<Currency, Money>, currency| sums.get(currency).copied().unwrap_or_default();
    let shrunk = shrinks(guard, last.rows as f64, part.rows as f64)
        || shrinks(guard, last.covered_days() as f64, part.covered_days() as f64)
        || currencies.iter().any(|currency| {
            shrinks(guard, of(&billed_last, currency).approximate(), of(&billed, currency).approximate())
        });
    if !shrunk {
        return None;
    }
    let compared = |name: &str, before: String, after: String| RefusedFigure {
        name: name.to_owned(),
        before: Some(before),
        after,
        ..RefusedFigure::default()
    };
    let mut figures = vec![
        compared("rows", last.rows.to_string(), part.rows.to_string()),
        compared("covered_days", last.covered_days().to_string(), part.covered_days().to_string()),
    ];
    figures.extend(currencies.iter().map(|currency| RefusedFigure {
        currency: Some(currency.to_string()),
        ..compared("billed_magnitude", of(&billed_last, currency).to_string(), of(&billed, currency).to_string())
    }));
    let reason = format!(
        "the delivery is smaller than its last copy by more than {}; if that is right, let it in with --accept-shrink",
        percent(guard.max_shrink)
    );
    Some(Refusal { reason, figures })
}

/// Σ|BilledCost| of each currency. A part from before that was recorded says it where it has but one.
fn billed(part: &Part) -> BTreeMap<Currency, Money> {
    let only = part.currencies.first().filter(|_| part.billed.is_empty() && part.currencies.len() == 1);
    let whole = only.zip(part.magnitude.get(&Metric::Billed));
    whole.map_or_else(|| part.billed.clone(), |(currency, sum)| BTreeMap::from([(*currency, *sum)]))
}

/// A share decides whether to ask, not an amount: floats will do.
fn shrinks(guard: &Guard, before: f64, after: f64) -> bool {
    after < before * (1.0 - guard.max_shrink)
}

/// A share in percent, with the digits it takes to tell it from a limit.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = if percent >= 1.0 || percent == 0.0 { 1 } else { 3 };
    let text = format!("{percent:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}
