//! Parts, as readers see them: the live ones, and those that were live at an older generation.
//!
//! A snapshot is read by one statement, so it is one moment whatever the database calls its isolation, and is kept in
//! memory by its generation: while nothing changes, a query costs one row. Published rates go with it, read by a statement of
//! their own: of a generation they never change.

use std::sync::{Arc, PoisonError};

use bigdecimal::BigDecimal;
use outlay_model::money::plain;
use outlay_model::ownership::Ownership;
use outlay_model::part::{Balance, BalanceKey, Part};
use outlay_model::rates::Published;
use outlay_model::{DeliveryKey, PartId, Role, SourceName};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError, rates};

/// Everything that is visible at one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation.
    pub generation: u64,
    /// Its live parts that count, by source and delivery.
    pub parts: Vec<Part>,
    /// Its live parts that do not: those of shadow sources, by source and delivery.
    pub shadows: Vec<Part>,
    /// The transfers that split pools, by pool and month. They change whose cost it is, never how much.
    pub shared: Vec<Part>,
    /// The published exchange rates.
    pub rates: Arc<Published>,
    /// Since which generation they are what they are.
    pub rates_since: u64,
    /// Whose cost it is.
    pub ownership: Arc<Ownership>,
    /// Since which generation that is so.
    pub ownership_since: u64,
}

impl Snapshot {
    /// All live parts that hold charges, whether they count or not.
    pub fn all(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().chain(&self.shadows)
    }

    /// Of parts and the roles of their sources.
    fn new(
        generation: u64,
        parts: Vec<(Role, Part)>,
        (rates_since, rates): (u64, Arc<Published>),
        (ownership_since, ownership): (u64, Arc<Ownership>),
    ) -> Self {
        let in_order = |parts: &mut dyn Iterator<Item = (Role, Part)>| {
            let mut parts: Vec<Part> = parts.map(|(_, part)| part).collect();
            parts.sort_by(|a, b| (&a.source, &a.delivery).cmp(&(&b.source, &b.delivery)));
            parts
        };
        let (shared, bills): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(_, part)| part.pool.is_some());
        let (shadows, primary): (Vec<_>, Vec<_>) = bills.into_iter().partition(|(role, _)| *role == Role::Shadow);
        let [shared, shadows, parts] = [shared, shadows, primary].map(|parts| in_order(&mut parts.into_iter()));
        Self { generation, parts, shadows, shared, rates, rates_since, ownership, ownership_since }
    }
}

impl Catalog {
    /// How many changes there have been that can change an answer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn generation(&self) -> Result<u64, CatalogError> {
        let query = sqlx::query("SELECT generation FROM head WHERE id = 1");
        query.fetch_one(self.pool()).await.during("read the generation")?.count("generation")
    }

    /// Whether a bill has ever been committed here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_bills(&self) -> Result<bool, CatalogError> {
        let query = sqlx::query("SELECT 1 FROM parts WHERE pool IS NULL LIMIT 1");
        Ok(query.fetch_optional(self.pool()).await.during("look for commits")?.is_some())
    }

    /// The live parts, and the rates that hold.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, CatalogError> {
        let generation = self.generation().await?;
        if let Some(cached) = self.cached(generation) {
            return Ok(cached);
        }
        let query = sqlx::query(
            "SELECT h.generation, h.rates_generation, h.ownership_generation, p.body, s.role FROM head h \
             LEFT JOIN parts p ON p.state = 'live' LEFT JOIN sources s ON s.name = p.source WHERE h.id = 1",
        );
        let rows = query.fetch_all(self.pool()).await.during("read the live parts")?;
        let Head { generation, rates_since, ownership_since, parts } = read_head(&rows)?;
        let rates = (rates_since, self.rates_since(rates_since).await?);
        let ownership = (ownership_since, self.ownership_since(ownership_since).await?);
        let snapshot = Arc::new(Snapshot::new(generation, parts, rates, ownership));
        self.keep(&snapshot);
        Ok(snapshot)
    }

    /// The parts that were live at an older generation, so that a reader of several pages sees one state.
    ///
    /// # Errors
    /// [`CatalogError::GenerationGone`] when the sweeper was given one of those parts, there was no such generation yet,
    /// the catalog was rebuilt since and does not know all that was live then, or a source was given another role since.
    pub async fn snapshot_at(&self, generation: u64) -> Result<Arc<Snapshot>, CatalogError> {
        let query =
            sqlx::query("SELECT generation, oldest, rates_generation, ownership_generation FROM head WHERE id = 1");
        let head = query.fetch_one(self.pool()).await.during("read the generation")?;
        let current = head.count("generation")?;
        let gone = CatalogError::GenerationGone { asked: generation, current };
        if generation > current || generation < head.count("oldest")? {
            return Err(gone);
        }
        if let Some(cached) = self.cached(generation) {
            return Ok(cached);
        }
        let query = sqlx::query(
            "SELECT p.state, p.body, s.role, s.role_since FROM parts p LEFT JOIN sources s ON s.name = p.source \
             WHERE p.live_from_generation <= $1 AND (p.retired_generation IS NULL OR p.retired_generation > $1)",
        );
        let rows = query.bind(sql::number(generation)).fetch_all(self.pool()).await.during("read older parts")?;
        let mut parts = Vec::with_capacity(rows.len());
        for row in &rows {
            let swept = matches!(row.text("state")?.as_str(), "doomed" | "swept");
            let had_another_role =
                row.optional_number("role_since")?.is_some_and(|since| since > sql::number(generation));
            if swept || had_another_role {
                return Err(gone);
            }
            parts.push((role(row)?, row.json("body")?));
        }
        // They were as they are now, or as that generation had them.
        let rates_since = head.count("rates_generation")?.min(generation);
        let rates = (rates_since, self.rates_since(rates_since).await?);
        let ownership_since = head.count("ownership_generation")?.min(generation);
        let ownership = (ownership_since, self.ownership_since(ownership_since).await?);
        Ok(Arc::new(Snapshot::new(generation, parts, rates, ownership)))
    }

    /// The live part of a delivery.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_part(&self, source: &SourceName, delivery: &DeliveryKey) -> Result<Option<Part>, CatalogError> {
        let query = sqlx::query("SELECT body FROM parts WHERE source = $1 AND delivery = $2 AND state = 'live'");
        let query = query.bind(source.as_str()).bind(delivery.as_str());
        let row = query.fetch_optional(self.pool()).await.during("read the live part")?;
        row.map(|row| row.json("body")).transpose()
    }

    /// The reconciliation of every live part, of one source or of all, by source and delivery (P1).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn balances(
        &self,
        source: Option<&SourceName>,
    ) -> Result<Vec<(SourceName, DeliveryKey, Balance)>, CatalogError> {
        let query = match source {
            Some(source) => sqlx::query(
                "SELECT p.source AS of_source, p.delivery, b.* FROM balances b JOIN parts p ON p.id = b.part \
                 WHERE p.state = 'live' AND p.source = $1 ORDER BY b.position",
            )
            .bind(source.as_str()),
            None => sqlx::query(
                "SELECT p.source AS of_source, p.delivery, b.* FROM balances b JOIN parts p ON p.id = b.part \
                 WHERE p.state = 'live' ORDER BY b.position",
            ),
        };
        let rows = query.fetch_all(self.pool()).await.during("read the balances")?;
        let read = |row: &AnyRow| {
            let source = SourceName::new(row.text("of_source")?);
            Ok((source, DeliveryKey::new(row.text("delivery")?), read_balance(row)?))
        };
        let mut balances: Vec<_> = rows.iter().map(read).collect::<Result<_, CatalogError>>()?;
        // A stable sort: within a part they stay as they were written. Not in SQL, whose order of text depends on the
        // database's collation.
        balances.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Ok(balances)
    }

    /// The rates of a generation: those of the latest snapshot, where nothing was published since.
    async fn rates_since(&self, generation: u64) -> Result<Arc<Published>, CatalogError> {
        let known = {
            let cached = self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            cached
                .as_ref()
                .filter(|snapshot| snapshot.rates_since == generation)
                .map(|snapshot| Arc::clone(&snapshot.rates))
        };
        match known {
            Some(rates) => Ok(rates),
            None => Ok(Arc::new(rates::at(self, generation).await?)),
        }
    }

    fn cached(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let cached = self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        cached.as_ref().filter(|snapshot| snapshot.generation == generation).cloned()
    }

    /// A slow reader does not put an older snapshot in the place of a newer one.
    fn keep(&self, snapshot: &Arc<Snapshot>) {
        let mut cached = self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_none_or(|old| old.generation < snapshot.generation) {
            *cached = Some(Arc::clone(snapshot));
        }
    }
}

/// The live part of a delivery, within a transaction.
pub(crate) async fn live_id(
    conn: &mut AnyConnection,
    source: &SourceName,
    delivery: &DeliveryKey,
) -> Result<Option<PartId>, CatalogError> {
    let query = sqlx::query("SELECT id FROM parts WHERE source = $1 AND delivery = $2 AND state = 'live'");
    let row = query.bind(source.as_str()).bind(delivery.as_str()).fetch_optional(conn).await;
    row.during("read the live part")?.map(|row| Ok(PartId::new(row.text("id")?))).transpose()
}

/// The part that stands for the expected one: the live one, if it is the same bill whose charges got other owners meanwhile.
/// What was held against the one holds against the other.
pub(crate) async fn same_bill(
    conn: &mut AnyConnection,
    expected: Option<&PartId>,
    live: Option<&PartId>,
) -> Result<Option<PartId>, CatalogError> {
    let (Some(expected), Some(live)) = (expected, live) else { return Ok(expected.cloned()) };
    if expected == live {
        return Ok(Some(expected.clone()));
    }
    let query = sqlx::query(
        "SELECT 1 FROM parts e JOIN parts l ON l.source = e.source AND l.delivery = e.delivery AND l.run = e.run \
         AND l.fingerprint = e.fingerprint WHERE e.id = $1 AND l.id = $2",
    );
    let query = query.bind(expected.as_str()).bind(live.as_str());
    let same = query.fetch_optional(conn).await.during("compare parts")?.is_some();
    Ok(Some(if same { live.clone() } else { expected.clone() }))
}

/// The generation from which a part is, or was, live, within a transaction.
pub(crate) async fn live_since(conn: &mut AnyConnection, part: &PartId) -> Result<Option<u64>, CatalogError> {
    let query = sqlx::query("SELECT live_from_generation FROM parts WHERE id = $1").bind(part.as_str());
    let row = query.fetch_optional(conn).await.during("read the part")?;
    row.map(|row| row.count("live_from_generation")).transpose()
}

pub(crate) async fn write_balances(
    conn: &mut AnyConnection,
    part: &PartId,
    balances: &[Balance],
) -> Result<(), CatalogError> {
    let columns = [
        "part",
        "position",
        "billing_period",
        "invoice",
        "currency",
        "metric",
        "source",
        "stored",
        "rejected",
        "rounding",
    ];
    let rows = (0_u64..).zip(balances).map(|(position, balance)| -> [Cell; 10] {
        [
            part.as_str().into(),
            position.into(),
            balance.key.billing_period.map(|day| day.to_string()).into(),
            balance.key.invoice.clone().into(),
            balance.key.currency.as_str().into(),
            balance.metric.as_str().into(),
            plain(&balance.source).into(),
            plain(&balance.stored).into(),
            plain(&balance.rejected).into(),
            plain(&balance.rounding).into(),
        ]
    });
    sql::insert_rows(conn, "balances", columns, rows.collect()).await
}

/// The reconciliation of one part, in its order, within a transaction.
pub(crate) async fn balances_of(conn: &mut AnyConnection, part: &PartId) -> Result<Vec<Balance>, CatalogError> {
    let query = sqlx::query("SELECT * FROM balances WHERE part = $1 ORDER BY position").bind(part.as_str());
    let rows = query.fetch_all(conn).await.during("read the balances")?;
    rows.iter().map(read_balance).collect()
}

fn read_balance(row: &AnyRow) -> Result<Balance, CatalogError> {
    let exact = |column| -> Result<BigDecimal, CatalogError> { row.exact(column) };
    Ok(Balance {
        key: BalanceKey {
            billing_period: row.optional_parsed("billing_period")?,
            invoice: row.optional_text("invoice")?,
            currency: row.text("currency")?,
        },
        metric: row.parsed("metric")?,
        source: exact("source")?,
        stored: exact("stored")?,
        rejected: exact("rejected")?,
        rounding: exact("rounding")?,
    })
}

/// The generation, those of rates and ownership, and the live parts.
struct Head {
    generation: u64,
    rates_since: u64,
    ownership_since: u64,
    parts: Vec<(Role, Part)>,
}

/// One row for each part, or a single one without.
fn read_head(rows: &[AnyRow]) -> Result<Head, CatalogError> {
    let first = rows.first().ok_or_else(|| CatalogError::corrupt("a generation", "it is missing"))?;
    let read = |row: &AnyRow| Ok(row.optional_json("body")?.map(|part| Ok((role(row)?, part))));
    let parts = rows.iter().filter_map(|row| read(row).and_then(Option::transpose).transpose());
    let parts = parts.collect::<Result<_, CatalogError>>()?;
    Ok(Head {
        generation: first.count("generation")?,
        rates_since: first.count("rates_generation")?,
        ownership_since: first.count("ownership_generation")?,
        parts,
    })
}

/// The role of the source of a part. Bills of a source that was never configured were imported, and count.
fn role(row: &AnyRow) -> Result<Role, CatalogError> {
    if row.optional_text("role")?.is_some() { row.word("role") } else { Ok(Role::default()) }
}
