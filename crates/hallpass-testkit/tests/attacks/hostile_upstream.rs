//! Upstreams whose responses could be read in two ways, or are none: their client gets one response with one end, and 502 where there
//! is none, and nobody gets what was left over.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::case::with_token;
use crate::rig::Rig;

const LIMIT: Duration = Duration::from_secs(20);

/// Answers each request on each connection with the bytes that it was last told, and then closes where told.
#[derive(Clone)]
pub(crate) struct Hostile {
    says: Arc<Mutex<(String, bool)>>,
}

impl Hostile {
    pub(crate) async fn start() -> (Self, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hostile = Self {
            says: Arc::default(),
        };
        let of_connections = hostile.clone();
        tokio::spawn(async move {
            while let Ok((stream, _gateway)) = listener.accept().await {
                tokio::spawn(of_connections.clone().serve(stream));
            }
        });
        (hostile, address)
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            read.clear();
            while !read.windows(4).any(|four| four == b"\r\n\r\n") {
                if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                    return;
                }
            }
            let (bytes, closes) = self.says.lock().await.clone();
            if stream.write_all(bytes.as_bytes()).await.is_err() || closes {
                return;
            }
        }
    }

    async fn says(&self, bytes: &str, closes: bool) {
        *self.says.lock().await = (bytes.to_owned(), closes);
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
/// What must reach nobody.
const HIDDEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden";

/// Lines behind `200 OK` and a body, whether the upstream closes, and the status that the client gets.
const RESPONSES: [(&str, &str, bool, &[&str]); 17] = [
    ("content-length: 2\r\n", "ok", false, &["200"]),
    (
        "transfer-encoding: chunked\r\n",
        "2\r\nok\r\n0\r\n\r\n",
        false,
        &["200"],
    ),
    ("", "ok", true, &["200"]),
    (
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "2\r\nok\r\n0\r\n\r\n",
        false,
        &["502"],
    ),
    (
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        "2\r\nok\r\n0\r\n\r\n",
        false,
        &["502"],
    ),
    (
        "content-length: 2\r\ncontent-length: 3\r\n",
        "ok",
        true,
        &["502"],
    ),
    ("content-length: 2, 3\r\n", "ok", true, &["502"]),
    ("content-length: -2\r\n", "ok", true, &["502"]),
    ("content-length: x\r\n", "ok", true, &["502"]),
    (
        "transfer-encoding: gzip, chunked\r\n",
        "2\r\nok\r\n0\r\n\r\n",
        true,
        &["502"],
    ),
    ("transfer-encoding: gzip\r\n", "ok", true, &["502"]),
    (
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "2\r\nok\r\n0\r\n\r\n",
        true,
        &["502"],
    ),
    ("content-length : 2\r\n", "ok", true, &["502"]),
    ("a: b\0c\r\ncontent-length: 2\r\n", "ok", true, &["502"]),
    ("nothing\r\ncontent-length: 2\r\n", "ok", true, &["502"]),
    (
        "connection: x-a, upgrade\r\nx-a: b\r\nupgrade: h2c\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n",
        "ok",
        false,
        &["200"],
    ),
    (
        "transfer-encoding: chunked\r\n",
        "2\r\nok\r\n0\r\nset-cookie: a=b\r\ncontent-length: 9\r\n\r\n",
        false,
        &["200"],
    ),
];

/// No response of success at all.
const OTHERS: [(&str, &[&str]); 12] = [
    (
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        &["502"],
    ),
    ("HTTP/1.1 101 Switching Protocols\r\n\r\n", &["502"]),
    ("HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", &["502"]),
    ("HTTP/1.1 -1 OK\r\ncontent-length: 0\r\n\r\n", &["502"]),
    ("HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", &["502"]),
    ("HTTP/1.1\r\n\r\n", &["502"]),
    ("ok", &["502"]),
    ("\0\0\0\0\0\0\0\0\0\0", &["502"]),
    ("\u{16}\u{3}\u{1}\0\u{5}hello", &["502"]),
    ("", &["502"]),
    ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n", &["502"]),
    (
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n",
        &["304"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_with_two_ends_reaches_nobody() {
    let (hostile, address) = Hostile::start().await;
    let rig = Rig::start_before(address).await;
    let mut cases: Vec<(String, bool, &[&str])> = Vec::new();
    for (lines, body, closes, statuses) in RESPONSES {
        cases.push((format!("{OK}{lines}\r\n{body}"), closes, statuses));
    }
    for (bytes, statuses) in OTHERS {
        cases.push((bytes.to_owned(), true, statuses));
    }
    let mut wrong = Vec::new();
    for (bytes, closes, statuses) in cases {
        // Alone, and with a whole response behind it that nobody has asked for.
        for behind in ["", HIDDEN] {
            if !behind.is_empty()
                && !bytes.contains("content-length: 2\r\n\r\n")
                && !bytes.ends_with("0\r\n\r\n")
            {
                continue;
            }
            hostile.says(&format!("{bytes}{behind}"), closes).await;
            let answers = [ask(&rig).await, ask(&rig).await];
            for answer in answers {
                let is_status = statuses
                    .iter()
                    .any(|it| answer.starts_with(&format!("HTTP/1.1 {it} ")));
                if !is_status
                    || answer.contains("hidden")
                    || responses(&answer) != 1
                    || has_two_lengths(&answer)
                {
                    wrong.push(format!("{bytes:?}: {statuses:?}, and it is {answer:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hostile
        .says(&format!("{OK}content-length: 2\r\n\r\nok"), false)
        .await;
    assert!(ask(&rig).await.ends_with("ok"));
}

fn responses(answer: &str) -> usize {
    answer.matches("HTTP/1.1 ").count()
}

fn has_two_lengths(answer: &str) -> bool {
    let head = answer
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    head.matches("\ncontent-length:").count() + head.matches("\ntransfer-encoding:").count() > 1
        || head.contains("x-a:")
        || head.contains("\nupgrade:")
        || head.contains("\nkeep-alive:")
}

async fn ask(rig: &Rig) -> String {
    let text = with_token("GET /orders/7", &rig.forge.good());
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(&text).await.unwrap();
    let mut answer = Vec::new();
    let _reset = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}
