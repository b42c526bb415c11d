//! Bills in, answers out: what a user would notice first.

mod common;

use std::sync::Arc;

use common::{House, bill};
use outlay::pipeline::{self, Force, ImportRequest};
use outlay_catalog::RunsQuery;
use outlay_collectors::focus::Focus;
use outlay_model::part::RunState;
use outlay_model::{DeliveryKey, SourceName};

const OCTOBER: (&str, &str) = ("period", "2026-10");

#[tokio::test]
async fn small_charges_are_not_rounded_away() {
    let house = House::new().await;
    let charge: &[(&str, &str)] = &[("BilledCost", "0.0049"), ("EffectiveCost", "0.0049")];
    house.import("aws", "a.csv", &bill(&vec![charge; 1000])).await;
    assert_eq!(house.total(&[OCTOBER]).await, "4.9");
}

#[tokio::test]
async fn every_digit_of_a_number_survives() {
    let house = House::new().await;
    let long = "0.009865586851323632";
    house.import("aws", "a.csv", &bill(&[&[("BilledCost", long), ("EffectiveCost", long)]])).await;
    assert_eq!(house.total(&[OCTOBER, ("metric", "billed")]).await, long);
}

#[tokio::test]
async fn refunds_are_negative_and_charges_without_an_account_show_under_null() {
    let house = House::new().await;
    let rows = bill(&[
        &[("BilledCost", "10"), ("EffectiveCost", "10")],
        &[("BilledCost", "-3.5"), ("EffectiveCost", "-3.5"), ("ChargeCategory", "Credit")],
        &[("SubAccountId", ""), ("EffectiveCost", "0.25"), ("ChargeCategory", "Tax")],
    ]);
    house.import("aws", "a.csv", &rows).await;
    let by_category = house.groups(&[OCTOBER, ("group_by", "charge_category")]).await;
    assert_eq!(by_category["Credit"], "-3.5");
    let by_account = house.groups(&[OCTOBER, ("group_by", "account")]).await;
    assert_eq!(by_account["null"], "0.25");
    assert_eq!(by_account["111"], "6.5");
    assert_eq!(house.total(&[OCTOBER]).await, "6.75");
}

#[tokio::test]
async fn currencies_are_never_added_up() {
    let config =
        "[rates]\nEUR = [{ from = \"2026-10-01\", to_usd = \"1.1\" }, { from = \"2026-10-06\", to_usd = \"1.2\" }]\n";
    let house = House::with_config(config).await;
    let rows = bill(&[
        &[("EffectiveCost", "10")],
        &[("EffectiveCost", "10"), ("BillingCurrency", "EUR")],
        &[("EffectiveCost", "10"), ("BillingCurrency", "EUR"), ("ChargePeriodStart", "2026-10-07T00:00:00Z")],
    ]);
    house.import("mixed", "a.csv", &rows).await;
    let native = house.spend(&[OCTOBER, ("currency", "native")]).await;
    assert_eq!(native.total, None);
    let totals: Vec<_> =
        native.totals.expect("per currency").into_iter().map(|(c, t)| format!("{c} {}", common::text(t))).collect();
    assert_eq!(totals, ["EUR 20", "USD 10"]);
    assert_eq!(house.total(&[OCTOBER]).await, "33");
    assert_eq!(house.total(&[OCTOBER, ("currency", "EUR")]).await, "29.090909090909");
    let missing = house.try_spend(&[OCTOBER, ("currency", "GBP")]).await.expect_err("no rate").to_string();
    assert!(missing.contains("no EUR to GBP rate for 2026-10-05, 2026-10-07 (20 EUR)"), "{missing}");
}

#[tokio::test]
async fn a_metric_nobody_states_is_null_and_one_partly_stated_says_so() {
    let house = House::new().await;
    let rows = bill(&[&[("ListCost", "2"), ("ServiceName", "a")], &[("ServiceName", "b"), ("BilledCost", "7")]]);
    house.import("aws", "a.csv", &rows).await;
    let list = house.spend(&[OCTOBER, ("metric", "list"), ("group_by", "service")]).await;
    assert_eq!(common::text(list.total), "2");
    let warning = list.warnings.iter().find(|warning| warning.code == "partly_null").expect("a warning");
    assert!(warning.message.contains("1 charges do not state ListCost"), "{}", warning.message);
    assert!(warning.message.contains("BilledCost is 7 USD"), "{}", warning.message);
    let by_service = house.groups(&[OCTOBER, ("metric", "list"), ("group_by", "service")]).await;
    assert_eq!((by_service["a"].as_str(), by_service["b"].as_str()), ("2", "null"));
    assert_eq!(house.total(&[OCTOBER, ("metric", "contracted")]).await, "null");
}

#[tokio::test]
async fn importing_again_changes_nothing_and_a_restatement_replaces() {
    let house = House::new().await;
    let first = bill(&[&[("EffectiveCost", "1")], &[("EffectiveCost", "2")]]);
    house.import("aws", "a.csv", &first).await;
    let generation = house.app.catalog.generation().await.expect("a generation");
    let again = house.import("aws", "other-name.csv", &first).await;
    assert_eq!(again[0].state, RunState::Unchanged);
    assert_eq!(house.app.catalog.generation().await.expect("a generation"), generation);

    let restated = bill(&[&[("EffectiveCost", "1")], &[("EffectiveCost", "2.5")]]);
    assert_eq!(house.import("aws", "a.csv", &restated).await[0].state, RunState::Committed);
    assert_eq!(house.total(&[OCTOBER]).await, "3.5");
}

#[tokio::test]
async fn a_shrunken_copy_is_refused_with_both_figures_until_it_is_let_in() {
    let house = House::new().await;
    let charge: &[(&str, &str)] = &[];
    house.import("aws", "a.csv", &bill(&[charge; 10])).await;
    let run = house.import("aws", "a.csv", &bill(&[charge; 6])).await.remove(0);
    assert_eq!(run.state, RunState::Refused);
    let refusal = run.refused.expect("why");
    assert!(refusal.reason.contains("--accept-shrink"), "{}", refusal.reason);
    let rows = refusal.figures.iter().find(|figure| figure.name == "rows").expect("rows");
    assert_eq!((rows.before.as_deref(), rows.after.as_str()), (Some("10"), "6"));
    assert_eq!(house.total(&[OCTOBER]).await, "10", "the old copy stays");

    let force = Force { shrink: true, rejects: false };
    let run = house.import_with("aws", "a.csv", &bill(&[charge; 6]), None, force).await.expect("imports").remove(0);
    assert_eq!(run.state, RunState::Committed);
    assert_eq!(house.total(&[OCTOBER]).await, "6");
}

#[tokio::test]
async fn a_stray_row_of_another_month_disturbs_neither_month() {
    let house = House::new().await;
    let september: &[(&str, &str)] =
        &[("BillingPeriodStart", "2026-09-01T00:00:00Z"), ("ChargePeriodStart", "2026-09-05T00:00:00Z")];
    let stray: &[(&str, &str)] = &[("ChargePeriodStart", "2026-09-30T00:00:00Z"), ("EffectiveCost", "100")];
    let mut rows = vec![september; 30];
    rows.push(stray);
    let run = house.import("aws", "september.csv", &bill(&rows)).await.remove(0);
    assert_eq!(run.delivery.expect("a key").as_str(), "2026-09");
    house.import("aws", "october.csv", &bill(&[&[], &[]])).await;
    let billing = |month| [("basis", "billing"), ("period", month)];
    assert_eq!(house.total(&billing("2026-09")).await, "30");
    assert_eq!(house.total(&billing("2026-10")).await, "102");
    assert_eq!(house.total(&[("period", "2026-09")]).await, "130");
    house.import("aws", "october.csv", &bill(&[&[], &[], &[]])).await;
    assert_eq!(house.total(&billing("2026-10")).await, "103");
    assert_eq!(house.total(&billing("2026-09")).await, "30");
}

#[tokio::test]
async fn lines_that_cannot_be_taken_are_priced_and_the_rest_goes_on_only_if_few() {
    let house = House::new().await;
    let mut rows = vec![&[][..]; 3000];
    let bad: &[(&str, &str)] = &[("ChargePeriodStart", "yesterday"), ("BilledCost", "5"), ("EffectiveCost", "5")];
    rows[7] = bad;
    let run = house.import("aws", "a.csv", &bill(&rows)).await.remove(0);
    assert_eq!((run.state, run.rows, run.rejected, run.unpriced), (RunState::Committed, 2999, 1, 0));
    let rejects = house.app.catalog.rejects(&run.id, 10).await.expect("rejects");
    assert_eq!(rejects[0].line, 9, "the header is line 1");
    assert_eq!(rejects[0].reason.as_str(), "unreadable_time");
    let lines = house.app.insights.reconciliation(None, &outlay_model::report::Scope::Company).await.expect("lines");
    let billed = lines.iter().find(|line| line.metric.as_str() == "billed").expect("billed");
    assert_eq!((billed.source_total.as_str(), billed.stored.as_str(), billed.rejected.as_str()), ("3004", "2999", "5"));
    assert!(lines.iter().all(|line| line.difference.as_str() == "0"));

    let unpriced: &[(&str, &str)] = &[("BilledCost", "five")];
    rows[7] = unpriced;
    let run = house.import("aws", "a.csv", &bill(&rows)).await.remove(0);
    assert_eq!((run.state, run.unpriced), (RunState::Refused, 1));
    let force = Force { shrink: false, rejects: true };
    let run = house.import_with("aws", "a.csv", &bill(&rows), None, force).await.expect("imports").remove(0);
    assert_eq!(run.state, RunState::Committed);
    let company = outlay_model::report::Scope::Company;
    assert_eq!(house.app.insights.unpriced(None, &company).await.expect("a count"), 1, "the verdict knows of it");
}

#[tokio::test]
async fn the_same_account_cannot_be_billed_by_two_sources() {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[]])).await;
    let run = house.import("aws-again", "b.csv", &bill(&[&[], &[]])).await.remove(0);
    assert_eq!(run.state, RunState::Failed);
    let message = run.message.expect("why");
    assert!(message.contains("aws") && message.contains("2026-10-05"), "{message}");
    assert_eq!(house.total(&[OCTOBER]).await, "1");
}

#[tokio::test]
async fn a_file_of_many_months_asks_what_it_replaces() {
    let house = House::new().await;
    let text = bill(&[&[], &[("BillingPeriodStart", "2026-09-01T00:00:00Z")]]);
    let error = house.import_with("aws", "a.csv", &text, None, Force::default()).await.expect_err("asks").to_string();
    assert!(error.contains("2 billing periods (2026-09, 2026-10)") && error.contains("--delivery"), "{error}");
    let runs = house.import_with("aws", "a.csv", &text, Some("2026"), Force::default()).await.expect("imports");
    assert_eq!(runs[0].state, RunState::Committed);
    assert_eq!(house.total(&[("from", "2026-09-01"), ("to", "2026-11-01")]).await, "2");
}

#[tokio::test]
async fn teams_come_from_tags_and_the_rest_is_unallocated() {
    let house = House::with_config("[tags]\naliases = { team = [\"Team\"] }\n").await;
    let rows = bill(&[
        &[("Tags", r#"{"team":"payments","app":"api","env":"prod"}"#)],
        &[("Tags", r#"{"Team":"search"}"#)],
        &[("Tags", r#"{"cost-center":"7"}"#)],
        &[],
    ]);
    house.import("aws", "a.csv", &rows).await;
    let teams = house.groups(&[OCTOBER, ("group_by", "team")]).await;
    assert_eq!(
        teams.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
        ["payments=1", "search=1", "unallocated=2"]
    );
    let odd = house.groups(&[OCTOBER, ("group_by", "tags.\"cost-center\",component")]).await;
    assert_eq!(odd["7|null"], "1");
    assert_eq!(house.total(&[OCTOBER, ("filter", "team IS NULL")]).await, "2");
}

#[tokio::test]
async fn a_file_is_never_counted_twice() {
    let house = House::new().await;
    let text = bill(&[&[("EffectiveCost", "7")]]);
    let (one, two) = (house.bill("in/a.csv", &text), house.bill("in/b.csv", &text));
    let import = async |files: &[String], key: Option<&str>| {
        let request = ImportRequest {
            source: SourceName::parse("aws").expect("a name"),
            format: &Focus,
            files: files.to_vec(),
            delivery: key.map(DeliveryKey::new),
            force: Force::default(),
        };
        pipeline::import(&house.app, &request, Arc::new(common::Quiet)).await
    };
    let folder = house.folder.path().join("in").display().to_string();
    let error = import(&[folder], None).await.expect_err("twins").to_string();
    assert!(error.contains("holds the same as"), "{error}");
    assert_eq!(house.app.catalog.runs(&RunsQuery::default(), 9).await.expect("runs")[0].state, RunState::Failed);

    let (one, roundabout) =
        (one.display().to_string(), format!("{}/../in/a.csv", house.folder.path().join("in").display()));
    import(&[one.clone(), roundabout], None).await.expect("one file");
    assert_eq!(house.total(&[OCTOBER]).await, "7");
    let run = import(&[two.display().to_string()], Some("another")).await.expect("a run").remove(0);
    assert_eq!(run.state, RunState::Failed);
    assert!(run.message.expect("why").contains("live already, as aws 2026-10"));
    assert_eq!(house.total(&[OCTOBER]).await, "7");
}

#[tokio::test]
async fn importers_of_one_delivery_do_not_hurt_each_other() {
    let house = Arc::new(House::new().await);
    let text = bill(&[&[("EffectiveCost", "7")]]);
    let mut importers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (house, text) = (Arc::clone(&house), text.clone());
        importers.spawn(async move { house.import("aws", &format!("{number}.csv"), &text).await.remove(0).state });
    }
    let states = importers.join_all().await;
    assert!(states.contains(&RunState::Committed), "{states:?}");
    assert!(states.iter().all(|state| matches!(state, RunState::Committed | RunState::Unchanged)), "{states:?}");
    assert_eq!(house.total(&[OCTOBER]).await, "7");
}

#[tokio::test]
async fn the_rate_is_that_of_the_charge_whatever_the_basis() {
    let config =
        "[rates]\nEUR = [{ from = \"2025-01-01\", to_usd = \"1\" }, { from = \"2026-10-01\", to_usd = \"2\" }]\n";
    let house = House::with_config(config).await;
    let early: &[(&str, &str)] =
        &[("BillingCurrency", "EUR"), ("ChargePeriodStart", "2026-09-15T00:00:00Z"), ("EffectiveCost", "100")];
    house.import("azure", "a.csv", &bill(&[early])).await;
    assert_eq!(house.total(&[("period", "2026-09")]).await, "100");
    assert_eq!(house.total(&[OCTOBER, ("basis", "billing")]).await, "100");
}

#[tokio::test]
async fn a_group_that_is_gone_counts_as_nothing_everywhere() {
    let house = House::new().await;
    let before: &[(&str, &str)] = &[
        ("BillingPeriodStart", "2026-09-01T00:00:00Z"),
        ("ChargePeriodStart", "2026-09-05T00:00:00Z"),
        ("EffectiveCost", "5"),
    ];
    house.import("aws", "9.csv", &bill(&[before])).await;
    let compared = [OCTOBER, ("group_by", "service"), ("compare", "previous_period"), ("having", "cost < 100")];
    let report = house.spend(&compared).await;
    assert_eq!(common::text(report.total), "0");
    let row = report.rows.first().expect("the group that is gone");
    assert_eq!(common::text(row.compared.expect("compared").change), "-5");
}

#[tokio::test]
async fn a_tag_may_be_asked_for_by_any_of_its_spellings() {
    let house = House::with_config("[tags]\naliases = { team = [\"Team\"] }\n").await;
    house.import("aws", "a.csv", &bill(&[&[("Tags", r#"{"Team":"search"}"#)]])).await;
    assert_eq!(house.groups(&[OCTOBER, ("group_by", "tags.Team")]).await["search"], "1");
    assert_eq!(house.total(&[OCTOBER, ("filter", "tags.Team = 'search'")]).await, "1");
}

#[tokio::test]
async fn an_endless_filter_is_answered_or_refused() {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[]])).await;
    let filter = vec!["team = 'a'"; 1100].join(" OR ");
    assert_eq!(house.total(&[OCTOBER, ("filter", &filter)]).await, "null");
    let filter = vec!["TRUE"; 1900].join(" OR ");
    assert_eq!(house.total(&[OCTOBER, ("filter", &filter)]).await, "1");
}

#[tokio::test]
async fn days_nobody_stated_are_not_days_that_cost_nothing() {
    let house = House::new().await;
    house.import("aws", "a.csv", &bill(&[&[]])).await;
    let report = house.spend(&[OCTOBER, ("compare", "previous_year")]).await;
    let compared = report.rows[0].compared.expect("compared");
    assert_eq!((compared.previous, compared.change), (None, None));
    assert!(report.warnings.iter().any(|warning| warning.code == "nothing_to_compare"), "{:?}", report.warnings);
}
