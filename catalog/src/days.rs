//! What parts say about days: whether two sources state the same (P4), and what a restatement moved.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::part::DaySum;
use outlay_model::query::Metric;
use outlay_model::{Currency, DateRange, DeliveryKey, Money, PartId, RunId, SourceName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError, Overlap};

/// What a commit moved on one day of one billing account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The generation it came with.
    pub generation: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose bill.
    pub source: SourceName,
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// Which run did it.
    pub run: RunId,
    /// The UTC day.
    pub day: NaiveDate,
    /// The provider.
    pub provider: Option<String>,
    /// The invoiced account.
    pub billing_account: Option<String>,
    /// The currency.
    pub currency: Currency,
    /// What the delivery said before; no rows when it said nothing.
    pub before: DayFigures,
    /// What it says now; no rows when it says nothing any more.
    pub after: DayFigures,
}

/// The figures of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// Charges.
    pub rows: u64,
    /// Σ BilledCost, null when no charge states one.
    pub billed: Option<Money>,
    /// Σ EffectiveCost, null when no charge states one.
    pub effective: Option<Money>,
}

/// A day as it is compared: what is not stated is the empty text, as in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DayKey {
    day: NaiveDate,
    provider: String,
    billing_account: String,
    currency: Currency,
}

/// The days of a part. One row per key.
pub(crate) type Days = BTreeMap<DayKey, DayFigures>;

/// What one commit changed, before it is known for whom.
pub(crate) type Differences = BTreeMap<DayKey, (DayFigures, DayFigures)>;

/// Which changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ChangesQuery {
    /// Only of this source; else of all that count.
    pub source: Option<SourceName>,
    /// Only of these days.
    pub days: Option<DateRange>,
    /// Only those that came after this generation.
    pub since: Option<u64>,
    /// Only those behind this place.
    pub behind: Option<ChangePlace>,
}

/// A place among changes, so that the next page goes on behind it: those of a generation never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangePlace {
    generation: u64,
    /// How many of that generation are before it, of those that were asked for.
    skip: u32,
}

impl ChangePlace {
    /// Behind these changes, which were given behind `before`.
    #[must_use]
    pub fn behind(before: Option<Self>, changes: &[Change]) -> Option<Self> {
        let generation = changes.last()?.generation;
        let same = changes.iter().rev().take_while(|change| change.generation == generation).count();
        let skipped = before.filter(|before| before.generation == generation).map_or(0, |before| before.skip);
        Some(Self { generation, skip: skipped.checked_add(u32::try_from(same).ok()?)? })
    }
}

impl fmt::Display for ChangePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.skip)
    }
}

impl FromStr for ChangePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (generation, skip) = text.split_once('.')?;
            let place = Self { generation: generation.parse().ok()?, skip: skip.parse().ok()? };
            // One spelling only: numbers may be read from several.
            (place.to_string() == text).then_some(place)
        };
        read().ok_or_else(|| format!("{text:?} is not a cursor; take it from next_cursor of the page before"))
    }
}

impl Catalog {
    /// What was moved: the newest generation first, within it by day. The first arrival of a delivery counts, with nothing
    /// before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes(&self, query: &ChangesQuery, limit: u32) -> Result<Vec<Change>, CatalogError> {
        macro_rules! changes {
            ($whose:literal) => {
                concat!(
                    "SELECT * FROM changes WHERE ",
                    $whose,
                    " AND generation <= $1 AND generation > $2 AND day >= $3 AND day < $4 \
                     ORDER BY generation DESC, day, provider, billing_account, currency LIMIT $5 OFFSET $6"
                )
            };
        }
        let ChangesQuery { source, days, since, behind } = query;
        let text = match source {
            Some(_) => changes!("source = $7"),
            None => changes!("source NOT IN (SELECT name FROM sources WHERE role = 'shadow')"),
        };
        let query = sqlx::query(text)
            .bind(behind.map_or(i64::MAX, |place| sql::number(place.generation)))
            .bind(sql::number(since.unwrap_or_default()))
            // Text before every day, and behind every day.
            .bind(days.map(|days| days.from().to_string()).unwrap_or_default())
            .bind(days.map_or_else(|| "~".to_owned(), |days| days.to().to_string()))
            .bind(i64::from(limit))
            .bind(behind.map_or(0, |place| i64::from(place.skip)));
        let query = source.iter().fold(query, |query, source| query.bind(source.as_str()));
        let rows = query.fetch_all(self.pool()).await.during("list the changes")?;
        rows.iter().map(read_change).collect()
    }
}

/// The days of a part that is handed in; an error when a day is given twice or they are not the part's rows.
pub(crate) fn checked(part: &PartId, rows: u64, sums: &[DaySum]) -> Result<Days, CatalogError> {
    let mut days = Days::new();
    for sum in sums {
        let key = DayKey {
            day: sum.day,
            provider: sql::text_or_empty(sum.provider.as_deref()),
            billing_account: sql::text_or_empty(sum.billing_account.as_deref()),
            currency: sum.currency,
        };
        let figures = DayFigures { rows: sum.rows, billed: sum.billed, effective: sum.effective };
        if days.insert(key, figures).is_some() {
            return Err(CatalogError::Inconsistent(format!("part {part}: {} is summed up twice", sum.day)));
        }
    }
    let counted: u64 = days.values().map(|figures| figures.rows).sum();
    if counted == rows {
        Ok(days)
    } else {
        Err(CatalogError::Inconsistent(format!("part {part} has {rows} rows, but its days have {counted}")))
    }
}

/// The days as they were handed in, in order.
pub(crate) fn sums(days: &Days) -> Vec<DaySum> {
    let stated = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let sum = |(key, figures): (&DayKey, &DayFigures)| DaySum {
        day: key.day,
        provider: stated(&key.provider),
        billing_account: stated(&key.billing_account),
        currency: key.currency,
        rows: figures.rows,
        billed: figures.billed,
        effective: figures.effective,
    };
    days.iter().map(sum).collect()
}

/// The money of each day.
pub(crate) fn money(days: &Days) -> impl Iterator<Item = (Currency, Metric, Money)> {
    days.iter().flat_map(|(key, figures)| {
        let stated = [(Metric::Billed, figures.billed), (Metric::Effective, figures.effective)];
        stated.into_iter().filter_map(|(metric, money)| money.map(|money| (key.currency, metric, money)))
    })
}

/// Where the new part says something else than the old one.
pub(crate) fn differences(before: &Days, after: &Days) -> Differences {
    let mut differences: Differences =
        before.iter().map(|(key, figures)| (key.clone(), (*figures, DayFigures::default()))).collect();
    for (key, figures) in after {
        differences.entry(key.clone()).or_default().1 = *figures;
    }
    differences.retain(|_, (before, after)| before != after);
    differences
}

pub(crate) async fn write(conn: &mut AnyConnection, part: &PartId, days: &Days) -> Result<(), CatalogError> {
    let columns = ["part", "day", "provider", "billing_account", "currency", "row_count", "billed", "effective"];
    let rows = days.iter().map(|(key, figures)| -> [Cell; 8] {
        [
            part.as_str().into(),
            key.day.to_string().into(),
            key.provider.as_str().into(),
            key.billing_account.as_str().into(),
            key.currency.as_str().into(),
            figures.rows.into(),
            text(figures.billed).into(),
            text(figures.effective).into(),
        ]
    });
    sql::insert_rows(conn, "part_days", columns, rows.collect()).await
}

pub(crate) async fn read(conn: &mut AnyConnection, part: &PartId) -> Result<Days, CatalogError> {
    let query = sqlx::query("SELECT * FROM part_days WHERE part = $1").bind(part.as_str());
    let rows = query.fetch_all(conn).await.during("read the days of the old part")?;
    rows.iter().map(|row| Ok((read_key(row)?, read_figures(row, "row_count", "billed", "effective")?))).collect()
}

/// `$1` is the source.
macro_rules! overlap {
    ($of:literal) => {
        concat!(
            "SELECT p.source, o.provider, o.billing_account, MIN(o.day) AS first_day, MAX(o.day) AS last_day, \
                    COUNT(DISTINCT o.day) AS days \
             FROM part_days n \
             JOIN part_days o ON o.provider = n.provider AND o.billing_account = n.billing_account AND o.day = n.day \
             JOIN parts p ON p.id = o.part \
             WHERE ",
            $of,
            " AND p.state = 'live' AND p.source <> $1 \
             AND p.source NOT IN (SELECT name FROM sources WHERE role = 'shadow') \
             GROUP BY p.source, o.provider, o.billing_account \
             ORDER BY days DESC, p.source, o.provider, o.billing_account LIMIT 1"
        )
    };
}

/// Whether another source's live part states a day of the same billing account as the part whose days have just been
/// written. A provider or account that is not stated meets another that is not stated: it cannot be shown that they
/// differ, and money counted twice is worse than a refusal. What a shadow states is counted nowhere, so it meets nobody.
pub(crate) async fn overlap(
    conn: &mut AnyConnection,
    source: &SourceName,
    part: &PartId,
) -> Result<Option<Overlap>, CatalogError> {
    let query =
        sqlx::query(overlap!("n.part = $2 AND NOT EXISTS (SELECT 1 FROM sources WHERE name = $1 AND role = 'shadow')"));
    let query = query.bind(source.as_str()).bind(part.as_str());
    let row = query.fetch_optional(conn).await.during("compare with other sources")?;
    row.map(|row| read_overlap(source, &row)).transpose()
}

/// Whether any live part of a source meets another source's: what [`overlap`] asks of one part that is new.
pub(crate) async fn overlap_of_source(
    conn: &mut AnyConnection,
    source: &SourceName,
) -> Result<Option<Overlap>, CatalogError> {
    let query = sqlx::query(overlap!("n.part IN (SELECT id FROM parts WHERE source = $1 AND state = 'live')"));
    let row = query.bind(source.as_str()).fetch_optional(conn).await.during("compare with other sources")?;
    row.map(|row| read_overlap(source, &row)).transpose()
}

fn read_overlap(source: &SourceName, row: &AnyRow) -> Result<Overlap, CatalogError> {
    Ok(Overlap {
        source: source.clone(),
        other: SourceName::new(row.text("source")?),
        provider: row.text_unless_empty("provider")?,
        billing_account: row.text_unless_empty("billing_account")?,
        first: row.day("first_day")?,
        last: row.day("last_day")?,
        days: row.count("days")?,
    })
}

/// Who changed the days, and when.
pub(crate) struct Cause<'a> {
    pub generation: u64,
    pub source: &'a SourceName,
    pub delivery: &'a DeliveryKey,
    pub run: &'a RunId,
    pub at: DateTime<Utc>,
}

pub(crate) async fn write_changes(
    conn: &mut AnyConnection,
    cause: &Cause<'_>,
    differences: &Differences,
) -> Result<(), CatalogError> {
    let columns = [
        "generation",
        "day",
        "provider",
        "billing_account",
        "currency",
        "source",
        "delivery",
        "run",
        "changed_at",
        "rows_before",
        "billed_before",
        "effective_before",
        "rows_after",
        "billed_after",
        "effective_after",
    ];
    let at = sql::time(cause.at);
    let rows = differences.iter().map(|(key, (before, after))| -> [Cell; 15] {
        [
            cause.generation.into(),
            key.day.to_string().into(),
            key.provider.as_str().into(),
            key.billing_account.as_str().into(),
            key.currency.as_str().into(),
            cause.source.as_str().into(),
            cause.delivery.as_str().into(),
            cause.run.as_str().into(),
            at.as_str().into(),
            before.rows.into(),
            text(before.billed).into(),
            text(before.effective).into(),
            after.rows.into(),
            text(after.billed).into(),
            text(after.effective).into(),
        ]
    });
    sql::insert_rows(conn, "changes", columns, rows.collect()).await
}

fn text(money: Option<Money>) -> Option<String> {
    money.map(|money| money.to_string())
}

fn read_key(row: &AnyRow) -> Result<DayKey, CatalogError> {
    Ok(DayKey {
        day: row.day("day")?,
        provider: row.text("provider")?,
        billing_account: row.text("billing_account")?,
        currency: row.parsed("currency")?,
    })
}

fn read_figures(row: &AnyRow, rows: &str, billed: &str, effective: &str) -> Result<DayFigures, CatalogError> {
    Ok(DayFigures {
        rows: row.count(rows)?,
        billed: row.optional_parsed(billed)?,
        effective: row.optional_parsed(effective)?,
    })
}

fn read_change(row: &AnyRow) -> Result<Change, CatalogError> {
    Ok(Change {
        generation: row.count("generation")?,
        at: row.parsed("changed_at")?,
        source: SourceName::new(row.text("source")?),
        delivery: DeliveryKey::new(row.text("delivery")?),
        run: RunId::new(row.text("run")?),
        day: row.day("day")?,
        provider: row.text_unless_empty("provider")?,
        billing_account: row.text_unless_empty("billing_account")?,
        currency: row.parsed("currency")?,
        before: read_figures(row, "rows_before", "billed_before", "effective_before")?,
        after: read_figures(row, "rows_after", "billed_after", "effective_after")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days() -> impl Strategy<Value = Days> {
        let day = (0_u64..4, 0_usize..2, 1_u64..3, proptest::option::of(-2_i128..2));
        proptest::collection::vec(day, 0..8).prop_map(|days| {
            let row = |(day, provider, rows, billed): (u64, usize, u64, Option<i128>)| {
                let key = DayKey {
                    day: NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day") + chrono::Days::new(day),
                    provider: ["", "AWS"][provider].to_owned(),
                    billing_account: String::new(),
                    currency: Currency::USD,
                };
                let billed = billed.and_then(Money::from_units);
                (key, DayFigures { rows, billed, effective: None })
            };
            days.into_iter().map(row).collect()
        })
    }

    proptest! {
        /// Applied to the old days, the differences give the new ones; and none of them is idle.
        #[test]
        fn differences_lead_from_old_to_new(old in days(), new in days()) {
            let differences = differences(&old, &new);
            let mut moved = old.clone();
            for (key, (before, after)) in differences {
                prop_assert_ne!(before, after);
                prop_assert_eq!(moved.remove(&key).unwrap_or_default(), before);
                if after != DayFigures::default() {
                    moved.insert(key, after);
                }
            }
            prop_assert_eq!(moved, new);
        }
    }
}
