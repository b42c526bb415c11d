//! Reads a delivery anew from the answers that were kept with it: nobody has to be asked again.

use std::sync::Arc;

use anyhow::Context as _;
use outlay_catalog::Run;
use outlay_collectors::input::InputFile;
use outlay_collectors::{CollectError, Delivery, deliveries, surveys};
use outlay_model::part::{Force, Layer, Part};
use tokio_util::sync::CancellationToken;

use super::arrive::{Arrival, Origin, arrive};
use super::import::Progress;
use crate::app::{App, now};
use crate::id::new_run;

/// Reads a part's kept answers with the present version, in the place of what an older one made of them.
///
/// # Errors
/// When nothing was kept, or it cannot be read or committed.
pub async fn reread(app: &App, part: &Part, progress: &Arc<dyn Progress>) -> anyhow::Result<Run> {
    let path = part.files(Layer::Raw).next().context("the provider's answers were not kept")?;
    let kept = app.store.document(path).await?.with_context(|| format!("{path} is missing from the store"))?;
    let format = outlay_collectors::format(&part.versions.format)
        .with_context(|| format!("this version does not know the format {}", part.versions.format))?;
    let scratch = app.scratch()?;
    let file = scratch.path().join("answers");
    tokio::fs::write(&file, kept).await.with_context(|| format!("{} cannot be written", file.display()))?;
    let (settings, key, raw) = (Arc::clone(&app.settings), part.delivery.clone(), file.clone());
    let survey = tokio::task::spawn_blocking(move || -> Result<Vec<Delivery>, CollectError> {
        let surveys = surveys(format, &[InputFile::open(raw)?], &settings, &|_| ())?;
        deliveries(surveys, Some(&key), format, &settings)
    });
    let delivery = survey.await??.into_iter().next().with_context(|| format!("{path} holds no answers"))?;
    let mut run = Run::started(new_run(), part.source.clone(), "rebuild", now());
    run.delivery = Some(part.delivery.clone());
    app.catalog.start_run(&run).await?;
    let origin = Origin {
        edition: part.edition.clone(),
        raw: Some(file),
        provisional: part.provisional.clone(),
        notes: vec!["read anew from the answers that were kept".to_owned()],
    };
    let arrival = Arrival {
        source: part.source.clone(),
        format,
        delivery,
        force: Force::default(),
        origin,
        fence: None,
        stop: CancellationToken::new(),
    };
    arrive(app, arrival, run, progress).await
}
