//! Readers that never stop asking: a server and the command line, while bills are replaced under them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::house::{House, Running};
use crate::shim::Faults;

/// What is asked, as parameters of `/api/v1/spend`. The last one is answered from `charges`, the others from `daily`.
const QUESTIONS: [&[(&str, &str)]; 3] = [
    &[("period", "2026-10")],
    &[("period", "2026-10"), ("granularity", "day"), ("group_by", "service")],
    &[("period", "2026-10"), ("group_by", "resource")],
];

/// All that an answer says about money.
fn figures(answer: &str) -> Result<String, String> {
    let answer: Value = serde_json::from_str(answer).map_err(|error| format!("{error}: {answer}"))?;
    match (&answer["data"], &answer["total"]) {
        (Value::Array(rows), total) => Ok(format!("{total} {rows:?}")),
        _ => Err(format!("no answer: {answer}")),
    }
}

/// The answers to all questions, from the command line.
pub fn answers(house: &House) -> Vec<String> {
    let ask = |question: &&[(&str, &str)]| ask_command_line(house, question).expect("an answer");
    QUESTIONS.iter().map(ask).collect()
}

fn ask_command_line(house: &House, question: &[(&str, &str)]) -> Result<String, String> {
    let mut arguments = vec!["spend".to_owned(), "--format".to_owned(), "json".to_owned()];
    for (name, value) in question {
        arguments.extend([format!("--{}", name.replace('_', "-")), (*value).to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = house.run(&arguments);
    if ended.code == Some(0) { figures(&ended.out) } else { Err(format!("{}{}", ended.out, ended.err)) }
}

/// `outlay serve`, on a port of its own.
pub struct Server {
    address: String,
    _process: Running,
}

impl Server {
    pub fn over(house: &House) -> Self {
        let mut process = house.start(&Faults::default(), &["serve", "--listen", "127.0.0.1:0"]);
        let mut lines = BufReader::new(process.child().stderr.take().expect("piped"));
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            assert_ne!(lines.read_line(&mut said).expect("reads"), 0, "the server ended: {said}");
            let after = said[start..].split_once("http://").map(|(_, rest)| rest);
            if let Some(address) = after.and_then(|rest| rest.split(['/', ' ', '"']).next()) {
                break address.trim().to_owned();
            }
        };
        // What else it says has to go somewhere. The thread ends with the process.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { address, _process: process }
    }

    /// Asks for spend: the status, and the body.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(&self.address, path)
    }

    /// The total of October as the server gives it.
    pub fn total(&self) -> Result<String, String> {
        let (status, body) = self.get("/api/v1/spend?period=2026-10")?;
        if status != 200 {
            return Err(format!("{status}: {body}"));
        }
        let answer: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        Ok(answer["total"].to_string())
    }
}

fn get(address: &str, path: &str) -> Result<(u16, String), String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(crate::BOUND))?;
        // HTTP/1.0: one answer, in one piece, and the connection is closed.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("{path}: {error}"))?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| format!("{path}: no answer: {answer}"))
}

fn ask_server(address: &str, question: &[(&str, &str)]) -> Result<String, String> {
    let parameters: Vec<String> = question.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (status, body) = get(address, &format!("/api/v1/spend?{}", parameters.join("&")))?;
    if status == 200 { figures(&body) } else { Err(format!("{status}: {body}")) }
}

/// Which bill an answer is: its place among those that readers know.
pub type Bill = usize;
pub const OLD: Bill = 0;
pub const NEW: Bill = 1;
/// One that replaces the old bill as well.
pub const OTHER: Bill = 2;

/// The answers to all questions, for each bill.
pub type Bills = Vec<Vec<String>>;

#[derive(Debug, Default)]
struct Seen {
    /// The bills that were seen; the last one is the one that is.
    bills: Vec<Bill>,
    rounds: u64,
    wrong: Option<String>,
}

/// A thread that asks all the time, the server and the command line in turn, and looks at every answer.
pub struct Readers {
    stop: Arc<AtomicBool>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Readers {
    pub fn of(server: &Server, house: &Arc<House>, bills: &Bills) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<(Mutex<Seen>, Condvar)>::default());
        let (address, house, bills) = (server.address.clone(), Arc::clone(house), bills.clone());
        let (stopped, looked) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let look = |place: usize, answer: Result<String, String>| {
                look(&mut held(&looked.0), answer, bills.iter().map(|answers| &answers[place]));
            };
            // Starting a process takes longer than an answer: the command line is asked one question a round.
            for by_command_line in (0..QUESTIONS.len()).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                for (place, question) in QUESTIONS.iter().enumerate() {
                    look(place, ask_server(&address, question));
                }
                look(by_command_line, ask_command_line(&house, QUESTIONS[by_command_line]));
                held(&looked.0).rounds += 1;
                looked.1.notify_all();
            }
        });
        Self { stop, seen, thread }
    }

    /// Waits for a round of questions from its beginning to its end, and gives the bill that was seen last.
    #[track_caller]
    pub fn look(&self) -> Bill {
        let seen = held(&self.seen.0);
        // The round that is under way began before.
        let enough = seen.rounds + 2;
        let goes_on = |seen: &mut Seen| seen.rounds < enough && seen.wrong.is_none();
        let waited = self.seen.1.wait_timeout_while(seen, crate::BOUND, goes_on);
        let (seen, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert_eq!(seen.wrong, None);
        assert!(!waited.timed_out(), "readers get no answers");
        *seen.bills.last().expect("an answer")
    }

    /// Stops, and asserts that no answer was wrong.
    #[track_caller]
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("ends");
        assert_eq!(held(&self.seen.0).wrong, None);
    }
}

/// An answer is one bill whole, and no bill comes back once another has been seen.
fn look<'a>(seen: &mut Seen, answer: Result<String, String>, mut bills: impl Iterator<Item = &'a String>) {
    let wrong = match answer.as_ref().map(|answer| bills.position(|bill| bill == answer)) {
        Ok(Some(bill)) if seen.bills.last() == Some(&bill) => return,
        Ok(Some(bill)) if seen.bills.contains(&bill) => format!("bill {bill} came back: {:?}", seen.bills),
        Ok(Some(bill)) => return seen.bills.push(bill),
        Ok(None) => format!("no bill at all: {answer:?}"),
        Err(error) => error.clone(),
    };
    seen.wrong.get_or_insert(wrong);
}

fn held(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
