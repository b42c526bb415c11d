//! `outlay reconcile`.

use std::process::ExitCode;

use outlay_model::SourceName;
use outlay_model::report::Scope;

use super::output::{TextFormat, print};
use super::table::table;
use crate::app::App;

#[derive(Debug, clap::Args)]
pub(super) struct ReconcileArguments {
    /// Only this source
    #[arg(long, value_name = "NAME", value_parser = |text: &str| SourceName::parse(text))]
    source: Option<SourceName>,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

pub(super) async fn run(arguments: &ReconcileArguments, app: &App) -> anyhow::Result<ExitCode> {
    let lines = app.insights.reconciliation(arguments.source.as_ref(), &Scope::Company).await?;
    let unpriced = app.insights.unpriced(arguments.source.as_ref(), &Scope::Company).await?;
    let clean = unpriced == 0 && lines.iter().all(|line| line.difference.as_str() == "0");
    if arguments.format == TextFormat::Json {
        print(&serde_json::to_string_pretty(&outlay_api::wire::reconciliation_json(&lines))?)?;
    } else if lines.is_empty() {
        print("nothing has been imported yet: outlay import --source NAME --kind focus FILE…")?;
    } else {
        let header = [
            "source",
            "delivery",
            "billing period",
            "invoice",
            "cost",
            "source total",
            "stored",
            "rejected",
            "rounding",
            "difference",
            "",
        ];
        let rows = lines.iter().map(|line| {
            vec![
                line.source.clone(),
                line.delivery.clone(),
                line.billing_period.map(|day| day.to_string()).unwrap_or_default(),
                line.invoice.clone().unwrap_or_default(),
                line.metric.to_string(),
                line.source_total.to_string(),
                line.stored.to_string(),
                line.rejected.to_string(),
                line.rounding.to_string(),
                line.difference.to_string(),
                line.currency.clone(),
            ]
        });
        let text = table(header.map(ToOwned::to_owned).into(), rows.collect(), &[5, 6, 7, 8, 9]);
        let verdict = match (clean, unpriced) {
            (true, _) => "every digit is accounted for".to_owned(),
            (false, 0) => "NOT every digit is accounted for".to_owned(),
            (false, lines) => format!("{lines} rejected lines were let in whose money nobody can read"),
        };
        print(&format!("{text}\n\n{} lines; {verdict}", lines.len()))?;
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
