//! An upstream that knows no library of HTTP: it reads its bytes by the narrowest reading there is, and keeps what it cannot read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Whoever keeps responses may keep this one.
const RESPONSE: &str = "HTTP/1.1 200 OK\r\ncache-control: public, max-age=600\r\netag: \"7\"\r\ncontent-length: 8\r\n\r\nupstream";

/// A request as its bytes stood on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) head: String,
    /// Without the marks of chunks.
    pub(crate) body: Vec<u8>,
    /// Behind the last chunk, line by line.
    pub(crate) trailers: Vec<String>,
}

impl Raw {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// All values of a field whose name differs from this one in nothing but case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }
}

fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let fields = head.split("\r\n").skip(1);
    let fields = fields.filter_map(|line| line.split_once(':'));
    let named = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.trim()).collect()
}

/// It answers each request alike.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Raw>>,
    /// Bytes that are no request, or one with two readings.
    odd: Mutex<Vec<String>>,
    count: AtomicUsize,
    connections: AtomicUsize,
}

impl RawUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let for_connections = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _gateway)) = listener.accept().await {
                let state = Arc::clone(&for_connections);
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests since the start.
    pub(crate) fn count(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// What has come since it was last asked.
    pub(crate) fn take(&self) -> Vec<Raw> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }

    /// What could not be read since the start.
    pub(crate) fn odd(&self) -> Vec<String> {
        self.state.odd.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut read = Vec::new();
    loop {
        match request(&mut stream, &mut read).await {
            Ok(Some(raw)) => {
                state.seen.lock().unwrap().push(raw);
                state.count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(None) => return,
            Err(why) => {
                let bytes = String::from_utf8_lossy(&read);
                state.odd.lock().unwrap().push(format!("{why}: {bytes:?}"));
                return;
            }
        }
        if stream.write_all(RESPONSE.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request; `None` when the connection ends before one begins, or in the middle of a body.
async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Option<Raw>, &'static str> {
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            break std::mem::replace(read, rest);
        }
        if !more(stream, read).await {
            return match read.is_empty() {
                true => Ok(None),
                false => Err("a head that does not end"),
            };
        }
    };
    let head = String::from_utf8(head).map_err(|_| "a head that is not UTF-8")?;
    let lengths = values(&head, "content-length");
    let codings = values(&head, "transfer-encoding");
    let mut raw = Raw {
        body: Vec::new(),
        trailers: Vec::new(),
        head: head.clone(),
    };
    let is_line = |line: &str| !line.is_empty() && !line.contains(['\r', '\n', '\0']);
    let lines = head.trim_end_matches("\r\n").split("\r\n");
    if !lines.clone().all(is_line) || lines.skip(1).any(|line| line.starts_with([' ', '\t'])) {
        return Err("a line that is read in two ways");
    }
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Some(raw)),
        ([length], []) => {
            let is_number = !length.is_empty() && length.bytes().all(|it| it.is_ascii_digit());
            let length = length.parse().ok().filter(|_| is_number);
            let length: usize = length.ok_or("a length that is none")?;
            while read.len() < length {
                if !more(stream, read).await {
                    return Ok(None);
                }
            }
            raw.body = read.drain(..length).collect();
            Ok(Some(raw))
        }
        ([], ["chunked"]) => chunks(stream, read, raw).await,
        _ => Err("two lengths, or a coding"),
    }
}

async fn chunks(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
    mut raw: Raw,
) -> Result<Option<Raw>, &'static str> {
    loop {
        let Some(size) = line(stream, read).await? else {
            return Ok(None);
        };
        let is_size = !size.is_empty() && size.bytes().all(|it| it.is_ascii_hexdigit());
        let size = usize::from_str_radix(&size, 16).ok().filter(|_| is_size);
        let size = size.ok_or("a size that is none")?;
        if size == 0 {
            break;
        }
        while read.len() < size + 2 {
            if !more(stream, read).await {
                return Ok(None);
            }
        }
        raw.body.extend(read.drain(..size));
        if !read.starts_with(b"\r\n") {
            return Err("a chunk that is longer than it says");
        }
        read.drain(..2);
    }
    while let Some(trailer) = line(stream, read).await? {
        if trailer.is_empty() {
            return Ok(Some(raw));
        }
        raw.trailers.push(trailer);
    }
    Ok(None)
}

/// A line without its end; `None`: the connection ends first.
async fn line(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Option<String>, &'static str> {
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = read.drain(..=end).collect();
            let line = line.strip_suffix(b"\r\n").ok_or("a bare LF")?;
            let line = std::str::from_utf8(line).map_err(|_| "a line that is not UTF-8")?;
            return Ok(Some(line.to_owned()));
        }
        if !more(stream, read).await {
            return Ok(None);
        }
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(read).await, Ok(1..))
}
