//! Invents a company's cloud bills: thirteen months of them, as providers export them, for `outlay demo` and for tests that
//! need bills whose every figure is known.
//!
//! The bills come as files in the providers' own layouts rather than as rows in memory, so that the demo runs the real pipeline
//! from its first step, and they hold what makes real bills hard: three currencies, FOCUS in three versions, Microsoft's cost
//! details and Google's usage export, three spellings of the team tag and spend without one, commitments, credits, refunds,
//! corrections of invoiced months, taxes, rounding, months that begin in California, and a few anomalies with a story.
//!
//! Invariants:
//! - The same seed and day give the same bytes: nothing reads a clock, an environment variable or a directory, and no money is
//!   ever a float ([`money`]). (The gzipped ones once unpacked: packing is up to the version of `flate2`.)
//! - Usage covers every day from the first of the month twelve months back to yesterday; files exist only for months that have
//!   days ([`calendar`]).
//! - Per commitment and month, Σ EffectiveCost of usage = Σ BilledCost of purchases; a closed month's billed costs add up to
//!   whole cents ([`bill`]).
//! - Rows keep the rules of FOCUS on nulls, costs and categories ([`row`]).
//! - What everything adds up to is told beside the bills ([`Sum`]), added up from what was invented and not from what was
//!   written.
//!
//! The way through: [`company`] says who runs what, a provider's module ([`aws`], [`azure`], [`gcp`], [`saas`]) says what that is
//! made of and costs there, [`mod@line`] makes it use something day by day, [`bill`] charges for it month by month, and
//! [`form`] writes that down as the provider does.
#![allow(rustdoc::private_intra_doc_links, reason = "the map above is for readers of this crate")]

use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

mod anomalies;
mod aws;
mod azure;
mod bill;
mod calendar;
mod chance;
mod company;
mod form;
mod gcp;
mod line;
mod money;
mod offer;
mod ownership;
mod rates;
mod row;
mod saas;
mod source;
mod sums;
mod tags;

pub use anomalies::{AnomalyKind, PlantedAnomaly};
pub use company::{Company, Component, Team};
pub use ownership::{Ownership, Release, ownership};
pub use rates::rates;
pub use sums::Sum;

use anomalies::Plan;
use calendar::Window;
use chance::Chance;
use form::sink::write_json;
use line::Workshop;
use money::Decimal;
use saas::{atlas, datadog};
use source::Source;
use sums::Sums;

/// What [`write_bills`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bills {
    /// One entry per source, always the same five in the same order.
    pub sources: Vec<SourceBills>,
    /// What a detector should find, in no particular order.
    pub planted: Vec<PlantedAnomaly>,
    /// The JSON file that lists `planted`.
    pub planted_file: PathBuf,
    /// What everything adds up to.
    pub sums: Vec<Sum>,
    /// The JSON file that lists `sums`.
    pub sums_file: PathBuf,
}

/// The files of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceBills {
    /// Name of the source and of its folder.
    pub name: String,
    /// FOCUS ProviderName.
    pub provider: String,
    /// What the files are of.
    pub export: Export,
    /// Oldest first: twelve, or thirteen unless today is the first of a month.
    pub months: Vec<MonthFiles>,
}

/// What a provider writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// FOCUS, a gzipped CSV file a month.
    Focus,
    /// A FOCUS Data Export of AWS in this folder.
    DataExport(PathBuf),
    /// Microsoft's cost details, each export in its folder.
    CostDetails {
        /// Actual cost.
        actual: PathBuf,
        /// Amortised cost.
        amortised: PathBuf,
    },
    /// Google's detailed usage export in this folder, as JSON lines.
    UsageExport(PathBuf),
}

/// One billing month of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthFiles {
    /// `2026-10`
    pub month: String,
    /// In order.
    pub files: Vec<PathBuf>,
    /// Charges in them, as FOCUS means them.
    pub charges: u64,
}

/// Why the bills could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There are no twelve months before this day in the calendar.
    #[error("no twelve months lie before {today}")]
    Calendar {
        /// The day asked for.
        today: NaiveDate,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes the bills of twelve whole months and of the current one up to the day before `today` below `dir`.
///
/// Each source has a folder, and lays its files out in it as its provider does; beside them are `<dir>/planted-anomalies.json`
/// and `<dir>/sums.json`.
/// Folders are created; files of the same name are replaced, other files are left alone, so give it an empty folder. An error
/// leaves what was written before it.
///
/// # Errors
///
/// [`DemoError::Calendar`] within a year of the calendar's beginning, [`DemoError::Write`] if a file cannot be written.
pub fn write_bills(dir: &Path, seed: u64, today: NaiveDate) -> Result<Bills, DemoError> {
    let window = Window::ending(today).ok_or(DemoError::Calendar { today })?;
    let chance = Chance::new(seed);
    let plans = anomalies::plan(chance, &window);
    let sources = sources(chance, &window, &plans);
    let mut extras = vec![Decimal::ZERO; plans.len()];
    let mut sums = Sums::default();
    let mut written = Vec::with_capacity(sources.len());
    for source in &sources {
        let folder = dir.join(source.name);
        let mut months = Vec::with_capacity(window.months.len());
        for month in &window.months {
            let bill = bill::write_month(source, &window, month, &plans, &folder, &mut extras, &mut sums)?;
            months.push(MonthFiles { month: month.label(), files: bill.files, charges: bill.charges });
        }
        let (name, provider) = (source.name.to_owned(), source.head.provider.to_owned());
        written.push(SourceBills { name, provider, export: source.form.export(&folder), months });
    }
    let currency = |name| sources.iter().find(|source| source.name == name).map_or("", |source| source.head.currency);
    let planted: Vec<PlantedAnomaly> =
        plans.iter().zip(extras).map(|(plan, extra)| plan.told(extra, currency(plan.source))).collect();
    let sums = sums.told();
    let (planted_file, sums_file) = (dir.join("planted-anomalies.json"), dir.join("sums.json"));
    write_json(&planted_file, &planted)?;
    write_json(&sums_file, &sums)?;
    Ok(Bills { sources: written, planted, planted_file, sums, sums_file })
}

/// The five sources. The numbers are the contract's discount in percent and the digits after a cost's point.
fn sources(chance: Chance, window: &Window, plans: &[Plan]) -> [Source; 5] {
    let workshop = |source, scheme, sku, discount, cost_scale| Workshop {
        source,
        chance,
        window,
        plans,
        scheme,
        discount,
        cost_scale,
        sku,
    };
    [
        aws::source(&workshop(aws::NAME, aws::SCHEME, aws::sku, 7, 10)),
        azure::source(&workshop(azure::NAME, azure::SCHEME, azure::sku, 5, 10)),
        gcp::source(&workshop(gcp::NAME, gcp::SCHEME, gcp::sku, 0, 9)),
        datadog::source(&workshop(datadog::NAME, datadog::SCHEME, datadog::sku, 12, 8)),
        atlas::source(&workshop(atlas::NAME, atlas::SCHEME, atlas::sku, 0, 8)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use company::{Cloud, Environment};

    #[test]
    fn every_place_a_component_runs_in_bills_it() {
        let window = Window::ending("2026-10-17".parse().expect("a date")).expect("a window");
        let chance = Chance::new(1);
        let [aws, azure, gcp, _, atlas] = sources(chance, &window, &anomalies::plan(chance, &window));
        for component in Company::invented().components {
            for run in component.runs {
                let source = match run.cloud {
                    Cloud::Aws => &aws,
                    Cloud::Azure => &azure,
                    Cloud::Gcp => &gcp,
                    Cloud::Atlas => &atlas,
                };
                let billed = source.lines.iter().any(|line| {
                    line.owner.component == Some(component.name) && line.owner.environment == Environment::Prod
                });
                assert!(billed, "{} is not on the bill of {}", component.name, source.name);
            }
        }
    }

    #[test]
    fn every_anomaly_and_event_finds_what_it_is_about() {
        let window = Window::ending("2026-10-17".parse().expect("a date")).expect("a window");
        let chance = Chance::new(1);
        let plans = anomalies::plan(chance, &window);
        let sources = sources(chance, &window, &plans);
        for plan in &plans {
            let source = sources.iter().find(|source| source.name == plan.source).expect("a source");
            let hit = |line: &line::Line| plan.hits(plan.source, &line.owner, line.offer.service.name);
            assert!(source.lines.iter().any(hit), "{}", plan.why);
        }
        for source in &sources {
            for event in &source.events {
                let (source::What::Refund(usage) | source::What::Correction(usage)) = &event.what else {
                    continue;
                };
                assert!(usage.line(source).is_some(), "{}", event.description);
            }
        }
    }
}
