//! Servers that collect: several over one catalog, killed, paused and stopped while they are at it (P3, P4).
#![cfg(target_os = "linux")]

mod common;
#[path = "faults/shim.rs"]
#[allow(dead_code, reason = "only some faults strike here")]
mod shim;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::bill;
use common::database::Database;
use outlay_catalog::{Catalog, JobsQuery, Run, RunsQuery};
use outlay_model::part::RunState;
use outlay_model::{Job, JobState, RequestedBy};
use shim::{Faults, Place, When};
use tempfile::TempDir;

/// The longest that anything is waited for. A machine may be slow.
const BOUND: Duration = Duration::from_secs(60);

/// Never again in the time of a test: what is collected is what was overdue at the start.
const ONCE: &str = "0 0 0 1 1 *";

/// A folder with a configuration, bills, and a store.
struct Company {
    folder: TempDir,
    catalog_url: String,
}

impl Company {
    /// With its catalog at an address, and folders of bills that are collected by a schedule.
    fn new(catalog_url: Option<String>, sources: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog_url =
            catalog_url.unwrap_or_else(|| format!("sqlite://{}/catalog.db", folder.path().join("house").display()));
        let company = Self { folder, catalog_url };
        let scratch = company.path("scratch");
        let mut text = format!(
            "[store]\nurl = {:?}\n[collect]\nscratch = {scratch:?}\njitter_seconds = 0\nlease_seconds = 3\n",
            company.path("house")
        );
        for (name, schedule) in sources {
            fs::create_dir_all(company.path(name)).expect("creates");
            let path = company.path(name);
            text +=
                &format!("[[source]]\nname = {name:?}\nkind = \"focus\"\npath = {path:?}\nschedule = {schedule:?}\n");
        }
        fs::write(company.path("outlay.toml"), text).expect("writes");
        company
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A bill of one dollar, in a month of its own.
    fn bill(&self, source: &str, number: usize) {
        let month = format!("20{:02}-{:02}", 10 + number / 12, number % 12 + 1);
        let (first, start, end) =
            (format!("{month}-01T00:00:00Z"), format!("{month}-05T00:00:00Z"), format!("{month}-06T00:00:00Z"));
        let row = [
            ("BillingAccountId", source),
            ("BillingPeriodStart", first.as_str()),
            ("BillingPeriodEnd", end.as_str()),
            ("ChargePeriodStart", start.as_str()),
            ("ChargePeriodEnd", end.as_str()),
        ];
        // It is there whole or not at all.
        let (written, named) = (self.path("written"), self.path(source).join(format!("{number:03}.csv")));
        fs::write(&written, bill(&[&row])).expect("writes");
        fs::rename(written, named).expect("renames");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlay"));
        command.env_clear().current_dir(self.folder.path()).args(arguments);
        command.env("OUTLAY_CATALOG__URL", &self.catalog_url).env("OUTLAY_LOG__FORMAT", "json");
        command
    }

    fn serve(&self, faults: &Faults) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        faults.apply(&mut command, &self.path("house"));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (mut lines, into) = (BufReader::new(child.stderr.take().expect("is piped")).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                into.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        Server { child, log }
    }

    async fn catalog(&self) -> Catalog {
        Catalog::open(&self.catalog_url).await.expect("opens")
    }

    /// What every outlay agrees on afterwards: nothing is missing, nothing is left over, all adds up.
    async fn is_in_order(&self, catalog: &Catalog) {
        for arguments in [&["check"][..], &["reconcile"]] {
            let done = self.command(arguments).output().expect("runs");
            let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success(), "{arguments:?}: {said}");
        }
        let parts = catalog.snapshot().await.expect("reads");
        let named: BTreeSet<String> = parts.all().flat_map(|part| &part.files).map(|file| file.path.clone()).collect();
        let mut there = BTreeSet::new();
        for layer in ["charges", "daily"] {
            let Ok(folders) = fs::read_dir(self.path("house").join(layer)) else { continue };
            for folder in folders {
                let folder = folder.expect("reads").path();
                for file in fs::read_dir(&folder).expect("reads") {
                    let path = file.expect("reads").path();
                    there.insert(path.strip_prefix(self.path("house")).expect("is in it").display().to_string());
                }
            }
        }
        assert_eq!(there, named);
    }
}

/// A server, which ends with the test at the latest.
struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("is there").success());
    }

    /// Whether a fault has stopped it, or it is gone.
    fn stands_still(&mut self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 'Z']))
            || self.child.try_wait().expect("asks").is_some()
    }

    /// Asks it to stop, and waits until it has.
    fn stop(mut self) {
        self.signal("TERM");
        let code = self.child.wait().expect("ends").code();
        assert_eq!(code, Some(0), "{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn within_bound(start: Instant, what: &str, logs: &[&Server]) {
    let said = || logs.iter().map(|server| server.log()).collect::<Vec<_>>().join("---\n");
    assert!(start.elapsed() < BOUND, "waited in vain: {what}\n{}", said());
}

/// Waits until what the catalog says is so.
async fn until<T>(what: &str, servers: &[&Server], mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        within_bound(start, what, servers);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn jobs(catalog: &Catalog) -> Vec<Job> {
    catalog.jobs(&JobsQuery::default(), 1000).await.expect("reads")
}

async fn committed(catalog: &Catalog) -> Vec<Run> {
    let runs = catalog.runs(&RunsQuery::default(), 1000).await.expect("reads");
    runs.into_iter().filter(|run| run.state == RunState::Committed).collect()
}

/// All is staged of the nth delivery that is brought, and it is not committed yet.
fn staged(nth: usize) -> Place {
    Place { call: "sync".to_owned(), part: "daily/nimbus/".to_owned(), nth, when: When::After }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_collect_each_delivery_once_whoever_ticks() {
    const SOURCES: [&str; 4] = ["aurora", "borealis", "cirrus", "nimbus"];
    let database = Database::create("ticks");
    let company = Company::new(Some(database.url()), &SOURCES.map(|name| (name, "* * * * * *")));
    let catalog = company.catalog().await;
    for source in SOURCES {
        company.bill(source, 0);
    }
    let servers = [company.serve(&Faults::default()), company.serve(&Faults::default())];
    let (one, two) = (&servers[0], &servers[1]);
    let mut bills = 1;
    // A bill more for every few ticks.
    let ticks = until("twenty ticks are done", &[one, two], async || {
        let jobs = jobs(&catalog).await;
        let done = jobs.iter().filter(|job| job.state == JobState::Done).count();
        if done >= 4 * bills && bills < 5 {
            SOURCES.iter().for_each(|source| company.bill(source, bills));
            bills += 1;
        }
        (done >= 20 && committed(&catalog).await.len() == SOURCES.len() * 5).then_some(jobs)
    })
    .await;
    servers.into_iter().for_each(Server::stop);

    assert!(ticks.iter().all(|job| job.requested_by == RequestedBy::Schedule && job.fence <= 1), "{ticks:#?}");
    let mut of_source: BTreeMap<_, usize> = BTreeMap::new();
    ticks.iter().for_each(|job| *of_source.entry(&job.source).or_default() += 1);
    let first = ticks.iter().map(|job| job.requested_at).min().expect("some");
    let last = ticks.iter().map(|job| job.requested_at).max().expect("some");
    let times = usize::try_from(last.timestamp() - first.timestamp()).expect("later") + 2;
    assert!(of_source.values().all(|jobs| *jobs <= times), "a tick is one job: {of_source:?} in {times} times");
    // Nobody has tried what another one did: each delivery has one run, which committed it.
    let runs = catalog.runs(&RunsQuery::default(), 1000).await.expect("reads");
    let brought: BTreeSet<_> = runs.iter().map(|run| (run.source.clone(), run.delivery.clone())).collect();
    assert_eq!((runs.len(), brought.len()), (20, 20), "{runs:#?}");
    assert!(runs.iter().all(|run| run.state == RunState::Committed && run.job.is_some()));
    company.is_in_order(&catalog).await;
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_paused_past_its_lease_commits_nothing() {
    let database = Database::create("paused");
    let company = Company::new(Some(database.url()), &[("nimbus", ONCE)]);
    let catalog = company.catalog().await;
    company.bill("nimbus", 0);
    let mut paused = company.serve(&Faults::stop(&staged(1)));
    let start = Instant::now();
    while !paused.stands_still() {
        within_bound(start, "all is staged", &[&paused]);
    }
    assert_eq!(catalog.generation().await.expect("reads"), 0);

    let other = company.serve(&Faults::default());
    let job = until("another one takes the job over", &[&other], async || {
        jobs(&catalog).await.into_iter().find(|job| job.state == JobState::Done)
    })
    .await;
    assert_eq!((job.fence, catalog.generation().await.expect("reads")), (2, 1));
    paused.signal("CONT");
    let lost = until("it finds out", &[&paused, &other], async || {
        let runs = catalog.runs_of(&job.id).await.expect("reads");
        runs.into_iter().find(|run| run.state == RunState::Failed)
    })
    .await;
    let message = lost.message.expect("says why");
    assert!(message.contains("was taken on again meanwhile") || message.contains("is done by now"), "{message}");
    assert_eq!((committed(&catalog).await.len(), catalog.generation().await.expect("reads")), (1, 1));
    // It goes on serving; what it had staged goes with the next sweep.
    paused.stop();
    other.stop();
    let again = company.command(&["collect"]).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nimbus: nothing new, 1 deliveries are here already\n");
    company.is_in_order(&catalog).await;
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_replica_that_was_killed_is_done_by_another() {
    let database = Database::create("killed");
    let company = Company::new(Some(database.url()), &[("nimbus", ONCE)]);
    let catalog = company.catalog().await;
    (0..3).for_each(|number| company.bill("nimbus", number));
    // While it brings the second of three.
    let mut killed = company.serve(&Faults::kill(&staged(2)));
    let start = Instant::now();
    while !killed.stands_still() {
        within_bound(start, "it is killed", &[&killed]);
    }
    assert_eq!(committed(&catalog).await.len(), 1);
    let other = company.serve(&Faults::default());
    let job = until("another one takes the job over", &[&other], async || {
        jobs(&catalog).await.into_iter().find(|job| job.state == JobState::Done)
    })
    .await;
    assert_eq!((job.fence, job.progress.skipped, job.progress.done), (2, 1, 2), "it goes on where the other one was");
    assert_eq!((jobs(&catalog).await.len(), committed(&catalog).await.len()), (1, 3));
    other.stop();
    let left: Vec<_> = fs::read_dir(company.path("scratch")).expect("reads").collect();
    assert!(left.is_empty(), "{left:?}");
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_stop_gives_back_what_it_has_not_done() {
    let company = Company::new(None, &[("nimbus", ONCE)]);
    let catalog = company.catalog().await;
    (0..12).for_each(|number| company.bill("nimbus", number));
    let mut server = company.serve(&Faults::stop(&staged(3)));
    let start = Instant::now();
    while !server.stands_still() {
        within_bound(start, "the third is staged", &[&server]);
    }
    server.signal("TERM");
    server.signal("CONT");
    assert_eq!(server.child.wait().expect("ends").code(), Some(0), "{}", server.log());

    let given_back = jobs(&catalog).await;
    let job = given_back.first().expect("it is known");
    assert_eq!(
        (job.state, job.holder.as_ref(), job.message.as_ref()),
        (JobState::Queued, None, None),
        "{}",
        server.log()
    );
    let brought = committed(&catalog).await.len();
    assert!((2..12).contains(&brought), "{brought}\n{}", server.log());

    // Whoever comes next goes on at once: nobody has to wait for a lease to end.
    let next = company.serve(&Faults::default());
    let done = until("the rest is collected", &[&next], async || {
        jobs(&catalog).await.into_iter().find(|job| job.state == JobState::Done)
    })
    .await;
    assert_eq!((done.id, done.fence), (job.id.clone(), 2));
    assert_eq!((done.progress.skipped, done.progress.done), (brought as u64, 12 - brought as u64));
    assert_eq!(committed(&catalog).await.len(), 12);
    next.stop();
    company.is_in_order(&catalog).await;
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_leaves_the_others_fresh() {
    let company = Company::new(None, &[("broken", ONCE), ("fine", ONCE), ("late", ONCE)]);
    let catalog = company.catalog().await;
    company.bill("fine", 0);
    company.bill("late", 0);
    fs::write(company.path("broken").join("bill.csv"), "this is\nno bill\n").expect("writes");
    let server = company.serve(&Faults::default());
    let over = until("all are over", &[&server], async || {
        let jobs = jobs(&catalog).await;
        (jobs.len() == 3 && jobs.iter().all(|job| job.state.is_over())).then_some(jobs)
    })
    .await;
    let states: BTreeMap<&str, JobState> = over.iter().map(|job| (job.source.as_str(), job.state)).collect();
    let wanted = [("broken", JobState::Failed), ("fine", JobState::Done), ("late", JobState::Done)];
    assert_eq!(states, BTreeMap::from(wanted));
    let broken = over.iter().find(|job| job.source.as_str() == "broken").expect("is there");
    let message = broken.message.as_deref().expect("says why");
    assert!(message.starts_with("1 of 1 deliveries failed; bill.csv: "), "{message}");
    let known = catalog.sources().await.expect("reads");
    let succeeded: Vec<bool> = known.iter().map(|known| known.succeeded_at.is_some()).collect();
    assert_eq!(succeeded, [false, true, true]);
    server.stop();
    catalog.close().await;
}
