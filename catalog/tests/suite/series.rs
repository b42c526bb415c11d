//! What a series counts is kept exactly, day by day, as long as the series is defined.

use outlay_catalog::{Catalog, CatalogError};
use outlay_model::ownership::{Edit, Kind, Point};
use outlay_model::{ComponentId, DateRange, SeriesId, TeamId};
use serde_json::json;

use crate::bill::{at, day, money};
use crate::ownership::{change, put, remove};
use crate::place::Place;

crate::stories![
    points_are_read_as_they_were_told,
    a_point_that_is_told_again_takes_the_place_of_the_old_one,
    days_can_be_replaced_whole,
    what_counts_nothing_new_changes_nothing,
    what_cannot_be_counted_is_refused,
    points_go_with_their_series,
];

fn series(name: &str) -> SeriesId {
    SeriesId::new(name)
}

fn define(name: &str) -> Edit {
    put(Kind::Series, name, json!({ "unit": "build" }))
}

fn point(on: u32, team: &str, component: &str, value: &str) -> Point {
    let stated = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Point {
        day: day(on),
        team: stated(team).map(TeamId::new),
        component: stated(component).map(ComponentId::new),
        value: money(value),
    }
}

fn days(from: u32, to: u32) -> DateRange {
    DateRange::new(day(from), day(to)).expect("not empty")
}

async fn defined(catalog: &Catalog) {
    catalog.change_ownership(&change(vec![define("builds"), define("cpu hours")])).await.expect("is let in");
}

async fn tell(catalog: &Catalog, points: &[Point]) -> u64 {
    catalog.put_points(&series("builds"), points, None, at(2)).await.expect("is told")
}

async fn told(catalog: &Catalog) -> Vec<Point> {
    catalog.points(&series("builds"), days(1, 31)).await.expect("reads")
}

async fn points_are_read_as_they_were_told(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    let all = [
        point(1, "", "", "3"),
        point(1, "", "api", "0"),
        point(1, "never heard of", "", "0.000000000000000001"),
        point(1, "payments", "api", "99999999999999999999.999999999999999999"),
        point(2, "payments 💸", "", "7.5"),
    ];
    let mut shuffled = all.to_vec();
    shuffled.reverse();
    shuffled.push(all[0].clone());
    assert_eq!(tell(catalog, &shuffled).await, 2);
    let replica = place.replica().await;
    assert_eq!(told(&replica).await, all);
    let read = async |from, to| catalog.points(&series("builds"), days(from, to)).await.expect("reads");
    assert_eq!(read(2, 3).await, all[4..]);
    assert_eq!(read(3, 9).await, []);
    assert_eq!(catalog.points(&series("cpu hours"), days(1, 31)).await.expect("reads"), []);
    replica.close().await;
}

async fn a_point_that_is_told_again_takes_the_place_of_the_old_one(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    // More than one statement's worth.
    let many: Vec<Point> = (0..200).map(|n| point(1 + n % 7, &format!("team {n:03}"), "", "1")).collect();
    tell(catalog, &many).await;
    assert_eq!(tell(catalog, &[point(1, "team 000", "", "2"), point(1, "team 000", "api", "3")]).await, 3);
    let now = told(catalog).await;
    assert_eq!(now.len(), 201);
    assert_eq!(now[..2], [point(1, "team 000", "", "2"), point(1, "team 000", "api", "3")]);
}

async fn days_can_be_replaced_whole(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    let all = [point(1, "a", "", "1"), point(2, "a", "", "2"), point(2, "b", "", "2"), point(3, "a", "", "3")];
    tell(catalog, &all).await;
    let other = series("cpu hours");
    catalog.put_points(&other, &all, None, at(2)).await.expect("is told");
    let replace = async |points: &[Point], from, to| {
        catalog.put_points(&series("builds"), points, Some(days(from, to)), at(3)).await.expect("is told")
    };
    assert_eq!(replace(&[point(2, "b", "", "9")], 2, 3).await, 4);
    assert_eq!(told(catalog).await, [point(1, "a", "", "1"), point(2, "b", "", "9"), point(3, "a", "", "3")]);
    assert_eq!(replace(&[], 1, 3).await, 5);
    assert_eq!(told(catalog).await, [point(3, "a", "", "3")]);
    assert_eq!(replace(&[], 1, 3).await, 5, "there is nothing left to take away");
    assert_eq!(catalog.points(&other, days(1, 31)).await.expect("reads"), all, "another series is another one");
}

async fn what_counts_nothing_new_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    let all = [point(1, "a", "", "1.50"), point(2, "a", "", "2")];
    assert_eq!(tell(catalog, &all).await, 2);
    assert_eq!(tell(catalog, &all).await, 2);
    assert_eq!(tell(catalog, &[]).await, 2);
    let same = catalog.put_points(&series("builds"), &all, Some(days(1, 3)), at(9)).await.expect("is told");
    assert_eq!((same, catalog.generation().await.expect("reads")), (2, 2));
}

async fn what_cannot_be_counted_is_refused(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    tell(catalog, &[point(1, "a", "", "1")]).await;
    let refused = async |name: &str, points: &[Point]| {
        catalog.put_points(&series(name), points, Some(days(1, 31)), at(3)).await.expect_err("is refused")
    };
    let error = refused("builds", &[point(2, "a", "", "1"), point(3, "a", "", "-0.000000000000000001")]).await;
    assert_eq!(error.to_string(), r#"series "builds" on 2026-10-03: -0.000000000000000001 is less than nothing"#);
    let error = refused("builds", &[point(2, "a", "x", "1"), point(2, "a", "x", "2")]).await;
    assert!(matches!(error, CatalogError::BadPoint { .. }), "{error:?}");
    for name in ["requests", "bui\0lds"] {
        let error = refused(name, &[point(2, "a", "", "1")]).await;
        assert!(matches!(error, CatalogError::NotSaid { kind: Kind::Series, .. }), "{error:?}");
    }
    assert_eq!(told(catalog).await, [point(1, "a", "", "1")]);
    assert_eq!(catalog.generation().await.expect("reads"), 2);
}

async fn points_go_with_their_series(place: &Place) {
    let catalog = &place.catalog;
    defined(catalog).await;
    tell(catalog, &[point(1, "a", "", "1")]).await;
    // Another definition of it is another word for the same count.
    let renamed = put(Kind::Series, "builds", json!({ "unit": "green build" }));
    catalog.change_ownership(&change(vec![renamed])).await.expect("is let in");
    assert_eq!(told(catalog).await.len(), 1);
    catalog.change_ownership(&change(vec![remove(Kind::Series, "builds")])).await.expect("goes");
    catalog.change_ownership(&change(vec![define("builds")])).await.expect("is let in");
    assert_eq!(told(catalog).await, []);
}
