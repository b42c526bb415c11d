//! The order of the pipeline, written here once: list, fetch, survey, normalise, own, stage, check, commit, record, settle, sweep (docs/ARCHITECTURE.md).

mod arrive;
mod balance;
mod collect;
mod guards;
mod import;
mod lease;
mod lost;
mod purse;
mod rates;
mod record;
mod recover;
mod reown;
mod reread;
mod reshape;
mod settle;
mod share;
mod sweep;

pub use collect::{Collection, Collections, Link, Wanted, collect, connect, wanted};
pub use import::{Force, ImportRequest, Progress, Quiet, import};
pub use lost::{forget_transfers, lost_transfers};
pub use rates::{WantedRates, said, wanted_rates};
pub use record::{forgotten, record, same_history};
pub use recover::{LeftOut, Recovered, recover};
pub use reread::reread;
pub use reshape::{Stale, Which, keep_in_shape, rebuild, stale};
pub use settle::{Settled, settle};
pub use share::{Failed, Left, Shared, share};
pub use sweep::sweep;
