//! The words of the house: what a charge, a part, a query and an answer are.
//!
//! No IO, no engine, no clock: everything here is a value or a pure function, so every other room can share it without
//! pulling in anything. Money is [`Money`], never a float; days are half-open [`DateRange`]s in UTC; text that comes
//! from a person (periods, filters, group-bys) is parsed here once, for the command line and the API alike.

pub mod currency;
pub mod dimension;
pub mod export;
pub mod filter;
pub mod focus;
pub mod ids;
pub mod job;
pub mod money;
pub mod ownership;
pub mod part;
pub mod period;
pub mod query;
pub mod rates;
pub mod ratio;
pub mod report;
pub mod source;
pub mod tags;

pub use currency::Currency;
pub use dimension::Dimension;
pub use filter::Filter;
pub use ids::{ComponentId, DeliveryKey, JobId, PartId, PoolId, RuleId, RunId, SeriesId, SourceName, TagKey, TeamId};
pub use job::{Fence, Job, JobProgress, JobState, Request, RequestedBy};
pub use money::Money;
pub use period::{DateRange, Granularity};
pub use ratio::Ratio;
pub use source::{DayState, Role, Source, Yields};

/// The team of a charge that no rule claims (docs/ARCHITECTURE.md).
pub const UNALLOCATED: &str = "unallocated";
