//! A data folder, and the program that users run, over it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use outlay_catalog::{Catalog, Run, RunsQuery};
use tempfile::TempDir;

use crate::shim::Faults;

/// A folder with bills, and Outlay's data below it.
pub struct House {
    folder: TempDir,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub killed: bool,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Asserts the exit code, and gives what was printed, errors last.
    #[track_caller]
    pub fn with_code(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        format!("{}{}", self.out, self.err)
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            killed: output.status.signal() == Some(9),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// A process that is running. It ends with the test at the latest.
pub struct Running(Option<Child>);

impl Running {
    pub fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it is running")
    }

    pub fn wait(mut self) -> Ended {
        self.0.take().expect("it is running").wait_with_output().expect("ends").into()
    }

    /// Waits until it is stopped by a SIGSTOP of its own.
    pub fn wait_until_stopped(&mut self) {
        let stat = format!("/proc/{}/stat", self.child().id());
        crate::wait_until("the process stops", || {
            let stat = fs::read_to_string(&stat).expect("it is there");
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        });
    }

    pub fn go_on(&mut self) {
        let id = self.child().id();
        let sent = Command::new("sh").args(["-c", &format!("kill -CONT {id}")]).status().expect("a shell");
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl House {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// The same files in another folder. Nobody may be writing.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(self.folder.path(), copy.folder.path());
        copy
    }

    /// The same, but for the catalog.
    pub fn copy_without_catalog(&self) -> Self {
        let copy = self.copy();
        for file in ["catalog.db", "catalog.db-wal"] {
            // Its log is not always there.
            let _ = fs::remove_file(copy.data().join(file));
        }
        copy
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writes");
    }

    fn command(&self, faults: &Faults, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().current_dir(self.folder.path()).args(["--data", "data"]).args(arguments);
        faults.apply(&mut command, &self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn start(&self, faults: &Faults, arguments: &[&str]) -> Running {
        Running(Some(self.command(faults, arguments).spawn().expect("runs")))
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(&Faults::default(), arguments)
    }

    pub fn run_with(&self, faults: &Faults, arguments: &[&str]) -> Ended {
        self.command(faults, arguments).output().expect("runs").into()
    }

    /// Imports a bill; its delivery is its month.
    pub fn import(&self, source: &str, bill: &str) -> Ended {
        self.import_with(&Faults::default(), source, bill)
    }

    pub fn import_with(&self, faults: &Faults, source: &str, bill: &str) -> Ended {
        self.run_with(faults, &import(source, bill))
    }

    /// The reconciliation, which must be clean.
    #[track_caller]
    pub fn reconciled(&self) -> String {
        let ended = self.run(&["reconcile", "--format", "json"]);
        ended.with_code(0);
        ended.out
    }

    /// Every file of the store, relative to it, but for the one it is tried with. What belongs to the catalog is left out.
    pub fn files(&self) -> BTreeSet<String> {
        let (mut files, mut folders) = (BTreeSet::new(), vec![self.data()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let relative = path.strip_prefix(self.data()).expect("below").display().to_string();
                    files.insert(relative);
                }
            }
        }
        files.retain(|file| !file.starts_with("catalog.db") && file != "probe");
        files
    }

    /// Asks the catalog itself.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(&Catalog) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let catalog =
                Catalog::open(&format!("sqlite://{}/catalog.db", self.data().display())).await.expect("opens");
            let answer = question(&catalog).await;
            catalog.close().await;
            answer
        })
    }

    /// Every file of a live part, and the record of its commit.
    pub fn live_files(&self) -> BTreeSet<String> {
        let snapshot = self.ask(async |catalog| catalog.snapshot().await.expect("reads"));
        let records = snapshot.parts.iter().map(|part| format!("commits/{}.json", part.id));
        records.chain(snapshot.parts.iter().flat_map(|part| part.files.iter().map(|file| file.path.clone()))).collect()
    }

    pub fn runs(&self) -> Vec<Run> {
        self.ask(async |catalog| catalog.runs(&RunsQuery::default(), 1000).await.expect("reads"))
    }
}

/// The arguments that import a bill.
pub fn import<'a>(source: &'a str, bill: &'a str) -> [&'a str; 6] {
    ["import", "--source", source, "--kind", "focus", bill]
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if !entry.path().ends_with("catalog.db-shm") {
            // Shared memory means nothing to other processes than those that share it.
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}
