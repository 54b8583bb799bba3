//! Requests whose end could be read in two ways, as bytes on a connection: none reaches a service, and what stands behind one neither.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{ConnectionMetrics, HttpServer, RunningServer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::rig::{rest, send};

const LIMIT: Duration = Duration::from_secs(20);
const GOOD: &str = "POST /good HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab";
const CHUNKED: &str =
    "POST /chunked HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
const BEHIND: &str = "GET /behind HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const UPGRADES: &str =
    "GET /up HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

struct Rig {
    server: RunningServer,
    metrics: ConnectionMetrics,
    /// Paths that the service was called for.
    called: Arc<Mutex<Vec<String>>>,
}

/// A service that reads each body, and echoes on `/up` behind HTTP.
async fn start(is_strict: bool) -> Rig {
    let metrics = ConnectionMetrics::default();
    let called: Arc<Mutex<Vec<String>>> = Arc::default();
    let calls = Arc::clone(&called);
    let mut server = HttpServer::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    if is_strict {
        server = server.strict_lines();
    }
    let server = server.metrics(metrics.clone()).serve(move |_peer| {
        let calls = Arc::clone(&calls);
        tower::service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path().to_owned();
            let goes_up = path == "/up";
            calls.lock().unwrap().push(path);
            async move {
                let mut response = Response::new(Empty::<Bytes>::new());
                if goes_up {
                    tokio::spawn(echo(request));
                    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                    let headers = response.headers_mut();
                    headers.insert("connection", "upgrade".parse().unwrap());
                    headers.insert("upgrade", "echo".parse().unwrap());
                } else {
                    let _body = request.into_body().collect().await;
                }
                Ok::<_, Infallible>(response)
            }
        })
    });
    Rig {
        server: server.unwrap(),
        metrics,
        called,
    }
}

async fn echo(request: Request<Incoming>) {
    let mut upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    let mut buffer = [0; 1_024];
    while let Ok(read @ 1..) = upgraded.read(&mut buffer).await {
        upgraded.write_all(&buffer[..read]).await.unwrap();
    }
}

impl Rig {
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The status codes of all responses until the server closes, and the paths that its service was called for.
    async fn said(&self, parts: &[&str]) -> (Vec<u16>, Vec<String>) {
        self.called.lock().unwrap().clear();
        let mut stream = self.connect().await;
        for part in parts {
            // The server may have closed already.
            let _closed = stream.write_all(part.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        let received = timeout(LIMIT, rest(&mut stream)).await.unwrap();
        let status = |response: &str| response[..3].parse().unwrap();
        let statuses = received.split("HTTP/1.1 ").skip(1).map(status).collect();
        (statuses, self.called.lock().unwrap().clone())
    }

    fn counted(&self) -> String {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }
}

/// Fields of a head, and what its sender is answered.
const BAD: [(&str, u16); 11] = [
    ("content-length: 5\r\ntransfer-encoding: chunked", 400),
    ("transfer-encoding: chunked\r\ncontent-length: 5", 400),
    ("Transfer-Encoding: chunked\r\nCONTENT-LENGTH:5", 400),
    ("content-length: 5\r\ncontent-length: 5", 400),
    ("content-length: 5\r\ncontent-length: 6", 400),
    ("content-length: 5, 5", 400),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        400,
    ),
    ("transfer-encoding: gzip\r\ntransfer-encoding: chunked", 400),
    ("transfer-encoding: gzip, chunked", 501),
    ("transfer-encoding: chunked, chunked", 501),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        400,
    ),
];

fn bad(fields: &str) -> String {
    format!("POST /bad HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\n0\r\n\r\n")
}

#[tokio::test]
async fn a_request_whose_end_could_be_read_in_two_ways_reaches_no_service_and_its_connection_ends()
{
    let rig = start(false).await;
    for (fields, status) in BAD {
        let all = bad(fields) + BEHIND;
        assert_eq!(rig.said(&[&all]).await, (vec![status], vec![]), "{fields}");
    }
}

#[tokio::test]
async fn what_came_before_it_on_the_connection_is_served_and_what_stands_behind_it_is_not() {
    let rig = start(false).await;
    for (fields, status) in BAD {
        let all = [GOOD, CHUNKED, GOOD, &bad(fields), BEHIND].concat();
        let (statuses, called) = rig.said(&[&all]).await;
        assert_eq!(statuses, [200, 200, 200, status], "{fields}");
        assert_eq!(called, ["/good", "/chunked", "/good"], "{fields}");
    }
}

#[tokio::test]
async fn it_is_refused_wherever_its_bytes_are_split() {
    let rig = start(false).await;
    for (fields, status) in [BAD[0], BAD[3], BAD[8]] {
        let all = [CHUNKED, &bad(fields), BEHIND].concat();
        for at in 0..all.len() {
            let (statuses, called) = rig.said(&[&all[..at], &all[at..]]).await;
            assert_eq!(statuses, [200, status], "{fields} at {at}");
            assert_eq!(called, ["/chunked"], "{fields} at {at}");
        }
    }
}

#[tokio::test]
async fn many_requests_on_a_connection_are_all_served_and_all_counted() {
    let rig = start(true).await;
    let mut all = [CHUNKED, GOOD, "\r\n", CHUNKED].concat().repeat(200);
    all.push_str(&bad(BAD[0].0));
    let parts: Vec<&str> = (0..all.len())
        .step_by(997)
        .map(|at| &all[at..all.len().min(at + 997)])
        .collect();
    let (statuses, called) = rig.said(&parts).await;
    assert_eq!(called.len(), 600);
    assert_eq!(statuses.len(), 601);
    assert_eq!(statuses.last(), Some(&400));
}

#[tokio::test]
async fn a_body_that_others_end_elsewhere_is_the_last_of_its_connection() {
    let rig = start(false).await;
    let head = "POST /first HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    // hyper reads on behind the bare LF, to the end of the line.
    let all = [head, "0\r\nx: y\n\r\n\r\n", BEHIND].concat();
    let (statuses, called) = rig.said(&[&all]).await;
    assert_eq!(
        (statuses, called),
        (vec![200, 400], vec!["/first".to_owned()])
    );
}

#[tokio::test]
async fn a_bare_lf_is_refused_where_lines_are_strict_and_read_elsewhere() {
    let text = "GET /lf HTTP/1.1\nhost: x\nconnection: close\n\n";
    let rig = start(false).await;
    assert_eq!(rig.said(&[text]).await, (vec![200], vec!["/lf".to_owned()]));
    let rig = start(true).await;
    assert_eq!(rig.said(&[text]).await, (vec![400], vec![]));
}

#[tokio::test]
async fn what_goes_over_an_upgraded_connection_is_nobodys_request() {
    let rig = start(true).await;
    let mut stream = rig.connect().await;
    send(&mut stream, UPGRADES).await;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(stream.read_u8().await.unwrap());
    }
    assert!(response.starts_with(b"HTTP/1.1 101"));
    for (fields, _status) in BAD {
        let sent = bad(fields);
        send(&mut stream, &sent).await;
        let mut echoed = vec![0; sent.len()];
        let read = timeout(LIMIT, stream.read_exact(&mut echoed)).await;
        read.unwrap().unwrap();
        assert_eq!(echoed, sent.as_bytes());
    }
    assert_eq!(rig.metrics.framing_refused(), 0);
    assert_eq!(*rig.called.lock().unwrap(), ["/up"]);
}

#[tokio::test]
async fn each_fault_is_counted_under_its_name() {
    let rig = start(true).await;
    let trailer = [CHUNKED.trim_end(), "\r\nx: y\n\r\n\r\n", BEHIND].concat();
    for text in [
        bad("content-length: 5\r\ncontent-length: 5").as_str(),
        &bad("transfer-encoding: gzip, chunked"),
        &trailer,
        "GET / HTTP/1.1\nhost: x\n\n",
    ] {
        rig.said(&[text]).await;
    }
    assert_eq!(rig.metrics.framing_refused(), 4);
    let text = rig.counted();
    for (fault, count) in [("lengths", 1), ("coding", 1), ("lines", 2), ("unclear", 0)] {
        let line = format!("connections_framing_total{{fault=\"{fault}\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}
