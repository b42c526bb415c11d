//! The server as a service manager and a load balancer meet it: signals, the log, and slow clients.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// However wrong things go, no test takes longer.
const AT_MOST: Duration = Duration::from_secs(60);

/// `outlay serve` in a folder of its own.
struct Served {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
    /// Ends the process if the test does not.
    watch: (mpsc::Sender<()>, JoinHandle<()>),
    _folder: TempDir,
}

impl Served {
    fn new(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_outlay"))
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .args(["--data", "house", "serve", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("says where");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
        let (alive, ended) = mpsc::channel();
        let id = child.id().to_string();
        let watch = std::thread::spawn(move || {
            if ended.recv_timeout(AT_MOST) == Err(mpsc::RecvTimeoutError::Timeout) {
                drop(Command::new("kill").args(["-KILL", &id]).status());
            }
        });
        Self { child, stderr, address, watch: (alive, watch), _folder: folder }
    }

    fn signal(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("is there").success());
    }

    fn ask(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n").expect("writes");
        stream
    }

    /// Asks for so much that a client who does not read it keeps the connection busy.
    fn ask_and_not_listen(&self) -> TcpStream {
        let mut stream = self.ask("/docs/swagger-ui-bundle.js", "");
        for _ in 0..20 {
            write!(stream, "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n\r\n").expect("writes");
        }
        // An answer has begun.
        stream.read_exact(&mut [0; 100]).expect("reads");
        stream
    }

    /// Until nobody is let in any more.
    fn refuses(&self) {
        while TcpStream::connect(&self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// How it ended, and what else it said.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).expect("text");
        let status = self.child.wait().expect("ends");
        let (alive, watch) = self.watch;
        drop(alive);
        watch.join().expect("ends");
        (status.code(), log)
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    text
}

#[test]
fn a_request_is_one_line_of_the_log_that_says_nothing_of_what_was_asked() {
    let served = Served::new(&[("OUTLAY_LOG__FORMAT", "json")]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let headers = format!(
        "Connection: close\r\nX-Request-Id: mine-1\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\n\
         Authorization: Bearer hidden\r\n"
    );
    let answer = rest(served.ask("/api/v1/teams/hidden/spend?filter=team%3D'hidden'", &headers));
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("x-request-id: mine-1"), "{answer}");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    assert!(body.contains(r#""request_id":"mine-1""#), "{body}");
    served.signal();
    let (code, log) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("hidden"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert_eq!(answered.len(), 1, "{log}");
    let (line, span) = (answered[0], &answered[0]["span"]);
    assert_eq!((&line["level"], &line["status"]), (&"INFO".into(), &404.into()), "{line}");
    assert_eq!(line["bytes"], body.len(), "{line}");
    assert!(line["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{line}");
    assert_eq!((&span["id"], &span["trace"]), (&"mine-1".into(), &trace.into()), "{line}");
    assert_eq!((&span["method"], &span["route"]), (&"GET".into(), &"/api/v1/teams/{team}/spend".into()), "{line}");
}

#[test]
fn a_connection_that_only_waits_does_not_hold_up_the_end() {
    let served = Served::new(&[("OUTLAY_SERVER__STOP_WITHIN_SECONDS", "3600")]);
    let mut kept = served.ask("/healthz", "");
    kept.read_exact(&mut [0; 15]).expect("an answer");
    let asking = TcpStream::connect(&served.address).expect("connects");
    served.signal();
    assert_eq!(served.ended().0, Some(0));
    assert!(rest(kept).ends_with(r#"{"status":"ok"}"#));
    drop(asking);
}

#[test]
fn a_client_who_does_not_listen_is_cut_off_in_the_end() {
    let served = Served::new(&[("OUTLAY_SERVER__STOP_WITHIN_SECONDS", "1")]);
    let stalled = served.ask_and_not_listen();
    served.signal();
    let (code, log) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("cut off"), "{log}");
    drop(stalled);
}

#[test]
fn a_second_signal_stops_at_once() {
    let served = Served::new(&[("OUTLAY_SERVER__STOP_WITHIN_SECONDS", "3600")]);
    let stalled = served.ask_and_not_listen();
    served.signal();
    served.refuses();
    served.signal();
    let (code, log) = served.ended();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("stopped at once"), "{log}");
    drop(stalled);
}
