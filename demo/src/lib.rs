//! Invents a company's cloud bills: thirteen months of FOCUS export files, for `outlay demo` and for tests that need bills
//! whose every figure is known.
//!
//! The bills come as files in the providers' own layouts rather than as rows in memory, so that the demo runs the real pipeline
//! from its first step, and they hold what makes real bills hard: three currencies, four FOCUS versions with different columns
//! in different orders, three spellings of the team tag and spend without one, commitments, credits, refunds, corrections of
//! invoiced months, taxes, rounding, a metric that one provider does not state, and a few anomalies with a story.
//!
//! Invariants:
//! - The same seed and day give the same bytes: nothing reads a clock, an environment variable or a directory, and no money is
//!   ever a float ([`money`]). (The gzipped ones once unpacked: packing is up to the version of `flate2`.)
//! - Usage covers every day from the first of the month twelve months back to yesterday; files exist only for months that have
//!   days ([`calendar`]).
//! - Per commitment and month, Σ EffectiveCost of usage = Σ BilledCost of purchases; a closed month's billed costs add up to
//!   whole cents ([`bill`]).
//! - Rows keep the rules of FOCUS on nulls, costs and categories ([`row`]).
//!
//! The way through: [`company`] says who runs what, a provider's module ([`aws`], [`azure`], [`gcp`], [`saas`]) says what that is
//! made of and costs there, [`mod@line`] makes it use something day by day, [`bill`] writes the months,
//! those of AWS into a Data Export ([`export`]).
#![allow(rustdoc::private_intra_doc_links, reason = "the map above is for readers of this crate")]

use std::fs;
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
mod export;
mod gcp;
mod line;
mod money;
mod offer;
mod rates;
mod row;
mod saas;
mod source;
mod tags;

pub use anomalies::{AnomalyKind, PlantedAnomaly};
pub use company::{Company, Component, Team};
pub use rates::rates;

use anomalies::Plan;
use calendar::Window;
use chance::Chance;
use line::Workshop;
use money::Decimal;
use saas::{atlas, datadog};
use source::Source;

/// What [`write_bills`] has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bills {
    /// One entry per source, always the same five in the same order.
    pub sources: Vec<SourceBills>,
    /// What a detector should find, in no particular order.
    pub planted: Vec<PlantedAnomaly>,
    /// The JSON file that lists `planted`.
    pub planted_file: PathBuf,
}

/// The files of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceBills {
    /// Name of the source and of its folder.
    pub name: String,
    /// FOCUS ProviderName.
    pub provider: String,
    /// The folder of the AWS Data Export that the files are in; `None` where they simply lie in the source's folder.
    pub export: Option<PathBuf>,
    /// Oldest first: twelve, or thirteen unless today is the first of a month.
    pub months: Vec<MonthFile>,
}

/// One billing month of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthFile {
    /// `2026-10`
    pub month: String,
    /// A `.csv` or `.csv.gz` file.
    pub path: PathBuf,
    /// Charges in it; the header is not one.
    pub rows: u64,
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

impl DemoError {
    /// The CSV writer is only given rows of one length, so what fails is always the file below it.
    fn row(path: &Path, error: csv::Error) -> DemoError {
        DemoError::Write { path: path.to_owned(), source: error.into() }
    }
}

/// Writes the bills of twelve whole months and of the current one up to the day before `today` below `dir`.
///
/// There is one file per source and billing month, `<dir>/<source>/<YYYY-MM>.csv` or `.csv.gz`, and `<dir>/planted-anomalies.json`.
/// Those of AWS lie as a Data Export does, each with its manifest.
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
    let mut written = Vec::with_capacity(sources.len());
    for source in &sources {
        let folder = dir.join(source.name);
        let export = source.export.map(|export| export.folder(&folder));
        let mut months = Vec::with_capacity(window.months.len());
        for month in &window.months {
            let label = month.label();
            let path = match (source.export, &export) {
                (Some(export), Some(folder)) => folder.join(export.file(&label)),
                _ => folder.join(format!("{label}.{}", if source.compressed { "csv.gz" } else { "csv" })),
            };
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|source| DemoError::Write { path: folder.to_owned(), source })?;
            }
            let rows = bill::write_month(source, &window, month, &plans, &path, &mut extras)?;
            if let (Some(export), Some(folder)) = (source.export, &export) {
                let manifest = export.write_manifest(folder, &label, source.columns);
                manifest.map_err(|(path, source)| DemoError::Write { path, source })?;
            }
            months.push(MonthFile { month: label, path, rows });
        }
        let (name, provider) = (source.name.to_owned(), source.head.provider.to_owned());
        written.push(SourceBills { name, provider, export, months });
    }
    let currency = |name| sources.iter().find(|source| source.name == name).map_or("", |source| source.head.currency);
    let planted: Vec<PlantedAnomaly> =
        plans.iter().zip(extras).map(|(plan, extra)| plan.told(extra, currency(plan.source))).collect();
    let planted_file = dir.join("planted-anomalies.json");
    write_json(&planted_file, &planted)
        .map_err(|error| DemoError::Write { path: planted_file.clone(), source: error })?;
    Ok(Bills { sources: written, planted, planted_file })
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

fn write_json(path: &Path, planted: &[PlantedAnomaly]) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(planted)?;
    text.push(b'\n');
    fs::write(path, text)
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
