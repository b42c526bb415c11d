//! Why a question was not answered.

use std::fmt;

use outlay_catalog::CatalogError;
use outlay_model::export::Gap;
use outlay_model::focus::FocusVersion;
use outlay_model::ownership::{Kind, OwnershipProblem};
use outlay_model::query::ParameterError;
use outlay_model::report::Scope;
use outlay_model::{Currency, DateRange, Money, SourceName};
use outlay_store::StoreError;

/// A question that was not answered. Callers tell apart: wrong question, question too big, data lacking, we failed.
#[derive(Debug, thiserror::Error)]
pub enum InsightError {
    /// A parameter does not fit the others, or the data.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The answer has more rows than may be given without paging.
    #[error(
        "the answer has {rows} rows, more than {most}: ask for fewer groups, a coarser granularity or a top, or page with limit"
    )]
    TooManyRows {
        /// How many.
        rows: usize,
        /// How many at most.
        most: usize,
    },
    /// An exchange rate is missing (P7).
    #[error(
        "no {from} to {to} rate for {days} ({amount} {from}): add one under [rates], collect published ones (ecb_rates), or \
         ask with currency=native"
    )]
    RateMissing {
        /// From this currency.
        from: Currency,
        /// To this one.
        to: Currency,
        /// On these days, as ranges.
        days: String,
        /// The amount that could not be converted.
        amount: Money,
    },
    /// Hours were asked of sources that state days.
    #[error("no source states hours in {range}: use granularity=day or coarser")]
    NoHours {
        /// The days asked for.
        range: DateRange,
    },
    /// What the question is about was kept once (`[retention]`).
    #[error(
        "the charges of {days} are kept no longer in the detail this asks for ([retention]): ask for later days, or by \
         dimensions that the daily totals keep"
    )]
    DetailExpired {
        /// The days it is kept no longer for.
        days: DateRange,
    },
    /// There are not enough teams to compare one with: each would be told apart.
    #[error("no peers to compare with: {lacking}")]
    TooFewPeers {
        /// What is lacking.
        lacking: String,
    },
    /// There is no such source to collect.
    #[error("no source {source_name} is configured")]
    NotConfigured {
        /// Its name.
        source_name: SourceName,
    },
    /// The change would leave something of ownership that cannot be so.
    #[error("{}", outlay_model::ownership::told(_0))]
    OwnershipProblems(Vec<OwnershipProblem>),
    /// Somebody else says it, and it is changed there.
    #[error("{0}")]
    SaidElsewhere(String),
    /// A point of a series cannot be so.
    #[error("{0}")]
    BadPoint(String),
    /// Nothing is said of it, as far as the caller may see.
    #[error("there is no {kind} {name:?}")]
    NotSaid {
        /// What.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// The page's generation is no longer kept.
    #[error("the data this cursor pages through has been replaced and removed: start again without a cursor")]
    CursorGone,
    /// Bills leave out what the FOCUS version of an export demands, and nobody let that through.
    #[error("FOCUS {} allows no null in columns that bills leave out: {}", version.as_str(), listed(gaps))]
    NullsNotAllowed {
        /// The version.
        version: FocusVersion,
        /// Which columns, of which providers.
        gaps: Vec<Gap>,
    },
    /// An export does not add up to what is stored (P1); nobody may use it.
    #[error("the export does not add up to what is stored: {exported} where {stored} is stored")]
    NotConserved {
        /// What was exported.
        exported: String,
        /// What is stored.
        stored: String,
    },
    /// The caller may not see this.
    #[error("not visible to this caller: it concerns the whole company")]
    Forbidden,
    /// A sum does not fit 38 digits (P2).
    #[error("a sum is beyond 20 digits before the point: ask for less at once")]
    Overflow,
    /// The catalog cannot be read.
    #[error("the catalog cannot be read")]
    Catalog(#[source] CatalogError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

impl From<CatalogError> for InsightError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::GenerationGone { .. } => Self::CursorGone,
            CatalogError::NotConfigured { source_name } => Self::NotConfigured { source_name },
            CatalogError::OwnershipProblems(problems) => Self::OwnershipProblems(problems),
            CatalogError::SaidElsewhere { .. } => Self::SaidElsewhere(error.to_string()),
            CatalogError::BadPoint { .. } => Self::BadPoint(error.to_string()),
            CatalogError::NotSaid { kind, name } => Self::NotSaid { kind, name },
            error => Self::Catalog(error),
        }
    }
}

/// Gaps named in one error before the rest is only counted.
const NAMED: usize = 20;

fn listed(gaps: &[Gap]) -> String {
    let mut texts: Vec<_> = gaps.iter().take(NAMED).map(ToString::to_string).collect();
    if gaps.len() > NAMED {
        texts.push(format!("and {} more", gaps.len() - NAMED));
    }
    texts.join(", ")
}

impl InsightError {
    /// Whether it is only that an export could not be written to where it goes: its reader may have gone away.
    #[must_use]
    pub const fn is_output(&self) -> bool {
        matches!(self, Self::Store(StoreError::Output(_)))
    }
}

/// Sources and invoices concern the whole company (P8).
pub(crate) fn company_only(scope: &Scope) -> Result<(), InsightError> {
    match scope {
        Scope::Company => Ok(()),
        Scope::Teams(_) => Err(InsightError::Forbidden),
    }
}

/// Where the page should start is in no list.
pub(crate) fn unknown_cursor(cursor: impl fmt::Display) -> ParameterError {
    ParameterError::new(
        "cursor",
        format!("{cursor} is not a place in this list, or no longer; start again without a cursor"),
    )
}
