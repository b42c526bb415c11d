//! Whose cost it is: teams, what they run, the rules that find a charge's owner, and how shared cost is split.
//!
//! [`Ownership`] is all of it at one time, small enough to be held and checked as a whole: nothing in it names what is not
//! there, and nothing goes in circles ([`Ownership::problems`]). [`Book`] is what it comes to for the charges of some days.
//!
//! Everything that changes does so by the day (P9): a rule has days, and a team's owner, parent and size, a component's team
//! and a pool's split are [`Dated`]. So an answer about last quarter is that of last quarter.
//!
//! Invariant: a charge has exactly one team: one that is named here, one that its tags name (*discovered*, without an
//! accountable owner), a pool (`shared:<pool>`), or `unallocated`.

mod book;
mod change;
mod check;
mod dated;
mod lineage;
mod registry;
mod rule;
mod settling;
mod share;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use book::{Book, BookRule, Choice, Decides};
pub use change::{Audited, Definition, Edit, Kind, Origin};
pub use check::{OwnershipProblem, told};
pub use dated::{Dated, Stretch};
pub use lineage::Lineage;
pub use registry::{Component, Event, Point, Series, Team, ValueMap};
pub use rule::{ByMetric, BySpend, Condition, Pool, Rule, Since, Split, Taken, Target, Value};
pub use settling::{Settling, SettlingFence, SettlingProgress};
pub use share::{DayFacts, NoRate, OwnSpend, Weights};

use crate::{ComponentId, PoolId, RuleId, SeriesId, SourceName, TeamId};

/// What the name of a pool's team begins with.
pub const SHARED: &str = "shared:";

/// The team that a pool's charges have until they are split, and after that for what is left.
#[must_use]
pub fn team_of_pool(pool: &PoolId) -> TeamId {
    TeamId::new(format!("{SHARED}{pool}"))
}

/// The source that its transfers are of.
#[must_use]
pub fn source_of_pool(pool: &PoolId) -> SourceName {
    SourceName::new(format!("{SHARED}{pool}"))
}

/// The pool behind such a team.
#[must_use]
pub fn pool_of_team(team: &str) -> Option<PoolId> {
    team.strip_prefix(SHARED).map(PoolId::new)
}

/// Everything that says whose cost is whose, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ownership {
    /// The teams.
    pub teams: BTreeMap<TeamId, Team>,
    /// What they run.
    pub components: BTreeMap<ComponentId, Component>,
    /// Which spellings mean which names.
    pub maps: BTreeMap<String, ValueMap>,
    /// Shared cost.
    pub pools: BTreeMap<PoolId, Pool>,
    /// What is counted beside cost.
    pub series: BTreeMap<SeriesId, Series>,
    /// The rules, in their order.
    pub rules: Vec<(RuleId, Rule)>,
    /// Who says each of them.
    #[serde(skip)]
    pub origins: BTreeMap<(Kind, String), Origin>,
}

impl Ownership {
    /// The rule of this name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|(id, _)| id.as_str() == name).map(|(_, rule)| rule)
    }

    /// What is said of a name, and by whom.
    #[must_use]
    pub fn definition(&self, kind: Kind, name: &str) -> Option<Definition> {
        match kind {
            Kind::Team => self.teams.get(name).cloned().map(Definition::Team),
            Kind::Component => self.components.get(name).cloned().map(Definition::Component),
            Kind::Map => self.maps.get(name).cloned().map(Definition::Map),
            Kind::Pool => self.pools.get(name).cloned().map(Definition::Pool),
            Kind::Series => self.series.get(name).cloned().map(Definition::Series),
            Kind::Rule => self.rule(name).cloned().map(Definition::Rule),
        }
    }

    /// Who says it.
    #[must_use]
    pub fn origin(&self, kind: Kind, name: &str) -> Option<Origin> {
        self.origins.get(&(kind, name.to_owned())).copied()
    }
}
