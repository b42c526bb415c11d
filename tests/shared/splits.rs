//! Each kind of split, worked out by hand.

use serde_json::json;

use super::*;

/// The network costs 100 on the fifth; payments spends 30 itself, search 10, and 7 are nobody's.
const BILL: &[Charge<'_>] =
    &[("", 5, "network", "100"), ("payments", 5, "EC2", "30"), ("search", 5, "EC2", "10"), ("", 5, "S3", "7")];

async fn check(split: serde_json::Value, expected: &[(&str, &str)]) {
    let house = house(json!({ "network": split })).await;
    count(&house, &[("payments", 5, "1"), ("search", 5, "3"), ("search", 6, "1000")]).await;
    house.import("aws", "bill.csv", &october(BILL)).await;
    let shared = settle(&house).await;
    assert_eq!((shared.failed, shared.left), (vec![], vec![]));
    same(&teams(&house).await, expected);
    add_up(&house).await;
}

#[tokio::test]
async fn evenly() {
    // 100/3 each; the unit that is left over goes to the first by name: all lost as much.
    let expected = [
        ("ops", "33.333333333333333334"),
        ("payments", "63.333333333333333333"),
        ("search", "43.333333333333333333"),
        ("unallocated", "7"),
    ];
    check(json!({ "even": ["search", "payments", "ops"] }), &expected).await;
}

#[tokio::test]
async fn by_fixed_shares() {
    // 3 : 1.5 is 2 : 1, so 66.6… and 33.3…; the one that lost two thirds of a unit gets the one left over.
    let expected = [("payments", "96.666666666666666667"), ("search", "43.333333333333333333"), ("unallocated", "7")];
    check(json!({ "fixed": { "payments": 3, "search": 1.5 } }), &expected).await;
}

#[tokio::test]
async fn by_own_spend() {
    // 30 : 10, so 75 and 25; what nobody owns has no share.
    check(json!({ "spend": {} }), &[("payments", "105"), ("search", "35"), ("unallocated", "7")]).await;
    check(
        json!({ "spend": { "among": ["search", "ops"] } }),
        &[("payments", "30"), ("search", "110"), ("unallocated", "7")],
    )
    .await;
}

#[tokio::test]
async fn by_own_spend_on_some_services() {
    let house = house(json!({ "network": { "spend": { "services": ["S3"] } } })).await;
    let charges =
        [("", 5, "network", "100"), ("payments", 5, "EC2", "30"), ("payments", 5, "S3", "1"), ("search", 5, "S3", "3")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    // 1 : 3.
    same(&teams(&house).await, &[("payments", "56"), ("search", "78")]);
}

#[tokio::test]
async fn by_a_series() {
    // 1 : 3 CPU hours on the fifth; those of the sixth are of the sixth.
    let expected = [("payments", "55"), ("search", "85"), ("unallocated", "7")];
    check(json!({ "metric": { "series": "cpu" } }), &expected).await;
    check(
        json!({ "metric": { "series": "cpu", "among": ["payments", "ops"] } }),
        &[("payments", "130"), ("search", "10"), ("unallocated", "7")],
    )
    .await;
}

#[tokio::test]
async fn refunds_and_days_go_their_own_way() {
    let house = house(json!({ "network": { "spend": {} } })).await;
    let charges = [
        ("", 5, "network", "10"),
        ("payments", 5, "EC2", "1"),
        ("search", 5, "EC2", "1"),
        // A refund of the sixth is split by the sixth, on which search was paid back more than it spent.
        ("", 6, "network", "-4"),
        ("payments", 6, "EC2", "1"),
        ("search", 6, "EC2", "-2"),
    ];
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    // payments: 1 + 5 + 1 − 4; search: 1 + 5 − 2.
    same(&teams(&house).await, &[("payments", "3"), ("search", "4")]);
    add_up(&house).await;
}

#[tokio::test]
async fn pools_share_what_others_send_them() {
    let house = house(json!({
        "network": { "even": ["payments", "search"] },
        "platform": { "fixed": { "shared:network": 1, "ops": 3 } },
        "tools": { "even": ["shared:platform"] },
    }))
    .await;
    let charges = [("", 5, "network", "10"), ("", 5, "platform", "8"), ("", 5, "tools", "4")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    // tools sends its 4 to platform, which has 12: 9 to ops, 3 to network, which has 13: 6.5 each.
    same(&teams(&house).await, &[("ops", "9"), ("payments", "6.5"), ("search", "6.5")]);
    add_up(&house).await;
}

#[tokio::test]
async fn pools_may_turn_around_within_a_month() {
    let house = house(json!({
        "a": [{ "is": { "even": ["shared:b"] } }, { "from": "2026-10-10", "is": { "even": ["payments"] } }],
        "b": [{ "is": { "even": ["search"] } }, { "from": "2026-10-10", "is": { "even": ["shared:a"] } }],
    }))
    .await;
    let charges = [("", 9, "a", "1"), ("", 9, "b", "2"), ("", 10, "a", "4"), ("", 10, "b", "8")];
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    same(&teams(&house).await, &[("payments", "12"), ("search", "3")]);
    add_up(&house).await;
}

#[tokio::test]
async fn a_day_that_nobody_shares_stays_in_the_pool_and_is_told() {
    let house = house(json!({ "network": [
        { "is": { "metric": { "series": "cpu" } } },
        { "from": "2026-10-20" },
    ] }))
    .await;
    count(&house, &[("payments", 5, "1"), ("payments", 7, "0")]).await;
    let charges = [5, 6, 7, 21].map(|day| ("", day, "network", "1.5"));
    house.import("aws", "bill.csv", &october(&charges)).await;
    settle(&house).await;
    // The sixth has no points, those of the seventh are nothing, and on the twenty-first it is not split.
    let runs = house.app.catalog.runs(&Default::default(), 50).await.expect("reads");
    let run = runs.iter().find(|run| run.kind == "share").expect("a run");
    assert_eq!(
        run.message.as_deref(),
        Some("2 transfers; 4.5 USD of 2026-10-06, 2026-10-07, 2026-10-21 stays in network: nobody has a share")
    );
    same(&teams(&house).await, &[("payments", "1.5"), ("shared:network", "4.5")]);
    add_up(&house).await;
}

const RATES: &str = "[rates]\nEUR = [{ from = \"2026-10-06\", to_usd = \"1.25\" }]\n";

#[tokio::test]
async fn spend_in_several_currencies_is_compared_by_the_rates_of_the_day() {
    let house = house_with(RATES, json!({ "network": { "spend": {} }, "platform": { "even": ["ops"] } })).await;
    let charges = [("", 6, "network", "9"), ("payments", 6, "EC2", "10"), ("", 6, "platform", "1")];
    house.import("aws", "usd.csv", &october(&charges)).await;
    let euros = in_currency("EUR", &[("search", 6, "VM", "4"), ("", 6, "network", "6")]);
    house.import("azure", "eur.csv", &of_another_account(&euros)).await;
    settle(&house).await;
    let native = house.groups(&[OCTOBER, ("group_by", "team,currency"), ("currency", "native")]).await;
    // 10 USD and 4 EUR, which are 5 USD: 2 : 1 of 9 USD and of 6 EUR.
    same(
        &native.into_iter().filter(|(_, cost)| cost != "0").collect(),
        &[("ops|USD", "1"), ("payments|EUR", "4"), ("payments|USD", "16"), ("search|EUR", "6"), ("search|USD", "3")],
    );
    add_up(&house).await;

    // On the fifth there is no rate. While all of its spend is in euros none is needed.
    let more = of_another_account(&in_currency("EUR", &[("search", 5, "VM", "4")]));
    house.import_with("azure", "more-eur.csv", &more, Some("more"), Default::default()).await.expect("imports");
    assert_eq!(settle(&house).await.failed, []);
    let before = transfers(&house).await;
    // Then the month of that pool keeps the transfers it had, and others go on.
    let charges = [("payments", 5, "EC2", "10"), ("", 5, "platform", "2"), ("", 5, "network", "30")];
    house.import_with("aws", "more.csv", &october(&charges), Some("more"), Default::default()).await.expect("imports");
    let shared = settle(&house).await;
    assert_eq!(shared.failed.len(), 1);
    assert_eq!(
        shared.failed[0].message,
        "no EUR to USD rate for 2026-10-05: teams' own spend cannot be compared without; add one under [rates], or collect \
         published ones (ecb_rates)"
    );
    let told = house.app.catalog.settling().await.expect("reads").message.expect("is told");
    assert!(
        told.starts_with("2026-10: the pool network is not split anew: no EUR to USD rate for 2026-10-05"),
        "{told}"
    );
    let after = transfers(&house).await;
    let key = |pool: &str| (format!("shared:{pool}"), "2026-10".to_owned());
    assert_eq!(before[&key("network")], after[&key("network")]);
    assert_ne!(before[&key("platform")], after[&key("platform")]);
    let native = house.groups(&[OCTOBER, ("group_by", "team,currency"), ("currency", "native")]).await;
    assert_eq!((native["ops|USD"].as_str(), native["shared:network|USD"].as_str()), ("3", "30"));
    add_up(&house).await;
    // Nothing is made again while that is so.
    settle(&house).await;
    assert_eq!(transfers(&house).await, after);
}
