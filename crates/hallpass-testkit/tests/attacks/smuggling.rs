//! Good requests whose bytes are odd, through `hallpass gateway`: an upstream that reads by itself sees each request once, in one
//! framing, which is the gateway's; and bad ones behind good ones on a connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::raw_upstream::Raw;
use crate::rig::Rig;

const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const ORDER: &str = "POST /orders HTTP/1.1\r\nhost: shop\r\n";
const CHUNKS: &str = "2\r\nab\r\n0\r\n\r\n";
/// What the upstream must have seen of one connection: lines and bodies.
type Seen = [(&'static str, &'static str)];

/// The bytes of one connection, the last of whose requests closes it, and what is seen of them.
async fn assert_seen(rig: &Rig, name: &str, bytes: &[u8], expected: &Seen) {
    let before = rig.upstream().odd().len();
    let answer = rig.all(bytes).await;
    let seen = rig.upstream().take();
    let short: Vec<_> = seen
        .iter()
        .map(|raw| (raw.line(), std::str::from_utf8(&raw.body).unwrap_or("?")))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, body)| (format!("{line} HTTP/1.1"), *body))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, body)| (&line[..], *body))
        .collect();
    assert_eq!(short, expected, "{name}: {answer}");
    assert_eq!(
        rig.upstream().odd().len(),
        before,
        "{name}: {:?}",
        rig.upstream().odd()
    );
    let successes = answer.matches("HTTP/1.1 200").count();
    assert_eq!(successes, expected.len(), "{name}: {answer}");
}

/// Behind everything else on a connection.
fn last(good: &str) -> String {
    format!(
        "GET /orders/9 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nauthorization: Bearer {good}\r\n\r\n"
    )
}

const LAST: (&str, &str) = ("GET /orders/9", "");
const ONE: (&str, &str) = ("POST /orders", "ab");

const NOTHING: (&str, &str) = ("POST /orders", "");
const GET: (&str, &str) = ("GET /orders/7", "ab");

/// Fields behind `POST /orders`, and a body.
const FIELDS: [(&str, &str, &str, (&str, &str)); 13] = [
    ("a length", "content-length: 2\r\n", "ab", ONE),
    ("chunks", "transfer-encoding: chunked\r\n", CHUNKS, ONE),
    (
        "chunks in capitals",
        "Transfer-Encoding: CHUNKED\r\n",
        CHUNKS,
        ONE,
    ),
    (
        "an extension",
        "transfer-encoding: chunked\r\n",
        "2;a=b;c\r\nab\r\n0;x\r\n\r\n",
        ONE,
    ),
    (
        "zeros",
        "transfer-encoding: chunked\r\n",
        "0002 \t\r\nab\r\n000\r\n\r\n",
        ONE,
    ),
    (
        "one byte a chunk",
        "transfer-encoding: chunked\r\n",
        "1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
        ONE,
    ),
    (
        "no body in chunks",
        "transfer-encoding: chunked\r\n",
        "0\r\n\r\n",
        NOTHING,
    ),
    (
        "no body of a length",
        "content-length: 000\r\n",
        "",
        NOTHING,
    ),
    ("a length with zeros", "content-length: 0002\r\n", "ab", ONE),
    (
        "an expectation",
        "expect: 100-continue\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
    (
        "hop by hop",
        "connection: keep-alive, x-a, te\r\nx-a: b\r\nte: trailers\r\nkeep-alive: timeout=5\r\nproxy-connection: close\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
    (
        "an unknown protocol",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
    (
        "names that are nearly one",
        "content_length: 7\r\nx-content-length: 9\r\ntransfer_encoding: chunked\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
];

/// What stands before the token, then the body.
const HEADS: [(&str, &str, &str, (&str, &str)); 4] = [
    (
        "empty lines before",
        "\r\n\r\nPOST /orders HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
    (
        "an absolute target",
        "POST http://shop/orders HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n",
        "ab",
        ONE,
    ),
    (
        "GET with a body in chunks",
        "GET /orders/7 HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n",
        CHUNKS,
        GET,
    ),
    (
        "GET with a length",
        "GET /orders/7 HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n",
        "ab",
        GET,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_good_request_reaches_the_upstream_once_in_the_framing_of_the_gateway() {
    let rig = Rig::start_behind_gateway().await;
    let good = rig.forge.good();
    let bearer = format!("authorization: Bearer {good}\r\n\r\n");
    let fields = FIELDS
        .map(|(name, fields, body, seen)| (name, format!("{ORDER}{fields}{bearer}{body}"), seen));
    let heads = HEADS.map(|(name, head, body, seen)| (name, format!("{head}{bearer}{body}"), seen));
    for (name, text, seen) in fields.into_iter().chain(heads) {
        let bytes = text + &last(&good);
        assert_seen(&rig, name, bytes.as_bytes(), &[seen, LAST]).await;
    }
    let old = format!("POST /orders HTTP/1.0\r\nhost: shop\r\ncontent-length: 2\r\n{bearer}ab");
    rig.all(old.as_bytes()).await;
    let seen = rig.upstream().take();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line(), "POST /orders HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_hidden_in_a_body_is_a_body() {
    let rig = Rig::start_behind_gateway().await;
    let good = rig.forge.good();
    let bearer = format!("authorization: Bearer {good}\r\n");
    let hidden = format!("GET /internal/x HTTP/1.1\r\nhost: shop\r\n{bearer}\r\n");
    for text in [
        format!(
            "{ORDER}{bearer}content-length: {}\r\n\r\n{hidden}",
            hidden.len()
        ),
        format!(
            "{ORDER}{bearer}transfer-encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
            hidden.len()
        ),
    ] {
        let answer = rig.all((text + &last(&good)).as_bytes()).await;
        let seen = rig.upstream().take();
        let lines: Vec<&str> = seen.iter().map(Raw::line).collect();
        assert_eq!(
            lines,
            ["POST /orders HTTP/1.1", "GET /orders/9 HTTP/1.1"],
            "{answer}"
        );
        assert_eq!(seen[0].body, hidden.as_bytes());
    }
    assert!(rig.upstream().odd().is_empty());
}

/// Fields that say a length in two ways, or none that is known.
const BAD: [&str; 22] = [
    "content-length: 5\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    "content-length: 0\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: chunked\r\nx: y\r\nContent-Length: 0\r\n",
    "content-length: 5\r\ncontent-length: 5\r\n",
    "content-length: 5\r\ncontent-length: 0\r\n",
    "content-length: 5, 5\r\n",
    "content-length: +5\r\n",
    "content-length: 5 \t5\r\n",
    "content-length:\r\n",
    "content-length: 0x5\r\n",
    "content-length : 5\r\n",
    "content-length:\r\n 5\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding: chunked;a=b\r\n",
    "transfer-encoding : chunked\r\n",
    "transfer-encoding: chunked\n",
];

/// Each of them alone, behind a good request of each kind, and in small pieces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_framing_reaches_the_upstream() {
    let rig = Rig::start_behind_gateway().await;
    let good = rig.forge.good();
    let bearer = format!("authorization: Bearer {good}\r\n");
    let order = format!("{ORDER}{bearer}");
    let before = [
        (String::new(), &[][..]),
        (format!("{order}content-length: 2\r\n\r\nab"), &[ONE][..]),
        (
            format!("{order}transfer-encoding: chunked\r\n\r\n{CHUNKS}"),
            &[ONE][..],
        ),
    ];
    let (mut sent, mut wrong) = (0, Vec::new());
    for fields in BAD {
        for (first, expected) in &before {
            let text = format!("{first}{order}{fields}\r\n0\r\n\r\n{}", last(&good));
            for piece in [text.len(), 40] {
                let answer = in_pieces(rig.address(), text.as_bytes(), piece).await;
                let seen = rig.upstream().take();
                let lines: Vec<_> = seen.iter().map(Raw::line).collect();
                let is_refused =
                    answer.matches(" 400 ").count() + answer.matches(" 501 ").count() == 1;
                if lines.len() != expected.len() || !is_refused {
                    wrong.push(format!(
                        "{fields:?} by {piece} behind {first:?}: {lines:?} {answer}"
                    ));
                }
                sent += 1;
            }
        }
    }
    println!("{sent} of odd framing, {} of them smuggled", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        rig.upstream().odd().is_empty(),
        "{:?}",
        rig.upstream().odd()
    );
    assert!(sent >= 120);
    rig.assert_serves().await;
}

impl Rig {
    /// All that comes until the other side closes.
    pub(crate) async fn all(&self, bytes: &[u8]) -> String {
        self.all_of(self.address(), bytes).await
    }

    /// The same of a gateway beside.
    pub(crate) async fn all_of(&self, address: SocketAddr, bytes: &[u8]) -> String {
        in_pieces(address, bytes, bytes.len()).await
    }
}

pub(crate) async fn in_pieces(address: SocketAddr, bytes: &[u8], piece: usize) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for part in bytes.chunks(piece.max(1)) {
        // The gateway may have closed already.
        let _closed = stream.write_all(part).await;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _reset = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}
