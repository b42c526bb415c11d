//! Transfers are made anew when something behind them changes, and only then.

use serde_json::json;

use super::*;

fn key(pool: &str, month: &str) -> (String, String) {
    (format!("shared:{pool}"), month.to_owned())
}

async fn two_months() -> House {
    let house =
        house(json!({ "network": { "metric": { "series": "cpu" } }, "tools": { "even": ["ops", "search"] } })).await;
    count(&house, &[("payments", 5, "1"), ("search", 5, "1")]).await;
    house.import("aws", "october.csv", &october(&[("", 5, "network", "10"), ("", 5, "tools", "2")])).await;
    let september = month_in("USD", "2026-09", &[("", 5, "tools", "4")]);
    house.import("aws", "september.csv", &september).await;
    settle(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "5"), ("search", "6")]);
    house
}

#[tokio::test]
async fn nothing_changed_nothing_is_made() {
    let house = two_months().await;
    let (before, generation) = (transfers(&house).await, house.app.catalog.generation().await.expect("reads"));
    assert_eq!(before.len(), 4, "each pool of each month, also where there is nothing to split");
    let shared = settle(&house).await;
    assert_eq!((shared.recomputed, shared.kept), (0, 4));
    assert_eq!(transfers(&house).await, before);
    assert_eq!(house.app.catalog.generation().await.expect("reads"), generation);
    // Nor are they shown as anything that was billed.
    let snapshot = house.app.catalog.snapshot().await.expect("reads");
    assert_eq!((snapshot.parts.len(), snapshot.all().count()), (2, 2));
}

#[tokio::test]
async fn a_bill_is_restated_and_only_its_month_is_made_anew() {
    let house = two_months().await;
    let before = transfers(&house).await;
    house.import("aws", "again.csv", &october(&[("", 5, "network", "20"), ("", 5, "tools", "2")])).await;
    settle(&house).await;
    let after = transfers(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "10"), ("search", "11")]);
    assert_ne!(before[&key("network", "2026-10")], after[&key("network", "2026-10")]);
    for pool in ["network", "tools"] {
        assert_eq!(before[&key(pool, "2026-09")], after[&key(pool, "2026-09")]);
    }
    // Whichever source it is that changes.
    house.import("gcp", "gcp.csv", &of_another_account(&october(&[("", 5, "network", "2")]))).await;
    settle(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "11"), ("search", "12")]);
    add_up(&house).await;
}

#[tokio::test]
async fn a_point_changes() {
    let house = two_months().await;
    let before = transfers(&house).await;
    count(&house, &[("payments", 5, "4"), ("search", 5, "1")]).await;
    settle(&house).await;
    let after = transfers(&house).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "8"), ("search", "3")]);
    assert_ne!(before[&key("network", "2026-10")], after[&key("network", "2026-10")]);
    assert_eq!(before[&key("tools", "2026-10")], after[&key("tools", "2026-10")], "it is not split by points");
    add_up(&house).await;
}

#[tokio::test]
async fn a_rule_moves_charges_into_a_pool() {
    let house = two_months().await;
    let dns = october(&[("", 5, "dns", "3"), ("search", 5, "dns", "5"), ("", 9, "dns", "7")]);
    house.import("gcp", "dns.csv", &of_another_account(&dns)).await;
    same(&teams(&house).await, &[("ops", "1"), ("payments", "5"), ("search", "11"), ("unallocated", "10")]);
    let before = transfers(&house).await;
    let rule = json!({ "from": "2026-10-06", "when": "service = 'dns'", "pool": "tools" });
    change(&house, vec![put(Kind::Rule, "dns", rule)]).await;
    settle(&house).await;
    // Only the ninth: 3.5 each.
    same(&teams(&house).await, &[("ops", "4.5"), ("payments", "5"), ("search", "14.5"), ("unallocated", "3")]);
    let after = transfers(&house).await;
    assert_ne!(before[&key("tools", "2026-10")], after[&key("tools", "2026-10")]);
    assert_eq!(before[&key("tools", "2026-09")], after[&key("tools", "2026-09")]);
    add_up(&house).await;
}

#[tokio::test]
async fn a_split_changes_from_a_day_on_and_a_pool_goes() {
    let house = two_months().await;
    let before = transfers(&house).await;
    let split = json!({ "split": [{ "is": { "even": ["ops", "search"] } }, { "from": "2026-10-01", "is": { "even": ["payments"] } }] });
    change(&house, vec![put(Kind::Pool, "tools", split)]).await;
    settle(&house).await;
    let after = transfers(&house).await;
    same(&teams(&house).await, &[("payments", "7"), ("search", "5")]);
    assert_eq!(before[&key("tools", "2026-09")], after[&key("tools", "2026-09")]);

    let remove = |kind| Edit::Remove { kind, name: "tools".to_owned() };
    change(&house, vec![remove(Kind::Rule), remove(Kind::Pool)]).await;
    settle(&house).await;
    assert_eq!(transfers(&house).await.keys().filter(|(pool, _)| pool == "shared:tools").count(), 0);
    add_up(&house).await;
}

#[tokio::test]
async fn what_a_pool_has_sent_on_goes_with_it() {
    let house = house(json!({ "network": { "even": ["payments"] }, "platform": { "even": ["shared:network"] } })).await;
    house.import("aws", "october.csv", &october(&[("", 5, "network", "10"), ("search", 5, "platform", "2")])).await;
    same(&teams(&house).await, &[("payments", "12")]);
    let remove = |kind| Edit::Remove { kind, name: "platform".to_owned() };
    change(&house, vec![remove(Kind::Rule), remove(Kind::Pool)]).await;
    settle(&house).await;
    same(&teams(&house).await, &[("payments", "10"), ("search", "2")]);
    add_up(&house).await;
}

#[tokio::test]
async fn a_cursor_reads_on_in_the_shares_of_before() {
    let house = two_months().await;
    let ask = [OCTOBER, ("group_by", "team"), ("limit", "1"), ("order_by", "team")];
    let first = house.spend(&ask).await;
    count(&house, &[("payments", 5, "4"), ("search", 5, "1")]).await;
    settle(&house).await;
    let mut costs: Vec<String> = first.rows.iter().map(|row| common::text(row.cost)).collect();
    let mut next = first.next_cursor;
    while let Some(cursor) = next {
        let page = house.spend(&[&ask[..], &[("cursor", &cursor)]].concat()).await;
        costs.extend(page.rows.iter().map(|row| common::text(row.cost)));
        next = page.next_cursor;
    }
    // ops, payments, search, and the two pools.
    assert_eq!(costs, ["1", "5", "6", "0", "0"]);
}
