//! How much of all spend has an owner, and what to claim next.

use chrono::NaiveDate;
use outlay_catalog::Snapshot;
use outlay_model::dimension::Fixed;
use outlay_model::ownership::SHARED;
use outlay_model::query::Metric;
use outlay_model::report::{Scope, Warning};
use outlay_model::{Dimension, Filter, Granularity, Money, TagKey};

use super::{About, Ask, OwnedQuery, share, sum, total};
use crate::convert::Cells;
use crate::lineage::Counts;
use crate::{InsightError, Insights};

/// Asks how much of some spend has an owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimedQuery {
    /// Which spend.
    pub owned: OwnedQuery,
    /// Which charges of it.
    pub filter: Filter,
    /// How many of the biggest that have no owner are named of each kind.
    pub most: usize,
}

/// Some of the spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its cost.
    pub cost: Option<Money>,
    /// How much of all cost that is.
    pub share: Option<Money>,
    /// Its billed cost.
    pub billed: Option<Money>,
    /// How much of all billed cost that is.
    pub billed_share: Option<Money>,
}

/// What carries a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagPart {
    /// The key.
    pub key: TagKey,
    /// How much carries it.
    pub part: Part,
}

/// How much of some spend has an owner. What is with a team, in pools and unallocated is all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What there is to know of the figures.
    pub about: About,
    /// All of it.
    pub total: Part,
    /// What a team spent, be it registered or only named by tags.
    pub team: Part,
    /// Of that, what teams spent for which nobody was accountable on the day.
    pub without_owner: Part,
    /// What waits in pools to be split.
    pub in_pools: Part,
    /// What no rule claims.
    pub unallocated: Part,
    /// What is part of a component.
    pub component: Part,
    /// What is of an environment.
    pub environment: Part,
    /// What carries each of the tags that are required.
    pub tags: Vec<TagPart>,
    /// The accounts with most that no rule claims.
    pub accounts: Unclaimed,
    /// The services.
    pub services: Unclaimed,
    /// The resources; `None` where that is kept no longer, or there are too many.
    pub resources: Option<Unclaimed>,
}

/// What no rule claims, by one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimed {
    /// The biggest, first.
    pub lines: Vec<UnclaimedLine>,
    /// How many more there are.
    pub more: usize,
    /// What they cost, and what has no value of this dimension: with the lines it is all that no rule claims.
    pub rest: Option<Money>,
}

/// Something that no rule claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnclaimedLine {
    /// Which account, service or resource.
    pub value: String,
    /// What of it no rule claims.
    pub cost: Option<Money>,
    /// How much of all spend that is.
    pub share: Option<Money>,
    /// The condition of a rule that would claim it.
    pub condition: String,
}

/// The two costs of all that some filter lets through.
type Costs = (Option<Money>, Option<Money>);

impl Insights {
    /// How much of some spend has an owner, and the biggest of what has none.
    ///
    /// # Errors
    /// As [`Insights::spend`].
    pub async fn claimed(
        &self,
        query: &ClaimedQuery,
        today: NaiveDate,
        scope: &Scope,
    ) -> Result<Claimed, InsightError> {
        let snapshot = self.catalog.snapshot().await?;
        let all = Ask::total(query.filter.clone());
        let cells = self.figures(&snapshot, &query.owned, &all, scope).await?;
        let mut about = self.about(&snapshot, &query.owned, &cells, today).await?;
        let costs = async |filter: &Filter| self.costs(&snapshot, query, filter.clone(), scope).await;
        let null = |dimension: Dimension| Filter::IsNull(dimension);
        let not = |filter: Filter| Filter::Not(Box::new(filter));
        let (nobody, pools) = (null(Fixed::Team.into()), Filter::Like(Fixed::Team.into(), format!("{SHARED}%")));
        let team = not(nobody.clone()).and(not(pools.clone()));
        let (by_teams, by_pools, by_nobody) = (costs(&team).await?, costs(&pools).await?, costs(&nobody).await?);
        // Each is rounded where it is converted, so their sum is the whole that they are parts of.
        let mut whole = costs(&Filter::everything()).await?;
        for (cost, pick) in [(&mut whole.0, (|costs| costs.0) as fn(Costs) -> _), (&mut whole.1, |costs| costs.1)] {
            if cost.is_some() {
                *cost = sum(&[by_teams, by_pools, by_nobody].map(pick))?;
            }
        }
        let part = async |filter: Filter| part(costs(&filter).await?, whole);
        let mut tags = Vec::new();
        for key in self.tags.required_keys() {
            let part = part(not(null(Dimension::Tag(key.clone())))).await?;
            tags.push(TagPart { key, part });
        }
        let unallocated = self::part(by_nobody, whole)?;
        let resources = match self.unclaimed(&snapshot, query, Fixed::Resource, unallocated.cost, whole.0, scope).await
        {
            Ok(resources) => Some(resources),
            // The shares are worth having without the resources, of which there may be as many as charges.
            Err(error @ (InsightError::DetailExpired { .. } | InsightError::TooManyRows { .. })) => {
                let message = format!("the biggest resources without an owner are not told: {error}");
                about.warnings.push(Warning { code: "resources_left_out", message });
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Claimed {
            about,
            total: self::part(whole, whole)?,
            team: self::part(by_teams, whole)?,
            without_owner: part(team.and(null(Fixed::Owner.into()))).await?,
            in_pools: self::part(by_pools, whole)?,
            component: part(not(null(Fixed::Component.into()))).await?,
            environment: part(not(null(Fixed::Environment.into()))).await?,
            tags,
            accounts: self.unclaimed(&snapshot, query, Fixed::Account, unallocated.cost, whole.0, scope).await?,
            services: self.unclaimed(&snapshot, query, Fixed::Service, unallocated.cost, whole.0, scope).await?,
            resources,
            unallocated,
        })
    }

    /// What the charges of the question cost that a filter lets through; nothing where there is none.
    async fn costs(
        &self,
        snapshot: &Snapshot,
        query: &ClaimedQuery,
        filter: Filter,
        scope: &Scope,
    ) -> Result<Costs, InsightError> {
        let ask = Ask::total(query.filter.clone().and(filter));
        let cost = |cells: Cells| if cells.is_empty() { Ok(Some(Money::ZERO)) } else { total(&cells) };
        let chosen = cost(self.figures(snapshot, &query.owned, &ask, scope).await?)?;
        if query.owned.metric == Metric::Billed {
            return Ok((chosen, chosen));
        }
        let billed = OwnedQuery { metric: Metric::Billed, ..query.owned };
        Ok((chosen, cost(self.figures(snapshot, &billed, &ask, scope).await?)?))
    }

    async fn unclaimed(
        &self,
        snapshot: &Snapshot,
        query: &ClaimedQuery,
        dimension: Fixed,
        unallocated: Option<Money>,
        whole: Option<Money>,
        scope: &Scope,
    ) -> Result<Unclaimed, InsightError> {
        let ask = Ask {
            granularity: Granularity::Total,
            filter: query.filter.clone().and(Filter::IsNull(Fixed::Team.into())),
            group_by: &[dimension],
            counts: Counts::Once,
        };
        let cells = self.figures(snapshot, &query.owned, &ask, scope).await?;
        let named = cells.into_iter().filter_map(|(place, cell)| Some((place.keys.into_iter().next()??, cell.cost)));
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by(|(a, a_cost), (b, b_cost)| b_cost.cmp(a_cost).then_with(|| a.cmp(b)));
        let more = named.len().saturating_sub(query.most);
        named.truncate(query.most);
        let mut rest = unallocated;
        let mut lines = Vec::with_capacity(named.len());
        for (value, cost) in named {
            if let (Some(sum), Some(cost)) = (rest, cost) {
                rest = Some(sum.checked_sub(cost).ok_or(InsightError::Overflow)?);
            }
            let condition = Filter::equals(dimension, value.as_ref()).to_string();
            lines.push(UnclaimedLine { value: value.to_string(), cost, share: share(cost, whole)?, condition });
        }
        Ok(Unclaimed { lines, more, rest })
    }
}

fn part((cost, billed): Costs, (whole, all_billed): Costs) -> Result<Part, InsightError> {
    Ok(Part { cost, share: share(cost, whole)?, billed, billed_share: share(billed, all_billed)? })
}
