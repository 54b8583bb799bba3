//! A server with one slow path, which responds when the test allows it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{ConnectionLimits, ConnectionMetrics, HttpServer, RunningServer};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{Either, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// More than the buffers of two sockets take.
pub(crate) const LARGE: usize = 32 * 1024 * 1024;
/// How long `/blocks` keeps its thread.
const BLOCKS: Duration = Duration::from_millis(300);

pub(crate) struct Rig {
    pub(crate) server: RunningServer,
    pub(crate) metrics: ConnectionMetrics,
    /// A permit for each request to `/slow` that has come in.
    pub(crate) arrived: Arc<Semaphore>,
    /// Lets that many requests to `/slow` go on.
    pub(crate) go: Arc<Semaphore>,
}

pub(crate) async fn start(limits: ConnectionLimits) -> Rig {
    let metrics = ConnectionMetrics::default();
    let (arrived, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&arrived), Arc::clone(&go));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener)
        .limits(limits)
        .metrics(metrics.clone())
        .serve(move |_peer| {
            let gates = gates.clone();
            tower::service_fn(move |request: http::Request<_>| {
                let (arrived, go) = gates.clone();
                async move {
                    if request.uri().path() == "/slow" {
                        arrived.add_permits(1);
                        go.acquire().await.unwrap().forget();
                    }
                    if request.uri().path() == "/blocks" {
                        arrived.add_permits(1);
                        let (_held, never) = std::sync::mpsc::channel::<()>();
                        let _late = never.recv_timeout(BLOCKS);
                    }
                    assert_ne!(request.uri().path(), "/panics");
                    let body = match request.uri().path() {
                        "/large" => Bytes::from(vec![b'x'; LARGE]),
                        "/endless" => {
                            return Ok::<_, Infallible>(Response::new(Either::Right(Endless)));
                        }
                        _ => Bytes::from_static(b"fine"),
                    };
                    Ok(Response::new(Either::Left(Full::new(body))))
                }
            })
        })
        .unwrap();
    Rig {
        server,
        metrics,
        arrived,
        go,
    }
}

/// A body that has always more.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

impl Rig {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_addr()).await.unwrap()
    }

    /// A connection with a request on it that is being worked on.
    pub(crate) async fn in_flight(&self) -> TcpStream {
        let mut stream = self.connect().await;
        send(&mut stream, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        self.arrived.acquire().await.unwrap().forget();
        stream
    }

    /// A connection whose response is large, and which never reads.
    pub(crate) async fn unread(&self) -> TcpStream {
        let mut stream = self.connect().await;
        send(&mut stream, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        // The response has begun when there is something to read.
        stream.readable().await.unwrap();
        stream
    }

    /// A connection that has had one request answered and is kept for the next.
    pub(crate) async fn idle(&self) -> TcpStream {
        let mut stream = self.connect().await;
        send(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut response = Vec::new();
        while !response.ends_with(b"fine") {
            assert!(stream.read_buf(&mut response).await.unwrap() > 0);
        }
        stream
    }
}

pub(crate) async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// What comes until the server closes; a reset counts as a close.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while stream
        .read_buf(&mut received)
        .await
        .is_ok_and(|read| read > 0)
    {}
    String::from_utf8(received).unwrap()
}
