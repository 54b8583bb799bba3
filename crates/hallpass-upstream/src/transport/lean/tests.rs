mod endings;
mod handover;
mod reuse;
mod runtimes;
mod sharing;
mod uploads;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use crate::body::{Body, BoxError};
use crate::transport::{HttpTransport, TransportError, TransportErrorKind};

/// Long enough for whatever does not have to wait for anything.
const SOON: Duration = Duration::from_secs(10);

/// Counts connections, and does with each what it was told.
pub(super) struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// `serve` gets the number of the connection, from 0, and the connection.
    pub(super) async fn start<F>(serve: impl Fn(usize, Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(number, Peer::new(stream)));
            }
        });
        Self { port, connections }
    }

    /// Answers each request on a connection with the same bytes.
    pub(super) async fn that_says(response: &'static str) -> Self {
        Self::start(move |_, mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(response).await;
            }
        })
        .await
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn get(&self, path: &str) -> Request<Body> {
        Request::get(self.uri(path)).body(Body::empty()).unwrap()
    }

    pub(super) fn post(&self, body: impl Into<Body>) -> Request<Body> {
        Request::post(self.uri("/")).body(body.into()).unwrap()
    }
}

/// The client's end of a connection, as the server sees it.
pub(super) struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let read = Vec::new();
        Self { stream, read }
    }

    /// The first line and the headers of the next request, in lower case; `None` when the client has closed. Its body is read if it says its
    /// length.
    pub(super) async fn request(&mut self) -> Option<String> {
        let head = self.head().await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.more().await?;
        }
        self.read.drain(..length);
        Some(head)
    }

    /// The same, and its body is left where it is.
    pub(super) async fn head(&mut self) -> Option<String> {
        loop {
            let end = self.read.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap().to_lowercase());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await;
        read.is_ok_and(|read| read > 0).then_some(())
    }

    /// Until the bytes that were read end with these.
    pub(super) async fn read_to(&mut self, end: &str) {
        while !self.read.ends_with(end.as_bytes()) {
            self.more().await.unwrap();
        }
        self.read.clear();
    }

    pub(super) async fn say(&mut self, bytes: &str) {
        // The client may be gone.
        let _written = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Until the client has closed; what it sends is thrown away.
    pub(super) async fn until_closed(&mut self) {
        while self.more().await.is_some() {
            self.read.clear();
        }
    }
}

pub(super) async fn call(
    transport: &HttpTransport,
    request: Request<Body>,
) -> Result<Response<Body>, TransportError> {
    let called = transport.clone().call(request);
    tokio::time::timeout(SOON, called).await.unwrap()
}

/// Status and body.
pub(super) async fn ask(
    transport: &HttpTransport,
    request: Request<Body>,
) -> Result<(u16, String), TransportErrorKind> {
    let response = call(transport, request).await;
    let response = response.map_err(|error| error.kind())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(1 << 20).await.unwrap();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

pub(super) fn ok(body: &str) -> Result<(u16, String), TransportErrorKind> {
    Ok((200, body.to_owned()))
}

/// A signal that comes once for each that is waited for.
#[derive(Clone, Default)]
pub(super) struct Signal(Arc<tokio::sync::Notify>);

impl Signal {
    pub(super) fn give(&self) {
        self.0.notify_one();
    }

    pub(super) async fn wait(&self) {
        let waited = tokio::time::timeout(SOON, self.0.notified()).await;
        waited.unwrap();
    }
}

pub(super) type Log = Arc<Mutex<Vec<String>>>;
