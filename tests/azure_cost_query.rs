//! Azure's Cost Management Query API, from the outside: what is collected adds up to what it states, both as it is billed and
//! amortised, whatever goes wrong on the way (P1, P3).
//!
//! It is a stand-in (tests/standins/azure.py) that checks what Azure checks. The figures are of the months before this one.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::Months;
use common::azure::{GROUP, PLATFORM, SHOP, TENANT, World, endpoint};
use common::standin::{last_month, this_month};
use serde_json::{Value, json};

#[test]
fn a_month_adds_up_to_the_totals_that_are_stated() {
    let world = World::new("", &json!({}));
    let said = world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"), "{said}");
    // What cannot be told apart is one row, and is told.
    assert!(said.contains("an Adjustment of 100.25 EUR billed, 100 effective, without subscription"), "{said}");
    assert!(said.contains("\"Quantum Rebate\" is no charge type that is known"), "{said}");
    let days = world.days();
    let categories = world.billed_by("charge_category");
    assert_eq!(categories["Adjustment"], "93.26");
    assert_eq!(categories["Purchase"], "56");
    assert_eq!(categories["Credit"].parse::<f64>().expect("a number"), -1.5 * f64::from(days));
    assert_eq!(categories.len(), 5, "{categories:?}");
    let accounts = world.billed_by("account");
    assert_eq!(accounts.keys().collect::<Vec<_>>(), ["(none)", PLATFORM, SHOP]);
    assert_eq!(accounts["(none)"], "100.25");
    assert_eq!(world.billed_by("service").len(), 4);
    assert_eq!(world.billed_by("billing_account").into_keys().collect::<Vec<_>>(), ["all"]);

    // What is bought is billed, what of it is not used is effective; neither is counted as the other.
    let effective = world.json(&["spend", "--period", &world.period(), "--group-by", "charge_category"]);
    let of = |name: &str| {
        let rows = effective["data"].as_array().expect("rows");
        rows.iter().find(|row| row["charge_category"] == name).map(|row| row["cost"].to_string())
    };
    assert_eq!(of("Purchase").as_deref(), Some("0"));

    // The last day is there, and every other one.
    let answer = world.json(&["spend", "--period", &world.period(), "--granularity", "day"]);
    let found: BTreeSet<&str> =
        answer["data"].as_array().expect("rows").iter().filter_map(|row| row["time"].as_str()).collect();
    assert_eq!(found.len(), days as usize);
    let last = this_month().pred_opt().expect("a day before").to_string();
    assert!(found.iter().any(|day| day.starts_with(&last)), "{found:?}");
    assert!(world.said(&["reconcile"], 0).contains("every digit is accounted for"));

    // Whatever did not change is not asked for again: its totals tell.
    let before = world.queries().len();
    assert!(world.collect(0).contains("nothing new"));
    assert_eq!(world.queries().len(), before + 2);
    assert!(world.queries().iter().all(|call| call["client_type"] == "Outlay"));
}

#[test]
fn names_dollars_and_charge_types_are_kept() {
    let world = World::new("", &json!({}));
    world.collect(0);
    let export =
        ["export", "--format", "focus-1.2", "--period", &world.period(), "--allow-null", "--output", "out.csv"];
    world.said(&export, 0);
    let text = fs::read_to_string(world.folder.path().join("out.csv")).expect("is there");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let at =
        |name: &str| header.iter().position(|column| *column == name).unwrap_or_else(|| panic!("{name}: {header:?}"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let of = |kind: &str| rows.iter().filter(|row| row[at("x_ChargeType")] == kind).collect::<Vec<_>>();
    let purchase = &of("Purchase")[0];
    assert_eq!((purchase[at("BilledCost")], purchase[at("EffectiveCost")]), ("60", "0"));
    assert_eq!((purchase[at("x_BilledCostInUsd")], purchase[at("x_EffectiveCostInUsd")]), ("66", "0"));
    assert_eq!((purchase[at("ListCost")], purchase[at("ContractedCost")]), ("", ""));
    assert_eq!((purchase[at("SubAccountName")], purchase[at("SubAccountType")]), ("platform", "Subscription"));
    let unused = &of("UnusedReservation")[0];
    assert_eq!((unused[at("BilledCost")], unused[at("EffectiveCost")]), ("0", "0.75"));
    assert_eq!(unused[at("ChargeCategory")], "Usage");
}

#[test]
fn every_page_is_read_once_whatever_the_order_of_its_columns() {
    let world = World::new("", &json!({ "page_rows": 7 }));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));
    let queries = world.queries();
    let pages: Vec<&str> =
        queries.iter().filter_map(|call| call["path"].as_str().filter(|path| path.contains("skiptoken"))).collect();
    assert!(pages.len() > 20, "{pages:?}");
    assert_eq!(pages.iter().collect::<BTreeSet<_>>().len(), pages.len());
    // The stand-in takes no other body for a further page than that of the first.
    assert!(queries.iter().all(|call| call["status"] == 200), "{queries:?}");
}

#[test]
fn refinements_add_up_and_keep_a_rest() {
    let world = World::new("refine = [\"resource_group\", \"tag:team\"]", &json!({}));
    world.collect(0);
    assert_eq!(world.totals(), world.stated("3.1"));
    let teams = world.billed_by("tags.team");
    let even = (1..=world.days()).filter(|day| day % 2 == 0).count();
    let each: bigdecimal::BigDecimal = "3.109868686851323632".parse().expect("a number");
    let expected = outlay_model::money::plain(&(each * bigdecimal::BigDecimal::from(even as u64)));
    assert_eq!(teams.get("search"), Some(&expected), "{teams:?}");
    // Only usage has tags: nobody is asked for those of a tax.
    let deep = world.queries().into_iter().filter(|call| call["request"].to_string().contains("TagKey"));
    let asked: BTreeSet<String> = deep
        .map(|call| call["request"]["dataset"]["filter"]["and"][0]["dimensions"]["values"][0].to_string())
        .collect();
    assert!(asked.contains("\"Usage\"") && !asked.contains("\"Tax\""), "{asked:?}");
    // Groups in small and in large letters are one.
    let said = world.said(
        &["export", "--format", "focus-1.2", "--period", &world.period(), "--allow-null", "--output", "out.csv"],
        0,
    );
    let text = fs::read_to_string(world.folder.path().join("out.csv")).expect("is there");
    assert!(text.contains(",web") && !text.contains(",Web"), "{said}");
}

/// Asked for one of them, Azure answers with both: what each of them has would be counted twice.
#[test]
fn values_that_differ_by_letters_alone_are_told_apart_no_further() {
    let world = World::new("refine = [\"tag:team\", \"tag:env\"]", &json!({}));
    let row = |team: &str, cost: &str| {
        json!({ "day": last_month().to_string(), "subscription": SHOP, "resource_group": "data", "service": "Storage",
                "charge_type": "Usage", "tags": { "team": team, "env": "prod" }, "actual": cost, "amortized": cost })
    };
    world.change(&json!({ "rows": [row("Search", "1"), row("search", "2"), row("shop", "4")] }));
    let said = world.collect(0);
    assert!(said.contains("Search, search differ by small and large letters alone"), "{said}");
    assert_eq!(world.totals(), ["7", "7"]);
    let teams: Vec<(String, String)> = world.billed_by("tags.team").into_iter().collect();
    let expected = [("Search", "1"), ("search", "2"), ("shop", "4")];
    assert_eq!(teams, expected.map(|(team, cost)| (team.to_owned(), cost.to_owned())));
    assert_eq!(world.billed_by("tags.env").get("prod").map(String::as_str), Some("4"));
}

#[test]
fn a_subscription_is_told_apart_by_resource_group_and_a_resource_group_by_service() {
    let subscription = format!("subscriptions/{PLATFORM}");
    let group = format!("{subscription}/resourceGroups/web");
    for (scope, settings) in
        [(&subscription, "refine = [\"region\", \"tag:env\"]"), (&group, "refine = [\"tag:env\"]"), (&group, "")]
    {
        let world = World::new(&format!("scope = \"/{scope}/\"\n{settings}"), &json!({ "scopes": [scope] }));
        let said = world.collect(0);
        let rows = world.rows("3.1");
        let own = |row: &&Value| {
            let inside = *scope == subscription
                || row["resource_group"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("web"));
            let day = row["day"].as_str().expect("a day");
            row["subscription"] == PLATFORM && inside && day < this_month().to_string().as_str()
        };
        let sum = |cost: &str| {
            let costs = rows.iter().filter(own).filter_map(|row| row[cost].as_str());
            outlay_model::money::plain(
                &costs.map(|text| text.parse::<bigdecimal::BigDecimal>().expect("a number")).sum(),
            )
        };
        assert_eq!(world.totals(), [sum("amortized"), sum("actual")], "{scope} {settings}: {said}");
        assert_eq!(world.billed_by("account").into_keys().collect::<Vec<_>>(), [PLATFORM]);
        if settings.contains("env") {
            assert!(world.billed_by("tags.env").contains_key("test"), "{scope}");
        }
    }
}

#[test]
fn what_doubles_lose_is_given_back() {
    let world = World::new("", &json!({ "doubles": true }));
    let days = last_month().iter_days().take_while(|day| *day < this_month());
    let rows: Vec<Value> = days
        .flat_map(|day| {
            ["0.1", "0.7", "1234567.891"].map(|cost| {
                json!({ "day": day.to_string(), "subscription": SHOP, "resource_group": "data", "service": cost,
                        "charge_type": "Usage", "actual": cost, "amortized": cost })
            })
        })
        .collect();
    world.change(&json!({ "rows": rows }));
    world.collect(0);
    assert!(world.said(&["reconcile"], 0).contains("every digit is accounted for"));
}

#[test]
fn check_tells_what_collecting_takes() {
    let world = World::new("", &json!({}));
    let said = world.said(&["check"], 0);
    assert!(said.contains(&format!("{GROUP}: the Query API answers; asking was 2 queries, ")), "{said}");
    assert!(said.contains("QPU left for this hour"), "{said}");
    assert!(said.contains("a month has 8 charge types: reading it takes 23 queries (1 QPU each)"), "{said}");
    assert!(said.contains("the first run reads 2 months and takes 50; Azure answers 12 in ten seconds"), "{said}");
    assert_eq!(world.queries().len(), 2);
    world.configure("refine = [\"tag:team\"]");
    assert!(world.said(&["check"], 0).contains("8 charge types and up to 12 refinements"));

    world.change(&json!({ "scopes": [] }));
    let said = world.said(&["check"], 1);
    assert!(
        said.contains("PROBLEM  azure: ")
            && said.contains("(RBACAccessDenied); give the application the role Cost Management Reader"),
        "{said}"
    );
}

#[test]
fn what_goes_wrong_once_or_twice_is_got_over() {
    let sound = World::new("", &json!({}));
    sound.collect(0);
    let quota = |name: &str| format!("x-ms-ratelimit-microsoft.costmanagement-{name}-retry-after");
    let mut plan: Vec<Value> = (0..)
        .step_by(3)
        .zip(["reset", "html_503", "truncated", "expire"])
        .map(|(skip, fault)| json!({ "operation": "query", "skip": skip, "fault": fault }))
        .collect();
    plan.push(json!({ "operation": "query", "skip": 14, "fault": "throttled", "headers": { quota("entity"): 0, quota("qpu"): 1 } }));
    plan.push(json!({ "operation": "query", "skip": 15, "fault": "unavailable", "headers": { "Retry-After": 0 } }));
    plan.push(json!({ "operation": "query", "skip": 17, "fault": "error", "status": 424, "code": "FailedDependency" }));
    plan.push(json!({ "operation": "token", "fault": "reset" }));
    let world = World::new("", &json!({ "plan": plan }));
    let said = world.collect(0);
    assert_eq!(world.totals(), sound.totals(), "{said}");
    // What fails is asked again, and nothing else is; a token that came to its end is asked for again.
    let calls = world.calls();
    let tokens = calls.iter().filter(|call| call["operation"] == "token").count();
    assert_eq!((world.queries().len(), tokens), (sound.queries().len() + 7, 3), "{calls:?}");
    // The longest of two waits.
    let throttled = calls.iter().position(|call| call["status"] == 429).expect("was throttled");
    assert!(calls[throttled + 1]["waited"].as_f64().expect("a time") >= 1.0, "{:?}", calls[throttled + 1]);
}

#[test]
fn what_keeps_going_wrong_is_told_and_changes_nothing() {
    let world = World::new("", &json!({}));
    world.collect(0);
    let before = world.totals();
    let rows = world.rows("4.1");
    let hour = json!({ "x-ms-ratelimit-microsoft.costmanagement-entity-retry-after": 1, "x-ms-ratelimit-microsoft.costmanagement-tenant-retry-after": 3600 });
    let error = |status: u16, code: &str, message: &str| json!({ "fault": "error", "status": status, "code": code, "message": message });
    for (fault, says) in [
        (json!({ "fault": "throttled", "headers": hour }), "and to come back in 3600 s, after 1 attempt"),
        (json!({ "fault": "html_503" }), "HTTP 503 with an HTML page, after 3 attempts"),
        (json!({ "fault": "reset" }), "after 3 attempts"),
        (json!({ "fault": "truncated" }), "the answer was cut short"),
        (json!({ "fault": "half_json" }), "the JSON is cut short"),
        (json!({ "fault": "loop" }), "names a page that has been read already"),
        (json!({ "fault": "elsewhere" }), "says that its next page is at another service"),
        (json!({ "fault": "expire" }), "the credentials are not accepted: HTTP 401 (ExpiredAuthenticationToken)"),
        (
            error(401, "RBACAccessDenied", "The client does not have authorization to perform action."),
            "give the application the role Cost Management Reader on the scope",
        ),
        (
            error(400, "AccountCostDisabled", "Access to cost data is disabled."),
            "the owner of the billing account must let others see costs",
        ),
        (
            error(
                400,
                "400",
                "Cost Management supports only Enterprise Agreement, Web direct and Microsoft Customer Agreement offer types.",
            ),
            "has no costs of this offer",
        ),
        (error(404, "SubscriptionNotFound", "The subscription could not be found."), "look at scope"),
        (error(400, "BadRequest", "Something new"), "Something new (BadRequest)"),
    ] {
        // The totals of the months can be had, so there is something to collect; the cells cannot.
        let mut plan = json!([{ "operation": "query", "skip": 5, "times": 1000 }]);
        plan[0].as_object_mut().expect("an object").extend(fault.as_object().expect("an object").clone());
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
    world.change(&json!({ "rows": world.rows("3.3") }));
    world.change(&json!({ "plan": [{ "operation": "query", "skip": 8, "fault": "change", "with": { "rows": world.rows("5.5") } }] }));
    world.collect(0);
    world.collect(0);
    assert_eq!(world.totals(), world.stated("5.5"));
    assert_eq!(world.billed_by("charge_category")["Adjustment"], "93.26");
}

/// No content is an answer too. It does not replace what is there, and where nothing is there, it is nothing.
#[test]
fn no_data_is_nothing_and_replaces_nothing() {
    let empty = World::new("", &json!({ "rows": [] }));
    empty.collect(0);
    assert!(empty.queries().iter().all(|call| call["status"] == 204));
    assert!(empty.collect(0).contains("nothing new"));

    let world = World::new("", &json!({}));
    world.collect(0);
    let before = world.totals();
    world.change(&json!({ "rows": [] }));
    let said = world.collect(1);
    assert!(said.contains("smaller than its last copy"), "{said}");
    assert_eq!(world.totals(), before);
    // Somebody who knows better may.
    world.said(&["collect", "--accept-shrink"], 0);
    assert_ne!(world.totals(), before);
}

#[test]
fn currencies_do_not_mix() {
    let world = World::new("", &json!({}));
    let mut rows = world.rows("3.1");
    rows[2]["currency"] = "USD".into();
    world.change(&json!({ "rows": rows }));
    let said = world.collect(1);
    assert!(said.contains("collect each subscription or billing account by a source of its own"), "{said}");
}

#[test]
fn months_of_years_are_asked_for_a_year_at_a_time() {
    let world = World::new("backfill_months = 30", &json!({ "rows": [] }));
    world.collect(0);
    let monthly = |call: &Value| call["request"]["dataset"]["granularity"] == "Monthly";
    let asked: Vec<Value> = world.queries().into_iter().filter(monthly).collect();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(asked.iter().all(|call| call["status"] != 400));
}

#[test]
fn credentials_of_every_kind_are_taken() {
    let mut world = World::new("", &json!({}));
    let folder = world.folder.path().to_owned();
    let stated = world.stated("3.1");
    let fresh =
        |world: &World| fs::remove_dir_all(world.folder.path().join("outlay-data")).map_err(|error| error.kind());

    fs::write(folder.join("token"), "ours").expect("writes");
    world.change(&json!({ "assertion": "ours", "identity_header": "it is us" }));
    world.variables.remove("AZURE_CLIENT_SECRET");
    world.configure("federated_token_file = \"token\"");
    world.collect(0);
    assert_eq!(world.totals(), stated);

    fresh(&world).expect("goes");
    world.variables.insert("IDENTITY_ENDPOINT".to_owned(), format!("{}/msi/token", endpoint()));
    world.variables.insert("IDENTITY_HEADER".to_owned(), "it is us".to_owned());
    world.configure("");
    world.collect(0);
    assert_eq!(world.totals(), stated);

    fs::write(folder.join("secret"), "aB8~Q.secret-value_EXAMPLE\n").expect("writes");
    fresh(&world).expect("goes");
    world.configure("client_secret_file = \"secret\"");
    world.collect(0);
    assert_eq!(world.totals(), stated);
}

#[test]
fn refused_credentials_say_what_to_do_and_no_secret() {
    let mut world = World::new("", &json!({ "secret": "another" }));
    world.variables.insert("OUTLAY_LOG".to_owned(), "trace".to_owned());
    let said = world.collect(1);
    assert!(said.contains("invalid_client (AADSTS7000215); the client secret is not the application's"), "{said}");
    world.configure("client_id = \"99999999-0000-0000-0000-000000000000\"");
    assert!(world.collect(1).contains("unauthorized_client (AADSTS700016); the tenant has no such application"));
    world.variables.remove("AZURE_CLIENT_SECRET");
    world.configure("credential = \"client_secret\"");
    assert!(world.collect(1).contains("set client_secret_file, or the environment variable AZURE_CLIENT_SECRET"));
    // A run that works tells no more, at whatever level.
    let mut world = World::new("", &json!({}));
    world.variables.insert("OUTLAY_LOG".to_owned(), "trace".to_owned());
    world.collect(0);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let world = World::new("", &json!({}));
    for (settings, says) in [
        ("scope = \"tenants/all\"", "is no scope that costs can be asked of"),
        ("backfill_months = 84", "Azure has costs for 83 months before this one"),
        ("refine = [\"team\"]", "write resource_group, region, or tag: and a tag key"),
        ("refine = [\"tag:team\", \"tag:team\"]", "tag:team is there twice"),
        ("refine = [\"subscription\"]", "subscription is told apart anyway"),
        ("client_secret = \"x\"", "unknown field `client_secret`"),
        ("credential = \"certificate\"", "unknown variant `certificate`"),
    ] {
        world.configure(settings);
        let said = world.said(&["collect"], 2);
        assert!(said.contains(says), "{settings}: {said}");
    }
    world.configure("");
    let first = this_month().checked_sub_months(Months::new(20)).expect("a month").to_string();
    let to = this_month().checked_sub_months(Months::new(19)).expect("a month").to_string();
    let said = world.said(&["collect", "--from", &first, "--to", &to], 1);
    assert!(said.contains("these days are not asked for; ask for days from"), "{said}");
}

/// What the example says, at the stand-in.
#[test]
fn the_example_passes_check() {
    let scope = "providers/Microsoft.Billing/billingAccounts/1234567";
    let mut world = World::new("", &json!({ "scopes": [scope] }));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/azure_cost_query.example.toml");
    let example = fs::read_to_string(example).expect("reads");
    assert!(example.contains(&format!("scope = \"{scope}\"")), "{example}");
    let ours = example
        .replace("11111111-2222-3333-4444-555555555555", TENANT)
        .replace("66666666-7777-8888-9999-000000000000", &world.client)
        .replace("kind = \"azure_cost_query\"", &format!("kind = \"azure_cost_query\"\nendpoint = \"{}\"", endpoint()))
        .replace("/run/secrets/azure", "secret");
    fs::write(world.folder.path().join("secret"), "aB8~Q.secret-value_EXAMPLE").expect("writes");
    world.variables.remove("AZURE_CLIENT_SECRET");
    world.write_config(&ours);
    let said = world.said(&["check"], 0);
    assert!(said.contains(&format!("{scope}: the Query API answers")), "{said}");
}

#[test]
fn kept_answers_are_enough_to_have_it_all_again() {
    let world = World::new("refine = [\"tag:team\"]", &json!({}));
    world.collect(0);
    let folder = world.folder.path().join("outlay-data/raw/azure");
    let kept: Vec<PathBuf> =
        fs::read_dir(&folder).expect("answers are kept").map(|entry| entry.expect("a file").path()).collect();
    let (totals, calls) = (world.totals(), world.calls().len());
    for file in &kept {
        let file = file.display().to_string();
        world.said(&["--data", "other", "import", "--source", "azure", "--kind", "azure_cost_query", &file], 0);
    }
    let total = |metric: &str| {
        let period = world.period();
        world.json(&["--data", "other", "spend", "--period", &period, "--metric", metric])["total"].to_string()
    };
    assert_eq!([total("effective"), total("billed")], totals);
    assert_eq!(world.calls().len(), calls);
}
