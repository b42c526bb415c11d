//! `outlay teams` and `outlay components`: who there is, who answers for what, and what it costs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use chrono::NaiveDate;
use outlay_api::wire;
use outlay_model::ownership::{Kind, Ownership, SHARED};
use outlay_model::query::SpendParams;
use outlay_model::report::Scope;
use outlay_model::{Currency, Money, UNALLOCATED};
use serde_json::{Map, Value, json};

use super::output::{TextFormat, cents, count, print};
use super::table::table;
use crate::app::{App, now};

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// How to answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: TextFormat,
}

/// What each costs over the last 30 days, in the reporting currency, or in each of its own.
type Spend = BTreeMap<String, BTreeMap<Currency, Money>>;

pub(super) async fn teams(arguments: &ListArguments, app: &App) -> anyhow::Result<ExitCode> {
    let ownership = &app.catalog.snapshot().await?.ownership;
    let spend = spend(app, "team").await?;
    let said = all(app, Kind::Team).await?;
    let known: Vec<&str> = said.iter().filter_map(|team| team["name"].as_str()).collect();
    // Teams that only tags name have nobody who answers for them; that is worth seeing.
    let is_team = |name: &str| name != UNALLOCATED && !name.starts_with(SHARED) && !known.contains(&name);
    let discovered: Vec<&String> = spend.keys().filter(|name| is_team(name)).collect();
    match arguments.format {
        TextFormat::Json => {
            let found = discovered.iter().map(|name| json!({ "name": name, "origin": "discovered" }));
            print_json(said.into_iter().chain(found).collect(), &spend)
        }
        TextFormat::Table if known.is_empty() && discovered.is_empty() => {
            print("there are no teams yet: name them in an ownership file, and apply it with outlay rules apply FILE")
        }
        TextFormat::Table => {
            let today = now().date_naive();
            let named = ownership.teams.keys().map(|id| team_cells(ownership, id.as_str(), today, &spend));
            let found = discovered.iter().map(|name| {
                let cells = ["discovered by tags", "", "", "", ""].map(ToOwned::to_owned);
                [vec![(*name).clone()], cells.to_vec(), vec![cost(&spend, name)]].concat()
            });
            let header = ["team", "owner", "people", "parent", "kind", "said by", "last 30 days"];
            print(&table(header.map(ToOwned::to_owned).into(), named.chain(found).collect(), &[2, 6]))
        }
    }
}

fn team_cells(ownership: &Ownership, name: &str, today: NaiveDate, spend: &Spend) -> Vec<String> {
    let Some(team) = ownership.teams.get(name) else { return Vec::new() };
    vec![
        name.to_owned(),
        team.owner.on(today).cloned().unwrap_or_default(),
        team.people.on(today).map(|people| count(u64::from(*people))).unwrap_or_default(),
        team.parent.on(today).map(ToString::to_string).unwrap_or_default(),
        team.kind.clone().unwrap_or_default(),
        ownership.origin(Kind::Team, name).map(|origin| origin.to_string()).unwrap_or_default(),
        cost(spend, name),
    ]
}

pub(super) async fn components(arguments: &ListArguments, app: &App) -> anyhow::Result<ExitCode> {
    let ownership = &app.catalog.snapshot().await?.ownership;
    let spend = spend(app, "component").await?;
    if arguments.format == TextFormat::Json {
        return print_json(all(app, Kind::Component).await?, &spend);
    }
    if ownership.components.is_empty() {
        return print(
            "there are no components yet: name them in an ownership file, and apply it with outlay rules apply FILE",
        );
    }
    let today = now().date_naive();
    let rows = ownership.components.iter().map(|(id, component)| {
        vec![
            id.to_string(),
            component.team.on(today).map(ToString::to_string).unwrap_or_default(),
            component.environment.clone().unwrap_or_default(),
            component.system.clone().unwrap_or_default(),
            ownership.origin(Kind::Component, id.as_str()).map(|origin| origin.to_string()).unwrap_or_default(),
            cost(&spend, id.as_str()),
        ]
    });
    let header = ["component", "team", "environment", "system", "said by", "last 30 days"];
    print(&table(header.map(ToOwned::to_owned).into(), rows.collect(), &[5]))
}

/// What is said of all names of a kind, as the API says it.
async fn all(app: &App, kind: Kind) -> anyhow::Result<Vec<Value>> {
    let defined = app.insights.definitions(kind, now().date_naive(), &Scope::Company).await?;
    let said = defined.iter().map(|defined| serde_json::to_value(wire::definition_json(defined)));
    Ok(said.collect::<Result<_, _>>()?)
}

async fn spend(app: &App, by: &str) -> anyhow::Result<Spend> {
    let today = now().date_naive();
    let params = SpendParams { group_by: Some(by.to_owned()), ..SpendParams::default() };
    let query = params.query(today, app.insights.reporting_currency())?;
    let report = app.insights.spend_or_native(&query, today, &Scope::Company).await?;
    let mut spend = Spend::new();
    for row in &report.rows {
        let (Some(Some(name)), Some(currency)) = (row.keys.first(), row.currency.or(report.currency)) else { continue };
        if let Some(cost) = row.cost {
            spend.entry(name.clone()).or_default().insert(currency, cost);
        }
    }
    Ok(spend)
}

/// What a name costs, for people.
fn cost(spend: &Spend, name: &str) -> String {
    let by_currency = spend.get(name).into_iter().flatten();
    by_currency.map(|(currency, cost)| format!("{} {currency}", cents(*cost))).collect::<Vec<_>>().join(" + ")
}

fn print_json(said: Vec<Value>, spend: &Spend) -> anyhow::Result<ExitCode> {
    let with_spend = said.into_iter().map(|mut said| {
        let costs = said["name"].as_str().and_then(|name| spend.get(name));
        let costs: Map<String, Value> = costs
            .into_iter()
            .flatten()
            .map(|(currency, cost)| Ok((currency.to_string(), serde_json::to_value(cost)?)))
            .collect::<Result<_, serde_json::Error>>()?;
        said["last_30_days"] = costs.into();
        Ok(said)
    });
    let data: Vec<Value> = with_spend.collect::<Result<_, serde_json::Error>>()?;
    print(&serde_json::to_string_pretty(&json!({ "data": data }))?)
}
