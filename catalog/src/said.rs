//! Who owns what, written down a second time: beside the bills, so that a lost catalog comes back with the rules that gave its
//! charges their owners. Without them the next settling would give all charges back to whom their tags name.
//!
//! Definitions only. Points of series, events and the audit are in the catalog alone, and in its backups.

use chrono::{DateTime, Utc};
use outlay_model::ownership::{Definition, Edit, Kind, Origin, Ownership};
use serde::{Deserialize, Serialize};

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError, OwnershipChange, ownership};

/// Everything that is said of who owns what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnershipRecord {
    /// The record's own version: [`OwnershipRecord::VERSION`], or an older one.
    pub record: u32,
    /// The generation since which it is so.
    pub generation: u64,
    /// The definitions; rules in their order.
    pub said: Vec<SaidOf>,
}

/// What is said of a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidOf {
    /// What it is.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// Who says it.
    pub origin: Origin,
    /// What is said.
    pub definition: serde_json::Value,
}

impl OwnershipRecord {
    /// The version that is written. Older ones can still be read.
    pub const VERSION: u32 = 1;
}

impl Catalog {
    /// Whether the store does not hold the record of who owns what yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_is_unrecorded(&self) -> Result<bool, CatalogError> {
        let query = sqlx::query("SELECT 1 FROM head WHERE id = 1 AND ownership_recorded < ownership_generation");
        Ok(query.fetch_optional(self.pool()).await.during("look for what is not recorded")?.is_some())
    }

    /// The record of who owns what.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_record(&self) -> Result<OwnershipRecord, CatalogError> {
        // One transaction, so that the record is of one moment.
        let mut tx = self.begin().await?;
        let query = sqlx::query("SELECT ownership_generation FROM head WHERE id = 1");
        let row = query.fetch_one(&mut *tx).await.during("read the generation of ownership")?;
        let said = ownership::now_in_force(&mut tx).await?;
        Ok(OwnershipRecord {
            record: OwnershipRecord::VERSION,
            generation: row.count("ownership_generation")?,
            said: told(&said)?,
        })
    }

    /// Says that the store holds this record, and gives whether that is still what is said. Where it is not, it may have been put in
    /// the place of a later one: it has to be written anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_recorded(&self, record: &OwnershipRecord) -> Result<bool, CatalogError> {
        let query = sqlx::query("UPDATE head SET ownership_recorded = $1 WHERE id = 1 AND ownership_generation = $1");
        let query = query.bind(sql::number(record.generation));
        Ok(query.execute(self.pool()).await.during("note the record")?.rows_affected() == 1)
    }

    /// Says all of it again, and gives whether something was missing. What is said of a name by now stays.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`], [`CatalogError::OwnershipProblems`] when it cannot be understood: nothing has changed.
    pub async fn restore_ownership(&self, record: &OwnershipRecord, now: DateTime<Utc>) -> Result<bool, CatalogError> {
        let mut after = Ownership::default();
        for SaidOf { kind, name, origin, definition } in &record.said {
            let definition = Definition::read(*kind, definition.clone());
            let definition = definition.map_err(|error| CatalogError::corrupt(format!("a {kind}"), error))?;
            after.edit(Edit::Put { name: name.clone(), definition, place: None }, *origin);
        }
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        let before = ownership::now_in_force(&mut tx).await?;
        for ((kind, name), origin) in &before.origins {
            if let Some(definition) = before.definition(*kind, name) {
                after.edit(Edit::Put { name: name.clone(), definition, place: None }, *origin);
            }
        }
        let problems = after.problems();
        if !problems.is_empty() {
            return Err(CatalogError::OwnershipProblems(problems));
        }
        if after == before {
            return Ok(false);
        }
        let change = OwnershipChange { edits: Vec::new(), origin: Origin::Api, by: "recover".to_owned(), now };
        ownership::write(&mut tx, &before, &after, &change, generation).await?;
        tx.commit().await.during("restore who owns what")?;
        Ok(true)
    }
}

fn told(ownership: &Ownership) -> Result<Vec<SaidOf>, CatalogError> {
    let rules = ownership.rules.iter().map(|(id, _)| (Kind::Rule, id.to_string()));
    let others = ownership.origins.keys().filter(|(kind, _)| *kind != Kind::Rule).cloned();
    let mut said = Vec::new();
    for (kind, name) in others.chain(rules) {
        let told = ownership.origin(kind, &name).zip(ownership.definition(kind, &name));
        let (origin, definition) =
            told.ok_or_else(|| CatalogError::Inconsistent(format!("nothing is said of {kind} {name:?}")))?;
        let definition = serde_json::to_value(definition).map_err(|error| {
            CatalogError::Inconsistent(format!("{kind} {name:?} cannot be written as JSON: {error}"))
        })?;
        said.push(SaidOf { kind, name, origin, definition });
    }
    Ok(said)
}
