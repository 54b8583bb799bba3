//! The load: one request again and again over each of some connections, with as little work as possible here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::measure::Failure;

/// Room for one response.
const BUFFER_BYTES: usize = 8 * 1024;

/// Sends `request` over `connections` connections for `length`; how many good responses came, and in what time.
pub(crate) async fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    length: Duration,
) -> Result<(u64, Duration), Failure> {
    let start = Instant::now();
    let end = start + length;
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(connection(address, request.to_vec(), end));
    }
    let mut responses = 0;
    while let Some(worker) = workers.join_next().await {
        responses += worker??;
    }
    Ok((responses, start.elapsed()))
}

async fn connection(address: SocketAddr, request: Vec<u8>, end: Instant) -> Result<u64, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    // All responses are equally long, so only the first one is looked into for its length.
    let mut length = None;
    let mut responses = 0;
    while Instant::now() < end {
        stream.write_all(&request).await?;
        let mut received = 0;
        loop {
            let free = buffer.get_mut(received..).ok_or("a response is too long")?;
            let more = stream.read(free).await?;
            if more == 0 {
                return Err("the server closed a connection".into());
            }
            received += more;
            let so_far = buffer.get(..received).unwrap_or_default();
            if length.is_none() {
                length = response_length(so_far)?;
            }
            if length.is_some_and(|length| received >= length) {
                break;
            }
        }
        if Some(received) != length || !buffer.starts_with(b"HTTP/1.1 200 ") {
            let text =
                String::from_utf8_lossy(buffer.get(..received).unwrap_or_default()).into_owned();
            return Err(format!("a response is not like the first one: {text}").into());
        }
        responses += 1;
    }
    Ok(responses)
}

/// Head and body together, once the head is complete.
fn response_length(bytes: &[u8]) -> Result<Option<usize>, Failure> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    let body = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or("no content-length")?;
    Ok(Some(head.len() + 4 + body.parse::<usize>()?))
}
