//! What restatements moved.

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{Change, DayFigures};
use outlay_model::{Currency, DeliveryKey, Money, RunId, SourceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::Amount;
use super::lists::Page;

/// What a delivery says about a day, in the bill's currency.
#[derive(Serialize, ToSchema)]
pub struct Figures {
    /// Charges; 0 where it says nothing.
    rows: u64,
    /// Σ of what is invoiced.
    #[schema(value_type = Option<Amount>, required)]
    billed: Option<Money>,
    /// Σ amortised.
    #[schema(value_type = Option<Amount>, required)]
    effective: Option<Money>,
}

/// By how much a restatement moved a day.
#[derive(Serialize, ToSchema)]
pub struct Difference {
    /// Charges more, or fewer.
    rows: i64,
    /// Of what is invoiced; null where one of the two is not stated.
    #[schema(value_type = Option<Amount>, required)]
    billed: Option<Money>,
    /// Amortised, likewise.
    #[schema(value_type = Option<Amount>, required)]
    effective: Option<Money>,
}

/// What a restatement moved on one day.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeLine<'a> {
    /// The generation it made.
    generation: u64,
    /// When.
    changed_at: DateTime<Utc>,
    /// By which run.
    #[schema(value_type = String)]
    run: &'a RunId,
    /// Of which source.
    #[schema(value_type = String)]
    source: &'a SourceName,
    /// Of which delivery.
    #[schema(value_type = String)]
    delivery: &'a DeliveryKey,
    /// The day.
    day: NaiveDate,
    /// The provider.
    #[schema(required)]
    provider: Option<&'a str>,
    /// The invoiced account.
    #[schema(required)]
    billing_account: Option<&'a str>,
    /// The currency of the figures.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// What the delivery said before.
    before: Figures,
    /// What it says now.
    after: Figures,
    /// Now less before.
    difference: Difference,
}

/// What restatements moved, in the order given, and where the next page starts.
pub fn changes_json(changes: &[Change], next_cursor: Option<String>) -> impl Serialize {
    let figures = |DayFigures { rows, billed, effective }| Figures { rows, billed, effective };
    let lines = changes.iter().map(|change| ChangeLine {
        generation: change.generation,
        changed_at: change.at,
        run: &change.run,
        source: &change.source,
        delivery: &change.delivery,
        day: change.day,
        provider: change.provider.as_deref(),
        billing_account: change.billing_account.as_deref(),
        currency: change.currency,
        before: figures(change.before),
        after: figures(change.after),
        difference: difference(&change.before, &change.after),
    });
    Page { data: lines.collect(), next_cursor }
}

fn difference(before: &DayFigures, after: &DayFigures) -> Difference {
    Difference {
        // The catalog's counts are below 2^63.
        rows: after.rows.cast_signed() - before.rows.cast_signed(),
        billed: moved(before, after, |figures| figures.billed),
        effective: moved(before, after, |figures| figures.effective),
    }
}

/// Where there was no charge there was no cost; where there were some that do not state it, nobody knows (P6).
fn moved(before: &DayFigures, after: &DayFigures, cost: impl Fn(&DayFigures) -> Option<Money>) -> Option<Money> {
    let known = |figures: &DayFigures| if figures.rows == 0 { Some(Money::ZERO) } else { cost(figures) };
    known(after)?.checked_sub(known(before)?)
}
