//! Connections: so many at once, none that only sits there, and a bounded end.
//!
//! axum's own server has no say in how long a client may take to ask or to listen, and waits for every connection when
//! it stops.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::patient::Patient;

/// Connections at once. More wait in the system's queue.
const CONNECTIONS: usize = 1024;
/// How long a client may take to ask, and how long a connection is kept for its next request.
const ASK_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const LISTEN_WITHIN: Duration = Duration::from_secs(60);
/// What is read of a request before its head must be complete; the API refuses smaller heads with a better text.
const MAX_HEAD: usize = 128 * 1024;
/// How long to wait when a connection cannot be accepted, because there are too many open files, say.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Answers on `listener` until `asked` comes back; then takes no more connections, lets requests under way end, and
/// cuts off what is left `stop_within` later.
pub(super) async fn answer(
    listener: TcpListener,
    router: Router,
    asked: impl Future<Output = ()>,
    stop_within: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut asked = pin!(asked);
    loop {
        tokio::select! {
            () = &mut asked => break,
            Ok((stream, place)) = accept(&listener, &places) => {
                connections.spawn(converse(stream, router.clone(), stop.subscribe(), place));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(stop_within, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still busy and are cut off");
        connections.shutdown().await;
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Result<(TcpStream, OwnedSemaphorePermit), Infallible> {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => return Ok((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Answers one connection's requests, until it ends or, asked to stop, its present request does.
async fn converse(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>, _place: OwnedSemaphorePermit) {
    // Answers are written whole, so there is nothing to wait for; where it cannot be set nothing is lost.
    drop(stream.set_nodelay(true));
    let stream = TokioIo::new(Patient::new(stream, LISTEN_WITHIN));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(ASK_WITHIN).max_buf_size(MAX_HEAD);
    let mut connection = pin!(server.serve_connection(stream, TowerToHyperService::new(router)));
    let asked = async { drop(stop.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asked => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client went away, asked too slowly, or does not speak HTTP: nothing of ours.
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::{Notify, oneshot};
    use tokio::task::JoinHandle;

    use super::*;

    /// A server whose `/slow` is answered when it is told.
    struct Served {
        address: SocketAddr,
        entered: Arc<Notify>,
        release: Arc<Notify>,
        stop: oneshot::Sender<()>,
        ended: JoinHandle<()>,
    }

    impl Served {
        async fn new(stop_within: Duration) -> Self {
            let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (inside, told) = (Arc::clone(&entered), Arc::clone(&release));
            let slow = async move || {
                inside.notify_one();
                told.notified().await;
                "at last"
            };
            let router = Router::new().route("/slow", get(slow)).route("/", get(async || "here"));
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (stop, asked) = oneshot::channel();
            let ended = tokio::spawn(answer(listener, router, async { drop(asked.await) }, stop_within));
            Self { address, entered, release, stop, ended }
        }

        async fn ask(&self, path: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.expect("connects");
            let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("writes");
            stream
        }
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("reads");
        text
    }

    #[tokio::test]
    async fn what_is_under_way_is_finished_and_nothing_else_taken() {
        let served = Served::new(Duration::from_secs(60)).await;
        let mut kept = served.ask("/").await;
        let mut first = [0; 15];
        kept.read_exact(&mut first).await.expect("an answer; the connection is kept");
        let slow = served.ask("/slow").await;
        served.entered.notified().await;

        served.stop.send(()).expect("is listened for");
        assert!(rest(kept).await.ends_with("here"), "a connection that only waits is closed");
        assert!(TcpStream::connect(served.address).await.is_err(), "nobody is let in any more");
        served.release.notify_one();
        let answer = rest(slow).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("at last"), "{answer}");
        served.ended.await.expect("ends");
    }

    #[tokio::test]
    async fn what_does_not_end_is_cut_off() {
        let served = Served::new(Duration::from_millis(1)).await;
        let slow = served.ask("/slow").await;
        served.entered.notified().await;
        served.stop.send(()).expect("is listened for");
        served.ended.await.expect("ends");
        assert_eq!(rest(slow).await, "");
    }
}
