use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use futures_util::stream::{StreamExt, poll_fn};
use hallpass_resource::TokenEnd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than two looks at a stream.
const TWO_LOOKS: Duration = Duration::from_millis(700);

/// A service that streams what the test gives it.
#[derive(Clone)]
pub(crate) struct Taps {
    sender: mpsc::UnboundedSender<String>,
    receiver: Arc<Mutex<Option<mpsc::UnboundedReceiver<String>>>>,
    /// Whether uploads came whole.
    pub(crate) uploads: Arc<Mutex<Vec<bool>>>,
}

impl Taps {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: Arc::new(Mutex::new(Some(receiver))),
            uploads: Arc::default(),
        }
    }

    /// The next piece of the stream of `/events`.
    pub(crate) fn send(&self, event: &str) {
        self.sender.send(format!("data: {event}\n\n")).unwrap();
    }

    /// Whether anybody still reads it.
    pub(crate) fn is_read(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) fn routes(&self) -> Router {
        let receiver = Arc::clone(&self.receiver);
        let events = move || async move {
            let mut receiver = receiver.lock().unwrap().take().unwrap();
            let stream = poll_fn(move |cx| {
                receiver
                    .poll_recv(cx)
                    .map(|it| it.map(Ok::<_, std::io::Error>))
            });
            (
                [("content-type", "text/event-stream")],
                Body::from_stream(stream),
            )
        };
        // As much as anybody takes, and always there at once.
        let download = || async {
            let piece = Bytes::from(vec![b'a'; 16 * 1024]);
            let stream =
                poll_fn(move |_| Poll::Ready(Some(Ok::<_, std::io::Error>(piece.clone()))));
            (
                [("content-length", "1000000000000")],
                Body::from_stream(stream),
            )
        };
        let uploads = Arc::clone(&self.uploads);
        let upload = move |body: Result<Bytes, BytesRejection>| async move {
            uploads.lock().unwrap().push(body.is_ok());
            body.map_or(StatusCode::BAD_REQUEST, |_| StatusCode::OK)
        };
        // It keeps what has come and says so, however the upload ends.
        let keep = |body: Body| async move {
            let mut pieces = body.into_data_stream();
            let mut kept = 0;
            while let Some(Ok(piece)) = pieces.next().await {
                kept += piece.len();
            }
            format!("kept {kept} bytes")
        };
        let echo = |end: TokenEnd, upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(async move |socket| {
                let _ended = end.until(echo_all(socket)).await;
            })
        };
        // Its author has never heard of the end of tokens.
        let deaf = |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(async |it| echo_all(it).await)
        };
        Router::new()
            .route("/deaf", any(deaf))
            .route("/events", get(events))
            .route("/download", get(download))
            .route("/upload", post(upload))
            .route("/keep", post(keep))
            .route("/echo", any(echo))
    }
}

async fn echo_all(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A raw connection, and all that has come over it.
pub(crate) struct Connection {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, line: &str, token: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("{line} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self {
            stream,
            seen: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// One short text in a frame of a client (RFC 6455 section 5.3), whose mask changes nothing.
    pub(crate) async fn send_frame(&mut self, text: &str) {
        let length = 0x80 | u8::try_from(text.len()).unwrap();
        let frame = [&[0x81, length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.send(&frame).await;
    }

    /// Reads until this has come.
    pub(crate) async fn read_until(&mut self, wanted: &str) {
        while !self.text().contains(wanted) {
            assert!(self.read_more(PATIENCE).await, "{}", self.text());
        }
    }

    /// Reads to the end: all that has come.
    pub(crate) async fn read_to_end(&mut self) -> String {
        while self.read_more(PATIENCE).await {
            // What is endless need not be kept.
            if self.seen.len() > 1 << 20 {
                self.seen.truncate(1 << 16);
            }
        }
        self.text()
    }

    /// Whether it stays open for as long as it takes to look at it twice.
    pub(crate) async fn stays_open(&mut self) -> bool {
        let mut byte = [0];
        timeout(TWO_LOOKS, self.stream.read(&mut byte))
            .await
            .is_err()
    }

    async fn read_more(&mut self, patience: Duration) -> bool {
        let mut piece = vec![0; 64 * 1024];
        let read = timeout(patience, self.stream.read(&mut piece))
            .await
            .unwrap();
        let read = read.unwrap_or(0);
        self.seen.extend_from_slice(&piece[..read]);
        read > 0
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
