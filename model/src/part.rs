//! Deliveries and parts: what is listed, staged, balanced, committed, replaced and retired.
//!
//! A *delivery* is what a provider states at once; a *part* is one staged copy of it. A row is visible if and only if
//! its part is live in the catalog, so everything a reader must know to use a part without opening it stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::money::exact;
use crate::query::Metric;
use crate::{Currency, DateRange, DeliveryKey, Money, PartId, PoolId, SourceName, TagKey};

/// What a file of a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Every line of the bill.
    Charges,
    /// Rolled up by day.
    Daily,
    /// What the provider answered, as it came: zstd-compressed JSON lines. Kept where asking again costs or is too late.
    Raw,
}

impl Layer {
    /// Its folder in the store and word in the catalog.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charges => "charges",
            Self::Daily => "daily",
            Self::Raw => "raw",
        }
    }
}

/// One immutable file of a part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartFile {
    /// What it holds.
    pub layer: Layer,
    /// Its path below the store.
    pub path: String,
}

impl PartFile {
    /// The file of one layer that is named after a part, or after a bundle of several.
    #[must_use]
    pub fn new(layer: Layer, source: &SourceName, id: &PartId) -> Self {
        let ending = match layer {
            Layer::Charges | Layer::Daily => "parquet",
            Layer::Raw => "jsonl.zst",
        };
        // A pool's transfers come from `shared:<pool>`. Some stores, and the engine, do not take a colon in a path.
        let folder = source.as_str().replace(':', ".");
        Self { layer, path: format!("{}/{folder}/{id}.{ending}", layer.as_str()) }
    }
}

/// What the sums of a part add up over: one invoice of one billing period in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BalanceKey {
    /// The day the billing period starts, when it could be read.
    pub billing_period: Option<NaiveDate>,
    /// The invoice, when the bill names one.
    pub invoice: Option<String>,
    /// The currency as the bill writes it; empty when it does not.
    pub currency: String,
}

/// One line of the reconciliation: where every unit of the source's total went (P1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Which invoice.
    pub key: BalanceKey,
    /// Which cost.
    pub metric: Metric,
    /// Σ of the raw cells.
    #[serde(with = "exact")]
    pub source: BigDecimal,
    /// Σ of what was written to the store, read back from it.
    #[serde(with = "exact")]
    pub stored: BigDecimal,
    /// Σ of the rejected lines.
    #[serde(with = "exact")]
    pub rejected: BigDecimal,
    /// Σ of what rounding to 18 decimals took away.
    #[serde(with = "exact")]
    pub rounding: BigDecimal,
}

impl Balance {
    /// What is unaccounted for; anything but zero is a bug and is never committed.
    #[must_use]
    pub fn difference(&self) -> BigDecimal {
        &self.source - &self.stored - &self.rejected - &self.rounding
    }
}

/// Why a line was not taken. A closed list, so that it can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// More or fewer fields than the header, or a quote out of place.
    MalformedRecord,
    /// Not UTF-8, or a NUL within a text.
    InvalidText,
    /// A cost that is not a number.
    UnreadableNumber,
    /// A cost beyond 20 digits before the point.
    NumberOutOfRange,
    /// A time that is not a time.
    UnreadableTime,
    /// No ChargePeriodStart: the day of the charge is not known.
    MissingChargePeriod,
    /// No BillingPeriodStart: the invoice of the charge is not known.
    MissingBillingPeriod,
    /// No BillingCurrency, or not a currency code: the amount means nothing.
    MissingCurrency,
}

impl RejectReason {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::MalformedRecord,
        Self::InvalidText,
        Self::UnreadableNumber,
        Self::NumberOutOfRange,
        Self::UnreadableTime,
        Self::MissingChargePeriod,
        Self::MissingBillingPeriod,
        Self::MissingCurrency,
    ];

    /// Its code in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRecord => "malformed_record",
            Self::InvalidText => "invalid_text",
            Self::UnreadableNumber => "unreadable_number",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::UnreadableTime => "unreadable_time",
            Self::MissingChargePeriod => "missing_charge_period",
            Self::MissingBillingPeriod => "missing_billing_period",
            Self::MissingCurrency => "missing_currency",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A line that was not taken, with its money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// The file it stands in.
    pub file: String,
    /// Its line (or, in Parquet, its row), from 1.
    pub line: u64,
    /// The column at fault, when one is.
    pub column: Option<String>,
    /// What stands there, cut to 200 characters.
    pub value: Option<String>,
    /// Where its money belongs in the reconciliation.
    pub key: BalanceKey,
    /// Its four costs, each when it can be read.
    #[serde(with = "costs")]
    pub costs: BTreeMap<Metric, BigDecimal>,
    /// Whether a cost it states cannot be read, or it states no BilledCost: nobody knows what was lost.
    pub unpriced: bool,
}

/// Costs in JSON, as plain text.
mod costs {
    use std::collections::BTreeMap;

    use bigdecimal::BigDecimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::money::exact;
    use crate::query::Metric;

    #[derive(Serialize, Deserialize)]
    struct Cost(#[serde(with = "exact")] BigDecimal);

    pub(super) fn serialize<S: Serializer>(costs: &BTreeMap<Metric, BigDecimal>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(costs.iter().map(|(metric, cost)| (metric, Cost(cost.clone()))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Metric, BigDecimal>, D::Error> {
        let costs = BTreeMap::<Metric, Cost>::deserialize(from)?;
        Ok(costs.into_iter().map(|(metric, Cost(cost))| (metric, cost)).collect())
    }
}

/// Something in a bill that was put right, or is worth knowing. Counted, never silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// The text `NULL` stood for null.
    NullText,
    /// A blank text stood for null.
    BlankText,
    /// A time without a zone, taken as UTC.
    TimeWithoutZone,
    /// A value of a closed list in other letters, such as `Usage-based`.
    ValueCase,
    /// A value outside its closed list, kept as it is.
    ValueNotAllowed,
    /// A number with more than 18 decimals, rounded half-even.
    NumberRounded,
    /// A price or quantity that is not a number or does not fit, kept as null: it is no cost, so no money is lost.
    NumberUnreadable,
    /// A column that FOCUS does not know, kept under `x_`.
    ColumnRenamed,
    /// A column name in other letters than FOCUS writes it.
    ColumnCase,
    /// Tags that are not a JSON object, kept as text and not queried.
    TagsUnreadable,
    /// A tag value that is itself an object or list, kept as JSON text.
    TagNested,
    /// Two spellings of one tag key on a charge; the first by preference won.
    TagClash,
    /// A tag or column that identifies a person, dropped (P10).
    PersonDropped,
    /// A charge period that ends when it starts, or before.
    EmptyPeriod,
    /// A billing period that starts in the last hours of a month, as midnight east of Greenwich does: taken for the month
    /// that begins.
    PeriodEast,
    /// An id or name that the file holds as a number, written as its digits: leading zeros are lost already.
    TextFromNumber,
    /// A line of commas and nothing else, left out.
    EmptyLine,
    /// Commas behind the last field, left out.
    TrailingCommas,
    /// The header once more, left out, as where files were joined.
    HeaderRepeated,
    /// A byte-order mark within the file, left out, as where files were joined.
    ByteOrderMark,
    /// A quote that is not closed and had swallowed lines: they are read one by one, its own line is rejected.
    OpenQuote,
    /// The category of a service, or its name behind a code, that the bill leaves out: taken from the list of services.
    ServiceListed,
    /// A service without category in the bill, which the list of services does not have either.
    ServiceUnlisted,
    /// A Savings Plan negation, folded into the covered usage that it offsets.
    NegationFolded,
    /// Savings Plan negations and covered usage that do not add up to nothing; what is left is a charge.
    NegationUnpaired,
    /// A kind of line that is not known, kept as an adjustment.
    LineTypeUnknown,
    /// A kind of credit that is not known, kept as a charge of its own.
    CreditTypeUnknown,
    /// A charge whose invoice month is not stated, taken for the month in which its usage began.
    PeriodFromUsage,
    /// A line of actual cost that amortised cost states as well: only its billed cost is taken.
    ActualFolded,
    /// What actual cost has beyond the amortised cost of the same day and account; it is a charge of its own.
    ActualDiffers,
}

impl Repair {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::NullText,
        Self::BlankText,
        Self::TimeWithoutZone,
        Self::ValueCase,
        Self::ValueNotAllowed,
        Self::NumberRounded,
        Self::NumberUnreadable,
        Self::ColumnRenamed,
        Self::ColumnCase,
        Self::TagsUnreadable,
        Self::TagNested,
        Self::TagClash,
        Self::PersonDropped,
        Self::EmptyPeriod,
        Self::PeriodEast,
        Self::TextFromNumber,
        Self::EmptyLine,
        Self::TrailingCommas,
        Self::HeaderRepeated,
        Self::ByteOrderMark,
        Self::OpenQuote,
        Self::ServiceListed,
        Self::ServiceUnlisted,
        Self::NegationFolded,
        Self::NegationUnpaired,
        Self::LineTypeUnknown,
        Self::CreditTypeUnknown,
        Self::PeriodFromUsage,
        Self::ActualFolded,
        Self::ActualDiffers,
    ];

    /// Its code in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NullText => "null_text",
            Self::BlankText => "blank_text",
            Self::TimeWithoutZone => "time_without_zone",
            Self::ValueCase => "value_case",
            Self::ValueNotAllowed => "value_not_allowed",
            Self::NumberRounded => "number_rounded",
            Self::NumberUnreadable => "number_unreadable",
            Self::ColumnRenamed => "column_renamed",
            Self::ColumnCase => "column_case",
            Self::TagsUnreadable => "tags_unreadable",
            Self::TagNested => "tag_nested",
            Self::TagClash => "tag_clash",
            Self::PersonDropped => "person_dropped",
            Self::EmptyPeriod => "empty_period",
            Self::PeriodEast => "period_east",
            Self::TextFromNumber => "text_from_number",
            Self::EmptyLine => "empty_line",
            Self::TrailingCommas => "trailing_commas",
            Self::HeaderRepeated => "header_repeated",
            Self::ByteOrderMark => "byte_order_mark",
            Self::OpenQuote => "open_quote",
            Self::ServiceListed => "service_listed",
            Self::ServiceUnlisted => "service_unlisted",
            Self::NegationFolded => "negation_folded",
            Self::NegationUnpaired => "negation_unpaired",
            Self::LineTypeUnknown => "line_type_unknown",
            Self::CreditTypeUnknown => "credit_type_unknown",
            Self::PeriodFromUsage => "period_from_usage",
            Self::ActualFolded => "actual_folded",
            Self::ActualDiffers => "actual_differs",
        }
    }
}

impl Repair {
    /// What was there, and what became of it, for a person.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NullText => "the word NULL, taken for null",
            Self::BlankText => "a text of blanks, taken for null",
            Self::TimeWithoutZone => "a time without a zone, taken as UTC",
            Self::ValueCase => "a value in other letters than FOCUS writes it, written as FOCUS does",
            Self::ValueNotAllowed => "a value that FOCUS does not list, kept as it is",
            Self::NumberRounded => "a number with more than 18 decimals, rounded half-even",
            Self::NumberUnreadable => "a price or quantity that cannot be read, taken for null",
            Self::ColumnRenamed => "a column that FOCUS does not know, kept under x_",
            Self::ColumnCase => "a column name that is not spelled as in FOCUS, taken for it",
            Self::TagsUnreadable => "tags that are no JSON object, kept as text and not queried",
            Self::TagNested => "a tag value with values in it, kept as JSON text",
            Self::TagClash => "two spellings of a tag key on one charge, of which the preferred counts",
            Self::PersonDropped => "something that says who a person is, left out",
            Self::EmptyPeriod => "a charge period that ends when it starts, or before, kept as it is",
            Self::PeriodEast => "a billing period that starts at midnight in the east, taken for the month that begins",
            Self::TextFromNumber => "an id or name held as a number, written as digits; leading zeros were lost before",
            Self::EmptyLine => "a line of nothing but commas, left out",
            Self::TrailingCommas => "a line with commas behind its last field, which are left out",
            Self::HeaderRepeated => "the header once more, left out",
            Self::ByteOrderMark => "a byte-order mark within the file, left out",
            Self::OpenQuote => "a quote that is not closed; the lines it had swallowed are read one by one",
            Self::ServiceListed => {
                "a service whose category (or name) the bill leaves out, taken from the list of services"
            }
            Self::ServiceUnlisted => {
                "a service without category, which the list of services does not have: [services] file may"
            }
            Self::NegationFolded => "a Savings Plan negation, folded into the usage that it offsets",
            Self::NegationUnpaired => "negations and covered usage that do not cancel out, the rest kept as a charge",
            Self::LineTypeUnknown => "a kind of line that is not known, kept as an adjustment",
            Self::CreditTypeUnknown => "a kind of credit that is not known, kept as a charge of its own",
            Self::PeriodFromUsage => "a charge whose invoice month is not stated, taken for the month of its usage",
            Self::ActualFolded => {
                "a line of actual cost that amortised cost has too, of which only the billed cost counts"
            }
            Self::ActualDiffers => {
                "actual cost that is not that of the amortised lines, the difference kept as a charge"
            }
        }
    }
}

/// Counts of repairs.
pub type Repairs = BTreeMap<Repair, u64>;

/// What a part says about one day of one billing account in one currency: enough to see what a restatement moved, and
/// whether two sources state the same (P4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySum {
    /// The UTC day.
    pub day: NaiveDate,
    /// The provider.
    pub provider: Option<String>,
    /// The invoiced account.
    pub billing_account: Option<String>,
    /// The currency.
    pub currency: Currency,
    /// Charges.
    pub rows: u64,
    /// Σ BilledCost, null when no charge states one.
    pub billed: Option<Money>,
    /// Σ EffectiveCost, null when no charge states one.
    pub effective: Option<Money>,
}

/// Everything the catalog knows of a part, so that no query opens a file it does not need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its id.
    pub id: PartId,
    /// Whose.
    pub source: SourceName,
    /// Which delivery it is a copy of.
    pub delivery: DeliveryKey,
    /// The hash of what was delivered, and of how it was read.
    pub fingerprint: String,
    /// What the provider tells copies of the delivery apart by, where it does: known without reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The hashes of its files' contents: none may be live twice (P4).
    pub contents: BTreeSet<String>,
    /// Its files.
    pub files: Vec<PartFile>,
    /// Charges in it.
    pub rows: u64,
    /// Days its charges start on: first and day after the last. `None` when it has no charge.
    pub days: Option<DateRange>,
    /// Runs of days its usage covers; gaps between them are days nothing was stated for.
    pub covered: Vec<DateRange>,
    /// Days the provider itself calls estimated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provisional: Vec<DateRange>,
    /// First days of its billing periods.
    pub billing_periods: BTreeSet<NaiveDate>,
    /// Its currencies.
    pub currencies: BTreeSet<Currency>,
    /// Columns of its `charges`.
    pub columns: BTreeSet<String>,
    /// Tag keys that have a column in `charges`.
    pub tag_keys: BTreeSet<TagKey>,
    /// Tag keys that have a column in `daily`.
    pub daily_tags: BTreeSet<TagKey>,
    /// Whether `Tags` holds keys that have no column.
    pub more_tags: bool,
    /// Whether some charge covers less than a day.
    pub hourly: bool,
    /// Σ|cost| of each metric over all currencies, for the overflow guard (P2).
    pub magnitude: BTreeMap<Metric, Money>,
    /// Σ|BilledCost| of each currency, for the shrink guard (P3).
    #[serde(default)]
    pub billed: BTreeMap<Currency, Money>,
    /// How many of its charges leave each metric out.
    pub null_rows: BTreeMap<Metric, u64>,
    /// Lines of its delivery that were rejected with money nobody can read, and let in by force.
    pub unpriced: u64,
    /// Versions of what made it.
    pub versions: Versions,
    /// The file its `daily` rows share with other parts, once they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
    /// The pool whose cost its rows split: then they are no charges but transfers between teams, which add up to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
}

impl Part {
    /// The part's files of one layer.
    pub fn files(&self, layer: Layer) -> impl Iterator<Item = &str> {
        self.files.iter().filter(move |file| file.layer == layer).map(|file| file.path.as_str())
    }

    /// How many days its usage covers.
    #[must_use]
    pub fn covered_days(&self) -> u64 {
        self.covered.iter().map(|range| range.days()).sum()
    }
}

/// A file that holds the `daily` rows of several parts of a source; each row names its part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bundle {
    /// Its id, which its file is named after.
    pub id: PartId,
    /// How many parts' rows it holds.
    pub parts: u64,
}

impl Bundle {
    /// Its file.
    #[must_use]
    pub fn file(&self, source: &SourceName) -> PartFile {
        PartFile::new(Layer::Daily, source, &self.id)
    }
}

/// Versions of what made a part; `outlay rebuild` recomputes parts made by older ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The format of its bill.
    #[serde(default = "first_format")]
    pub format: String,
    /// Of the normaliser.
    pub normaliser: u32,
    /// Of how rules are applied to charges.
    #[serde(default = "first_rule_book")]
    pub rule_book: u32,
    /// The fingerprint of the [book](crate::ownership::Book) that gave its charges their owners; empty when only tags did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rules: String,
    /// Of the file layout.
    pub layout: u32,
}

/// Parts from before it was recorded came from FOCUS exports.
fn first_format() -> String {
    "focus".to_owned()
}

/// Parts from before it was recorded were owned by tags alone, which is the first rule book.
const fn first_rule_book() -> u32 {
    1
}

/// When a new copy of a delivery may replace the old one (P3), and how many lines may be rejected (P1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// The share by which rows, Σ|billed| or covered days may fall below the delivery's last copy.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_shrink: f64,
    /// The share of rows that may be rejected.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_rejects: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { max_shrink: 0.1, max_rejects: 0.001 }
    }
}

/// What an operator lets in although a guard would refuse it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Force {
    /// A copy that is smaller than the last one.
    pub shrink: bool,
    /// A copy with rejects beyond the limit, or unpriced ones.
    pub rejects: bool,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Under way, or cut off.
    Running,
    /// Its part is live.
    Committed,
    /// The delivery was already there.
    Unchanged,
    /// A guard kept the part out; the old one stays.
    Refused,
    /// It could not be done.
    Failed,
}

impl RunState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Committed => "committed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}
