//! Applying what a place says: what it changes, and changing it.

use std::path::Path;

use outlay_collectors::backstage::Note;
use outlay_model::ownership::{Edit, Origin};

use super::edits::{self, Change};
use super::{File, backstage};
use crate::app::App;

/// What a place asks for.
#[derive(Debug)]
pub struct Planned {
    /// What becomes of which name.
    pub changes: Vec<Change>,
    /// What of the place is left out, and why.
    pub notes: Vec<Note>,
    /// The changes as they are made.
    pub edits: Vec<Edit>,
    /// Who makes them.
    pub origin: Origin,
    by: String,
}

impl Planned {
    /// What changes come to.
    #[must_use]
    pub fn new(
        known: &outlay_model::ownership::Ownership,
        edits: Vec<Edit>,
        origin: Origin,
        by: impl Into<String>,
    ) -> Self {
        Self { changes: edits::changes(known, &edits, origin), notes: Vec::new(), edits, origin, by: by.into() }
    }

    /// Makes the changes, together or not at all. None changes nothing.
    ///
    /// # Errors
    /// When they cannot be made; nothing has changed.
    pub async fn make(&self, app: &App) -> anyhow::Result<()> {
        edits::make(app, self.edits.clone(), self.origin, &self.by).await
    }
}

/// What an ownership file asks for.
///
/// # Errors
/// [`FileError`](super::FileError) with everything that is wrong with it, or the catalog fails.
pub async fn of_file(app: &App, path: &Path) -> anyhow::Result<Planned> {
    let path = path.to_owned();
    let file = tokio::task::spawn_blocking(move || File::read(&path)).await??;
    let known = &app.catalog.snapshot().await?.ownership;
    let edits = known.edits_to(Origin::File, file.said(known)?.to_vec());
    Ok(Planned::new(known, edits, Origin::File, file.path.display().to_string()))
}

/// Applies the configured file. A file that cannot be used is told, and changes nothing and stops nothing: bills keep coming in,
/// and are owned as was said before.
pub async fn configured_file(app: &App) {
    let Some(path) = &app.ownership.file else { return };
    let applied = async {
        let planned = of_file(app, path).await?;
        planned.make(app).await?;
        anyhow::Ok(planned.changes.len())
    };
    match applied.await {
        Ok(0) => tracing::debug!(file = %path.display(), "the ownership file says nothing new"),
        Ok(changes) => tracing::info!(file = %path.display(), changes, "the ownership file was applied"),
        Err(error) => tracing::error!("{error:#}"),
    }
}

/// Reads the configured Backstage catalog and applies it; what goes wrong is logged, and what was said before stays.
pub async fn configured_backstage(app: &App, stop: &tokio_util::sync::CancellationToken) {
    let Some(text) = &app.ownership.backstage else { return };
    let applied = async {
        let request = backstage::Request::of(app, text)?;
        let planned = backstage::of_place(app, &request, stop).await?;
        planned.make(app).await?;
        anyhow::Ok(planned)
    };
    match applied.await {
        Ok(planned) => {
            planned.notes.iter().for_each(|note| tracing::warn!("{note}"));
            let (changes, left_out) = (planned.changes.len(), planned.notes.len());
            tracing::info!(changes, left_out, "the Backstage catalog was read");
        }
        Err(_) if stop.is_cancelled() => {}
        Err(error) => tracing::error!("{error:#}"),
    }
}
