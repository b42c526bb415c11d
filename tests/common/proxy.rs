//! Stands between Outlay and the stand-in for a provider, hears everything, and does harm where a test says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Clone)]
pub enum Harm {
    /// It is answered with this status and body, in place of the service.
    Answer(u16, String),
    /// Its connection is reset.
    Reset,
    /// Half of the answer arrives.
    CutShort,
    /// Something is done first, then it goes on unharmed.
    Before(Arc<dyn Fn() + Send + Sync>),
}

struct Rule {
    /// What the request's first line must have.
    pieces: Vec<String>,
    harm: Harm,
    /// How often it is done; the requests after are spared.
    times: usize,
}

pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    rules: Mutex<Vec<Rule>>,
    heard: Mutex<Vec<String>>,
}

impl Proxy {
    /// Listens until the test's runtime ends.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared { upstream, rules: Mutex::default(), heard: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // Whoever asked may hang up at any time.
                tokio::spawn(async move { shared.serve(stream).await.ok() });
            }
        });
        Self { url, shared }
    }

    /// Does harm to the next requests whose first line has all the pieces, so many times.
    pub fn harm(&self, pieces: &[&str], times: usize, harm: Harm) {
        let pieces = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        self.shared.rules.lock().expect("nobody panicked").push(Rule { pieces, harm, times });
    }

    /// No more of it.
    pub fn heal(&self) {
        self.shared.rules.lock().expect("nobody panicked").clear();
    }

    /// The requests since the last time, with their heads and bodies.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.heard.lock().expect("nobody panicked"))
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(request) = read(&mut stream).await? else { return Ok(()) };
        let first = request.lines().next().unwrap_or_default().to_owned();
        self.heard.lock().expect("nobody panicked").push(request.clone());
        let harm = {
            let mut rules = self.rules.lock().expect("nobody panicked");
            let rule = rules
                .iter_mut()
                .find(|rule| rule.times > 0 && rule.pieces.iter().all(|piece| first.contains(piece.as_str())));
            rule.map(|rule| {
                rule.times -= 1;
                rule.harm.clone()
            })
        };
        let cut = matches!(harm, Some(Harm::CutShort));
        match harm {
            Some(Harm::Answer(status, body)) => {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} Harm\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                return stream.write_all(answer.as_bytes()).await;
            }
            Some(Harm::Reset) => {
                #[expect(deprecated, reason = "a linger of zero does not block: it resets")]
                return stream.set_linger(Some(Duration::ZERO));
            }
            Some(Harm::Before(act)) => tokio::task::spawn_blocking(move || act()).await.expect("is done"),
            Some(Harm::CutShort) | None => {}
        }
        let mut answer = self.ask(&request).await?;
        if cut {
            let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
            answer.truncate(body + (answer.len() - body) / 2);
        }
        stream.write_all(&answer).await?;
        stream.shutdown().await
    }

    async fn ask(&self, request: &str) -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(&self.upstream).await?;
        let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
        upstream.write_all(format!("{first}\r\nconnection: close\r\n{rest}").as_bytes()).await?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// A request with its body; none when the connection ends before.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |text| text.parse().expect("a length")) {
                return Ok(Some(text));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
