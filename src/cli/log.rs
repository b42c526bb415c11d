//! The log, on standard error: standard output is for answers.

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat, LogLevel};

/// What is logged by the crate, for whoever looks for a fault.
const VARIABLE: &str = "OUTLAY_LOG";

/// Libraries that tell whole requests at the levels below `info`, with their signatures and tokens.
const TELLTALES: &[&str] = &["azure_", "h2", "hyper", "object_store", "reqwest", "rustls", "typespec"];

/// Libraries whose warnings quote whole answers, with the keys in them. What they fail with is in our own errors.
const MUTE: &str = "aws_";

/// The variable is not understood.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE}={text:?} says nothing about what to log; write it such as outlay=debug,sqlx=info")]
pub(super) struct LogError {
    text: String,
    source: ParseError,
}

/// Logs from here on.
pub(super) fn start(settings: Log) -> Result<(), LogError> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text).map_err(|source| LogError { text, source })?,
        // Ours as configured; of what others do only what may go wrong.
        Err(_) if settings.level == LogLevel::Off => EnvFilter::new("off"),
        Err(_) => EnvFilter::new(format!("warn,outlay={}", word(settings.level))),
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whatever the variable says.
    let safe = FilterFn::new(is_safe);
    match settings.format {
        LogFormat::Text => log.with_ansi(colours).finish().with(safe).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).finish().with(safe).init(),
    }
    Ok(())
}

fn is_safe(about: &Metadata<'_>) -> bool {
    let target = about.target();
    let tells = *about.level() > Level::INFO && TELLTALES.iter().any(|library| target.starts_with(library));
    !tells && !target.starts_with(MUTE)
}

const fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
