//! Other owners for charges that are stored: which have another one by now, and the same charges written again with theirs.
//!
//! A part is never changed. Its charges are read a row group at a time, in their order, and written to files of another part;
//! what was written is read back and held against what it was made from before anybody is told to use it (P1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use outlay_ledger::own::{Explained, Owning};
use outlay_ledger::schema::{self, COMPONENT, ENVIRONMENT, OWNERSHIP_RULE, PART_ID, ROWS, SOURCE, TEAM};
use outlay_model::filter::Filter;
use outlay_model::ownership::Book;
use outlay_model::part::{Layer, Part};
use outlay_model::query::Basis;
use outlay_model::{DateRange, Dimension, PartId, TagKey};
use polars::prelude::{DataFrame, IdxSize, StringChunked};

use crate::cache::Held;
use crate::home::blocking;
use crate::scan::{Rows, Scan, scan_files};
use crate::stage::{ROW_GROUP, StageSpec, Staged, owned_columns, read_back, streamed};
use crate::{Store, StoreError};

/// The columns that say who owns a charge, as a decision has them.
const OWNERS: [&str; 4] = [TEAM, COMPONENT, ENVIRONMENT, OWNERSHIP_RULE];

/// Why a charge would be whose it is.
#[derive(Debug, Clone)]
pub struct ExplainQuery {
    /// Its day.
    pub day: NaiveDate,
    /// What it says; a dimension that is not there is missing.
    pub values: BTreeMap<Dimension, String>,
    /// The rules.
    pub book: Book,
}

impl Store {
    /// Who owns a charge that says this, and what every rule has to say about it.
    ///
    /// # Errors
    /// [`StoreError`] when a billing period is no day or month, or the book cannot be used.
    pub fn explain(&self, query: &ExplainQuery) -> Result<Explained, StoreError> {
        Ok(Owning::new(&query.book, &self.tags)?.explain(query.day, &query.values, &self.tags)?)
    }

    /// How many charges of a part have another owner by this book, or have it by another rule, than is stored.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the store fails.
    pub async fn differing(self: &Arc<Self>, part: &Part, book: &Book) -> Result<u64, StoreError> {
        let held = self.home.hold(part.files(Layer::Charges).map(ToOwned::to_owned).collect()).await?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let (store, part, book) = (Arc::clone(self), part.clone(), book.clone());
        blocking(move || {
            let _permit = permit;
            store.differing_now(&part, &book, &held)
        })
        .await
    }

    fn differing_now(&self, part: &Part, book: &Book, held: &Held) -> Result<u64, StoreError> {
        let owning = Owning::new(book, &self.tags)?;
        let scan = scan_of(part, &owning);
        let mut needed: BTreeSet<String> = owning.columns().iter().map(|(name, _)| name.clone()).collect();
        needed.extend(OWNERS.map(ToOwned::to_owned));
        let mut differing = 0;
        for first in (0..part.rows).step_by(ROW_GROUP) {
            let rows = Rows {
                range: DateRange::ALWAYS,
                basis: Basis::Charge,
                filter: &Filter::everything(),
                by_day: &[],
                only: Some((first, ROW_GROUP)),
            };
            let some = streamed(self.read(&scan, held, needed.clone(), &rows)?)?;
            differing += count_differing(&owning, &some)?;
        }
        Ok(differing)
    }

    /// Writes the charges of a part again, as those of part `id`, with the owners that this book gives them, rolls them up, and
    /// says what the new files hold. They last when this returns. `told` hears of the charges that are done.
    ///
    /// # Errors
    /// [`StoreError`] when the engine or the store fails, or not every charge and cent is there again.
    pub async fn own_again(
        self: &Arc<Self>,
        part: &Part,
        id: &PartId,
        book: &Book,
        daily_keys: &[TagKey],
        told: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Staged, StoreError> {
        let held = self.home.hold(part.files(Layer::Charges).map(ToOwned::to_owned).collect()).await?;
        let (store, part, new, book, keys) =
            (Arc::clone(self), part.clone(), id.clone(), book.clone(), daily_keys.to_vec());
        let files = Self::files_of(&part.source, id);
        let staged = blocking(move || store.own_again_now(&part, new, &book, &keys, &held, &*told)).await?;
        self.publish(&files).await?;
        Ok(staged)
    }

    fn own_again_now(
        &self,
        part: &Part,
        id: PartId,
        book: &Book,
        daily_keys: &[TagKey],
        held: &Held,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Staged, StoreError> {
        let files: Vec<String> = part.files(Layer::Charges).map(ToOwned::to_owned).collect();
        let old = held.path(files.first().ok_or(StoreError::Corrupt { what: "part without charges" })?);
        let added = OWNERS.into_iter().chain([SOURCE, PART_ID]).collect::<BTreeSet<_>>();
        let columns = part.columns.iter().filter(|name| !added.contains(name.as_str())).cloned();
        let spec = StageSpec {
            part: id,
            source: part.source.clone(),
            delivery: part.delivery.clone(),
            fingerprint: part.fingerprint.clone(),
            columns: columns.collect(),
            tag_keys: part.tag_keys.clone(),
        };
        let kept = schema::of(spec.columns.iter().map(String::as_str));
        if !owned_columns(&spec).is_superset(&part.columns) {
            return Err(StoreError::Corrupt { what: "columns of a part" });
        }
        let mut stage = self.stage(spec, book, part.more_tags)?;
        for first in (0..part.rows).step_by(ROW_GROUP) {
            let some = scan_files(&files, held, Arc::clone(&kept))?
                .slice(i64::try_from(first).unwrap_or(i64::MAX), ROW_GROUP as IdxSize);
            let charges = streamed(some)?;
            let rows = charges.height() as u64;
            stage.write(charges)?;
            told(rows);
        }
        let staged = stage.finish(daily_keys)?;
        let before = read_back(part.rows, &old, &part.columns, BTreeSet::new())?;
        if staged.rows != part.rows {
            return Err(StoreError::NotConserved { column: ROWS });
        }
        if let Some(((_, metric), _)) = staged
            .sums
            .iter()
            .find(|(key, sum)| before.sums.get(*key) != Some(*sum))
            .or_else(|| before.sums.iter().find(|(key, _)| !staged.sums.contains_key(*key)))
        {
            return Err(StoreError::NotConserved { column: metric.column() });
        }
        if let Some((metric, _)) = staged.null_rows.iter().find(|(key, nulls)| part.null_rows.get(key) != Some(*nulls))
        {
            return Err(StoreError::NotConserved { column: schema::nulls_column(*metric) });
        }
        Ok(staged)
    }
}

/// All charges of a part, with the tags that the book looks at.
fn scan_of(part: &Part, owning: &Owning) -> Scan {
    let keys = owning.columns().iter().filter_map(|(_, key)| key.clone());
    Scan {
        layer: Layer::Charges,
        files: part.files(Layer::Charges).map(ToOwned::to_owned).collect(),
        inside: true,
        tags_from_text: keys.filter(|key| part.more_tags && !part.tag_keys.contains(key)).collect(),
        only_parts: BTreeSet::new(),
    }
}

/// How many of these charges have another owner than they say.
fn count_differing(owning: &Owning, charges: &DataFrame) -> Result<u64, StoreError> {
    let decided = owning.decided(charges)?;
    let stored = OWNERS.map(|name| charges.column(name).and_then(|column| column.str().cloned()));
    let [teams, components, environments, rules] = stored;
    let (teams, components, environments, rules): (StringChunked, StringChunked, StringChunked, StringChunked) =
        (teams?, components?, environments?, rules?);
    let stored = teams.iter().zip(components.iter()).zip(environments.iter()).zip(rules.iter()).enumerate();
    let differs = stored.filter(|(row, (((team, component), environment), rule))| {
        Some(decided.team(*row)) != *team
            || decided.component(*row) != *component
            || decided.environment(*row) != *environment
            || decided.rule(*row) != *rule
    });
    Ok(differs.count() as u64)
}

#[cfg(test)]
mod tests;
