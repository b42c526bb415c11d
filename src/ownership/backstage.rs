//! A Backstage catalog, from the configuration or the command line.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use outlay_collectors::Variables;
use outlay_collectors::backstage::{Note, Place, plan, read};
use outlay_collectors::http::{Counters, Http, HttpSettings};
use outlay_model::ownership::{Origin, Since};
use tokio_util::sync::CancellationToken;

use super::Planned;
use super::apply::configured_backstage;
use crate::app::{App, now};
use crate::config::Ownership;

/// How often the server reads the configured catalog.
const READ_EVERY: Duration = Duration::from_secs(3600);

/// How a catalog is read.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it is.
    pub place: Place,
    /// What its host is asked with.
    pub token: Option<Token>,
    /// From when on what it says differently holds; `ever` for all days, and exactly as it says.
    pub since: Since,
    /// Whether what could be read is taken where not all could be. Nothing ends then.
    pub in_part: bool,
}

/// A secret.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Request {
    /// Of a place, with the configured token, from today on.
    ///
    /// # Errors
    /// When it is no place, or there is no token where the configuration says that there is one.
    pub fn of(app: &App, place: &str) -> anyhow::Result<Self> {
        let place = Place::parse(place).map_err(|text| anyhow::anyhow!("{place:?} {text}"))?;
        let token = token(&app.ownership, &app.variables)?;
        Ok(Self { place, token, since: Since::Day(now().date_naive()), in_part: false })
    }
}

fn token(settings: &Ownership, variables: &Variables) -> anyhow::Result<Option<Token>> {
    let text = match (&settings.backstage_token_env, &settings.backstage_token_file) {
        (None, None) => return Ok(None),
        (Some(name), _) => variables
            .0
            .get(name)
            .with_context(|| format!("[ownership] backstage_token_env: the variable {name} is not set"))?
            .clone(),
        (None, Some(file)) => fs::read_to_string(file)
            .with_context(|| format!("[ownership] backstage_token_file: {} cannot be read", file.display()))?,
    };
    Ok(Some(Token(text.trim().to_owned())))
}

/// A catalog could not be read, or not all of it. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "who owns what stays as it is: the Backstage catalog {place} could not be read as a whole ({} entities were); correct it, \
     or take what there is with `outlay rules import-backstage {place} --accept-partial`, which ends and removes nothing{}",
    .entities,
    .unread.iter().fold(String::new(), |text, note| format!("{text}\n  {note}"))
)]
pub struct UnreadError {
    place: String,
    entities: usize,
    unread: Vec<Note>,
}

/// What a catalog asks for.
///
/// # Errors
/// [`UnreadError`] where not all of it can be read; or the catalog of Outlay fails.
pub async fn of_place(app: &App, request: &Request, stop: &CancellationToken) -> anyhow::Result<Planned> {
    let Request { place, token, since, in_part } = request;
    let settings = HttpSettings { attempts: 4, longest_wait_seconds: 30, ..HttpSettings::default() };
    let http = Http::new(settings, stop.clone(), Arc::new(Counters::default()))?;
    let reading = read(place, &http, token.as_ref().map(|token| token.0.as_str())).await;
    if !reading.unread.is_empty() && !in_part {
        let (place, entities, unread) = (place.to_string(), reading.entities(), reading.unread);
        return Err(UnreadError { place, entities, unread }.into());
    }
    let known = &app.catalog.snapshot().await?.ownership;
    let plan = plan(&reading, known, *since);
    let mut planned = Planned::new(known, plan.edits, Origin::Backstage, place.to_string());
    planned.notes = reading.unread.iter().chain(&plan.notes).cloned().collect();
    Ok(planned)
}

/// Reads the configured catalog now and once an hour, until it is stopped.
pub async fn keep_reading(app: App, stop: CancellationToken) {
    if app.ownership.backstage.is_none() {
        return;
    }
    let mut ticks = tokio::time::interval(READ_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        configured_backstage(&app, &stop).await;
    }
}
