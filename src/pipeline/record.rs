//! Writes down beside the bills what is live, so that a lost catalog can be rebuilt (`outlay recover`).

use outlay_catalog::Record;
use outlay_model::PartId;

use crate::app::App;

/// Where the records of commits are in the store.
pub(super) const FOLDER: &str = "commits";
/// Where it stands who owns what.
pub(super) const OWNERSHIP: &str = "ownership/said.json";

/// The document of a part's record.
pub(super) fn document(part: &PartId) -> String {
    format!("{FOLDER}/{part}.json")
}

/// Writes the record of every live part that has none yet, or an older one, and takes away those of deliveries that were
/// withdrawn; and who owns what. What a crash kept from being written is written here the next time.
///
/// # Errors
/// When the catalog or the store fails; what was not written is tried again next time.
pub async fn record(app: &App) -> anyhow::Result<()> {
    // The rules before the charges that were owned by them.
    record_ownership(app).await?;
    for part in app.catalog.unrecorded().await? {
        while let Some(record) = app.catalog.record(&part).await? {
            if write(app, &record).await? {
                break;
            }
        }
    }
    unrecord(app).await
}

/// Writes down who owns what, where that is not what the store says.
async fn record_ownership(app: &App) -> anyhow::Result<()> {
    // Before a lost catalog is recovered, the store says more than a fresh one does.
    if !app.catalog.ownership_is_unrecorded().await? || forgotten(app).await? > 0 {
        return Ok(());
    }
    loop {
        let record = app.catalog.ownership_record().await?;
        app.store.put_document(OWNERSHIP, serde_json::to_vec(&record)?).await?;
        if app.catalog.ownership_recorded(&record).await? {
            return Ok(());
        }
    }
}

/// The oldest first: an older copy must not be brought back because the newest is gone already.
async fn unrecord(app: &App) -> anyhow::Result<()> {
    for part in app.catalog.withdrawn().await? {
        app.store.remove_document(&document(&part)).await?;
        app.catalog.unrecord(&part).await?;
    }
    Ok(())
}

/// Refuses to begin a history where another one is: a fresh catalog before a store that holds commits has been put in the
/// place of one that was lost, or looks at the wrong store.
///
/// # Errors
/// When it is so, or the catalog or the store fails.
pub async fn same_history(app: &App) -> anyhow::Result<()> {
    let forgotten = forgotten(app).await?;
    anyhow::ensure!(
        forgotten == 0,
        "the store holds the records of {forgotten} commits and the catalog is empty: outlay recover brings them back; if they \
         are somebody else's, choose another store"
    );
    Ok(())
}

/// How many commits the store has records of, when the catalog has none. Rates alone are no history.
///
/// # Errors
/// When the catalog or the store fails.
pub async fn forgotten(app: &App) -> anyhow::Result<usize> {
    let fresh = !app.catalog.has_bills().await?;
    Ok(if fresh { app.store.list(FOLDER).await?.len() } else { 0 })
}

/// Whether it is the latest: another process may have given the part other files and recorded that meanwhile.
async fn write(app: &App, record: &Record) -> anyhow::Result<bool> {
    let text = serde_json::to_vec(record)?;
    app.store.put_document(&document(&record.part.id), text).await?;
    Ok(app.catalog.recorded(record).await?)
}
