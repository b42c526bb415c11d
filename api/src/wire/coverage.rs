//! How much of the spend has an owner.

use outlay_insights as insights;
use outlay_model::Money;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, Grounds};

/// Some of the spend.
#[derive(Serialize, ToSchema)]
pub struct Share {
    /// Its cost, by the metric asked for.
    #[schema(value_type = Option<Amount>, required)]
    cost: Option<Money>,
    /// How much of all cost that is, half-even at 12 decimals; null of nothing.
    #[schema(value_type = Option<Amount>, required)]
    share: Option<Money>,
    /// Its billed cost.
    #[schema(value_type = Option<Amount>, required)]
    billed: Option<Money>,
    /// How much of all billed cost that is.
    #[schema(value_type = Option<Amount>, required)]
    billed_share: Option<Money>,
}

impl From<&insights::Part> for Share {
    fn from(part: &insights::Part) -> Self {
        Self { cost: part.cost, share: part.share, billed: part.billed, billed_share: part.billed_share }
    }
}

/// What carries a tag that every charge should carry.
#[derive(Serialize, ToSchema)]
pub struct TagShare<'a> {
    /// The key.
    key: &'a str,
    #[serde(flatten)]
    share: Share,
}

/// Something that no rule claims.
#[derive(Serialize, ToSchema)]
pub struct UnownedLine<'a> {
    /// Which.
    #[schema(example = "123456789012")]
    value: &'a str,
    /// What of it no rule claims.
    #[schema(value_type = Option<Amount>, required)]
    cost: Option<Money>,
    /// How much of all cost that is, half-even at 12 decimals.
    #[schema(value_type = Option<Amount>, required)]
    share: Option<Money>,
    /// The condition of a rule that would claim it.
    #[schema(example = "account = '123456789012'")]
    condition: &'a str,
}

/// The biggest of what no rule claims.
#[derive(Serialize, ToSchema)]
pub struct Unowned<'a> {
    #[schema(value_type = Vec<UnownedLine>)]
    data: Vec<UnownedLine<'a>>,
    /// How many more there are.
    more: usize,
    /// What those cost, and what has no value here: with the lines it is all that no rule claims.
    #[schema(value_type = Option<Amount>, required)]
    rest: Option<Money>,
}

impl<'a> From<&'a insights::Unclaimed> for Unowned<'a> {
    fn from(unclaimed: &'a insights::Unclaimed) -> Self {
        let lines = unclaimed.lines.iter().map(|line| UnownedLine {
            value: &line.value,
            cost: line.cost,
            share: line.share,
            condition: &line.condition,
        });
        Self { data: lines.collect(), more: unclaimed.more, rest: unclaimed.rest }
    }
}

/// The biggest of what no rule claims, each of it once by account, by service and by resource.
#[derive(Serialize, ToSchema)]
pub struct BiggestUnowned<'a> {
    #[schema(value_type = Unowned)]
    accounts: Unowned<'a>,
    #[schema(value_type = Unowned)]
    services: Unowned<'a>,
    /// Null where that is kept no longer, or there are too many: a warning says so.
    #[schema(value_type = Option<Unowned>, required)]
    resources: Option<Unowned<'a>>,
}

/// How much of the spend has an owner. What is with a team, in pools and unallocated is all of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Coverage)]
pub struct Coverage<'a> {
    /// All of it.
    total: Share,
    /// What a team spent, registered or not.
    team: Share,
    /// Of that, what was spent by teams for which nobody was accountable on the day.
    without_owner: Share,
    /// What waits in pools to be split.
    in_pools: Share,
    /// What no rule claims.
    unallocated: Share,
    /// What is part of a component.
    component: Share,
    /// What is of an environment.
    environment: Share,
    /// What carries each tag of `[tags] required`.
    #[schema(value_type = Vec<TagShare>)]
    tags: Vec<TagShare<'a>>,
    #[schema(value_type = BiggestUnowned)]
    biggest_unowned: BiggestUnowned<'a>,
    #[serde(flatten)]
    grounds: Grounds<'a>,
}

/// How much of the spend has an owner.
#[must_use]
pub fn coverage_json(claimed: &insights::Claimed) -> Coverage<'_> {
    let tags = claimed.tags.iter().map(|tag| TagShare { key: tag.key.as_str(), share: (&tag.part).into() });
    Coverage {
        total: (&claimed.total).into(),
        team: (&claimed.team).into(),
        without_owner: (&claimed.without_owner).into(),
        in_pools: (&claimed.in_pools).into(),
        unallocated: (&claimed.unallocated).into(),
        component: (&claimed.component).into(),
        environment: (&claimed.environment).into(),
        tags: tags.collect(),
        biggest_unowned: BiggestUnowned {
            accounts: (&claimed.accounts).into(),
            services: (&claimed.services).into(),
            resources: claimed.resources.as_ref().map(Into::into),
        },
        grounds: Grounds::of(&claimed.about),
    }
}
