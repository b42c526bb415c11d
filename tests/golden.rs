//! What older versions have written is still read, with the same answers: by the catalog they left, and by a new one that is
//! recovered from their store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("there") {
        let path = entry.expect("reads").path();
        let target = to.join(path.file_name().expect("has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copies");
        }
    }
}

fn outlay(house: &Path, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_outlay"))
        .current_dir(golden())
        .args(["--config", "outlay.toml", "--data"])
        .arg(house)
        .args(arguments.split_whitespace())
        .env_clear()
        .output()
        .expect("runs");
    assert!(output.status.success(), "outlay {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn same_answers(version: &Path, house: &Path) {
    let queries = fs::read_to_string(golden().join("queries.txt")).expect("reads");
    for (number, query) in (1..).zip(queries.lines()) {
        let answer = fs::read_to_string(version.join(format!("answer-{number}.txt"))).expect("reads");
        assert_eq!(outlay(house, query), answer, "{}: outlay {query}", version.display());
    }
}

#[test]
fn every_version_is_still_read() {
    let versions: Vec<PathBuf> = fs::read_dir(golden())
        .expect("there")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.join("house").is_dir())
        .collect();
    assert!(!versions.is_empty());
    for version in versions {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let house = folder.path().join("house");
        copy(&version.join("house"), &house);
        same_answers(&version, &house);
        // Reading it is not all: the house goes on, and a bill that is there already is known. Where this version reads it
        // otherwise than the one that imported it, it takes its place.
        let again = outlay(&house, "import --source gcp --kind focus --delivery 2026-03-02 bills/gcp-2.csv");
        assert!(again.contains("unchanged") || again.contains("replaces 2 charges"), "{again}");
        same_answers(&version, &house);

        for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
            let _ = fs::remove_file(house.join(name));
        }
        let recovered = outlay(&house, "recover");
        assert!(recovered.starts_with("recovered 4 deliveries, 17 charges"), "{recovered}");
        same_answers(&version, &house);
    }
}
