//! The same rows in other files: a roll-up made anew from the charges, and the daily rows of many parts in one file.
//!
//! What was written is read back and held against what it was made from before anybody is told to use it (P1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlay_ledger::schema::{self, CHARGE_DATE, PART_ID, ROWS};
use outlay_ledger::{decimal, filter, rollup};
use outlay_model::part::{Layer, Part, PartFile};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, Money, PartId, SourceName, TagKey};
use polars::prelude::{ChunkAgg, IntoLazy, LazyFrame, SortMultipleOptions, col, lit};

use crate::cache::Held;
use crate::home::blocking;
use crate::scan::scan_files;
use crate::stage::{StageSpec, Staged, read_back, scan, streamed, texts, write_daily};
use crate::{Store, StoreError};

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
        let id = lit(part.id.as_str()).alias(PART_ID);
        let mut daily = streamed(rollup::roll_up(scan(&charges)?, &part.columns, &tags).with_column(id))?;
        let rows = daily.column(ROWS)?.as_materialized_series().i64()?.sum().unwrap_or(0);
        if u64::try_from(rows) != Ok(part.rows) {
            return Err(StoreError::NotConserved { column: ROWS });
        }
        let staged = read_back(part.rows, &charges, &part.columns, tags, &daily)?;
        let spec = StageSpec {
            part: part.id.clone(),
            source: part.source.clone(),
            delivery: part.delivery.clone(),
            fingerprint: part.fingerprint.clone(),
            columns: part.columns.clone(),
            tag_keys: part.tag_keys.clone(),
        };
        let path = self.home.staging(&file.path);
        write_daily(&path, &spec, &staged, &mut daily)?;
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
        let mut columns: BTreeSet<String> = schema::daily_keys(&tags).into_iter().collect();
        columns.extend(schema::daily_values().into_iter().map(ToOwned::to_owned));
        columns.insert(PART_ID.to_owned());
        let ordered = schema::ordered(columns.iter().map(String::as_str));
        let files: BTreeSet<String> =
            parts.iter().flat_map(|part| part.files(Layer::Daily)).map(ToOwned::to_owned).collect();
        let files: Vec<String> = files.into_iter().collect();
        let rows = scan_files(&files, held, schema::of(ordered.iter().map(String::as_str)))?
            .filter(filter::one_of(PART_ID, parts.iter().map(|part| part.id.as_str())))
            .sort([CHARGE_DATE, PART_ID], SortMultipleOptions::default().with_maintain_order(true));
        let mut frame = streamed(rows)?;
        let before = by_part(frame.clone().lazy())?;
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
            columns,
            tag_keys: BTreeSet::new(),
        };
        let path = self.home.staging(&PartFile::new(Layer::Daily, source, bundle).path);
        let staged = Staged::of_several(before.values());
        write_daily(&path, &spec, &staged, &mut frame)?;
        if by_part(scan(&path)?)? != before {
            return Err(StoreError::NotConserved { column: PART_ID });
        }
        Ok(())
    }
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
