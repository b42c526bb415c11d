//! Google Cloud's billing export in BigQuery, from the outside: what is collected adds up to what the table has, per invoice
//! month and to the last digit, whatever goes wrong on the way (P1, P3), and what is scanned is bounded.
//!
//! It is a stand-in (tests/standins/bigquery.py) that checks what Google checks, and runs the queries it gets.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chrono::{Days, NaiveDate};
use common::bigquery::{TABLE, World, credit, invoiced, line, net, rows, schema};
use common::cost_explorer::{last_month, this_month};
use serde_json::{Value, json};

/// What is collected is what the table has: each invoice month, and everything is accounted for.
#[track_caller]
fn check_totals(world: &World, rows: &[Value]) {
    for month in [last_month(), this_month()] {
        assert_eq!(world.billed(month), net(rows, invoiced(month)), "{month}");
    }
    assert!(world.said(&["reconcile"], 0).contains("every digit is accounted for"));
}

#[test]
fn an_invoice_month_adds_up_to_its_costs_and_credits() {
    let world = World::new("", &json!({}));
    world.collect(0);
    check_totals(&world, &rows());

    // When it was used is not when it is invoiced.
    let last = this_month().pred_opt().expect("a day");
    let used =
        |row: &Value| row["usage_start_time"].as_str().is_some_and(|time| time < format!("{}T", this_month()).as_str());
    let by_day = world.json(&[
        "spend",
        "--period",
        &last_month().format("%Y-%m").to_string(),
        "--metric",
        "billed",
        "--granularity",
        "day",
    ]);
    assert_eq!(by_day["total"].to_string(), net(&rows(), used));
    let days: BTreeSet<&str> =
        by_day["data"].as_array().expect("rows").iter().filter_map(|row| row["time"].as_str()).collect();
    assert_eq!(days.len() as i64, (this_month() - last_month()).num_days());
    assert!(days.iter().any(|day| day.starts_with(&last.to_string())), "{days:?}");

    // What has no project is there; labels are tags.
    assert!(world.billed_by("account").contains_key("(none)"));
    assert!(world.billed_by("tags.team").contains_key("payments"));

    // Whatever did not change is not read again: one query tells.
    let before = world.calls("query").len();
    assert!(world.collect(0).contains("nothing new"));
    assert_eq!(world.calls("query").len(), before + 1);
}

#[test]
fn lines_that_are_added_up_come_to_the_same() {
    let world = World::new("aggregate = true", &json!({}));
    let said = world.collect(0);
    assert!(said.contains("3 lines, added up into 2"), "{said}");
    check_totals(&world, &rows());
    let lines = World::new("", &json!({}));
    lines.collect(0);
    for dimension in ["service", "account", "charge_category", "tags.team", "resource", "sku"] {
        assert_eq!(world.billed_by(dimension), lines.billed_by(dimension), "{dimension}");
    }
}

#[test]
fn days_of_a_month_are_read_by_one_query_and_each_page_once() {
    let world = World::new("", &json!({ "page_rows": 7 }));
    world.collect(0);
    check_totals(&world, &rows());
    let queries = world.calls("query");
    // One for what there is, one for each invoice month.
    assert_eq!(queries.len(), 3, "{queries:?}");
    assert!(world.calls("page").len() > 10);
    assert_eq!(world.told()["again"], 0);
    // BigQuery said twice of each that it is not there yet.
    assert_eq!(world.calls("poll").len(), 2 * queries.len());
    for query in &queries {
        let request = &query["request"];
        assert_eq!(request["useLegacySql"], false);
        assert_eq!(request["location"], "EU");
        assert_eq!(request["maximumBytesBilled"], "107374182400");
        assert!(query["query"].as_str().is_some_and(|text| text.contains("_PARTITIONTIME")), "{query}");
        assert!(!query["query"].to_string().contains(&last_month().format("%Y").to_string()), "{query}");
    }
}

#[test]
fn late_lines_have_their_day_read_again_and_no_other() {
    let world = World::new("", &json!({}));
    world.collect(0);
    let mut late = rows();
    // Weeks after the day, into the partition of another.
    let mut line = line(last_month(), Some(last_month()), "0.333333333333");
    line["_PARTITIONTIME"] =
        format!("{}T00:00:00Z", last_month().checked_add_days(Days::new(20)).expect("a day")).into();
    line["credits"] = json!([credit("PROMOTION", "Trial", "-0.333333333333")]);
    late.push(line);
    world.change(&json!({ "rows": late }));
    let before = world.calls("query").len();
    let said = world.collect(0);
    assert!(said.contains("replaces"), "{said}");
    check_totals(&world, &late);
    let asked = &world.calls("query")[before..];
    assert_eq!(asked.len(), 2);
    let deliveries = &asked[1]["request"]["queryParameters"][0]["parameterValue"]["arrayValues"];
    assert_eq!(deliveries.as_array().map(Vec::len), Some(1), "{deliveries}");
}

#[test]
fn what_has_no_invoice_month_is_kept() {
    let mut more = rows();
    let day = last_month().checked_add_days(Days::new(14)).expect("a day");
    more.push(line(day, None, "0.125"));
    let world = World::new("", &json!({ "rows": more }));
    let said = world.collect(0);
    assert!(said.contains(&format!("none/{day}")), "{said}");
    // It is taken for the month in which it was used.
    let expected = net(&more, |row| row["invoice"].is_null() || invoiced(last_month())(row));
    assert_eq!(world.billed(last_month()), expected);
}

#[test]
fn what_goes_wrong_once_or_twice_is_got_over() {
    let sound = World::new("", &json!({ "page_rows": 25 }));
    sound.collect(0);
    let faults = json!([
        { "at": "token", "fault": "html_503" },
        { "at": "table", "fault": "reset" },
        { "at": "query", "fault": "rateLimitExceeded" },
        { "at": "query", "skip": 1, "fault": "reset" },
        { "at": "poll", "fault": "backendError" },
        { "at": "poll", "skip": 1, "fault": "jobBackendError" },
        { "at": "page", "fault": "truncated" },
        { "at": "page", "skip": 1, "fault": "html_503" },
        { "at": "page", "skip": 2, "fault": "expire" },
    ]);
    let world = World::new("", &json!({ "page_rows": 25, "plan": faults }));
    world.collect(0);
    check_totals(&world, &rows());
    let told = world.told();
    assert_eq!(told["tokens"], 2, "one more than without an end in the middle");
    // A request that is sent again is the same job: it is paid for once. The job that was lost is paid twice.
    let billed = |told: &Value| told["billed"].as_u64().expect("bytes") >> 20;
    assert_eq!(billed(&told), billed(&sound.told()) + 10);
}

#[test]
fn what_keeps_going_wrong_is_told_and_changes_nothing() {
    // Some days are enough.
    let few: Vec<Value> = rows().into_iter().take(9).chain(rows().pop()).collect();
    let world = World::new("", &json!({ "page_rows": 2, "rows": few }));
    world.collect(0);
    let before = [last_month(), this_month()].map(|month| world.billed(month));
    let mut changed = few;
    for row in &mut changed {
        row["export_time"] = format!("{}T09:00:00Z", this_month()).into();
        row["credits"] = json!([]);
    }
    for (at, fault, message, says) in [
        (
            "query",
            "quotaExceeded",
            "Quota exceeded: Your project exceeded quota for free query bytes scanned",
            "a quota of the project is used up",
        ),
        (
            "query",
            "rateLimitExceeded",
            "Exceeded rate limits",
            "too many requests, says the provider, after 3 attempts",
        ),
        (
            "query",
            "accessDenied",
            "Access Denied: Project finance: User does not have bigquery.jobs.create permission",
            "roles/bigquery.jobUser",
        ),
        ("query", "html_503", "", "HTTP 503 with an HTML page, after 3 attempts"),
        (
            "poll",
            "jobBackendError",
            "Error encountered during execution. Retrying may solve the problem.",
            "jobBackendError",
        ),
        ("poll", "invalidQuery", "Syntax error", "refused: Syntax error (invalidQuery)"),
        ("page", "reset", "", "after 3 attempts"),
        ("page", "truncated", "", "the answer was cut short"),
        ("page", "half_json", "", "the JSON is cut short"),
        ("page", "same_page", "", "names a page that has been read already"),
        ("page", "short", "", "in place of"),
        ("page", "notFound", "Not found: Job finance:job_1", "is not there"),
        ("page", "authError", "Invalid Credentials", "not accepted: authError"),
    ] {
        // What there is can be had; the lines cannot.
        let of = if at == "page" { "line.*" } else { "outlay_delivery" };
        let plan = json!([{ "at": at, "of": of, "times": 1000, "fault": fault, "message": message }]);
        world.change(&json!({ "rows": changed, "plan": plan }));
        let said = world.collect(1);
        assert!(said.contains(says), "{fault}: {said}");
        assert_eq!([last_month(), this_month()].map(|month| world.billed(month)), before, "{fault}");
    }
    world.change(&json!({ "plan": [] }));
    world.said(&["collect", "--accept-shrink"], 0);
    check_totals(&world, &changed);
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    let mut more = rows();
    for row in &mut more {
        row["export_time"] = format!("{}T09:00:00Z", this_month()).into();
    }
    more.push(line(last_month(), Some(last_month()), "11"));
    // After what there is was told, before its lines are read.
    let plan = json!([{ "at": "query", "of": "outlay_delivery", "fault": "change", "with": { "rows": more } }]);
    let world = World::new("", &json!({ "plan": plan }));
    world.collect(0);
    check_totals(&world, &more);
    // What was listed is not what was read, so the next run looks once more.
    world.collect(0);
    check_totals(&world, &more);
    assert!(world.collect(0).contains("nothing new"));
}

#[test]
fn a_query_that_would_cost_too_much_is_not_made() {
    let world = World::new("maximum_bytes_billed = 20000000", &json!({ "bytes_per_cell": 1_000_000 }));
    let said = world.collect(1);
    assert!(
        said.contains("Query exceeded limit for bytes billed: 20000000") && said.contains("raise maximum_bytes_billed"),
        "{said}"
    );
    assert_eq!(world.told()["billed"], 0);
    let said = world.said(&["check"], 1);
    assert!(said.contains("no run can list anything: raise maximum_bytes_billed to"), "{said}");

    // A month is too much, its days are not.
    let world = World::new("maximum_bytes_billed = 12000000", &json!({ "bytes_per_cell": 10_000 }));
    world.collect(0);
    check_totals(&world, &rows());
}

#[test]
fn check_tells_what_is_scanned_and_reads_nothing() {
    let world = World::new("", &json!({ "bytes_per_cell": 1 << 20 }));
    let said = world.said(&["check"], 0);
    for piece in [
        "detailed export, in EU; jobs are billed to the project finance",
        "listing what there is since",
        "a run that finds 3 days changed scans about",
        "the first run scans about",
        "$6.25 a TiB",
        "no query may scan more than 100.0 GiB",
    ] {
        assert!(said.contains(piece), "{piece}: {said}");
    }
    assert_eq!((&world.told()["billed"], &world.told()["scanned"]), (&json!(0), &json!(0)));
    assert!(world.calls("query").iter().all(|call| call["request"]["dryRun"] == true));
    world.change(&json!({ "plan": [{ "at": "query", "times": 9, "fault": "accessDenied", "message": "No" }] }));
    assert!(world.said(&["check"], 1).contains("PROBLEM  gcp: "));
}

#[test]
fn a_table_that_is_none_of_googles_is_told() {
    let world = World::new("", &json!({ "schema": [{ "name": "cost", "type": "FLOAT" }], "rows": [] }));
    let said = world.collect(1);
    assert!(said.contains("is none of Google's billing exports"), "{said}");
    world.configure("location = \"US\"");
    world.change(&json!({ "schema": schema(), "rows": rows() }));
    let said = world.collect(1);
    assert!(said.contains("is not there; correct table, and location if it is set"), "{said}");
    for (settings, says) in [
        ("table = \"billing.export\"", "is no table; write its project, dataset and name"),
        ("table = \"finance.billing.x` WHERE TRUE; --\"", "is no table"),
        ("project = \"Finance!\"", "is not a project's id"),
        ("maximum_bytes_billed = 1", "give at least 10485760"),
        ("backfill_months = 25", "give at most 24"),
        ("agregate = true", "unknown field `agregate`"),
        ("impersonate = \"ann@example.com\"", "is not a service account"),
    ] {
        world.configure(settings);
        let said = world.said(&["collect"], 2);
        assert!(said.contains(says), "{settings}: {said}");
    }
}

#[test]
fn a_key_that_is_not_accepted_says_why() {
    let world = World::new("", &json!({ "clock_ahead": 86400 }));
    let said = world.collect(1);
    assert!(
        said.contains("Invalid JWT: Token must be a short-lived token") && said.contains("the clock of this machine"),
        "{said}"
    );
    world.change(&json!({ "clock_ahead": 0 }));
    let key = world.folder.path().join("key.json");
    let mut wrong: Value = serde_json::from_str(&fs::read_to_string(&key).expect("reads")).expect("JSON");
    wrong["private_key_id"] = "another".into();
    fs::write(&key, wrong.to_string()).expect("writes");
    let said = world.collect(1);
    assert!(said.contains("Invalid JWT Signature (invalid_grant); the key was deleted or disabled"), "{said}");
    fs::remove_file(&key).expect("is there");
    assert!(world.collect(1).contains("key.json: refused: No such file"));
}

/// As the provider's own clients come to it: nothing but its address and its credentials differ.
#[test]
fn the_example_of_the_configuration_passes_the_check() {
    let world =
        World::new("", &json!({ "table": "finance-123.billing.gcp_billing_export_resource_v1_01ABCD_234EFG_567HIJ" }));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/gcp_bigquery.example.toml");
    let text = fs::read_to_string(example).expect("reads");
    let kept = text.lines().filter(|line| !line.starts_with("credentials_file") && !line.starts_with("impersonate"));
    let text: Vec<&str> = kept.collect();
    let config = format!(
        "{}\nendpoint = \"{}\"\ncredentials_file = \"key.json\"\n",
        text.join("\n"),
        common::bigquery::endpoint()
    );
    fs::write(world.folder.path().join("outlay.toml"), config).expect("writes");
    let said = world.said(&["check"], 0);
    assert!(said.contains("detailed export, in EU"), "{said}");
}

/// A FOCUS export, without partitions of its own.
#[test]
fn a_focus_export_is_read_by_its_own_columns() {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let texts = ["BillingAccountId", "BillingCurrency", "ChargeCategory", "ProviderName", "ServiceName"];
    let times = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"];
    let mut schema: Vec<Value> = texts.iter().map(|name| column(name, "STRING")).collect();
    schema.extend(times.iter().map(|name| column(name, "TIMESTAMP")));
    schema.extend(["BilledCost", "EffectiveCost"].map(|name| column(name, "NUMERIC")));
    schema.push(json!({ "name": "Tags", "type": "RECORD", "mode": "REPEATED", "fields": [column("key", "STRING"), column("value", "STRING")] }));
    let row = |day: NaiveDate, billed: &str, effective: &str| {
        json!({
            "BillingAccountId": "01ABCD", "BillingCurrency": "USD", "ChargeCategory": "Usage", "ProviderName": "Google Cloud",
            "ServiceName": "Compute Engine", "BillingPeriodStart": format!("{}T00:00:00Z", last_month()),
            "BillingPeriodEnd": format!("{}T00:00:00Z", this_month()), "ChargePeriodStart": format!("{day}T00:00:00Z"),
            "ChargePeriodEnd": format!("{day}T01:00:00Z"), "BilledCost": billed, "EffectiveCost": effective,
            "Tags": [{ "key": "team", "value": "payments" }],
        })
    };
    let last = this_month().pred_opt().expect("a day");
    let rows = [row(last_month(), "1.000000001", "0.9"), row(last, "2", "2"), row(last, "-0.5", "-0.5")];
    let table = "finance.billing.gcp_billing_export_focus_01ABCD";
    let world = World::new(
        &format!("table = \"{table}\""),
        &json!({ "table": table, "schema": schema, "rows": rows, "partitioned": null }),
    );
    world.collect(0);
    assert_eq!(world.billed(last_month()), "2.500000001");
    assert_eq!(world.billed_by("tags.team")["payments"], "2.500000001");
    assert!(world.said(&["check"], 0).contains("FOCUS export, in EU"));
    assert!(world.collect(0).contains("nothing new"));
    assert_ne!(TABLE, table);
}
