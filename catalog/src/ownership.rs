//! Whose cost it is: what is said of teams, components, maps, pools, series and rules, and every change of it.
//!
//! It is small, so it is held and checked as a whole: a change is let in by one transaction that reads all of it, looks for what
//! the change would break, writes what differs and says so in the audit. What was is kept, so that a snapshot of an older
//! generation has the teams of then.

use std::collections::{BTreeMap, BTreeSet};
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
pub(crate) async fn now_in_force(conn: &mut AnyConnection) -> Result<Ownership, CatalogError> {
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

/// What is said of a name: its place among the rules, who says it, and what.
type Said = (u64, Origin, Definition);

/// Everything that is said of names, by kind and name.
fn said(ownership: &Ownership) -> BTreeMap<(Kind, String), Said> {
    let places: BTreeMap<&str, u64> = ownership.rules.iter().map(|(id, _)| id.as_str()).zip(0..).collect();
    let told = ownership.origins.iter().filter_map(|((kind, name), origin)| {
        let definition = ownership.definition(*kind, name)?;
        let place = if *kind == Kind::Rule { places.get(name.as_str()).copied().unwrap_or_default() } else { 0 };
        Some(((*kind, name.clone()), (place, *origin, definition)))
    });
    told.collect()
}

/// Writes what differs, and says so in the audit.
pub(crate) async fn write(
    conn: &mut AnyConnection,
    before: &Ownership,
    after: &Ownership,
    change: &OwnershipChange,
    generation: u64,
) -> Result<(), CatalogError> {
    let moved = moved(before, after, &change.edits);
    let (before, after) = (said(before), said(after));
    let (mut rows, mut audited): (Vec<[Cell; 6]>, Vec<[Cell; 8]>) = (Vec::new(), Vec::new());
    let subjects: BTreeSet<&(Kind, String)> = before.keys().chain(after.keys()).collect();
    for subject in subjects {
        let (was, is) = (before.get(subject), after.get(subject));
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
        if let Some((place, origin, definition)) = is {
            rows.push([
                kind.as_str().into(),
                name.as_str().into(),
                generation.into(),
                (*place).into(),
                origin.as_str().into(),
                sql::json("a definition", definition)?.into(),
            ]);
        }
        // A rule that only moves because another one came or went before it did not change.
        let moved = *kind == Kind::Rule && moved.contains(name.as_str());
        let [body_before, body_after] = [told(was, moved)?, told(is, moved)?];
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
    sql::insert_rows(conn, "audit", columns, audited).await?;
    let query = sqlx::query("UPDATE head SET ownership_generation = $1 WHERE id = 1").bind(sql::number(generation));
    query.execute(conn).await.during("raise the generation of ownership")?;
    Ok(())
}

/// What the audit says of a definition. Of a rule that was moved its place belongs to it: the first that matches decides.
fn told(said: Option<&Said>, moved: bool) -> Result<Option<String>, CatalogError> {
    let Some((place, _, definition)) = said else { return Ok(None) };
    let mut body = serde_json::to_value(definition)
        .map_err(|error| CatalogError::Inconsistent(format!("a definition cannot be written as JSON: {error}")))?;
    if moved && let Some(fields) = body.as_object_mut() {
        fields.insert("place".to_owned(), (*place).into());
    }
    Ok(Some(body.to_string()))
}

/// The rules that come before or behind others than they did: as few as can be, and of those that were given a place rather than
/// of the rest.
fn moved<'a>(before: &Ownership, after: &'a Ownership, edits: &[Edit]) -> BTreeSet<&'a str> {
    let was: BTreeMap<&str, usize> = before.rules.iter().map(|(id, _)| id.as_str()).zip(0..).collect();
    let placed: BTreeSet<&str> = edits
        .iter()
        .filter(|edit| matches!(edit, Edit::Put { place: Some(_), .. }))
        .map(|edit| edit.subject().1)
        .collect();
    let rules: Vec<(&str, usize)> =
        after.rules.iter().filter_map(|(id, _)| Some((id.as_str(), *was.get(id.as_str())?))).collect();
    // The heaviest run of rules that are still in order stays where it is: for each rule the best that ends with it.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(rules.len());
    for (place, (name, was)) in rules.iter().enumerate() {
        let weight = if placed.contains(name) { 1 } else { rules.len() + 1 };
        let before = (0..place).filter(|other| rules[*other].1 < *was).max_by_key(|other| best[*other].0);
        best.push((weight + before.map_or(0, |before| best[before].0), before));
    }
    let mut moved: BTreeSet<&str> = rules.iter().map(|(name, _)| *name).collect();
    let mut stays = (0..rules.len()).max_by_key(|place| best[*place].0);
    while let Some(place) = stays {
        moved.remove(rules[place].0);
        stays = best[place].1;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(names: &str) -> Ownership {
        let mut ownership = Ownership::default();
        for name in names.chars() {
            ownership.edit(put(name, None), Origin::Api);
        }
        ownership
    }

    fn put(name: char, place: Option<usize>) -> Edit {
        let json = serde_json::json!({ "from": "ever", "when": "TRUE", "team": "unallocated" });
        let definition = Definition::read(Kind::Rule, json).expect("a rule");
        Edit::Put { name: name.to_string(), definition, place }
    }

    #[track_caller]
    fn check(before: &str, edits: Vec<Edit>, expected: (&str, &str)) {
        let before = rules(before);
        let mut after = before.clone();
        edits.iter().for_each(|edit| after.edit(edit.clone(), Origin::Api));
        let order: String = after.rules.iter().map(|(id, _)| id.as_str()).collect();
        let moved: String = moved(&before, &after, &edits).into_iter().collect();
        assert_eq!((order.as_str(), moved.as_str()), expected);
    }

    #[test]
    fn who_is_moved_is_who_was_given_a_place() {
        check("abc", vec![put('b', Some(0))], ("bac", "b"));
        check("abc", vec![put('a', Some(1))], ("bac", "a"));
        check("abc", vec![put('a', Some(2)), put('c', Some(0))], ("cba", "ac"));
    }

    #[test]
    fn who_makes_room_has_not_moved() {
        check("abc", vec![put('x', Some(0)), put('a', Some(1)), put('b', Some(2)), put('c', Some(3))], ("xabc", ""));
        check("abc", vec![Edit::Remove { kind: Kind::Rule, name: "a".to_owned() }], ("bc", ""));
        check("abc", vec![put('b', None)], ("abc", ""));
    }
}
