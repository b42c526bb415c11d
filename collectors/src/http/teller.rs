//! A provider that says, in order, what a test tells it to, the wrong way too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it says to one request.
#[derive(Debug, Clone)]
pub(crate) enum Tale {
    /// An answer: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// An answer that says it is longer than it is.
    CutShort(String),
    /// Nothing: the connection is reset.
    Reset,
    /// Nothing, for a while.
    Silence(Duration),
}

impl Tale {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer(200, Vec::new(), body.to_owned())
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.to_owned())
    }
}

/// It stops with the test's runtime.
pub(crate) struct Teller {
    /// Where it listens, such as `http://127.0.0.1:1234`.
    pub url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Teller {
    /// Tells each tale once, then the last one for ever.
    pub(crate) async fn start(tales: Vec<Tale>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (tales, all) = (Arc::new(tales), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tales, heard) = (Arc::clone(&tales), Arc::clone(&all));
                tokio::spawn(async move { tell(stream, &tales, &heard).await });
            }
        });
        Self { url, heard }
    }

    /// The requests that came, with heads and bodies.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

async fn tell(mut stream: TcpStream, tales: &[Tale], heard: &Mutex<Vec<String>>) {
    let Some(request) = hear(&mut stream).await else { return };
    let number = {
        let mut heard = heard.lock().expect("nobody panicked");
        heard.push(request);
        heard.len() - 1
    };
    let (head, body) = match tales.get(number).or(tales.last()).expect("there is one") {
        Tale::Answer(status, headers, body) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            (format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"), body)
        }
        Tale::CutShort(body) => {
            let length = body.len() + 7;
            (format!("HTTP/1.1 200 Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"), body)
        }
        Tale::Reset => {
            #[expect(deprecated, reason = "a linger of zero does not block: it resets")]
            stream.set_linger(Some(Duration::ZERO)).expect("can be set");
            return;
        }
        Tale::Silence(time) => {
            tokio::time::sleep(*time).await;
            return;
        }
    };
    // Whoever asked may be gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A request with its body; none when the connection ends before.
async fn hear(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |text| text.parse().expect("a length")) {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
