//! The server: the API, and the housekeeping beside it, until somebody asks it to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::app::{App, now};
use crate::pipeline;

/// How often expired files, scattered months and unrecorded commits are looked for.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// Serves on an address until a signal. `ready` is told where, once it listens.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(app: App, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen or [server] listen")
    })?;
    ready(listener.local_addr()?);
    let housekeeper = tokio::spawn(keep_house(app.clone()));
    let router = outlay_api::router(app.insights.clone(), Arc::new(now));
    axum::serve(listener, router).with_graceful_shutdown(asked_to_stop()).await?;
    housekeeper.abort();
    app.catalog.close().await;
    Ok(())
}

async fn keep_house(app: App) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = pipeline::keep_in_shape(&app).await {
            tracing::error!(error = format!("{error:#}"), "the store could not be kept in shape; it is tried again");
        }
        if let Err(error) = pipeline::sweep(&app).await {
            tracing::error!(error = format!("{error:#}"), "the sweep failed; it is tried again");
        }
    }
}

/// Ctrl-C, or the signal that service managers send.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
