//! Hosts that are no services: what passes by, and tunnels.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::raw::Raw;
use crate::rig::{Rig, bearer, issuer, say, say_bytes};

async fn rig(stock: SocketAddr, more: &str) -> Rig {
    let sidecar = format!(
        "    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: service }}], {more} }}\n"
    );
    Rig::start(issuer(None).await, stock, &sidecar).await
}

#[tokio::test]
async fn what_passes_by_bears_no_word_of_who_calls() {
    let (stock, metrics, other) = (Raw::start().await, Raw::start().await, Raw::start().await);
    let host = metrics.address.to_string();
    let mut rig = rig(stock.address, &format!("pass-through: ['{host}']")).await;
    let named = format!("Host: {host}");
    let target = format!("POST http://{host}/push?a=1 HTTP/1.1");
    let alice = bearer("alice");
    let lines = [
        &*target,
        &named,
        &alice,
        "DPoP: x",
        "Proxy-Authorization: Basic YTpi",
        "X-User-Id: alice",
        "x_username: alice",
        "X-Hallpass-Context: 0123456789abcdef0123456789abcdef",
        "Accept: text/plain",
        "Content-Length: 2",
        "",
        "ab",
    ];
    let answer = say(rig.proxy(), &lines).await;
    assert_eq!((answer.status, &*answer.body), (200, "service"));
    let seen = metrics.only();
    assert_eq!(seen.line, "POST /push?a=1");
    assert_eq!(seen.header("host"), Some(&*host));
    assert_eq!(seen.header("accept"), Some("text/plain"));
    assert_eq!(
        seen.body.split(|byte| *byte == b'\r').next(),
        Some(&b"ab"[..])
    );
    for (name, value) in &seen.headers {
        let is_known = ["host", "accept", "content-length", "traceparent"].contains(&&**name);
        assert!(is_known, "{name}: {value}");
    }

    // The other port of the same host is another one, and a service has its token.
    let elsewhere = other.address.to_string();
    let target = format!("GET http://{elsewhere}/ HTTP/1.1");
    let answer = say(rig.proxy(), &[&*target, &*format!("Host: {elsewhere}")]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["code"], "unknown_service");
    assert_eq!(other.connections(), 0);
    let answer = say(rig.proxy(), &["GET /a HTTP/1.1", "Host: stock-service"]).await;
    assert_eq!(answer.status, 200);
    assert!(stock.only().header("authorization").is_some());

    // After a change of settings it is the other way round.
    let sidecar = format!(
        "    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, identity: service }}], pass-through: ['{elsewhere}'] }}\n"
    );
    rig.reload(&sidecar).await;
    let answer = say(rig.proxy(), &[&*target, &*format!("Host: {elsewhere}")]).await;
    assert_eq!((answer.status, other.connections()), (200, 1));
    let target = format!("GET http://{host}/ HTTP/1.1");
    let answer = say(rig.proxy(), &[&*target, &named]).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_second_request_hidden_behind_one_that_passes_by_is_looked_at_by_itself() {
    let (stock, metrics) = (Raw::start().await, Raw::start().await);
    let host = metrics.address.to_string();
    let rig = rig(stock.address, &format!("pass-through: ['{host}']")).await;
    let target = format!("GET http://{host}/ HTTP/1.1");
    let named = format!("Host: {host}");
    for more in [
        &["Host: stock-service"][..],
        &["Content-Length: 0", "Content-Length: 40"],
        &["Content-Length: 40", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Connection: host"],
    ] {
        let mut lines = vec![&*target, &*named];
        lines.extend(more);
        let answer = say(rig.proxy(), &lines).await;
        assert!(matches!(answer.status, 400 | 501), "{more:?} {answer:?}");
    }
    // Its own target decides about it.
    let hidden = "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n";
    let both = format!("{target}\r\n{named}\r\n\r\n{hidden}");
    let answer = say_bytes(rig.proxy(), &both).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("403") && answer.body.contains("unknown_service"));
    assert_eq!(metrics.seen().len(), 1);
}

/// Sends back what comes.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// The head of the answer to a question for a tunnel, and its connection. Whatever comes with the question is for the other side.
async fn connect(proxy: SocketAddr, host: &str, behind: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let head = format!(
        "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic YTpi\r\n\r\n{behind}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(bytes).unwrap(), stream)
}

#[tokio::test]
async fn a_tunnel_is_bytes_both_ways_and_ends_with_the_sidecar() {
    let (stock, host) = (Raw::start().await, echo().await.to_string());
    let rig = rig(stock.address, &format!("connect: ['{host}']")).await;
    let (head, mut stream) = connect(rig.proxy(), &host, "first").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("content-length") && !lower.contains("transfer-encoding"));
    stream.write_all(b", second").await.unwrap();
    let mut back = [0; 13];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"first, second");
    let text = rig.metrics().await;
    assert!(
        text.contains("hallpass_sidecar_outbound_open_tunnels 1"),
        "{text}"
    );
    // Half of it may end before the other.
    let (_, mut half) = connect(rig.proxy(), &host, "half").await;
    half.shutdown().await.unwrap();
    let mut rest = String::new();
    half.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "half");
    rig.sidecar
        .shutdown_within(std::time::Duration::ZERO)
        .await
        .unwrap();
    assert!(matches!(stream.read(&mut back).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_tunnel_that_the_settings_do_not_name_is_answered_with_advice() {
    let (stock, host) = (Raw::start().await, echo().await);
    let named = host.to_string();
    let more = format!("connect: ['{named}'], pass-through: ['192.0.2.1:80']");
    let rig = rig(stock.address, &more).await;
    for target in [
        &*format!("127.0.0.2:{}", host.port()),
        &*format!("localhost:{}", host.port()),
        "127.0.0.1:22",
        "stock-service:443",
        "192.0.2.1:80",
        "169.254.169.254:80",
    ] {
        let line = format!("CONNECT {target} HTTP/1.1");
        let answer = say(rig.proxy(), &[&line, &*format!("Host: {target}")]).await;
        assert_eq!(answer.status, 405, "{target}");
        assert_eq!(answer.json()["code"], "method_not_allowed");
        assert!(answer.body.contains("http://"), "{answer:?}");
    }
    let line = format!("CONNECT {named} HTTP/1.1");
    for (more, status) in [
        (&["Host: stock-service:443"][..], 400),
        (&["Host: 127.0.0.1:1"], 400),
    ] {
        let mut lines = vec![&*line];
        lines.extend(more);
        assert_eq!(say(rig.proxy(), &lines).await.status, status, "{more:?}");
    }
    // A port that is somebody's, and that he does not listen at.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = silent.local_addr().unwrap();
    let sidecar = format!("connect: ['{free}']");
    let rig = self::rig(stock.address, &sidecar).await;
    let line = format!("CONNECT {free} HTTP/1.1");
    let answer = say(rig.proxy(), &[&line, &*format!("Host: {free}")]).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()["code"], "upstream_unreachable");
    assert_eq!(stock.connections(), 0);
}
