//! Whose cost it is: what is said of teams, components, maps, pools, series and rules, and every change of it.
//!
//! It is small, so it is held and checked as a whole: a change is let in by one transaction that reads all of it, looks for what
//! the change would break, writes what differs and says so in the audit. What was is kept, so that a snapshot of an older
//! generation has the teams of then.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, Utc};
use outlay_model::ownership::{Audited, Definition, Edit, Kind, Origin, Ownership};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError, series};

/// Changes that are made together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnershipChange {
    /// What is changed, in order.
    pub edits: Vec<Edit>,
    /// Who says so.
    pub origin: Origin,
    /// Who that is, for people.
    pub by: String,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Which changes are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only those that come behind this place in the list: its generation and position.
    pub before: Option<(u64, u64)>,
}

impl Catalog {
    /// Changes who owns what, and gives the generation it holds from: the present one where all of it is said already. With the
    /// definition of a series go its points.
    ///
    /// # Errors
    /// [`CatalogError::OwnershipProblems`], [`CatalogError::SaidElsewhere`], [`CatalogError::NotSaid`]: nothing has changed.
    pub async fn change_ownership(&self, change: &OwnershipChange) -> Result<u64, CatalogError> {
        let mut tx = self.begin().await?;
        let generation = raise_generation(&mut tx).await?;
        let before = now_in_force(&mut tx).await?;
        let mut after = before.clone();
        for edit in &change.edits {
            let (kind, name) = edit.subject();
            let name = name.to_owned();
            match after.origin(kind, &name) {
                Some(origin) if origin != change.origin => {
                    return Err(CatalogError::SaidElsewhere { kind, name, origin });
                }
                None if matches!(edit, Edit::Remove { .. }) => return Err(CatalogError::NotSaid { kind, name }),
                _ => after.edit(edit.clone(), change.origin),
            }
        }
        if after == before {
            return generation.checked_sub(1).ok_or_else(|| CatalogError::corrupt("a generation", "it is 0"));
        }
        let problems = after.problems();
        if !problems.is_empty() {
            return Err(CatalogError::OwnershipProblems(problems));
        }
        write(&mut tx, &before, &after, change, generation).await?;
        let query = sqlx::query("UPDATE head SET ownership_generation = $1 WHERE id = 1").bind(sql::number(generation));
        query.execute(&mut *tx).await.during("raise the generation of ownership")?;
        tx.commit().await.during("change who owns what")?;
        Ok(generation)
    }

    /// The latest changes, newest first, each with its position in its generation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(&self, query: &AuditQuery, limit: u32) -> Result<Vec<(u64, Audited)>, CatalogError> {
        let AuditQuery { kind, name, before } = query;
        let (generation, position) = before.unwrap_or((i64::MAX as u64, i64::MAX as u64));
        let query = sqlx::query(
            "SELECT * FROM audit WHERE ($1 = '' OR kind = $1) AND ($2 = '' OR name = $2) AND (generation, position) < ($3, $4) \
             ORDER BY generation DESC, position DESC LIMIT $5",
        );
        let query = query
            .bind(kind.map_or("", Kind::as_str))
            .bind(sql::without_nul(sql::text_or_empty(name.as_deref())))
            .bind(sql::number(generation))
            .bind(sql::number(position))
            .bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.during("list the changes of ownership")?;
        rows.iter().map(read_audited).collect()
    }

    /// What was said at a generation since which it is the same: that of the latest snapshot, where it is.
    pub(crate) async fn ownership_since(&self, generation: u64) -> Result<Arc<Ownership>, CatalogError> {
        let known = {
            let cached = self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            cached
                .as_ref()
                .filter(|snapshot| snapshot.ownership_since == generation)
                .map(|snapshot| Arc::clone(&snapshot.ownership))
        };
        match known {
            Some(ownership) => Ok(ownership),
            None => Ok(Arc::new(at(self, generation).await?)),
        }
    }
}

fn read_audited(row: &AnyRow) -> Result<(u64, Audited), CatalogError> {
    Ok((
        row.count("position")?,
        Audited {
            at: row.parsed("changed_at")?,
            by: row.text("changed_by")?,
            kind: row.word("kind")?,
            name: row.text("name")?,
            before: row.optional_json("body_before")?,
            after: row.optional_json("body_after")?,
            generation: row.count("generation")?,
        },
    ))
}

/// What is said at a generation.
async fn at(catalog: &Catalog, generation: u64) -> Result<Ownership, CatalogError> {
    let query = sqlx::query(
        "SELECT kind, name, origin, body FROM ownership \
         WHERE from_generation <= $1 AND (until_generation IS NULL OR until_generation > $1) ORDER BY place, name",
    );
    let query = query.bind(sql::number(generation));
    read(&query.fetch_all(catalog.pool()).await.during("read who owns what")?)
}

/// What is said now, within a transaction.
async fn now_in_force(conn: &mut AnyConnection) -> Result<Ownership, CatalogError> {
    let query = sqlx::query(
        "SELECT kind, name, origin, body FROM ownership WHERE until_generation IS NULL ORDER BY place, name",
    );
    read(&query.fetch_all(conn).await.during("read who owns what")?)
}

fn read(rows: &[AnyRow]) -> Result<Ownership, CatalogError> {
    let mut ownership = Ownership::default();
    for row in rows {
        let kind: Kind = row.word("kind")?;
        let definition = Definition::read(kind, row.json("body")?);
        let definition = definition.map_err(|error| CatalogError::corrupt(format!("a {kind}"), error))?;
        ownership.edit(Edit::Put { name: row.text("name")?, definition, place: None }, row.word("origin")?);
    }
    Ok(ownership)
}

/// Everything that is said of names, by kind and name, with its place and origin.
fn said(ownership: &Ownership) -> Vec<((Kind, String), (u64, Origin, Definition))> {
    let place = |kind: Kind, name: &str| match kind {
        Kind::Rule => {
            (0_u64..).zip(&ownership.rules).find(|(_, (id, _))| id.as_str() == name).map_or(0, |(place, _)| place)
        }
        _ => 0,
    };
    let told = ownership.origins.iter().filter_map(|((kind, name), origin)| {
        let definition = ownership.definition(*kind, name)?;
        Some(((*kind, name.clone()), (place(*kind, name), *origin, definition)))
    });
    told.collect()
}

/// Writes what differs, and says so in the audit.
async fn write(
    conn: &mut AnyConnection,
    before: &Ownership,
    after: &Ownership,
    change: &OwnershipChange,
    generation: u64,
) -> Result<(), CatalogError> {
    let (before, after) = (said(before), said(after));
    let body = |said: Option<&(u64, Origin, Definition)>| {
        said.map(|(_, _, definition)| sql::json("a definition", definition)).transpose()
    };
    let find = |all: &'_ [((Kind, String), (u64, Origin, Definition))], subject: &(Kind, String)| {
        all.binary_search_by(|(other, _)| other.cmp(subject)).ok()
    };
    let (mut rows, mut audited): (Vec<[Cell; 6]>, Vec<[Cell; 8]>) = (Vec::new(), Vec::new());
    let gone = before.iter().filter(|(subject, _)| find(&after, subject).is_none()).map(|(subject, _)| subject);
    let subjects: Vec<&(Kind, String)> = after.iter().map(|(subject, _)| subject).chain(gone).collect();
    for subject in subjects {
        let was = find(&before, subject).map(|place| &before[place].1);
        let is = find(&after, subject).map(|place| &after[place].1);
        if was == is {
            continue;
        }
        let (kind, name) = subject;
        if was.is_some() {
            let query = sqlx::query(
                "UPDATE ownership SET until_generation = $1 WHERE kind = $2 AND name = $3 AND until_generation IS NULL",
            );
            let query = query.bind(sql::number(generation)).bind(kind.as_str()).bind(name.as_str());
            query.execute(&mut *conn).await.during("replace what was said")?;
        }
        if *kind == Kind::Series && is.is_none() {
            series::forget(conn, name).await?;
        }
        let (body_before, body_after) = (body(was)?, body(is)?);
        if let (Some((place, origin, _)), Some(body)) = (is, &body_after) {
            rows.push([
                kind.as_str().into(),
                name.as_str().into(),
                generation.into(),
                (*place).into(),
                origin.as_str().into(),
                body.as_str().into(),
            ]);
        }
        // A rule that only moves because another one came or went before it did not change.
        if body_before != body_after {
            audited.push([
                generation.into(),
                (audited.len() as u64).into(),
                sql::time(change.now).into(),
                change.by.as_str().into(),
                kind.as_str().into(),
                name.as_str().into(),
                body_before.into(),
                body_after.into(),
            ]);
        }
    }
    let columns = ["kind", "name", "from_generation", "place", "origin", "body"];
    sql::insert_rows(conn, "ownership", columns, rows).await?;
    let columns = ["generation", "position", "changed_at", "changed_by", "kind", "name", "body_before", "body_after"];
    sql::insert_rows(conn, "audit", columns, audited).await
}
