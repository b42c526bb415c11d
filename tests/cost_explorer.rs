//! AWS Cost Explorer, from the outside: what is collected adds up to what it states, whatever goes wrong on the way (P1, P3),
//! and costs no more than it may.
//!
//! It is a stand-in (tests/standins/cost_explorer.py) that checks what AWS checks, and that boto3 is held against as well. The
//! figures are of the months before this one, for Cost Explorer has none of other times.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::{Months, NaiveDate};
use common::cost_explorer::{MEMBER, PAYER, World, last_month, this_month};
use serde_json::{Value, json};

#[test]
fn a_month_adds_up_to_the_total_that_is_stated() {
    let world = World::new("", &json!({}));
    let said = world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"), "{said}");
    // What no account bears is one row, and is told.
    assert!(said.contains("an Adjustment of 100 USD billed, 100 effective, without account"), "{said}");
    assert!(said.contains("\"Out of this world\" is no record type that is known"), "{said}");
    let categories = world.billed_by("charge_category");
    let days = f64::from(world.days());
    assert_eq!(categories["Adjustment"], "104");
    assert_eq!(categories["Purchase"], "4");
    assert_eq!(categories["Credit"].parse::<f64>().expect("a number"), -1.5 * days);
    assert!((categories["Tax"].parse::<f64>().expect("a number") - 0.7 * days).abs() < 1e-9);
    assert_eq!(categories.len(), 5, "{categories:?}");
    assert_eq!(world.billed_by("account").into_keys().collect::<Vec<_>>(), ["(none)", PAYER, MEMBER]);
    assert_eq!(world.billed_by("service").len(), 7);
    assert_eq!(world.billed_by("service")["AWS Lambda"], "-4");

    // The last day is there, and every other one.
    let answer = world.json(&["spend", "--period", &world.period(), "--granularity", "day"]);
    let days: BTreeSet<&str> =
        answer["data"].as_array().expect("rows").iter().filter_map(|row| row["time"].as_str()).collect();
    assert_eq!(days.len(), world.days() as usize);
    let last = this_month().pred_opt().expect("a day before").to_string();
    assert!(days.iter().any(|day| day.starts_with(&last)), "{days:?}");
    assert!(world.said(&["reconcile"], 0).contains("every digit is accounted for"));

    // Whatever did not change is not asked for again: one call tells.
    let before = world.billed_calls();
    assert!(world.collect(0).contains("nothing new"));
    assert_eq!(world.billed_calls(), before + 1);
}

#[test]
fn every_page_is_read_once_and_a_day_on_two_pages_is_one_day() {
    let world = World::new("", &json!({ "page_groups": 7, "page_values": 2 }));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));
    let tokens: Vec<String> = world
        .calls()
        .iter()
        .filter_map(|call| call["request"]["NextPageToken"].as_str().map(ToOwned::to_owned))
        .collect();
    assert!(tokens.len() > 20, "{tokens:?}");
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), tokens.len());
    assert!(world.calls().iter().all(|call| call["status"] == 200));
}

#[test]
fn refined_accounts_add_up_and_keep_a_rest() {
    let world = World::new("refine = \"region\"\nrefine_accounts = { \"111122223333\" = \"tag:team\" }", &json!({}));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));
    let regions = world.billed_by("region");
    assert_eq!(regions.keys().collect::<Vec<_>>(), ["(none)", "eu-west-1"]);
    let teams = world.billed_by("tags.team");
    let even = (1..=world.days()).filter(|day| day % 2 == 0).count();
    assert_eq!(teams["a$b"], (3 * even).to_string());
    // Not more than one refinement of an account, and none of what is no usage.
    let asked = world.calls();
    let refined = asked.iter().filter(|call| call["request"]["Filter"]["And"].is_array());
    let of = |call: &Value| call["request"]["Filter"]["And"].to_string();
    assert!(refined.clone().count() > 0);
    assert!(refined.into_iter().all(|call| !of(call).contains("Tax") && !of(call).contains("Credit")));
}

#[test]
fn what_rounding_took_from_cells_is_given_back() {
    let world = World::new("", &json!({}));
    // Less than half of the last of ten decimals, on each day.
    let days = last_month().iter_days().take_while(|day| *day < this_month());
    let row = |day: NaiveDate| json!({ "day": day.to_string(), "account": PAYER, "service": "X", "unblended": "0.00000000004" });
    world.change(&json!({ "rows": days.map(row).collect::<Vec<_>>() }));
    let said = world.collect(0);
    let total = format!("0.00000000{:02}", (world.days() * 4 + 5) / 10);
    assert_eq!(world.totals(), [total.as_str(), total.as_str()], "{said}");
    assert!(
        said.contains(&format!("an Adjustment of {total} USD billed")) && said.contains("the cells are rounded"),
        "{said}"
    );
}

#[test]
fn check_tells_what_collecting_will_cost() {
    let world = World::new("", &json!({}));
    let said = world.said(&["check"], 0);
    assert!(said.contains("GetCostAndUsage and GetDimensionValues answer; asking was 2 calls, $0.02"), "{said}");
    assert!(said.contains("a month has 11 record types: reading it takes 14 calls ($0.14)"), "{said}");
    assert!(said.contains("a daily run takes 15 calls ($0.15), a month of them 549 calls ($5.49); the first run reads 2 months and takes 29 calls ($0.29)"), "{said}");
    assert!(said.contains("$0.02 of $10.00 are spent this month"), "{said}");
    assert_eq!(world.billed_calls(), 2);
    world.configure("monthly_cap_dollars = 3\nrefine = \"region\"");
    let said = world.said(&["check"], 0);
    assert!(said.contains("11 record types and up to 14 refinements") && said.contains("raise it to 12"), "{said}");
    world.change(&json!({ "deny": ["GetDimensionValues"] }));
    assert!(world.said(&["check"], 1).contains("PROBLEM  aws: "));
}

#[test]
fn accounts_without_net_costs_have_the_others() {
    let world = World::new("", &json!({ "net": false }));
    world.collect(0);
    let rows = world.rows("3.1");
    let within =
        rows.iter().filter(|row| row["day"].as_str().is_some_and(|day| day < this_month().to_string().as_str()));
    let of =
        |row: &Value| row["unblended"].as_str().expect("a cost").parse::<bigdecimal::BigDecimal>().expect("a number");
    let sum: bigdecimal::BigDecimal = within.map(of).sum();
    assert_eq!(world.totals()[1], outlay_model::money::plain(&sum));
}

#[test]
fn what_goes_wrong_once_or_twice_is_got_over() {
    let sound = World::new("", &json!({}));
    sound.collect(0);
    let faults = ["LimitExceededException", "ThrottlingException", "reset", "html_503", "truncated"];
    let mut plan: Vec<Value> = (0..)
        .step_by(3)
        .zip(faults)
        .map(|(skip, fault)| json!({ "operation": "GetCostAndUsage", "skip": skip, "fault": fault }))
        .collect();
    plan.push(json!({ "operation": "GetDimensionValues", "fault": "reset", "times": 2 }));
    let world = World::new("", &json!({ "plan": plan }));
    let said = world.collect(0);
    assert_eq!(world.totals(), sound.totals(), "{said}");
    // What fails is asked again, and nothing else is; and it is not paid for.
    assert_eq!(world.calls().len(), sound.calls().len() + 7);
    assert_eq!(world.billed_calls(), sound.billed_calls());
    let spent = |world: &World| {
        let said = world.said(&["check"], 0);
        said.lines().find(|line| line.contains("are spent this month")).map(ToOwned::to_owned)
    };
    assert_eq!(spent(&world), spent(&sound));
}

#[test]
fn what_keeps_going_wrong_is_told_and_changes_nothing() {
    let world = World::new("", &json!({}));
    world.collect(0);
    let before = world.totals();
    let rows = world.rows("4.1");
    for (fault, message, says) in [
        ("LimitExceededException", "Rate exceeded", "too many requests, says the provider, after 3 attempts"),
        ("html_503", "", "answers 503, after 3 attempts"),
        ("reset", "", "after 3 attempts"),
        ("truncated", "", "the answer was cut short"),
        ("half_json", "", "its answer is cut short, or not JSON"),
        ("DataUnavailableException", "Data is not available.", "a day after it was first opened"),
        ("AccessDeniedException", "User not enabled for cost explorer access", "open Cost Explorer once"),
        ("ExpiredTokenException", "The security token included in the request is expired", "not accepted"),
        ("ValidationException", "Something new", "please report it"),
    ] {
        // The totals can be had, so there is something to collect; the cells cannot.
        let plan =
            json!([{ "operation": "GetCostAndUsage", "skip": 3, "times": 1000, "fault": fault, "message": message }]);
        world.change(&json!({ "rows": rows, "plan": plan }));
        let said = world.collect(1);
        assert!(said.contains(says), "{fault}: {said}");
        assert_eq!(world.totals(), before, "{fault}");
    }
    world.change(&json!({ "plan": [] }));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("4.1"));
}

#[test]
fn a_restated_month_replaces_the_old_one() {
    let world = World::new("", &json!({}));
    world.collect(0);
    world.change(&json!({ "rows": world.rows("3.2") }));
    assert!(world.collect(0).contains("replaces"));
    assert_eq!(world.totals(), world.stated("3.2"));

    // One that is restated while it is read is read again: never half of each.
    let mut rows = world.rows("3.3");
    for row in &mut rows {
        if row["record_type"] == "Tax" {
            (row["unblended"], row["net_unblended"], row["net_amortized"]) = ("0.9".into(), "0.9".into(), "0.9".into());
        }
    }
    world.change(&json!({ "rows": world.rows("3.3") }));
    world.change(&json!({ "plan": [{ "skip": 8, "fault": "change", "with": { "rows": rows } }] }));
    world.collect(0);
    world.collect(0);
    let tax = world.billed_by("charge_category")["Tax"].parse::<f64>().expect("a number");
    assert!((tax - 0.9 * f64::from(world.days())).abs() < 1e-9, "{tax}");
    assert_eq!(world.billed_by("charge_category")["Adjustment"], "104");
}

#[test]
fn roles_are_assumed_and_assumed_again() {
    let role = "arn:aws:iam::111122223333:role/outlay";
    let settings = format!("role_arn = \"{role}\"\nexternal_id = \"ours\"");
    let plan = json!([{ "operation": "GetCostAndUsage", "skip": 5, "fault": "expire" }]);
    let world = World::new(&settings, &json!({ "roles": { role: { "external_id": "ours" } }, "plan": plan }));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));

    let world =
        World::new(&settings.replace("ours", "others"), &json!({ "roles": { role: { "external_id": "ours" } } }));
    let said = world.collect(1);
    assert!(said.contains("sts:AssumeRole") && said.contains("external_id"), "{said}");
    assert_eq!(world.calls().len(), 0);
}

#[test]
fn the_cap_stops_before_it_is_exceeded_and_outlives_the_process() {
    let world = World::new("monthly_cap_dollars = 1", &json!({ "page_groups": 2 }));
    let said = world.collect(1);
    assert!(said.contains("would make this month's calls cost $1.01 of $1.00: raise monthly_cap_dollars"), "{said}");
    assert_eq!(world.billed_calls(), 100);
    let said = world.collect(1);
    assert!(said.contains("$1.01 of $1.00"), "{said}");
    assert_eq!(world.billed_calls(), 100);
    world.configure("monthly_cap_dollars = 20");
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));
}

#[test]
fn a_refusal_says_what_to_do() {
    let world = World::new("", &json!({ "deny": ["GetDimensionValues"] }));
    let said = world.collect(1);
    assert!(said.contains("ce:GetDimensionValues") && said.contains("has the policy"), "{said}");
    let first = this_month().checked_sub_months(Months::new(20)).expect("a month").to_string();
    let to = this_month().checked_sub_months(Months::new(19)).expect("a month").to_string();
    let said = world.said(&["collect", "--from", &first, "--to", &to], 1);
    assert!(said.contains("it has no costs by day of these days; ask for days from"), "{said}");

    for (settings, says) in [
        ("backfill_months = 14", "Cost Explorer has costs by day for 13 months before this one"),
        ("refine = \"regions\"", "write none, region, or tag: and a tag key"),
        ("refine_acounts = {}", "unknown field `refine_acounts`"),
        ("refine_accounts = { shop = \"region\" }", "\"shop\" is no account: write its 12 digits"),
        ("role_arn = \"outlay\"", "say whose bill it is"),
    ] {
        world.configure(settings);
        let said = world.said(&["collect"], 2);
        assert!(said.contains(says), "{settings}: {said}");
    }
}

#[test]
fn china_has_an_address_a_region_and_a_currency_of_its_own() {
    let role = "arn:aws-cn:iam::111122223333:role/outlay";
    let more = json!({ "region": "cn-northwest-1", "currency": "CNY", "roles": { role: {} } });
    let world = World::new(&format!("role_arn = \"{role}\"\nregion = \"cn-north-1\""), &more);
    let config = fs::read_to_string(world.folder.path().join("outlay.toml")).expect("reads");
    fs::write(world.folder.path().join("outlay.toml"), format!("reporting_currency = \"CNY\"\n{config}"))
        .expect("writes");
    world.collect(0);
    let answer = world.json(&["spend", "--period", &world.period(), "--metric", "billed"]);
    assert_eq!(
        (answer["currency"].as_str(), answer["total"].to_string()),
        (Some("CNY"), world.stated("3.1")[1].clone())
    );
}

#[test]
fn kept_answers_are_enough_to_have_it_all_again() {
    let world = World::new("refine = \"tag:team\"", &json!({}));
    world.collect(0);
    let mut kept: Vec<PathBuf> = Vec::new();
    let folder = world.folder.path().join("outlay-data/raw/aws");
    kept.extend(fs::read_dir(&folder).expect("answers are kept").map(|entry| entry.expect("a file").path()));
    let (totals, calls) = (world.totals(), world.calls().len());
    for file in &kept {
        let file = file.display().to_string();
        world.said(&["--data", "other", "import", "--source", "aws", "--kind", "aws_cost_explorer", &file], 0);
    }
    let total = |metric: &str| {
        let period = world.period();
        world.json(&["--data", "other", "spend", "--period", &period, "--metric", metric])["total"].to_string()
    };
    assert_eq!([total("effective"), total("billed")], totals);
    assert_eq!(world.calls().len(), calls);

    let damaged = world.folder.path().join("damaged.jsonl");
    fs::write(
        &damaged,
        "{\"answers\":1,\"billing_account_id\":\"1\",\"from\":\"2026-10-01\",\"to\":\"2026-11-01\"}\nno\n",
    )
    .expect("writes");
    let file = damaged.display().to_string();
    let said = world.said(&["--data", "other", "import", "--source", "aws", "--kind", "aws_cost_explorer", &file], 1);
    assert!(said.contains("damaged.jsonl: line 2 is no answer of Cost Explorer"), "{said}");
}

/// As if an older version had read them: nobody is asked again.
#[test]
fn kept_answers_are_read_anew_by_a_later_version() {
    let world = World::new("", &json!({}));
    world.collect(0);
    let (totals, calls) = (world.totals(), world.calls().len());
    let older = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                 c.execute(\"UPDATE parts SET fingerprint = 'older', \
                 body = json_set(body, '$.versions.normaliser', 0, '$.fingerprint', 'older')\"); \
                 c.execute('UPDATE head SET generation = generation + 1'); c.commit()";
    let catalog = world.folder.path().join("outlay-data/catalog.db");
    let done = Command::new("python3").args(["-c", older]).arg(catalog).status().expect("runs");
    assert!(done.success());
    let said = world.said(&["rebuild"], 0);
    assert!(said.contains("read anew from the answers that were kept"), "{said}");
    assert_eq!((world.totals(), world.calls().len()), (totals, calls));
    assert!(world.said(&["rebuild"], 0).contains("nothing is stale"));
}
