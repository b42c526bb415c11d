//! Parts may be given other files and stay what they are; what they leave behind is swept in its time and not before.

use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError, Doomed, Intent, Refile, Run};
use outlay_model::part::{Bundle, Layer, Part, PartFile, RunState};
use outlay_model::{PartId, RunId};

use crate::bill::{Bill, at, delivery, source};
use crate::place::Place;

crate::stories![
    an_edition_that_is_noted_is_known_to_every_reader,
    a_rebuilt_file_takes_the_place_of_the_old_one,
    a_bundle_lives_as_long_as_one_of_its_parts,
    detail_that_expired_is_swept_after_the_grace,
    a_part_that_changed_meanwhile_is_left_alone,
    other_charges_are_another_part,
];

const GRACE: Duration = Duration::from_secs(600);

fn run(id: &str) -> Run {
    Run {
        state: RunState::Committed,
        finished_at: Some(at(5)),
        ..Run::started(RunId::new(id), source("aws"), "rebuild", at(4))
    }
}

fn daily(id: &str) -> PartFile {
    PartFile::new(Layer::Daily, &source("aws"), &PartId::new(id))
}

/// Intends a new file and gives the order to use it.
async fn refile(catalog: &Catalog, id: &str, parts: Vec<(Part, Part)>) -> Refile {
    catalog.start_run(&Run { state: RunState::Running, finished_at: None, ..run(id) }).await.expect("starts");
    let (part, run_id) = (PartId::new(id), RunId::new(id));
    let intent = Intent { part, run: run_id, source: source("aws"), files: vec![daily(id)], expires_at: at(60) };
    catalog.intend(&intent).await.expect("intends");
    Refile {
        parts,
        written: Some(PartId::new(id)),
        run: run(id),
        leftover: PartId::new(format!("left-by-{id}")),
        leftover_until: at(15),
        now: at(5),
    }
}

async fn live(catalog: &Catalog) -> Vec<Part> {
    catalog.snapshot().await.expect("reads").parts.clone()
}

async fn swept(catalog: &Catalog, minute: i64) -> Vec<(String, Vec<String>)> {
    let doomed = catalog.sweepable(at(minute), GRACE).await.expect("sweeps");
    for Doomed { part, .. } in &doomed {
        catalog.swept(part).await.expect("is swept");
    }
    let paths = |files: Vec<PartFile>| files.into_iter().map(|file| file.path).collect();
    doomed.into_iter().map(|Doomed { part, files }| (part.to_string(), paths(files))).collect()
}

async fn a_rebuilt_file_takes_the_place_of_the_old_one(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let record = catalog.record(&PartId::new("p1")).await.expect("reads").expect("is live");
    catalog.recorded(&record).await.expect("notes");
    let before = live(catalog).await.remove(0);
    let after = Part { files: vec![before.files[0].clone(), daily("d2")], ..before.clone() };
    let order = refile(catalog, "d2", vec![(before, after.clone())]).await;
    assert_eq!(catalog.refile(&order).await.expect("refiles"), 2);
    assert_eq!(live(catalog).await, [after]);
    // It is another edition now, to be recorded anew.
    assert_eq!(catalog.unrecorded().await.expect("lists"), [PartId::new("p1")]);
    let record = catalog.record(&PartId::new("p1")).await.expect("reads").expect("is live");
    assert_eq!((record.edition, record.generation), (2, 1));
    assert_eq!(swept(catalog, 14).await, []);
    assert_eq!(swept(catalog, 15).await, [("left-by-d2".to_owned(), vec!["daily/p1.parquet".to_owned()])]);
    // Its files are the part's own: they go when it does.
    Bill::new("p2").replaces("p1").bring(catalog, 20).await.expect("commits");
    let files = vec!["charges/p1.parquet".to_owned(), "daily/aws/d2.parquet".to_owned()];
    assert_eq!(swept(catalog, 99).await, [("p1".to_owned(), files)]);
}

fn bundled(part: &Part, id: &str, parts: u64) -> Part {
    let files = vec![part.files[0].clone(), daily(id)];
    Part { files, bundle: Some(Bundle { id: PartId::new(id), parts }), ..part.clone() }
}

async fn an_edition_that_is_noted_is_known_to_every_reader(place: &Place) {
    let (catalog, reader) = (&place.catalog, place.replica().await);
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(&reader).await.remove(0);
    let edition = Some("etag-2".to_owned());
    catalog.note_edition(&before, edition.clone()).await.expect("notes");
    // Both had a snapshot in memory.
    for catalog in [catalog, &reader] {
        assert_eq!(live(catalog).await, [Part { edition: edition.clone(), ..before.clone() }]);
    }
    let error = reader.note_edition(&before, None).await.expect_err("is not as it was read");
    assert!(matches!(error, CatalogError::Superseded { .. }), "{error}");
    reader.close().await;
}

async fn a_bundle_lives_as_long_as_one_of_its_parts(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").of("aws", "day-1").bring(catalog, 1).await.expect("commits");
    Bill::new("p2").of("aws", "day-2").days(&[(2, 1, "1")]).bring(catalog, 2).await.expect("commits");
    let parts = live(catalog).await.into_iter().map(|part| (part.clone(), bundled(&part, "b1", 2))).collect();
    let order = refile(catalog, "b1", parts).await;
    catalog.refile(&order).await.expect("refiles");
    assert_eq!(
        live(catalog).await.iter().flat_map(|part| part.files(Layer::Daily)).collect::<Vec<_>>(),
        ["daily/aws/b1.parquet", "daily/aws/b1.parquet"]
    );
    let left = vec!["daily/p1.parquet".to_owned(), "daily/p2.parquet".to_owned()];
    assert_eq!(swept(catalog, 20).await, [("left-by-b1".to_owned(), left)]);

    // A lost catalog knows the bundle again.
    let mut records = Vec::new();
    for part in catalog.unrecorded().await.expect("lists") {
        records.push(catalog.record(&part).await.expect("reads").expect("is live"));
    }
    let empty = place.another().await;
    empty.catalog.restore(records, 2, at(21)).await.expect("restores");
    for catalog in [catalog, &empty.catalog] {
        Bill::new("p3").of("aws", "day-1").replaces("p1").bring(catalog, 22).await.expect("commits");
        assert_eq!(swept(catalog, 40).await, [("p1".to_owned(), vec!["charges/p1.parquet".to_owned()])]);
        Bill::new("p4").of("aws", "day-2").days(&[(2, 1, "1")]).replaces("p2").bring(catalog, 41).await.expect("ok");
        let expected = [
            ("b1".to_owned(), vec!["daily/aws/b1.parquet".to_owned()]),
            ("p2".to_owned(), vec!["charges/p2.parquet".to_owned()]),
        ];
        assert_eq!(swept(catalog, 59).await, expected);
        assert_eq!(swept(catalog, 59).await, []);
    }
}

async fn detail_that_expired_is_swept_after_the_grace(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let after = Part { files: vec![before.files[1].clone()], ..before.clone() };
    catalog.start_run(&Run { state: RunState::Running, finished_at: None, ..run("r2") }).await.expect("starts");
    let order = Refile {
        parts: vec![(before, after.clone())],
        written: None,
        run: run("r2"),
        leftover: PartId::new("left"),
        leftover_until: at(15),
        now: at(5),
    };
    catalog.refile(&order).await.expect("refiles");
    assert_eq!(live(catalog).await, [after]);
    // Where nothing that was live once may go, nothing that was left behind goes either; what was given up does.
    refile(catalog, "d9", Vec::new()).await;
    let doomed = catalog.sweepable(at(99), Duration::MAX).await.expect("sweeps");
    assert_eq!(doomed.iter().map(|doomed| doomed.part.as_str()).collect::<Vec<_>>(), ["d9"]);
    catalog.swept(&PartId::new("d9")).await.expect("is swept");
    assert_eq!(swept(catalog, 15).await, [("left".to_owned(), vec!["charges/p1.parquet".to_owned()])]);
}

async fn a_part_that_changed_meanwhile_is_left_alone(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let after = Part { files: vec![before.files[0].clone(), daily("d2")], ..before.clone() };
    let order = refile(catalog, "d2", vec![(before, after)]).await;
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    let error = catalog.refile(&order).await.expect_err("p1 is not live any more");
    assert!(matches!(error, CatalogError::Superseded { .. }), "{error:?}");
    assert_eq!(catalog.generation().await.expect("reads"), 2);
    // What was written for it goes with its intent.
    catalog.abandon(&PartId::new("d2")).await.expect("gives up");
    assert_eq!(swept(catalog, 3).await, [("d2".to_owned(), vec!["daily/aws/d2.parquet".to_owned()])]);
}

async fn other_charges_are_another_part(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let after = Part { rows: before.rows + 1, ..before.clone() };
    let order = refile(catalog, "d2", vec![(before.clone(), after)]).await;
    let error = catalog.refile(&order).await.expect_err("has other rows");
    assert_eq!(error.to_string(), "part p1 would be another part, not only have other files");
    let after = Part { delivery: delivery("2026-11"), ..before.clone() };
    catalog.refile(&Refile { parts: vec![(before, after)], ..order }).await.expect_err("is another delivery");
}
