//! Lists the deliveries of an export and brings their rows.
//!
//! A scan costs money, whatever comes of it. So what is to be brought is read in groups: the days of one invoice month
//! by one query over the partitions that hold them, each row put into its day's file on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{Datelike, Days, Months, NaiveDate};
use outlay_model::{DateRange, DeliveryKey};
use tokio::sync::OnceCell;

use super::bigquery::{BigQuery, is_too_much, odd};
use super::shape::{Export, Shape};
use super::spool::{Spool, Spooled, scratch};
use super::statement::Statement;
use super::table::Schema;
use super::{plan, sql};
use crate::CollectError;
use crate::collector::{Checked, Collected, Collector, Listed, Listing};
use crate::http::FetchError;
use crate::input::InputFile;

/// The most lines that are read ahead of their turn.
const GROUP_LINES: u64 = 500_000;

/// For how many days after it a day is far from whole: services report within that as a rule, Google promises nothing.
const UNSURE_DAYS: u64 = 2;

/// The file of a delivery.
const ROWS: &str = "rows.jsonl.gz";

/// Asks BigQuery for one export.
#[derive(Debug)]
pub(super) struct BigQueryCollector {
    bigquery: BigQuery,
    aggregate: bool,
    backfill_months: u32,
    today: NaiveDate,
    shape: OnceCell<Shape>,
    known: Mutex<Known>,
}

/// What is known by now.
#[derive(Debug, Default)]
struct Known {
    statements: BTreeMap<DeliveryKey, Statement>,
    /// What is to be read at once.
    groups: Vec<Vec<DeliveryKey>>,
    /// Where what is read ahead of its turn waits.
    ahead: PathBuf,
    /// What waits there, as queries name it.
    ready: BTreeMap<String, Spooled>,
}

#[async_trait]
impl Collector for BigQueryCollector {
    async fn check(&self) -> Result<Checked, CollectError> {
        let (shape, window) = (self.shape().await?, self.window(None)?);
        Ok(Checked { notes: plan::notes(&self.bigquery, shape, window, self.today, self.aggregate).await? })
    }

    async fn deliveries(&self, window: DateRange) -> Result<Listing, CollectError> {
        let mut statements = self.stated(self.window(Some(window))?).await?;
        statements.sort_by(|one, other| (other.day, other.month()).cmp(&(one.day, one.month())));
        let place = self.place();
        let deliveries = statements.iter().map(|statement| statement.listed(&place, self.aggregate)).collect();
        self.known().statements = statements.into_iter().map(|statement| (statement.key(), statement)).collect();
        // Days before the window are not gone, they are not asked for; and what an export no longer keeps stays a bill.
        Ok(Listing { deliveries, complete: false })
    }

    fn expect(&self, missing: &[Listed], folder: &Path) {
        let mut known = self.known();
        let mut statements: Vec<&Statement> =
            missing.iter().filter_map(|listed| known.statements.get(&listed.key)).collect();
        // The newest first within each: invoice months meet on a day.
        statements.sort_by_key(|statement| statement.month());
        let mut groups: Vec<Vec<&Statement>> = Vec::new();
        for statement in statements {
            let lines = |group: &[&Statement]| group.iter().map(|statement| statement.tally.lines).sum::<u64>();
            match groups.last_mut() {
                Some(group)
                    if group[0].month() == statement.month() && lines(group) + statement.tally.lines <= GROUP_LINES =>
                {
                    group.push(statement);
                }
                _ => groups.push(vec![statement]),
            }
        }
        let keys = |group: Vec<&Statement>| group.into_iter().map(Statement::key).collect();
        known.groups = groups.into_iter().map(keys).collect();
        known.ahead = folder.to_owned();
    }

    async fn collect(&self, listed: &Listed, folder: &Path) -> Result<Collected, CollectError> {
        let shape = self.shape().await?;
        let statement = self.statement(listed).await?;
        let spooled = self.rows(shape, &statement, folder).await?;
        if spooled.tally != statement.tally {
            // It is another by now, and is asked about anew.
            self.known().statements.remove(&listed.key);
            let (stated, read) = (&statement.tally, &spooled.tally);
            tracing::debug!(place = listed.place, ?stated, ?read, "what was read is not what was stated");
            return Err(FetchError::Changed { place: listed.place.clone() }.into());
        }
        let path = folder.join(ROWS);
        std::fs::rename(&spooled.path, &path).map_err(|error| scratch(&spooled.path, &error))?;
        let unsure = self.today.checked_sub_days(Days::new(UNSURE_DAYS)).unwrap_or(self.today);
        let provisional = listed.days.into_iter().filter(|days| days.to() > unsure).collect();
        let mut notes = Vec::new();
        if self.aggregates(shape) {
            notes.push(format!("{} lines, added up into {}", statement.tally.lines, spooled.rows));
        }
        let files = vec![InputFile::open(path.clone())?];
        Ok(Collected { format: shape.format(), files, raw: Some(path), provisional, notes })
    }
}

impl BigQueryCollector {
    pub(super) fn new(bigquery: BigQuery, aggregate: bool, backfill_months: u32, today: NaiveDate) -> Self {
        Self { bigquery, aggregate, backfill_months, today, shape: OnceCell::new(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> String {
        format!("BigQuery, {}", self.bigquery.table)
    }

    async fn shape(&self) -> Result<&Shape, FetchError> {
        let found = || async {
            let table = self.bigquery.table().await?;
            Shape::of(&self.place(), table, self.bigquery.location.as_deref())
        };
        self.shape.get_or_try_init(found).await
    }

    /// A FOCUS export has columns that nobody knows how to add up.
    fn aggregates(&self, shape: &Shape) -> bool {
        self.aggregate && shape.export == Export::Native
    }

    /// What of a window is collected at all.
    fn window(&self, asked: Option<DateRange>) -> Result<DateRange, FetchError> {
        let within = || {
            let first = self.today.with_day(1)?.checked_sub_months(Months::new(self.backfill_months))?;
            let all = DateRange::new(first, self.today.succ_opt()?)?;
            let asked = asked.unwrap_or(all);
            DateRange::new(all.from().max(asked.from()), all.to().min(asked.to()))
        };
        within().ok_or_else(|| FetchError::Refused {
            place: self.place(),
            why: "none of these days is within backfill_months".to_owned(),
            advice: "ask for later ones, or raise it".to_owned(),
        })
    }

    /// What BigQuery states of the deliveries of some days.
    async fn stated(&self, window: DateRange) -> Result<Vec<Statement>, FetchError> {
        let shape = self.shape().await?;
        let query = sql::statements(shape, &self.bigquery.table, window);
        let place = format!("{}, what it has from {} to {}", self.place(), window.from(), window.to());
        let (mut statements, mut names) = (Vec::new(), BTreeSet::new());
        let mut take = |_: &Schema, rows: Vec<_>| -> Result<(), FetchError> {
            for row in rows {
                let statement = Statement::read(&place, shape, row)?;
                if !names.insert(statement.name.clone()) {
                    return Err(odd(&place, "states a day twice"));
                }
                statements.push(statement);
            }
            Ok(())
        };
        self.bigquery.ask(&place, &shape.location, &query, &mut take).await?;
        Ok(statements)
    }

    /// What is stated of a delivery: as it was listed, or anew where that was outdated.
    async fn statement(&self, listed: &Listed) -> Result<Statement, FetchError> {
        if let Some(statement) = self.known().statements.get(&listed.key) {
            return Ok(statement.clone());
        }
        let statements = self.stated(self.window(listed.days)?).await?;
        let found = statements.into_iter().find(|statement| statement.key() == listed.key);
        let statement = found.ok_or_else(|| FetchError::Missing {
            place: listed.place.clone(),
            advice: "the table has no row of it any more; the next run lists anew".to_owned(),
        })?;
        self.known().statements.insert(listed.key.clone(), statement.clone());
        Ok(statement)
    }

    /// The rows of a delivery: those that wait, or those of its group, or its own.
    async fn rows(&self, shape: &Shape, statement: &Statement, folder: &Path) -> Result<Spooled, FetchError> {
        if let Some(spooled) = self.known().ready.remove(&statement.name) {
            return Ok(spooled);
        }
        let (group, ahead) = self.group(statement);
        if group.len() > 1 {
            match self.read(shape, &group, &ahead).await {
                Ok(mut ready) => {
                    let own = ready.remove(&statement.name);
                    self.known().ready.extend(ready);
                    return own.ok_or_else(|| FetchError::Changed { place: self.place() });
                }
                // Each by itself may do.
                Err(error) if is_too_much(&error) => tracing::debug!(%error, "a group of days is read day by day"),
                Err(error) => return Err(error),
            }
        }
        let mut ready = self.read(shape, std::slice::from_ref(statement), folder).await?;
        ready.remove(&statement.name).ok_or_else(|| FetchError::Changed { place: self.place() })
    }

    /// What is to be read together with a delivery, itself included, and where it waits. It is asked for once: if it fails, each
    /// is read by itself.
    fn group(&self, statement: &Statement) -> (Vec<Statement>, PathBuf) {
        let mut known = self.known();
        let key = statement.key();
        let Some(at) = known.groups.iter().position(|group| group.contains(&key)) else {
            return (Vec::new(), PathBuf::new());
        };
        let group = known.groups.swap_remove(at);
        let group = group.iter().filter_map(|key| known.statements.get(key)).cloned().collect();
        (group, known.ahead.clone())
    }

    /// Reads the rows of some deliveries into a file each.
    async fn read(
        &self,
        shape: &Shape,
        statements: &[Statement],
        folder: &Path,
    ) -> Result<BTreeMap<String, Spooled>, FetchError> {
        let table = &self.bigquery.table;
        let query = match self.aggregates(shape) {
            true => sql::sums(shape, table, statements),
            false => sql::lines(shape, table, statements),
        };
        let place = match statements {
            [only] => format!("{}, {}", self.place(), only.key()),
            several => format!("{}, {} days of {}", self.place(), several.len(), several[0].month()),
        };
        let names = statements.iter().map(|statement| statement.name.as_str());
        let mut spool = Spool::new(&place, folder, shape.export, names)?;
        let mut take = |schema: &Schema, rows: Vec<_>| spool.take(schema, rows);
        self.bigquery.ask(&place, &shape.location, &query, &mut take).await?;
        spool.finish()
    }
}
