//! Why charges are whose they are, and what a change would move.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_insights::{Decision, Moved, Preview as Previewed, Tried, Whose};
use outlay_model::ownership::BookRule;
use outlay_model::query::Metric;
use outlay_model::{Currency, DateRange, Dimension, Money};
use serde::Serialize;
use utoipa::ToSchema;

use super::ownership::StaleLine;
use super::{Amount, Instants};

/// What charges cost, by every metric; null where none of them states it.
#[derive(Serialize, ToSchema)]
pub struct Costs {
    /// Amortised, after all discounts.
    #[schema(value_type = Option<Amount>, required)]
    effective: Option<Money>,
    /// What the invoice says.
    #[schema(value_type = Option<Amount>, required)]
    billed: Option<Money>,
    /// Without any discount.
    #[schema(value_type = Option<Amount>, required)]
    list: Option<Money>,
    /// With what was negotiated.
    #[schema(value_type = Option<Amount>, required)]
    contracted: Option<Money>,
}

impl From<[Option<Money>; 4]> for Costs {
    fn from(costs: [Option<Money>; 4]) -> Self {
        let of = |metric: Metric| {
            Metric::ALL.iter().zip(costs).find(|(other, _)| **other == metric).and_then(|(_, cost)| cost)
        };
        Self {
            effective: of(Metric::Effective),
            billed: of(Metric::Billed),
            list: of(Metric::List),
            contracted: of(Metric::Contracted),
        }
    }
}

/// What would change its team.
#[derive(Serialize, ToSchema)]
pub struct Move {
    /// The first day of the month.
    month: NaiveDate,
    /// Whose it is.
    #[schema(example = "unallocated")]
    from_team: String,
    /// Whose it would be.
    #[schema(example = "payments")]
    to_team: String,
    /// The currency of the bill.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// Charges.
    charges: u64,
    /// What they cost.
    costs: Costs,
}

/// How much would, in a currency.
#[derive(Serialize, ToSchema)]
pub struct MoveTotal {
    /// The currency.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// Charges.
    charges: u64,
    /// What they cost.
    costs: Costs,
}

/// What changes would move.
#[derive(Serialize, ToSchema)]
pub struct Preview {
    /// By month, team before, team after and currency.
    data: Vec<Move>,
    /// Their sums, by currency.
    totals: Vec<MoveTotal>,
    /// The first days of the months in which something would move.
    months: Vec<NaiveDate>,
    /// What had to be looked at.
    looked_at: StaleLine,
    /// What would stay as it is, because its charges are kept no longer (`[retention]`).
    expired: StaleLine,
    /// The generation that was looked at.
    generation: u64,
    /// Whether charges have other owners than they should have already: what is still to move for that is among these.
    settling: bool,
}

/// What changes would move.
pub fn preview_json(preview: &Previewed) -> Preview {
    let Previewed { moves, totals, looked_at, expired, generation, settling } = preview;
    let mut months: Vec<NaiveDate> = moves.iter().map(|moved| moved.month).collect();
    months.dedup();
    let data = moves.iter().map(|moved| Move {
        month: moved.month,
        from_team: moved.from.clone(),
        to_team: moved.to.clone(),
        currency: moved.currency,
        charges: moved.rows,
        costs: moved.costs.into(),
    });
    let total = |(currency, moved): (&Currency, &Moved)| MoveTotal {
        currency: *currency,
        charges: moved.rows,
        costs: moved.costs.into(),
    };
    Preview {
        data: data.collect(),
        totals: totals.iter().map(total).collect(),
        months,
        looked_at: looked_at.into(),
        expired: expired.into(),
        generation: *generation,
        settling: *settling,
    }
}

/// Whose a charge is.
#[derive(Serialize, ToSchema)]
pub struct Owners<'a> {
    /// The team; `unallocated` where nothing claims it.
    #[schema(example = "payments")]
    team: &'a str,
    /// The component.
    #[schema(required)]
    component: Option<&'a str>,
    /// The environment.
    #[schema(required)]
    environment: Option<&'a str>,
    /// The rule that decided the team; null where nothing did.
    #[schema(required, example = "network")]
    rule: Option<&'a str>,
}

impl<'a> From<&'a Decision> for Owners<'a> {
    fn from(Decision { team, component, environment, rule }: &'a Decision) -> Self {
        Self { team, component: component.as_deref(), environment: environment.as_deref(), rule: rule.as_deref() }
    }
}

/// What became of a rule.
#[derive(Serialize, ToSchema)]
#[schema(as = TriedRule)]
pub struct TriedLine<'a> {
    /// Its name; `tag:<key>` of one that is built in.
    #[schema(example = "network")]
    rule: &'a str,
    /// Its condition.
    when: String,
    /// Its first day; null where it has none.
    #[schema(required)]
    from: Option<NaiveDate>,
    /// The day after its last; null where it has none.
    #[schema(required)]
    to: Option<NaiveDate>,
    /// Whether the day is one of its days.
    on_day: bool,
    /// Whether its condition lets the charge through.
    passes: bool,
    /// The team it has for the charge; null where it has none.
    #[schema(required)]
    team: Option<&'a str>,
    /// The component it has for it, likewise.
    #[schema(required)]
    component: Option<&'a str>,
    /// The environment it has for it, likewise.
    #[schema(required)]
    environment: Option<&'a str>,
    /// What of `team`, `component` and `environment` the charge gets from it: no rule before it had one.
    #[schema(example = json!(["team"]))]
    decides: Vec<&'static str>,
}

/// Why a charge would be whose it is.
#[derive(Serialize, ToSchema)]
pub struct Explanation<'a> {
    /// Whose it is.
    #[schema(value_type = Owners)]
    data: Owners<'a>,
    /// Its day.
    day: NaiveDate,
    /// What it says.
    #[schema(value_type = BTreeMap<String, String>)]
    dimensions: BTreeMap<String, &'a str>,
    /// The rules, in the order they are tried in; those that are built in come last.
    #[schema(value_type = Vec<TriedLine>)]
    tried: Vec<TriedLine<'a>>,
}

/// Why a charge that says this would be whose it is.
pub fn explanation_json<'a>(
    day: NaiveDate,
    said: &'a BTreeMap<Dimension, String>,
    explanation: &'a outlay_insights::Explanation,
) -> Explanation<'a> {
    let mut decided = [false; 3];
    let mut line = |(rule, tried): (&'a BookRule, &'a Tried)| {
        let holds = tried.on_day && tried.passes;
        let names = [("team", &tried.team), ("component", &tried.component), ("environment", &tried.environment)];
        let decides = names.iter().zip(&mut decided).filter_map(|((word, name), decided)| {
            let decides = holds && name.is_some() && !*decided;
            *decided |= decides;
            decides.then_some(*word)
        });
        let decides = decides.collect();
        let Tried { rule: id, on_day, passes, team, component, environment } = tried;
        TriedLine {
            rule: id,
            when: rule.when.to_string(),
            from: rule.from,
            to: rule.to,
            on_day: *on_day,
            passes: *passes,
            team: team.as_deref(),
            component: component.as_deref(),
            environment: environment.as_deref(),
            decides,
        }
    };
    Explanation {
        data: (&explanation.explained.decision).into(),
        day,
        dimensions: said.iter().map(|(dimension, value)| (dimension.to_string(), value.as_str())).collect(),
        tried: explanation.rules.iter().zip(&explanation.explained.tried).map(&mut line).collect(),
    }
}

/// Charges that are owned alike.
#[derive(Serialize, ToSchema)]
#[schema(as = WhoseRow)]
pub struct WhoseRow<'a> {
    /// Whose they are.
    #[schema(value_type = Owners)]
    stored: Owners<'a>,
    /// Whose they would be by the rules of now.
    #[schema(value_type = Owners)]
    now: Owners<'a>,
    /// The currency of the bill.
    #[schema(value_type = String, example = "USD")]
    currency: Currency,
    /// Charges.
    charges: u64,
    /// What they cost.
    costs: Costs,
}

/// Whose charges are.
#[derive(Serialize, ToSchema)]
#[schema(as = WhoseRows)]
pub struct WhoseRows<'a> {
    /// By owners and currency.
    #[schema(value_type = Vec<WhoseRow>)]
    data: Vec<WhoseRow<'a>>,
    /// The start of the range.
    from: DateTime<Utc>,
    /// Its end, exclusive.
    to: DateTime<Utc>,
    /// The generation that was looked at.
    generation: u64,
}

/// Whose charges are, in the order given.
pub fn whose_json(range: DateRange, generation: u64, rows: &[Whose]) -> WhoseRows<'_> {
    let Instants { from, to } = range.into();
    WhoseRows { data: rows.iter().map(row).collect(), from, to, generation }
}

fn row(whose: &Whose) -> WhoseRow<'_> {
    let Whose { stored, decided, currency, rows, costs } = whose;
    WhoseRow { stored: stored.into(), now: decided.into(), currency: *currency, charges: *rows, costs: (*costs).into() }
}
