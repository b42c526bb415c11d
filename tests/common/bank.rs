//! A bank that publishes exchange rates, the wrong way too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it says to whoever asks, from now on.
#[derive(Debug, Clone)]
pub enum Says {
    /// This file.
    Sheet(String),
    /// That it is away, in HTML.
    Away,
    /// A login page, as if that were the file.
    Page,
    /// The first half of a file, of which it says that it is whole.
    Half(String),
    /// The first half of a file, and then it hangs up.
    CutShort(String),
    /// Nothing.
    Reset,
}

/// It stops with the test's runtime.
pub struct Bank {
    /// The folder of its files.
    pub url: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    pub async fn open(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}/stats/eurofxref/", listener.local_addr().expect("an address"));
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(Mutex::new(Vec::new())));
        let (saying, asking) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let says = saying.lock().expect("nobody panicked").clone();
                tokio::spawn(answer(stream, says, Arc::clone(&asking)));
            }
        });
        Self { url, says, asked }
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().expect("nobody panicked") = says;
    }

    /// The paths it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

/// A file with these days, each with what a euro is worth.
pub fn sheet(days: &[(&str, &[(&str, &str)])]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gesmes:Envelope \
        xmlns:gesmes=\"http://www.gesmes.org/xml/2002-08-01\" xmlns=\"http://www.ecb.int/vocabulary/2002-08-01/eurofxref\">\n\
        \t<gesmes:subject>Reference rates</gesmes:subject>\n\t<gesmes:Sender>\n\t\t<gesmes:name>European Central \
        Bank</gesmes:name>\n\t</gesmes:Sender>\n\t<Cube>\n"
        .to_owned();
    for (day, quotes) in days {
        text.push_str(&format!("\t\t<Cube time=\"{day}\">\n"));
        for (currency, rate) in *quotes {
            text.push_str(&format!("\t\t\t<Cube currency=\"{currency}\" rate=\"{rate}\"/>\n"));
        }
        text.push_str("\t\t</Cube>\n");
    }
    text + "\t</Cube>\n</gesmes:Envelope>\n"
}

async fn answer(mut stream: TcpStream, says: Says, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    asked.lock().expect("nobody panicked").push(head.split(' ').nth(1).unwrap_or_default().to_owned());
    let whole = |status: u16, text| (status, str::len(text), text);
    let (status, length, body) = match &says {
        Says::Sheet(text) => whole(200, text),
        Says::Away => whole(503, "<html>away</html>"),
        Says::Page => whole(200, "<!DOCTYPE html><html>sign in</html>"),
        Says::Half(text) => whole(200, &text[..text.len() / 2]),
        Says::CutShort(text) => (200, text.len(), &text[..text.len() / 2]),
        Says::Reset => {
            #[expect(deprecated, reason = "a linger of zero does not block: it resets")]
            stream.set_linger(Some(Duration::ZERO)).expect("can be set");
            return;
        }
    };
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // Whoever asked may be gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}
