//! The server: the API, and beside it the scheduler and the housekeeping, until somebody asks it to stop.

mod connections;
mod patient;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use outlay_api::{Limits, Stopping};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, now};
use crate::config::Server;
use crate::ownership;
use crate::pipeline;
use crate::schedule::next_tick;
use crate::scheduler::Scheduler;

/// How often expired files, scattered months and unrecorded commits are looked for.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// Serves on an address until a signal, then ends what it has begun. `ready` is told where, once it listens.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    app: App,
    settings: &Server,
    listen: SocketAddr,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen or [server] listen")
    })?;
    let mut signals = Signals::new().context("signals cannot be listened for")?;
    let stop_within = seconds(settings.stop_within_seconds);
    ownership::apply::configured_file(&app).await;
    let scheduler = Scheduler::start(&app, stop_within).await?;
    ready(listener.local_addr()?);
    let housekeeper = tokio::spawn(keep_house(app.clone()));
    let stop_reading = CancellationToken::new();
    let reader = tokio::spawn(ownership::backstage::keep_reading(app.clone(), stop_reading.clone()));
    let stopping = Stopping::default();
    let router = outlay_api::router(outlay_api::Server {
        insights: app.insights.clone(),
        clock: Arc::new(now),
        limits: limits(settings),
        stopping: stopping.clone(),
        next_tick,
        metrics: {
            let metrics = app.metrics.clone();
            Arc::new(move |sources, now| metrics.text(sources, now))
        },
    });
    let asked = async {
        signals.next().await;
        stopping.set();
        scheduler.ask_to_stop();
        tracing::info!(stop_within_seconds = stop_within.as_secs(), "asked to stop; another signal stops at once");
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("stopped at once; what was under way is cut off");
            std::process::exit(1);
        });
    };
    connections::answer(listener, router, asked, stop_within).await;
    stop_reading.cancel();
    scheduler.stopped().await;
    if let Err(error) = reader.await {
        tracing::error!(%error, "the Backstage catalog was no longer read");
    }
    housekeeper.abort();
    app.catalog.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn limits(settings: &Server) -> Limits {
    let most_requests = usize::try_from(settings.most_requests).unwrap_or(usize::MAX);
    Limits { answer_within: seconds(settings.answer_within_seconds), most_requests }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// How long a job that is over is shown.
const KEEP_JOBS: chrono::Duration = chrono::Duration::days(90);

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
        let now = now();
        if let Err(error) = app.catalog.forget_jobs(now - KEEP_JOBS, now).await {
            tracing::error!(%error, "old jobs cannot be forgotten; that is tried again");
        }
    }
}

/// What asks the server to stop: Ctrl-C, or the signal that service managers send.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        // Where signals cannot be listened for, none ever comes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
