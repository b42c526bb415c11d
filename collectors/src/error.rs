//! What can go wrong while reading a bill.

use std::io;
use std::path::PathBuf;

use outlay_model::SourceName;
use polars::prelude::PolarsError;

use crate::http::FetchError;

/// A bill could not be read. Lines that cannot be taken are not errors but rejects.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Nothing is there to be read.
    #[error("{pattern}: no such file, or a folder or pattern without .csv, .jsonl or .parquet files, gzipped or not")]
    NothingFound {
        /// What was asked for.
        pattern: String,
    },
    /// A pattern that is not one.
    #[error("{pattern}: not a file pattern")]
    Pattern {
        /// What was asked for.
        pattern: String,
        /// Why.
        #[source]
        source: glob::PatternError,
    },
    /// A file or folder that a pattern names cannot be looked at.
    #[error("{pattern}: cannot be searched")]
    Search {
        /// What was asked for.
        pattern: String,
        /// Why.
        #[source]
        source: glob::GlobError,
    },
    /// The file cannot be read (any further).
    #[error("{}: cannot be read after line {line}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The last line that could be read.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing is in the file.
    #[error("{}: is empty, not even a header is there; deliver it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{}: is {what}, not UTF-8 CSV, JSON lines, gzip or Parquet; convert or unpack it first", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// Rows of different columns in one file.
    #[error("{}: line {line} is another header, with other columns; cut the file in two before it", path.display())]
    OtherHeader {
        /// The file.
        path: PathBuf,
        /// Where it stands.
        line: u64,
    },
    /// The Parquet file cannot be read.
    #[error("{}: cannot be read as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PolarsError,
    },
    /// The file lacks columns without which no charge can be kept.
    #[error("{}: not a FOCUS export, the columns {missing} are missing{hint}", path.display())]
    NotFocus {
        /// The file.
        path: PathBuf,
        /// Which.
        missing: String,
        /// What else is odd about its header.
        hint: &'static str,
    },
    /// A line of kept answers says something else.
    #[error("{}: line {line} {what}; collect the month again", path.display())]
    NotAnswers {
        /// The file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file is no Cost and Usage Report.
    #[error(
        "{}: not an AWS Cost and Usage Report, the columns {missing} are missing (or the same as section/Name)",
        path.display()
    )]
    NotCur {
        /// The file.
        path: PathBuf,
        /// Which.
        missing: String,
    },
    /// The file is no billing export of Google Cloud.
    #[error("{}: not a billing export of Google Cloud, {what}", path.display())]
    NotGcpBilling {
        /// The file.
        path: PathBuf,
        /// What it lacks, or has that such an export does not.
        what: String,
    },
    /// The file is no Azure cost details.
    #[error(
        "{}: not Azure cost details, these columns are missing: {missing}{hint}", path.display()
    )]
    NotAzureCost {
        /// The file.
        path: PathBuf,
        /// Which.
        missing: String,
        /// What it is in place of that.
        hint: &'static str,
    },
    /// Which statement of the costs the file is of is not known.
    #[error(
        "{}: nothing tells whether it is actual or amortised cost; give it a name, or a folder, with actual or amortized in it",
        path.display()
    )]
    StatementUnknown {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another statement than it is said to be.
    #[error("{}: is said to be actual cost, but has lines of {charge_type}, which only amortised cost has; correct url or the file's name", path.display())]
    OtherStatement {
        /// The file.
        path: PathBuf,
        /// What it has.
        charge_type: String,
    },
    /// The file has other rows than it is said to have.
    #[error("{}: has {rows} rows, and the manifest says {stated}: it did not arrive whole, or was written by half; the next run reads it again", path.display())]
    OtherCount {
        /// The file.
        path: PathBuf,
        /// How many it has.
        rows: u64,
        /// How many it is said to have.
        stated: u64,
    },
    /// The files state several billing periods, so what a later import of them would replace is not clear.
    #[error(
        "{}: holds {periods} billing periods ({list}); say with --delivery KEY what a later import of the same files replaces",
        path.display()
    )]
    SeveralPeriods {
        /// The file.
        path: PathBuf,
        /// How many.
        periods: usize,
        /// Which.
        list: String,
    },
    /// Two files hold the same, packed or not: taking both would count them twice.
    #[error("{} holds the same as {}: give one of them", path.display(), twin.display())]
    SameFile {
        /// One.
        path: PathBuf,
        /// The other.
        twin: PathBuf,
    },
    /// No row names a billing period.
    #[error("{}: no row has a BillingPeriodStart; say with --delivery KEY what the file states", path.display())]
    NoPeriod {
        /// The file.
        path: PathBuf,
    },
    /// What a source is configured with cannot be understood.
    #[error("{source_name}: {}", .error.message())]
    Settings {
        /// Which source.
        source_name: SourceName,
        /// Why.
        error: toml::de::Error,
    },
    /// Something could not be brought from the provider.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Nobody wants the rest of a bill that is being read.
    #[error("stopped before the end")]
    Stopped,
    /// A frame could not be built; a bug.
    #[error("a batch could not be normalised")]
    Frame(#[from] PolarsError),
}
