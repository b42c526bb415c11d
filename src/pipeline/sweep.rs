//! Removes what nobody can read any more, by catalog row, never by listing the store.

use std::time::Duration;

use outlay_catalog::Doomed;

use super::lease::LEASE;
use super::record::{document, record};
use crate::app::{App, now};

/// Removes the files of expired intents and of parts retired for longer than the grace, and gives how many parts went. Runs that
/// were killed are ended.
///
/// Retired parts wait until what took their place is recorded beside the bills: whatever happens to the catalog then, the
/// old bill or the new one can be recovered.
///
/// # Errors
/// When the catalog or the store fails. What cannot be removed stays named and is tried again next time, and does not
/// keep the rest.
pub async fn sweep(app: &App) -> anyhow::Result<usize> {
    let grace = match record(app).await {
        Ok(()) => app.retire_grace,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "commits cannot be recorded in the store; retired files stay");
            Duration::MAX
        }
    };
    let now = now();
    let doomed = app.catalog.sweepable(now, grace).await?;
    app.catalog.end_lost_runs(now - LEASE, now).await?;
    let (mut removed, mut failure) = (0, None);
    for doomed in doomed {
        // One file that cannot be removed does not keep the others.
        match remove(app, doomed).await {
            Ok(()) => removed += 1,
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(removed), Err)
}

async fn remove(app: &App, Doomed { part, files }: Doomed) -> anyhow::Result<()> {
    // The record first: without its files it would promise what is not there.
    app.store.remove_document(&document(&part)).await?;
    for file in &files {
        app.store.remove(file).await?;
    }
    app.catalog.swept(&part).await?;
    Ok(())
}
