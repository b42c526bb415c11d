//! The wire to a server, in our hands: it can be cut, mended, and made to lose an answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub struct Wire {
    server: SocketAddr,
    here: SocketAddr,
    loses: Arc<AtomicBool>,
    /// What listens and carries. Dropping it is cutting the wire.
    carriers: Mutex<Option<JoinSet<()>>>,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let wire = Self {
            server,
            here: SocketAddr::from(([127, 0, 0, 1], 0)),
            loses: Arc::default(),
            carriers: Mutex::default(),
        };
        let here = wire.listen().await;
        Self { here, ..wire }
    }

    /// Where clients find this end of it.
    pub fn address(&self) -> SocketAddr {
        self.here
    }

    /// From here on nobody answers, and who was connected no longer is.
    pub async fn cut(&self) {
        let carriers = self.carriers.lock().expect("no panic").take();
        if let Some(mut carriers) = carriers {
            carriers.shutdown().await;
        }
    }

    pub async fn mend(&self) {
        self.listen().await;
    }

    /// Delivers the next COMMIT, and loses the connection with the answer to it.
    pub fn lose_the_next_answer(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind(self.here).await.expect("a port");
        let here = listener.local_addr().expect("an address");
        let (server, loses) = (self.server, Arc::clone(&self.loses));
        let mut carriers = JoinSet::new();
        carriers.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, Arc::clone(&loses)));
            }
        });
        *self.carriers.lock().expect("no panic") = Some(carriers);
        here
    }
}

/// Carries bytes both ways until either end closes.
async fn carry(mut client: TcpStream, server: SocketAddr, loses: Arc<AtomicBool>) {
    let mut server = TcpStream::connect(server).await.expect("the server is there");
    let (mut asked, mut answered) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Some(asked) = read.ok().and_then(|n| asked.get(..n)).filter(|asked| !asked.is_empty()) else { return };
                let lost = asked.windows(7).any(|bytes| bytes == b"COMMIT\0") && loses.swap(false, Ordering::SeqCst);
                if server.write_all(asked).await.is_err() {
                    return;
                }
                if lost {
                    // The server has done it by the time it answers.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Some(answer) = read.ok().and_then(|n| answered.get(..n)).filter(|bytes| !bytes.is_empty()) else { return };
                if client.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}
