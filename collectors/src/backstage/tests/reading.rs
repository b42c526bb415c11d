//! Files and addresses.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::*;
use crate::http::teller::{Tale, Teller};

async fn read_folder(folder: &Path) -> (Vec<String>, Vec<String>) {
    let http = Http::new(Default::default(), Default::default(), Default::default()).expect("builds");
    let reading = read(&Place::Folder(folder.to_owned()), &http, None).await;
    told(&reading, &format!("{}", folder.display()))
}

/// The entities, and what there is to tell, without where the folder or server is.
fn told(reading: &Reading, root: &str) -> (Vec<String>, Vec<String>) {
    let entities = reading.entities.iter().map(|entity| entity.id.to_string()).collect();
    let notes =
        reading.unread.iter().map(|note| format!("unread: {note}")).chain(reading.notes.iter().map(Note::to_string));
    (entities, notes.map(|note| note.replace(root, "")).collect())
}

#[tokio::test]
async fn a_folder_is_read_at_any_depth_and_bad_files_are_told() {
    let outer = tempdir().expect("a folder");
    let folder = outer.path().join("catalog");
    fs::write(outer.path().join("outside.yaml"), group("outside", "")).expect("writes");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
        fs::write(path, text).expect("writes");
    };
    write("catalog-info.yaml", &group("a", ""));
    write("x/y/catalog-info.yml", &(component("c", "a", "") + &component("d", "a", "")));
    write("x/other.yaml", &component("not-found", "a", ""));
    write("x/teams.yaml", &group("b", ""));
    write(".git/catalog-info.yaml", "no: [");
    let locations = "kind: Location\nmetadata: { name: l }\nspec: { targets: [../x/teams.yaml, './teams.yaml', \
                     ../../outside.yaml, 'https://x.example/c.yaml', gone.yaml] }\n";
    write("x/catalog-info.yaml", &format!("{}---\n{locations}", group("e", "")));
    let (entities, notes) = read_folder(&folder).await;
    let all = ["group:default/a", "group:default/e", "component:default/c", "component:default/d", "group:default/b"];
    assert_eq!(entities, all);
    assert_eq!(
        notes,
        [
            "unread: /x/catalog-info.yaml:8: gone.yaml cannot be read: No such file or directory (os error 2)",
            "/x/catalog-info.yaml:8: ../../outside.yaml lies outside of the folder, and is not read",
            "/x/catalog-info.yaml:8: https://x.example/c.yaml is not read along with a folder; name it as a catalog of its own",
        ]
    );

    write("bad/catalog-info.yaml", "kind: Group\nmetadata:\n  name: [unclosed\n");
    write("bomb/catalog-info.yaml", &bomb());
    write("large/catalog-info.yaml", &"# long\n".repeat(200_000));
    fs::create_dir_all(folder.join("bytes")).expect("creates");
    fs::write(folder.join("bytes/catalog-info.yaml"), b"kind: \xff\n").expect("writes");
    let (entities, notes) = read_folder(&folder).await;
    assert_eq!(entities, all, "they stop nobody else");
    let unread = |name: &str| {
        let found = notes.iter().find(|note| note.starts_with(&format!("unread: /{name}/catalog-info.yaml")));
        found.unwrap_or_else(|| panic!("{name}: {notes:#?}")).clone()
    };
    assert!(unread("bad").contains("/bad/catalog-info.yaml:3: is not YAML that can be read: "), "{}", unread("bad"));
    assert!(unread("bomb").contains("is not YAML that can be read: "), "{}", unread("bomb"));
    assert_eq!(unread("large"), "unread: /large/catalog-info.yaml: has 1400000 bytes, more than 1048576");
    assert!(unread("bytes").contains("cannot be read: "), "{}", unread("bytes"));
}

/// A few lines that would be a billion.
fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    text
}

#[tokio::test]
async fn a_folder_without_a_catalog_is_not_an_empty_one() {
    let folder = tempdir().expect("a folder");
    let (_, notes) = read_folder(folder.path()).await;
    assert_eq!(notes, ["unread: : holds no catalog-info.yaml at any depth; look at the folder"]);
    let (_, notes) = read_folder(&folder.path().join("x")).await;
    assert_eq!(notes, ["unread: : cannot be read: No such file or directory (os error 2)"]);
}

async fn read_web(tales: Vec<Tale>, token: Option<&str>) -> (Vec<String>, Vec<String>, Vec<String>) {
    let teller = Teller::start(tales).await;
    let settings = toml::from_str("attempts = 2\nfirst_wait_milliseconds = 1").expect("reads");
    let http = Http::new(settings, Default::default(), Default::default()).expect("builds");
    let place = Place::parse(&format!("{}/a/catalog-info.yaml?ref=main", teller.url)).expect("a place");
    let reading = read(&place, &http, token).await;
    let (entities, notes) = told(&reading, &teller.url);
    let asked = |request: &String| {
        let token = request.lines().find(|line| line.to_lowercase().starts_with("authorization")).unwrap_or_default();
        format!("{} {token}", request.lines().next().unwrap_or_default()).trim_end().to_owned()
    };
    (entities, notes, teller.heard().iter().map(asked).collect())
}

#[tokio::test]
async fn an_address_leads_to_the_files_of_its_host() {
    let location = "kind: Location\nmetadata: { name: l }\nspec: { type: url, targets: [./b.yaml, /c.yaml, ./b.yaml, \
                    'http://elsewhere.example/d.yaml'] }\n";
    let tales = [location, &group("b", ""), &component("c", "b", "")].map(Tale::ok).to_vec();
    let (entities, notes, asked) = read_web(tales, Some("secret\n")).await;
    assert_eq!(entities, ["group:default/b", "component:default/c"]);
    assert_eq!(
        notes,
        [
            "/a/catalog-info.yaml:1: http://elsewhere.example/d.yaml is on another host, and not read; name it as a catalog of its own"
        ]
    );
    assert_eq!(
        asked,
        [
            "GET /a/catalog-info.yaml?ref=main HTTP/1.1 authorization: Bearer secret",
            "GET /a/b.yaml HTTP/1.1 authorization: Bearer secret",
            "GET /c.yaml HTTP/1.1 authorization: Bearer secret",
        ]
    );
}

#[tokio::test]
async fn what_an_address_answers_wrongly_is_told() {
    let check = async |tale: Tale, expected: &str| {
        let (entities, notes, _) = read_web(vec![tale], None).await;
        assert!(entities.is_empty());
        assert_eq!(notes, [format!("unread: /a/catalog-info.yaml: {expected}")]);
    };
    check(
        Tale::ok("<!DOCTYPE html><html>"),
        "is an HTML page; give the address of the file itself (\"raw\"), and a token if it needs one",
    )
    .await;
    check(Tale::status(404, ""), "is not there; look at the address, and at whether the token may read it").await;
    check(
        Tale::status(403, "token"),
        "refused: HTTP 403; give a token that may read it, by backstage_token_env or backstage_token_file",
    )
    .await;
    check(Tale::status(302, ""), "refused: HTTP 302; give the address that it leads to").await;
    let (_, notes, asked) = read_web(vec![Tale::status(500, "")], None).await;
    assert_eq!(asked.len(), 2);
    assert!(notes[0].contains("HTTP 500"), "{notes:?}");
}

#[test]
fn places_are_folders_or_addresses() {
    assert_eq!(Place::parse("./catalog"), Ok(Place::Folder("./catalog".into())));
    let url = Place::parse("https://x.example/raw/catalog-info.yaml?token=secret").expect("an address");
    assert_eq!(url.to_string(), "https://x.example/raw/catalog-info.yaml");
    for (text, says) in [
        ("", "names no place"),
        ("s3://bucket/x", "s3:// is not where a catalog is"),
        ("https://me:secret@x.example/", "holds a password"),
        ("https://", "is not an address"),
    ] {
        assert!(Place::parse(text).expect_err("refused").starts_with(says), "{text}");
    }
}
