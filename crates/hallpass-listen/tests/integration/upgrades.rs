//! Connections that HTTP has left: they keep their place and their limits, and end with the server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{
    ConnectionHandle, ConnectionLimits, ConnectionMetrics, Drain, HttpServer, RunningServer,
};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::rig::{rest, send};

const LIMIT: Duration = Duration::from_secs(20);
const ASKS: &str = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

struct Rig {
    server: RunningServer,
    metrics: ConnectionMetrics,
    /// Of the last request that asked for an upgrade.
    handle: Arc<Mutex<Option<ConnectionHandle>>>,
    /// A permit for each upgraded connection whose task has ended.
    ended: Arc<Semaphore>,
}

async fn start(write_timeout: Duration) -> Rig {
    let metrics = ConnectionMetrics::default();
    let handle: Arc<Mutex<Option<ConnectionHandle>>> = Arc::default();
    let ended = Arc::new(Semaphore::new(0));
    let shared = (Arc::clone(&handle), Arc::clone(&ended));
    let server = HttpServer::new(TcpListener::bind("127.0.0.1:0").await.unwrap())
        .limits(ConnectionLimits {
            write_timeout,
            ..ConnectionLimits::default()
        })
        .metrics(metrics.clone())
        .serve(move |_peer| {
            let shared = shared.clone();
            tower::service_fn(move |request: Request<Incoming>| {
                let (handle, ended) = shared.clone();
                async move {
                    let own = request.extensions().get::<ConnectionHandle>().cloned();
                    handle.lock().unwrap().clone_from(&own);
                    if own.is_some() {
                        tokio::spawn(async move {
                            work(request, own).await;
                            ended.add_permits(1);
                        });
                    }
                    let mut response = Response::new(Empty::<Bytes>::new());
                    if handle.lock().unwrap().is_some() {
                        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                        let headers = response.headers_mut();
                        headers.insert("connection", "upgrade".parse().unwrap());
                        headers.insert("upgrade", "echo".parse().unwrap());
                    }
                    Ok::<_, Infallible>(response)
                }
            })
        })
        .unwrap();
    Rig {
        server,
        metrics,
        handle,
        ended,
    }
}

/// `/echo` gives back what comes, `/floods` writes and does not read, `/polite` ends when the server is to stop.
async fn work(request: Request<Incoming>, own: Option<ConnectionHandle>) {
    let path = request.uri().path().to_owned();
    let mut upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    match path.as_str() {
        "/floods" => while upgraded.write_all(&[0; 65_536]).await.is_ok() {},
        "/polite" => own.unwrap().stopping().await,
        _ => {
            let mut buffer = [0; 1_024];
            while let Ok(read @ 1..) = upgraded.read(&mut buffer).await {
                if upgraded.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        }
    }
}

impl Rig {
    async fn upgraded(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        send(&mut stream, request).await;
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(stream.read_u8().await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101"));
        stream
    }

    async fn echoes(&self) -> TcpStream {
        let mut stream = self.upgraded(ASKS).await;
        send(&mut stream, "hello").await;
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
        stream
    }

    async fn has_ended(&self) {
        let ended = timeout(LIMIT, self.ended.acquire()).await;
        ended.unwrap().unwrap().forget();
    }
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place_until_it_is_gone() {
    let rig = start(LIMIT).await;
    let stream = rig.echoes().await;
    // Longer than it takes the connection's task to see that HTTP has ended.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.metrics.open(), 1);
    drop(stream);
    rig.has_ended().await;
    while rig.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn its_handle_ends_it() {
    let rig = start(LIMIT).await;
    let mut stream = rig.echoes().await;
    let handle = rig.handle.lock().unwrap().clone().unwrap();
    assert!(!handle.has_ended());
    handle.end();
    rig.has_ended().await;
    assert_eq!(timeout(LIMIT, rest(&mut stream)).await.unwrap(), "");
}

#[tokio::test]
async fn its_handle_ends_it_while_it_waits_to_write() {
    let rig = start(LIMIT).await;
    let stream = rig.upgraded(&ASKS.replace("/echo", "/floods")).await;
    // Until nothing fits any more.
    tokio::time::sleep(Duration::from_millis(200)).await;
    rig.handle.lock().unwrap().clone().unwrap().end();
    rig.has_ended().await;
    drop(stream);
}

#[tokio::test]
async fn it_ends_with_the_server() {
    let rig = start(LIMIT).await;
    let mut stream = rig.echoes().await;
    rig.server.abort();
    let ended = timeout(LIMIT, rig.ended.acquire()).await;
    ended.unwrap().unwrap().forget();
    assert_eq!(timeout(LIMIT, rest(&mut stream)).await.unwrap(), "");
}

#[tokio::test]
async fn it_is_cut_off_at_the_limit_of_a_stop() {
    let rig = start(LIMIT).await;
    let mut stream = rig.echoes().await;
    let drain = rig.server.shutdown_within(Duration::from_millis(200)).await;
    assert_eq!((drain, rig.metrics.open()), (Drain::CutOff, 0));
    assert_eq!(timeout(LIMIT, rest(&mut stream)).await.unwrap(), "");
}

#[tokio::test]
async fn who_serves_it_may_end_it_when_the_server_stops() {
    let rig = start(LIMIT).await;
    let _stream = rig.upgraded(&ASKS.replace("/echo", "/polite")).await;
    assert_eq!(rig.server.shutdown_within(LIMIT).await, Drain::Complete);
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_it() {
    let rig = start(Duration::from_millis(100)).await;
    let _stream = rig.upgraded(&ASKS.replace("/echo", "/floods")).await;
    rig.has_ended().await;
    assert_eq!(rig.metrics.stalled(), 1);
}

#[tokio::test]
async fn a_request_that_asks_for_no_upgrade_has_no_handle() {
    let rig = start(LIMIT).await;
    let mut stream = TcpStream::connect(rig.server.local_addr()).await.unwrap();
    send(
        &mut stream,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(rig.handle.lock().unwrap().is_none());
}
