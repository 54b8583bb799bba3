//! Whose bytes go over a connection to an upstream that is used again: nobody's but those of the request that has it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::case::with_token;
use crate::rig::Rig;
use crate::smuggling::ORDER;

const LIMIT: Duration = Duration::from_secs(20);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Said on a connection that nobody uses.
const HIDDEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden";

/// An upstream that answers each head, whatever is still to come of its body.
struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// All bytes of each connection.
    connections: Mutex<Vec<String>>,
    /// Lets the last connection say something that nobody has asked for.
    speak: Notify,
    has_spoken: Notify,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let of_connections = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _gateway)) = listener.accept().await {
                let number = {
                    let mut all = of_connections.connections.lock().unwrap();
                    all.push(String::new());
                    all.len() - 1
                };
                tokio::spawn(serve(stream, number, Arc::clone(&of_connections)));
            }
        });
        Self { address, state }
    }
}

async fn serve(mut stream: TcpStream, number: usize, state: Arc<State>) {
    let mut answered = 0;
    loop {
        let mut read = Vec::new();
        tokio::select! {
            more = stream.read_buf(&mut read) => if !matches!(more, Ok(1..)) {
                return;
            },
            () = state.speak.notified(), if answered > 0 => {
                let _gone = stream.write_all(HIDDEN.as_bytes()).await;
                state.has_spoken.notify_one();
                continue;
            }
        }
        let heads = {
            let mut all = state.connections.lock().unwrap();
            all[number].push_str(&String::from_utf8_lossy(&read));
            all[number].matches(" HTTP/1.1\r\n").count()
        };
        // As many as look like requests: who reads a body as heads is served.
        while answered < heads {
            answered += 1;
            if stream.write_all(OK.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn read_response(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"ok") && !read.ends_with(b"hidden") && !read.ends_with(b"}") {
        let more = timeout(LIMIT, stream.read_buf(&mut read)).await.unwrap();
        if !matches!(more, Ok(1..)) {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

async fn ask(rig: &Rig) -> String {
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    let text = with_token("GET /orders/9", &rig.forge.good());
    stream.write_all(&text).await.unwrap();
    read_response(&mut stream).await
}

/// Its caller stays and sends no more of it, or goes, or sends a request in the rest of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_with_half_a_body_on_it_is_nobody_elses() {
    for (rest, goes) in [
        ("", false),
        ("", true),
        ("GET /internal/x HTTP/1.1\r\nhost: shop\r\n\r\n", false),
    ] {
        let upstream = Upstream::start().await;
        let rig = Rig::start_before(upstream.address).await;
        let mut stream = TcpStream::connect(rig.address()).await.unwrap();
        let bearer = format!("authorization: Bearer {}\r\n", rig.forge.good());
        let text = format!("{ORDER}{bearer}content-length: 100000\r\n\r\nhalf");
        stream.write_all(text.as_bytes()).await.unwrap();
        let answer = read_response(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let _closed = stream.write_all(rest.as_bytes()).await;
        let stays = (!goes).then_some(stream);
        for _ in 0..3 {
            let answer = ask(&rig).await;
            assert!(answer.ends_with("ok"), "{answer}");
        }
        drop(stays);
        let all = upstream.state.connections.lock().unwrap().clone();
        let with_half = all
            .iter()
            .find(|bytes| bytes.contains("/orders HTTP"))
            .unwrap();
        assert!(!with_half.contains("/orders/9"), "{with_half}");
        assert_eq!(with_half.matches("POST ").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_says_unasked_is_no_response_to_the_next_request() {
    let upstream = Upstream::start().await;
    let rig = Rig::start_before(upstream.address).await;
    for _ in 0..5 {
        let answer = ask(&rig).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("ok"), "{answer}");
        upstream.state.speak.notify_one();
        let spoken = timeout(LIMIT, upstream.state.has_spoken.notified()).await;
        spoken.unwrap();
    }
}
