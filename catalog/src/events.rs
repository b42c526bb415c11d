//! What happened to components: deployments and releases, each told once.

use chrono::{DateTime, Utc};
use outlay_model::ComponentId;
use outlay_model::ownership::Event;
use serde::{Deserialize, Serialize};

use crate::commit::raise_generation;
use crate::error::During as _;
use crate::sql::{self, Columns as _};
use crate::{Catalog, CatalogError};

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// Only of this component.
    pub component: Option<ComponentId>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only those at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only those before this time.
    pub to: Option<DateTime<Utc>>,
    /// Only those that come behind this place in the list.
    pub before: Option<EventPlace>,
}

/// A place among events, so that the next page goes on behind it: what makes an event another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPlace {
    /// When.
    pub at: DateTime<Utc>,
    /// To which component.
    pub component: ComponentId,
    /// What happened.
    pub kind: String,
    /// What is running from then on.
    pub version: String,
}

impl From<&Event> for EventPlace {
    fn from(event: &Event) -> Self {
        let Event { component, kind, version, at, .. } = event;
        Self { at: *at, component: component.clone(), kind: kind.clone(), version: version.clone() }
    }
}

impl Catalog {
    /// Records what happened, and gives whether it was not known yet. One of the same component, kind, version and time is the
    /// same: what was said first stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_event(&self, event: &Event, now: DateTime<Utc>) -> Result<bool, CatalogError> {
        let mut tx = self.begin().await?;
        raise_generation(&mut tx).await?;
        let query = sqlx::query(
            "INSERT INTO events (component, kind, version, happened_at, body, told_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (component, kind, version, happened_at) DO NOTHING",
        );
        let text = |text: &str| sql::without_nul(text.to_owned());
        let query = query
            .bind(text(event.component.as_str()))
            .bind(text(&event.kind))
            .bind(text(&event.version))
            .bind(sql::time(event.at))
            .bind(sql::json("an event", event)?)
            .bind(sql::time(now));
        if query.execute(&mut *tx).await.during("record the event")?.rows_affected() == 0 {
            // Dropping the transaction takes the raise back.
            return Ok(false);
        }
        tx.commit().await.during("record the event")?;
        Ok(true)
    }

    /// What happened, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events(&self, query: &EventsQuery, limit: u32) -> Result<Vec<Event>, CatalogError> {
        macro_rules! events {
            ($behind:literal) => {
                concat!(
                    "SELECT body FROM events WHERE happened_at >= $1 AND happened_at < $2 \
                     AND ($3 = '' OR component = $3) AND ($4 = '' OR kind = $4) AND ",
                    $behind,
                    " ORDER BY happened_at DESC, component DESC, kind DESC, version DESC LIMIT $5"
                )
            };
        }
        let EventsQuery { component, kind, from, to, before } = query;
        let text = match before {
            Some(_) => events!("(happened_at, component, kind, version) < ($6, $7, $8, $9)"),
            None => events!("1 = 1"),
        };
        let text_of = |text: Option<&str>| sql::without_nul(sql::text_or_empty(text));
        let mut query = sqlx::query(text)
            // Text before every time, and behind every time.
            .bind(from.map(sql::time).unwrap_or_default())
            .bind(to.map_or_else(|| "~".to_owned(), sql::time))
            .bind(text_of(component.as_ref().map(ComponentId::as_str)))
            .bind(text_of(kind.as_deref()))
            .bind(i64::from(limit));
        if let Some(EventPlace { at, component, kind, version }) = before {
            query = query
                .bind(sql::time(*at))
                .bind(text_of(Some(component.as_str())))
                .bind(text_of(Some(kind)))
                .bind(text_of(Some(version)));
        }
        let rows = query.fetch_all(self.pool()).await.during("list the events")?;
        rows.iter().map(|row| row.json("body")).collect()
    }
}
