//! Connections of proxies that say whom they have them from.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_clock::{Clock, SystemClock};
use hallpass_listen::{
    ConnectionLimits, ConnectionMetrics, ConnectionPeer, HttpServer, Network, Networks,
    RunningServer,
};
use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, ServerTls, ServerTlsSettings, TestAuthority,
    TlsMetrics,
};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::rig::{rest, send};

const LINE: &str = "PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n";
const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Says whom it has a request from: once by the connection, and once by the request.
struct Said {
    server: RunningServer,
    metrics: ConnectionMetrics,
}

fn networks(of: &[&str]) -> Networks {
    let networks: Vec<Network> = of.iter().map(|it| it.parse().unwrap()).collect();
    Networks::new(networks)
}

async fn start(change: impl FnOnce(HttpServer) -> HttpServer) -> Said {
    let metrics = ConnectionMetrics::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener)
        .metrics(metrics.clone())
        .show_peers();
    let server = change(server).serve(|peer| {
        tower::service_fn(move |request: Request<Incoming>| async move {
            let shown = request.extensions().get::<ConnectionPeer>().unwrap().0;
            let said = format!("{peer} {shown}");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(said))))
        })
    });
    Said {
        server: server.unwrap(),
        metrics,
    }
}

impl Said {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.local_addr()).await.unwrap()
    }

    async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(address.parse().unwrap(), 0))
            .unwrap();
        socket.connect(self.server.local_addr()).await.unwrap()
    }

    fn faults(&self) -> Vec<String> {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let of_header = text
            .lines()
            .filter_map(|line| line.strip_prefix("connections_proxy_header_total{fault="));
        let mut faults: Vec<_> = of_header.map(str::to_owned).collect();
        faults.sort();
        faults
    }
}

#[tokio::test]
async fn a_connection_of_a_proxy_comes_from_where_its_header_says() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.0/8"]))).await;
    let mut stream = said.connect().await;
    let own = stream.local_addr().unwrap();
    send(&mut stream, &format!("{LINE}{REQUEST}")).await;
    let response = rest(&mut stream).await;
    assert!(
        response.ends_with("\r\n192.0.2.1:4660 192.0.2.1:4660"),
        "{response}"
    );

    let mut stream = said.connect().await;
    let block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\0\x50\x01\xbb";
    tokio::io::AsyncWriteExt::write_all(&mut stream, block)
        .await
        .unwrap();
    send(&mut stream, REQUEST).await;
    let response = rest(&mut stream).await;
    assert!(
        response.ends_with("\r\n192.0.2.7:80 192.0.2.7:80"),
        "{response}"
    );

    // A proxy that looks whether it is there.
    let mut stream = said.connect().await;
    let probe = stream.local_addr().unwrap();
    send(&mut stream, &format!("PROXY UNKNOWN\r\n{REQUEST}")).await;
    let response = rest(&mut stream).await;
    assert!(
        response.ends_with(&format!("\r\n{probe} {probe}")),
        "{response}"
    );
    assert_ne!(own, probe);
    assert_eq!(said.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn http_2_follows_the_header_too() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.1"]))).await;
    let mut stream = said.connect().await;
    send(&mut stream, LINE).await;
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/").body(Full::<Bytes>::default());
    let response = sender.send_request(request.unwrap()).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap();
    assert_eq!(body.to_bytes(), "192.0.2.1:4660 192.0.2.1:4660");
}

#[tokio::test]
async fn a_connection_of_a_proxy_without_a_header_is_closed_without_a_word() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.0/8"]))).await;
    for sent in [
        REQUEST,
        "PROXY TCP4 192.0.2.1 10.0.0.1 4660 443 \r\n",
        "PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
    ] {
        let mut stream = said.connect().await;
        send(&mut stream, sent).await;
        assert_eq!(rest(&mut stream).await, "", "{sent}");
    }
    drop(said.connect().await);
    while said.faults().len() < 4 || said.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    let expected = ["closed", "malformed", "missing", "too_long"];
    assert_eq!(said.faults(), expected.map(|it| format!("\"{it}\"}} 1")));
}

#[tokio::test]
async fn from_elsewhere_a_header_is_no_http_and_none_is_asked_for() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.2"]))).await;
    let mut stream = said.connect().await;
    let own = stream.local_addr().unwrap();
    send(&mut stream, REQUEST).await;
    assert!(
        rest(&mut stream)
            .await
            .ends_with(&format!("\r\n{own} {own}"))
    );
    let mut stream = said.connect().await;
    send(&mut stream, &format!("{LINE}{REQUEST}")).await;
    let response = rest(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    let mut stream = said.connect_from("127.0.0.2").await;
    send(&mut stream, &format!("{LINE}{REQUEST}")).await;
    let response = rest(&mut stream).await;
    assert!(
        response.ends_with("\r\n192.0.2.1:4660 192.0.2.1:4660"),
        "{response}"
    );
}

#[tokio::test]
async fn a_header_that_does_not_come_ends_at_its_limit_and_gives_its_place_back() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.0/8"]))).await;
    let began = Instant::now();
    let mut stream = said.connect().await;
    send(&mut stream, "PROXY TCP4 192.0.2.1").await;
    while said.metrics.open() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let closed = tokio::time::timeout(Duration::from_secs(600), rest(&mut stream)).await;
    let took = began.elapsed();
    tokio::time::resume();
    assert_eq!(closed.unwrap(), "");
    assert!(took >= Duration::from_secs(5), "{took:?}");
    while said.metrics.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(said.faults(), ["\"timeout\"} 1"]);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_header() {
    let said = start(|it| it.proxy_protocol(networks(&["127.0.0.0/8"]))).await;
    let mut stream = said.connect().await;
    send(&mut stream, "PROXY").await;
    while said.metrics.open() == 0 {
        tokio::task::yield_now().await;
    }
    let stop = said.server.shutdown_within(Duration::from_secs(3_600));
    let stopped = tokio::time::timeout(Duration::from_secs(60), stop).await;
    assert!(stopped.is_ok());
    assert_eq!(rest(&mut stream).await, "");
}

/// One that has its response and is kept.
async fn kept(said: &Said, from: &str) -> Option<TcpStream> {
    let mut stream = said.connect().await;
    let line = format!("PROXY TCP6 {from} ::1 1 2\r\n");
    send(
        &mut stream,
        &format!("{line}GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    )
    .await;
    stream.readable().await.unwrap();
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await;
    read.is_ok_and(|count| count > 0).then_some(stream)
}

#[tokio::test]
async fn behind_a_proxy_each_source_has_a_share_of_the_places_and_the_proxy_none() {
    let limits = ConnectionLimits {
        connections_per_address: 2,
        ..ConnectionLimits::default()
    };
    let proxies = networks(&["127.0.0.0/8"]);
    let said = start(|it| it.limits(limits).proxy_protocol(proxies)).await;
    let first = kept(&said, "2001:db8::1").await;
    let second = kept(&said, "2001:db8::2").await;
    assert!(first.is_some() && second.is_some());
    assert!(
        kept(&said, "2001:db8::3").await.is_none(),
        "the same network"
    );
    assert_eq!(said.metrics.over_share(), 1);
    let mut others = Vec::new();
    for number in 1..10 {
        others.push(kept(&said, &format!("2001:db8:{number}::1")).await.unwrap());
    }
    drop(first);
    while said.metrics.open() > 10 {
        tokio::task::yield_now().await;
    }
    assert!(kept(&said, "2001:db8::3").await.is_some());
}

#[tokio::test]
async fn a_forwarder_has_all_the_places_and_others_their_share() {
    let limits = ConnectionLimits {
        connections_per_address: 1,
        ..ConnectionLimits::default()
    };
    let forwarders = networks(&["127.0.0.2"]);
    let said = start(|it| it.limits(limits).without_share(forwarders)).await;
    let mut streams = Vec::new();
    for address in ["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"] {
        let mut stream = said.connect_from(address).await;
        send(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        stream.readable().await.unwrap();
        streams.push(stream);
    }
    assert_eq!((said.metrics.open(), said.metrics.over_share()), (4, 0));
    let mut stream = said.connect().await;
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(said.metrics.over_share(), 1);
}

#[tokio::test]
async fn tls_begins_behind_the_header_and_nothing_in_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Test CA");
    let ca_file = folder.path().join("ca.crt");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let settings = ServerTlsSettings {
        key_pair: authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), "server"),
        client_auth: ClientAuth::None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = TlsMetrics::default();
    let tls = ServerTls::load(&settings, Arc::clone(&clock), &metrics).unwrap();
    let said = start(|it| it.tls(tls).proxy_protocol(networks(&["127.0.0.0/8"]))).await;
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(ca_file),
        key_pair: None,
    };
    let caller = ClientTls::load(&settings, clock, &metrics).unwrap();
    let connector = tokio_rustls::TlsConnector::from(caller.config());
    let name = || rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();

    let mut stream = said.connect().await;
    send(&mut stream, LINE).await;
    let mut stream = connector.connect(name(), stream).await.unwrap();
    let written = tokio::io::AsyncWriteExt::write_all(&mut stream, REQUEST.as_bytes());
    written.await.unwrap();
    let mut response = String::new();
    let _unclean = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut response).await;
    assert!(
        response.ends_with("\r\n192.0.2.1:4660 192.0.2.1:4660"),
        "{response}"
    );

    let bare = connector.connect(name(), said.connect().await).await;
    assert!(bare.is_err(), "a handshake is no header");
}
