//! Requests at a fixed rate over kept connections, and what becomes of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::measure::Failure;
use crate::outages::load::Call;

/// Kept connections; each makes its share of the requests.
const CONNECTIONS: u64 = 64;
/// Longer than the gateway lets a request take.
const PATIENCE: Duration = Duration::from_secs(40);
/// Longest line of a response, and longest body, in bytes.
const MOST: usize = 4_096;

/// Where requests go, and with what.
#[derive(Clone)]
pub(super) struct Load {
    gateways: Arc<[Place]>,
    token: Arc<str>,
}

/// A gateway, as a load balancer sees it.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) is_ready: AtomicBool,
}

/// All requests of a run.
#[derive(Default)]
pub(super) struct Made {
    pub(super) calls: Vec<Call>,
    /// Connections beyond the first of each sender, to a gateway that was ready all the time.
    pub(super) opened_again: u64,
}

impl Load {
    pub(super) fn new(gateways: &Arc<[Place]>, token: &str) -> Self {
        Self {
            gateways: Arc::clone(gateways),
            token: token.into(),
        }
    }

    /// So many requests a second for `length`. One that is late is slow, not absent.
    pub(super) async fn run(
        &self,
        begun: Instant,
        rate: u32,
        length: Duration,
    ) -> Result<Made, Failure> {
        let mut senders = JoinSet::new();
        for first in 0..CONNECTIONS {
            let sender = Sender {
                load: self.clone(),
                connection: None,
                made: Made::default(),
            };
            senders.spawn(sender.send_all(first, (begun, rate, length)));
        }
        let mut all = Made::default();
        while let Some(made) = senders.join_next().await {
            let made = made?;
            all.calls.extend(made.calls);
            all.opened_again += made.opened_again;
        }
        Ok(all)
    }

    /// The gateway for a sender: its own, or another one that is ready.
    fn place(&self, sender: u64) -> Option<&Place> {
        let own = usize::try_from(sender).unwrap_or(0) % self.gateways.len().max(1);
        let (before, from_own) = self.gateways.split_at_checked(own)?;
        let mut all = from_own.iter().chain(before);
        all.clone()
            .find(|place| place.is_ready.load(Ordering::SeqCst))
            .or_else(|| all.next())
    }
}

/// One of those who send, with its connection.
struct Sender {
    load: Load,
    connection: Option<(SocketAddr, BufReader<TcpStream>)>,
    made: Made,
}

impl Sender {
    async fn send_all(
        mut self,
        first: u64,
        (begun, rate, length): (Instant, u32, Duration),
    ) -> Made {
        let total = u64::from(rate) * length.as_secs();
        let mut number = first;
        while number < total {
            let planned = Duration::from_micros(number * 1_000_000 / u64::from(rate));
            let moment = begun + planned;
            sleep_until(moment).await;
            let failure = match timeout(PATIENCE, self.send(first, number)).await {
                Ok(sent) => sent.err().map(|why| why.to_string()),
                Err(_) => Some("no response".to_owned()),
            };
            if failure.is_some() {
                self.connection = None;
            }
            self.made.calls.push(Call {
                planned,
                took: moment.elapsed(),
                failure,
            });
            number += CONNECTIONS;
        }
        self.made
    }

    /// One request, over the connection that is there unless it was closed.
    async fn send(&mut self, sender: u64, number: u64) -> Result<(), Failure> {
        let load = self.load.clone();
        let place = load.place(sender).ok_or("no gateway is known")?;
        let kept = self.connection.take();
        let was_there = kept.as_ref().is_some_and(|(to, _)| *to == place.address);
        let kept = kept.filter(|(to, kept)| *to == place.address && is_open(kept));
        let mut stream = match kept {
            Some((_, stream)) => stream,
            None => {
                self.made.opened_again += u64::from(was_there);
                let stream = TcpStream::connect(place.address).await?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        let request = format!(
            "GET /orders/{number} HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {}\r\n\r\n",
            load.token
        );
        stream.write_all(request.as_bytes()).await?;
        let (is_kept, body) = read(&mut stream).await?;
        if body != number.to_string().as_bytes() {
            return Err("the response is for another request".into());
        }
        if is_kept {
            self.connection = Some((place.address, stream));
        } else {
            self.made.opened_again += 1;
        }
        Ok(())
    }
}

/// Whether nothing has come over a connection that nobody uses: not even its end.
fn is_open(stream: &BufReader<TcpStream>) -> bool {
    let read = stream.get_ref().try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A good response: whether its connection is kept, and its body.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<(bool, Vec<u8>), Failure> {
    let (mut status, mut length, mut is_kept) = (None, 0, true);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut *stream).take(MOST as u64);
        limited.read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err("the connection ends without a response".into());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = Some(line);
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "connection" => is_kept = !value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    if length > MOST {
        return Err("a body that is too long".into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    match status {
        Some(status) if status.starts_with("HTTP/1.1 200 ") => Ok((is_kept, body)),
        other => Err(format!(
            "{} {}",
            other.unwrap_or_default(),
            String::from_utf8_lossy(&body)
        )
        .into()),
    }
}
