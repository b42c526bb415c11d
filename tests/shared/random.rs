//! Random bills through random pools: whatever they are, what there was is what there is (P1).

use outlay_model::export::{ExportParams, FileKind};
use outlay_model::report::Scope;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;
use crate::common::lines::{Line, SOURCES, csv, line};
use crate::common::today;

/// Splits of three pools in this order: each may send to those behind it.
fn pools() -> impl Strategy<Value = Value> {
    let split = |behind: &'static [&'static str]| {
        let targets = || subsequence([&["ops", "payments", "search"], behind].concat(), 1..=3 + behind.len());
        let weights = prop::collection::vec(select(&["1", "0.3", "7.000000000000000001"][..]), 5);
        let fixed = (targets(), weights).prop_map(|(targets, weights)| {
            let weight = |text: &str| Value::from(serde_json::Number::from_string_unchecked(text.to_owned()));
            let shares: serde_json::Map<String, Value> =
                targets.into_iter().zip(weights).map(|(target, text)| (target.to_owned(), weight(text))).collect();
            json!({ "fixed": shares })
        });
        let one = prop_oneof![
            targets().prop_map(|targets| json!({ "even": targets })),
            fixed,
            Just(json!({ "spend": {} })),
            Just(json!({ "spend": { "services": ["S3"] } })),
            Just(json!({ "metric": { "series": "cpu" } })),
        ];
        prop::collection::vec(prop::option::weighted(0.8, one), 1..3).prop_map(|splits| {
            let from = ["2026-09-25", "2026-10-03"];
            let stretch = |(place, split): (usize, Option<Value>)| match (place, split) {
                (0, None) => json!({}),
                (0, Some(split)) => json!({ "is": split }),
                (place, None) => json!({ "from": from[place - 1] }),
                (place, Some(split)) => json!({ "from": from[place - 1], "is": split }),
            };
            splits.into_iter().enumerate().map(stretch).collect::<Value>()
        })
    };
    (split(&["shared:two", "shared:three"]), split(&["shared:three"]), split(&[]))
        .prop_map(|(one, two, three)| json!({ "one": one, "two": two, "three": three }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whatever_is_shared(
        lines in prop::collection::vec(line(), 1..25),
        more in prop::collection::vec(line(), 0..6),
        pools in pools(),
        points in prop::collection::vec((select(&["ops", "payments", "a"][..]), 1..20_u32, 0..5_u32), 0..30),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(keeps(lines, more, pools, points));
    }
}

/// Rules send services and accounts to pools; both sources state charges, and then one states more.
async fn keeps(lines: Vec<Line>, more: Vec<Line>, pools: Value, points: Vec<(&str, u32, u32)>) {
    let rates = "[rates]\nEUR = [{ from = \"2026-01-01\", to_usd = \"1.0833\" }]\n";
    let house = house_with(rates, pools).await;
    let rule = |name: &str, when: &str, pool: &str| {
        put(Kind::Rule, name, json!({ "from": "ever", "when": when, "pool": pool }))
    };
    let mut rules = vec![rule("a", "service = 'EC2'", "one"), rule("b", "tags.env = 'a'", "two")];
    rules.push(rule("c", "account = '001' AND charge_category = 'Usage'", "three"));
    change(&house, rules).await;
    // Of one team and day a series counts one number.
    let points: BTreeMap<(&str, u32), String> =
        points.into_iter().map(|(team, day, value)| ((team, day), value.to_string())).collect();
    let points: Vec<(&str, u32, &str)> =
        points.iter().map(|((team, day), value)| (*team, *day, value.as_str())).collect();
    count(&house, &points).await;
    for (round, lines) in [lines, more].into_iter().enumerate() {
        for (number, source) in SOURCES.iter().enumerate() {
            let own: Vec<&Line> = lines.iter().filter(|line| line.source == number).collect();
            if !own.is_empty() {
                let name = format!("{round}-{source}.csv");
                house.import_with(source, &name, &csv(&own), Some(&name), Default::default()).await.expect("imports");
            }
        }
        let shared = settle(&house).await;
        assert_eq!(shared.failed, []);
        add_up(&house).await;
    }
    let params = ExportParams {
        from: Some("2026-08-01".into()),
        to: Some("2026-12-01".into()),
        allow_null: Some("true".into()),
        ..ExportParams::default()
    };
    let query = params.query(today()).expect("an export");
    let export = house.app.insights.export(&query, today(), &Scope::Company).await.expect("an export");
    export.write(FileKind::Parquet, std::io::sink()).await.expect("adds up");
}
