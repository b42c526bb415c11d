//! What can go wrong between a caller and the catalog.
//!
//! A variant exists where a caller does something else about it. Addresses of databases appear here only redacted.

use std::error::Error;
use std::fmt;

use chrono::NaiveDate;
use outlay_model::ownership::{Kind, Origin, OwnershipProblem};
use outlay_model::part::BalanceKey;
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, JobId, PartId, SeriesId, SourceName};

/// Any error as a source.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The catalog did not do what it was asked; unless said otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The address is not one of a catalog: a configuration mistake.
    #[error("catalog url {url} {why}; write one such as {}", crate::Address::EXAMPLES)]
    BadUrl {
        /// The address, redacted.
        url: String,
        /// What is wrong with it: what follows upon its name in a sentence.
        why: String,
    },
    /// A newer Outlay has been here.
    #[error(
        "catalog {url} was migrated to version {found} by a newer outlay, this one knows {known}: use that version, \
         or restore the catalog from a backup"
    )]
    Newer {
        /// The address, redacted.
        url: String,
        /// The newest migration found.
        found: i64,
        /// The newest migration known.
        known: i64,
    },
    /// The fence: somebody else replaced the delivery meanwhile. Look at what is live now and decide again.
    #[error(
        "{source_name} {delivery}: {} was to be replaced, but {} is live by now; run the source again",
        part_or_nothing(expected),
        part_or_nothing(found)
    )]
    Superseded {
        /// Whose delivery.
        source_name: SourceName,
        /// Which.
        delivery: DeliveryKey,
        /// The part the caller built upon.
        expected: Option<PartId>,
        /// The part that is live.
        found: Option<PartId>,
    },
    /// The fence of rates: somebody else brought some meanwhile. Look at what holds now and decide again.
    #[error(
        "{source_name}: the rates were those of generation {expected}, and are those of {found} by now; run the source again"
    )]
    RatesMoved {
        /// Whose rates were to be brought.
        source_name: SourceName,
        /// The generation of those they were held against.
        expected: u64,
        /// The generation of those that hold.
        found: u64,
    },
    /// The part's files may be deleted already. Give the part up, remove what was written, stage anew.
    #[error(
        "this run was stopped for so long that it was taken for dead, and the files of its part {part} may be deleted; \
         nothing was committed: run it again"
    )]
    IntentExpired {
        /// Which part.
        part: PartId,
    },
    /// The lease on a job has ended: another replica has it, or may have it any moment. Stop working on it.
    #[error("job {job} {why}; nothing was committed, and whoever takes the job on next does the rest")]
    LeaseLost {
        /// Which job.
        job: JobId,
        /// What happened: what follows upon its name in a sentence.
        why: String,
    },
    /// The lease on settling has ended: another replica has it, or may have it any moment. Stop working on it.
    #[error("settling {why}; what was done so far stands, and whoever takes it on next does the rest")]
    SettlingLost {
        /// What happened: what follows upon its name in a sentence.
        why: String,
    },
    /// There is no such source in the configuration.
    #[error("no source {source_name} is configured; outlay sources lists those that are")]
    NotConfigured {
        /// Its name.
        source_name: SourceName,
    },
    /// The change would leave something that cannot be so.
    #[error("{}", outlay_model::ownership::told(_0))]
    OwnershipProblems(Vec<OwnershipProblem>),
    /// Who says it is somebody else: it is changed where it is said.
    #[error("{kind} {name:?} is said by the {} and changed there", place_of(*origin))]
    SaidElsewhere {
        /// What.
        kind: Kind,
        /// Its name.
        name: String,
        /// Where.
        origin: Origin,
    },
    /// Nothing is said of it.
    #[error("there is no {kind} {name:?}")]
    NotSaid {
        /// What.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// What a series is to count cannot be so.
    #[error("series {:?} on {day}: {why}", series.as_str())]
    BadPoint {
        /// Which series.
        series: SeriesId,
        /// Which day.
        day: NaiveDate,
        /// What is wrong: a sentence.
        why: String,
    },
    /// Two sources state the same days of the same billing account (P4).
    #[error("{0}")]
    Overlap(Box<Overlap>),
    /// Money is unaccounted for (P1); a bug in whoever made the part.
    #[error("{0}")]
    NotConserved(Box<NotConserved>),
    /// The parts of that generation are gone, or there was none yet (a paging cursor that has expired).
    #[error("generation {asked} can no longer be read, the catalog is at {current}; start again without the cursor")]
    GenerationGone {
        /// The generation asked for.
        asked: u64,
        /// The generation there is.
        current: u64,
    },
    /// What was handed in contradicts itself or the catalog; a bug in the caller.
    #[error("{0}")]
    Inconsistent(String),
    /// A row cannot be understood; trying again does not help.
    #[error("the catalog holds {what} that cannot be read; restore the catalog from a backup, or report this")]
    Corrupt {
        /// Which row or column.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The database understood and would not: its user lacks a right, a text is too long for an index, a key is there
    /// already. Trying again does not help.
    #[error("the database refused to {what}; check the rights of its user, or report this")]
    Refused {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The database cannot be reached, is busy, or failed. A commit may or may not have happened: repeat it as it is.
    #[error("the catalog is not available: could not {what}; {}", advice(source))]
    Unavailable {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl CatalogError {
    /// Whether the very same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::BadUrl { .. }
            | Self::Newer { .. }
            | Self::Superseded { .. }
            | Self::RatesMoved { .. }
            | Self::IntentExpired { .. }
            | Self::LeaseLost { .. }
            | Self::SettlingLost { .. }
            | Self::NotConfigured { .. }
            | Self::OwnershipProblems(_)
            | Self::SaidElsewhere { .. }
            | Self::NotSaid { .. }
            | Self::BadPoint { .. }
            | Self::Overlap(_)
            | Self::NotConserved(_)
            | Self::GenerationGone { .. }
            | Self::Inconsistent(_)
            | Self::Corrupt { .. }
            | Self::Refused { .. } => false,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }
}

const fn place_of(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "API",
        Origin::File => "ownership file",
        Origin::Backstage => "Backstage catalog",
    }
}

/// What two sources both state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The source that was to be committed.
    pub source: SourceName,
    /// The source that is live already.
    pub other: SourceName,
    /// The provider; `None` when neither states one.
    pub provider: Option<String>,
    /// The invoiced account; `None` when neither states one.
    pub billing_account: Option<String>,
    /// The first day both state.
    pub first: NaiveDate,
    /// The last day both state.
    pub last: NaiveDate,
    /// How many days both state.
    pub days: u64,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, other, provider, billing_account, first, last, days } = self;
        let provider = provider.as_deref().unwrap_or("(no provider)");
        let account = billing_account.as_deref().unwrap_or("(none)");
        let unit = if *days == 1 { "day" } else { "days" };
        write!(
            f,
            "{source} and {other} both state {provider} billing account {account} on {days} {unit} from {first} to \
             {last}, which would count it twice; take one of the two sources out, or give it role = \"shadow\""
        )
    }
}

/// Which sum does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotConserved {
    /// The part that was to be committed.
    pub part: PartId,
    /// Which cost.
    pub metric: Metric,
    /// Which invoice; for sums by day only the currency is set.
    pub key: BalanceKey,
    /// What was compared.
    pub between: &'static str,
    /// The difference, as canonical text.
    pub difference: String,
}

impl fmt::Display for NotConserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, metric, key, between, difference } = self;
        write!(f, "part {part}: {} of", metric.column())?;
        if let Some(invoice) = &key.invoice {
            write!(f, " invoice {invoice}")?;
        }
        if let Some(period) = key.billing_period {
            write!(f, " billing period {period}")?;
        }
        let currency = if key.currency.is_empty() { "(no currency)" } else { &key.currency };
        write!(f, " {currency} is off by {difference} between {between}; nothing was committed, report this")
    }
}

/// What to do about a database that failed. What SQLite says has no other form than its words.
fn advice(error: &BoxError) -> &'static str {
    let said = error.to_string();
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if says(&["is locked"]) {
        "another process has been writing to it for too long: wait for that one, or stop it, and try again"
    } else if says(&["disk is full"]) {
        "make room on its disk, and try again"
    } else if says(&["readonly database", "unable to open database file"]) {
        "it has to be there, and outlay has to be able to write to it and to its folder"
    } else if says(&["not a database", "malformed"]) {
        "its file is damaged: restore it from a backup, or move it away and rebuild it with outlay recover"
    } else {
        "try again, and check the database and its disk"
    }
}

fn part_or_nothing(part: &Option<PartId>) -> &str {
    part.as_ref().map_or("no part", PartId::as_str)
}

/// Says what was being done when the database failed.
pub(crate) trait During<T> {
    /// `what` completes "could not …".
    fn during(self, what: &str) -> Result<T, CatalogError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, what: &str) -> Result<T, CatalogError> {
        self.map_err(|error| {
            let what = what.to_owned();
            match error {
                sqlx::Error::Database(error) => {
                    let refused = is_refusal(&*error);
                    // What the database says stands in its error and in the source of it; once is enough.
                    let source = error.to_string().into();
                    if refused {
                        CatalogError::Refused { what, source }
                    } else {
                        CatalogError::Unavailable { what, source }
                    }
                }
                other => CatalogError::Unavailable { what, source: other.into() },
            }
        })
    }
}

/// Whether the database would say the same again. PostgreSQL's codes have five characters, the first two of which are their
/// class: data exceptions, constraints, syntax and rights, limits. SQLite's are shorter.
fn is_refusal(error: &dyn sqlx::error::DatabaseError) -> bool {
    let class = error.code().filter(|code| code.len() == 5).map(|code| code[..2].to_owned());
    class.is_some_and(|class| matches!(class.as_str(), "22" | "23" | "42" | "54"))
        || !matches!(error.kind(), sqlx::error::ErrorKind::Other)
}
