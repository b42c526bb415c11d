use proptest::prelude::*;

use super::*;
use crate::TagKey;
use crate::dimension::Fixed;

#[track_caller]
fn check(text: &str, printed: &str) {
    let filter = Filter::parse(text).expect(text);
    assert_eq!(filter.to_string(), printed);
    assert_eq!(Filter::parse(printed).expect("prints what parses").to_string(), printed);
}

#[track_caller]
fn refused(text: &str, position: usize, says: &str) {
    let error = Filter::parse(text).expect_err(text);
    assert!(error.message.contains(says), "{text}: {error}");
    assert_eq!(error.position, position, "{text}: {error}");
}

#[test]
fn reads_the_closed_list_of_operators() {
    check("team='a'", "team = 'a'");
    check("team <> 'a'", "NOT (team = 'a')");
    check(
        "team IN ('payments','search') AND tags.env = 'prod' AND NOT service LIKE 'Amazon%'",
        "(team IN ('payments', 'search') AND tags.env = 'prod' AND NOT (service LIKE 'Amazon%'))",
    );
    check("account NOT IN ('1') or region is not null", "(NOT (account = '1') OR NOT (region IS NULL))");
    check(r#"tags."odd key" NOT LIKE 'it''s%'"#, r#"NOT (tags."odd key" LIKE 'it''s%')"#);
    check("TRUE", "TRUE");
}

#[test]
fn every_dimension_can_be_filtered_by() {
    for fixed in Fixed::ALL {
        check(&format!("{} = 'x'", fixed.as_str()), &format!("{} = 'x'", fixed.as_str()));
    }
}

#[test]
fn refuses_the_rest_with_its_position() {
    refused("team IN ('a') AND", 18, "Expected");
    refused("pg_sleep(1)", 1, "cannot be used here");
    refused("team = 'a' OR pg_sleep(1)", 15, "cannot be used here");
    refused("nonsense = 'a'", 1, "use provider, seller");
    refused("team = 'a' AND nonsense = 'b'", 16, "use provider, seller");
    refused("account = 123", 11, "single quotes");
    refused("team = 'a", 8, "Unterminated");
    refused("team = 'a' team", 12, "unexpected team");
    refused("team = service", 8, "single quotes");
    refused("tags.cost-center = 'x'", 1, "must be quoted");
    refused("", 1, "Expected");
    refused("team = 'a'; DROP TABLE parts", 11, "unexpected ;");
    refused("team = 'a'\n  AND x = 'b'", 18, "use provider, seller");
    refused("team IN (SELECT 1)", 1, "cannot be used here");
    refused("team BETWEEN 'a' AND 'b'", 1, "cannot be used here");
    assert!(Filter::parse(&"(".repeat(10_000)).is_err());
    assert!(Filter::parse(&format!("team = '{}'", "x".repeat(20_000))).is_err());
}

#[test]
fn chains_are_flat_however_long() {
    let text = vec!["TRUE"; 2000].join(" OR ");
    assert!(matches!(Filter::parse(&text), Ok(Filter::Or(terms)) if terms.len() == 2000));
    refused(&format!("team LIKE '{}'", "_".repeat(513)), 11, "longer than 512");
}

#[test]
fn having_compares_cost() {
    let having = Having::parse("cost > 100 OR NOT (cost >= -1.5)").expect("parses");
    let money = |text: &str| text.parse::<Money>().ok();
    assert!(having.holds(money("100.01")));
    assert!(!having.holds(money("100")));
    assert!(having.holds(money("-2")));
    assert!(having.holds(None));
    assert!(Having::parse("price > 1").is_err());
    assert!(Having::parse("cost > 'x'").is_err());
    assert_eq!(Having::parse("cost > ").expect_err("cut off").position, 8);
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let dimension = prop_oneof![
        proptest::sample::select(Fixed::ALL).prop_map(Dimension::Fixed),
        "[a-z ,.\"'é]{1,8}".prop_map(|key| Dimension::Tag(TagKey::new(key))),
    ];
    let text = "[a-z%_'\" é]{0,8}";
    let leaf =
        (dimension, proptest::collection::vec(text, 1..3), 0..3).prop_map(|(dimension, mut values, kind)| match kind {
            0 => Filter::In(dimension, values),
            1 => Filter::Like(dimension, values.swap_remove(0)),
            _ => Filter::IsNull(dimension),
        });
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(vec![a, b])),
            (inner.clone(), inner).prop_map(|(a, b)| Filter::Or(vec![a, b])),
        ]
    })
}

proptest! {
    #[test]
    fn print_and_parse_are_inverse(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,60}") {
        let _ = Filter::parse(&text);
        let _ = Having::parse(&text);
    }
}
