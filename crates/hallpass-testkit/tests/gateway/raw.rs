//! A service behind the gateway that reads and writes bytes: what a library would hide, it shows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Method and target as they were written, without the version.
    pub(crate) line: String,
    /// Names in lower case, and values, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many connections there were by then.
    pub(crate) connection: usize,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter().filter(|(it, _)| it == name);
        values.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} comes twice: {self:?}");
        all.first().copied()
    }
}

/// What is written in return; the connection stays, unless it is said to close.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Bytes(Vec<u8>),
    Closes(Vec<u8>),
    /// Nothing, ever.
    Hangs,
}

impl Says {
    /// A response of 200 with this body.
    pub(crate) fn ok(body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    pub(crate) fn closes(text: &str) -> Self {
        Self::Closes(text.as_bytes().to_vec())
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Says + Send + Sync>;

/// The running service; its connections end with the test.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Answer,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

impl Raw {
    /// Says `service` to everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| Says::ok("service")).await
    }

    pub(crate) async fn answering(answer: impl Fn(&Seen) -> Says + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&Seen) -> Says + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Arc::new(answer),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let of_all = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _gateway)) = listener.accept().await {
                let state = Arc::clone(&of_all);
                let connection = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(async move { serve(stream, connection, &state).await });
            }
        });
        Self { address, state }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The only request that has come.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    pub(crate) fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// How many connections were ever made.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, connection: usize, state: &State) {
    let mut stream = BufReader::new(stream);
    while let Some(mut seen) = read(&mut stream).await {
        seen.connection = connection;
        let says = (state.answer)(&seen);
        state.seen.lock().unwrap().push(seen);
        match says {
            Says::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Says::Closes(bytes) => {
                let _written = stream.write_all(&bytes).await;
                let _closed = stream.shutdown().await;
                return;
            }
            Says::Hangs => std::future::pending().await,
        }
    }
}

/// `None` at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let head = read_until(stream, b"\r\n\r\n").await?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().lines();
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let mut seen = Seen {
        line,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        ..Seen::default()
    };
    if let Some(length) = seen.header("content-length") {
        let mut body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
        seen.body = body;
    } else if seen.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = read_until(stream, b"\r\n").await?;
            let size = String::from_utf8_lossy(&size).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).ok()?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            seen.body.extend_from_slice(&chunk[..size]);
        }
        // Trailers count as headers here: nobody must find one.
        loop {
            let trailer = read_until(stream, b"\r\n").await?;
            let trailer = String::from_utf8_lossy(&trailer).trim().to_owned();
            let Some((name, value)) = trailer.split_once(':') else {
                break;
            };
            let trailer = (name.to_ascii_lowercase(), value.trim().to_owned());
            seen.headers.push(trailer);
        }
    }
    Some(seen)
}

async fn read_until(stream: &mut BufReader<TcpStream>, end: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(bytes)
}
