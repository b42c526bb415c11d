//! The command line as a person or a script meets it: what it prints, where, and how it exits.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

mod common;

use common::bill;

fn outlay(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outlay"))
        .env_clear()
        .current_dir(data)
        .args(["--data", "house"])
        .args(arguments)
        .output()
        .expect("runs")
}

#[track_caller]
fn check(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

#[test]
fn from_a_bill_to_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let rows = [&[("Tags", r#"{"team":"payments"}"#), ("EffectiveCost", "1234.5")][..], &[("EffectiveCost", "0.004")]];
    fs::write(at.join("bill.csv"), bill(&rows)).expect("writes");
    let (out, err) = check(&outlay(at, &["import", "--source", "aws", "--kind", "focus", "bill.csv"]), 0);
    assert_eq!((out.as_str(), err.as_str()), ("aws 2026-10: committed, 2 charges\n", ""));

    let (out, _) = check(&outlay(at, &["spend", "--group-by", "team", "--period", "2026-10"]), 0);
    insta::assert_snapshot!(out, @r"
    team         effective    share
    payments      1,234.50  100.0 %  ████████████████████
    unallocated      <0.01    0.0 %

    total 1,234.50 USD  (effective cost, 2026-10-01 to 2026-10-31, complete until 2026-10-05)
    ");
    let (out, _) = check(&outlay(at, &["spend", "--group-by", "team", "--period", "2026-10", "--format", "csv"]), 0);
    assert_eq!(out, "team,cost\r\npayments,1234.5\r\nunallocated,0.004\r\n");
    let (out, _) = check(&outlay(at, &["spend", "--period", "2026-10", "--format", "json"]), 0);
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["total"].to_string(), "1234.504");
    let (out, _) = check(&outlay(at, &["reconcile"]), 0);
    assert!(out.ends_with("every digit is accounted for\n"), "{out}");
}

#[test]
fn a_service_gets_the_category_that_its_bill_leaves_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let charge = |provider, service, category, cost| {
        [("ProviderName", provider), ("ServiceName", service), ("ServiceCategory", category), ("EffectiveCost", cost)]
    };
    let rows = [
        charge("AWS", "AmazonEC2", "", "1"),
        charge("AWS", "EC2 - Other", "", "2"),
        charge("AWS", "Amazon Elastic Compute Cloud", "Storage", "4"),
        charge("Nimbus", "Machines", "", "8"),
    ];
    fs::write(at.join("bill.csv"), bill(&rows.each_ref().map(|row| row.as_slice()))).expect("writes");
    let import = ["import", "--source", "aws", "--kind", "focus", "bill.csv"];
    let by_category = ["spend", "--group-by", "service_category", "--period", "2026-10", "--format", "csv"];
    let (out, _) = check(&outlay(at, &import), 0);
    assert!(out.contains("  2 × service_listed: "), "{out}");
    let (out, _) = check(&outlay(at, &by_category), 0);
    assert_eq!(out, "service_category,cost\r\n,8\r\nStorage,4\r\nCompute,3\r\n");

    // Another list is another way of reading: the same bill is no longer the one that is there.
    let header = "provider,service,category,subcategory,also known as\n";
    let list = format!("{header}AWS,EC2 - Other,Storage,Block Storage\nNimbus,Machines,Compute\n");
    fs::write(at.join("services.csv"), list).expect("writes");
    fs::write(at.join("outlay.toml"), "[services]\nfile = 'services.csv'\n").expect("writes");
    let (out, _) = check(&outlay(at, &import), 0);
    assert!(out.contains("replaces 4 charges") && out.contains("  3 × service_listed: "), "{out}");
    let (out, _) = check(&outlay(at, &by_category), 0);
    assert_eq!(out, "service_category,cost\r\nCompute,9\r\nStorage,6\r\n");

    fs::write(at.join("services.csv"), format!("{header}AWS,AmazonEC2,Computing\n")).expect("writes");
    let (_, err) = check(&outlay(at, &by_category), 2);
    let told =
        "outlay.toml:2: services.file: services.csv:2: \"Computing\" is no ServiceCategory of FOCUS; give one of";
    assert!(err.contains(told), "{err}");
}

#[test]
fn what_is_asked_wrongly_exits_with_2_and_says_how_to_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: [(&[&str], &str); 6] = [
        (&["spend", "--filter", "team IN ('a') AND"], "position 18"),
        (&["spend", "--group-by", "nonsense"], "use provider, seller"),
        (&["spend", "--period", "october"], "month_to_date"),
        (&["spend", "--nonsense"], "unexpected argument"),
        (&["import", "--source", "a/b", "--kind", "focus", "x.csv"], "not a source name"),
        (&["import", "--source", "a", "--kind", "pdf", "x.csv"], "possible values: focus"),
    ];
    for (arguments, says) in cases {
        let (out, err) = check(&outlay(folder.path(), arguments), 2);
        assert!(out.is_empty() && err.contains(says), "{arguments:?}: {out}{err}");
    }
    fs::write(folder.path().join("outlay.toml"), "[server]\nlisen = \"x\"\n[tags]\ndaily = 3\n").expect("writes");
    let (_, err) = check(&outlay(folder.path(), &["spend"]), 2);
    assert!(err.contains("outlay.toml:2") && err.contains("outlay.toml:4") && err.contains("listen"), "{err}");
}

#[test]
fn what_cannot_be_done_exits_with_1_and_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let (_, err) = check(&outlay(at, &["import", "--source", "a", "--kind", "focus", "nowhere/*.csv"]), 1);
    assert!(err.contains("nowhere/*.csv: no such file"), "{err}");
    fs::write(at.join("other.csv"), "a,b\n1,2\n").expect("writes");
    let (_, err) = check(&outlay(at, &["import", "--source", "a", "--kind", "focus", "other.csv"]), 1);
    assert!(err.contains("other.csv: not a FOCUS export") && err.contains("BilledCost"), "{err}");
    let (_, err) = check(&outlay(at, &["serve", "--listen", "192.0.2.1:1"]), 1);
    assert!(err.contains("cannot listen on 192.0.2.1:1"), "{err}");
}

#[test]
fn the_demo_keeps_out_of_folders_with_real_bills() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    fs::write(at.join("bill.csv"), bill(&[&[]])).expect("writes");
    check(&outlay(at, &["import", "--source", "aws", "--kind", "focus", "bill.csv"]), 0);
    // The port is looked at before any work.
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    let arguments = ["--data", "fresh", "demo", "--listen", &address];
    let run =
        Command::new(env!("CARGO_BIN_EXE_outlay")).env_clear().current_dir(at).args(arguments).output().expect("runs");
    let (out, err) = check(&run, 1);
    assert!(out.is_empty() && err.contains("cannot listen on"), "{out}{err}");
    let (_, err) = check(&outlay(at, &["demo", "--no-serve"]), 1);
    assert!(err.contains("not a demo's folder"), "{err}");
}

#[test]
fn help_names_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, _) = check(&outlay(folder.path(), &["--help"]), 0);
    insta::assert_snapshot!(out);
}

#[test]
fn an_export_is_put_in_place_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    fs::write(at.join("bill.csv"), bill(&[&[("BilledCost", "2.5")], &[("ChargePeriodEnd", "2026-10-05T00:00:00Z")]]))
        .expect("writes");
    check(&outlay(at, &["import", "--source", "aws", "--kind", "focus", "bill.csv"]), 0);
    let export = |arguments: &[&str]| outlay(at, &[&["export", "--period", "2026-10"], arguments].concat());
    let files = || {
        let mut names: Vec<_> = fs::read_dir(at)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .filter(|name| !matches!(name.as_str(), "house" | "bill.csv"))
            .collect();
        names.sort();
        names
    };

    let (out, err) = check(&export(&["--output", "o.parquet"]), 1);
    assert!(out.is_empty() && err.contains("ListCost (AWS: 2 of 2 charges)") && err.contains("--allow-null"), "{err}");
    assert!(files().is_empty(), "{:?}", files());

    let (out, err) = check(&export(&["--output", "o.parquet", "--allow-null"]), 0);
    assert_eq!(
        out,
        "o.parquet: 2 charges of 2026-10-01..2026-11-01 in FOCUS 1.2\n  USD: effective 2.00, billed 3.50\n"
    );
    assert!(err.contains("null let through: ListCost (AWS: 2 of 2 charges)"), "{err}");
    assert!(err.contains("error: empty_period: ChargePeriodEnd, 1 rows") && err.contains("row 2: 2026-10-05"), "{err}");
    assert_eq!(files(), ["o.parquet", "o.parquet.metadata.json"]);
    let metadata = fs::read_to_string(at.join("o.parquet.metadata.json")).expect("text");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    assert_eq!(metadata["DataGenerator"]["DataGenerator"], "Outlay");
    assert_eq!(metadata["Schema"][0]["FocusVersion"], "1.2");
    let billed = &metadata["Schema"][0]["ColumnDefinition"][0];
    assert_eq!(
        billed.to_string(),
        r#"{"ColumnName":"BilledCost","DataType":"DECIMAL","NumericPrecision":38,"NumberScale":18}"#
    );
    assert_eq!(metadata["x_Export"]["sums"]["USD"]["billed"].to_string(), "3.5");
    assert_eq!(metadata["x_Export"]["findings"][0]["rule"], "empty_period");

    let before = fs::read(at.join("o.parquet")).expect("bytes");
    let (_, err) = check(&export(&["--output", "o.parquet", "--allow-null"]), 1);
    assert!(err.contains("o.parquet is there already") && err.contains("--force"), "{err}");
    check(&export(&["--output", "o.parquet", "--allow-null", "--force"]), 0);
    assert_eq!(fs::read(at.join("o.parquet")).expect("bytes"), before, "the same question gives the same bytes");

    let (out, _) = check(&export(&["--output", "-", "--allow-null"]), 0);
    assert!(out.starts_with("BilledCost,BillingAccountId,") && out.lines().count() == 3, "{out}");
    let cases: [(&[&str], &str); 4] = [
        (&["--output", "o.xlsx"], "neither in .csv nor in .parquet"),
        (&["--output", "p.csv", "--format", "focus-2.0"], "use focus-1.0"),
        (&["--output", "p.csv", "--filter", "team ="], "position"),
        (&["--output", "p.csv", "--source", "gcp"], "nothing of gcp is live"),
    ];
    for (arguments, says) in cases {
        let (_, err) = check(&export(arguments), 2);
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
    assert_eq!(files(), ["o.parquet", "o.parquet.metadata.json"]);
}

/// Everything that is shown of who owns what, in a house of two charges.
#[test]
fn who_owns_what_is_said_by_a_file_and_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let rows = [
        &[("Tags", r#"{"squad":"pay"}"#), ("EffectiveCost", "1234.5")][..],
        &[("SubAccountId", "shared"), ("EffectiveCost", "10")],
    ];
    fs::write(at.join("bill.csv"), bill(&rows)).expect("writes");
    check(&outlay(at, &["import", "--source", "aws", "--kind", "focus", "bill.csv"]), 0);
    let said = "[team.commerce]\nowner = 'Ines'\n[team.payments]\nowner = 'Tom'\npeople = 7\nparent = 'commerce'\n\
                [map.teams]\npayments = ['pay']\n[component.api]\nteam = 'payments'\n[series.builds]\nunit = 'build'\n\
                [[rule]]\nname = 'squads'\nfrom = '2026-10-01'\nwhen = 'tags.squad IS NOT NULL'\n\
                team = { from = 'tags.squad', map = 'teams' }\ncomponent = 'api'\n";
    fs::write(at.join("ownership.toml"), said.replace("'commerce'\n[map", "'Commerce'\n[map")).expect("writes");
    let (_, err) = check(&outlay(at, &["rules", "apply", "ownership.toml"]), 2);
    insta::assert_snapshot!(err, @r#"
    outlay: who owns what stays as it is: the ownership file has a problem
      ownership.toml:6: team.payments.parent: there is no team "Commerce" (but "commerce"); add it first
    "#);
    fs::write(at.join("ownership.toml"), said).expect("writes");
    let (out, _) = check(&outlay(at, &["rules", "apply", "--dry-run", "ownership.toml"]), 0);
    insta::assert_snapshot!(out, @"
    + team commerce
    + team payments
    + component api
    + map teams
    + series builds
    + rule squads
    6 changes; nothing was changed
    ");
    let (out, _) = check(&outlay(at, &["rules", "preview", "ownership.toml"]), 0);
    insta::assert_snapshot!(out.split_once("\n\n").expect("two parts").1);
    let by_team = ["spend", "--group-by", "team,component,rule", "--period", "2026-10", "--format", "csv"];
    let (out, _) = check(&outlay(at, &by_team), 0);
    assert_eq!(out, "team,component,rule,cost\r\nunallocated,,,1244.5\r\n");
    let (out, err) = check(&outlay(at, &["rules", "apply", "ownership.toml"]), 0);
    assert!(out.ends_with("6 changes made\n") && err.is_empty(), "{out}{err}");
    let (out, _) = check(&outlay(at, &by_team), 0);
    assert_eq!(out, "team,component,rule,cost\r\npayments,api,squads,1234.5\r\nunallocated,,,10\r\n");
    let (out, _) = check(&outlay(at, &["rules", "apply", "ownership.toml"]), 0);
    assert_eq!(out, "nothing changes\n");

    let (out, _) = check(&outlay(at, &["rules"]), 0);
    insta::assert_snapshot!(out);
    let (out, _) = check(&outlay(at, &["teams"]), 0);
    assert!(out.contains("payments  Tom         7  commerce"), "{out}");
    let (out, _) = check(&outlay(at, &["rules", "explain", "--day", "2026-10-05", "tags.squad=pay"]), 0);
    assert!(out.contains("team payments, by squads\ncomponent api"), "{out}");

    // By name: what the file says is the file's.
    fs::write(at.join("team.json"), r#"{ "owner": "Mei" }"#).expect("writes");
    let (_, err) = check(&outlay(at, &["ownership", "set", "team", "payments", "--file", "team.json"]), 2);
    assert!(err.contains("is said by the ownership file"), "{err}");
    check(&outlay(at, &["ownership", "set", "team", "search", "--file", "team.json"]), 0);
    let rule = "from = 'ever'\nwhen = \"account = 'shared'\"\nteam = 'search'\n";
    fs::write(at.join("rule.toml"), rule).expect("writes");
    let (out, _) =
        check(&outlay(at, &["ownership", "set", "rule", "shared", "--file", "rule.toml", "--place", "0"]), 0);
    assert_eq!(out, "+ rule shared\n1 change made\n");
    let (out, _) = check(&outlay(at, &by_team), 0);
    assert_eq!(out, "team,component,rule,cost\r\npayments,api,squads,1234.5\r\nsearch,,shared,10\r\n");
    let (_, err) = check(&outlay(at, &["ownership", "remove", "team", "search"]), 2);
    assert!(err.contains("rule \"shared\", team: there is no team \"search\""), "{err}");
    let (out, _) = check(&outlay(at, &["ownership", "remove", "rule", "shared"]), 0);
    assert_eq!(out, "- rule shared\n1 change made\n");
    let (_, err) = check(&outlay(at, &["ownership", "get", "rule", "shared"]), 2);
    assert!(err.contains("there is no rule \"shared\""), "{err}");
    let (out, _) = check(&outlay(at, &["ownership", "audit", "--kind", "rule"]), 0);
    assert_eq!(out.lines().count(), 4, "{out}");
    let (out, _) = check(&outlay(at, &["ownership", "status"]), 0);
    assert_eq!(out, "all charges have the owners, and all pools the splits, that they should have\n");

    // What is counted, and what happened.
    fs::write(at.join("builds.csv"), "day,team,component,value\n2026-10-05,payments,,412\n2026-10-06,payments,,-1\n")
        .expect("writes");
    let (_, err) = check(&outlay(at, &["series", "put", "builds", "builds.csv"]), 2);
    assert!(err.contains("builds.csv:3: value: is not a number"), "{err}");
    fs::write(at.join("builds.csv"), "day,team,component,value\n2026-10-05,payments,,412\n").expect("writes");
    let (_, err) = check(&outlay(at, &["series", "put", "bilds", "builds.csv"]), 2);
    assert!(err.contains("there is builds"), "{err}");
    let (out, _) = check(&outlay(at, &["series", "put", "builds", "builds.csv"]), 0);
    assert_eq!(out, "builds: 1 points, 2026-10-05\n");
    let release = ["events", "add", "--component", "api", "--version", "2.4.0", "--at", "2026-10-05T10:00:00Z"];
    let (out, _) = check(&outlay(at, &release), 0);
    assert_eq!(out, "api release 2.4.0, 2026-10-05 10:00:00 UTC: recorded\n");
    let (out, _) = check(&outlay(at, &release), 0);
    assert!(out.ends_with("known already\n"), "{out}");
}

#[test]
fn a_configured_file_is_applied_before_bills_come_and_a_bad_one_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    fs::write(at.join("outlay.toml"), "[ownership]\nfile = 'ownership.toml'\n").expect("writes");
    fs::write(at.join("bill.csv"), bill(&[&[("SubAccountId", "shared")]])).expect("writes");
    let import =
        |delivery| outlay(at, &["import", "--source", "aws", "--kind", "focus", "--delivery", delivery, "bill.csv"]);
    let rule = |team: &str| {
        let text = format!(
            "[team.search]\nowner = 'Mei'\n[[rule]]\nname = 'r'\nfrom = 'ever'\nwhen = 'TRUE'\nteam = '{team}'\n"
        );
        fs::write(at.join("ownership.toml"), text).expect("writes");
    };
    rule("serch");
    let (_, err) = check(&import("a"), 0);
    assert!(err.contains("ownership.toml:7: rule.team: there is no team \"serch\""), "{err}");
    let by_team = ["spend", "--group-by", "team", "--period", "2026-10", "--format", "csv"];
    let (out, _) = check(&outlay(at, &by_team), 0);
    assert_eq!(out, "team,cost\r\nunallocated,1\r\n");
    rule("search");
    let (out, _) = check(&import("a"), 0);
    assert!(out.contains("unchanged"), "{out}");
    let (out, _) = check(&outlay(at, &by_team), 0);
    assert_eq!(out, "team,cost\r\nsearch,1\r\n", "what is here already has its owner as well");
}
