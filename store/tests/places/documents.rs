//! Small files, put and read back whole.

use std::fs;

use outlay_store::Store;
use tempfile::TempDir;

fn store() -> (Store, TempDir) {
    let folder = TempDir::new().expect("a folder");
    (Store::open(folder.path(), Default::default(), Default::default()).expect("a store"), folder)
}

#[tokio::test]
async fn a_document_is_read_back_as_it_was_written_last() {
    let (store, _folder) = store();
    assert_eq!(store.document("commits/a/1.json").await.expect("reads"), None);
    for text in ["one", "another, longer one", ""] {
        store.put_document("commits/a/1.json", text.into()).await.expect("writes");
        assert_eq!(store.document("commits/a/1.json").await.expect("reads").as_deref(), Some(text.as_bytes()));
    }
    store.remove_document("commits/a/1.json").await.expect("removes");
    store.remove_document("commits/a/1.json").await.expect("is gone already");
    assert_eq!(store.document("commits/a/1.json").await.expect("reads"), None);
}

#[tokio::test]
async fn lists_are_deep_sorted_and_of_one_folder() {
    let (store, _folder) = store();
    assert!(store.list("commits").await.expect("lists").is_empty());
    for path in ["commits/b/2.json", "commits/a/1.json", "commits/a/deeper/3.json", "commitsnot/4.json", "5.json"] {
        store.put_document(path, path.into()).await.expect("writes");
    }
    let below = ["commits/a/1.json", "commits/a/deeper/3.json", "commits/b/2.json"];
    assert_eq!(store.list("commits").await.expect("lists"), below);
    assert_eq!(store.list("commits/a").await.expect("lists"), below[..2]);
    assert_eq!(store.list("").await.expect("lists").len(), 5);
}

#[tokio::test]
async fn writers_of_one_document_never_mix() {
    let (store, _folder) = store();
    let store = std::sync::Arc::new(store);
    let texts: Vec<Vec<u8>> = (b'a'..b'a' + 16).map(|letter| vec![letter; 100_000]).collect();
    let writers: Vec<_> = texts
        .iter()
        .map(|text| {
            let (store, text) = (store.clone(), text.clone());
            tokio::spawn(async move { store.put_document("one.json", text).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("runs").expect("writes");
    }
    let read = store.document("one.json").await.expect("reads").expect("is there");
    assert!(texts.contains(&read), "a mix of two");
    assert_eq!(store.list("").await.expect("lists"), ["one.json"]);
}

#[tokio::test]
async fn what_a_crash_left_is_not_listed_and_goes_with_its_document() {
    let (store, folder) = store();
    fs::create_dir_all(folder.path().join("commits")).expect("creates");
    let left = folder.path().join("commits/.1.json.77-0.tmp");
    fs::write(&left, "half").expect("writes");
    assert!(store.list("commits").await.expect("lists").is_empty());
    store.remove_document("commits/1.json").await.expect("removes");
    assert!(!left.exists());
}
