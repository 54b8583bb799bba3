//! The service behind the proxies. It keeps each request as the proxy wrote it, byte for byte: a server of a library would
//! already have read the path in its own way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The key of a WebSocket handshake (RFC 6455 section 1.3).
pub(crate) const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server puts behind the key of a handshake to make its answer (RFC 6455 section 1.3).
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The path whose response comes in two parts, the second when the test says so.
pub(crate) const STREAM: &str = "/orders/stream";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request target as it was written.
    pub(crate) target: String,
    /// Names and values as they were written, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes of body came with it.
    pub(crate) body: usize,
}

impl Seen {
    /// The values under `name`, and under every name that some server takes for it: letters and digits alone count. Empty
    /// ones say nothing: `hallpass authz` has some proxies empty a header that must not get through.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let same = |other: &str| {
            let plain = |text: &str| -> String {
                let text = text.chars().filter(char::is_ascii_alphanumeric);
                text.collect::<String>().to_ascii_lowercase()
            };
            plain(other) == plain(name)
        };
        let found = self.headers.iter().filter(|(other, _)| same(other));
        let values = found.map(|(_, value)| value.as_str());
        values.filter(|value| !value.is_empty()).collect()
    }
}

/// The running service; its connections end with the test.
pub(crate) struct Recorder {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    go_on: Notify,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let for_connections = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _proxy)) = listener.accept().await {
                let state = Arc::clone(&for_connections);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Self { address, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What has come since it was last asked.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }

    /// Lets the response to [`STREAM`] go on.
    pub(crate) fn go_on(&self) {
        self.state.go_on.notify_one();
    }
}

/// One connection, until its end or what cannot be read.
async fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let head = head(&mut stream, &mut read).await?;
        let mut seen = parse(&head)?;
        seen.body = body(&mut stream, &mut read, &seen).await?;
        let upgrades = !seen.values("upgrade").is_empty();
        let key = seen.values("sec-websocket-key").concat();
        let streams = seen.target == STREAM;
        state.seen.lock().unwrap().push(seen);
        if upgrades {
            let accept = websocket_accept(&key);
            let accept = format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(accept.as_bytes()).await.ok()?;
            return echo(&mut stream, &mut read).await;
        }
        if streams {
            let begin = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst \r\n";
            stream.write_all(begin).await.ok()?;
            state.go_on.notified().await;
            stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.ok()?;
        } else {
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nservice";
            stream.write_all(response).await.ok()?;
        }
    }
}

/// What a server makes of the key of a handshake. Some proxies open a WebSocket of their own to the service, with another key than
/// the client's.
fn websocket_accept(key: &str) -> String {
    let text = format!("{key}{WEBSOCKET_GUID}");
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(digest)
}

/// Sends the first frame back, which is a short one (RFC 6455 section 5.2): masked it came, as it is it goes.
async fn echo(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    const HEAD: usize = 6;
    while read.len() < HEAD || read.len() < HEAD + usize::from(read[1] & 0x7f) {
        more(stream, read).await?;
    }
    let length = read[1] & 0x7f;
    let mask = read[2..HEAD].iter().cycle();
    let text = read[HEAD..HEAD + usize::from(length)].iter();
    let text: Vec<u8> = text.zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    stream.write_all(&[read[0], length]).await.ok()?;
    stream.write_all(&text).await.ok()?;
    // Until the other side closes.
    while more(stream, read).await.is_some() {
        read.clear();
    }
    None
}

/// The next head; what came after it stays in `read`.
async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some(std::mem::replace(read, rest));
        }
        more(stream, read).await?;
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(read).await.ok()?;
    (count > 0).then_some(())
}

fn parse(head: &[u8]) -> Option<Seen> {
    // Byte by byte, so that nothing is lost that is not UTF-8.
    let head: String = head.iter().map(|&byte| char::from(byte)).collect();
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?;
    let (_method, target) = line.split_once(' ')?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    Some(Seen {
        target: target.to_owned(),
        headers: lines.map(header).collect(),
        body: 0,
    })
}

/// Reads the body away, and says how long it was.
async fn body(stream: &mut TcpStream, read: &mut Vec<u8>, seen: &Seen) -> Option<usize> {
    if !seen.values("transfer-encoding").is_empty() {
        return chunks(stream, read).await;
    }
    let length = seen.values("content-length");
    let length = length.first().map_or(Some(0), |text| text.parse().ok())?;
    while read.len() < length {
        more(stream, read).await?;
    }
    read.drain(..length);
    Some(length)
}

async fn chunks(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<usize> {
    let mut total = 0;
    loop {
        let end = loop {
            if let Some(end) = read.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            more(stream, read).await?;
        };
        let length = std::str::from_utf8(read.get(..end)?).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        // The line, the bytes, and the end of line after them.
        while read.len() < end + 2 + length + 2 {
            more(stream, read).await?;
        }
        read.drain(..end + 2 + length + 2);
        if length == 0 {
            return Some(total);
        }
        total += length;
    }
}
