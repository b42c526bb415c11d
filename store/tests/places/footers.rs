//! What the files say about themselves, without a catalog.

use std::fs;
use std::sync::Arc;

use outlay_model::part::Layer;
use outlay_model::query::Metric;
use outlay_store::{Footer, Found, Store, Unreadable};
use tempfile::TempDir;

use crate::bill;

#[tokio::test]
async fn files_say_whose_they_are_and_what_is_wrong_with_them() {
    let folder = TempDir::new().expect("a folder");
    let store = Arc::new(Store::open(folder.path(), Default::default(), Default::default()).expect("a store"));
    bill::stage(&store, "part-1", 100).await;
    bill::stage(&store, "part-2", 3).await;
    let path = |path: &str| folder.path().join(path);
    let whole = fs::read(path("charges/aws/part-2.parquet")).expect("reads");
    let write = |name: &str, bytes: &[u8]| fs::write(path(name), bytes).expect("writes");
    write("charges/aws/cut.parquet", &whole[..whole.len() - 1]);
    write("charges/aws/empty.parquet", b"");
    let mut damaged = whole.clone();
    let end = damaged.len() - 8;
    damaged[end - 400..end].fill(0xff);
    write("charges/aws/damaged.parquet", &damaged);
    let mut long = whole.clone();
    long[end..end + 4].fill(0xff);
    write("charges/aws/long.parquet", &long);

    let found = store.footers().await.expect("reads");
    let footer = |path: &str| -> &Result<Footer, Unreadable> {
        let found: Vec<&Found> = found.iter().filter(|found| found.file.path == path).collect();
        assert_eq!(found.len(), 1, "{path}");
        &found[0].footer
    };
    assert_eq!(found.len(), 8);
    let first = footer("charges/aws/part-1.parquet").as_ref().expect("is ours");
    assert_eq!((first.part.as_str(), first.source.as_str()), ("part-1", "aws"));
    assert_eq!((first.delivery.as_str(), first.fingerprint.as_str()), ("2026-10", "print of part-1"));
    assert_eq!((first.rows, first.layout), (100, outlay_ledger::schema::LAYOUT));
    assert!(first.sums.is_empty());
    let daily = footer("daily/aws/part-1.parquet").as_ref().expect("is ours");
    assert_eq!((daily.part.as_str(), daily.rows), ("part-1", 100));
    assert_eq!(daily.sums[&Metric::Billed].to_string(), "5050");
    assert!(found.iter().any(|found| found.file.layer == Layer::Daily && found.bytes > 0));
    assert_eq!(footer("charges/aws/cut.parquet"), &Err(Unreadable::CutShort));
    assert_eq!(footer("charges/aws/empty.parquet"), &Err(Unreadable::CutShort));
    assert_eq!(footer("charges/aws/long.parquet"), &Err(Unreadable::CutShort));
    assert_eq!(footer("charges/aws/damaged.parquet"), &Err(Unreadable::Damaged));
}
