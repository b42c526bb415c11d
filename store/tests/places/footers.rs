//! What the files say about themselves, without a catalog.

use std::collections::BTreeMap;
use std::fs;

use outlay_model::part::Layer;
use outlay_model::query::Metric;
use outlay_store::{Footer, Found, Unreadable};

use crate::place::Place;
use crate::{bill, in_every_place};

in_every_place!(files_say_whose_they_are_and_what_is_wrong_with_them);

async fn files_say_whose_they_are_and_what_is_wrong_with_them(place: Place) {
    let store = place.open().await;
    bill::publish(&store, "part-1", 100).await;
    bill::publish(&store, "part-2", 3).await;
    let whole = fs::read(place.files().join("charges/aws/part-2.parquet")).expect("reads");
    let end = whole.len() - 8;
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        bytes
    };
    for (name, bytes) in [
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("damaged", changed(&|bytes| bytes[end - 400..end].fill(0xff))),
        ("long", changed(&|bytes| bytes[end..end + 4].fill(0xff))),
    ] {
        store.put_document(&format!("charges/aws/{name}.parquet"), bytes).await.expect("writes");
    }

    let found: BTreeMap<String, Found> =
        store.footers().await.expect("reads").into_iter().map(|found| (found.file.path.clone(), found)).collect();
    let footer = |path: &str| -> &Result<Footer, Unreadable> { &found[path].footer };
    assert_eq!(found.len(), 8);
    let first = footer("charges/aws/part-1.parquet").as_ref().expect("is ours");
    assert_eq!((first.part.as_str(), first.source.as_str()), ("part-1", "aws"));
    assert_eq!((first.delivery.as_str(), first.fingerprint.as_str()), ("2026-10", "print of part-1"));
    assert_eq!((first.rows, first.layout), (100, outlay_ledger::schema::LAYOUT));
    assert!(first.sums.is_empty());
    let daily = footer("daily/aws/part-1.parquet").as_ref().expect("is ours");
    assert_eq!((daily.part.as_str(), daily.rows), ("part-1", 100));
    assert_eq!(daily.sums[&Metric::Billed].to_string(), "5050");
    assert_eq!(found["daily/aws/part-1.parquet"].file.layer, Layer::Daily);
    assert_eq!(found["charges/aws/part-2.parquet"].bytes, whole.len() as u64);
    for path in ["charges/aws/cut.parquet", "charges/aws/empty.parquet", "charges/aws/long.parquet"] {
        assert_eq!(footer(path), &Err(Unreadable::CutShort), "{path}");
    }
    assert_eq!(footer("charges/aws/damaged.parquet"), &Err(Unreadable::Damaged));
}
