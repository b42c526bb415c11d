//! Sources: what the configuration says of each, what is known of those it no longer names, and whether they count (P4).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use outlay_model::{Role, Source, SourceName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError, days, jobs};

/// A source, and what the catalog knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSource {
    /// What the configuration says, or said last.
    pub source: Source,
    /// Whether it is still configured. One that is not keeps its bills and its role, and is not collected.
    pub configured: bool,
    /// The latest time of its schedule that a replica has taken up.
    pub last_tick: Option<DateTime<Utc>>,
    /// When a job of it was last done.
    pub succeeded_at: Option<DateTime<Utc>>,
}

impl Catalog {
    /// Makes the catalog know what is configured: all of it, every time. Sources that are no longer configured stay
    /// known with their role; what waits to be done for them is cancelled. A change of role changes what totals are
    /// made of, so it raises the generation.
    ///
    /// # Errors
    /// [`CatalogError::Overlap`] when a source that was a shadow would count days that another one counts: nothing has
    /// changed.
    pub async fn put_sources(&self, sources: &[Source], now: DateTime<Utc>) -> Result<(), CatalogError> {
        let known = self.sources().await?;
        let others = known.iter().any(|known| known.configured && !sources.contains(&known.source));
        if !others && are_known(&known, sources) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let before = put(&mut tx, sources).await?;
        for name in before.keys().filter(|name| sources.iter().all(|source| source.name != **name)) {
            retire(&mut tx, name, now).await?;
        }
        tx.commit().await.during("record the sources")
    }

    /// Makes the catalog know one source, whatever else is configured.
    ///
    /// # Errors
    /// As [`Catalog::put_sources`].
    pub async fn put_source(&self, source: &Source) -> Result<(), CatalogError> {
        let sources = std::slice::from_ref(source);
        if are_known(&self.sources().await?, sources) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        put(&mut tx, sources).await?;
        tx.commit().await.during("record the source")
    }

    /// All sources that are or were configured, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sources(&self) -> Result<Vec<KnownSource>, CatalogError> {
        let rows = sqlx::query(ALL).fetch_all(self.pool()).await.during("list the sources")?;
        rows.iter().map(read).collect()
    }
}

const ALL: &str = "SELECT * FROM sources ORDER BY name";

/// Whether there is nothing to write: every start of every replica says the same again.
fn are_known(known: &[KnownSource], sources: &[Source]) -> bool {
    sources.iter().all(|source| known.iter().any(|known| known.configured && known.source == *source))
}

/// Writes sources, and gives the roles of all that were known before.
async fn put(conn: &mut AnyConnection, sources: &[Source]) -> Result<BTreeMap<SourceName, Role>, CatalogError> {
    let before: BTreeMap<SourceName, Role> =
        read_all(conn).await?.into_iter().map(|known| (known.source.name, known.source.role)).collect();
    let mut moved = Vec::new();
    for source in sources {
        write(conn, source).await?;
        // Bills of a source that was never configured were imported, and count.
        let was = before.get(&source.name).copied().unwrap_or_default();
        if was != source.role && has_parts(conn, &source.name).await? {
            moved.push(source);
        }
    }
    if moved.is_empty() {
        return Ok(before);
    }
    let generation = raise_generation(conn).await?;
    for source in moved {
        let query = sqlx::query("UPDATE sources SET role_since = $1 WHERE name = $2");
        let query = query.bind(sql::number(generation)).bind(source.name.as_str());
        query.execute(&mut *conn).await.during("change the role of a source")?;
        if source.role == Role::Primary
            && let Some(overlap) = days::overlap_of_source(conn, &source.name).await?
        {
            return Err(CatalogError::Overlap(Box::new(overlap)));
        }
    }
    Ok(before)
}

async fn read_all(conn: &mut AnyConnection) -> Result<Vec<KnownSource>, CatalogError> {
    let rows = sqlx::query(ALL).fetch_all(conn).await.during("list the sources")?;
    rows.iter().map(read).collect()
}

async fn write(conn: &mut AnyConnection, source: &Source) -> Result<(), CatalogError> {
    let query = sqlx::query(
        "INSERT INTO sources (name, kind, yields, role, role_since, schedule, place, restates_months, configured) \
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7, 1) \
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, yields = excluded.yields, role = excluded.role, schedule = excluded.schedule, \
         place = excluded.place, restates_months = excluded.restates_months, configured = 1",
    );
    let query = query
        .bind(source.name.as_str())
        .bind(source.kind.as_str())
        .bind(source.yields.as_str())
        .bind(source.role.as_str())
        .bind(source.schedule.as_deref())
        .bind(source.place.as_str())
        .bind(i64::from(source.restates_months));
    query.execute(conn).await.during("record the source")?;
    Ok(())
}

/// Nobody will collect it any more.
async fn retire(conn: &mut AnyConnection, name: &SourceName, now: DateTime<Utc>) -> Result<(), CatalogError> {
    let query = sqlx::query("UPDATE sources SET configured = 0 WHERE name = $1").bind(name.as_str());
    query.execute(&mut *conn).await.during("record the sources")?;
    jobs::cancel_waiting(conn, name, now).await
}

async fn has_parts(conn: &mut AnyConnection, name: &SourceName) -> Result<bool, CatalogError> {
    let query = sqlx::query("SELECT 1 FROM parts WHERE source = $1 LIMIT 1").bind(name.as_str());
    Ok(query.fetch_optional(conn).await.during("look for bills of the source")?.is_some())
}

fn read(row: &AnyRow) -> Result<KnownSource, CatalogError> {
    let restates_months = row.count("restates_months")?;
    Ok(KnownSource {
        source: Source {
            name: SourceName::new(row.text("name")?),
            kind: row.text("kind")?,
            yields: row.word("yields")?,
            role: row.word("role")?,
            schedule: row.optional_text("schedule")?,
            place: row.text("place")?,
            restates_months: u32::try_from(restates_months)
                .map_err(|error| CatalogError::corrupt("a restates_months", error))?,
        },
        configured: row.count("configured")? == 1,
        last_tick: row.optional_parsed("last_tick")?,
        succeeded_at: row.optional_parsed("succeeded_at")?,
    })
}
