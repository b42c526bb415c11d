//! Transfers in the FOCUS format: rows of their own, so that what is exported by team is what teams spend.

use std::fs::{self, File};

use outlay_model::export::{ExportParams, FileKind};
use outlay_model::report::Scope;
use serde_json::json;

use super::*;
use crate::common::today;

/// The rows of an export, each its cells by column, and its warnings.
async fn export(house: &House, version: &str, scope: &Scope) -> (Vec<BTreeMap<String, String>>, Vec<String>) {
    let params = ExportParams {
        version: Some(version.into()),
        period: Some("2026-10".into()),
        allow_null: Some("true".into()),
        ..ExportParams::default()
    };
    let query = params.query(today()).expect("an export");
    let path = house.folder.path().join(format!("{version}.csv"));
    let export = house.app.insights.export(&query, today(), scope).await.expect("an export");
    export.write(FileKind::Csv, File::create(&path).expect("a file")).await.expect("adds up");
    let text = fs::read_to_string(path).expect("text");
    let mut lines = text.lines().map(cells);
    let header = lines.next().expect("a header");
    let rows = lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect();
    let warnings = export.head().warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message));
    (rows, warnings.collect())
}

/// The cells of a line of CSV; none of ours has a line break in it.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let cell = cells.last_mut().expect("never empty");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

fn by_team(rows: &[BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, BigDecimal> = BTreeMap::new();
    for row in rows {
        *sums.entry(row["x_Team"].clone()).or_default() += row["EffectiveCost"].parse::<BigDecimal>().expect("a cost");
    }
    sums.into_iter().map(|(team, sum)| (team, outlay_model::money::plain(&sum))).collect()
}

#[tokio::test]
async fn what_is_exported_by_team_is_what_teams_spend() {
    let house = house(json!({ "network": { "metric": { "series": "cpu" } } })).await;
    count(&house, &[("payments", 5, "1"), ("ops", 5, "2.5")]).await;
    let charges = [("", 5, "network", "7"), ("payments", 5, "EC2", "3"), ("", 6, "network", "1")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    for version in ["1.0", "1.2", "1.3"] {
        let (rows, warnings) = export(&house, version, &Scope::Company).await;
        assert_eq!(rows.len(), 3 + 3);
        same(&by_team(&rows), &[("ops", "5"), ("payments", "5"), ("shared:network", "1")]);
        assert_eq!(by_team(&rows), house.groups(&[OCTOBER, ("group_by", "team")]).await);
        let told = warnings.iter().find(|warning| warning.starts_with("transfers: ")).expect("is told");
        assert!(
            told.starts_with("transfers: 3 rows are no charges but transfers of shared cost between teams"),
            "{told}"
        );
    }
    let (rows, _) = export(&house, "1.3", &Scope::Company).await;
    let share = rows.iter().find(|row| row["x_Team"] == "ops").expect("a share");
    let says = |column: &str| share[column].as_str();
    assert_eq!((says("EffectiveCost"), says("BilledCost"), says("ListCost")), ("5", "5", ""));
    assert_eq!((says("ChargePeriodStart"), says("ChargePeriodEnd")), ("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z"));
    assert_eq!(
        (says("BillingPeriodStart"), says("BillingPeriodEnd")),
        ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    );
    assert_eq!((says("ChargeCategory"), says("ServiceName"), says("SubAccountId")), ("Usage", "network", "111"));
    assert_eq!((says("AllocatedMethodId"), says("AllocatedResourceId")), ("outlay:network:metric", "ops"));
    assert_eq!(
        says("AllocatedMethodDetails"),
        r#"{"Elements":[{"AllocatedRatio":0.714285714285714286,"UsageUnit":"CPU hour","UsageQuantity":2.5}]}"#
    );
    assert_eq!((says("x_OwnershipRule"), says("x_Source")), ("shared:network", "aws"));
    let taken = rows.iter().find(|row| row["EffectiveCost"] == "-7").expect("is taken away");
    assert_eq!((taken["x_Team"].as_str(), taken["AllocatedResourceId"].as_str()), ("shared:network", ""));

    // A team gets its share, and nothing that says of the others.
    let (rows, _) = export(&house, "1.3", &Scope::Teams(vec![TeamId::new("ops")])).await;
    same(&by_team(&rows), &[("ops", "5")]);
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn without_pools_nothing_is_said_of_transfers() {
    let house = House::new().await;
    house.import("aws", "bill.csv", &october(&[("payments", 5, "EC2", "3")])).await;
    let (rows, warnings) = export(&house, "1.3", &Scope::Company).await;
    assert!(!rows[0].contains_key("AllocatedMethodId"));
    assert!(warnings.iter().all(|warning| !warning.starts_with("transfers")), "{warnings:?}");
}
