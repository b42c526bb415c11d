//! Charges may get other owners: the bill stays, older readers see the old owners, and what was there goes in its time.

use std::time::Duration;

use outlay_catalog::{Catalog, CatalogError, ChangesQuery, Commit, Intent, Record, Reowning, Run, Sharing, Withdrawal};
use outlay_model::part::{Bundle, Layer, Part, PartFile, RunState};
use outlay_model::{PartId, PoolId, RunId};

use crate::bill::{Bill, at, delivery, source};
use crate::ownership::{change, team};
use crate::place::Place;

crate::stories![
    a_bill_with_other_owners_is_the_same_bill,
    a_month_gets_its_owners_at_once_or_not_at_all,
    what_is_not_live_as_it_was_read_changes_nothing,
    rules_that_come_to_the_same_are_noted,
    transfers_are_no_bills,
    transfers_come_and_go,
    transfers_that_others_made_meanwhile_stay,
    to_say_it_again_changes_nothing,
    nothing_to_do_raises_nothing,
    another_bill_is_not_only_other_owners,
    one_intent_may_be_for_several_parts,
    a_bundle_goes_when_its_parts_have_other_owners,
    a_bill_that_comes_meanwhile_takes_the_place_of_its_last_copy,
    a_delivery_that_is_gone_is_gone_with_its_owners,
    what_the_provider_answered_goes_on_to_the_new_part,
    owners_are_restored_with_their_bills,
];

const GRACE: Duration = Duration::from_secs(600);

fn file(layer: Layer, id: &str) -> PartFile {
    PartFile::new(layer, &source("aws"), &PartId::new(id))
}

/// A run that is done; `part` is what it made, for the source of transfers.
fn run(id: &str, part: Option<&str>) -> Run {
    Run {
        state: RunState::Committed,
        part: part.map(PartId::new),
        finished_at: Some(at(5)),
        ..Run::started(RunId::new(id), source("aws"), "own", at(4))
    }
}

/// The same charges, owned by the rules of some fingerprint.
fn owned(before: &Part, id: &str, rules: &str) -> Part {
    let mut after = Part { id: PartId::new(id), bundle: None, ..before.clone() };
    after.files = vec![file(Layer::Charges, id), file(Layer::Daily, id)];
    after.files.extend(before.files.iter().filter(|file| file.layer == Layer::Raw).cloned());
    after.versions.rules = rules.to_owned();
    after
}

/// The transfers of a pool in October.
fn transfers(pool: &str, id: &str) -> Part {
    Part {
        source: source(&format!("shared:{pool}")),
        delivery: delivery("2026-10"),
        files: vec![file(Layer::Daily, id)],
        pool: Some(PoolId::new(pool)),
        ..Bill::new(id).commit(at(1)).part
    }
}

/// Has the files of a part written.
async fn intend(catalog: &Catalog, id: &str, files: Vec<PartFile>) {
    let running = Run { state: RunState::Running, part: None, finished_at: None, ..run(&format!("own-{id}"), None) };
    catalog.start_run(&running).await.expect("starts");
    let (part, run) = (PartId::new(id), running.id);
    catalog.intend(&Intent { part, run, source: source("aws"), files, expires_at: at(60) }).await.expect("intends");
}

/// Nothing, to be filled.
fn nothing(minute: i64) -> Reowning {
    let now = at(minute);
    Reowning { parts: vec![], shared: vec![], noted: vec![], intents: vec![], runs: vec![], now }
}

/// Other owners for a part, which are staged.
async fn order(catalog: &Catalog, before: Part, id: &str) -> Reowning {
    let after = owned(&before, id, "rules-1");
    intend(catalog, id, after.files.iter().filter(|file| !before.files.contains(file)).cloned().collect()).await;
    let runs = vec![run(&format!("own-{id}"), Some(id))];
    Reowning { parts: vec![(before, after)], intents: vec![PartId::new(id)], runs, ..nothing(10) }
}

/// Transfers in the place of others, which are staged.
async fn sharing(catalog: &Catalog, before: Option<Part>, after: Part) -> Reowning {
    let id = after.id.as_str().to_owned();
    intend(catalog, &id, after.files.clone()).await;
    let runs = vec![run(&format!("own-{id}"), Some(&id))];
    let intents = vec![after.id.clone()];
    Reowning { shared: vec![Sharing { before, after: Some(after) }], intents, runs, ..nothing(10) }
}

async fn live(catalog: &Catalog) -> Vec<Part> {
    catalog.snapshot().await.expect("reads").parts.clone()
}

async fn shared(catalog: &Catalog, generation: u64) -> Vec<String> {
    let snapshot = catalog.snapshot_at(generation).await.expect("reads");
    snapshot.shared.iter().map(|part| part.id.to_string()).collect()
}

async fn swept(catalog: &Catalog, minute: i64) -> Vec<(String, Vec<String>)> {
    let mut swept = Vec::new();
    for doomed in catalog.sweepable(at(minute), GRACE).await.expect("sweeps") {
        catalog.swept(&doomed.part).await.expect("is swept");
        swept.push((doomed.part.to_string(), doomed.files.into_iter().map(|file| file.path).collect()));
    }
    swept
}

async fn records(catalog: &Catalog) -> Vec<Record> {
    let mut records = Vec::new();
    for part in catalog.unrecorded().await.expect("lists") {
        let record = catalog.record(&part).await.expect("reads").expect("is live");
        assert!(catalog.recorded(&record).await.expect("notes"));
        records.push(record);
    }
    records
}

fn superseded(result: Result<u64, CatalogError>) {
    assert!(matches!(result, Err(CatalogError::Superseded { .. })), "{result:?}");
}

fn inconsistent(result: Result<u64, CatalogError>, text: &str) {
    let error = result.expect_err("contradicts itself");
    assert!(matches!(error, CatalogError::Inconsistent(_)), "{error:?}");
    assert_eq!(error.to_string(), text);
}

async fn a_bill_with_other_owners_is_the_same_bill(place: &Place) {
    let catalog = &place.catalog;
    let bill = Bill::new("p1").days(&[(1, 3, "4.5"), (2, 1, "-1")]).rejects(4);
    bill.bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let of = (
        catalog.balances(None).await.expect("reads"),
        catalog.changes(&ChangesQuery::default(), 99).await.expect("ok"),
    );
    let reowning = order(catalog, before.clone(), "p1b").await;
    assert_eq!(catalog.reown(&reowning).await.expect("owns"), 2);
    // Every reader sees it, and who reads an older generation still sees the old owners.
    let replica = place.replica().await;
    for catalog in [catalog, &replica] {
        assert_eq!(live(catalog).await, [reowning.parts[0].1.clone()]);
        assert_eq!(catalog.snapshot_at(1).await.expect("reads").parts, std::slice::from_ref(&before));
    }
    replica.close().await;
    // What the bill said is as it was.
    let now = (
        catalog.balances(None).await.expect("reads"),
        catalog.changes(&ChangesQuery::default(), 99).await.expect("ok"),
    );
    assert_eq!(now, of);
    let record = records(catalog).await.remove(0);
    assert_eq!((record.part.id.as_str(), &record.run.id, record.generation), ("p1b", &bill.run_id(), 2));
    assert_eq!((record.committed_at, record.days), (at(1), bill.commit(at(1)).days));
    assert_eq!((record.rejects.rows(), record.balances), (4, bill.commit(at(1)).balances));
    assert_eq!(catalog.run(&RunId::new("own-p1b")).await.expect("reads").expect("is there").state, RunState::Committed);
    // The old part goes after the grace, the new one is live.
    assert_eq!(swept(catalog, 19).await, []);
    assert_eq!(
        swept(catalog, 20).await,
        [("p1".to_owned(), vec!["charges/p1.parquet".to_owned(), "daily/p1.parquet".to_owned()])]
    );
    assert!(matches!(catalog.snapshot_at(1).await, Err(CatalogError::GenerationGone { .. })));
    assert_eq!(catalog.balances(None).await.expect("reads"), of.0);
}

async fn a_month_gets_its_owners_at_once_or_not_at_all(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").of("aws", "1").bring(catalog, 1).await.expect("commits");
    Bill::new("p2").of("aws", "2").days(&[(2, 1, "1")]).bring(catalog, 1).await.expect("commits");
    let parts = live(catalog).await;
    let mut both = order(catalog, parts[0].clone(), "p1b").await;
    let other = order(catalog, parts[1].clone(), "p2b").await;
    both.parts.extend(other.parts);
    both.runs.extend(other.runs);
    // One of them was never intended.
    let error = catalog.reown(&both).await.expect_err("its intent is not named");
    assert_eq!(error.to_string(), "part p2b: the file charges/aws/p2b.parquet was never intended");
    both.intents.extend(other.intents.clone());
    // One of them was taken for dead.
    catalog.abandon(&PartId::new("p2b")).await.expect("gives up");
    let error = catalog.reown(&both).await.expect_err("its files may be gone");
    assert!(matches!(error, CatalogError::IntentExpired { .. }), "{error:?}");
    assert_eq!((live(catalog).await, catalog.generation().await.expect("reads")), (parts, 2));
    // The run that did nothing is not committed.
    let run = catalog.run(&RunId::new("own-p1b")).await.expect("reads").expect("is there");
    assert_eq!(run.state, RunState::Running);
}

async fn what_is_not_live_as_it_was_read_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let reowning = order(catalog, before.clone(), "p1b").await;
    // It is the same part, but says something else by now.
    catalog.note_edition(&before, Some("etag".to_owned())).await.expect("notes");
    superseded(catalog.reown(&reowning).await);
    Bill::new("p2").replaces("p1").bring(catalog, 2).await.expect("commits");
    superseded(catalog.reown(&reowning).await);
    let noted = Part { versions: reowning.parts[0].1.versions.clone(), ..before.clone() };
    superseded(catalog.reown(&Reowning { noted: vec![(before, noted)], ..nothing(9) }).await);
    assert_eq!(live(catalog).await[0].id.as_str(), "p2");
    assert_eq!(catalog.generation().await.expect("reads"), 3);
    catalog.abandon(&PartId::new("p1b")).await.expect("gives up");
    assert_eq!(swept(catalog, 3).await.len(), 1);
}

async fn rules_that_come_to_the_same_are_noted(place: &Place) {
    let (catalog, reader) = (&place.catalog, place.replica().await);
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    assert_eq!(records(catalog).await.len(), 1);
    let before = live(&reader).await.remove(0);
    let mut after = before.clone();
    after.versions.rules = "rules-2".to_owned();
    let reowning = Reowning { noted: vec![(before.clone(), after.clone())], ..nothing(9) };
    assert_eq!(catalog.reown(&reowning).await.expect("notes"), 2);
    for catalog in [catalog, &reader] {
        assert_eq!(live(catalog).await, [after.clone()]);
    }
    reader.close().await;
    let record = records(catalog).await.remove(0);
    assert_eq!((record.edition, record.part), (2, after.clone()), "to be recorded anew");
    let other = Part { rows: 9, ..after.clone() };
    let result = catalog.reown(&Reowning { noted: vec![(after, other)], ..nothing(9) }).await;
    inconsistent(result, "part p1 would be another part, not only say other rules");
}

async fn transfers_are_no_bills(place: &Place) {
    let catalog = &place.catalog;
    assert!(!catalog.has_bills().await.expect("reads"));
    let first = sharing(catalog, None, transfers("network", "t1")).await;
    assert_eq!(catalog.reown(&first).await.expect("shares"), 1);
    let snapshot = catalog.snapshot().await.expect("reads");
    assert_eq!((snapshot.parts.len(), snapshot.all().count()), (0, 0));
    assert_eq!(snapshot.shared, [transfers("network", "t1")]);
    assert!(!catalog.has_bills().await.expect("reads"));
    assert_eq!(catalog.sources().await.expect("reads"), []);
    assert_eq!(catalog.balances(None).await.expect("reads"), []);
    assert_eq!(catalog.changes(&ChangesQuery::default(), 9).await.expect("reads"), []);
    assert_eq!(catalog.unrecorded().await.expect("reads"), []);
    assert_eq!(catalog.record(&PartId::new("t1")).await.expect("reads"), None);
    // Their days are another's, and nobody's bill.
    Bill::new("p1").bring(catalog, 1).await.expect("meets nobody");
    // Nor is one committed as if it were a bill.
    let bill = Bill::new("t2").of("shared:network", "2026-11");
    bill.intend(catalog).await;
    let commit = bill.commit(at(2));
    let commit = Commit { part: Part { pool: Some(PoolId::new("network")), ..commit.part }, ..commit };
    inconsistent(catalog.commit(commit).await, "part t2: its rows are transfers, which no bill brings");
}

async fn transfers_come_and_go(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let (first, second) = (transfers("network", "t1"), transfers("network", "t2"));
    let other = transfers("build", "t3");
    let order = sharing(catalog, None, first.clone()).await;
    assert_eq!(catalog.reown(&order).await.expect("shares"), 2);
    let mut order = sharing(catalog, Some(first.clone()), second.clone()).await;
    let also = sharing(catalog, None, other).await;
    order.shared.extend(also.shared);
    order.intents.extend(also.intents);
    order.runs.extend(also.runs);
    assert_eq!(catalog.reown(&order).await.expect("shares"), 3);
    let gone = Sharing { before: Some(second.clone()), after: None };
    let order = Reowning { shared: vec![gone], ..nothing(12) };
    assert_eq!(catalog.reown(&order).await.expect("shares"), 4);
    for (generation, expected) in [vec![], vec!["t1"], vec!["t3", "t2"], vec!["t3"]].into_iter().enumerate() {
        assert_eq!(shared(catalog, generation as u64 + 1).await, expected, "by pool and month");
    }
    superseded(catalog.reown(&order).await);
    // They go like anything else.
    assert_eq!(swept(catalog, 20).await, [("t1".to_owned(), vec!["daily/aws/t1.parquet".to_owned()])]);
    assert_eq!(swept(catalog, 22).await, [("t2".to_owned(), vec!["daily/aws/t2.parquet".to_owned()])]);
    assert!(matches!(catalog.snapshot_at(2).await, Err(CatalogError::GenerationGone { .. })));
    assert_eq!(catalog.withdrawn().await.expect("lists"), [], "there is no record to take away");
}

async fn transfers_that_others_made_meanwhile_stay(place: &Place) {
    let catalog = &place.catalog;
    let order = sharing(catalog, None, transfers("network", "t1")).await;
    catalog.reown(&order).await.expect("shares");
    superseded(catalog.reown(&sharing(catalog, None, transfers("network", "t2")).await).await);
    let order = sharing(catalog, Some(transfers("network", "t0")), transfers("network", "t3")).await;
    superseded(catalog.reown(&order).await);
    assert_eq!(shared(catalog, 1).await, ["t1"]);
    let mut nameless = sharing(catalog, Some(transfers("network", "t1")), transfers("network", "t4")).await;
    nameless.runs[0].part = None;
    inconsistent(catalog.reown(&nameless).await, "no run says it made part t4");
    let other = Sharing { before: Some(transfers("network", "t1")), after: Some(transfers("build", "t4")) };
    let result = catalog.reown(&Reowning { shared: vec![other], ..nothing(9) }).await;
    inconsistent(result, "part t4 cannot take the place of t1");
    let bill = Sharing { before: None, after: Some(Bill::new("p9").commit(at(1)).part) };
    inconsistent(catalog.reown(&Reowning { shared: vec![bill], ..nothing(9) }).await, "part p9 is of no pool");
    assert_eq!(catalog.generation().await.expect("reads"), 1);
}

async fn to_say_it_again_changes_nothing(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let first = order(catalog, live(catalog).await.remove(0), "p1b").await;
    assert_eq!(catalog.reown(&first).await.expect("owns"), 2);
    let second = order(catalog, live(catalog).await.remove(0), "p1c").await;
    assert_eq!(catalog.reown(&second).await.expect("owns"), 3);
    // The answers got lost, and both are told again.
    assert_eq!(catalog.reown(&first).await.expect("says it again"), 2);
    assert_eq!(catalog.reown(&second).await.expect("says it again"), 3);
    let share = sharing(catalog, None, transfers("network", "t1")).await;
    assert_eq!(catalog.reown(&share).await.expect("shares"), 4);
    assert_eq!(catalog.reown(&share).await.expect("says it again"), 4);
    assert_eq!(catalog.generation().await.expect("reads"), 4);
    assert_eq!(live(catalog).await[0].id.as_str(), "p1c");
}

async fn nothing_to_do_raises_nothing(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    assert_eq!(catalog.reown(&nothing(2)).await.expect("does nothing"), 1);
    assert_eq!(catalog.generation().await.expect("reads"), 1);
}

async fn another_bill_is_not_only_other_owners(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let reowning = order(catalog, before.clone(), "p1b").await;
    let after = reowning.parts[0].1.clone();
    let check = async |after: Part, text: &str| {
        inconsistent(catalog.reown(&Reowning { parts: vec![(before.clone(), after)], ..reowning.clone() }).await, text);
    };
    let text = "part p1b would be another bill than p1, not only other owners";
    check(Part { rows: 4, ..after.clone() }, text).await;
    check(Part { fingerprint: "x".to_owned(), ..after.clone() }, text).await;
    check(Part { delivery: delivery("2026-11"), ..after.clone() }, text).await;
    check(Part { columns: [].into(), ..after.clone() }, text).await;
    check(Part { pool: Some(PoolId::new("network")), ..after.clone() }, text).await;
    check(Part { bundle: Some(Bundle { id: PartId::new("b"), parts: 2 }), ..after.clone() }, text).await;
    check(Part { files: before.files.clone(), ..after.clone() }, "part p1b has no files of its own").await;
    let half = vec![after.files[0].clone(), before.files[1].clone()];
    check(Part { files: half, ..after.clone() }, "part p1b has no files of its own").await;
    let twice = Reowning { noted: vec![(before.clone(), before.clone())], ..reowning.clone() };
    inconsistent(catalog.reown(&twice).await, "a part is to get other owners twice");
    let mut unfinished = reowning.clone();
    unfinished.runs[0].finished_at = None;
    inconsistent(catalog.reown(&unfinished).await, "run own-p1b is committed and cannot give charges other owners");
    assert_eq!(live(catalog).await, [before]);
}

async fn one_intent_may_be_for_several_parts(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").of("aws", "1").bring(catalog, 1).await.expect("commits");
    Bill::new("p2").of("aws", "2").days(&[(2, 1, "1")]).bring(catalog, 1).await.expect("commits");
    let parts: Vec<_> = live(catalog).await.into_iter().zip(["p1b", "p2b"]).collect();
    let parts: Vec<_> = parts.into_iter().map(|(part, id)| (part.clone(), owned(&part, id, "rules-1"))).collect();
    let mut files: Vec<PartFile> = parts.iter().flat_map(|(_, after)| after.files.clone()).collect();
    files.push(file(Layer::Daily, "not-needed"));
    intend(catalog, "october", files).await;
    let (intents, runs) = (vec![PartId::new("october")], vec![run("own-october", None)]);
    catalog.reown(&Reowning { parts, intents, runs, ..nothing(10) }).await.expect("owns");
    assert_eq!(live(catalog).await.iter().map(|part| part.id.as_str()).collect::<Vec<_>>(), ["p1b", "p2b"]);
    // What nobody needed goes at once; what is live stays.
    let unused = ("october".to_owned(), vec!["daily/aws/not-needed.parquet".to_owned()]);
    assert_eq!(swept(catalog, 11).await, [unused]);
    Bill::new("p3").of("aws", "1").replaces("p1b").bring(catalog, 12).await.expect("commits");
    let all = swept(catalog, 30).await;
    assert_eq!(
        all.iter().map(|(part, files)| (part.as_str(), files.len())).collect::<Vec<_>>(),
        [("p1", 2), ("p1b", 2), ("p2", 2)]
    );
}

async fn a_bundle_goes_when_its_parts_have_other_owners(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let before = live(catalog).await.remove(0);
    let bundle = Bundle { id: PartId::new("b1"), parts: 1 };
    let files = vec![before.files[0].clone(), bundle.file(&source("aws"))];
    let bundled = Part { files, bundle: Some(bundle.clone()), ..before.clone() };
    intend(catalog, "b1", vec![bundle.file(&source("aws"))]).await;
    let refile = outlay_catalog::Refile {
        parts: vec![(before, bundled.clone())],
        written: Some(bundle.id),
        run: run("own-b1", None),
        leftover: PartId::new("left"),
        leftover_until: at(6),
        now: at(5),
    };
    catalog.refile(&refile).await.expect("refiles");
    catalog.reown(&order(catalog, bundled, "p1b").await).await.expect("owns");
    assert_eq!(live(catalog).await[0].bundle, None);
    // Older readers have it until the part goes that was in it.
    assert_eq!(swept(catalog, 19).await, [("left".to_owned(), vec!["daily/p1.parquet".to_owned()])]);
    let expected = [
        ("b1".to_owned(), vec!["daily/aws/b1.parquet".to_owned()]),
        ("p1".to_owned(), vec!["charges/p1.parquet".to_owned()]),
    ];
    assert_eq!(swept(catalog, 20).await, expected);
}

async fn a_bill_that_comes_meanwhile_takes_the_place_of_its_last_copy(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    let reowning = order(catalog, live(catalog).await.remove(0), "p1b").await;
    // Guards held the new bill against p1, which has other owners now.
    let next = Bill::new("p2").days(&[(1, 3, "4.6")]).replaces("p1");
    next.intend(catalog).await;
    catalog.reown(&reowning).await.expect("owns");
    assert_eq!(catalog.commit(next.commit(at(11))).await.expect("commits"), 3);
    assert_eq!(live(catalog).await[0].id.as_str(), "p2");
    let moved = catalog.changes(&ChangesQuery::default(), 1).await.expect("reads").remove(0);
    assert_eq!((moved.before.rows, moved.after.rows), (3, 3), "what the bill said before is known");
    // Another bill is another one, as ever.
    let late = Bill::new("p3").replaces("p1b");
    late.intend(catalog).await;
    superseded(catalog.commit(late.commit(at(12))).await);
}

async fn a_delivery_that_is_gone_is_gone_with_its_owners(place: &Place) {
    let catalog = &place.catalog;
    Bill::new("p1").bring(catalog, 1).await.expect("commits");
    records(catalog).await;
    let reowning = order(catalog, live(catalog).await.remove(0), "p1b").await;
    catalog.reown(&reowning).await.expect("owns");
    records(catalog).await;
    assert_eq!(catalog.withdrawn().await.expect("lists"), [], "p1b is live in the place of p1");
    let withdrawal = Withdrawal {
        source: source("aws"),
        delivery: delivery("2026-10"),
        part: PartId::new("p1"),
        run: Run { delivery: Some(delivery("2026-10")), ..run("gone", None) },
        fence: None,
        now: at(11),
    };
    assert_eq!(catalog.withdraw(&withdrawal).await.expect("goes"), 3);
    assert_eq!(live(catalog).await, []);
    assert_eq!(catalog.changes(&ChangesQuery::default(), 1).await.expect("reads")[0].after.rows, 0);
    // Neither copy's record may bring it back.
    assert_eq!(catalog.withdrawn().await.expect("lists"), [PartId::new("p1"), PartId::new("p1b")]);
}

/// A bill with what the provider answered.
async fn with_raw(catalog: &Catalog) -> Part {
    let bill = Bill::new("p1").rejects(4);
    let mut commit = bill.commit(at(1));
    commit.part.files.push(file(Layer::Raw, "p1"));
    catalog.start_run(&bill.started(at(0))).await.expect("starts");
    let intent = Intent { files: commit.part.files.clone(), ..bill.intent(at(60)) };
    catalog.intend(&intent).await.expect("intends");
    catalog.commit(commit).await.expect("commits");
    live(catalog).await.remove(0)
}

async fn what_the_provider_answered_goes_on_to_the_new_part(place: &Place) {
    let catalog = &place.catalog;
    let before = with_raw(catalog).await;
    let reowning = order(catalog, before.clone(), "p1b").await;
    catalog.reown(&reowning).await.expect("owns");
    let after = live(catalog).await.remove(0);
    assert_eq!(after.files(Layer::Raw).collect::<Vec<_>>(), ["raw/aws/p1.jsonl.zst"]);
    assert_eq!(catalog.snapshot_at(1).await.expect("reads").parts, [before]);
    let files = vec!["charges/p1.parquet".to_owned(), "daily/p1.parquet".to_owned()];
    assert_eq!(swept(catalog, 20).await, [("p1".to_owned(), files)]);
    Bill::new("p2").replaces("p1b").bring(catalog, 21).await.expect("commits");
    let files = ["charges/aws/p1b.parquet", "daily/aws/p1b.parquet", "raw/aws/p1.jsonl.zst"].map(str::to_owned);
    assert_eq!(swept(catalog, 40).await, [("p1b".to_owned(), files.to_vec())]);
}

async fn owners_are_restored_with_their_bills(place: &Place) {
    let catalog = &place.catalog;
    catalog.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
    let before = with_raw(catalog).await;
    let mut all = records(catalog).await;
    catalog.reown(&order(catalog, before, "p1b").await).await.expect("owns");
    let share = sharing(catalog, None, transfers("network", "t1")).await;
    catalog.reown(&share).await.expect("shares");
    all.extend(records(catalog).await);
    assert_eq!(all.iter().map(|record| record.part.id.as_str()).collect::<Vec<_>>(), ["p1", "p1b"]);
    // The old copy's record may be there still, or gone already.
    for records in [all.clone(), all[1..].to_vec()] {
        let copies = records.len();
        let empty = place.another().await;
        let restored = &empty.catalog;
        restored.change_ownership(&change(vec![team("payments")])).await.expect("is let in");
        let fence = restored.claim_settling("one", at(1), at(9)).await.expect("asks").expect("is to be settled");
        restored.finish_settling(&fence, 1, None, at(2)).await.expect("ends");
        restored.restore(records, 4, at(30)).await.expect("restores");
        assert_eq!(live(restored).await, live(catalog).await);
        assert_eq!(restored.snapshot().await.expect("reads").shared, [], "to be made anew");
        let settling = restored.settling().await.expect("reads");
        assert!(settling.settled == 0 && !settling.is_settled(), "{settling:?}");
        assert_eq!(restored.unrecorded().await.expect("lists"), []);
        let run = Bill::new("p1").run_id();
        assert_eq!(restored.run(&run).await.expect("reads"), catalog.run(&run).await.expect("reads"));
        let rejects = restored.rejects(&run, 9).await.expect("reads");
        assert_eq!((rejects.len(), rejects), (4, catalog.rejects(&run, 9).await.expect("reads")));
        assert_eq!(restored.balances(None).await.expect("reads"), catalog.balances(None).await.expect("reads"));
        // What the provider answered is the live part's.
        let doomed = swept(restored, 60).await;
        let expected: &[_] = if copies == 2 { &["charges/p1.parquet", "daily/p1.parquet"] } else { &[] };
        assert_eq!(doomed.into_iter().flat_map(|(_, files)| files).collect::<Vec<_>>(), expected);
        let next = Bill::new("p2").replaces("p1b");
        next.bring(restored, 59).await.expect("commits");
        assert_eq!(swept(restored, 99).await[0].1.len(), 3);
    }
}
