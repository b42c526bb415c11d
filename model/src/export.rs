//! An export in the FOCUS format: what is asked for, which columns it has, and what there is to say about it.
//!
//! Text from the command line or a URL becomes a checked [`ExportQuery`] here, once for both (P8). Which stored columns
//! an exported one is made of is data: [`columns`] is the one place that knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

use crate::focus::{self, FeatureLevel, FocusColumn, FocusType, FocusVersion};
use crate::query::{Basis, Metric, ParameterError, SpendParams};
use crate::report::Warning;
use crate::{Currency, DateRange, Filter, Money, SourceName};

/// The versions that can be exported.
pub const VERSIONS: [FocusVersion; 4] =
    [FocusVersion::V1_0, FocusVersion::V1_1, FocusVersion::V1_2, FocusVersion::V1_3];
/// The version of an export that names none.
pub const DEFAULT_VERSION: FocusVersion = FocusVersion::V1_2;

/// The layout of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// RFC 4180, every digit, null as an empty field.
    Csv,
    /// Exact decimals, instants in UTC.
    Parquet,
}

/// An export as text, parameter by parameter, as the API and the command line take it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportParams {
    /// `1.2` or `focus-1.2`.
    pub version: Option<String>,
    /// A named period; instead of `from` and `to`.
    pub period: Option<String>,
    /// First day.
    pub from: Option<String>,
    /// Day after the last.
    pub to: Option<String>,
    /// `charge` or `billing`.
    pub basis: Option<String>,
    /// SQL boolean expression.
    pub filter: Option<String>,
    /// One source.
    pub source: Option<String>,
    /// The state of the catalog to export from.
    pub generation: Option<String>,
    /// `true` lets nulls through that the version does not allow.
    pub allow_null: Option<String>,
}

/// A checked export.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExportQuery {
    /// The FOCUS version to write.
    pub version: FocusVersion,
    /// The days (or, on the billing basis, the invoice periods that start on them).
    pub range: DateRange,
    /// Which time counts.
    pub basis: Basis,
    /// Which charges.
    pub filter: Filter,
    /// Of which source alone.
    pub source: Option<SourceName>,
    /// The state of the catalog to export from; the latest when it is `None`.
    pub generation: Option<u64>,
    /// Whether nulls go through that the version does not allow.
    pub allow_null: bool,
}

impl ExportParams {
    /// Checks the text and turns it into a query.
    ///
    /// # Errors
    /// [`ParameterError`] naming the first parameter that is wrong.
    pub fn query(&self, today: NaiveDate) -> Result<ExportQuery, ParameterError> {
        // Days and filters mean what they mean in a spend query, so they are read as one; its currency is not used.
        let spend = SpendParams {
            period: self.period.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            basis: self.basis.clone(),
            filter: self.filter.clone(),
            ..SpendParams::default()
        };
        let spend = spend.query(today, Currency::USD)?;
        let source = self.source.as_deref().map(SourceName::parse).transpose();
        let generation = self.generation.as_deref().map(|text| {
            text.parse().map_err(|_| ParameterError::new("generation", format!("{text:?} is not a whole number")))
        });
        Ok(ExportQuery {
            version: self.version.as_deref().map_or(Ok(DEFAULT_VERSION), parse_version)?,
            range: spend.range,
            basis: spend.basis,
            filter: spend.filter,
            source: source.map_err(|error| ParameterError::new("source", error))?,
            generation: generation.transpose()?,
            allow_null: match self.allow_null.as_deref() {
                None | Some("false") => false,
                Some("true") => true,
                Some(other) => {
                    return Err(ParameterError::new("allow_null", format!("{other:?} is not true or false")));
                }
            },
        })
    }
}

fn parse_version(text: &str) -> Result<FocusVersion, ParameterError> {
    let number = text.strip_prefix("focus-").unwrap_or(text);
    VERSIONS.into_iter().find(|version| version.as_str() == number).ok_or_else(|| {
        let known: Vec<_> = VERSIONS.iter().map(|version| format!("focus-{}", version.as_str())).collect();
        ParameterError::new(
            "version",
            format!("{text:?} is not a version that can be written; use {}", known.join(", ")),
        )
    })
}

/// One column of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportColumn {
    /// Its name in the file.
    pub name: String,
    /// Its FOCUS type.
    pub data_type: FocusType,
    /// The stored columns it is made of: the first one that a charge states. Null throughout when there are none.
    pub from: Vec<String>,
    /// What FOCUS says about it; `None` for a custom column.
    pub focus: Option<&'static FocusColumn>,
}

impl ExportColumn {
    /// Whether FOCUS forbids nulls in it.
    #[must_use]
    pub fn required(&self) -> bool {
        self.focus.is_some_and(|column| !column.nullable)
    }

    /// Whether a later version of FOCUS drops it (FOCUS 1.3: ProviderName and PublisherName).
    #[must_use]
    pub fn deprecated(&self, version: FocusVersion) -> bool {
        version >= FocusVersion::V1_3 && matches!(self.name.as_str(), "ProviderName" | "PublisherName")
    }
}

/// Stored columns that say nothing FOCUS' own columns do not say, and the part, which means nothing outside the store.
const KEPT_BACK: &[&str] = &["x_BillingPeriod", "x_ChargeDate", "x_PartId"];

/// The columns of an export: those of the version that are mandatory or that some stored charge may have, in FOCUS'
/// order, then the custom ones under `x_` by name (FOCUS, column naming and ordering). Columns of tag keys stay in the
/// store; `Tags` says what they say.
#[must_use]
pub fn columns(version: FocusVersion, stored: &BTreeSet<String>) -> Vec<ExportColumn> {
    let of_focus = focus::COLUMNS.iter().filter(|column| column.since <= version).filter_map(|column| {
        let from: Vec<String> =
            sources(column.name).iter().filter(|name| stored.contains(**name)).map(|name| (*name).to_owned()).collect();
        let there = column.level == FeatureLevel::Mandatory || !from.is_empty();
        there.then(|| ExportColumn {
            name: column.name.to_owned(),
            data_type: column.data_type,
            from,
            focus: Some(column),
        })
    });
    let custom = stored.iter().filter(|name| name.starts_with("x_") && !KEPT_BACK.contains(&name.as_str()));
    let custom = custom.map(|name| ExportColumn {
        name: name.clone(),
        data_type: FocusType::String,
        from: vec![name.clone()],
        focus: None,
    });
    of_focus.chain(custom).collect()
}

/// FOCUS 1.3 renamed ProviderName to ServiceProviderName: either stands in for the other where only one is stated.
fn sources(name: &'static str) -> &'static [&'static str] {
    match name {
        "ProviderName" => &["ProviderName", "ServiceProviderName"],
        "ServiceProviderName" => &["ServiceProviderName", "ProviderName"],
        _ => focus::COLUMNS
            .iter()
            .find(|column| column.name == name)
            .map_or(&[], |column| std::slice::from_ref(&column.name)),
    }
}

/// The stored FOCUS columns that the version does not know yet.
#[must_use]
pub fn left_out(version: FocusVersion, stored: &BTreeSet<String>) -> Vec<&'static str> {
    let later = focus::COLUMNS.iter().filter(|column| column.since > version && stored.contains(column.name));
    later.map(|column| column.name).collect()
}

macro_rules! rules {
    ($($variant:ident $code:literal $severity:ident $about:literal;)*) => {
        /// What is looked at on every row of an export. A closed list; docs/EXPORT.md has the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RowRule {
            $(#[doc = $about] $variant,)*
        }

        impl RowRule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its code in reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What is wrong, for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

rules! {
    BlankText "blank_text" Error "a text of nothing but blanks";
    ValueNotAllowed "value_not_allowed" Error "a value outside the column's closed list";
    EmptyPeriod "empty_period" Error "the period does not end after it starts";
    FractionOfSecond "fraction_of_second" Error "a time within a second, where FOCUS writes whole seconds";
    NegativePrice "negative_price" Error "a unit price below zero";
    ProductDiffers "product_differs" Error "the cost is not the unit price times PricingQuantity";
    NotAnObject "not_an_object" Error "the text is not one JSON object";
    NestedValue "nested_value" Error "a value in the object is itself an object or a list";
    WithoutItsPair "without_its_pair" Error "FOCUS wants this and its counterpart both null or neither";
    UsagePurchase "usage_purchase" Error "a purchase cannot be Usage-Based";
    CustomName "custom_name" Warning "a custom column is not x_ and PascalCase, as FOCUS asks";
}

/// How bad a finding is. Neither keeps a row out: the export says what the bills say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Against a MUST of FOCUS.
    Error,
    /// Against a SHOULD, or odd.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Serialize for RowRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One rule that rows of one column break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: RowRule,
    /// Which column.
    pub column: String,
    /// How many rows.
    pub rows: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// Where a rule is broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The row of the export, from 1, its header not counted.
    pub row: u64,
    /// What stands there, cut to 200 characters.
    pub value: Option<String>,
}

/// Nulls that the version does not allow: one column of one provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// The column.
    pub column: String,
    /// The provider whose bills leave it out.
    pub provider: Option<String>,
    /// Charges that do.
    pub rows: u64,
    /// Charges of the provider in the export.
    pub of: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = self.provider.as_deref().unwrap_or("no provider");
        write!(f, "{} ({provider}: {} of {} charges)", self.column, self.rows, self.of)
    }
}

/// Σ of each cost, per currency of the bills; `None` where no charge states it.
pub type ExportSums = BTreeMap<Currency, BTreeMap<Metric, Option<Money>>>;

/// What is known of an export before its rows are written.
#[derive(Debug, Clone)]
pub struct ExportHead {
    /// What was asked for.
    pub query: ExportQuery,
    /// Its columns, in order.
    pub columns: Vec<ExportColumn>,
    /// Charges in it.
    pub rows: u64,
    /// Nulls that the version does not allow and that were let through.
    pub gaps: Vec<Gap>,
    /// The generation of the catalog it comes from.
    pub generation: u64,
    /// What to know: days that are missing, columns that had to stay behind.
    pub warnings: Vec<Warning>,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows.
    pub rows: u64,
    /// What they add up to: checked against what the store adds up (P1).
    pub sums: ExportSums,
    /// What the rows were found to break.
    pub findings: Vec<Finding>,
    /// The longest text of each text column, in characters.
    pub longest: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 21).expect("a date")
    }

    fn names(version: FocusVersion, stored: &[&str]) -> Vec<String> {
        let stored = stored.iter().map(|name| (*name).to_owned()).collect();
        columns(version, &stored).into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn an_export_has_what_its_version_demands_and_what_is_there() {
        let stored =
            ["BilledCost", "ServiceProviderName", "AllocatedTags", "x_Team", "x_PartId", "tags.env", "RegionId"];
        let old = names(FocusVersion::V1_0, &stored);
        assert_eq!(old.last().map(String::as_str), Some("x_Team"));
        for there in ["BilledCost", "ProviderName", "RegionId", "ChargeClass"] {
            assert!(old.iter().any(|name| name == there), "{there} in {old:?}");
        }
        for absent in ["ServiceProviderName", "AllocatedTags", "x_PartId", "tags.env", "RegionName", "InvoiceId"] {
            assert!(!old.iter().any(|name| name == absent), "{absent} in {old:?}");
        }
        let new = names(FocusVersion::V1_3, &stored);
        for there in ["ProviderName", "ServiceProviderName", "HostProviderName", "AllocatedTags"] {
            assert!(new.iter().any(|name| name == there), "{there} in {new:?}");
        }
        let stored = stored.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(left_out(FocusVersion::V1_2, &stored), ["AllocatedTags", "ServiceProviderName"]);
    }

    #[test]
    fn either_name_of_the_provider_stands_in_for_the_other() {
        let stored = BTreeSet::from(["ServiceProviderName".to_owned()]);
        let provider = columns(FocusVersion::V1_2, &stored).into_iter().find(|column| column.name == "ProviderName");
        assert_eq!(provider.map(|column| column.from), Some(vec!["ServiceProviderName".to_owned()]));
    }

    #[test]
    fn what_is_asked_wrongly_is_told() {
        let refused = |params: ExportParams, parameter: &str, says: &str| {
            let error = params.query(today()).expect_err("refused");
            assert_eq!(error.parameter, parameter);
            assert!(error.message.contains(says), "{error}");
        };
        let october = || ExportParams { period: Some("2026-10".into()), ..ExportParams::default() };
        assert_eq!(october().query(today()).map(|query| query.version), Ok(FocusVersion::V1_2));
        refused(ExportParams { period: Some("october".into()), ..ExportParams::default() }, "period", "month_to_date");
        refused(ExportParams { version: Some("focus-2".into()), ..october() }, "version", "focus-1.3");
        refused(ExportParams { filter: Some("team =".into()), ..october() }, "filter", "position");
        refused(ExportParams { source: Some("a/b".into()), ..october() }, "source", "not a source name");
        refused(ExportParams { allow_null: Some("yes".into()), ..october() }, "allow_null", "true or false");
        refused(ExportParams { generation: Some("x".into()), ..october() }, "generation", "whole number");
    }
}
