//! Small files, put and read back whole.

use std::fs;

use crate::in_every_place;
use crate::place::Place;

in_every_place!(
    a_document_is_read_back_as_it_was_written_last,
    lists_are_deep_sorted_and_of_one_folder,
    writers_of_one_document_never_mix,
);

async fn a_document_is_read_back_as_it_was_written_last(place: Place) {
    let store = place.open().await;
    store.probe().await.expect("can be used");
    assert_eq!(store.document("commits/a/1.json").await.expect("reads"), None);
    for text in ["one", "another, longer one", ""] {
        store.put_document("commits/a/1.json", text.into()).await.expect("writes");
        assert_eq!(store.document("commits/a/1.json").await.expect("reads").as_deref(), Some(text.as_bytes()));
    }
    store.remove_document("commits/a/1.json").await.expect("removes");
    store.remove_document("commits/a/1.json").await.expect("is gone already");
    assert_eq!(store.document("commits/a/1.json").await.expect("reads"), None);
    assert_eq!(store.list("").await.expect("lists"), ["probe"], "what it was tried with stays");
}

async fn lists_are_deep_sorted_and_of_one_folder(place: Place) {
    let store = place.open().await;
    assert!(store.list("commits").await.expect("lists").is_empty());
    for path in ["commits/b/2.json", "commits/a/1 é%.json", "commits/a/deeper/3.json", "commitsnot/4.json", "5.json"] {
        store.put_document(path, path.into()).await.expect("writes");
    }
    let below = ["commits/a/1 é%.json", "commits/a/deeper/3.json", "commits/b/2.json"];
    assert_eq!(store.list("commits").await.expect("lists"), below);
    assert_eq!(store.list("commits/a").await.expect("lists"), below[..2]);
    assert_eq!(store.list("").await.expect("lists").len(), 5);
    let named = store.document(below[0]).await.expect("reads").expect("is there");
    assert_eq!(named, below[0].as_bytes());
}

async fn writers_of_one_document_never_mix(place: Place) {
    let store = place.open().await;
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
    let place = Place::local();
    let store = place.open().await;
    let left = place.files().join("commits/.1.json.77-0.tmp");
    fs::create_dir_all(left.parent().expect("a folder")).expect("creates");
    fs::write(&left, "half").expect("writes");
    assert!(store.list("commits").await.expect("lists").is_empty());
    store.remove_document("commits/1.json").await.expect("removes");
    assert!(!left.exists());
}
