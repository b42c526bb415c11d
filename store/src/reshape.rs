//! The same rows in other files: a roll-up made anew from the charges, and the daily rows of many parts in one file.
//!
//! What was written is read back and held against what it was made from before anybody is told to use it (P1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_ledger::schema::{self, CHARGE_DATE, PART_ID, ROWS};
use outlay_ledger::{decimal, filter, rollup};
use outlay_model::part::{Layer, Part, PartFile};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, Money, PartId, SourceName, TagKey};
use polars::prelude::{DataType, IdxSize, LazyFrame, SortMultipleOptions, col, len, lit};

use crate::cache::Held;
use crate::daily::{self, DailyFile};
use crate::home::blocking;
use crate::scan::scan_files;
use crate::stage::{StageSpec, Staged, dates, read_back, roll_up, scan, streamed, texts};
use crate::{Store, StoreError};

/// Daily rows sorted at once.
const AT_ONCE: usize = 1 << 18;
/// The delivery that a file of several parts says it is of.
const SEVERAL: &str = "several";

impl Store {
    /// Rolls a part's charges up into `file`, with these tag keys as far as the part has them, and says what it holds.
    /// The file lasts when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the store fails, or the roll-up does not add up.
    pub async fn roll_up_again(
        self: &Arc<Self>,
        part: &Part,
        file: &PartFile,
        daily_keys: &[TagKey],
    ) -> Result<Staged, StoreError> {
        let held = self.home.hold(part.files(Layer::Charges).map(ToOwned::to_owned).collect()).await?;
        let (store, part, to, keys) = (Arc::clone(self), part.clone(), file.clone(), daily_keys.to_vec());
        let staged = blocking(move || store.roll_up_now(&part, &to, &keys, &held)).await?;
        self.publish(std::slice::from_ref(file)).await?;
        Ok(staged)
    }

    fn roll_up_now(
        &self,
        part: &Part,
        file: &PartFile,
        daily_keys: &[TagKey],
        held: &Held,
    ) -> Result<Staged, StoreError> {
        let charges = part.files(Layer::Charges).next().ok_or(StoreError::Corrupt { what: "part without charges" })?;
        let charges = held.path(charges);
        let tags: BTreeSet<TagKey> = daily_keys.iter().filter(|key| part.tag_keys.contains(*key)).cloned().collect();
        let mut staged = read_back(part.rows, &charges, &part.columns, tags)?;
        let spec = StageSpec {
            part: part.id.clone(),
            source: part.source.clone(),
            delivery: part.delivery.clone(),
            fingerprint: part.fingerprint.clone(),
            columns: part.columns.clone(),
            tag_keys: part.tag_keys.clone(),
        };
        roll_up(&charges, &self.home.staging(&file.path), &spec, &mut staged)?;
        Ok(staged)
    }

    /// Writes the daily rows of some parts of a source into one file; each row keeps the name of its part. The file
    /// lasts when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the store fails, or a part's rows do not add up in the new file.
    pub async fn bundle(
        self: &Arc<Self>,
        source: &SourceName,
        bundle: &PartId,
        parts: &[Part],
    ) -> Result<(), StoreError> {
        let file = PartFile::new(Layer::Daily, source, bundle);
        let files = parts.iter().flat_map(|part| part.files(Layer::Daily)).map(ToOwned::to_owned).collect();
        let held = self.home.hold(files).await?;
        let (store, of, id, parts) = (Arc::clone(self), source.clone(), bundle.clone(), parts.to_vec());
        blocking(move || store.bundle_now(&of, &id, &parts, &held)).await?;
        self.publish(std::slice::from_ref(&file)).await
    }

    fn bundle_now(&self, source: &SourceName, bundle: &PartId, parts: &[Part], held: &Held) -> Result<(), StoreError> {
        let tags: BTreeSet<TagKey> = parts.iter().flat_map(|part| part.daily_tags.iter().cloned()).collect();
        let ordered = daily::columns(&tags);
        let files: BTreeSet<String> =
            parts.iter().flat_map(|part| part.files(Layer::Daily)).map(ToOwned::to_owned).collect();
        let files: Vec<String> = files.into_iter().collect();
        let rows = scan_files(&files, held, schema::of(ordered.iter().map(String::as_str)))?
            .filter(filter::one_of(PART_ID, parts.iter().map(|part| part.id.as_str())));
        let before = by_part(rows.clone())?;
        for part in parts {
            if before.get(part.id.as_str()).map_or(0, |(rows, _)| *rows) != part.rows {
                return Err(StoreError::NotConserved { column: ROWS });
            }
        }
        let spec = StageSpec {
            part: bundle.clone(),
            source: source.clone(),
            delivery: DeliveryKey::new(SEVERAL),
            fingerprint: String::new(),
            columns: ordered.iter().cloned().collect(),
            tag_keys: BTreeSet::new(),
        };
        let path = self.home.staging(&PartFile::new(Layer::Daily, source, bundle).path);
        let mut file = DailyFile::create(&path, &spec, &Staged::of_several(before.values()), &ordered)?;
        for Stretch { first, last, rows: count } in stretches(&rows)? {
            let days = col(CHARGE_DATE).gt_eq(lit(first)).and(col(CHARGE_DATE).lt_eq(lit(last)));
            let of_days = rows.clone().filter(days);
            if count <= AT_ONCE {
                let order = SortMultipleOptions::default().with_maintain_order(true);
                file.write(streamed(of_days.sort([CHARGE_DATE, PART_ID], order))?)?;
                continue;
            }
            // One day: what is to be sorted is the parts, and theirs are sorted already.
            for part in parts.iter().map(|part| part.id.as_str()).collect::<BTreeSet<_>>() {
                let of_part = of_days.clone().filter(col(PART_ID).eq(lit(part)));
                for from in (0..count).step_by(AT_ONCE) {
                    file.write(streamed(of_part.clone().slice(from as i64, AT_ONCE as IdxSize))?)?;
                }
            }
        }
        file.finish()?;
        if by_part(scan(&path)?)? != before {
            return Err(StoreError::NotConserved { column: PART_ID });
        }
        Ok(())
    }
}

/// Days one after another with so few rows that they can be sorted at once, or a single one that has more.
struct Stretch {
    first: NaiveDate,
    last: NaiveDate,
    rows: usize,
}

fn stretches(daily: &LazyFrame) -> Result<Vec<Stretch>, StoreError> {
    let count = len().cast(DataType::Int64).alias(ROWS);
    let days =
        streamed(daily.clone().group_by([col(CHARGE_DATE)]).agg([count]).sort([CHARGE_DATE], Default::default()))?;
    let counts = days.column(ROWS)?.i64()?.clone();
    let mut stretches: Vec<Stretch> = Vec::new();
    for (day, rows) in dates(days.column(CHARGE_DATE)?)?.into_iter().zip(counts.iter()) {
        let day = day.ok_or(StoreError::Corrupt { what: "day" })?;
        let rows = rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0);
        match stretches.last_mut() {
            Some(stretch) if stretch.rows + rows <= AT_ONCE => {
                (stretch.last, stretch.rows) = (day, stretch.rows + rows);
            }
            _ => stretches.push(Stretch { first: day, last: day, rows }),
        }
    }
    Ok(stretches)
}

/// Charges of a part, and its sum of each cost.
pub(crate) type PartSums = (u64, Vec<(Metric, Option<Money>)>);

/// Charges and sums of each part in a frame of daily rows.
fn by_part(daily: LazyFrame) -> Result<BTreeMap<String, PartSums>, StoreError> {
    let sums = Metric::ALL.iter().map(|metric| rollup::sum_or_null(metric.column()));
    let sums: Vec<_> = std::iter::once(col(ROWS).sum()).chain(sums).collect();
    let frame = streamed(daily.group_by([col(PART_ID)]).agg(sums))?;
    let (ids, rows) = (texts(frame.column(PART_ID)?)?, frame.column(ROWS)?.i64()?.clone());
    let mut costs = Vec::new();
    for metric in Metric::ALL {
        costs.push((*metric, decimal::amounts(frame.column(metric.column())?.as_materialized_series())?));
    }
    ids.into_iter()
        .enumerate()
        .map(|(row, id)| {
            let id = id.ok_or(StoreError::Corrupt { what: "part of a daily row" })?;
            let count = rows.get(row).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            Ok((id, (count, costs.iter().map(|(metric, costs)| (*metric, costs[row])).collect())))
        })
        .collect()
}
