//! Faults for a process of ours: the library in `fault.c`, and what it is told and tells.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The compiled library, once for all tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("fault.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/fault.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&library, &source])
            .output()
            .expect("a C compiler");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        (folder, library)
    });
    library
}

/// When a fault strikes, seen from the call it strikes at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    /// Half of the bytes are written.
    During,
    After,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        })
    }
}

/// A place among the calls of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub call: String,
    /// In the path.
    pub part: String,
    /// Counted from 1.
    pub nth: usize,
    pub when: When,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, part, nth, when } = self;
        write!(f, "{when} {call} {nth} of …{part}…")
    }
}

/// What goes wrong in a process.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    variables: Vec<(&'static str, String)>,
}

impl Faults {
    /// SIGKILL, the process's last moment.
    pub fn kill(place: &Place) -> Self {
        Self::default().rule(place, "", "kill")
    }

    /// SIGSTOP, until somebody sends SIGCONT.
    pub fn stop(place: &Place) -> Self {
        Self::default().rule(place, "", "stop")
    }

    /// This call fails, once.
    pub fn fail_once(place: &Place, error: &str) -> Self {
        Self::default().rule(place, "", error)
    }

    /// This call and all later ones like it fail.
    pub fn fail_from(place: &Place, error: &str) -> Self {
        Self::default().rule(place, "+", error)
    }

    /// Every call of this kind fails, on paths that have `part` in them.
    pub fn fail_all(call: &str, part: &str, error: &str) -> Self {
        Self::fail_from(&Place { call: call.into(), part: part.into(), nth: 1, when: When::Before }, error)
    }

    /// Nothing fails, but the clock is ahead.
    pub fn hours_later(hours: u32) -> Self {
        Self::default().and("FAULT_CLOCK", (hours * 3600).to_string())
    }

    /// With a clock that is ahead.
    pub fn and_hours_later(mut self, hours: u32) -> Self {
        self.variables.extend(Self::hours_later(hours).variables);
        self
    }

    /// Writes down every call.
    pub fn traced(self, into: &Path) -> Self {
        self.and("FAULT_TRACE", into.display().to_string())
    }

    /// Writes down when it happens.
    pub fn marked(self, into: &Path) -> Self {
        self.and("FAULT_MARK", into.display().to_string())
    }

    fn rule(self, place: &Place, onwards: &str, what: &str) -> Self {
        let Place { call, part, nth, when } = place;
        self.and("FAULT", format!("{call}:{part}:{nth}{onwards}:{when}:{what}"))
    }

    fn and(mut self, name: &'static str, value: String) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Puts a command under these faults, for what it does below a folder.
    pub fn apply(&self, command: &mut Command, under: &Path) {
        command.env("LD_PRELOAD", library()).env("FAULT_UNDER", under);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// A call that a traced process made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub call: String,
    pub size: u64,
    pub path: String,
}

/// The calls that a process made, in order.
pub fn trace(file: &Path) -> Vec<Call> {
    let text = fs::read_to_string(file).expect("a trace");
    let calls = text.lines().map(|line| {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("{line}: not a call")).to_owned();
        Call { call: word(), size: word().parse().expect("a size"), path: word() }
    });
    calls.collect()
}
