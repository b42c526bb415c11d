//! Places at which a process can be struck, found by watching one that is not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::house::House;
use crate::reader::Server;
use crate::shim::{Call, Faults, Place, When, trace};
use crate::world::{before_checkpoint, world};

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The run and the intent are recorded.
    Intent,
    /// `charges` is written.
    Charges,
    /// It and its folders are synced.
    SyncCharges,
    /// `daily` is written.
    Daily,
    /// It and its folders are synced.
    SyncDaily,
    /// The SQL transaction.
    Commit,
    /// The commit is written down beside the bills.
    Record,
    /// The log of the catalog is folded into its file.
    Checkpoint,
    /// What was replaced is doomed, deleted and forgotten.
    Sweep,
}

/// What is done while a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Bill B replaces bill A.
    Restate,
    /// The same, while nobody else has the catalog open: the last one to close it folds in the log.
    RestateAlone,
    /// The same, and the catalog's log is so long that it is folded in right after a commit.
    RestateWithLongLog,
    /// A day after B replaced A, A's files are swept.
    Sweep,
}

impl Story {
    pub fn house(self) -> House {
        match self {
            Self::Restate | Self::RestateAlone => world().stated.copy(),
            Self::RestateWithLongLog => before_checkpoint().copy(),
            Self::Sweep => world().restated.copy(),
        }
    }

    /// Hours that have passed.
    pub fn hours(self) -> u32 {
        if self == Self::Sweep { 25 } else { 0 }
    }

    /// The calls of this story below the data folder, each with what it belongs to.
    pub fn calls(self) -> Vec<(Phase, Call)> {
        let house = Arc::new(self.house());
        // A server beside it when there is one as the faults strike: who comes second finds the log open.
        let _server = (self != Self::RestateAlone).then(|| Server::over(&house));
        let file = house.path("trace");
        let faults = Faults::hours_later(self.hours()).traced(&file);
        house.import_with(&faults, "aws", "b.csv").with_code(0);
        let data = house.data().display().to_string();
        let relative = |call: Call| Call { path: call.path.replacen(&data, "data", 1), ..call };
        in_phases(self, trace(&file).into_iter().map(relative).collect())
    }
}

fn in_phases(story: Story, calls: Vec<Call>) -> Vec<(Phase, Call)> {
    let mut now = if story == Story::Sweep { Phase::Sweep } else { Phase::Intent };
    let mut found = Vec::new();
    for call in calls {
        let (sync, path) = (call.call == "sync", call.path.as_str());
        now = match now {
            Phase::Sweep => Phase::Sweep,
            _ if path.starts_with("data/charges") => {
                if sync {
                    Phase::SyncCharges
                } else {
                    Phase::Charges
                }
            }
            _ if path.starts_with("data/daily") => {
                if sync {
                    Phase::SyncDaily
                } else {
                    Phase::Daily
                }
            }
            _ if path.starts_with("data/commits") => Phase::Record,
            Phase::SyncDaily if path.starts_with("data/catalog.db") => Phase::Commit,
            now => now,
        };
        // Another connection may be folding in while the story goes on.
        let folds = path == "data/catalog.db" && (sync || call.call == "write" || call.call == "truncate");
        found.push((if folds { Phase::Checkpoint } else { now }, call));
    }
    found
}

/// A place, and what the process is doing there.
#[derive(Debug, Clone)]
pub struct Struck {
    pub story: Story,
    pub phase: Phase,
    /// Whether everybody has to see the new bill by then.
    pub committed: bool,
    pub place: Place,
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}: {}", self.story, self.phase, self.place)
    }
}

/// The nth call of a story as a place that the library can find: by what was called, and a part of the path that is the same
/// every time.
pub fn place(calls: &[(Phase, Call)], at: usize, when: When) -> Place {
    let call = &calls[at].1;
    // The name of a file in the store is new every time, that of its folder is not.
    let part = match call.path.rsplit_once('/') {
        Some((folder, name)) if name.len() > 36 => format!("{folder}/"),
        Some((folder, name)) if name.starts_with('.') => format!("{folder}/."),
        _ => format!("{}$", call.path),
    };
    let alike = |other: &Call| match part.strip_suffix('$') {
        Some(path) => other.call == call.call && other.path == path,
        None => other.call == call.call && other.path.contains(&part),
    };
    let nth = calls[..=at].iter().filter(|(_, other)| alike(other)).count();
    Place { call: call.call.clone(), part, nth, when }
}

/// Whether a call comes every time, and as the same one of its like. Connections to the catalog are opened as they are needed,
/// and each of them syncs the folder: which of its syncs is the store's, their number does not say.
fn is_steady(call: &Call) -> bool {
    let connecting = call.call == "open" && call.path.starts_with("data/catalog.db");
    let syncing = call.call == "sync" && call.path == "data";
    !connecting && !syncing
}

/// Where calls of some kinds fail: in each phase, for each kind and folder, so many of them.
pub fn failing(story: Story, kinds: &[&str], each: usize) -> Vec<Struck> {
    let calls = story.calls();
    let commit = calls.iter().rposition(|(phase, call)| *phase == Phase::Commit && call.call == "sync");
    let mut alike: BTreeMap<(Phase, String, String), Vec<usize>> = BTreeMap::new();
    for (at, (phase, call)) in calls.iter().enumerate() {
        if !kinds.contains(&call.call.as_str()) || (call.call == "sync" && !is_steady(call)) {
            continue;
        }
        let Place { call, part, .. } = place(&calls, at, When::Before);
        // Connections are opened as they are needed, which is not the same every time; the first always is.
        if (call != "open" && call != "mkdir") || !alike.keys().any(|(_, c, p)| (c, p) == (&call, &part)) {
            alike.entry((*phase, call, part)).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for ((phase, ..), at) in alike {
        let mut some: Vec<usize> = (0..each).map(|turn| at[turn * (at.len() - 1) / (each - 1).max(1)]).collect();
        some.dedup();
        found.extend(some.into_iter().map(|at| {
            let torn = calls[at].1.call == "write" && calls[at].1.size > 1;
            let place = place(&calls, at, if torn { When::During } else { When::Before });
            Struck { story, phase, committed: commit.is_some_and(|commit| at > commit), place }
        }));
    }
    assert!(!found.is_empty(), "{story:?} has no {kinds:?}");
    found
}

/// Where phases of a story are struck: each so many times before it, as often in the midst of it, as often after it.
pub fn places(story: Story, phases: &[Phase], each: usize) -> Vec<Struck> {
    let calls = story.calls();
    let committed = calls.iter().rposition(|(phase, call)| *phase == Phase::Commit && call.call == "sync");
    let mut found = Vec::new();
    for phase in phases {
        let of_phase = (0..calls.len()).filter(|at| calls[*at].0 == *phase && is_steady(&calls[*at].1));
        let of_phase: Vec<usize> = of_phase.collect();
        assert!(!of_phase.is_empty(), "{story:?} has no {phase:?}");
        let mut strike = |at: usize, when: When| {
            // Between the last sync and the next call, the commit becomes known to others.
            let committed = story == Story::Sweep || committed.is_some_and(|commit| at > commit);
            found.push(Struck { story, phase: *phase, committed, place: place(&calls, at, when) });
        };
        for turn in 0..each {
            strike(of_phase[turn % of_phase.len().min(3)], When::Before);
            let inside = of_phase[(2 * turn + 1) * of_phase.len() / (2 * each)];
            let torn = calls[inside].1.call == "write" && calls[inside].1.size > 1;
            strike(inside, if torn { When::During } else { When::After });
            strike(of_phase[of_phase.len() - 1 - turn % of_phase.len().min(3)], When::After);
        }
    }
    found
}
