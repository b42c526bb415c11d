//! What answers know of transfers, and what must know nothing of them.

use outlay_insights::ValuesQuery;
use outlay_model::dimension::Fixed;
use outlay_model::query::SpendParams;
use outlay_model::report::Scope;
use outlay_model::{Currency, Dimension, Filter};
use serde_json::json;

use super::*;
use crate::common::today;

async fn network() -> House {
    let house = house(json!({ "network": { "even": ["ops", "payments"] } })).await;
    let charges = [("", 5, "network", "10"), ("payments", 5, "EC2", "3"), ("", 6, "network", "4")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    house
}

#[tokio::test]
async fn what_does_not_ask_for_teams_is_the_same_as_before() {
    let house = House::new().await;
    let charges = [("", 5, "network", "10"), ("payments", 5, "EC2", "3"), ("", 6, "network", "4")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    let ask = async |house: &House| {
        let mut answers = Vec::new();
        for by in ["service", "service,charge_category", "source", "resource", "billing_period"] {
            for more in [
                ("granularity", "day"),
                ("granularity", "total"),
                ("metric", "list"),
                ("filter", "service = 'network'"),
            ] {
                let report = house.spend(&[OCTOBER, ("group_by", by), more]).await;
                answers.push(format!(
                    "{:?} {:?} {:?} {:?}",
                    report.rows, report.total, report.complete_until, report.warnings
                ));
            }
        }
        let lines = house.app.insights.reconciliation(None, &Scope::Company).await.expect("reads");
        answers.push(format!("{lines:?}"));
        answers
    };
    let before = ask(&house).await;
    let teams = ["ops", "payments"].map(|team| put(Kind::Team, team, json!({ "owner": "Ines" })));
    let pools = pools_and_rules(&json!({ "network": { "even": ["ops", "payments"] } }));
    change(&house, teams.into_iter().chain(pools).collect()).await;
    settle(&house).await;
    same(
        &house.groups(&[OCTOBER, ("group_by", "team")]).await,
        &[("ops", "7"), ("payments", "10"), ("shared:network", "0")],
    );
    assert_eq!(ask(&house).await, before);
    let sources = house.app.insights.sources(today(), &Scope::Company).await.expect("reads");
    assert!(sources.iter().all(|source| !format!("{source:?}").contains("shared:")));
}

#[tokio::test]
async fn a_team_is_found_that_only_has_a_share_and_sees_no_more_than_that() {
    let house = network().await;
    settle(&house).await;
    let query = ValuesQuery {
        dimension: Dimension::Fixed(Fixed::Team),
        range: DateRange::parse_bounds("2026-10-01", "2026-11-01").expect("days"),
        filter: Filter::everything(),
        search: None,
        limit: 100,
    };
    let values = house.app.insights.values(&query, &Scope::Company).await.expect("values");
    let names: Vec<String> = values.into_iter().filter_map(|value| value.value).collect();
    assert_eq!(names, ["ops", "payments", "shared:network"]);

    let scope = Scope::Teams(vec![TeamId::new("ops")]);
    let ask = async |by: &str, metric: &str| {
        let params = SpendParams {
            period: Some("2026-10".into()),
            group_by: Some(by.into()),
            metric: Some(metric.into()),
            ..SpendParams::default()
        };
        let query = params.query(today(), Currency::USD).expect("a query");
        let report = house.app.insights.spend(&query, today(), &scope).await.expect("an answer");
        report.rows.iter().map(|row| format!("{:?} {}", row.keys, common::text(row.cost))).collect::<Vec<_>>()
    };
    assert_eq!(ask("team", "effective").await, [r#"[Some("ops")] 7"#]);
    assert_eq!(ask("service,rule", "effective").await, [r#"[Some("network"), Some("shared:network")] 7"#]);
    // Nobody states list costs, and a share of what is not stated is not nothing.
    assert_eq!(ask("team", "list").await, [r#"[Some("ops")] null"#]);
    let values = house.app.insights.values(&query, &scope).await.expect("values");
    assert_eq!(values.into_iter().filter_map(|value| value.value).collect::<Vec<_>>(), ["ops"]);
}

#[tokio::test]
async fn transfers_stand_at_the_first_hour_of_their_day() {
    let house = house(json!({ "network": { "even": ["ops", "payments"] } })).await;
    let text = bill(&[&[
        ("ChargePeriodStart", "2026-10-05T07:00:00Z"),
        ("ChargePeriodEnd", "2026-10-05T08:00:00Z"),
        ("ServiceName", "network"),
        ("EffectiveCost", "3"),
    ]]);
    house.import("aws", "hours.csv", &text).await;
    settle(&house).await;
    let report = house.spend(&[("period", "2026-10-05"), ("granularity", "hour"), ("group_by", "team")]).await;
    let rows: Vec<String> = report
        .rows
        .iter()
        .filter(|row| row.cost.is_some_and(|cost| !cost.is_zero()))
        .map(|row| format!("{} {:?} {}", row.time.expect("an hour").format("%H"), row.keys, common::text(row.cost)))
        .collect();
    assert_eq!(
        rows,
        [
            r#"00 [Some("ops")] 1.5"#,
            r#"00 [Some("payments")] 1.5"#,
            r#"00 [Some("shared:network")] -3"#,
            r#"07 [Some("shared:network")] 3"#,
        ]
    );
    assert!(report.warnings.iter().any(|warning| warning.code == "daily_sources"));
    assert_eq!(common::text(report.total), "3");
}

#[tokio::test]
async fn on_the_billing_basis_shares_are_of_the_invoice_of_what_they_share() {
    let house = house(json!({ "network": { "even": ["ops"] } })).await;
    // Usage of October on the invoice of November.
    let late = [
        ("BillingPeriodStart", "2026-11-01T00:00:00Z"),
        ("BillingPeriodEnd", "2026-12-01T00:00:00Z"),
        ("ServiceName", "network"),
        ("EffectiveCost", "3"),
    ];
    let early = [("ServiceName", "network"), ("EffectiveCost", "5")];
    let text = bill(&[&late, &early]);
    house.import_with("aws", "bill.csv", &text, Some("both"), Default::default()).await.expect("imports");
    settle(&house).await;
    let ask = async |period| {
        let groups = house.groups(&[("period", period), ("basis", "billing"), ("group_by", "team")]).await;
        groups.into_iter().filter(|(_, cost)| cost != "0").collect()
    };
    same(&ask("2026-10").await, &[("ops", "5")]);
    same(&ask("2026-11").await, &[("ops", "3")]);
    same(&house.groups(&[OCTOBER, ("group_by", "team")]).await, &[("ops", "8"), ("shared:network", "0")]);
}

#[tokio::test]
async fn a_tag_or_a_service_of_shared_cost_goes_with_its_shares() {
    let house = house(json!({ "network": { "even": ["ops", "payments"] } })).await;
    let tags = r#"{"team":"x","app":"edge"}"#;
    let text = bill(&[
        &[("ServiceName", "network"), ("EffectiveCost", "3"), ("Tags", tags), ("SubAccountId", "222")],
        &[("ServiceName", "network"), ("EffectiveCost", "1"), ("ResourceId", "lb")],
    ]);
    house.import("aws", "bill.csv", &text).await;
    settle(&house).await;
    let by = async |by| {
        let mut groups = house.groups(&[OCTOBER, ("group_by", by), ("filter", "team <> 'shared:network'")]).await;
        groups.retain(|_, cost| cost != "0");
        groups
    };
    same(
        &by("component,account,team").await,
        &[("edge|222|ops", "1.5"), ("edge|222|payments", "1.5"), ("null|111|ops", "0.5"), ("null|111|payments", "0.5")],
    );
    same(&by("tags.app").await, &[("edge", "3"), ("null", "1")]);
    // By what a day's totals do not keep there is nothing to share: it stays with the pool, and its transfers are without.
    let groups = house.groups(&[OCTOBER, ("group_by", "team,resource")]).await;
    same(
        &groups,
        &[("ops|null", "2"), ("payments|null", "2"), ("shared:network|lb", "1"), ("shared:network|null", "-1")],
    );
}
