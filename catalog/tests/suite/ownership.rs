//! What is said of owners is checked as a whole, told by whom, and stays known for who reads an older generation.

use std::sync::Arc;

use outlay_catalog::{AuditQuery, Catalog, CatalogError, OwnershipChange, OwnershipRecord};
use outlay_model::ownership::{Audited, Definition, Edit, Kind, Origin, Ownership};
use serde_json::{Value, json};

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![
    what_is_said_is_read_as_it_was_said,
    what_is_not_so_leaves_everything_as_it_was,
    what_one_says_no_other_changes,
    nothing_is_taken_away_that_is_not_there,
    to_say_it_again_changes_nothing,
    older_generations_have_the_teams_of_then,
    bills_come_in_without_owners_being_read_anew,
    rules_keep_their_order,
    a_file_says_all_it_says_at_once,
    every_change_is_audited,
    a_rule_that_is_moved_is_audited,
    of_two_changes_at_once_both_count,
    what_is_said_is_restored_from_its_record,
];

pub fn put(kind: Kind, name: &str, json: Value) -> Edit {
    let definition = Definition::read(kind, json).expect("a definition");
    Edit::Put { name: name.to_owned(), definition, place: None }
}

pub fn team(name: &str) -> Edit {
    put(Kind::Team, name, json!({ "owner": "Ines" }))
}

pub fn remove(kind: Kind, name: &str) -> Edit {
    Edit::Remove { kind, name: name.to_owned() }
}

pub fn change(edits: Vec<Edit>) -> OwnershipChange {
    OwnershipChange { edits, origin: Origin::Api, by: "cli".to_owned(), now: at(1) }
}

fn from_file(edits: Vec<Edit>) -> OwnershipChange {
    OwnershipChange { origin: Origin::File, by: "ownership.toml".to_owned(), ..change(edits) }
}

fn rule(name: &str, place: Option<usize>) -> Edit {
    let json = json!({ "from": "2026-10-01", "when": "service = 'Amazon EC2'", "team": "payments" });
    let definition = Definition::read(Kind::Rule, json).expect("a rule");
    Edit::Put { name: name.to_owned(), definition, place }
}

async fn said(catalog: &Catalog) -> Arc<Ownership> {
    Arc::clone(&catalog.snapshot().await.expect("reads").ownership)
}

async fn audited(catalog: &Catalog, query: &AuditQuery) -> Vec<(u64, Audited)> {
    catalog.audit(query, 99).await.expect("lists")
}

fn names(ownership: &Ownership) -> Vec<&str> {
    ownership.rules.iter().map(|(id, _)| id.as_str()).collect()
}

async fn what_is_said_is_read_as_it_was_said(place: &Place) {
    let catalog = &place.catalog;
    assert_eq!(*said(catalog).await, Ownership::default());
    let edits = vec![
        put(
            Kind::Team,
            "payments",
            json!({
                "title": "Payments 💸", "owner": [{ "is": "Ines" }, { "from": "2026-07-01", "is": "Mei" }], "kind": "product",
                "people": 7, "channels": ["#payments"], "currency": "EUR",
            }),
        ),
        put(Kind::Team, "search", json!({ "owner": "Kim", "parent": [{ "from": "2026-07-01", "is": "payments" }] })),
        put(
            Kind::Component,
            "api",
            json!({ "team": "payments", "environment": "prod", "links": { "docs": "https://x" } }),
        ),
        put(Kind::Map, "teams", json!({ "payments": ["pay", "Payments"] })),
        put(Kind::Series, "builds", json!({ "unit": "build" })),
        put(
            Kind::Pool,
            "network",
            // As text: no digit may be lost on the way.
            serde_json::from_str(
                r#"{ "split": [
                    { "is": { "fixed": { "payments": 0.333333333333333333, "search": 99999999999999999999 } } },
                    { "from": "2026-10-01", "is": { "metric": { "series": "builds" } } }
                ] }"#,
            )
            .expect("is JSON"),
        ),
        put(
            Kind::Rule,
            "by-tag",
            json!({ "from": "ever", "when": "tags.\"odd 'key'\" IS NOT NULL", "team":
                { "from": "tags.cost-center", "capture": "^(\\w+)-", "map": "teams", "only_mapped": true } }),
        ),
    ];
    let mut expected = Ownership::default();
    edits.iter().for_each(|edit| expected.edit(edit.clone(), Origin::Api));
    assert_eq!(expected.origins.len(), edits.len());
    assert_eq!(catalog.change_ownership(&change(edits)).await.expect("is let in"), 1);
    let replica = place.replica().await;
    for catalog in [catalog, &replica] {
        let snapshot = catalog.snapshot().await.expect("reads");
        assert_eq!((snapshot.generation, snapshot.ownership_since), (1, 1));
        assert_eq!(*snapshot.ownership, expected);
    }
    replica.close().await;
}

async fn what_is_not_so_leaves_everything_as_it_was(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments"), rule("r", None)])).await.expect("is let in");
    let before = said(catalog).await;
    let wrong = vec![team("search"), put(Kind::Component, "api", json!({ "team": "Paymnts" }))];
    let error = catalog.change_ownership(&change(wrong)).await.expect_err("there is no such team");
    assert!(matches!(&error, CatalogError::OwnershipProblems(problems) if problems.len() == 1), "{error:?}");
    assert_eq!(error.to_string(), r#"component "api", team: there is no team "Paymnts"; add it first"#);
    assert!(!error.is_retryable());
    // What others say of it would be left in the air.
    let error = catalog.change_ownership(&change(vec![remove(Kind::Team, "payments")])).await.expect_err("is named");
    assert_eq!(error.to_string(), r#"rule "r", team: there is no team "payments"; add it first"#);
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    assert!(Arc::ptr_eq(&before, &said(catalog).await));
    assert_eq!(audited(catalog, &AuditQuery::default()).await.len(), 2);
    catalog
        .change_ownership(&change(vec![remove(Kind::Team, "payments"), remove(Kind::Rule, "r")]))
        .await
        .expect("both go");
    assert_eq!(*said(catalog).await, Ownership::default());
}

async fn what_one_says_no_other_changes(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&from_file(vec![team("payments")])).await.expect("is let in");
    for edit in [team("payments"), remove(Kind::Team, "payments")] {
        let error = catalog.change_ownership(&change(vec![team("search"), edit])).await.expect_err("is the file's");
        assert!(matches!(error, CatalogError::SaidElsewhere { origin: Origin::File, .. }), "{error:?}");
        assert_eq!(error.to_string(), r#"team "payments" is said by the ownership file and changed there"#);
    }
    assert_eq!(catalog.generation().await.expect("reads"), 1);
    assert!(!said(catalog).await.teams.contains_key("search"));
    // Once the file no longer says it, anybody may.
    catalog.change_ownership(&from_file(vec![remove(Kind::Team, "payments")])).await.expect("goes");
    catalog.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
    assert_eq!(said(catalog).await.origin(Kind::Team, "payments"), Some(Origin::Api));
}

async fn nothing_is_taken_away_that_is_not_there(place: &Place) {
    let catalog = &place.catalog;
    let error = catalog.change_ownership(&change(vec![remove(Kind::Pool, "x")])).await.expect_err("is not there");
    assert!(matches!(error, CatalogError::NotSaid { kind: Kind::Pool, .. }), "{error:?}");
    assert_eq!(error.to_string(), r#"there is no pool "x""#);
    assert_eq!(catalog.generation().await.expect("reads"), 0);
}

async fn to_say_it_again_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let all = change(vec![team("payments"), rule("a", None), rule("b", None)]);
    assert_eq!(catalog.change_ownership(&all).await.expect("is let in"), 2);
    let before = catalog.snapshot().await.expect("reads");
    assert_eq!(catalog.change_ownership(&all).await.expect("says it again"), 2);
    assert_eq!(catalog.change_ownership(&change(Vec::new())).await.expect("says nothing"), 2);
    let there_and_back = change(vec![remove(Kind::Rule, "b"), rule("b", None)]);
    assert_eq!(catalog.change_ownership(&there_and_back).await.expect("is as it was"), 2);
    assert!(Arc::ptr_eq(&before, &catalog.snapshot().await.expect("reads")), "no generation was left behind");
    // Nor did the connection keep a transaction: others go on.
    assert_eq!(place.replica().await.change_ownership(&change(vec![team("x")])).await.expect("is let in"), 3);
    assert_eq!(audited(catalog, &AuditQuery::default()).await.len(), 4);
}

async fn older_generations_have_the_teams_of_then(place: &Place) {
    let catalog = &place.catalog;
    let mut expected = vec![Ownership::default()];
    for edits in [
        vec![team("payments"), rule("a", None)],
        vec![put(Kind::Team, "payments", json!({ "owner": "Mei" })), rule("b", Some(0))],
        vec![remove(Kind::Rule, "a")],
        vec![rule("a", Some(0))],
    ] {
        let mut next = expected.last().expect("one").clone();
        edits.iter().for_each(|edit| next.edit(edit.clone(), Origin::Api));
        expected.push(next);
        catalog.change_ownership(&change(edits)).await.expect("is let in");
    }
    let replica = place.replica().await;
    for (generation, expected) in (0..).zip(&expected) {
        for catalog in [catalog, &replica] {
            let snapshot = catalog.snapshot_at(generation).await.expect("reads");
            assert_eq!((*snapshot.ownership).clone(), *expected, "{generation}");
        }
    }
    assert_eq!(*said(&replica).await, expected[4]);
    assert_eq!(names(&expected[4]), ["a", "b"]);
    replica.close().await;
}

async fn bills_come_in_without_owners_being_read_anew(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
    let before = said(catalog).await;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let after = catalog.snapshot().await.expect("reads");
    assert_eq!((after.generation, after.ownership_since, after.parts.len()), (2, 1, 1));
    assert!(Arc::ptr_eq(&before, &after.ownership));
    assert!(Arc::ptr_eq(&before, &catalog.snapshot_at(1).await.expect("reads").ownership));
}

async fn rules_keep_their_order(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
    for (name, place) in [("z", None), ("a", None), ("m", Some(1)), ("z", None), ("a", Some(0))] {
        catalog.change_ownership(&change(vec![rule(name, place)])).await.expect("is let in");
    }
    let replica = place.replica().await;
    for catalog in [catalog, &replica] {
        let is = said(catalog).await;
        assert_eq!(names(&is), ["a", "z", "m"]);
    }
    replica.close().await;
}

async fn a_file_says_all_it_says_at_once(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("own"), team("payments"), rule("own", None)])).await.expect("is let in");
    let definition = |edit: Edit| match edit {
        Edit::Put { name, definition, .. } => (name, definition),
        Edit::Remove { .. } => unreachable!("is put"),
    };
    for (rules, order) in [(vec!["a", "b"], "own a b"), (vec!["b", "c"], "own b c"), (vec!["c", "b"], "own c b")] {
        let mut all: Vec<_> = rules.into_iter().map(|name| definition(rule(name, None))).collect();
        all.push(definition(team("search")));
        let edits = said(catalog).await.edits_to(Origin::File, all.clone());
        catalog.change_ownership(&from_file(edits)).await.expect("is let in");
        let is = said(catalog).await;
        assert_eq!(names(&is).join(" "), order);
        assert!(is.edits_to(Origin::File, all).is_empty());
    }
    let edits = said(catalog).await.edits_to(Origin::File, Vec::new());
    catalog.change_ownership(&from_file(edits)).await.expect("is let in");
    let is = said(catalog).await;
    assert_eq!(names(&is), ["own"]);
    assert_eq!(is.teams.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["own", "payments"]);
}

async fn every_change_is_audited(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments"), team("search")])).await.expect("is let in");
    let by = OwnershipChange { by: "ines@\0example".to_owned(), now: at(2), ..change(vec![]) };
    let next = vec![put(Kind::Team, "payments", json!({ "owner": "Mei" })), remove(Kind::Team, "search")];
    catalog.change_ownership(&OwnershipChange { edits: next, ..by }).await.expect("is let in");
    let all = audited(catalog, &AuditQuery::default()).await;
    let told: Vec<_> = all
        .iter()
        .map(|(place, told)| {
            let Audited { at: _, by, kind, name, before, after, generation } = told;
            (*generation, *place, by.as_str(), *kind, name.as_str(), before.clone(), after.clone())
        })
        .collect();
    let (ines, mei) = (|| Some(json!({ "owner": "Ines" })), || Some(json!({ "owner": "Mei" })));
    assert_eq!(
        told,
        [
            (2, 1, "ines@␀example", Kind::Team, "search", ines(), None),
            (2, 0, "ines@␀example", Kind::Team, "payments", ines(), mei()),
            (1, 1, "cli", Kind::Team, "search", None, ines()),
            (1, 0, "cli", Kind::Team, "payments", None, ines()),
        ]
    );
    assert_eq!((all[0].1.at, all[3].1.at), (at(2), at(1)));
    // A page at a time, and of one name only.
    let mut query = AuditQuery::default();
    for expected in &all {
        let page = catalog.audit(&query, 1).await.expect("lists");
        assert_eq!(page, std::slice::from_ref(expected));
        query.before = Some((expected.1.generation, expected.0));
    }
    assert_eq!(catalog.audit(&query, 1).await.expect("lists"), []);
    let of = |kind, name: &str| AuditQuery { kind: Some(kind), name: Some(name.to_owned()), before: None };
    assert_eq!(audited(catalog, &of(Kind::Team, "search")).await, [all[0].clone(), all[2].clone()]);
    assert_eq!(audited(catalog, &of(Kind::Component, "search")).await, []);
    assert_eq!(audited(catalog, &of(Kind::Team, "sea\0rch")).await, [], "in either database");
}

async fn a_rule_that_is_moved_is_audited(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
    catalog.change_ownership(&change(["a", "b", "c"].map(|name| rule(name, None)).to_vec())).await.expect("is let in");
    catalog.change_ownership(&change(vec![rule("c", Some(0))])).await.expect("is let in");
    let all = audited(catalog, &AuditQuery { before: Some((4, 0)), ..AuditQuery::default() }).await;
    let latest: Vec<_> = all.iter().filter(|(_, told)| told.generation == 3).map(|(_, told)| told).collect();
    let [moved] = latest.as_slice() else { panic!("{latest:?}") };
    let place = |body: &Option<Value>| body.as_ref().expect("a body")["place"].clone();
    assert_eq!((moved.name.as_str(), place(&moved.before), place(&moved.after)), ("c", json!(2), json!(0)));
}

async fn of_two_changes_at_once_both_count(place: &Place) {
    let (one, two) = (place.catalog.clone(), place.replica().await);
    let (first, second) = (change(vec![team("a")]), change(vec![team("b")]));
    let (first, second) = tokio::join!(one.change_ownership(&first), two.change_ownership(&second));
    let mut generations = [first.expect("is let in"), second.expect("is let in")];
    generations.sort_unstable();
    assert_eq!(generations, [1, 2]);
    for catalog in [&one, &two] {
        assert_eq!(said(catalog).await.teams.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
    two.close().await;
}

async fn what_is_said_is_restored_from_its_record(place: &Place) {
    let catalog = &place.catalog;
    assert!(!catalog.ownership_is_unrecorded().await.expect("reads"), "nothing is said");
    let network =
        serde_json::from_str::<serde_json::Value>(r#"{ "split": { "fixed": { "payments": 0.333333333333333333 } } }"#)
            .expect("is JSON");
    let edits = vec![team("payments"), rule("z", None), put(Kind::Pool, "network", network)];
    catalog.change_ownership(&change(edits)).await.expect("is let in");
    catalog.change_ownership(&from_file(vec![rule("a", Some(0)), team("search")])).await.expect("is let in");
    assert!(catalog.ownership_is_unrecorded().await.expect("reads"));
    let record = catalog.ownership_record().await.expect("reads");
    // Meanwhile somebody says something else: what was written may be older than that.
    catalog.change_ownership(&change(vec![team("late")])).await.expect("is let in");
    assert!(!catalog.ownership_recorded(&record).await.expect("notes"));
    let record = catalog.ownership_record().await.expect("reads");
    assert!(catalog.ownership_recorded(&record).await.expect("notes"));
    assert!(!catalog.ownership_is_unrecorded().await.expect("reads"));

    let text = serde_json::to_string(&record).expect("writes");
    let record: OwnershipRecord = serde_json::from_str(&text).expect("reads");
    let empty = place.another().await;
    assert!(empty.catalog.restore_ownership(&record, at(9)).await.expect("restores"));
    let (is, was) = (said(&empty.catalog).await, said(catalog).await);
    assert_eq!(is, was);
    assert_eq!(names(&is), ["a", "z"]);
    assert_eq!(audited(&empty.catalog, &AuditQuery::default()).await.len(), 6);
    assert!(!empty.catalog.restore_ownership(&record, at(9)).await.expect("has nothing to add"));
    assert_eq!(empty.catalog.generation().await.expect("reads"), 1);
    // What is said of a name by now stays, such as by the file that is applied at every start.
    let begun = place.another().await;
    let mei = || put(Kind::Team, "search", json!({ "owner": "Mei" }));
    begun.catalog.change_ownership(&from_file(vec![mei()])).await.expect("is let in");
    assert!(begun.catalog.restore_ownership(&record, at(9)).await.expect("restores"));
    let mut expected = (*was).clone();
    expected.edit(mei(), Origin::File);
    assert_eq!(*said(&begun.catalog).await, expected);
}
