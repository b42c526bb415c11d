//! `outlay rules`: the ownership rules, and where they are said.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Subcommand;
use outlay_api::wire;
use outlay_insights::Explanation;
use outlay_model::Dimension;
use outlay_model::dimension::DimensionError;
use outlay_model::ownership::{Kind, Rule, Since, Value};
use outlay_model::query::ParameterError;
use outlay_model::report::Scope;
use tokio_util::sync::CancellationToken;

use super::output::{TextFormat, print};
use super::ownership::{How, carry_out};
use super::table::table;
use crate::app::{App, now};
use crate::ownership::{self, backstage};

#[derive(Debug, clap::Args)]
pub(super) struct RulesArguments {
    #[command(subcommand)]
    command: Option<RulesCommand>,
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Show one rule, as JSON
    Show {
        /// Which one
        name: String,
    },
    /// Apply an ownership file: teams, components, maps, pools, series and rules become what it says
    Apply {
        /// The file, such as config/ownership.example.toml
        file: PathBuf,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Only show what would change, and which cost it would move
        #[arg(long)]
        preview: bool,
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
    /// Read a Backstage catalog: groups become teams, components components, InfraWallet's annotations rules
    ImportBackstage {
        /// A folder with catalog-info.yaml files, or the address of one [default: [ownership] backstage]
        place: Option<String>,
        /// From when on what differs from before holds: a day, or ever, which makes everything as the catalog says it and
        /// removes what it does not say [default: today; the first time, ever]
        #[arg(long, value_name = "DAY", value_parser = |text: &str| Since::try_from(text.to_owned()))]
        from: Option<Since>,
        /// Take what can be read where not everything can; nothing ends and nothing is removed then
        #[arg(long)]
        accept_partial: bool,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Only show what would change, and which cost it would move
        #[arg(long)]
        preview: bool,
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
    /// Show what applying an ownership file would move, from team to team; the same as apply --preview
    Preview {
        /// The file
        file: PathBuf,
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
    /// Show whose a charge would be, and why: outlay rules explain --day 2026-10-05 account_name=shared-prod tags.team=pay
    Explain {
        /// The day of the charge
        #[arg(long, value_name = "DAY")]
        day: Option<NaiveDate>,
        /// What it says: dimensions and their values
        #[arg(required = true, value_name = "DIMENSION=VALUE", value_parser = value)]
        values: Vec<(Dimension, String)>,
        /// How to answer
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: TextFormat,
    },
    /// Print the JSON schema of the ownership file
    Schema,
}

impl RulesArguments {
    /// Whether it needs neither catalog nor store.
    pub(super) const fn is_schema(&self) -> bool {
        matches!(self.command, Some(RulesCommand::Schema))
    }
}

pub(super) async fn run(arguments: &RulesArguments, app: &App) -> anyhow::Result<ExitCode> {
    let ownership = || async { anyhow::Ok(app.catalog.snapshot().await?.ownership.clone()) };
    match &arguments.command {
        None => {
            let ownership = ownership().await?;
            match arguments.format {
                TextFormat::Json => {
                    let today = now().date_naive();
                    let rules = app.insights.definitions(Kind::Rule, today, &Scope::Company).await?;
                    print(&serde_json::to_string_pretty(&wire::definitions_json(&rules))?)
                }
                TextFormat::Table if ownership.rules.is_empty() => print(
                    "there are no rules yet: the tags team, component, service, app, environment and env decide; say more in an \
                     ownership file, and apply it with outlay rules apply FILE",
                ),
                TextFormat::Table => {
                    let header = ["", "rule", "from", "to", "when", "assigns", "said by"].map(ToOwned::to_owned).into();
                    let rows = ownership.rules.iter().enumerate().map(|(place, (id, rule))| {
                        let origin = ownership.origin(Kind::Rule, id.as_str());
                        let said_by = origin.map(|origin| origin.to_string()).unwrap_or_default();
                        cells(place, id.as_str(), rule, said_by)
                    });
                    print(&table(header, rows.collect(), &[0]))
                }
            }
        }
        Some(RulesCommand::Show { name }) => {
            let rule = app.insights.definition(Kind::Rule, name, now().date_naive(), &Scope::Company).await?;
            print(&serde_json::to_string_pretty(&wire::definition_json(&rule))?)
        }
        Some(RulesCommand::Apply { file, dry_run, preview, format }) => {
            carry_out(app, &ownership::of_file(app, file).await?, How::of(*dry_run, *preview), *format).await
        }
        Some(RulesCommand::ImportBackstage { place, from, accept_partial, dry_run, preview, format }) => {
            let configured = place.as_ref().or(app.ownership.backstage.as_ref());
            let place = configured.ok_or_else(|| {
                ParameterError::new("PLACE", "name a folder or an address, or set [ownership] backstage")
            })?;
            let mut request =
                backstage::Request::of(app, place).map_err(|error| ParameterError::new("PLACE", error))?;
            request.since = from.unwrap_or(request.since);
            request.in_part = *accept_partial;
            let planned = backstage::of_place(app, &request, &CancellationToken::new()).await?;
            carry_out(app, &planned, How::of(*dry_run, *preview), *format).await
        }
        Some(RulesCommand::Preview { file, format }) => {
            carry_out(app, &ownership::of_file(app, file).await?, How::Preview, *format).await
        }
        Some(RulesCommand::Explain { day, values, format }) => {
            let day = day.unwrap_or_else(|| now().date_naive());
            let values: BTreeMap<Dimension, String> = values.iter().cloned().collect();
            let explanation = app.insights.explain(day, values.clone(), &Scope::Company).await?;
            print(&match format {
                TextFormat::Json => serde_json::to_string_pretty(&wire::explanation_json(day, &values, &explanation))?,
                TextFormat::Table => explained(&explanation),
            })
        }
        Some(RulesCommand::Schema) => print(&ownership::schema()),
    }
}

fn value(text: &str) -> Result<(Dimension, String), String> {
    let (dimension, value) = text.split_once('=').ok_or("write DIMENSION=VALUE, such as service='Amazon EC2'")?;
    Ok((dimension.trim().parse().map_err(|error: DimensionError| error.to_string())?, value.to_owned()))
}

/// Every rule with what came of it, and whose the charge is.
fn explained(explanation: &Explanation) -> String {
    let header = ["rule", "holds", "passes", "team", "component", "environment"].map(ToOwned::to_owned).into();
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let rows = explanation.rules.iter().zip(&explanation.explained.tried).map(|(rule, tried)| {
        let has = |name: &Option<String>| name.clone().unwrap_or_default();
        vec![
            rule.id.clone(),
            yes(tried.on_day),
            yes(tried.passes),
            has(&tried.team),
            has(&tried.component),
            has(&tried.environment),
        ]
    });
    let decision = &explanation.explained.decision;
    let by = decision.rule.as_ref().map_or_else(|| "by no rule".to_owned(), |rule| format!("by {rule}"));
    let mut text = format!("{}\n\nteam {}, {by}", table(header, rows.collect(), &[]), decision.team);
    for (what, name) in [("component", &decision.component), ("environment", &decision.environment)] {
        if let Some(name) = name {
            text.push_str(&format!("\n{what} {name}"));
        }
    }
    text
}

fn cells(place: usize, name: &str, rule: &Rule, said_by: String) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::Fixed(name) => name.clone(),
        Value::From(taken) => {
            let map = taken.map.as_ref().map(|map| format!(" by {map}")).unwrap_or_default();
            let capture = taken.capture.as_ref().map(|capture| format!(" ~ {capture}")).unwrap_or_default();
            format!("{}{capture}{map}", taken.from)
        }
    };
    let assigned = [
        ("team", rule.team.as_ref().map(value)),
        ("pool", rule.pool.as_ref().map(ToString::to_string)),
        ("component", rule.component.as_ref().map(value)),
        ("environment", rule.environment.as_ref().map(value)),
    ];
    let assigned = assigned.iter().filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)));
    let correction = if rule.correction { " (correction)" } else { "" };
    vec![
        place.to_string(),
        format!("{name}{correction}"),
        rule.from.to_string(),
        rule.to.map(|to| to.to_string()).unwrap_or_default(),
        rule.when.text().to_owned(),
        assigned.collect::<Vec<_>>().join(", "),
        said_by,
    ]
}
