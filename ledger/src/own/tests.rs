use super::*;
use chrono::NaiveDate;
use outlay_model::ownership::Ownership;
use outlay_model::{DateRange, Dimension, RuleId};
use polars::prelude::df;
use serde_json::json;

use crate::schema::{BILLING_PERIOD, COMPONENT, ENVIRONMENT, OWNERSHIP_RULE, TEAM};

mod oracle;

fn owner(book: &Book) -> Owner {
    let aliases = [("team".to_owned(), vec!["Team".to_owned()])].into();
    let (tags, privacy) = (TagSettings { aliases, ..TagSettings::default() }, Privacy::default());
    Owner::new(book, &SourceName::new("aws"), &tags, &privacy, true).expect("can be used")
}

fn ownership(rules: &[(&str, serde_json::Value)]) -> Ownership {
    let mut ownership: Ownership = serde_json::from_value(json!({
        "teams": { "payments": { "owner": "Ines" }, "search": { "owner": "Mei" }, "web": { "owner": "Lu" } },
        "components": {
            "api": { "team": [{ "is": "payments" }, { "from": "2026-10-01", "is": "search" }], "environment": "prod" },
            "late": { "team": [{ "from": "2026-10-01", "is": "web" }] },
        },
        "maps": { "names": { "payments": ["pay", "Payments-Team"], "search": ["find"] } },
        "pools": { "network": { "split": { "even": ["payments", "search"] } } },
    }))
    .expect("reads");
    for (name, rule) in rules {
        ownership.rules.push((RuleId::new(*name), serde_json::from_value(rule.clone()).expect("a rule")));
    }
    assert_eq!(ownership.problems(), []);
    ownership
}

fn book(rules: &[(&str, serde_json::Value)]) -> Book {
    ownership(rules).book(DateRange::new(day("2026-09-01"), day("2026-11-01")).expect("days"))
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn texts(frame: &DataFrame, name: &str) -> Vec<Option<String>> {
    let text = frame.column(name).expect("there").str().expect("text").clone();
    text.iter().map(|value| value.map(ToOwned::to_owned)).collect()
}

/// Team, rule, component and environment of every row, as `payments/tag:team/api/-`; put together or not, they are the same.
#[track_caller]
fn check(rules: &[(&str, serde_json::Value)], charges: DataFrame, expected: &[&str]) {
    for together in [false, true] {
        let mut owner = owner(&book(rules));
        owner.owning.together = together;
        let owned = owner.own(charges.clone()).expect("owned");
        let columns = [TEAM, OWNERSHIP_RULE, COMPONENT, ENVIRONMENT].map(|name| texts(&owned, name));
        let said: Vec<String> = (0..owned.height())
            .map(|row| {
                let cells: Vec<&str> = columns.iter().map(|column| column[row].as_deref().unwrap_or("-")).collect();
                cells.join("/")
            })
            .collect();
        assert_eq!(said, expected);
        assert!(texts(&owned, SOURCE).iter().all(|source| source.as_deref() == Some("aws")));
    }
}

#[test]
fn tags_decide_and_the_rest_is_unallocated() {
    let charges = df!(
        "tags.team" => [Some("payments"), Some("  "), None, Some("shared:network")],
        "tags.app" => [Some("own"), Some("shop"), None, None],
        "tags.service" => [None, Some("cart"), None, None],
    )
    .expect("a frame");
    let nobody = "unallocated/-/-/-";
    check(&[], charges, &["payments/tag:team/own/-", "unallocated/-/cart/-", nobody, nobody]);
}

#[test]
fn the_first_that_has_a_name_decides_and_corrections_come_before() {
    let charges = || {
        df!(
            "ServiceName" => ["Amazon VPC", "Amazon EC2", "Amazon EC2", "AWS Lambda"],
            "SubAccountName" => [None, Some("search-prod"), Some("unknown"), Some("search-dev")],
            "tags.cost-center" => [Some("4711"), Some(" PAY "), Some("other"), None],
        )
        .expect("a frame")
    };
    let network = ("network", json!({ "from": "ever", "when": "service = 'Amazon VPC'", "pool": "network" }));
    let mapped = json!({ "from": "tags.cost-center", "map": "names", "only_mapped": true });
    let mapped = ("mapped", json!({ "from": "ever", "when": "TRUE", "team": mapped }));
    let account = json!({ "from": "account_name", "capture": "^([a-z]+)-(prod|dev)$" });
    let account = (
        "account",
        json!({ "from": "ever", "when": "account_name LIKE '%-%'", "team": account, "environment": "all" }),
    );
    let rules = [network.clone(), mapped.clone(), account.clone()];
    check(
        &rules,
        charges(),
        &["shared:network/network/-/-", "payments/mapped/-/all", "unallocated/-/-/-", "search/account/-/all"],
    );
    let correction = json!({ "from": "ever", "when": "source = 'aws' AND service LIKE 'Amazon%'", "team": "web", "correction": true });
    check(
        &[network, mapped, account, ("correction", correction)],
        charges(),
        &["web/correction/-/-", "web/correction/-/all", "web/correction/-/-", "search/account/-/all"],
    );
}

#[test]
fn rules_and_components_hold_on_their_days() {
    let days = [day("2026-09-30"), day("2026-10-01"), day("2026-10-09"), day("2026-10-10")];
    let charges = df!(
        "x_ChargeDate" => days,
        "x_BillingPeriod" => days.map(|_| day("2026-09-01")),
        "tags.app" => ["api", "api", "late", "late"],
        "Tags" => [None, Some(r#"{"owner-of-it": "search"}"#), Some(r#"{"Team": "web"}"#), None],
    )
    .expect("a frame");
    check(
        &[],
        charges.clone(),
        &[
            "payments/component:api/api/prod",
            "search/component:api/api/prod",
            "web/tag:team/late/-",
            "web/component:late/late/-",
        ],
    );
    let dated = json!({ "from": "2026-10-01", "to": "2026-10-10", "when": "billing_period = '2026-09'", "environment": "dev",
        "team": { "from": "tags.owner-of-it" } });
    check(
        &[("dated", dated)],
        charges,
        &[
            "payments/component:api/api/prod",
            "search/dated/api/dev",
            "web/tag:team/late/dev",
            "web/component:late/late/-",
        ],
    );
}

#[test]
fn no_charges_have_no_owners_and_still_the_columns() {
    let charges = DataFrame::new(0, vec![Column::new_empty("ServiceName".into(), &DataType::String)]).expect("a frame");
    check(&[("all", json!({ "from": "ever", "when": "service = 'x'", "team": "web" }))], charges, &[]);
}

#[test]
fn a_charge_is_explained() {
    let rules = [
        ("late", json!({ "from": "2026-10-02", "when": "TRUE", "team": "web" })),
        ("vpc", json!({ "from": "ever", "when": "service = 'Amazon VPC'", "team": "search" })),
        (
            "mapped",
            json!({ "from": "ever", "when": "billing_period = '2026-10-01'",
            "team": { "from": "tags.Team", "map": "names" } }),
        ),
    ];
    let aliases = [("team".to_owned(), vec!["Team".to_owned()])].into();
    let tags = TagSettings { aliases, ..TagSettings::default() };
    let owning = Owning::new(&book(&rules), &tags).expect("can be used");
    let dimension = |word: &str| word.parse::<Dimension>().expect("a dimension");
    let values = [("tags.team", "pay"), ("service", "Amazon EC2"), ("billing_period", "2026-10")];
    let values = values.into_iter().map(|(word, value)| (dimension(word), value.to_owned())).collect();
    let explained = owning.explain(day("2026-10-01"), &values, &tags).expect("explained");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        explained.decision,
        Decision { team: "payments".to_owned(), component: None, environment: None, rule: some("mapped") }
    );
    let tried: Vec<_> = explained
        .tried
        .iter()
        .map(|tried| (tried.rule.as_str(), tried.on_day, tried.passes, tried.team.clone()))
        .collect();
    assert_eq!(
        tried[..4],
        [
            ("late", false, true, some("web")),
            ("vpc", true, false, some("search")),
            ("mapped", true, true, some("payments")),
            ("tag:team", true, true, some("pay")),
        ]
    );
    assert_eq!(tried.len(), 9);
    let wrong = [(dimension("billing_period"), "soon".to_owned())].into();
    let error = owning.explain(day("2026-10-01"), &wrong, &tags).expect_err("no day").to_string();
    assert!(error.contains("\"soon\" is not a day"), "{error}");
    assert_eq!(owning.columns().iter().filter(|(name, _)| name == BILLING_PERIOD || name == CHARGE_DATE).count(), 2);
}
