//! `outlay import`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use outlay_catalog::{RefusedFigure, Run};
use outlay_collectors::{FORMATS, Format, Kind, format, kind};
use outlay_model::money::plain;
use outlay_model::ownership::SettlingProgress;
use outlay_model::part::{Reject, RunState};
use outlay_model::query::Metric;
use outlay_model::{DeliveryKey, SourceName, Yields};

use super::output::{TextFormat, count, print};
use crate::app::App;
use crate::pipeline::{Force, ImportRequest, Progress, import};

/// The names of formats.
fn formats() -> impl TypedValueParser<Value = &'static dyn Format> {
    let names = FORMATS.iter().map(|format| PossibleValue::new(format.kind()).help(format.title()));
    PossibleValuesParser::new(names).map(|name| format(&name).expect("one of them"))
}

#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// Whose bills they are: a name of your choice, the same every time
    #[arg(long, value_name = "NAME", value_parser = |text: &str| SourceName::parse(text))]
    source: SourceName,
    /// What they are
    #[arg(long, value_parser = formats())]
    kind: &'static dyn Format,
    /// What a later import of the same files replaces [default: their main billing period, such as 2026-10]
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    delivery: Option<String>,
    /// Let a delivery in although it is much smaller than its last copy
    #[arg(long)]
    accept_shrink: bool,
    /// Let a delivery in although too many of its lines were rejected
    #[arg(long)]
    accept_rejects: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
    /// Files, folders or quoted patterns; .csv, .jsonl or .parquet, gzipped or not
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

pub(super) async fn run(arguments: &ImportArguments, app: &App) -> anyhow::Result<ExitCode> {
    let request = ImportRequest {
        source: arguments.source.clone(),
        format: arguments.kind,
        files: arguments.files.clone(),
        delivery: arguments.delivery.as_deref().map(DeliveryKey::new),
        force: Force { shrink: arguments.accept_shrink, rejects: arguments.accept_rejects },
    };
    let bar = Arc::new(Bar::new());
    let progress: Arc<dyn Progress> = Arc::<Bar>::clone(&bar);
    let runs = import(app, &request, progress).await;
    bar.0.finish_and_clear();
    let runs = runs?;
    match arguments.format {
        TextFormat::Json => {
            print(&serde_json::to_string_pretty(&outlay_api::wire::runs_json(&runs, None))?)?;
        }
        TextFormat::Table => show(app, &runs).await?,
    }
    Ok(if runs.iter().all(is_in) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the delivery is in.
pub(super) fn is_in(run: &Run) -> bool {
    matches!(run.state, RunState::Committed | RunState::Unchanged)
}

/// Tells people what came of runs.
pub(super) async fn show(app: &App, runs: &[Run]) -> anyhow::Result<()> {
    let mut text = Vec::new();
    for run in runs {
        text.push(describe(run));
        let rejects = app.catalog.rejects(&run.id, SHOWN).await?;
        text.extend(rejects.iter().map(describe_reject));
        if run.rejected > u64::from(SHOWN) {
            text.push(format!("  … the API lists more: /api/v1/runs/{}/rejects", run.id));
        }
    }
    print(&text.join("\n"))?;
    Ok(())
}

/// Rejected lines shown after an import.
const SHOWN: u32 = 5;

fn describe_reject(reject: &Reject) -> String {
    let column = reject.column.as_ref().map(|column| format!(" {column}")).unwrap_or_default();
    let value = reject.value.as_ref().map(|value| format!(" {value:?}")).unwrap_or_default();
    let billed = match reject.costs.get(&Metric::Billed) {
        Some(billed) => format!("{} {}", plain(billed), reject.key.currency),
        None => "unknown".to_owned(),
    };
    format!("  {}:{}: {}{column}{value}, billed {}", reject.file, reject.line, reject.reason, billed.trim_end())
}

/// One run in a line, and what to know of it below.
pub(super) fn describe(run: &Run) -> String {
    let delivery = run.delivery.as_ref().map(|delivery| format!(" {delivery}")).unwrap_or_default();
    let rows = match kind(&run.kind).map(Kind::yields) {
        Some(Yields::Rates) => format!("{} rates", count(run.rows)),
        _ => format!("{} charges", count(run.rows)),
    };
    let mut text = format!("{}{delivery}: {}, {rows}", run.source, run.state.as_str());
    if run.state == RunState::Unchanged {
        text = format!("{}{delivery}: unchanged", run.source);
    }
    if run.rejected > 0 {
        let unpriced =
            if run.unpriced > 0 { format!(" ({} without readable money)", run.unpriced) } else { String::new() };
        text.push_str(&format!(", {} rejected{unpriced}", count(run.rejected)));
    }
    for (repair, times) in &run.repairs {
        text.push_str(&format!("\n  {} × {}: {}", count(*times), repair.as_str(), repair.meaning()));
    }
    if let Some(message) = run.message.as_ref().filter(|_| run.state != RunState::Unchanged) {
        text.push_str(&format!("\n  {message}"));
    }
    if let Some(refusal) = &run.refused {
        text.push_str(&format!("\n  refused: {}", refusal.reason));
        text.extend(refusal.figures.iter().map(|figure| format!("\n    {}", describe_figure(figure))));
    }
    text
}

/// `rejected share: 25 % (limit 0.1 %)`, or `rows: 4062 before, 2999 now`.
fn describe_figure(figure: &RefusedFigure) -> String {
    let currency = match figure.currency.as_deref() {
        None => String::new(),
        Some("") => " without currency".to_owned(),
        Some(currency) => format!(" {currency}"),
    };
    let name = figure.name.replace('_', " ");
    let after = &figure.after;
    match (&figure.before, &figure.limit) {
        (Some(before), _) => format!("{name}{currency}: {before} before, {after} now"),
        (None, Some(limit)) => format!("{name}{currency}: {after} (limit {limit})"),
        (None, None) => format!("{name}{currency}: {after}"),
    }
}

/// Progress on the terminal; nothing elsewhere.
pub(super) struct Bar(pub ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} rows, {per_sec}") {
            bar.set_style(style);
        }
        bar.set_message("surveying");
        Self(bar)
    }
}

impl Progress for Bar {
    fn surveyed(&self, rows: u64) {
        self.0.inc(rows);
    }

    fn staging(&self, key: &DeliveryKey, rows: u64) {
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} rows, {eta} left") {
            self.0.set_style(style);
        }
        self.0.set_length(rows);
        self.0.set_position(0);
        self.0.set_message(key.to_string());
    }

    fn staged(&self, rows: u64) {
        self.0.inc(rows);
    }

    fn settling(&self, so_far: &SettlingProgress) {
        if let Some(month) = so_far.month {
            let SettlingProgress { parts, parts_done, charges, charges_done, .. } = so_far;
            self.0.set_length(*charges);
            self.0.set_position(*charges_done);
            self.0.set_message(format!("owners, {}: {parts_done} of {parts} deliveries,", month.format("%Y-%m")));
        }
    }
}
