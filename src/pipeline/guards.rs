//! When a new copy of a delivery is kept out (P1, P3).
//!
//! A guard never throws anything away: the old copy stays live, the run stays visible with both figures, and the
//! operator may let the new copy in.

use outlay_catalog::{Refusal, RefusedFigure};
use outlay_model::Money;
use outlay_model::part::{Guard, Part};
use outlay_model::query::Metric;

/// What the operator lets in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Force {
    /// A copy that is smaller than the last one.
    pub shrink: bool,
    /// A copy with rejects beyond the limit, or unpriced ones.
    pub rejects: bool,
}

/// Why this copy may not replace the last one, if it may not.
pub fn refusal(
    guard: &Guard,
    force: Force,
    part: &Part,
    last: Option<&Part>,
    rejected: u64,
    unpriced: u64,
) -> Option<Refusal> {
    let too_many = rejected as f64 > guard.max_rejects * (part.rows + rejected) as f64;
    if !force.rejects && (unpriced > 0 || too_many) {
        let reason = if unpriced > 0 {
            "lines were rejected whose money cannot be read; look at them and let the delivery in with --accept-rejects"
        } else {
            "too many lines were rejected; look at them and let the delivery in with --accept-rejects"
        };
        let figures = vec![
            figure("rows", part.rows + rejected, part.rows),
            figure("rejected", 0, rejected),
            figure("unpriced", 0, unpriced),
        ];
        return Some(Refusal { reason: reason.to_owned(), figures });
    }
    let last = last.filter(|_| !force.shrink)?;
    let billed = |part: &Part| part.magnitude.get(&Metric::Billed).copied().unwrap_or_default();
    let shrunk = shrinks(guard, last.rows as f64, part.rows as f64)
        || shrinks(guard, billed(last).approximate(), billed(part).approximate())
        || shrinks(guard, last.covered_days() as f64, part.covered_days() as f64);
    shrunk.then(|| Refusal {
        reason: format!(
            "the delivery is smaller than its last copy by more than {}; if that is right, let it in with --accept-shrink",
            percent(guard.max_shrink)
        ),
        figures: vec![
            figure("rows", last.rows, part.rows),
            RefusedFigure { name: "billed_magnitude".into(), before: text(billed(last)), after: text(billed(part)) },
            figure("covered_days", last.covered_days(), part.covered_days()),
        ],
    })
}

/// A share decides whether to ask, not an amount: floats will do.
fn shrinks(guard: &Guard, before: f64, after: f64) -> bool {
    after < before * (1.0 - guard.max_shrink)
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

fn figure(name: &str, before: u64, after: u64) -> RefusedFigure {
    RefusedFigure { name: name.into(), before: before.to_string(), after: after.to_string() }
}

fn text(money: Money) -> String {
    money.to_string()
}
