//! What a series counts: its points, day by day, for teams and components.
//!
//! A point says what is so now; what it was before is not kept, so who reads an older generation is told what is counted today.
//! Whether the team or component of a point is known does not matter: it may be one that tags name. The series must be defined,
//! and when it no longer is, its points go with it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use outlay_model::ownership::{Kind, Point};
use outlay_model::{ComponentId, DateRange, Money, SeriesId, TeamId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::commit::{generation, raise_generation};
use crate::error::During as _;
use crate::sql::{self, Cell, Columns as _};
use crate::{Catalog, CatalogError};

/// Which points are the same: day, team and component, where the empty text stands for none.
type Key = (NaiveDate, String, String);

impl Catalog {
    /// Makes a series count this, in the place of what it counted on the same days for the same teams and components; with
    /// `replace`, in the place of everything it counted on those days. Gives the generation from which it does: the present one
    /// when it does already.
    ///
    /// # Errors
    /// [`CatalogError::NotSaid`] when there is no such series, [`CatalogError::BadPoint`] when one counts less than nothing or
    /// two say different things: nothing has changed.
    pub async fn put_points(
        &self,
        series: &SeriesId,
        points: &[Point],
        replace: Option<DateRange>,
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        let new = checked(series, points)?;
        let mut tx = self.begin().await?;
        must_be_defined(&mut tx, series).await?;
        let touched = new.keys().map(|(day, ..)| *day);
        let touched = touched.chain(replace.iter().flat_map(|days| [days.from(), days.to()]));
        let Some((first, last)) = touched.clone().min().zip(touched.max()) else { return generation(&mut tx).await };
        let there = read(&mut tx, series, first, last).await?;
        let gone = |key: &Key| replace.is_some_and(|days| days.contains(key.0)) && !new.contains_key(key);
        let gone: Vec<&Key> = there.keys().filter(|key| gone(key)).collect();
        let written: Vec<(&Key, &Money)> = new.iter().filter(|(key, value)| there.get(*key) != Some(value)).collect();
        if gone.is_empty() && written.is_empty() {
            return generation(&mut tx).await;
        }
        let generation = raise_generation(&mut tx).await?;
        for (day, team, component) in gone {
            let query = sqlx::query(
                "DELETE FROM series_points WHERE series = $1 AND day = $2 AND team = $3 AND component = $4",
            );
            let query = query.bind(series.as_str()).bind(day.to_string()).bind(team.as_str()).bind(component.as_str());
            query.execute(&mut *tx).await.during("take points away")?;
        }
        let columns = ["series", "day", "team", "component", "amount", "told_at"];
        let at = sql::time(now);
        let rows = written.into_iter().map(|((day, team, component), value)| -> [Cell; 6] {
            [
                series.as_str().into(),
                day.to_string().into(),
                team.as_str().into(),
                component.as_str().into(),
                value.to_string().into(),
                at.as_str().into(),
            ]
        });
        sql::upsert_rows(&mut tx, "series_points", columns, UPSERT, rows.collect()).await?;
        tx.commit().await.during("record the points")?;
        Ok(generation)
    }

    /// What a series counts on some days: by day, team and component.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn points(&self, series: &SeriesId, days: DateRange) -> Result<Vec<Point>, CatalogError> {
        let mut connection = self.pool().acquire().await.during("read the points")?;
        let Some(last) = days.to().pred_opt() else { return Ok(Vec::new()) };
        let points = read(&mut connection, series, days.from(), last).await?;
        let stated = |text: String| Some(text).filter(|text| !text.is_empty());
        let point = |((day, team, component), value): (Key, Money)| Point {
            day,
            team: stated(team).map(TeamId::new),
            component: stated(component).map(ComponentId::new),
            value,
        };
        Ok(points.into_iter().map(point).collect())
    }
}

const UPSERT: &str =
    " ON CONFLICT (series, day, team, component) DO UPDATE SET amount = excluded.amount, told_at = excluded.told_at";

/// The points as they are compared; an error when they cannot be so.
fn checked(series: &SeriesId, points: &[Point]) -> Result<BTreeMap<Key, Money>, CatalogError> {
    let mut checked = BTreeMap::new();
    for Point { day, team, component, value } in points {
        let bad = |why: String| Err(CatalogError::BadPoint { series: series.clone(), day: *day, why });
        let text = |name: Option<&str>| sql::without_nul(sql::text_or_empty(name));
        let key = (*day, text(team.as_ref().map(TeamId::as_str)), text(component.as_ref().map(ComponentId::as_str)));
        if *value < Money::ZERO {
            return bad(format!("{value} is less than nothing"));
        }
        if let Some(other) = checked.insert(key, *value).filter(|other| other != value) {
            return bad(format!("{other} and {value} are both said of one team and component"));
        }
    }
    Ok(checked)
}

async fn must_be_defined(conn: &mut AnyConnection, series: &SeriesId) -> Result<(), CatalogError> {
    let query = sqlx::query("SELECT 1 FROM ownership WHERE kind = 'series' AND name = $1 AND until_generation IS NULL");
    let name = sql::without_nul(series.to_string());
    match query.bind(name).fetch_optional(conn).await.during("look for the series")? {
        Some(_) => Ok(()),
        None => Err(CatalogError::NotSaid { kind: Kind::Series, name: series.to_string() }),
    }
}

/// The points from one day to another, both included.
async fn read(
    conn: &mut AnyConnection,
    series: &SeriesId,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<BTreeMap<Key, Money>, CatalogError> {
    let query = sqlx::query(
        "SELECT day, team, component, amount FROM series_points WHERE series = $1 AND day >= $2 AND day <= $3",
    );
    let query = query.bind(sql::without_nul(series.to_string())).bind(first.to_string()).bind(last.to_string());
    let rows = query.fetch_all(conn).await.during("read the points")?;
    let point =
        |row: &AnyRow| Ok(((row.day("day")?, row.text("team")?, row.text("component")?), row.parsed("amount")?));
    rows.iter().map(point).collect()
}

/// Forgets what a series counted that is no longer defined.
pub(crate) async fn forget(conn: &mut AnyConnection, series: &str) -> Result<(), CatalogError> {
    let query = sqlx::query("DELETE FROM series_points WHERE series = $1").bind(sql::without_nul(series.to_owned()));
    query.execute(conn).await.during("forget the points of a series")?;
    Ok(())
}
