//! Removes what nobody can read any more, by catalog row, never by listing the store.

use outlay_model::PartId;

use crate::app::{App, now};

/// Removes the files of expired intents and of parts retired for longer than the grace, and gives how many parts went.
///
/// # Errors
/// When the catalog or the store fails; what was not removed stays named and is tried again next time.
pub async fn sweep(app: &App) -> anyhow::Result<usize> {
    let doomed = app.catalog.sweepable(now(), app.retire_grace).await?;
    let count = doomed.len();
    for part in doomed {
        remove(app, part.part, part.files).await?;
    }
    Ok(count)
}

async fn remove(app: &App, part: PartId, files: Vec<outlay_model::part::PartFile>) -> anyhow::Result<()> {
    for file in &files {
        app.store.remove(file).await?;
    }
    app.catalog.swept(&part).await?;
    Ok(())
}
