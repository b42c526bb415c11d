//! The first command of the README: an invented company's bills through the real pipeline.

use std::path::Path;
use std::process::Command;

fn demo(folder: &Path) -> String {
    outlay(folder, &["demo", "--no-serve"])
}

fn outlay(folder: &Path, arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_outlay"))
        .env_clear()
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("runs");
    let out = String::from_utf8(run.stdout).expect("text");
    assert!(run.status.success(), "{out}{}", String::from_utf8_lossy(&run.stderr));
    out
}

#[test]
fn the_demo_invents_imports_answers_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = demo(folder.path());
    for source in ["aws", "azure", "gcp", "datadog", "mongodb-atlas"] {
        assert!(out.contains(&format!("  {source}: ")), "{source}: {out}");
    }
    assert!(out.contains("every digit accounted for"), "{out}");
    assert!(out.contains("unallocated") && out.contains("payments"), "{out}");
    assert!(folder.path().join("outlay-demo/bills/planted-anomalies.json").exists());

    let again = demo(folder.path());
    assert_eq!(again.matches("0 deliveries imported").count(), 5, "the same bills change nothing: {again}");
    assert_eq!(again.matches(" unchanged").count(), 5, "{again}");
    let figures = |text: &str| text.lines().find(|line| line.starts_with("total ")).map(ToOwned::to_owned);
    assert_eq!(figures(&again), figures(&out));

    // AWS's bills are a Data Export that anybody can collect again, by the configuration the demo leaves behind.
    let collected = outlay(folder.path(), &["collect", "--config", "outlay-demo/outlay.toml"]);
    assert!(collected.starts_with("aws: nothing new, 1"), "{collected}");
}
