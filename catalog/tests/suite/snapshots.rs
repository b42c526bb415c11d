//! Readers see one generation, whole, and can come back to it until it is swept.

use std::sync::Arc;
use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError};

use crate::bill::{Bill, at};
use crate::place::Place;

crate::stories![
    an_empty_catalog_answers,
    a_snapshot_is_kept_until_something_changes,
    an_older_generation_is_readable_until_it_is_swept,
    a_reader_never_sees_half_a_commit,
];

async fn ids(catalog: &Catalog, generation: u64) -> Result<Vec<String>, CatalogError> {
    let snapshot = catalog.snapshot_at(generation).await?;
    assert_eq!(snapshot.generation, generation);
    Ok(snapshot.parts.iter().map(|part| part.id.as_str().to_owned()).collect())
}

async fn an_empty_catalog_answers(place: &Place) {
    let catalog = &place.catalog;
    assert_eq!(catalog.generation().await.expect("reads"), 0);
    assert_eq!(catalog.snapshot().await.expect("reads").parts, []);
    assert_eq!(ids(catalog, 0).await.expect("reads"), Vec::<String>::new());
    assert_eq!(catalog.sweepable(at(0), Duration::ZERO).await.expect("reads"), []);
}

async fn a_snapshot_is_kept_until_something_changes(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p2").of("b", "1").account(None, None).bring(catalog, 1).await.expect("commits");
    Bill::new("p1").of("a", "2").bring(catalog, 1).await.expect("commits");
    Bill::new("p3").of("a", "1").bring(catalog, 1).await.expect("commits");
    let first = catalog.snapshot().await.expect("a snapshot");
    let order: Vec<_> = first.parts.iter().map(|part| (part.source.as_str(), part.delivery.as_str())).collect();
    assert_eq!(order, [("a", "1"), ("a", "2"), ("b", "1")]);
    assert!(Arc::ptr_eq(&first, &catalog.snapshot().await.expect("a snapshot")));
    assert!(Arc::ptr_eq(&first, &catalog.clone().snapshot_at(3).await.expect("a snapshot")));

    // Somebody else commits: the next look sees it, the old snapshot is as it was.
    let replica = place.replica().await;
    Bill::new("p4").of("a", "1").replaces("p3").bring(&replica, 2).await.expect("commits");
    replica.close().await;
    let second = catalog.snapshot().await.expect("a snapshot");
    assert_eq!((second.generation, second.parts[0].id.as_str()), (4, "p4"));
    assert!(Arc::ptr_eq(&second, &catalog.snapshot().await.expect("a snapshot")));
    assert_eq!((first.generation, first.parts[0].id.as_str()), (3, "p3"));
}

async fn an_older_generation_is_readable_until_it_is_swept(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    Bill::new("q1").of("aws", "2026-09").bring(catalog, 3).await.expect("commits");
    Bill::new("p3").replaces("p2").bring(catalog, 4).await.expect("commits");
    let gone = async |generation| match ids(catalog, generation).await {
        Err(CatalogError::GenerationGone { asked, current }) => assert_eq!((asked, current), (generation, 4)),
        other => panic!("{other:?}"),
    };
    for (generation, parts) in
        [(0, vec![]), (1, vec!["p1"]), (2, vec!["p2"]), (3, vec!["q1", "p2"]), (4, vec!["q1", "p3"])]
    {
        assert_eq!(ids(catalog, generation).await.expect("reads"), parts);
    }
    gone(5).await;
    gone(u64::MAX).await;

    // At minute 4 only p1 has been retired for two minutes. It is gone for readers before its files are.
    let doomed = catalog.sweepable(at(4), Duration::from_secs(120)).await.expect("sweeps");
    assert_eq!(doomed.iter().map(|doomed| doomed.part.as_str()).collect::<Vec<_>>(), ["p1"]);
    gone(1).await;
    catalog.swept(&doomed[0].part).await.expect("is swept");
    gone(1).await;
    assert_eq!(ids(catalog, 0).await.expect("reads"), Vec::<String>::new());
    assert_eq!(ids(catalog, 3).await.expect("reads"), ["q1", "p2"]);
    assert_eq!(ids(catalog, 4).await.expect("reads"), ["q1", "p3"]);
}

async fn a_reader_never_sees_half_a_commit(place: &Place) {
    let (reader, writer) = (place.catalog.clone(), place.replica().await);
    let writing = tokio::spawn(async move {
        let mut replaced = None;
        for round in 1..=100 {
            // As many charges as the generation says, so that a mixture would show.
            let bill = Bill::new(&format!("p{round}")).days(&[(1, round, "4.5")]);
            let bill = replaced.iter().fold(bill, |bill, part: &String| bill.replaces(part));
            assert_eq!(bill.bring(&writer, 1).await.expect("commits"), round);
            replaced = Some(format!("p{round}"));
        }
        writer.close().await;
    });
    let mut last = 0;
    while last < 100 {
        let snapshot = reader.snapshot().await.expect("readers do not wait for writers");
        assert!(snapshot.generation >= last, "back in time");
        last = snapshot.generation;
        let rows: Vec<u64> = snapshot.parts.iter().map(|part| part.rows).collect();
        assert_eq!(rows, Vec::from_iter((last > 0).then_some(last)));
        tokio::task::yield_now().await;
        assert!(last == 100 || !writing.is_finished() || reader.generation().await.expect("reads") == 100);
    }
    writing.await.expect("the writer is done");
}
