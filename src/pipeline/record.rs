//! Writes down beside the bills what is live, so that a lost catalog can be rebuilt (`outlay recover`).

use outlay_catalog::Record;
use outlay_model::PartId;

use crate::app::App;

/// Where the records of commits are in the store.
pub(super) const FOLDER: &str = "commits";

/// The document of a part's record.
pub(super) fn document(part: &PartId) -> String {
    format!("{FOLDER}/{part}.json")
}

/// Writes the record of every live part that has none yet, or an older one, and takes away those of deliveries that were
/// withdrawn. What a crash kept from being written is written here the next time.
///
/// # Errors
/// When the catalog or the store fails; what was not written is tried again next time.
pub async fn record(app: &App) -> anyhow::Result<()> {
    for part in app.catalog.unrecorded().await? {
        while let Some(record) = app.catalog.record(&part).await? {
            if write(app, &record).await? {
                break;
            }
        }
    }
    unrecord(app).await
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
