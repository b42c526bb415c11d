use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use outlay_ledger::decimal;
use outlay_ledger::own::RULE_BOOK;
use outlay_ledger::schema::{BILLING_PERIOD, CHARGE_DATE, LAYOUT};
use outlay_ledger::tags::Privacy;
use outlay_model::ownership::{Condition, Ownership, Rule, Since, Taken, Value};
use outlay_model::part::Versions;
use outlay_model::tags::TagSettings;
use outlay_model::{DeliveryKey, Money, RuleId, SourceName};
use polars::prelude::{DataFrame, IntoColumn as _, NamedFrom as _, Series};

use super::*;
use crate::stage::scan;

const ROWS: u32 = ROW_GROUP as u32 + 10;

fn store(folder: &Path) -> Arc<Store> {
    let aliases = [("cost-center".to_owned(), vec!["cc".to_owned()])].into();
    Arc::new(Store::open(folder, TagSettings { aliases, ..TagSettings::default() }, Privacy::default()).expect("opens"))
}

fn charges() -> DataFrame {
    let first = NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day");
    let rows = 0..ROWS;
    let texts = |name: &str, text: &dyn Fn(u32) -> Option<String>| {
        Series::new(name.into(), rows.clone().map(text).collect::<Vec<_>>()).into_column()
    };
    let days: Vec<NaiveDate> = rows.clone().map(|row| first + chrono::Days::new(u64::from(row % 31))).collect();
    let cost = |row: u32| {
        (!row.is_multiple_of(3)).then(|| format!("{row}.000000000000000001").parse::<Money>().expect("money"))
    };
    let columns = vec![
        decimal::column("BilledCost", rows.clone().map(cost)),
        texts("BillingCurrency", &|_| Some("USD".to_owned())),
        texts("ServiceName", &|row| (row % 7 > 0).then(|| format!("service {}", row % 5))),
        texts("Tags", &|row| (row % 2 > 0).then(|| format!(r#"{{"cc":"{}"}}"#, row % 4))),
        Series::new(CHARGE_DATE.into(), days).into_column(),
        Series::new(BILLING_PERIOD.into(), vec![first; ROWS as usize]).into_column(),
    ];
    DataFrame::new(ROWS as usize, columns).expect("a frame")
}

/// Stages the charges in three batches, by what Outlay starts with.
fn staged(store: &Store) -> Part {
    let charges = charges();
    let names = charges.get_column_names().iter().map(ToString::to_string).collect();
    let (id, source) = (PartId::new("one"), SourceName::new("aws"));
    let spec = StageSpec {
        part: id.clone(),
        source: source.clone(),
        delivery: DeliveryKey::new("2026-10"),
        fingerprint: "print".to_owned(),
        columns: names,
        tag_keys: BTreeSet::new(),
    };
    let mut stage = store.stage(spec, &Book::default(), true).expect("starts");
    for first in (0..charges.height()).step_by(50_000) {
        stage.write(charges.slice(first as i64, 50_000)).expect("writes");
    }
    let staged = stage.finish(&[]).expect("finishes");
    Part {
        id: id.clone(),
        source: source.clone(),
        delivery: DeliveryKey::new("2026-10"),
        fingerprint: "print".to_owned(),
        edition: None,
        contents: BTreeSet::new(),
        files: Store::files_of(&source, &id),
        rows: staged.rows,
        days: staged.span(),
        covered: Vec::new(),
        provisional: Vec::new(),
        billing_periods: staged.billing_periods,
        currencies: staged.currencies,
        columns: staged.columns,
        tag_keys: BTreeSet::new(),
        daily_tags: BTreeSet::new(),
        more_tags: true,
        hourly: false,
        magnitude: BTreeMap::new(),
        billed: BTreeMap::new(),
        null_rows: staged.null_rows,
        unpriced: 0,
        versions: Versions {
            format: "focus".to_owned(),
            normaliser: 1,
            rule_book: RULE_BOOK,
            rules: String::new(),
            layout: LAYOUT,
        },
        bundle: None,
        pool: None,
    }
}

/// One rule: from the tenth on, the team is what a key says that has no column, here by its other name.
fn book() -> Book {
    let when = Condition::parse("tags.cc IS NOT NULL AND NOT service = 'service 1'").expect("a condition");
    let from = Dimension::Tag(TagKey::new("cost-center"));
    let rule = Rule {
        from: Since::Day(NaiveDate::from_ymd_opt(2026, 10, 10).expect("a day")),
        to: None,
        when,
        team: Some(Value::From(Taken { from, capture: None, map: None, only_mapped: false })),
        pool: None,
        component: None,
        environment: None,
        correction: false,
        about: None,
    };
    let ownership = Ownership { rules: vec![(RuleId::new("taken"), rule)], ..Ownership::default() };
    ownership.book(DateRange::ALWAYS)
}

fn read(folder: &Path, part: &PartId) -> DataFrame {
    let file = Store::files_of(&SourceName::new("aws"), part).remove(0);
    streamed(scan(&folder.join(file.path)).expect("scans")).expect("reads")
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_are_written_again_with_other_owners_and_nothing_else_is_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let part = tokio::task::spawn_blocking({
        let store = Arc::clone(&store);
        move || staged(&store)
    });
    let part = part.await.expect("stages");
    let book = book();
    let differing = store.differing(&part, &book).await.expect("looks");
    let other = |row: &u32| row % 31 >= 9 && !row.is_multiple_of(2) && (row.is_multiple_of(7) || row % 5 != 1);
    assert_eq!(differing, (0..ROWS).filter(other).count() as u64);
    assert_eq!(store.differing(&part, &Book::default()).await.expect("looks"), 0);

    let (id, done) = (PartId::new("two"), Arc::new(AtomicU64::new(0)));
    let told = Arc::clone(&done);
    let told = Arc::new(move |rows| {
        told.fetch_add(rows, Ordering::Relaxed);
    });
    let again = store.own_again(&part, &id, &book, &[], told).await.expect("owns again");
    assert_eq!((again.rows, done.load(Ordering::Relaxed)), (part.rows, part.rows));
    assert_eq!((&again.columns, &again.null_rows), (&part.columns, &part.null_rows));
    let (before, after) = (read(folder.path(), &part.id), read(folder.path(), &id));
    let owners = OWNERS.into_iter().chain([PART_ID]).collect::<Vec<_>>();
    let (same, kept) = (before.drop_many(owners.iter().copied()), after.drop_many(owners.iter().copied()));
    assert!(same.equals_missing(&kept), "the same charges in the same order");
    let teams = after.column(TEAM).expect("there").str().expect("text").clone();
    for (row, team) in (0..ROWS).zip(teams.iter()) {
        let expected = if other(&row) { (row % 4).to_string() } else { "unallocated".to_owned() };
        assert_eq!(team, Some(expected.as_str()), "{row}");
    }
    let again = Part { id: id.clone(), files: Store::files_of(&part.source, &id), ..part };
    assert_eq!(store.differing(&again, &book).await.expect("looks"), 0);
}
