//! Transfers whose file is gone from the store. A bill would have to be restored or imported again; these are made anew.

use std::collections::BTreeSet;

use outlay_catalog::{Reowning, Sharing};
use outlay_model::part::{Layer, Part};

use crate::app::{App, now};

/// The live transfers whose file the store does not have.
///
/// # Errors
/// When the catalog or the store fails.
pub async fn lost_transfers(app: &App) -> anyhow::Result<Vec<Part>> {
    let snapshot = app.catalog.snapshot().await?;
    if snapshot.shared.is_empty() {
        return Ok(Vec::new());
    }
    let there: BTreeSet<String> = app.store.list(Layer::Daily.as_str()).await?.into_iter().collect();
    let lost = |part: &&Part| part.files.iter().any(|file| !there.contains(&file.path));
    Ok(snapshot.shared.iter().filter(lost).cloned().collect())
}

/// Takes transfers away, so that settling makes them anew.
///
/// # Errors
/// When they are others by now, or the catalog fails.
pub async fn forget_transfers(app: &App, transfers: Vec<Part>) -> anyhow::Result<()> {
    let shared = transfers.into_iter().map(|part| Sharing { before: Some(part), after: None }).collect();
    let (parts, noted, intents, runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    app.catalog.reown(&Reowning { parts, shared, noted, intents, runs, now: now() }).await?;
    Ok(())
}
