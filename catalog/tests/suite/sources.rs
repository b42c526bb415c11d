//! What is configured is known, and whether it counts decides what totals are made of.

use outlay_catalog::{Catalog, CatalogError, ChangesQuery};
use outlay_model::{JobState, Request, RequestedBy, Role, Source, Yields};

use crate::bill::{Bill, at, changes_of, source};
use crate::jobs::wanted;
use crate::place::Place;

crate::stories![
    what_is_configured_is_known_and_stays_known,
    a_shadow_is_seen_and_never_counted,
    who_becomes_primary_must_not_count_what_another_counts,
    two_sources_may_change_places,
    a_change_of_role_ends_older_generations,
    the_first_configuration_of_imported_bills_changes_nothing,
];

pub fn configured(name: &str, role: Role) -> Source {
    Source {
        name: source(name),
        kind: "focus".to_owned(),
        yields: Yields::Charges,
        role,
        schedule: Some("0 15 6 * * *".to_owned()),
        place: format!("file:///bills/{name}"),
        restates_months: 1,
    }
}

pub async fn configure(catalog: &Catalog, sources: &[(&str, Role)]) -> Result<(), CatalogError> {
    let sources: Vec<Source> = sources.iter().map(|(name, role)| configured(name, *role)).collect();
    catalog.put_sources(&sources, at(0)).await
}

async fn known(catalog: &Catalog) -> Vec<(String, Role, bool)> {
    let sources = catalog.sources().await.expect("reads");
    sources.into_iter().map(|s| (s.source.name.to_string(), s.source.role, s.configured)).collect()
}

/// The ids of the parts that count, and of those that do not.
async fn live(catalog: &Catalog) -> (Vec<String>, Vec<String>) {
    let snapshot = catalog.snapshot().await.expect("reads");
    let ids = |parts: &[outlay_model::part::Part]| parts.iter().map(|part| part.id.to_string()).collect();
    (ids(&snapshot.parts), ids(&snapshot.shadows))
}

async fn what_is_configured_is_known_and_stays_known(place: &Place) {
    let catalog = &place.catalog;
    assert_eq!(catalog.sources().await.expect("reads"), []);
    let mut aws = configured("aws", Role::Primary);
    catalog.put_sources(&[aws.clone(), configured("gcp", Role::Shadow)], at(0)).await.expect("records");
    let first = catalog.sources().await.expect("reads");
    assert_eq!((&first[0].source, first[0].configured, first[0].last_tick), (&aws, true, None));
    assert_eq!(known(catalog).await[1], ("gcp".to_owned(), Role::Shadow, true));

    // What is said again about one is what counts; what is no longer said stays, with its role.
    (aws.schedule, aws.place, aws.restates_months, aws.kind) = (None, "s3://b".to_owned(), 3, "aws_cur".to_owned());
    catalog.put_sources(std::slice::from_ref(&aws), at(1)).await.expect("records");
    let second = catalog.sources().await.expect("reads");
    assert_eq!(second[0].source, aws);
    assert_eq!(known(catalog).await[1], ("gcp".to_owned(), Role::Shadow, false));
    assert_eq!(catalog.generation().await.expect("reads"), 0, "nothing that can be read has changed");

    aws.yields = Yields::Rates;
    catalog.put_sources(std::slice::from_ref(&aws), at(1)).await.expect("records");
    assert_eq!(catalog.sources().await.expect("reads")[0].source, aws);

    // One source by itself says nothing of the others.
    catalog.put_source(&configured("gcp", Role::Primary)).await.expect("records");
    let both = [("aws".to_owned(), Role::Primary, true), ("gcp".to_owned(), Role::Primary, true)];
    assert_eq!(known(catalog).await, both);
}

async fn a_shadow_is_seen_and_never_counted(place: &Place) {
    let catalog = &place.catalog;
    configure(catalog, &[("aws", Role::Primary), ("ce", Role::Shadow)]).await.expect("records");
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    // The same days of the same account: that is what a shadow is for.
    Bill::new("c1").of("ce", "2026-10").bring(catalog, 2).await.expect("is counted nowhere");
    assert_eq!(live(catalog).await, (vec!["p1".to_owned()], vec!["c1".to_owned()]));
    assert_eq!(catalog.snapshot().await.expect("reads").all().count(), 2);
    assert_eq!(catalog.snapshot_at(2).await.expect("reads").shadows.len(), 1);

    // A primary one is not kept out by it either.
    Bill::new("p2").replaces("p1").bring(catalog, 3).await.expect("commits");
    let balances = catalog.balances(None).await.expect("reads");
    assert_eq!(balances.iter().map(|(source, ..)| source.as_str()).collect::<Vec<_>>(), ["aws", "ce"]);
    // What a shadow moved is told to who asks for it.
    assert!(
        catalog
            .changes(&ChangesQuery::default(), 99)
            .await
            .expect("reads")
            .iter()
            .all(|change| change.source == source("aws"))
    );
    assert_eq!(catalog.changes(&changes_of("ce"), 99).await.expect("reads").len(), 1);

    // Taken out of the configuration it stays what it was.
    configure(catalog, &[("aws", Role::Primary)]).await.expect("records");
    assert_eq!(live(catalog).await, (vec!["p2".to_owned()], vec!["c1".to_owned()]));
}

async fn who_becomes_primary_must_not_count_what_another_counts(place: &Place) {
    let catalog = &place.catalog;
    configure(catalog, &[("aws", Role::Primary), ("ce", Role::Shadow), ("late", Role::Shadow)]).await.expect("records");
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("c1").of("ce", "2026-10").bring(catalog, 2).await.expect("commits");
    let before = (live(catalog).await, catalog.sources().await.expect("reads"));

    let error = configure(catalog, &[("aws", Role::Primary), ("ce", Role::Primary)]).await.expect_err("counts twice");
    assert!(matches!(error, CatalogError::Overlap(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "ce and aws both state AWS billing account 123456789012 on 1 day from 2026-10-01 to 2026-10-01, which would \
         count it twice; take one of the two sources out, or give it role = \"shadow\""
    );
    assert_eq!((live(catalog).await, catalog.sources().await.expect("reads")), before, "nothing has changed");
    assert_eq!(catalog.generation().await.expect("reads"), 2);

    // Bills that were imported and never configured count like any other.
    Bill::new("i1").of("imported", "2026-10").account(None, None).bring(catalog, 3).await.expect("commits");
    Bill::new("l1").of("late", "2026-10").account(None, None).bring(catalog, 4).await.expect("commits");
    let all = [("aws", Role::Primary), ("ce", Role::Shadow), ("late", Role::Primary)];
    let error = configure(catalog, &all).await.expect_err("counts twice");
    assert!(matches!(&error, CatalogError::Overlap(overlap) if overlap.other == source("imported")), "{error}");
}

async fn two_sources_may_change_places(place: &Place) {
    let catalog = &place.catalog;
    configure(catalog, &[("aws", Role::Primary), ("ce", Role::Shadow)]).await.expect("records");
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("c1").of("ce", "2026-10").bring(catalog, 2).await.expect("commits");
    configure(catalog, &[("ce", Role::Primary), ("aws", Role::Shadow)]).await.expect("each day is counted once");
    assert_eq!(live(catalog).await, (vec!["c1".to_owned()], vec!["p1".to_owned()]));
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    // A bill of the one that is a shadow now goes on being replaced, and one of the other is held against others.
    Bill::new("p2").replaces("p1").bring(catalog, 3).await.expect("commits");
    Bill::new("x1").of("x", "2026-10").bring(catalog, 4).await.expect_err("ce counts these days");
}

async fn a_change_of_role_ends_older_generations(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("g1").of("gcp", "2026-10").account(None, None).bring(catalog, 2).await.expect("commits");
    configure(catalog, &[("gcp", Role::Shadow), ("new", Role::Shadow)]).await.expect("records");
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    let replica = place.replica().await;
    // What counted then can no longer be told; from the generation before that source's first bill it can.
    assert!(matches!(replica.snapshot_at(2).await, Err(CatalogError::GenerationGone { asked: 2, current: 3 })));
    assert_eq!(replica.snapshot_at(1).await.expect("reads").parts.len(), 1);
    // The same again changes nothing.
    configure(&replica, &[("gcp", Role::Shadow), ("new", Role::Shadow)]).await.expect("records");
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    // One without bills changes no answer.
    configure(&replica, &[("gcp", Role::Shadow), ("new", Role::Primary)]).await.expect("records");
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    replica.close().await;
}

async fn the_first_configuration_of_imported_bills_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await;
    configure(catalog, &[("aws", Role::Primary)]).await.expect("records");
    assert_eq!(live(catalog).await, before);
    assert_eq!(catalog.generation().await.expect("reads"), 1);

    // A job for a source that goes is cancelled, one for a source that is unknown is refused.
    let job = catalog.request(&wanted("j1", "aws"), at(1)).await.expect("asks");
    configure(catalog, &[]).await.expect("records");
    let job = catalog.job(&job.id).await.expect("reads").expect("is there");
    assert_eq!((job.state, job.finished_at), (JobState::Cancelled, Some(at(0))));
    assert_eq!(job.message.as_deref(), Some("the source is no longer configured"));
    for name in ["aws", "never"] {
        let wanted = outlay_catalog::Wanted { by: RequestedBy::Cli, request: Request::default(), ..wanted("j2", name) };
        let error = catalog.request(&wanted, at(2)).await.expect_err("is refused");
        assert_eq!(error.to_string(), format!("no source {name} is configured; outlay sources lists those that are"));
    }
}
